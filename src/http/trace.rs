//! Spans of requests for OpenTelemetry, and the W3C trace context that a caller sends with one.
//!
//! Spans of this program have the target [`TARGET`] and the level `TRACE`: unless somebody collects them, making one is
//! a look at a flag. They name routes, statuses and ids of decisions, never who asked or what about: that stands in the
//! decision log, under the same trace id.

use axum::http::{HeaderMap, Method, StatusCode};
use opentelemetry::propagation::TextMapPropagator;
use opentelemetry::trace::TraceContextExt;
use opentelemetry_http::HeaderExtractor;
use opentelemetry_sdk::propagation::TraceContextPropagator;
use tracing::Span;
use tracing::field::Empty;
use tracing_opentelemetry::OpenTelemetrySpanExt;

use super::request_id::RequestId;
use crate::audit::Trace;

/// Of all spans that are for OpenTelemetry.
pub const TARGET: &str = "hubwarden::trace";

/// The span of a request: a child of the caller's, if the caller has one.
pub fn request(method: &Method, route: &str, headers: &HeaderMap) -> Span {
    let span = tracing::trace_span!(
        target: "hubwarden::trace",
        "request",
        otel.name = format!("{method} {route}"),
        otel.kind = "server",
        otel.status_code = Empty,
        http.request.method = method.as_str(),
        http.route = route,
        http.response.status_code = Empty,
        hubwarden.request_id = Empty,
    );
    if !span.is_disabled() {
        let parent = TraceContextPropagator::new().extract(&HeaderExtractor(headers));
        // Nobody may be collecting who knows of parents.
        let _ = span.set_parent(parent);
    }
    span
}

/// How it ended.
pub fn answered(span: &Span, status: StatusCode, id: &RequestId) {
    if !span.is_disabled() {
        span.record("http.response.status_code", i64::from(status.as_u16()));
        span.record("hubwarden.request_id", id.as_str());
        if status.is_server_error() {
            span.record("otel.status_code", "ERROR");
        }
    }
}

/// The ids of the current span, when it is collected: by them a record of the decision log finds its trace.
pub fn current() -> Option<Trace> {
    let span = Span::current();
    if span.is_disabled() {
        return None;
    }
    let context = span.context();
    let current = context.span();
    let ids = current.span_context();
    ids.is_valid().then(|| Trace { trace_id: ids.trace_id().to_string(), span_id: ids.span_id().to_string() })
}
