//! The integration tests: one binary, so that it is linked once.

mod domain;
mod laws;
mod store_crash;
mod support;
