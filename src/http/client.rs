//! The hub's own clients: what they present, and a "no" in the headers and body that they understand.

use axum::body::Body;
use axum::http::{HeaderMap, HeaderName, HeaderValue, Response, StatusCode, header};
use axum::response::IntoResponse;
use serde::Serialize;
use utoipa::ToSchema;

use super::call::Call;
use super::failure::Failure;
use super::reply::{Reply, json_response};
use crate::hub::{CHALLENGES, Refusal};
use crate::tokens::Presented;

/// Why not, for programs: the code of the reason.
pub const REASON: HeaderName = HeaderName::from_static("hubwarden-reason");
const ERROR_CODE: HeaderName = HeaderName::from_static("x-error-code");
const ERROR_MESSAGE: HeaderName = HeaderName::from_static("x-error-message");

/// The body of every error that a client of the hub gets.
#[derive(Serialize, ToSchema)]
pub struct ClientErrorReply<'a> {
    error: &'a str,
}

/// What the client presented in `Authorization`. Several of them are none: which one was meant is anybody's guess.
pub fn presented(call: &Call) -> Presented {
    let mut values = call.headers.get_all(header::AUTHORIZATION).iter();
    match (values.next(), values.next()) {
        (value, None) => call.hub().presented(value.map(HeaderValue::as_bytes)),
        (_, Some(_)) => Presented::Malformed,
    }
}

/// The refusal as a client gets it.
pub fn refused(refusal: &Refusal) -> Reply {
    let status = StatusCode::from_u16(refusal.status).unwrap_or(StatusCode::FORBIDDEN);
    let mut reply = Reply::json(status, &ClientErrorReply { error: &refusal.message });
    for (name, value) in headers(refusal) {
        reply = reply.also(name, value);
    }
    reply
}

/// The headers of a refusal.
pub fn headers(refusal: &Refusal) -> Vec<(HeaderName, HeaderValue)> {
    let mut headers = Vec::new();
    if let Some(code) = refusal.error_code {
        headers.push((ERROR_CODE, HeaderValue::from_static(code)));
    }
    headers.push((ERROR_MESSAGE, header_text(&refusal.message)));
    if refusal.status == 401 {
        headers.extend(CHALLENGES.map(|challenge| (header::WWW_AUTHENTICATE, HeaderValue::from_static(challenge))));
    }
    headers
}

/// What went wrong beside the question, in the clients' form.
pub fn failed(failure: Failure) -> Response<Body> {
    let mut response = json_response(failure.status, &ClientErrorReply { error: &failure.message });
    let message = header_text(&failure.message);
    let others: HeaderMap = failure.into_response().headers().clone();
    for name in [header::RETRY_AFTER, header::CONNECTION, header::ALLOW] {
        if let Some(value) = others.get(&name) {
            response.headers_mut().insert(name, value.clone());
        }
    }
    response.headers_mut().insert(ERROR_MESSAGE, message);
    response
}

/// A text as a header can hold it: clients read these bytes in different encodings, so what is not printable ASCII is
/// a question mark.
pub fn header_text(text: &str) -> HeaderValue {
    let printable = |c: char| if c == ' ' || c.is_ascii_graphic() { c } else { '?' };
    let text: String = text.chars().map(printable).collect();
    HeaderValue::try_from(text).unwrap_or(HeaderValue::from_static(""))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_header_cannot_be_broken_out_of() {
        assert_eq!(header_text("token `é\r\nSet-Cookie: a`"), "token `???Set-Cookie: a`");
    }
}
