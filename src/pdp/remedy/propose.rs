//! From a policy that stands in the way to changes that might remove it.
//!
//! Reads the policy's expressions over the facts of one question. What it cannot read it proposes nothing for: every
//! proposal is tried by deciding, so a wrong one costs a question and a missed one a suggestion.

use std::collections::BTreeSet;

use serde_json::Value as Json;
use smol_str::SmolStr;

use super::{Edit, MAX_EDITS, World};
use crate::entity::{Uid, Value, uid_from_json};
use crate::pdp::bundle::Bundle;
use crate::pdp::decide::DecideError;
use crate::pdp::slice::{Fact, Facts, FactsError};

/// Changes that are proposed together.
type Edits = BTreeSet<Edit>;

/// How many ways of changing one expression are followed.
const MAX_ALTERNATIVES: usize = 24;
/// How far up `in` is followed.
const MAX_ANCESTORS: usize = 200;

pub struct Proposer<'a> {
    bundle: &'a Bundle,
    world: &'a World<'a>,
}

impl<'a> Proposer<'a> {
    pub fn new(bundle: &'a Bundle, world: &'a World<'a>) -> Self {
        Self { bundle, world }
    }

    /// Ways to make a policy's conditions hold.
    pub fn towards(&self, policy: &str) -> Result<Vec<Edits>, DecideError> {
        let mut ways = vec![Edits::new()];
        for (body, wanted) in self.conditions(policy) {
            ways = both(&ways, &self.ways(&body, wanted)?);
        }
        Ok(ways)
    }

    /// Ways to make one of a policy's conditions fail.
    pub fn against(&self, policy: &str) -> Result<Vec<Edits>, DecideError> {
        let mut ways = Vec::new();
        for (body, wanted) in self.conditions(policy) {
            ways.extend(self.ways(&body, !wanted)?);
        }
        Ok(bounded(ways))
    }

    /// Each condition's body, and what it must be for the policy to hold.
    fn conditions(&self, policy: &str) -> Vec<(Json, bool)> {
        let conditions = self.bundle.policy_form(policy);
        let conditions = conditions.as_ref().and_then(|json| json.get("conditions")).and_then(Json::as_array);
        let read = |condition: &Json| {
            let wanted = condition.get("kind")?.as_str()? == "when";
            Some((condition.get("body")?.clone(), wanted))
        };
        conditions.into_iter().flatten().filter_map(read).collect()
    }

    /// Ways to make an expression true, or false; the way without changes when it is so already.
    fn ways(&self, json: &Json, wanted: bool) -> Result<Vec<Edits>, DecideError> {
        let Some((operator, parts)) = json.as_object().and_then(|object| object.iter().next()) else {
            return Ok(Vec::new());
        };
        let part = |key: &str| parts.get(key).unwrap_or(&Json::Null);
        match operator.as_str() {
            "!" => return self.ways(part("arg"), !wanted),
            "&&" | "||" => {
                let (left, right) = (self.ways(part("left"), wanted)?, self.ways(part("right"), wanted)?);
                return Ok(match (operator.as_str() == "&&") == wanted {
                    true => both(&left, &right),
                    // Where the left side guards the right one, changing the right alone may mean nothing: it is tried.
                    false => bounded(left.into_iter().chain(right).collect()),
                });
            }
            _ => {}
        }
        if self.truth(operator, parts)? == Some(wanted) {
            return Ok(vec![Edits::new()]);
        }
        let edits = match operator.as_str() {
            "in" => self.membership(part("left"), part("right"), wanted)?,
            "contains" => self.content(part("left"), part("right"), wanted)?,
            "==" => self.equality(part("left"), part("right"), wanted)?,
            "!=" => self.equality(part("left"), part("right"), !wanted)?,
            "." => match self.place(json)? {
                Some(Place::Attribute(entity, attribute)) => {
                    vec![Edit::SetAttribute { entity, attribute, value: wanted.into() }]
                }
                Some(Place::Context(key)) => vec![Edit::SetContext { key, value: wanted.into() }],
                _ => Vec::new(),
            },
            "has" if !wanted => match (self.value(part("left"))?, attribute(part("attr"))) {
                (Some(Value::Entity(entity)), Some(attribute)) => vec![Edit::RemoveAttribute { entity, attribute }],
                (Some(Value::Record(_)), Some(key)) if is_context(part("left")) => vec![Edit::RemoveContext { key }],
                _ => Vec::new(),
            },
            "has" => match attribute(part("attr")) {
                // What it is to be, another clause says; a switch can be on.
                Some(key) if is_context(part("left")) => vec![Edit::SetContext { key, value: true.into() }],
                _ => Vec::new(),
            },
            // A tag comes with its first member, which another clause names.
            "hasTag" if wanted => return Ok(vec![Edits::new()]),
            _ => Vec::new(),
        };
        Ok(edits.into_iter().map(|edit| Edits::from([edit])).collect())
    }

