//! `POST /v1/authorize`: a question in Cedar's terms, answered with the reason.

use serde::Serialize;
use serde_json::Value as Json;
use utoipa::ToSchema;

use super::call::Call;
use super::failure::Failure;
use super::fields::Fields;
use super::question::{self, PolicyErrorBody, ReasonBody, request_entities};
use super::reply::{Answered, Reply};
use crate::store::Revision;
use crate::warden::{Api, Asked, Session};

const FIELDS: &[&str] = &["principal", "action", "resource", "context", "entities", "at_least"];

/// A question.
#[derive(ToSchema)]
#[expect(dead_code, reason = "the form of a body; it is read field by field, for errors that name the field")]
pub struct AuthorizeRequest {
    /// `{"type", "id"}` or `Hub::User::"alice"`.
    #[schema(value_type = Object)]
    principal: Json,
    /// `repo.write` or `Hub::Action::"repo.write"`.
    action: String,
    /// As `principal`.
    #[schema(value_type = Object)]
    resource: Json,
    #[schema(value_type = Option<Object>)]
    context: Option<Json>,
    /// Stand before the stored entities for this question; need the scope `write`.
    #[schema(value_type = Option<Vec<Object>>)]
    entities: Option<Vec<Json>>,
    /// A revision that the answer must have seen.
    at_least: Option<u64>,
}

/// An answer.
#[derive(Serialize, ToSchema)]
pub struct AuthorizeReply {
    /// `allow` or `deny`.
    decision: &'static str,
    /// The policies that decided.
    determining: Vec<String>,
    /// Why not.
    reason: Option<ReasonBody>,
    errors: Vec<PolicyErrorBody>,
    revision: u64,
    /// The time that was decided for, in an answer about the past.
    #[serde(skip_serializing_if = "Option::is_none")]
    as_of: Option<String>,
    bundle: String,
    decision_id: String,
}

pub async fn answer(call: Call) -> Answered {
    let json = call.json()?;
    let fields = Fields::of_body(&json)?;
    if let Some(revision) = fields.number("at_least")? {
        call.at_present("at_least")?;
        call.app.reach(Revision(revision)).await?;
    }
    match call.asks_past() {
        true => call.blocking(move |call| decide(call, &Fields::of_body(&json)?)).await,
        false => decide(&call, &fields),
    }
}

fn decide(call: &Call, fields: &Fields) -> Answered {
    let session = call.session(Api::Native)?;
    let ruling = session.ask(asked(call, &session, fields)?)?;
    let reply = AuthorizeReply {
        decision: if ruling.answer.allowed() { "allow" } else { "deny" },
        determining: question::determining(&ruling.answer),
        reason: question::reason(&ruling.answer),
        errors: question::errors(&ruling.answer),
        revision: ruling.revision.0,
        as_of: session.as_of().map(str::to_owned),
        bundle: ruling.bundle.to_string(),
        decision_id: ruling.id.to_string(),
    };
    Ok(Reply::ok(&reply).at(ruling.revision).of_bundle(&*ruling.bundle))
}

/// The question in a body.
///
/// # Errors
/// 400 with the field; 403 for entities without the right to change them.
pub fn asked(call: &Call, session: &Session, fields: &Fields) -> Result<Asked, Failure> {
    fields.only(FIELDS)?;
    let mut asked = question::native(session.bundle(), fields)?;
    if let Some(items) = fields.array("entities")? {
        asked.entities = request_entities(call, session, items, "entities")?;
    }
    Ok(asked)
}
