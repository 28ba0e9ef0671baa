//! `POST /v1/replay`: the last recorded questions, asked again of other policies.

use serde_json::Value as Json;
use utoipa::ToSchema;

use super::bundle::BundleBody;
use super::call::Call;
use super::failure::Failure;
use super::fields::Fields;
use super::reply::{Answered, Reply};
use crate::pdp::{Bundle, BundleSource};
use crate::warden::{Baseline, ReplayError, ReplayFacts};

/// How many records are replayed when nothing is said, and at most.
const LAST: u64 = 10_000;
const MOST: u64 = 50_000;

/// Other policies, and what to ask of them.
#[derive(ToSchema)]
#[expect(dead_code, reason = "the form of a body; it is read field by field, for errors that name the field")]
pub struct ReplayRequest {
    bundle: BundleBody,
    /// How many of the last decisions.
    last: Option<u64>,
    /// `recorded`, the facts that each was decided on, or `head`, those of now.
    facts: Option<String>,
}

/// What would flip.
#[derive(ToSchema)]
#[expect(dead_code, reason = "the form of a reply, which the use case writes itself")]
pub struct ReplayReply {
    /// Records of decisions that were read.
    records: u64,
    /// Those that were decided again.
    replayed: u64,
    /// Different questions among them.
    questions: u64,
    /// How many were not decided again, by the reason: `masked`, `out of reach`, `never asked`, …
    #[schema(value_type = Object)]
    skipped: Json,
    /// Groups of `flip` (`allowed`, `refused`, `other_reason`), `by`, and `questions`, the newly allowed first.
    #[schema(value_type = Vec<Object>)]
    changes: Json,
}

pub async fn answer(call: Call) -> Answered {
    let json = call.json()?;
    call.blocking(move |call| {
        let fields = Fields::of_body(&json)?;
        fields.only(&["bundle", "last", "facts"])?;
        let invalid = |message: String| Failure::invalid("bundle", message);
        let source: BundleSource = serde_json::from_value(fields.need("bundle")?.clone())
            .map_err(|error| invalid(format!("`bundle` is no bundle: {error}")))?;
        let bundle = Bundle::build(source).map_err(|faults| invalid(faults.to_string()))?;
        let facts = match fields.get("facts").and_then(Json::as_str) {
            None if fields.get("facts").is_none() => ReplayFacts::Recorded,
            Some("recorded") => ReplayFacts::Recorded,
            Some("head") => ReplayFacts::Head,
            _ => return Err(Failure::invalid("facts", "`facts` is `recorded` or `head`")),
        };
        let last = fields.number("last")?.unwrap_or(LAST).min(MOST);
        let last = usize::try_from(last).unwrap_or(usize::MAX);
        match call.warden().replay(&bundle, Baseline::Recorded, facts, last) {
            Ok(replay) => Ok(Reply::ok(&replay)),
            Err(error @ ReplayError::NoLog) => Err(Failure::not_found(error.to_string())),
            Err(ReplayError::Store(error)) => Err(error.into()),
            Err(error @ ReplayError::Log(_)) => Err(Failure::unavailable("audit_unreadable", error.to_string())),
        }
    })
    .await
}
