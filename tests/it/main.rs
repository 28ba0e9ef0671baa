//! The integration tests: one binary, so that it is linked once.

mod store_crash;
mod authzen_batch;
mod authzen_basic;
mod authzen_discovery;
mod authzen_hub;
mod authzen_support;
mod http_access;
mod http_authorize;
mod http_bundle;
mod http_entities;
mod http_is_authorized;
mod http_keys;
mod http_lessons;
mod http_limits;
mod http_list;
mod http_routes;
mod http_support;
