//! What the faces that ask questions share: names, entities that come with a question, reasons.

use serde::Serialize;
use serde_json::{Map, Value as Json};
use utoipa::ToSchema;

use super::call::Call;
use super::failure::Failure;
use super::fields::Fields;
use crate::entity::{Entity, Uid};
use crate::pdp::{Answer, Bundle, ContextRules};
use crate::store::Lookup;
use crate::warden::{Asked, Scope, Session};

/// Which "no" it was.
#[derive(Clone, Debug, Serialize, ToSchema)]
pub struct ReasonBody {
    /// Stable, for programs.
    pub code: String,
    /// For people.
    pub message: String,
    /// The HTTP status that a service should refuse with.
    pub status: u16,
}

/// An entity by its full type and its id.
#[derive(Clone, Debug, Serialize, ToSchema)]
pub struct EntityRef {
    pub r#type: String,
    pub id: String,
}

impl From<&Uid> for EntityRef {
    fn from(uid: &Uid) -> Self {
        Self { r#type: uid.type_name().to_string(), id: uid.id().to_string() }
    }
}

/// A policy that could not be evaluated; any one makes the decision a deny.
#[derive(Clone, Debug, Serialize, ToSchema)]
pub struct PolicyErrorBody {
    pub policy: String,
    pub message: String,
}

pub fn reason(answer: &Answer) -> Option<ReasonBody> {
    answer.reason.as_ref().map(|reason| ReasonBody {
        code: reason.code.to_string(),
        message: reason.message.clone(),
        status: reason.status,
    })
}

/// The policies that decided; none where they would tell of a resource that the caller may not see.
pub fn determining(answer: &Answer) -> Vec<String> {
    match answer.hidden {
        true => Vec::new(),
        false => answer.determining.iter().map(ToString::to_string).collect(),
    }
}

/// The errors; none where they would tell too much.
pub fn errors(answer: &Answer) -> Vec<PolicyErrorBody> {
    let error = |error: &crate::pdp::EvaluationError| PolicyErrorBody {
        policy: error.policy.to_string(),
        message: error.message.clone(),
    };
    match answer.hidden {
        true => Vec::new(),
        false => answer.errors.iter().map(error).collect(),
    }
}

/// A question in Cedar's terms, without entities of its own.
///
/// # Errors
/// 400 with the field.
pub fn native(bundle: &Bundle, fields: &Fields) -> Result<Asked, Failure> {
    let principal = named(bundle, fields, "principal")?;
    let action = named_action(bundle, fields, "action")?;
    let resource = named(bundle, fields, "resource")?;
    let empty = Json::Object(Map::new());
    let context = fields.get("context").unwrap_or(&empty);
    let context = bundle.admission().context(&action, context, ContextRules::Native)?;
    Ok(Asked { principal, action, resource, context, entities: Vec::new() })
}

/// An entity that a question names: `{"type","id"}` or `Hub::User::"alice"`, the type by its full or short name.
///
/// # Errors
/// 400 with the field.
pub fn named(bundle: &Bundle, fields: &Fields, name: &str) -> Result<Uid, Failure> {
    let uid = uid(fields, name)?;
    let full = bundle.entity_type(uid.type_name()).map_err(|fault| Failure::from(fault).at(fields.path(name)))?;
    Ok(Uid::new(full, uid.id().clone()))
}

/// The action that a question names: its id, `Hub::Action::"repo.write"`, or `{"type","id"}`.
///
/// # Errors
/// 400 with the field.
pub fn named_action(bundle: &Bundle, fields: &Fields, name: &str) -> Result<Uid, Failure> {
    let text = match fields.need(name)? {
        Json::String(text) => text.clone(),
        _ => uid(fields, name)?.to_string(),
    };
    bundle.action(&text).map_err(|fault| Failure::from(fault).at(fields.path(name)))
}

fn uid(fields: &Fields, name: &str) -> Result<Uid, Failure> {
    match fields.need(name)? {
        Json::String(text) => Uid::parse(text).map_err(|error| Failure::invalid(fields.path(name), error.to_string())),
        json => {
            let parts = Fields::at(json, fields.path(name))?;
            parts.only(&["type", "id"])?;
            Ok(Uid::new(parts.text("type")?, parts.text("id")?))
        }
    }
}

/// Entities that come with a question: only from callers who could store them, checked as stored ones are.
///
/// # Errors
/// 403 without the scope `write`; 400 for too many, for what the schema does not take, for one that stands twice, and
/// for one whose id was deleted: a question must not bring back the dead.
pub fn request_entities(call: &Call, session: &Session, items: &[Json], path: &str) -> Result<Vec<Entity>, Failure> {
    call.caller.need(Scope::Write, &format!("`{path}` in a question"))?;
    let limit = call.app.limits.request_entities;
    if items.len() > limit {
        return Err(Failure::invalid(path, format!("`{path}` has at most {limit} entities, not {}", items.len())));
    }
    let admission = session.bundle().admission();
    let mut entities: Vec<Entity> = Vec::with_capacity(items.len());
    let mut seen = std::collections::HashSet::with_capacity(items.len());
    for (index, item) in items.iter().enumerate() {
        let refuse = |at: &str, message: String| Failure::invalid(format!("{path}[{index}].{at}"), message);
        let entity = admission.entity(item).map_err(|fault| refuse(&fault.path, fault.to_string()))?;
        let uid = &entity.uid;
        if session.bundle().is_enumerated(uid.type_name()) {
            return Err(refuse("uid", format!("{uid} exists by schema and cannot be described")));
        }
        if !seen.insert(uid.clone()) {
            return Err(refuse("uid", format!("{uid} stands twice")));
        }
        if let Lookup::Deleted(revision) = session.entity(uid)? {
            return Err(refuse("uid", format!("{uid} was deleted at revision {revision}; a deleted id stays dead")));
        }
        entities.push(entity);
    }
    Ok(entities)
}
