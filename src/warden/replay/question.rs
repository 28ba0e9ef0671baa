//! A question as a record of the decision log holds it.

use serde::Deserialize;
use serde_json::{Value as Json, json};

use super::Flipped;
use crate::entity::{Entity, JsonFault, SmolStr, Uid};
use crate::pdp::{Answer, Bundle, ContextRules, Decision, Question, Reason};
use crate::store::{Revision, StoreError};

/// Why a record is not decided again.
#[derive(Debug)]
pub enum Skipped {
    /// It is no record of a decision.
    NoDecision,
    /// It was refused before it was a question: an unknown name, a dead credential.
    NotAsked,
    /// A part of the question is not in the record.
    Masked,
    Malformed,
    /// The facts of its revision are not remembered any more.
    OutOfReach,
    /// Facts that cannot be read.
    Unreadable,
    Store(StoreError),
}

impl Skipped {
    /// As reports name it.
    pub fn name(&self) -> &'static str {
        match self {
            Self::NoDecision => "no decision",
            Self::NotAsked => "never asked",
            Self::Masked => "masked",
            Self::Malformed => "malformed",
            Self::OutOfReach => "out of reach",
            Self::Unreadable | Self::Store(_) => "unreadable",
        }
    }
}

#[derive(Deserialize)]
struct Named {
    r#type: String,
    id: String,
}

impl Named {
    fn uid(&self) -> Uid {
        Uid::new(&*self.r#type, &*self.id)
    }
}

#[derive(Deserialize)]
struct Code {
    code: SmolStr,
    status: u16,
}

#[derive(Deserialize)]
struct Line {
    kind: String,
    #[serde(default)]
    decision_id: String,
    #[serde(default)]
    timestamp: SmolStr,
    as_of: Option<SmolStr>,
    #[serde(default)]
    revision: u64,
    principal: Option<Named>,
    action: Option<Named>,
    resource: Option<Named>,
    #[serde(default)]
    context: Json,
    #[serde(default)]
    entities: Json,
    #[serde(default)]
    alone: bool,
    #[serde(default)]
    masked: Vec<String>,
    decision: Option<String>,
    #[serde(default)]
    determining: Vec<SmolStr>,
    reason: Option<Code>,
}

/// A question that was recorded, and how it was answered.
#[derive(Debug)]
pub struct Recorded {
    /// What makes it the same question with the same answer.
    pub key: String,
    principal: Uid,
    action: Uid,
    resource: Uid,
    context: Json,
    entities: Vec<Json>,
    pub alone: bool,
    pub revision: Revision,
    /// The clock that it was decided by.
    pub now: SmolStr,
    decision: Decision,
    determining: Vec<SmolStr>,
    reason: Option<Reason>,
    /// How often it was recorded.
    pub count: u64,
    decisions: Vec<String>,
}

/// Reads a line of the log.
///
/// # Errors
/// Why it cannot be asked again.
pub fn recorded(line: &str) -> Result<Recorded, Skipped> {
    let line: Line = serde_json::from_str(line).map_err(|_| match line.contains("\"kind\":\"decision\"") {
        true => Skipped::Malformed,
        false => Skipped::NoDecision,
    })?;
    if line.kind != "decision" {
        return Err(Skipped::NoDecision);
    }
    if !line.masked.is_empty() {
        return Err(Skipped::Masked);
    }
    let (Some(principal), Some(action), Some(resource)) = (&line.principal, &line.action, &line.resource) else {
        return Err(Skipped::NotAsked);
    };
    // A name that the schema did not know stands in the record as it was sent.
    if action.r#type.is_empty() {
        return Err(Skipped::NotAsked);
    }
    let decision = match line.decision.as_deref() {
        Some("allow") => Decision::Allow,
        Some("deny") => Decision::Deny,
        _ => return Err(Skipped::Malformed),
    };
    let entities = match line.entities {
        Json::Null => Vec::new(),
        Json::Array(items) => items,
        _ => return Err(Skipped::Malformed),
    };
    let (principal, action, resource) = (principal.uid(), action.uid(), resource.uid());
    let context = if line.context.is_null() { json!({}) } else { line.context };
    let reason = line.reason.map(|code| Reason { code: code.code, message: String::new(), status: code.status });
    // Written as JSON, so that no part can be mistaken for another.
    let key = json!([
        principal.to_json(),
        action.to_json(),
        resource.to_json(),
        context,
        entities,
        line.alone,
        line.revision,
        decision,
        reason.as_ref().map(|reason| &reason.code)
    ]);
    Ok(Recorded {
        key: key.to_string(),
        principal,
        action,
        resource,
        context,
        entities,
        alone: line.alone,
        revision: Revision(line.revision),
        now: line.as_of.unwrap_or(line.timestamp),
        decision,
        determining: line.determining,
        reason,
        count: 1,
        decisions: vec![line.decision_id],
    })
}

impl Recorded {
    /// Another record of the same question.
    pub fn again(&mut self, other: Self) {
        self.count += other.count;
        let room = super::IDS.saturating_sub(self.decisions.len());
        self.decisions.extend(other.decisions.into_iter().take(room));
    }

    /// The question in the words of a schema, at a time, and the entities that it brought.
    ///
    /// # Errors
    /// A part that the schema does not take.
    pub fn question(&self, bundle: &Bundle, now: &str) -> Result<(Question, Vec<Entity>), JsonFault> {
        let admission = bundle.admission();
        let context = admission.context(&self.action, &self.context, ContextRules::Native)?;
        let entities = self.entities.iter().map(|entity| admission.entity(entity)).collect::<Result<_, _>>()?;
        let question = Question {
            principal: self.principal.clone(),
            action: self.action.clone(),
            resource: self.resource.clone(),
            context,
            now: now.into(),
        };
        Ok((question, entities))
    }

    /// The answer in the record. What a record does not say of it is as `other` says.
    pub fn answer(&self, other: Option<&Answer>) -> Answer {
        Answer {
            decision: self.decision,
            determining: self.determining.clone(),
            reason: self.reason.clone(),
            errors: Vec::new(),
            hidden: other.is_some_and(|other| other.hidden),
        }
    }

    /// For a report, with so many ids of decisions.
    pub fn flipped(mut self, ids: usize) -> Flipped {
        let context = match self.context.as_object() {
            Some(map) if !map.is_empty() => format!(" {}", self.context),
            _ => String::new(),
        };
        let question = format!("{} {} {}{context}", self.principal, self.action.id(), self.resource);
        self.decisions.sort();
        self.decisions.truncate(ids);
        Flipped { question, records: self.count, decisions: self.decisions }
    }
}
