//! Names in requests from outside: the full Cedar name always works, a short one when it names one thing only.
//!
//! `Hub::AccessToken`, `AccessToken` and `access_token` are the same type; ids are never touched.

use std::collections::BTreeMap;

use smol_str::SmolStr;

use super::schema::Schema;
use crate::entity::Uid;

/// Why a name names no type or action.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum NameFault {
    #[error("the schema has no {what} `{name}`")]
    Unknown { what: &'static str, name: String },
    #[error("`{name}` names more than one {what}: write {}", .candidates.join(" or "))]
    Ambiguous { what: &'static str, name: String, candidates: Vec<String> },
}

pub(super) struct Names {
    /// By their folded names.
    types: BTreeMap<String, Vec<SmolStr>>,
    actions: BTreeMap<SmolStr, Vec<Uid>>,
}

impl Names {
    pub fn new(schema: &Schema) -> Self {
        let mut types: BTreeMap<String, Vec<SmolStr>> = BTreeMap::new();
        for name in schema.types.keys() {
            let base = name.rsplit("::").next().unwrap_or(name);
            types.entry(folded(base)).or_default().push(name.clone());
        }
        let mut actions: BTreeMap<SmolStr, Vec<Uid>> = BTreeMap::new();
        for uid in schema.actions.keys() {
            actions.entry(uid.id().clone()).or_default().push(uid.clone());
        }
        Self { types, actions }
    }

    pub fn entity_type(&self, schema: &Schema, name: &str) -> Result<SmolStr, NameFault> {
        if let Some((full, _)) = schema.types.get_key_value(name) {
            return Ok(full.clone());
        }
        let found = self.types.get(name).or_else(|| self.types.get(&folded(name))).map_or(&[][..], Vec::as_slice);
        only("entity type", name, found)
    }

    pub fn action(&self, schema: &Schema, name: &str) -> Result<Uid, NameFault> {
        if name.ends_with('"')
            && let Ok(uid) = Uid::parse(name)
            && schema.actions.contains_key(&uid)
        {
            return Ok(uid);
        }
        let found = self.actions.get(name).map_or(&[][..], Vec::as_slice);
        only("action", name, found)
    }
}

fn only<T: Clone + ToString>(what: &'static str, name: &str, found: &[T]) -> Result<T, NameFault> {
    match found {
        [one] => Ok(one.clone()),
        [] => Err(NameFault::Unknown { what, name: name.to_owned() }),
        several => Err(NameFault::Ambiguous {
            what,
            name: name.to_owned(),
            candidates: several.iter().map(ToString::to_string).collect(),
        }),
    }
}

fn folded(name: &str) -> String {
    name.chars().filter(|c| *c != '_').flat_map(char::to_lowercase).collect()
}
