//! Names in requests from outside: the full Cedar name always works, a short one when it names one thing only.
//!
//! `Hub::AccessToken`, `AccessToken` and `access_token` are the same type; ids are never touched.

use std::collections::{BTreeMap, HashMap};

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
    /// By names as services usually write them, each of which names one type: full, `AccessToken`, `access_token`.
    usual: HashMap<SmolStr, SmolStr>,
    actions: HashMap<SmolStr, Vec<Uid>>,
}

impl Names {
    pub fn new(schema: &Schema) -> Self {
        let mut types: BTreeMap<String, Vec<SmolStr>> = BTreeMap::new();
        for name in schema.types.keys() {
            let base = name.rsplit("::").next().unwrap_or(name);
            types.entry(folded(base)).or_default().push(name.clone());
        }
        let mut usual: HashMap<SmolStr, SmolStr> = HashMap::new();
        for name in types.values().filter(|names| names.len() == 1).flatten() {
            let base = name.rsplit("::").next().unwrap_or(name);
            usual.extend([base.into(), snake(base)].map(|short: SmolStr| (short, name.clone())));
        }
        // Last: a full name means its own type, whatever else it might be short for.
        usual.extend(schema.types.keys().map(|name| (name.clone(), name.clone())));
        let mut actions: HashMap<SmolStr, Vec<Uid>> = HashMap::new();
        for uid in schema.actions.keys() {
            actions.entry(uid.id().clone()).or_default().push(uid.clone());
        }
        Self { types, usual, actions }
    }

    pub fn entity_type(&self, name: &str) -> Result<SmolStr, NameFault> {
        match self.usual.get(name) {
            Some(full) => Ok(full.clone()),
            None => only("entity type", name, self.types.get(&folded(name)).map_or(&[][..], Vec::as_slice)),
        }
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

/// `AccessToken` → `access_token`.
fn snake(name: &str) -> SmolStr {
    let mut snake = String::with_capacity(name.len() + 4);
    for c in name.chars() {
        if c.is_uppercase() && !snake.is_empty() {
            snake.push('_');
        }
        snake.extend(c.to_lowercase());
    }
    snake.into()
}

fn folded(name: &str) -> String {
    name.chars().filter(|c| *c != '_').flat_map(char::to_lowercase).collect()
}

#[cfg(test)]
mod tests {
    use super::super::bundle::SourceFile;
    use super::*;

    fn names(schema: &str) -> Names {
        let file = SourceFile::new("a.cedarschema", schema);
        Names::new(&Schema::parse(&file).unwrap())
    }

    #[test]
    fn a_type_is_found_by_its_full_name_and_by_short_ones_however_they_are_written() {
        let names = names("namespace Hub { entity AccessToken; entity IPRange; } entity Repo;");
        for name in ["Hub::AccessToken", "AccessToken", "access_token", "accesstoken", "ACCESS_token"] {
            assert_eq!(names.entity_type(name).unwrap(), "Hub::AccessToken", "{name}");
        }
        for name in ["ip_range", "i_p_range", "IPRange"] {
            assert_eq!(names.entity_type(name).unwrap(), "Hub::IPRange", "{name}");
        }
        assert_eq!(names.entity_type("repo").unwrap(), "Repo");
        for name in ["", "Hub::Repo", "hub::accesstoken", "tokens"] {
            assert!(matches!(names.entity_type(name), Err(NameFault::Unknown { .. })), "{name}");
        }
    }

    #[test]
    fn a_short_name_of_two_types_is_none_unless_it_is_the_full_name_of_one() {
        let names = names(
            "namespace A { entity Repo; } namespace B { entity Re_po; } namespace C { entity User; } entity user;",
        );
        for name in ["Repo", "repo", "re_po"] {
            let Err(NameFault::Ambiguous { candidates, .. }) = names.entity_type(name) else { panic!("{name}") };
            assert_eq!(candidates, ["A::Repo", "B::Re_po"]);
        }
        assert_eq!(names.entity_type("user").unwrap(), "user");
        assert!(matches!(names.entity_type("User"), Err(NameFault::Ambiguous { .. })));
        assert_eq!(names.entity_type("B::Re_po").unwrap(), "B::Re_po");
    }
}
