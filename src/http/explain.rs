//! `POST /v1/explain`: a question in Cedar's terms, answered with everything that made the answer.

use serde::Serialize;
use serde_json::Value as Json;
use utoipa::ToSchema;

use super::authorize;
use super::call::Call;
use super::fields::Fields;
use super::question::{self, PolicyErrorBody, ReasonBody};
use super::reply::{Answered, Reply};
use crate::hub::say_remedy;
use crate::store::Revision;
use crate::warden::{Api, Explained, Explanation};

/// An answer and why it is that. It tells also what the caller of the question may not see.
#[derive(Serialize, ToSchema)]
pub struct ExplainReply {
    /// `allow` or `deny`.
    decision: &'static str,
    /// The policies that decided.
    determining: Vec<String>,
    /// Why not.
    reason: Option<ReasonBody>,
    errors: Vec<PolicyErrorBody>,
    /// Whether the caller of the question learns whether the resource exists.
    hidden: bool,
    /// Every policy for the action and these types: its outcome (`determining`, `satisfied`, `scope_mismatch`,
    /// `condition_false`, `error`), its place, its comment, and the value of each clause of its conditions.
    #[schema(value_type = Vec<Object>)]
    policies: Vec<Explained>,
    /// The same for the action that decides whether the caller may see the resource.
    #[schema(value_type = Vec<Object>)]
    visibility: Vec<Explained>,
    /// What would turn a no, the smallest changes first; each was tried.
    remedies: Vec<RemedyBody>,
    revision: u64,
    /// The time that was decided for, in an answer about the past.
    #[serde(skip_serializing_if = "Option::is_none")]
    as_of: Option<String>,
    bundle: String,
    decision_id: String,
}

/// Changes that together turn a no into a yes.
#[derive(Serialize, ToSchema)]
struct RemedyBody {
    /// For people.
    sentence: String,
    /// For programs: `change`, and what it is of.
    #[schema(value_type = Vec<Object>)]
    changes: Vec<Json>,
}

pub async fn answer(call: Call) -> Answered {
    let json = call.json()?;
    if let Some(revision) = Fields::of_body(&json)?.number("at_least")? {
        call.at_present("at_least")?;
        call.app.reach(Revision(revision)).await?;
    }
    // It decides again and again to find what would turn a no: no work for a thread that serves others.
    call.blocking(move |call| {
        let session = call.session(Api::Explain)?;
        let asked = authorize::asked(call, &session, &Fields::of_body(&json)?)?;
        let explanation = session.explain(asked)?;
        let (revision, bundle) = (explanation.ruling.revision, explanation.ruling.bundle.to_string());
        let as_of = session.as_of().map(str::to_owned);
        Ok(Reply::ok(&ExplainReply::of(explanation, as_of)).at(revision).of_bundle(bundle))
    })
    .await
}

impl ExplainReply {
    /// `as_of` is the time that was decided for, if that was not now.
    pub fn of(explanation: Explanation, as_of: Option<String>) -> Self {
        let answer = explanation.ruling.answer;
        let remedies = explanation.remedies.iter().map(|remedy| RemedyBody {
            sentence: say_remedy(remedy),
            changes: remedy.edits.iter().map(crate::pdp::Edit::to_json).collect(),
        });
        Self {
            decision: if answer.allowed() { "allow" } else { "deny" },
            determining: question::determining(&answer),
            reason: question::reason(&answer),
            errors: question::errors(&answer),
            hidden: answer.hidden,
            remedies: remedies.collect(),
            policies: explanation.policies,
            visibility: explanation.visibility,
            revision: explanation.ruling.revision.0,
            as_of,
            bundle: explanation.ruling.bundle.to_string(),
            decision_id: explanation.ruling.id.to_string(),
        }
    }
}
