//! The one error envelope: `{"error":{"code","message","field"?,"details"?}}`.
//!
//! Here, and only here, a "no" becomes a status. Codes are stable; messages are for people and never repeat a secret.

use axum::http::{HeaderName, HeaderValue, StatusCode, header};
use axum::response::{IntoResponse, Response};
use serde::Serialize;
use serde_json::Value as Json;
use utoipa::ToSchema;

use super::entities::not_stored;
use super::reply::json_response;
use crate::audit::Unavailable;
use crate::entity::JsonFault;
use crate::hub::HubError;
use crate::pdp::{DecideError, NameFault};
use crate::store::{CommitError, StoreError};
use crate::warden::{AskError, ChangeError, SearchError, SessionError};

/// Why a request was not answered.
#[derive(Debug)]
pub struct Failure {
    pub status: StatusCode,
    pub code: &'static str,
    pub message: String,
    pub field: Option<String>,
    /// Boxed, because every result carries the room for it.
    details: Option<Box<Json>>,
    headers: Vec<(HeaderName, HeaderValue)>,
}

/// The body of every answer that is an error.
#[derive(Serialize, ToSchema)]
pub struct ErrorReply<'a> {
    error: ErrorBody<'a>,
}

#[derive(Serialize, ToSchema)]
struct ErrorBody<'a> {
    /// Stable, for programs.
    code: &'a str,
    /// For people.
    message: &'a str,
    /// The part of the request that is meant, e.g. `subject.type`.
    #[serde(skip_serializing_if = "Option::is_none")]
    field: Option<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(value_type = Option<Object>)]
    details: Option<&'a Json>,
}

impl Failure {
    pub fn new(status: StatusCode, code: &'static str, message: impl Into<String>) -> Self {
        Self { status, code, message: message.into(), field: None, details: None, headers: Vec::new() }
    }

    /// 400: the request itself is wrong, at `field`.
    pub fn invalid(field: impl Into<String>, message: impl Into<String>) -> Self {
        Self::new(StatusCode::BAD_REQUEST, "invalid_request", message).at(field)
    }

    /// 401: no key, or none that is known.
    pub fn unauthorized(message: impl Into<String>) -> Self {
        Self::new(StatusCode::UNAUTHORIZED, "unauthorized", message)
            .with(header::WWW_AUTHENTICATE, HeaderValue::from_static("Bearer realm=\"hubwarden\""))
    }

    pub fn forbidden(code: &'static str, message: impl Into<String>) -> Self {
        Self::new(StatusCode::FORBIDDEN, code, message)
    }

    pub fn not_found(message: impl Into<String>) -> Self {
        Self::new(StatusCode::NOT_FOUND, "not_found", message)
    }

    /// 412: an `If-Match` or `If-None-Match` does not hold.
    pub fn precondition(message: impl Into<String>) -> Self {
        Self::new(StatusCode::PRECONDITION_FAILED, "precondition_failed", message)
    }

    /// 503, to be tried again.
    pub fn unavailable(code: &'static str, message: impl Into<String>) -> Self {
        Self::new(StatusCode::SERVICE_UNAVAILABLE, code, message)
            .with(header::RETRY_AFTER, HeaderValue::from_static("1"))
    }

    pub fn internal() -> Self {
        Self::new(
            StatusCode::INTERNAL_SERVER_ERROR,
            "internal",
            "something went wrong here; the log has the request id",
        )
    }

    /// The same at another status.
    pub fn with_status(mut self, status: StatusCode) -> Self {
        self.status = status;
        self
    }

    /// The same, said to be on a line of a body.
    pub fn on_line(mut self, line: usize) -> Self {
        self.message = format!("line {line}: {}", self.message);
        let details = serde_json::json!({"line": line, "path": self.field});
        self.detailed(details)
    }

    pub fn at(mut self, field: impl Into<String>) -> Self {
        self.field = Some(field.into());
        self
    }

    pub fn detailed(mut self, details: Json) -> Self {
        self.details = Some(Box::new(details));
        self
    }

    /// The connection ends with this answer, because what is left on it cannot be read.
    pub fn last(self) -> Self {
        self.with(header::CONNECTION, HeaderValue::from_static("close"))
    }

    pub fn with(mut self, name: HeaderName, value: HeaderValue) -> Self {
        self.headers.push((name, value));
        self
    }
}

impl IntoResponse for Failure {
    fn into_response(self) -> Response {
        let error = ErrorBody {
            code: self.code,
            message: &self.message,
            field: self.field.as_deref(),
            details: self.details.as_deref(),
        };
        let mut response = json_response(self.status, &ErrorReply { error });
        for (name, value) in self.headers {
            response.headers_mut().insert(name, value);
        }
        response
    }
}

impl From<JsonFault> for Failure {
    fn from(fault: JsonFault) -> Self {
        let message = fault.to_string();
        Self::invalid(fault.path, message)
    }
}

/// The store cannot answer: never "not there", never an answer.
impl From<StoreError> for Failure {
    fn from(error: StoreError) -> Self {
        tracing::error!(%error, "the store cannot answer");
        Self::unavailable("store_unavailable", "the store cannot answer; the log says why")
    }
}

