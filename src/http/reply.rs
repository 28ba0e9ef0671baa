//! What a handler answers when all went well.

use axum::body::Body;
use axum::http::{HeaderName, HeaderValue, Response, StatusCode, header};
use serde::Serialize;

use super::failure::Failure;
use crate::store::Revision;

/// An answer. The revision and the bundle are those it was made at; the head's are sent when they are not given.
pub struct Reply {
    response: Response<Body>,
    pub revision: Option<Revision>,
    pub bundle: Option<HeaderValue>,
}

/// A JSON response. Serialising the types of this module cannot fail; should it, the answer is an empty 500.
pub fn json_response<T: Serialize>(status: StatusCode, body: &T) -> Response<Body> {
    let (status, bytes) = match serde_json::to_vec(body) {
        Ok(bytes) => (status, bytes),
        Err(error) => {
            tracing::error!(%error, "an answer could not be written");
            (StatusCode::INTERNAL_SERVER_ERROR, Vec::new())
        }
    };
    let mut response = Response::new(Body::from(bytes));
    *response.status_mut() = status;
    response.headers_mut().insert(header::CONTENT_TYPE, HeaderValue::from_static("application/json"));
    response
}

impl Reply {
    pub fn ok<T: Serialize>(body: &T) -> Self {
        Self::json(StatusCode::OK, body)
    }

    pub fn json<T: Serialize>(status: StatusCode, body: &T) -> Self {
        Self { response: json_response(status, body), revision: None, bundle: None }
    }

    pub fn empty(status: StatusCode) -> Self {
        let mut response = Response::new(Body::empty());
        *response.status_mut() = status;
        Self { response, revision: None, bundle: None }
    }

    pub fn text(content_type: &'static str, text: String) -> Self {
        let mut response = Response::new(Body::from(text));
        response.headers_mut().insert(header::CONTENT_TYPE, HeaderValue::from_static(content_type));
        Self { response, revision: None, bundle: None }
    }

    pub fn not_modified() -> Self {
        Self::empty(StatusCode::NOT_MODIFIED)
    }

    pub fn at(mut self, revision: Revision) -> Self {
        self.revision = Some(revision);
        self
    }

    pub fn of_bundle(mut self, hash: impl AsRef<str>) -> Self {
        self.bundle = HeaderValue::from_str(hash.as_ref()).ok();
        self
    }

    /// Quotes `tag` into an `ETag`.
    pub fn tagged(self, tag: impl std::fmt::Display) -> Self {
        match HeaderValue::try_from(format!("\"{tag}\"")) {
            Ok(value) => self.with(header::ETAG, value),
            Err(_) => self,
        }
    }

    /// The answer must not be kept by anybody: it shows a secret.
    pub fn secret(self) -> Self {
        self.with(header::CACHE_CONTROL, HeaderValue::from_static("no-store"))
    }

    pub fn with_status(mut self, status: StatusCode) -> Self {
        *self.response.status_mut() = status;
        self
    }

    pub fn with(mut self, name: HeaderName, value: HeaderValue) -> Self {
        self.response.headers_mut().insert(name, value);
        self
    }

    /// One more value for a header that may stand several times.
    pub fn also(mut self, name: HeaderName, value: HeaderValue) -> Self {
        self.response.headers_mut().append(name, value);
        self
    }

    pub fn into_response(self) -> Response<Body> {
        self.response
    }
}

/// What every handler answers.
pub type Answered = Result<Reply, Failure>;
