//! hubwarden: the one place that answers who may do what on a model hub.

pub mod audit;
pub mod bench;
pub mod cli;
pub mod clock;
pub mod entity;
pub mod http;
pub mod hub;
pub mod json;
pub mod pdp;
pub mod process;
pub mod secret_file;
pub mod store;
pub mod suite;
pub mod tokens;
pub mod warden;
