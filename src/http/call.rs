//! A request as a handler sees it: through all checks, body read.

use std::net::IpAddr;
use std::sync::Arc;

use axum::body::Bytes;
use axum::http::{HeaderMap, HeaderName, Method, Uri};
use serde_json::Value as Json;
use tokio::task::JoinError;
use tracing::Instrument;

use super::access::Caller;
use super::app::{App, Permit};
use super::body;
use super::conditions::Conditions;
use super::failure::Failure;
use super::path::Params;
use super::query::Query;
use super::request_id::RequestId;
use super::routes::Route;
use super::uninterrupted::Uninterrupted;
use crate::audit::Request;
use crate::hub::Hub;
use crate::store::{Moment, MomentError, Revision};
use crate::warden::{Api, Policies, Scope, Session, Warden};

/// A question or change must see at least this revision.
pub const AT_LEAST: HeaderName = HeaderName::from_static("hubwarden-at-least");

/// The query parameter of questions about the past, and what it is.
const AS_OF: &str = "as_of";
pub const AS_OF_QUERY: (&str, &str) = (
    AS_OF,
    "a revision or a time (RFC 3339): decides on the facts and by the policies of then; needs the scope `audit`",
);

/// One request.
#[derive(Clone)]
pub struct Call {
    pub app: Arc<App>,
    pub route: &'static Route,
    pub caller: Caller,
    pub request_id: RequestId,
    pub params: Params,
    pub query: Query,
    /// The other end of its connection.
    pub peer: IpAddr,
    pub method: Method,
    /// As it was sent.
    pub target: Uri,
    pub headers: HeaderMap,
    pub body: Bytes,
    pub at_least: Option<Revision>,
    #[expect(dead_code, reason = "held until the work is done, also when nobody waits for it any more")]
    pub permit: Option<Permit>,
}

impl Call {
    pub fn warden(&self) -> &Warden {
        &self.app.warden
    }

    pub fn hub(&self) -> &Hub {
        &self.app.hub
    }

    /// The body as JSON.
    ///
    /// # Errors
    /// 400 for another media type and for what is no JSON.
    pub fn json(&self) -> Result<Json, Failure> {
        self.check_type()?;
        body::parse(&self.body)
    }

    /// # Errors
    /// 400 for a media type that the route does not take.
    pub fn check_type(&self) -> Result<(), Failure> {
        body::check_type(&self.headers, self.route.body.media_types())
    }

    /// # Errors
    /// 400 when a condition is malformed.
    pub fn conditions(&self) -> Result<Conditions, Failure> {
        Conditions::read(&self.headers)
    }

    /// Whether the question is about the past. Then it may take what blocks.
    pub fn asks_past(&self) -> bool {
        self.query.get(AS_OF).is_some()
    }

    /// Refuses `field` in a question about the past.
    ///
    /// # Errors
    /// 400.
    pub fn at_present(&self, field: &str) -> Result<(), Failure> {
        match self.asks_past() {
            true => Err(Failure::invalid(field, format!("`{field}` and `as_of` do not go together"))),
            false => Ok(()),
        }
    }

    /// The session that a question is to be asked in: at the head, or as of an earlier moment.
    ///
    /// # Errors
    /// 400 for what is no moment; 403 for who may not see the past; 404 for a moment that is out of reach.
    pub fn session(&self, api: Api) -> Result<Session<'_>, Failure> {
        let Some(text) = self.query.get(AS_OF) else {
            return Ok(self.warden().session(api, self.at_least)?);
        };
        self.caller.need(Scope::Audit, "`as_of`, which tells of the past,")?;
        if self.at_least.is_some() {
            self.at_present("Hubwarden-At-Least")?;
        }
        let moment: Moment = text.parse().map_err(|error: MomentError| Failure::invalid(AS_OF, error.to_string()))?;
        Ok(self.warden().session_at(api, moment, Policies::OfThen)?)
    }

    /// Runs what blocks, or takes long, on a thread for it.
    ///
    /// # Errors
    /// Those of `work`.
    pub async fn blocking<T: Send + 'static>(
        self,
        work: impl FnOnce(&Self) -> Result<T, Failure> + Send + 'static,
    ) -> Result<T, Failure> {
        let asking = Request::current();
        let span = tracing::Span::current();
        let work = move || {
            let _entered = span.enter();
            match asking {
                Some(asking) => asking.within(|| work(&self)),
                None => work(&self),
            }
        };
        joined(tokio::task::spawn_blocking(work).await)
    }

    /// Does work that must come to its end, also when nobody waits for the answer any more.
    ///
    /// # Errors
    /// The work's.
    pub async fn uninterrupted<T: Send + 'static, F: Future<Output = Result<T, Failure>> + Send + 'static>(
        self,
        work: impl FnOnce(Self) -> F,
    ) -> Result<T, Failure> {
        let asking = Request::current();
        // Wherever it ends, it is still this request's.
        let work = work(self).instrument(tracing::Span::current());
        match asking {
            Some(asking) => Uninterrupted::new(asking.around(work)).await,
            None => Uninterrupted::new(work).await,
        }
    }
}

fn joined<T>(ended: Result<Result<T, Failure>, JoinError>) -> Result<T, Failure> {
    match ended {
        Ok(result) => result,
        // The panic goes on here, to where panics are answered.
        Err(error) => match error.try_into_panic() {
            Ok(panic) => std::panic::resume_unwind(panic),
            Err(_) => Err(Failure::unavailable("stopping", "the server is stopping")),
        },
    }
}

/// The revision that a request wants to see.
///
/// # Errors
/// 400 for what is no revision.
pub fn at_least(headers: &HeaderMap) -> Result<Option<Revision>, Failure> {
    let Some(value) = headers.get(AT_LEAST) else {
        return Ok(None);
    };
    match value.to_str().ok().and_then(|text| text.trim().parse().ok()) {
        Some(revision) => Ok(Some(Revision(revision))),
        None => Err(Failure::invalid("Hubwarden-At-Least", "`Hubwarden-At-Least` is a revision, a whole number")),
    }
}
