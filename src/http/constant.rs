//! A server that parses a question and always says yes: what HTTP and JSON cost alone, for `hubwarden bench` to compare.
//!
//! It is axum as its documentation shows it, with none of our pipeline. It decides nothing: never offer it to clients.

use std::hint::black_box;
use std::io;
use std::net::SocketAddr;
use std::path::Path;

use axum::routing::post;
use axum::serve::ListenerExt;
use axum::{Json, Router};
use serde::{Deserialize, Serialize};
use tokio::net::TcpListener;

#[derive(Deserialize)]
#[expect(dead_code, reason = "parsed, and that is all")]
struct Question {
    subject: Party,
    action: Action,
    resource: Party,
    #[serde(default)]
    context: serde_json::Value,
}

#[derive(Deserialize)]
#[expect(dead_code, reason = "as Question")]
struct Party {
    r#type: String,
    id: String,
}

#[derive(Deserialize)]
#[expect(dead_code, reason = "as Question")]
struct Action {
    name: String,
}

#[derive(Serialize)]
struct Answer {
    decision: bool,
}

/// Serves until the process ends, a Unix socket as well where one is named; `ready` learns the address.
///
/// # Errors
/// An address that cannot be had.
pub async fn serve_constant(
    listen: SocketAddr,
    unix_socket: Option<&Path>,
    ready: impl FnOnce(SocketAddr),
) -> io::Result<()> {
    let answer = |Json(question): Json<Question>| async move {
        black_box(&question);
        Json(Answer { decision: true })
    };
    let router = Router::new().route("/access/v1/evaluation", post(answer));
    let listener = TcpListener::bind(listen).await?;
    #[cfg(not(unix))]
    if unix_socket.is_some() {
        return Err(io::ErrorKind::Unsupported.into());
    }
    #[cfg(unix)]
    if let Some(path) = unix_socket {
        tokio::spawn(axum::serve(tokio::net::UnixListener::bind(path)?, router.clone()).into_future());
    }
    ready(listener.local_addr()?);
    let listener = listener.tap_io(|stream| {
        // As the server that it is compared with.
        let _ = stream.set_nodelay(true);
    });
    axum::serve(listener, router).await
}
