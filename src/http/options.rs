//! What a server is started with. Every limit has a name, a default, and an error that names it.

use std::net::SocketAddr;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use crate::hub::Hub;

/// How to serve.
#[derive(Clone)]
pub struct ServeOptions {
    /// Port 0 takes any free one.
    pub listen: SocketAddr,
    /// A Unix socket to listen on, too.
    pub unix_socket: Option<PathBuf>,
    pub hub: Arc<Hub>,
    /// The address that clients reach this server at, as published in metadata; `http://<listen>` when not given.
    pub public_url: Option<String>,
    pub limits: Limits,
}

impl ServeOptions {
    /// With default limits.
    pub fn new(listen: SocketAddr, hub: Arc<Hub>) -> Self {
        Self { listen, unix_socket: None, hub, public_url: None, limits: Limits::default() }
    }
}

/// Bounds on what one client, or all of them together, can take.
#[derive(Clone, Debug)]
pub struct Limits {
    /// Bytes of a request body.
    pub body_bytes: usize,
    /// Bytes of the body of a bulk request: a batch of entities, a bundle.
    pub bulk_body_bytes: usize,
    /// Questions in one batch.
    pub evaluations: usize,
    /// Entities that one question may bring along.
    pub request_entities: usize,
    /// Entities on one page of a list, or results on one of a search.
    pub page: usize,
    /// How long one page of a search may take; it is then given as far as it is.
    pub search_page: Duration,
    /// Requests being worked on; more are refused, to be tried again.
    pub concurrent_requests: usize,
    /// Reports of leaked tokens that one address may send in a minute.
    pub reports_per_minute: u32,
    /// Open connections; more wait to be accepted.
    pub connections: usize,
    /// From the head of a request to its answer.
    pub deadline: Duration,
    /// The same for bulk requests.
    pub bulk_deadline: Duration,
    /// From opening a connection, or from the last answer on it, to the next whole request head.
    pub header_timeout: Duration,
    /// How long a question waits for the revision that it wants to see.
    pub at_least_wait: Duration,
    /// How long a server that is told to stop waits for what is in flight.
    pub shutdown_grace: Duration,
}

impl Default for Limits {
    fn default() -> Self {
        Self {
            body_bytes: 1024 * 1024,
            bulk_body_bytes: 32 * 1024 * 1024,
            evaluations: 100,
            request_entities: 1_000,
            page: 1_000,
            search_page: Duration::from_secs(2),
            concurrent_requests: 256,
            reports_per_minute: 60,
            connections: 4_096,
            deadline: Duration::from_secs(10),
            bulk_deadline: Duration::from_secs(60),
            header_timeout: Duration::from_secs(30),
            at_least_wait: Duration::from_millis(50),
            shutdown_grace: Duration::from_secs(30),
        }
    }
}
