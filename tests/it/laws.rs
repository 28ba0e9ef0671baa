//! Laws: what holds in every world, tried on random ones. `PROPTEST_CASES` says on how many.

mod admission;
mod batch;
mod engine;
mod hub;
mod remedies;
mod search;
mod slice;
mod traps;
