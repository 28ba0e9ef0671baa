//! `POST /v1/is_authorized`: cedar-agent's question and answer, so that its clients need no change.
//!
//! Where it would hand over the decision this one does not follow: policies in a request are refused, and entities in
//! a request need the scope `write`, because whoever sends the entities decides what is true.

use serde::Serialize;
use serde_json::Value as Json;
use utoipa::ToSchema;

use super::call::Call;
use super::failure::Failure;
use super::fields::Fields;
use super::question::{self, request_entities};
use super::reply::{Answered, Reply};
use crate::entity::{Entity, Uid};
use crate::pdp::DecideError;
use crate::warden::{Api, AskError, Asked, Session, Unasked};

/// A question as cedar-agent takes it.
#[derive(ToSchema)]
#[expect(dead_code, reason = "the form of a body; it is read field by field, for errors that name the field")]
pub struct IsAuthorizedRequest {
    /// `Hub::User::"alice"`.
    principal: String,
    /// `Hub::Action::"repo.write"`.
    action: String,
    /// `Hub::Repo::"models/acme/m1"`.
    resource: String,
    #[schema(value_type = Option<Object>)]
    context: Option<Json>,
    /// Stand instead of all stored entities; need the scope `write`.
    #[schema(value_type = Option<Vec<Object>>)]
    entities: Option<Vec<Json>>,
    /// Stand beside the stored entities; need the scope `write`.
    #[schema(value_type = Option<Vec<Object>>)]
    additional_entities: Option<Vec<Json>>,
}

/// An answer as cedar-agent gives it.
#[derive(Serialize, ToSchema)]
pub struct IsAuthorizedReply {
    /// `Allow` or `Deny`.
    decision: &'static str,
    diagnostics: Diagnostics,
}

#[derive(Serialize, ToSchema)]
struct Diagnostics {
    /// The policies that decided.
    reason: Vec<String>,
    errors: Vec<String>,
}

pub async fn answer(call: Call) -> Answered {
    let json = call.json()?;
    let fields = Fields::of_body(&json)?;
    if fields.get("policies").is_some() {
        let message = "policies in a request are not taken: they are the server's";
        return Err(Failure::invalid("policies", message));
    }
    let session = call.warden().session(Api::CedarAgent, call.at_least)?;
    let reply = match asked(&call, &session, &fields) {
        Ok((asked, alone)) => {
            let ruled = if alone { session.ask_alone(asked) } else { session.ask(asked) };
            match ruled {
                Ok(ruling) => IsAuthorizedReply {
                    decision: if ruling.answer.allowed() { "Allow" } else { "Deny" },
                    diagnostics: Diagnostics {
                        reason: question::determining(&ruling.answer),
                        errors: question::errors(&ruling.answer).into_iter().map(|error| error.message).collect(),
                    },
                },
                Err(AskError::Decide(
                    error @ (DecideError::UnknownAction(_)
                    | DecideError::NotApplicable { .. }
                    | DecideError::NotEnumerated(_)),
                )) => denied(&session, &fields, error.to_string())?,
                Err(error) => return Err(error.into()),
            }
        }
        // cedar-agent has no schema, so what the schema does not know is a deny there.
        Err(failure) if failure.code == "unknown_name" => denied(&session, &fields, failure.message)?,
        Err(failure) => return Err(failure),
    };
    Ok(Reply::ok(&reply).at(session.revision()).of_bundle(session.bundle().hash()))
}

fn denied(session: &Session, fields: &Fields, error: String) -> Result<IsAuthorizedReply, Failure> {
    let named = |name| fields.text(name).ok().and_then(|text| Uid::parse(text).ok());
    let (principal, action, resource) = (named("principal"), named("action"), named("resource"));
    session.deny_unasked(&Unasked { principal, action, resource, reason: "unknown_name".into(), status: 403 })?;
    Ok(IsAuthorizedReply { decision: "Deny", diagnostics: Diagnostics { reason: Vec::new(), errors: vec![error] } })
}

/// The question, and whether its entities are all there are.
fn asked(call: &Call, session: &Session, fields: &Fields) -> Result<(Asked, bool), Failure> {
    for name in ["principal", "action", "resource"] {
        fields.text(name)?;
    }
    let mut asked = question::native(session.bundle(), fields)?;
    let alone = fields.get("entities").is_some();
    asked.entities = read(call, session, fields, "entities")?;
    for entity in read(call, session, fields, "additional_entities")? {
        if asked.entities.iter().any(|other| other.uid == entity.uid) {
            let message = format!("{} stands in `entities` and in `additional_entities`", entity.uid);
            return Err(Failure::invalid("additional_entities", message));
        }
        asked.entities.push(entity);
    }
    Ok((asked, alone))
}

/// The entities in a field. Actions among them are the schema's and not looked at.
fn read(call: &Call, session: &Session, fields: &Fields, name: &str) -> Result<Vec<Entity>, Failure> {
    let Some(items) = fields.array(name)? else {
        return Ok(Vec::new());
    };
    let is_action = |item: &&Json| {
        let uid = item.get("uid").and_then(|uid| crate::entity::uid_from_json(uid, "uid").ok());
        uid.is_some_and(|uid| uid.type_name().rsplit("::").next() == Some("Action"))
    };
    let items: Vec<Json> = items.iter().filter(|item| !is_action(item)).cloned().collect();
    request_entities(call, session, &items, name)
}
