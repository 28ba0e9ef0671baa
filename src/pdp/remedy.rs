//! What would turn a no into a yes: the smallest changes of facts, each tried by deciding again with it.
//!
//! The clauses that stand in the way say what to try (`propose.rs`): somebody is not in a role, a set lacks a member, a
//! switch is off. A search over such changes, cheapest first, decides with each and keeps those that are answered with
//! an allow. So nothing is claimed that was not tried, and nothing here knows what the policies are about. A change is a
//! suggestion for people; nothing here makes it.

mod propose;
#[cfg(test)]
mod tests;

use std::collections::{BTreeSet, HashMap};
use std::fmt;
use std::sync::Arc;

use serde::Serialize;
use serde_json::Value as Json;
use smol_str::SmolStr;

use super::bundle::Bundle;
use super::clauses::{Inquiry, PolicyOutcome};
use super::decide::{DecideError, Question};
use super::engine::Prepared;
use super::slice::{Fact, Facts, FactsError};
use crate::entity::{Entity, Uid, Value};
use propose::Proposer;

/// How many changes one remedy may take.
const MAX_EDITS: usize = 3;
/// How many questions the search may ask.
const MAX_TRIALS: usize = 250;
/// How many remedies are told.
const MAX_REMEDIES: usize = 5;

/// One change of a fact.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Edit {
    AddParent {
        entity: Uid,
        parent: Uid,
    },
    RemoveParent {
        entity: Uid,
        parent: Uid,
    },
    SetAttribute {
        entity: Uid,
        attribute: SmolStr,
        value: Value,
    },
    RemoveAttribute {
        entity: Uid,
        attribute: SmolStr,
    },
    /// A member more in an attribute that is a set.
    AddMember {
        entity: Uid,
        attribute: SmolStr,
        member: Value,
    },
    RemoveMember {
        entity: Uid,
        attribute: SmolStr,
        member: Value,
    },
    /// A member more in a set that is a field of a tag.
    AddToTag {
        entity: Uid,
        tag: SmolStr,
        field: SmolStr,
        member: Value,
    },
    SetContext {
        key: SmolStr,
        value: Value,
    },
    RemoveContext {
        key: SmolStr,
    },
}

/// Changes that together turn the answer; it was tried.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Remedy {
    pub edits: BTreeSet<Edit>,
}

/// A set of changes on the way.
struct Trial {
    edits: BTreeSet<Edit>,
    weight: usize,
}

impl Bundle {
    /// Changes of facts that would turn a deny into an allow, the smallest first; none for an allow.
    ///
    /// # Errors
    /// As [`Bundle::decide`].
    pub fn remedies(&self, question: &Question, facts: &dyn Facts) -> Result<Vec<Remedy>, DecideError> {
        let Some(question) = self.normalised(question, facts)? else {
            return Ok(Vec::new());
        };
        let mut waiting = vec![Trial { edits: BTreeSet::new(), weight: 0 }];
        let mut tried: BTreeSet<BTreeSet<Edit>> = BTreeSet::new();
        let mut found: Vec<Remedy> = Vec::new();
        while let Some(trial) = cheapest(&mut waiting) {
            if tried.len() >= MAX_TRIALS || found.len() >= MAX_REMEDIES {
                break;
            }
            // What another remedy does with less is none.
            if found.iter().any(|remedy| remedy.edits.is_subset(&trial.edits)) || !tried.insert(trial.edits.clone()) {
                continue;
            }
            let Some(world) = World::new(self, facts, &question, &trial.edits)? else { continue };
            let inquiry = self.inquire(&world.question, &world)?;
            if inquiry.answer().allowed() {
                if trial.edits.is_empty() {
                    return Ok(Vec::new());
                }
                found.push(Remedy { edits: trial.edits });
            } else if trial.edits.len() < MAX_EDITS {
                waiting.extend(self.next(&trial, &inquiry, &world)?);
            }
        }
        Ok(found)
    }

    /// The trial with one change more, for each change that removes a part of what stands in the way.
    fn next(&self, trial: &Trial, inquiry: &Inquiry, world: &World) -> Result<Vec<Trial>, DecideError> {
        let proposer = Proposer::new(self, world);
        let policies = inquiry.policies();
        let holds = |outcome| matches!(outcome, PolicyOutcome::Determining | PolicyOutcome::Satisfied);
        let forbid = policies.iter().find(|trace| trace.policy.effect == "forbid" && holds(trace.outcome));
        let mut alternatives = Vec::new();
        match forbid {
            // Every one of them has to go, so one after the other.
            Some(trace) => alternatives.extend(proposer.against(&trace.policy.id)?),
            None => {
                let missed = |trace: &&super::clauses::PolicyTrace| {
                    trace.policy.effect == "permit" && trace.outcome == PolicyOutcome::ConditionFalse
                };
                for trace in policies.iter().filter(missed) {
                    alternatives.extend(proposer.towards(&trace.policy.id)?);
                }
            }
        }
        let extended = alternatives.into_iter().map(|edits| {
            let edits: BTreeSet<Edit> = trial.edits.iter().cloned().chain(edits).collect();
            Trial { weight: edits.iter().map(Edit::weight).sum(), edits }
        });
        Ok(extended.filter(|next| next.edits.len() > trial.edits.len() && next.edits.len() <= MAX_EDITS).collect())
    }

