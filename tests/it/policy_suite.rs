//! Policy tests as a product: the hub's own suite, what it covers, and how a suite that is wrong is told so.

mod command;
mod diff;
mod faults;
mod formats;
mod gate;
mod hub;
mod matrix;
mod run_tests;
mod why;
