//! The integration tests: one binary, so that it is linked once.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    reason = "tests say what must hold by failing; the lints would only spare functions marked as tests"
)]

mod cli;
mod domain;
mod examples;
mod laws;
mod layering;
mod program;
mod readme;
mod store_crash;
mod support;
