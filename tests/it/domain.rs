//! What the hub's policies mean, told as cases about the cast.

mod cases;
mod messages;
mod product;
