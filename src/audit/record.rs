//! What a record says. A record of a decision holds what is needed to ask the question again.

use serde::Serialize;
use serde_json::Value as Json;
use smol_str::SmolStr;
use uuid::Uuid;
use uuid::fmt::Hyphenated;

use super::mask::Mask;
use super::object::Object;
use super::request::Request;
use crate::entity::Uid;

/// An entity, as records name it.
#[derive(Clone, Copy, Serialize)]
pub(super) struct Named<'a> {
    r#type: &'a str,
    id: &'a str,
}

impl<'a> From<&'a Uid> for Named<'a> {
    fn from(uid: &'a Uid) -> Self {
        Self { r#type: uid.type_name(), id: uid.id() }
    }
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Verdict {
    Allow,
    Deny,
}

impl Verdict {
    fn name(self) -> &'static str {
        match self {
            Self::Allow => "allow",
            Self::Deny => "deny",
        }
    }
}

/// Which "no" it was.
#[derive(Clone, Debug, Serialize)]
pub struct ReasonCode<'a> {
    pub code: &'a str,
    pub status: u16,
}

#[derive(Clone, Debug, Serialize)]
pub struct PolicyFault<'a> {
    pub policy: &'a str,
    pub message: &'a str,
}

/// One decision.
pub struct DecisionRecord<'a> {
    pub id: Uuid,
    /// Through which face the question came.
    pub api: &'static str,
    pub revision: u64,
    /// The bundle's hash.
    pub bundle: &'a str,
    /// As the question named it; what could not be read of a question is `None`.
    pub principal: Option<&'a Uid>,
    /// The user whom a credential acted for.
    pub acts_for: Option<&'a Uid>,
    pub action: Option<&'a Uid>,
    pub resource: Option<&'a Uid>,
    pub context: Json,
    /// Entities that came with the question, in Cedar's format.
    pub entities: Vec<Json>,
    /// These entities stood instead of the stored ones, not before them.
    pub alone: bool,
    /// The id of the credential.
    pub token: Option<&'a str>,
    pub decision: Verdict,
    pub determining: &'a [SmolStr],
    pub reason: Option<ReasonCode<'a>>,
    pub errors: Vec<PolicyFault<'a>>,
    pub duration_us: u64,
    /// The time that was decided for, when that was not now: the revision is one of the past then.
    pub as_of: Option<&'a str>,
}

/// One page of a search: what was asked, and how much was found.
pub struct SearchRecord<'a> {
    pub id: Uuid,
    pub api: &'static str,
    pub revision: u64,
    /// The bundle's hash.
    pub bundle: &'a str,
    /// `principal`, `resource` or `action`; `reach` for all that a principal can do.
    pub sought: &'static str,
    /// The type that was searched.
    pub sought_type: Option<&'a str>,
    pub principal: Option<&'a Uid>,
    pub action: Option<&'a Uid>,
    pub resource: Option<&'a Uid>,
    pub context: Json,
    /// Entities that came with the search, in Cedar's format.
    pub entities: Vec<Json>,
    /// The id of the credential that was asked about.
    pub token: Option<&'a str>,
    /// How many results the page has.
    pub results: usize,
    /// Whether there is more.
    pub more: bool,
    /// How candidates were found.
    pub way: &'static str,
    pub duration_us: u64,
}

/// One thing that was changed.
pub struct ChangedThing<'a> {
    /// `put`, `patch`, `delete`.
    pub op: &'static str,
    pub uid: &'a Uid,
}

/// One change: what, never what it was changed to.
pub struct ChangeRecord<'a> {
    /// `entities`, `records`, `bundle`, `key_created`, `key_deleted`, `opened`.
    pub change: &'static str,
    /// The first of the entities.
    pub entities: Vec<ChangedThing<'a>>,
    /// The id of a key that was changed.
    pub key: Option<&'a str>,
    pub count: usize,
    pub revision: u64,
    pub bundle: Option<&'a str>,
}

/// Where and when, for both kinds.
#[derive(Serialize)]
pub(super) struct Origin<'a> {
    pub timestamp: String,
    pub pdp_id: &'a str,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub request_id: Option<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub trace_id: Option<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub span_id: Option<&'a str>,
    /// The id of the API key that asked.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub requested_by: Option<&'a str>,
    /// The user on whose behalf something was changed.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub actor: Option<&'a str>,
}

impl<'a> Origin<'a> {
    pub fn new(timestamp: String, pdp_id: &'a str, request: Option<&'a Request>) -> Self {
        let trace = request.and_then(|request| request.trace.as_ref());
        Self {
            timestamp,
            pdp_id,
            request_id: request.map(|request| request.id.as_str()),
            trace_id: trace.map(|trace| trace.trace_id.as_str()),
            span_id: trace.map(|trace| trace.span_id.as_str()),
            requested_by: request.and_then(|request| request.key.as_deref()),
            actor: request.and_then(Request::actor),
        }
    }
}

#[derive(Serialize)]
#[serde(tag = "kind", rename = "search")]
struct SearchBody<'a> {
    search_id: String,
    #[serde(flatten)]
    origin: &'a Origin<'a>,
    api: &'a str,
    revision: u64,
    policy_set_digest: &'a str,
    sought: &'a str,
    #[serde(skip_serializing_if = "Option::is_none")]
    sought_type: Option<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    principal: Option<Named<'a>>,
    #[serde(skip_serializing_if = "Option::is_none")]
    action: Option<Named<'a>>,
    #[serde(skip_serializing_if = "Option::is_none")]
    resource: Option<Named<'a>>,
    context: &'a Json,
    #[serde(skip_serializing_if = "Json::is_null")]
    entities: &'a Json,
    #[serde(skip_serializing_if = "Option::is_none")]
    token: Option<&'a str>,
    #[serde(skip_serializing_if = "<[_]>::is_empty")]
    masked: &'a [&'a str],
    results: usize,
    more: bool,
    way: &'a str,
    duration_us: u64,
}

