//! All integration tests in one binary, so that they link once.

mod domain;
mod laws;
mod support;
