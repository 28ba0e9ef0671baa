//! A link: one way in which entities of a type lead to others.

use std::collections::BTreeSet;
use std::fmt;

use smol_str::SmolStr;

use super::{Entity, Record, Uid, Value};

/// The parents of a type's entities, or the entities that one attribute of theirs holds.
///
/// `path` is empty for parents; otherwise it is an attribute, and the fields of the records that it lies in.
#[derive(Clone, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Link {
    /// Whose link it is.
    pub from: SmolStr,
    pub path: Vec<SmolStr>,
}

impl Link {
    pub fn parents(of: impl Into<SmolStr>) -> Self {
        Self { from: of.into(), path: Vec::new() }
    }

    pub fn attribute(of: impl Into<SmolStr>, path: Vec<SmolStr>) -> Self {
        Self { from: of.into(), path }
    }

    /// Where this link of an entity leads: one entity, the members of a set, or nowhere.
    pub fn targets<'e>(&self, entity: &'e Entity) -> BTreeSet<&'e Uid> {
        match self.path.split_first() {
            None => entity.parents.iter().collect(),
            Some((first, rest)) => found(&entity.attrs, first, rest),
        }
    }
}

fn found<'e>(record: &'e Record, first: &SmolStr, rest: &[SmolStr]) -> BTreeSet<&'e Uid> {
    match (record.get(first), rest.split_first()) {
        (Some(Value::Entity(uid)), None) => BTreeSet::from([uid]),
        (Some(Value::Set(members)), None) => members.iter().filter_map(Value::as_entity).collect(),
        (Some(Value::Record(inner)), Some((first, rest))) => found(inner, first, rest),
        _ => BTreeSet::new(),
    }
}

impl fmt::Display for Link {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.path.is_empty() {
            true => write!(f, "the parents of {}", self.from),
            false => write!(f, "{}.{}", self.from, self.path.join(".")),
        }
    }
}