    /// The question with its principal and its credential apart; nothing when the credential is not stored.
    fn normalised(&self, question: &Question, facts: &dyn Facts) -> Result<Option<Question>, DecideError> {
        let mut question = question.clone();
        let Some(delegate) = self.delegate(question.principal.type_name()) else {
            return Ok(Some(question));
        };
        let Fact::Present(prepared) = facts.fact(&question.principal)? else {
            return Ok(None);
        };
        if let Some(Value::Entity(owner)) = prepared.entity().attrs.get(&delegate.attribute) {
            let credential = std::mem::replace(&mut question.principal, owner.clone());
            question.context.insert(delegate.context_key, credential.into());
        }
        Ok(Some(question))
    }
}

fn cheapest(waiting: &mut Vec<Trial>) -> Option<Trial> {
    let least = waiting.iter().enumerate().min_by_key(|(index, trial)| (trial.weight, *index));
    let at = least.map(|(index, _)| index)?;
    Some(waiting.remove(at))
}

/// The facts of a question with some of them changed.
pub(super) struct World<'a> {
    facts: &'a dyn Facts,
    changed: HashMap<Uid, Arc<Prepared>>,
    pub question: Question,
}

impl<'a> World<'a> {
    /// Nothing, when the schema does not allow one of the changes.
    fn new(
        bundle: &Bundle,
        facts: &'a dyn Facts,
        question: &Question,
        edits: &BTreeSet<Edit>,
    ) -> Result<Option<Self>, DecideError> {
        let mut world = Self { facts, changed: HashMap::new(), question: question.clone() };
        let mut entities: HashMap<Uid, Entity> = HashMap::new();
        for edit in edits {
            match edit {
                Edit::SetContext { key, value } => drop(world.question.context.insert(key.clone(), value.clone())),
                Edit::RemoveContext { key } => drop(world.question.context.remove(key)),
                edit => {
                    let Some(uid) = edit.entity() else { continue };
                    let entity = match entities.remove(uid) {
                        Some(entity) => entity,
                        // Whoever has no entity has one without anything in it.
                        None => match facts.fact(uid)? {
                            Fact::Present(prepared) => prepared.entity().clone(),
                            Fact::Absent => Entity::bare(uid.clone()),
                            Fact::Deleted => return Ok(None),
                        },
                    };
                    entities.insert(uid.clone(), edit.apply(bundle, entity));
                }
            }
        }
        for (uid, entity) in entities {
            let Ok(entity) = bundle.admission().entity(&entity.to_json()) else { return Ok(None) };
            let Ok(prepared) = Prepared::new(entity) else { return Ok(None) };
            world.changed.insert(uid, Arc::new(prepared));
        }
        Ok(Some(world))
    }
}

impl Facts for World<'_> {
    fn fact(&self, uid: &Uid) -> Result<Fact, FactsError> {
        match self.changed.get(uid) {
            Some(prepared) => Ok(Fact::Present(Arc::clone(prepared))),
            None => self.facts.fact(uid),
        }
    }
}

impl Edit {
    /// How much of a change it is: a place in a role or a grant is given every day, an owner or a gate is not.
    fn weight(&self) -> usize {
        match self {
            Self::AddParent { .. } | Self::AddToTag { .. } | Self::SetContext { .. } => 2,
            Self::AddMember { .. } | Self::RemoveMember { .. } | Self::RemoveParent { .. } => 3,
            Self::SetAttribute { value: Value::Entity(_), .. } => 5,
            Self::SetAttribute { .. } | Self::RemoveContext { .. } => 4,
            Self::RemoveAttribute { .. } => 6,
        }
    }

    /// The entity that changes, if it is one.
    pub fn entity(&self) -> Option<&Uid> {
        match self {
            Self::AddParent { entity, .. }
            | Self::RemoveParent { entity, .. }
            | Self::SetAttribute { entity, .. }
            | Self::RemoveAttribute { entity, .. }
            | Self::AddMember { entity, .. }
            | Self::RemoveMember { entity, .. }
            | Self::AddToTag { entity, .. } => Some(entity),
            Self::SetContext { .. } | Self::RemoveContext { .. } => None,
        }
    }

