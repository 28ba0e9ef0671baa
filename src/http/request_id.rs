//! `X-Request-ID`: the caller's own, given back as it came, or one made here.

use axum::http::{HeaderMap, HeaderName, HeaderValue};
use uuid::Uuid;

use super::failure::Failure;

pub const HEADER: HeaderName = HeaderName::from_static("x-request-id");
const MAX: usize = 256;

/// A request's id: visible ASCII and spaces, so it can stand in a header and in a log line.
#[derive(Clone, Debug)]
pub struct RequestId(HeaderValue);

impl RequestId {
    /// The id that was sent, or a new one.
    ///
    /// # Errors
    /// An id that is too long, has other characters, or stands twice: it could not be given back as it came.
    pub fn of(headers: &HeaderMap) -> Result<Self, Failure> {
        let mut sent = headers.get_all(HEADER).iter();
        let Some(id) = sent.next().filter(|id| !id.is_empty()) else {
            return Ok(Self::new());
        };
        let plain = |byte: &u8| matches!(byte, b' '..=b'~');
        if id.len() > MAX || !id.as_bytes().iter().all(plain) || sent.next().is_some() {
            let message = format!("`X-Request-ID` is one value of at most {MAX} printable ASCII characters");
            return Err(Failure::invalid("X-Request-ID", message));
        }
        Ok(Self(id.clone()))
    }

    pub fn new() -> Self {
        let id = HeaderValue::try_from(Uuid::now_v7().to_string());
        Self(id.unwrap_or(HeaderValue::from_static("-")))
    }

    pub fn header(&self) -> HeaderValue {
        self.0.clone()
    }

    pub fn as_str(&self) -> &str {
        self.0.to_str().unwrap_or("-")
    }
}