    /// `left in right`.
    fn membership(&self, left: &Json, right: &Json, wanted: bool) -> Result<Vec<Edit>, DecideError> {
        let Some(Value::Entity(entity)) = self.value(left)? else {
            return Ok(Vec::new());
        };
        let into = |parent: Uid| Edit::AddParent { entity: entity.clone(), parent };
        if let Some(place) = self.place(right)?
            && wanted
            && let Some(edits) = self.add_to(&place, &entity)?
        {
            return Ok(edits);
        }
        let parents: Vec<Uid> = match self.value(right)? {
            Some(Value::Entity(parent)) => vec![parent],
            Some(Value::Set(members)) => members.iter().filter_map(Value::as_entity).cloned().collect(),
            _ => Vec::new(),
        };
        if wanted {
            return Ok(parents.into_iter().map(into).collect());
        }
        // What lies there directly, or through a parent of its own.
        let mut edits = Vec::new();
        if let Fact::Present(prepared) = self.fact(&entity)? {
            for parent in &prepared.entity().parents {
                let above = self.ancestors(parent)?;
                if parents.iter().any(|target| target == parent || above.contains(target)) {
                    edits.push(Edit::RemoveParent { entity: entity.clone(), parent: parent.clone() });
                }
            }
        }
        Ok(edits)
    }

    /// Adding an entity, or something above it, to a set at a place; nothing when no set is there.
    fn add_to(&self, place: &Place, entity: &Uid) -> Result<Option<Vec<Edit>>, DecideError> {
        let members = std::iter::once(entity.clone()).chain(self.ancestors(entity)?);
        Ok(match place {
            Place::TagField(owner, tag, field) => Some(
                members
                    .map(|member| Edit::AddToTag {
                        entity: owner.clone(),
                        tag: tag.clone(),
                        field: field.clone(),
                        member: member.into(),
                    })
                    .collect(),
            ),
            Place::Attribute(owner, attribute) if self.is_set(owner, attribute)? => Some(
                members
                    .map(|member| Edit::AddMember {
                        entity: owner.clone(),
                        attribute: attribute.clone(),
                        member: member.into(),
                    })
                    .collect(),
            ),
            Place::Attribute(..) | Place::Context(_) => None,
        })
    }

    /// `left.contains(right)`.
    fn content(&self, left: &Json, right: &Json, wanted: bool) -> Result<Vec<Edit>, DecideError> {
        let (Some(place), Some(member)) = (self.place(left)?, self.value(right)?) else {
            return Ok(Vec::new());
        };
        Ok(match place {
            Place::TagField(entity, tag, field) if wanted => vec![Edit::AddToTag { entity, tag, field, member }],
            Place::Attribute(entity, attribute) if wanted => vec![Edit::AddMember { entity, attribute, member }],
            Place::Attribute(entity, attribute) => vec![Edit::RemoveMember { entity, attribute, member }],
            Place::TagField(..) | Place::Context(_) => Vec::new(),
        })
    }

