//! `GET /v1/shadow`: how the candidate policies do on live traffic.

use serde_json::Value as Json;
use utoipa::ToSchema;

use super::call::Call;
use super::failure::Failure;
use super::reply::{Answered, Reply};

/// A candidate, and how its answers differ.
#[derive(ToSchema)]
#[expect(dead_code, reason = "the form of a reply, which the use case writes itself")]
pub struct ShadowReply {
    /// The candidate's hash.
    bundle: String,
    policies: String,
    schema: String,
    loaded_at: String,
    /// The last attempt to read its folder again, if that failed.
    #[schema(value_type = Option<Object>)]
    failure: Option<Json>,
    /// Since it was loaded: `same`, `widened`, `narrowed`, `other_reason`, `error`, `dropped`.
    #[schema(value_type = Object)]
    counts: Json,
    /// The last mismatches, the newest first: the question, both answers, and what makes the difference.
    #[schema(value_type = Vec<Object>)]
    samples: Json,
}

pub async fn answer(call: Call) -> Answered {
    match call.warden().shadow_report() {
        Some(report) => Ok(Reply::ok(&report)),
        None => Err(Failure::not_found("this server has no shadow policies: `serve --shadow DIR`")),
    }
}