impl From<CommitError> for Failure {
    fn from(error: CommitError) -> Self {
        let message = error.to_string();
        match error {
            CommitError::Store(error) => error.into(),
            CommitError::Conflict { .. } => Self::precondition(message),
            CommitError::Tombstone { deleted, .. } => Self::new(StatusCode::CONFLICT, "deleted_id", message)
                .detailed(serde_json::json!({"deleted_at_revision": deleted.0})),
            CommitError::TooLarge { .. } => Self::new(StatusCode::BAD_REQUEST, "entity_too_large", message),
            CommitError::TooDeep { .. } => Self::new(StatusCode::BAD_REQUEST, "entity_too_deep", message),
        }
    }
}

impl From<ChangeError> for Failure {
    fn from(error: ChangeError) -> Self {
        match error {
            ChangeError::Invalid { fault, .. } => fault.into(),
            ChangeError::NotStored { uid, .. } => not_stored(&uid),
            ChangeError::SchemaChanged => Self::unavailable("schema_changed", error.to_string()),
            ChangeError::Commit(error) => error.into(),
            ChangeError::Audit(error) => error.into(),
        }
    }
}

/// What the policies refuse of managing tokens is a 403 whatever its reason, but for what is hidden: 401 and its
/// challenge are about the key of the service that asks.
impl From<HubError> for Failure {
    fn from(error: HubError) -> Self {
        let message = error.to_string();
        match error {
            HubError::NotAHub(_) => Self::new(StatusCode::NOT_FOUND, "not_a_hub", message),
            HubError::Denied(reason) => {
                let status = if reason.status == 404 { StatusCode::NOT_FOUND } else { StatusCode::FORBIDDEN };
                let details = serde_json::json!({"reason": {"code": reason.code.as_str(), "status": reason.status}});
                Self::new(status, "denied", message).detailed(details)
            }
            HubError::Invalid { field, .. } => Self::invalid(field, message),
            HubError::NotFound(_) => Self::not_found(message),
            HubError::Conflict(_) | HubError::Fault(_) => Self::new(StatusCode::CONFLICT, "conflict", message),
            HubError::Secret(_) => Self::unavailable("no_randomness", message),
            HubError::Damaged(_) => {
                tracing::error!(error = message, "a token cannot be read");
                Self::unavailable("store_unavailable", "the store cannot answer; the log says why")
            }
            HubError::Ask(error) => error.into(),
            HubError::Session(error) => error.into(),
            HubError::Store(error) => error.into(),
            HubError::Change(error) => error.into(),
        }
    }
}

impl From<SearchError> for Failure {
    fn from(error: SearchError) -> Self {
        match error {
            SearchError::Ask(error) => error.into(),
            SearchError::Session(error) => error.into(),
        }
    }
}

impl From<SessionError> for Failure {
    fn from(error: SessionError) -> Self {
        let message = error.to_string();
        match error {
            SessionError::Store(StoreError::OutOfReach { .. }) => {
                Self::new(StatusCode::NOT_FOUND, "out_of_reach", message).at("as_of")
            }
            SessionError::Store(error) => error.into(),
            SessionError::Future(_) => Self::invalid("as_of", message),
            SessionError::PoliciesUnknown(_) | SessionError::PoliciesInvalid(_) => {
                Self::new(StatusCode::NOT_FOUND, "policies_unknown", message).at("as_of")
            }
            SessionError::Behind { wanted, head } => Self::unavailable("revision_not_reached", message)
                .detailed(serde_json::json!({"wanted": wanted.0, "head": head.0})),
        }
    }
}

impl From<NameFault> for Failure {
    fn from(fault: NameFault) -> Self {
        let code = match fault {
            NameFault::Unknown { .. } => "unknown_name",
            NameFault::Ambiguous { .. } => "ambiguous_name",
        };
        Self::new(StatusCode::BAD_REQUEST, code, fault.to_string())
    }
}

/// There must be no answer without a record.
impl From<Unavailable> for Failure {
    fn from(error: Unavailable) -> Self {
        tracing::error!(%error, "no answer without a record");
        Self::unavailable("audit_unavailable", "the decision log cannot write; the server's log says why")
    }
}

impl From<AskError> for Failure {
    fn from(error: AskError) -> Self {
        if let AskError::Audit(error) = error {
            return error.into();
        }
        let message = error.to_string();
        let bad = |code| Self::new(StatusCode::BAD_REQUEST, code, message.clone());
        match &error {
            AskError::Decide(DecideError::UnknownAction(_)) => bad("unknown_name").at("action"),
            AskError::Decide(DecideError::NotApplicable { .. }) => bad("not_applicable").at("action"),
            AskError::Decide(DecideError::NotEnumerated(_)) => bad("unknown_name"),
            AskError::Decide(DecideError::Context(_)) => bad("invalid_request").at("context"),
            AskError::Prepare(_) => bad("invalid_request"),
            AskError::Audit(_) => Self::internal(),
            AskError::Decide(DecideError::Facts(error)) => {
                tracing::error!(%error, "a question could not be answered");
                Self::unavailable("facts_unavailable", "what the question is about cannot be read; the log says why")
            }
        }
    }
}