    /// `left == right`. To make two things different would need a third: nothing is proposed for it but for a switch.
    fn equality(&self, left: &Json, right: &Json, wanted: bool) -> Result<Vec<Edit>, DecideError> {
        if !wanted {
            return Ok(Vec::new());
        }
        let mut edits = Vec::new();
        for (place, value) in [(left, right), (right, left)] {
            if let (Some(Place::Attribute(entity, attribute)), Some(value)) = (self.place(place)?, self.value(value)?) {
                edits.push(Edit::SetAttribute { entity, attribute, value });
            }
        }
        Ok(edits)
    }

    fn truth(&self, operator: &str, parts: &Json) -> Result<Option<bool>, DecideError> {
        let part = |key: &str| parts.get(key).unwrap_or(&Json::Null);
        Ok(match operator {
            "in" => {
                let (Some(Value::Entity(left)), Some(right)) = (self.value(part("left"))?, self.value(part("right"))?)
                else {
                    return Ok(None);
                };
                let above = self.ancestors(&left)?;
                let within = |target: &Uid| *target == left || above.contains(target);
                match right {
                    Value::Entity(target) => Some(within(&target)),
                    Value::Set(members) => Some(members.iter().filter_map(Value::as_entity).any(within)),
                    _ => None,
                }
            }
            "contains" => match (self.value(part("left"))?, self.value(part("right"))?) {
                (Some(Value::Set(members)), Some(member)) => Some(members.contains(&member)),
                _ => None,
            },
            "==" | "!=" => match (self.value(part("left"))?, self.value(part("right"))?) {
                (Some(left), Some(right)) => Some((left == right) == (operator == "==")),
                _ => None,
            },
            "has" => match (self.value(part("left"))?, attribute(part("attr"))) {
                (Some(Value::Entity(entity)), Some(name)) => Some(match self.fact(&entity)? {
                    Fact::Present(prepared) => prepared.entity().attrs.contains_key(&name),
                    Fact::Deleted | Fact::Absent => false,
                }),
                (Some(Value::Record(record)), Some(name)) => Some(record.contains_key(&name)),
                _ => None,
            },
            "hasTag" => match (self.value(part("left"))?, self.value(part("right"))?) {
                (Some(Value::Entity(entity)), Some(Value::String(tag))) => Some(match self.fact(&entity)? {
                    Fact::Present(prepared) => prepared.entity().tags.contains_key(&tag),
                    Fact::Deleted | Fact::Absent => false,
                }),
                _ => None,
            },
            "is" => match (self.value(part("left"))?, part("entity_type").as_str()) {
                (Some(Value::Entity(entity)), Some(name)) if parts.get("in").is_none() => {
                    Some(entity.type_name() == name)
                }
                _ => None,
            },
            "." | "Value" => match self.expression(operator, parts)? {
                Some(Value::Bool(value)) => Some(value),
                _ => None,
            },
            _ => None,
        })
    }

    fn value(&self, json: &Json) -> Result<Option<Value>, DecideError> {
        match json.as_object().and_then(|object| object.iter().next()) {
            Some((operator, parts)) => self.expression(operator, parts),
            None => Ok(None),
        }
    }

    /// The value of a path, a literal or a set of literals.
    fn expression(&self, operator: &str, parts: &Json) -> Result<Option<Value>, DecideError> {
        let part = |key: &str| parts.get(key).unwrap_or(&Json::Null);
        let question = &self.world.question;
        Ok(match operator {
            "Value" => match parts {
                Json::Bool(value) => Some((*value).into()),
                Json::String(text) => Some(text.as_str().into()),
                Json::Number(number) => number.as_i64().map(Value::Long),
                literal if literal.get("__entity").is_some() => uid_from_json(literal, "").ok().map(Value::Entity),
                _ => None,
            },
            "Var" => match parts.as_str() {
                Some("principal") => Some(question.principal.clone().into()),
                Some("resource") => Some(question.resource.clone().into()),
                Some("action") => Some(question.action.clone().into()),
                Some("context") => Some(Value::Record(question.context.clone())),
                _ => None,
            },
            "Set" => {
                let mut members = BTreeSet::new();
                for member in parts.as_array().into_iter().flatten() {
                    let Some(member) = self.value(member)? else { return Ok(None) };
                    members.insert(member);
                }
                Some(Value::Set(members))
            }
            "." => {
                let Some(name) = attribute(part("attr")) else { return Ok(None) };
                match self.value(part("left"))? {
                    Some(Value::Record(record)) => record.get(&name).cloned(),
                    Some(Value::Entity(entity)) => match self.fact(&entity)? {
                        Fact::Present(prepared) => prepared.entity().attrs.get(&name).cloned(),
                        Fact::Deleted | Fact::Absent => None,
                    },
                    _ => None,
                }
            }
            "getTag" => match (self.value(part("left"))?, self.value(part("right"))?) {
                (Some(Value::Entity(entity)), Some(Value::String(tag))) => match self.fact(&entity)? {
                    Fact::Present(prepared) => prepared.entity().tags.get(&tag).cloned(),
                    Fact::Deleted | Fact::Absent => None,
                },
                _ => None,
            },
            _ => None,
        })
    }

