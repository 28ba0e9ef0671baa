//! The integration tests: one binary, so that it is linked once.

mod store_crash;
