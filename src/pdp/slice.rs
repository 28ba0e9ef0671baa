//! The slice: the entities that one question needs, found by following what the policies can read.
//!
//! Cost depends on the question and the policies, never on how much is stored.

use std::collections::{HashMap, HashSet};
use std::sync::Arc;

use cedar_policy::Entities;

use super::engine::{self, ActionEntity, Closed, Prepared};
use super::reach::{NodeId, Reach};
use super::schema::Schema;
use crate::entity::{Entity, Uid, Value};

/// How many ancestors an entity may have before a question about it is refused.
const MAX_ANCESTORS: usize = 10_000;

/// What is known of a uid.
#[derive(Clone, Debug)]
pub enum Fact {
    Present(Arc<Prepared>),
    /// It was deleted; its id is not free.
    Deleted,
    Absent,
}

/// Facts could not be had. Never means "not there": the caller answers an error, not a decision.
#[derive(Debug, thiserror::Error)]
#[error("{0}")]
pub struct FactsError(#[source] pub Box<dyn std::error::Error + Send + Sync>);

/// Where facts come from. One value answers one question (or one batch) from one consistent state.
pub trait Facts {
    /// # Errors
    /// When it cannot be known whether the entity exists.
    fn fact(&self, uid: &Uid) -> Result<Fact, FactsError>;

    /// All ancestors of an entity. Where facts are kept they may be, too; `find` finds them.
    ///
    /// # Errors
    /// Those of `find`.
    fn ancestors(
        &self,
        uid: &Uid,
        find: &mut dyn FnMut() -> Result<Ancestors, FactsError>,
    ) -> Result<Arc<Ancestors>, FactsError> {
        let _ = uid;
        find().map(Arc::new)
    }
}

/// All ancestors of an entity, the nearest first.
#[derive(Debug, Default)]
pub struct Ancestors {
    list: Vec<Uid>,
    /// The same again, once they are many.
    set: HashSet<Uid>,
}

impl Ancestors {
    /// From here on, a set finds faster than a look at each.
    const MANY: usize = 16;

    pub fn contains(&self, uid: &Uid) -> bool {
        if self.set.is_empty() { self.list.contains(uid) } else { self.set.contains(uid) }
    }

    pub fn list(&self) -> &[Uid] {
        &self.list
    }

    /// Follows the parents of an entity to the end.
    pub(super) fn find(schema: &Schema, facts: &dyn Facts, uid: &Uid) -> Result<Self, FactsError> {
        let mut found = Self::default();
        found.extend(uid, &known(schema, facts, uid)?)?;
        let mut at = 0;
        while let Some(parent) = found.list.get(at).cloned() {
            // Those of an enumerated type are in nothing.
            if !schema.is_enumerated(parent.type_name()) {
                found.extend(uid, &known(schema, facts, &parent)?)?;
            }
            at += 1;
        }
        Ok(found)
    }

    fn extend(&mut self, of: &Uid, fact: &Fact) -> Result<(), FactsError> {
        let Fact::Present(prepared) = fact else { return Ok(()) };
        for parent in &prepared.entity().parents {
            if parent == of || self.contains(parent) {
                continue;
            }
            if self.list.len() == MAX_ANCESTORS {
                return Err(malformed(format!("{of} has more than {MAX_ANCESTORS} ancestors")));
            }
            if self.list.len() == Self::MANY {
                self.set.extend(self.list.iter().cloned());
            }
            self.list.push(parent.clone());
            if self.list.len() > Self::MANY {
                self.set.insert(parent.clone());
            }
        }
        Ok(())
    }
}

/// The entities loaded for one question.
pub(super) struct Slice<'a> {
    schema: &'a Schema,
    facts: &'a dyn Facts,
    found: HashMap<Uid, Fact>,
    /// Every ancestor of the entities that are asked what they are in.
    ancestors: HashMap<Uid, Vec<Uid>>,
    loaded: HashSet<Uid>,
}

impl<'a> Slice<'a> {
    pub fn new(schema: &'a Schema, facts: &'a dyn Facts) -> Self {
        Self { schema, facts, found: HashMap::new(), ancestors: HashMap::new(), loaded: HashSet::new() }
    }

    /// What is known of a uid.
    pub fn fact(&mut self, uid: &Uid) -> Result<Fact, FactsError> {
        if let Some(fact) = self.found.get(uid) {
            return Ok(fact.clone());
        }
        let fact = known(self.schema, self.facts, uid)?;
        self.found.insert(uid.clone(), fact.clone());
        Ok(fact)
    }

    /// Loads what policies read from `node` on, when its value is `value`.
    pub fn follow(&mut self, reach: &Reach, node: NodeId, value: &Value) -> Result<(), FactsError> {
        let Some(read) = reach.node(node) else {
            return Ok(());
        };
        match value {
            Value::Record(record) => {
                for (name, child) in &read.attributes {
                    if let Some(value) = record.get(name) {
                        self.follow(reach, *child, value)?;
                    }
                }
            }
            Value::Entity(uid) if read.load || read.ancestors => {
                if read.ancestors {
                    self.close(uid)?;
                }
                if let Fact::Present(prepared) = self.load(uid)? {
                    let entity = prepared.entity();
                    for (name, child) in &read.attributes {
                        if let Some(value) = entity.attrs.get(name) {
                            self.follow(reach, *child, value)?;
                        }
                    }
                    if let Some(child) = read.tags {
                        for value in entity.tags.values() {
                            self.follow(reach, child, value)?;
                        }
                    }
                }
            }
            _ => {}
        }
        Ok(())
    }

    /// The question's entity and all its ancestors, for looking up policies that name them.
    pub fn lineage(&self, uid: &Uid) -> Vec<Uid> {
        std::iter::once(uid).chain(self.ancestors.get(uid).into_iter().flatten()).cloned().collect()
    }

    /// The slice as the engine takes it.
    pub fn entities(&self, action: &ActionEntity) -> Result<Entities, FactsError> {
        let loaded = self.loaded.iter().filter_map(|uid| match self.found.get(uid) {
            Some(Fact::Present(prepared)) => {
                Some(Closed { prepared, ancestors: self.ancestors.get(uid).map_or(&[], Vec::as_slice) })
            }
            _ => None,
        });
        engine::entities(loaded, action).map_err(malformed)
    }

    fn load(&mut self, uid: &Uid) -> Result<Fact, FactsError> {
        let fact = self.fact(uid)?;
        if matches!(fact, Fact::Present(_)) {
            self.loaded.insert(uid.clone());
        }
        Ok(fact)
    }

    /// Finds all ancestors of an entity.
    pub fn close(&mut self, uid: &Uid) -> Result<(), FactsError> {
        if self.ancestors.contains_key(uid) {
            return Ok(());
        }
        let ancestors = Ancestors::find(self.schema, self.facts, uid)?;
        self.ancestors.insert(uid.clone(), ancestors.list);
        self.load(uid).map(|_| ())
    }
}

/// What is known of a uid. Entities of an enumerated type are not facts: they exist by schema.
pub(super) fn known(schema: &Schema, facts: &dyn Facts, uid: &Uid) -> Result<Fact, FactsError> {
    match schema.types.get(uid.type_name()) {
        Some(ty) => match &ty.ids {
            Some(ids) if ids.contains(uid.id()) => {
                Ok(Fact::Present(Arc::new(Prepared::admitted(Entity::bare(uid.clone())))))
            }
            Some(_) => Ok(Fact::Absent),
            None => facts.fact(uid),
        },
        None => Ok(Fact::Absent),
    }
}

fn malformed(message: String) -> FactsError {
    FactsError(message.into())
}