    fn apply(&self, bundle: &Bundle, mut entity: Entity) -> Entity {
        match self {
            Self::AddParent { parent, .. } => drop(entity.parents.insert(parent.clone())),
            Self::RemoveParent { parent, .. } => drop(entity.parents.remove(parent)),
            Self::SetAttribute { attribute, value, .. } => {
                entity.attrs.insert(attribute.clone(), value.clone());
            }
            Self::RemoveAttribute { attribute, .. } => drop(entity.attrs.remove(attribute)),
            Self::AddMember { attribute, member, .. } => {
                if let Some(Value::Set(members)) = entity.attrs.get_mut(attribute) {
                    members.insert(member.clone());
                }
            }
            Self::RemoveMember { attribute, member, .. } => {
                if let Some(Value::Set(members)) = entity.attrs.get_mut(attribute) {
                    members.remove(member);
                }
            }
            Self::AddToTag { tag, field, member, .. } => {
                let empty = || bundle.schema.empty_tag(entity.uid.type_name());
                let value = entity.tags.entry(tag.clone()).or_insert_with(empty);
                if let Value::Record(record) = value
                    && let Some(Value::Set(members)) = record.get_mut(field)
                {
                    members.insert(member.clone());
                }
            }
            Self::SetContext { .. } | Self::RemoveContext { .. } => {}
        }
        entity
    }

    /// For programs.
    pub fn to_json(&self) -> Json {
        let (change, parts): (&str, Vec<(&str, Json)>) = match self {
            Self::AddParent { parent, .. } => ("add_parent", vec![("parent", parent.to_json())]),
            Self::RemoveParent { parent, .. } => ("remove_parent", vec![("parent", parent.to_json())]),
            Self::SetAttribute { attribute, value, .. } => {
                ("set_attribute", vec![("attribute", attribute.as_str().into()), ("value", value.to_json())])
            }
            Self::RemoveAttribute { attribute, .. } => {
                ("remove_attribute", vec![("attribute", attribute.as_str().into())])
            }
            Self::AddMember { attribute, member, .. } => {
                ("add_member", vec![("attribute", attribute.as_str().into()), ("member", member.to_json())])
            }
            Self::RemoveMember { attribute, member, .. } => {
                ("remove_member", vec![("attribute", attribute.as_str().into()), ("member", member.to_json())])
            }
            Self::AddToTag { tag, field, member, .. } => (
                "add_to_tag",
                vec![("tag", tag.as_str().into()), ("field", field.as_str().into()), ("member", member.to_json())],
            ),
            Self::SetContext { key, value } => {
                ("set_context", vec![("key", key.as_str().into()), ("value", value.to_json())])
            }
            Self::RemoveContext { key } => ("remove_context", vec![("key", key.as_str().into())]),
        };
        let mut json = serde_json::Map::new();
        json.insert("change".to_owned(), change.into());
        json.extend(self.entity().map(|entity| ("entity".to_owned(), entity.to_json())));
        json.extend(parts.into_iter().map(|(name, value)| (name.to_owned(), value)));
        Json::Object(json)
    }
}

impl Serialize for Edit {
    fn serialize<S: serde::Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        self.to_json().serialize(serializer)
    }
}

impl fmt::Display for Edit {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::AddParent { entity, parent } => write!(f, "put {entity} into {parent}"),
            Self::RemoveParent { entity, parent } => write!(f, "take {entity} out of {parent}"),
            Self::SetAttribute { entity, attribute, value } => {
                write!(f, "set `{attribute}` of {entity} to {}", shown(value))
            }
            Self::RemoveAttribute { entity, attribute } => write!(f, "remove `{attribute}` of {entity}"),
            Self::AddMember { entity, attribute, member } => {
                write!(f, "add {} to `{attribute}` of {entity}", shown(member))
            }
            Self::RemoveMember { entity, attribute, member } => {
                write!(f, "remove {} from `{attribute}` of {entity}", shown(member))
            }
            Self::AddToTag { entity, tag, field, member } => {
                write!(f, "add {} to `{field}` of the tag `{tag}` of {entity}", shown(member))
            }
            Self::SetContext { key, value } => write!(f, "ask with `{key}` = {} in the context", shown(value)),
            Self::RemoveContext { key } => write!(f, "ask without `{key}` in the context"),
        }
    }
}

fn shown(value: &Value) -> String {
    match value {
        Value::Entity(uid) => uid.to_string(),
        value => value.to_json().to_string(),
    }
}
