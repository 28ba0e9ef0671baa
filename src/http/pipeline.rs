//! The one way of every request, from its head to the log line.
//!
//! Keys come before routes: somebody without one learns neither which paths exist nor which methods they take.

use std::net::IpAddr;
use std::panic::AssertUnwindSafe;
use std::sync::Arc;
use std::time::Instant;

use axum::extract::Request;
use axum::http::request::Parts;
use axum::http::{HeaderName, HeaderValue, Response, StatusCode, header};
use axum::response::IntoResponse;
use futures_util::FutureExt;
use tokio::time::timeout_at;
use tracing::Instrument;

use super::access;
use super::app::App;
use super::body;
use super::call::{Call, at_least};
use super::client;
use super::failure::Failure;
use super::path::Params;
use super::query::Query;
use super::reply::Answered;
use super::request_id::{self, RequestId};
use super::router::{OtherMethod, Target};
use super::routes::{Access, Body, Effect, Route};
use super::trace;
use crate::audit::{Request as Asking, Trace};
use crate::store::Revision;
use crate::warden::ApiKey;

type HttpResponse = Response<axum::body::Body>;

const REVISION: HeaderName = HeaderName::from_static("hubwarden-revision");
const BUNDLE: HeaderName = HeaderName::from_static("hubwarden-bundle");

/// W3C trace context.
const TRACE: HeaderName = HeaderName::from_static("traceparent");

/// What the log and the headers tell of a request besides its answer.
struct Told {
    id: RequestId,
    key: Option<Arc<ApiKey>>,
    /// Whether the caller may learn the revision and the bundle.
    known: bool,
    revision: Option<Revision>,
    bundle: Option<HeaderValue>,
    quiet: bool,
}

impl Told {
    fn of(id: RequestId) -> Self {
        Self { id, key: None, known: false, revision: None, bundle: None, quiet: false }
    }
}

/// Outermost: request id, headers, log. A panic becomes an answer here.
pub async fn serve(app: Arc<App>, target: Target, peer: IpAddr, request: Request) -> HttpResponse {
    let started = Instant::now();
    let method = request.method().clone();
    let template = match &target {
        Target::Route(Route { path, .. }, _) | Target::OtherMethod(OtherMethod { path, .. }) => path,
        Target::NoRoute => "-",
    };
    let span = trace::request(&method, template, request.headers());
    let (told, mut response) = match RequestId::of(request.headers()) {
        Ok(id) => {
            let mut told = Told::of(id);
            // No name for the work: it would be there twice, and is copied with each request.
            let response = AssertUnwindSafe(dispatch(&app, &target, peer, request, &mut told).instrument(span.clone()))
                .catch_unwind()
                .await
                .unwrap_or_else(|_| panicked());
            (told, response)
        }
        Err(failure) => {
            let response = body::settled(request.into_body(), failure).await.into_response();
            (Told::of(RequestId::new()), response)
        }
    };
    let headers = response.headers_mut();
    headers.insert(request_id::HEADER, told.id.header());
    headers.insert(header::X_CONTENT_TYPE_OPTIONS, HeaderValue::from_static("nosniff"));
    if told.known {
        if let Some(revision) = told.revision.or_else(|| app.warden.revision().ok()) {
            headers.insert(REVISION, HeaderValue::from(revision.0));
        }
        let hash = told.bundle.clone().or_else(|| HeaderValue::from_str(app.warden.bundle().hash()).ok());
        headers.extend(hash.map(|hash| (BUNDLE, hash)));
    }
    if let Target::Route(_, meter) = &target {
        meter.served(response.status().as_u16(), started.elapsed());
    }
    trace::answered(&span, response.status(), &told.id);
    log(&method, template, response.status(), &told, started);
    response
}

/// One line for each request. Never the path as sent, the query, a header or a body: they may hold secrets.
fn log(method: &axum::http::Method, route: &str, status: StatusCode, told: &Told, started: Instant) {
    let key = told.key.as_ref().map_or("-", |key| &key.id);
    let status = status.as_u16();
    let micros = || u64::try_from(started.elapsed().as_micros()).unwrap_or(u64::MAX);
    macro_rules! line {
        ($level:ident) => {
            tracing::$level!(
                target: "hubwarden::access",
                method = %method, route, status, request_id = told.id.as_str(), key, duration_us = micros(), "request"
            )
        };
    }
    match told.quiet {
        true => line!(debug),
        false => line!(info),
    }
}

fn panicked() -> HttpResponse {
    tracing::error!("a request panicked; this is a defect");
    Failure::internal().into_response()
}

