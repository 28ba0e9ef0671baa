//! Attribute values.

use std::collections::BTreeSet;

use smol_str::SmolStr;

use super::{Record, Uid};

/// A Cedar value as data. Extension values stay calls (`datetime("…")`), as Cedar's JSON has them.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Value {
    Bool(bool),
    Long(i64),
    String(SmolStr),
    Entity(Uid),
    Set(BTreeSet<Value>),
    Record(Record),
    Extension { function: SmolStr, args: Vec<Value> },
}

impl Value {
    /// What kind of value this is, as an error message names it.
    pub fn kind(&self) -> &'static str {
        match self {
            Self::Bool(_) => "a boolean",
            Self::Long(_) => "an integer",
            Self::String(_) => "a string",
            Self::Entity(_) => "an entity",
            Self::Set(_) => "a set",
            Self::Record(_) => "a record",
            Self::Extension { .. } => "an extension value",
        }
    }

    /// The entity this value is, if it is one.
    pub fn as_entity(&self) -> Option<&Uid> {
        match self {
            Self::Entity(uid) => Some(uid),
            _ => None,
        }
    }
}

impl From<bool> for Value {
    fn from(value: bool) -> Self {
        Self::Bool(value)
    }
}

impl From<i64> for Value {
    fn from(value: i64) -> Self {
        Self::Long(value)
    }
}

impl From<&str> for Value {
    fn from(value: &str) -> Self {
        Self::String(value.into())
    }
}

impl From<Uid> for Value {
    fn from(value: Uid) -> Self {
        Self::Entity(value)
    }
}
