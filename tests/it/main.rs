//! The integration tests: one binary, so that it is linked once.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    reason = "tests say what must hold by failing; the lints would only spare functions marked as tests"
)]

mod audit_crash;
mod audit_otlp;
mod authzen_basic;
mod authzen_batch;
mod authzen_discovery;
mod authzen_hub;
mod authzen_search;
mod authzen_support;
mod bench;
mod cli;
mod domain;
mod examples;
mod gateway;
mod http_access;
mod http_as_of;
mod http_audit;
mod http_authorize;
mod http_bundle;
mod http_check;
mod http_entities;
mod http_explain;
mod http_faces;
mod http_forward_auth;
mod http_is_authorized;
mod http_keys;
mod http_lessons;
mod http_limits;
mod http_list;
mod http_replay;
mod http_reports;
mod http_review;
mod http_routes;
mod http_support;
mod http_tokens;
#[cfg(unix)]
mod http_unix_socket;
mod laws;
mod layering;
mod operations;
mod policy_suite;
mod program;
mod readme;
mod store_crash;
mod support;
mod token_support;
mod tooling;
mod traces;