#[derive(Serialize)]
struct ThingBody<'a> {
    op: &'a str,
    #[serde(flatten)]
    named: Named<'a>,
}

#[derive(Serialize)]
#[serde(tag = "kind", rename = "change")]
struct ChangeBody<'a> {
    #[serde(flatten)]
    origin: &'a Origin<'a>,
    change: &'a str,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    entities: Vec<ThingBody<'a>>,
    #[serde(skip_serializing_if = "Option::is_none")]
    key: Option<&'a str>,
    count: usize,
    revision: u64,
    #[serde(skip_serializing_if = "Option::is_none")]
    policy_set_digest: Option<&'a str>,
}

impl DecisionRecord<'_> {
    pub(super) fn body(self, origin: &Origin, masks: &[Mask]) -> serde_json::Result<Vec<u8>> {
        let Brought { context, entities, masked } = Brought::masked(self.context, self.entities, masks);
        let mut object = Object::of("decision");
        object.text("decision_id", self.id.hyphenated().encode_lower(&mut [0; Hyphenated::LENGTH]));
        object.origin(origin);
        object.text("api", self.api);
        object.value("revision", &self.revision)?;
        object.text("policy_set_digest", self.bundle);
        object.entity("principal", self.principal);
        object.entity("acts_for", self.acts_for);
        object.entity("action", self.action);
        object.entity("resource", self.resource);
        object.value("context", &context)?;
        if !entities.is_null() {
            object.value("entities", &entities)?;
        }
        if self.alone {
            object.value("alone", &true)?;
        }
        object.optional("token", self.token);
        if !masked.is_empty() {
            object.value("masked", &masked)?;
        }
        object.text("decision", self.decision.name());
        object.texts("determining", self.determining);
        if let Some(reason) = &self.reason {
            object.value("reason", reason)?;
        }
        object.value("errors", &self.errors)?;
        object.value("duration_us", &self.duration_us)?;
        object.optional("as_of", self.as_of);
        Ok(object.finish())
    }
}

impl SearchRecord<'_> {
    pub(super) fn body(self, origin: &Origin, masks: &[Mask]) -> serde_json::Result<Vec<u8>> {
        let Brought { context, entities, masked } = Brought::masked(self.context, self.entities, masks);
        body(&SearchBody {
            search_id: self.id.to_string(),
            origin,
            api: self.api,
            revision: self.revision,
            policy_set_digest: self.bundle,
            sought: self.sought,
            sought_type: self.sought_type,
            principal: self.principal.map(Into::into),
            action: self.action.map(Into::into),
            resource: self.resource.map(Into::into),
            context: &context,
            entities: &entities,
            token: self.token,
            masked: &masked,
            results: self.results,
            more: self.more,
            way: self.way,
            duration_us: self.duration_us,
        })
    }
}

/// What came with a question, without what is not to be recorded.
struct Brought<'m> {
    context: Json,
    entities: Json,
    masked: Vec<&'m str>,
}

impl<'m> Brought<'m> {
    fn masked(mut context: Json, entities: Vec<Json>, masks: &'m [Mask]) -> Self {
        let mut entities = if entities.is_empty() { Json::Null } else { Json::Array(entities) };
        // Both, whatever the first one found.
        let found =
            masks.iter().filter(|mask| mask.apply("context", &mut context) | mask.apply("entities", &mut entities));
        let masked = found.map(Mask::as_str).collect();
        Self { context, entities, masked }
    }
}

impl ChangeRecord<'_> {
    pub(super) fn body(&self, origin: &Origin) -> serde_json::Result<Vec<u8>> {
        body(&ChangeBody {
            origin,
            change: self.change,
            entities: self.entities.iter().map(|thing| ThingBody { op: thing.op, named: thing.uid.into() }).collect(),
            key: self.key,
            count: self.count,
            revision: self.revision,
            policy_set_digest: self.bundle,
        })
    }
}

/// What the log says of itself.
#[derive(Serialize)]
#[serde(tag = "kind", rename_all = "lowercase")]
pub(super) enum Own<'a> {
    /// The first record of a segment.
    Segment { timestamp: String, pdp_id: &'a str, previous: String, public_key: String },
    /// The chain up to the record before this one, signed.
    Checkpoint { timestamp: String, covers: u64, chain: String, signature: String },
    /// The end of a segment was cut off when the log was opened: a record that a crash left unfinished.
    Cut { timestamp: String, bytes: u64 },
    /// The log goes on behind damage.
    Damage { timestamp: String, what: &'a str },
    /// Segments were removed because of their age or size.
    Retention { timestamp: String, removed_through: u64, chain: String },
    /// Records that there was no room for.
    Dropped { timestamp: String, count: u64 },
}

impl Own<'_> {
    pub fn body(&self) -> serde_json::Result<Vec<u8>> {
        body(self)
    }
}

/// A JSON object without its closing brace: the chain adds its own fields.
fn body(record: &impl Serialize) -> serde_json::Result<Vec<u8>> {
    let mut bytes = serde_json::to_vec(record)?;
    bytes.pop();
    Ok(bytes)
}
