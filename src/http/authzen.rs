//! OpenID AuthZEN Authorization API 1.0. *Subject* becomes principal here and nowhere else.
//!
//! What is malformed is a 400. What is well-formed but unknown (a type, an action, an id) is a `false`. Reasons are
//! given only when they are asked for, by `context.reason: true` or `?explain=true`.

mod asking;
pub mod evaluation;
pub mod evaluations;
pub mod metadata;
mod plain;
pub mod search;
mod verdict;

use serde::Serialize;
use serde_json::Value as Json;
use utoipa::ToSchema;

use super::question::{PolicyErrorBody, ReasonBody};

pub use metadata::MetadataReply;

/// A subject or a resource.
#[derive(ToSchema)]
#[expect(dead_code, reason = "the form of a body; it is read field by field, for errors that name the field")]
pub struct PartyBody {
    /// `user`, `User` or `Hub::User`.
    r#type: String,
    id: String,
    /// Laid over the stored attributes for this question; need the scope `write`. What the schema does not know is
    /// ignored.
    #[schema(value_type = Option<Object>)]
    properties: Option<Json>,
}

#[derive(ToSchema)]
#[expect(dead_code, reason = "as PartyBody")]
pub struct ActionBody {
    name: String,
    /// Become `context.action`, where the schema declares it.
    #[schema(value_type = Option<Object>)]
    properties: Option<Json>,
}

/// A question.
#[derive(ToSchema)]
#[expect(dead_code, reason = "as PartyBody")]
pub struct EvaluationRequest {
    subject: PartyBody,
    action: ActionBody,
    resource: PartyBody,
    /// `reason: true` asks for the reason; keys that the schema does not declare are ignored.
    #[schema(value_type = Option<Object>)]
    context: Option<Json>,
}

/// A batch of questions; what an item lacks is taken from the top level.
#[derive(ToSchema)]
#[expect(dead_code, reason = "as PartyBody")]
pub struct EvaluationsRequest {
    subject: Option<PartyBody>,
    action: Option<ActionBody>,
    resource: Option<PartyBody>,
    #[schema(value_type = Option<Object>)]
    context: Option<Json>,
    #[schema(value_type = Option<Vec<Object>>)]
    evaluations: Option<Vec<Json>>,
    options: Option<EvaluationsOptions>,
}

#[derive(ToSchema)]
#[expect(dead_code, reason = "as PartyBody")]
pub struct EvaluationsOptions {
    /// `execute_all`, `deny_on_first_deny` or `permit_on_first_permit`.
    evaluations_semantic: Option<String>,
}

/// A decision.
#[derive(Serialize, ToSchema)]
pub struct DecisionReply {
    pub decision: bool,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub context: Option<DecisionContext>,
}

/// What stands beside a decision: `error` for an item that was no question, the rest when reasons were asked for.
#[derive(Default, Serialize, ToSchema)]
pub struct DecisionContext {
    #[serde(skip_serializing_if = "Option::is_none")]
    pub error: Option<ItemError>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub reason: Option<ReasonBody>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub determining: Option<Vec<String>>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub errors: Option<Vec<PolicyErrorBody>>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub revision: Option<u64>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub bundle: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub decision_id: Option<String>,
}

#[derive(Serialize, ToSchema)]
pub struct ItemError {
    pub status: u16,
    pub message: String,
}

/// Decisions in the order of the questions. Fewer than questions when a semantic stopped early; a single decision,
/// without `evaluations`, when no question was listed.
#[derive(Serialize, ToSchema)]
pub struct EvaluationsReply {
    pub evaluations: Vec<DecisionReply>,
}
