//! Request bodies: of the right type, of bounded size, read in bounded time, JSON that cannot be read two ways.

use std::time::Duration;

use axum::body::{Body, Bytes, to_bytes};
use axum::http::{HeaderMap, StatusCode, header};
use serde_json::Value as Json;

use super::failure::Failure;
use crate::json;

pub const JSON: &[&str] = &["application/json"];
pub const JSON_PATCH: &[&str] = &["application/json", "application/merge-patch+json"];
pub const FORM: &[&str] = &["application/x-www-form-urlencoded"];
pub const NDJSON: &[&str] = &["application/x-ndjson", "application/ndjson", "application/jsonl", "application/json"];

/// How much, and how long, is read of a body that nobody needs.
const SETTLE_BYTES: usize = 64 * 1024;
const SETTLE_TIME: Duration = Duration::from_millis(500);

/// Reads a whole body.
///
/// # Errors
/// 413 over `limit` bytes; 400 when the connection broke.
pub async fn read(headers: &HeaderMap, body: Body, limit: usize) -> Result<Bytes, Failure> {
    let too_large = || {
        let message = format!("the body of this request has at most {limit} bytes");
        Failure::new(StatusCode::PAYLOAD_TOO_LARGE, "body_too_large", message)
            .detailed(serde_json::json!({"limit": limit}))
            .last()
    };
    let announced = headers.get(header::CONTENT_LENGTH).and_then(|length| length.to_str().ok()?.parse::<u64>().ok());
    if announced.is_some_and(|length| length > limit as u64) {
        return Err(too_large());
    }
    to_bytes(body, limit).await.map_err(|error| {
        let source = std::error::Error::source(&error);
        // The limit is the only error that this body type wraps in one of its own; anything else came from the wire.
        match source.is_some_and(|source| source.to_string().contains("length limit")) {
            true => too_large(),
            false => {
                Failure::new(StatusCode::BAD_REQUEST, "body_incomplete", "the body of this request broke off").last()
            }
        }
    })
}

/// Takes in the body of a request that is refused unread, so that the client can send its next one on the same
/// connection; a client with a body that is large or slow is told to open another.
pub async fn settled(body: Body, failure: Failure) -> Failure {
    // Boxed: rare, and what waits for it is copied with every request.
    let rest = Box::pin(to_bytes(body, SETTLE_BYTES));
    match tokio::time::timeout(SETTLE_TIME, rest).await {
        Ok(Ok(_)) => failure,
        Ok(Err(_)) | Err(_) => failure.last(),
    }
}

/// Checks the media type. A type that browsers send without asking first is never among the allowed ones.
///
/// # Errors
/// 400 (the standard API wants no 415).
pub fn check_type(headers: &HeaderMap, allowed: &[&str]) -> Result<(), Failure> {
    let sent = headers.get(header::CONTENT_TYPE).and_then(|value| value.to_str().ok()).unwrap_or_default();
    let media = sent.split(';').next().unwrap_or_default().trim();
    if allowed.iter().any(|allowed| media.eq_ignore_ascii_case(allowed)) {
        return Ok(());
    }
    let message = format!("the `Content-Type` of this request is {}", allowed.join(" or "));
    Err(Failure::new(StatusCode::BAD_REQUEST, "content_type", message).at("Content-Type"))
}

/// Parses a JSON body.
///
/// # Errors
/// 400 with line and column.
pub fn parse(bytes: &[u8]) -> Result<Json, Failure> {
    if bytes.is_empty() {
        return Err(Failure::new(StatusCode::BAD_REQUEST, "malformed_json", "the body of this request is empty"));
    }
    json::parse(bytes).map_err(|error| {
        Failure::new(StatusCode::BAD_REQUEST, "malformed_json", format!("the body is not readable: {error}"))
    })
}