    /// Where the value of a path is kept, so that it can be changed.
    fn place(&self, json: &Json) -> Result<Option<Place>, DecideError> {
        let Some(parts) = json.get(".") else { return Ok(None) };
        let (Some(left), Some(name)) = (parts.get("left"), parts.get("attr").and_then(attribute)) else {
            return Ok(None);
        };
        if is_context(left) {
            return Ok(Some(Place::Context(name)));
        }
        if let Some(tag) = left.get("getTag") {
            let part = |key: &str| self.value(tag.get(key).unwrap_or(&Json::Null));
            return Ok(match (part("left")?, part("right")?) {
                (Some(Value::Entity(entity)), Some(Value::String(tag))) => Some(Place::TagField(entity, tag, name)),
                _ => None,
            });
        }
        Ok(match self.value(left)? {
            Some(Value::Entity(entity)) => Some(Place::Attribute(entity, name)),
            _ => None,
        })
    }

    fn is_set(&self, entity: &Uid, attribute: &str) -> Result<bool, DecideError> {
        Ok(match self.fact(entity)? {
            Fact::Present(prepared) => matches!(prepared.entity().attrs.get(attribute), Some(Value::Set(_))),
            Fact::Deleted | Fact::Absent => false,
        })
    }

    /// Everything above an entity, nearest first.
    fn ancestors(&self, entity: &Uid) -> Result<Vec<Uid>, DecideError> {
        let mut found: Vec<Uid> = Vec::new();
        let mut at = 0;
        let mut next = Some(entity.clone());
        while let Some(uid) = next {
            if let Fact::Present(prepared) = self.fact(&uid)? {
                for parent in &prepared.entity().parents {
                    if parent != entity && !found.contains(parent) && found.len() < MAX_ANCESTORS {
                        found.push(parent.clone());
                    }
                }
            }
            next = found.get(at).cloned();
            at += 1;
        }
        Ok(found)
    }

    /// Entities of an enumerated type exist by schema and have nothing in them.
    fn fact(&self, uid: &Uid) -> Result<Fact, FactsError> {
        match self.bundle.is_enumerated(uid.type_name()) {
            true => Ok(Fact::Absent),
            false => self.world.fact(uid),
        }
    }
}

/// Where a value is kept.
enum Place {
    Attribute(Uid, SmolStr),
    TagField(Uid, SmolStr, SmolStr),
    Context(SmolStr),
}

fn is_context(json: &Json) -> bool {
    json.get("Var").and_then(Json::as_str) == Some("context")
}

fn attribute(json: &Json) -> Option<SmolStr> {
    json.as_str().map(SmolStr::from)
}

/// Each of one side with each of the other.
fn both(left: &[Edits], right: &[Edits]) -> Vec<Edits> {
    let pairs = left.iter().flat_map(|a| right.iter().map(move |b| a | b));
    bounded(pairs.filter(|edits| edits.len() <= MAX_EDITS).collect())
}

/// The shortest ones, each once.
fn bounded(ways: Vec<Edits>) -> Vec<Edits> {
    let mut ways: Vec<Edits> = ways.into_iter().collect::<BTreeSet<_>>().into_iter().collect();
    ways.sort_by_key(BTreeSet::len);
    ways.truncate(MAX_ALTERNATIVES);
    ways
}
