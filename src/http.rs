//! The HTTP front end: a table of routes and one way through them.
//!
//! Three kinds of callers come here: services with an API key, gateways that ask on behalf of a request (`forward_auth`),
//! and the hub's own clients, which present access tokens and expect the hub's words (`whoami`, `auth_check`, `client`).
//!
//! Every request takes the same way (`pipeline.rs`): request id, who is calling (`access.rs`), which route
//! (`routes.rs`), may they, room and time (`options.rs`), body, handler, one error envelope (`failure.rs`), headers, log.
//! A handler gets a `Call` that has passed all of it and answers a reply or a failure; one endpoint lives
//! in one file. Never add a route beside the table, nor a check of keys beside `access.rs`.
//!
//! Nobody else imports axum, hyper or utoipa.

mod access;
mod app;
mod audit;
mod auth_check;
mod authorize;
mod authzen;
mod body;
mod bundle;
mod call;
mod check;
mod client;
mod conditions;
mod constant;
mod credentials;
mod entities;
mod explain;
mod failure;
mod fields;
mod forward_auth;
mod health;
mod introspect;
mod is_authorized;
mod keys;
mod listener;
mod metrics;
mod openapi;
mod options;
mod page_token;
mod paging;
mod path;
mod pipeline;
mod policies;
mod query;
mod question;
mod record;
mod replay;
mod reply;
mod request_id;
mod router;
mod routes;
mod server;
mod shadow;
mod tokens;
mod trace;
mod uninterrupted;
mod who_can;
mod whoami;
mod workers;

pub use constant::serve_constant;
pub use explain::ExplainReply;
pub use introspect::introspected;
pub use options::{Limits, ServeOptions};
pub use path::{percent_decode, percent_encode};
pub use routes::{Access, Effect, Route, Verb, routes};
pub use server::{ServeError, Server, serve};
pub use tokens::reach::ReachReply;
pub use tokens::{NewTokenReply, ReviewBody, TokenBody};
pub use trace::TARGET as TRACE_TARGET;
pub use who_can::WhoCanReply;