async fn dispatch(app: &Arc<App>, target: &Target, peer: IpAddr, request: Request, told: &mut Told) -> HttpResponse {
    let (parts, body) = request.into_parts();
    let mut unread = Some(body);
    match attempt(app, target, peer, parts, &mut unread, told).await {
        Ok(mut reply) => {
            told.revision = reply.revision;
            told.bundle = reply.bundle.take();
            reply.into_response()
        }
        Err(failure) => {
            if !matches!(failure.status, StatusCode::UNAUTHORIZED | StatusCode::FORBIDDEN | StatusCode::NOT_FOUND) {
                app.warden.metrics().rejected(failure.code);
            }
            let failure = match unread {
                Some(body) => body::settled(body, failure).await,
                None => failure,
            };
            match target {
                Target::Route(Route { access: Access::Client, .. }, _) => client::failed(failure),
                _ => failure.into_response(),
            }
        }
    }
}

async fn attempt(
    app: &Arc<App>,
    target: &Target,
    peer: IpAddr,
    parts: Parts,
    unread: &mut Option<axum::body::Body>,
    told: &mut Told,
) -> Answered {
    // Somebody without a key learns neither which paths exist nor which methods they take.
    let access = match target {
        Target::Route(route, _) => route.access,
        Target::NoRoute | Target::OtherMethod(_) => Access::Scopes(&[]),
    };
    let caller = access::identify(app, &parts.headers, access)?;
    told.key = caller.key().cloned();
    told.known = caller.is_known();
    let route = match target {
        Target::Route(route, _) => *route,
        Target::NoRoute => return Err(Failure::not_found("there is nothing at this path")),
        Target::OtherMethod(OtherMethod { allow, .. }) => {
            let message = format!("this path does not take {}", parts.method);
            let failure = Failure::new(StatusCode::METHOD_NOT_ALLOWED, "method_not_allowed", message);
            return Err(failure.with(header::ALLOW, allow.clone()));
        }
    };
    told.quiet = route.effect == Effect::Quiet;
    access::allow(app, &caller, route.access)?;
    let permit = if access == Access::Public { None } else { Some(app.admit()?) };
    let (limit, deadline) = match route.body {
        Body::None | Body::Small(..) => (app.limits.body_bytes, app.limits.deadline),
        Body::Bulk(..) => (app.limits.bulk_body_bytes, app.limits.bulk_deadline),
    };
    let end = tokio::time::Instant::now() + deadline;
    let body = unread.take().unwrap_or_default();
    let body = match timeout_at(end, body::read(&parts.headers, body, limit)).await {
        Ok(body) => body?,
        Err(_) => {
            let message = format!("the body did not arrive within {deadline:?}");
            return Err(Failure::new(StatusCode::REQUEST_TIMEOUT, "body_too_slow", message).last());
        }
    };
    let _working = permit.clone();
    let call = Call {
        app: Arc::clone(app),
        route,
        caller,
        request_id: told.id.clone(),
        // What stands behind the path of such a route is another request, which its handler reads as it was sent.
        params: match route.is_prefix() {
            true => Params::default(),
            false => Params::read(route.path, parts.uri.path())?,
        },
        query: match route.is_prefix() {
            true => Query::default(),
            false => Query::read(route, parts.uri.query().unwrap_or_default())?,
        },
        method: parts.method,
        at_least: at_least(&parts.headers)?,
        peer,
        target: parts.uri,
        headers: parts.headers,
        body,
        permit,
    };
    if let Some(revision) = call.at_least {
        // Rare, and its future is large.
        Box::pin(app.reach(revision)).await?;
    }
    let asking = asking(&call);
    let answering = (route.handler)(call);
    let worked = timeout_at(end, async {
        let answered = Arc::clone(&asking).around(answering).await;
        // The views of the store are gone by now. No answer, not even a refusal, goes before what was decided for it is
        // recorded as the mode of the log demands.
        app.warden.audit().settle(&asking).await?;
        answered
    })
    .await;
    match worked {
        Ok(answered) => answered,
        Err(_) => {
            let what = match route.effect {
                Effect::Changes => "; whether the change was made is not known",
                _ => "",
            };
            let message = format!("no answer within {deadline:?}{what}");
            Err(Failure::unavailable("deadline_exceeded", message))
        }
    }
}

/// On whose behalf decisions and changes are recorded.
fn asking(call: &Call) -> Arc<Asking> {
    let trace = trace::current().or_else(|| access::only(&call.headers, TRACE).and_then(Trace::parse));
    Asking::new(call.request_id.as_str(), trace, call.caller.key().map(|key| key.id.as_str().into()))
}

#[cfg(test)]
#[path = "pipeline/tests.rs"]
mod tests;
