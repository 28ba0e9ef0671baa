//! `/health/live` and `/health/ready`. The public learns the status; who has a key also learns the details.

use axum::http::StatusCode;
use serde::Serialize;
use serde_json::Value as Json;
use utoipa::ToSchema;

use super::call::Call;
use super::reply::{Answered, Reply};

#[derive(Serialize, ToSchema)]
pub struct LiveReply {
    /// `live`.
    status: &'static str,
}

#[derive(Serialize, ToSchema)]
pub struct ReadyReply {
    /// `ready`, or `unready` when the store cannot answer, or the decision log cannot write in `block` mode. A bundle that could not be replaced leaves the server ready:
    /// the last good one is in force.
    status: &'static str,
    /// For callers with a key: the bundle in force, with the last failure to replace it.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(value_type = Option<Object>)]
    bundle: Option<Json>,
    #[serde(skip_serializing_if = "Option::is_none")]
    revision: Option<u64>,
    #[serde(skip_serializing_if = "Option::is_none")]
    entities: Option<u64>,
    /// For callers with a key: the decision log's mode, and why it cannot write, when it cannot.
    #[serde(skip_serializing_if = "Option::is_none")]
    audit: Option<AuditBody>,
    #[serde(skip_serializing_if = "Option::is_none")]
    version: Option<&'static str>,
}

#[derive(Serialize, ToSchema)]
struct AuditBody {
    /// `block`, `spill` or `drop`.
    mode: &'static str,
    fault: Option<String>,
}

pub async fn live(_: Call) -> Answered {
    Ok(Reply::ok(&LiveReply { status: "live" }))
}

pub async fn ready(call: Call) -> Answered {
    let warden = call.warden();
    let revision = warden.revision();
    let (code, status) = match (&revision, warden.audit().ready()) {
        (Ok(_), Ok(())) => (StatusCode::OK, "ready"),
        (Err(error), _) => {
            tracing::error!(%error, "not ready: the store cannot answer");
            (StatusCode::SERVICE_UNAVAILABLE, "unready")
        }
        (_, Err(error)) => {
            tracing::error!(%error, "not ready: there must be no answer without a record");
            (StatusCode::SERVICE_UNAVAILABLE, "unready")
        }
    };
    let known = call.caller.is_known();
    let reply = ReadyReply {
        status,
        bundle: if known { serde_json::to_value(warden.bundle_status()).ok() } else { None },
        revision: revision.ok().filter(|_| known).map(|revision| revision.0),
        entities: known.then(|| warden.stats().entities),
        audit: warden
            .audit()
            .status()
            .filter(|_| known)
            .map(|status| AuditBody { mode: status.mode, fault: status.fault }),
        version: known.then_some(env!("CARGO_PKG_VERSION")),
    };
    Ok(Reply::json(code, &reply))
}
