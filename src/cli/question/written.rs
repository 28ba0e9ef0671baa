//! A question as it was written, and its names resolved.

use std::path::Path;

use serde::Deserialize;
use serde_json::{Map, Value as Json};

use crate::cli::exit::Failure;
use crate::entity::{Record, Uid, uid_from_json};
use crate::json;
use crate::pdp::{Bundle, ContextRules};

/// A question before its names are resolved.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Written {
    /// A text, or `{"type", "id"}`.
    principal: Json,
    action: Json,
    resource: Json,
    #[serde(default)]
    context: Map<String, Json>,
}

/// A question in the schema's words.
pub(super) struct Resolved {
    pub principal: Uid,
    pub action: Uid,
    pub resource: Uid,
    pub context: Record,
}

impl Written {
    pub fn from_args(principal: &str, action: &str, resource: &str, context: Option<&str>) -> Result<Self, Failure> {
        let context = context_of(context)?;
        Ok(Self { principal: principal.into(), action: action.into(), resource: resource.into(), context })
    }

    /// Reads `{"principal", "action", "resource", "context"}`.
    pub fn read(path: &Path) -> Result<Self, Failure> {
        let name = path.display().to_string();
        let json = Json::Object(object(&read(path)?, &name)?);
        serde_json::from_value(json).map_err(|error| Failure::new(format!("{name}: {error}")))
    }

    /// # Errors
    /// A name that the schema does not know, or a context that it does not allow.
    pub fn resolve(self, bundle: &Bundle) -> Result<Resolved, Failure> {
        let action = bundle.action(&action(&self.action)?)?;
        let context = bundle
            .admission()
            .context(&action, &Json::Object(self.context), ContextRules::Offline)
            .map_err(|fault| Failure::invalid(fault.to_string()))?;
        let full = |uid: Uid| Ok::<_, Failure>(Uid::new(bundle.entity_type(uid.type_name())?, uid.id().clone()));
        Ok(Resolved {
            principal: full(entity(&self.principal, "principal")?)?,
            resource: full(entity(&self.resource, "resource")?)?,
            action,
            context,
        })
    }

    /// The question as a server's API takes it, which resolves the names itself.
    pub fn to_request(&self) -> Result<Map<String, Json>, Failure> {
        let mut request = Map::new();
        request.insert("principal".to_owned(), entity(&self.principal, "principal")?.to_json());
        request.insert("action".to_owned(), action(&self.action)?.into());
        request.insert("resource".to_owned(), entity(&self.resource, "resource")?.to_json());
        request.insert("context".to_owned(), Json::Object(self.context.clone()));
        Ok(request)
    }
}

fn action(json: &Json) -> Result<String, Failure> {
    match json {
        Json::String(name) => Ok(name.clone()),
        json => {
            let uid = uid_from_json(json, "action").map_err(|fault| Failure::new(fault.to_string()))?;
            Ok(uid.to_string())
        }
    }
}

/// The context that an argument gives.
pub(in crate::cli) fn context_of(text: Option<&str>) -> Result<Map<String, Json>, Failure> {
    match text {
        None => Ok(Map::new()),
        Some(text) => match text.strip_prefix('@') {
            None => object(text.as_bytes(), "--context"),
            Some(path) => object(&read(Path::new(path))?, path),
        },
    }
}

/// The entity that an argument names.
pub(in crate::cli) fn entity_of(text: &str, what: &str) -> Result<Uid, Failure> {
    entity(&text.into(), what)
}

/// An entity by its uid, whose type may be a short name; or `type:id`, which needs no quoting in a shell.
fn entity(json: &Json, what: &str) -> Result<Uid, Failure> {
    match json {
        Json::String(text) => match (Uid::parse(text), split(text)) {
            (Ok(uid), _) => Ok(uid),
            (Err(_), Some((type_name, id))) => Ok(Uid::new(type_name, id)),
            (Err(error), None) => Err(Failure::new(format!("{what}: {error}, or `type:id`"))),
        },
        json => uid_from_json(json, what).map_err(|fault| Failure::new(fault.to_string())),
    }
}

/// Cuts `Hub::User:alice` at its first single colon.
fn split(text: &str) -> Option<(&str, &str)> {
    let mut from = 0;
    loop {
        let at = from + text.get(from..)?.find(':')?;
        match text.get(at + 1..)? {
            rest if rest.starts_with(':') => from = at + 2,
            id => return Some((text.get(..at)?, id)),
        }
    }
}

fn object(bytes: &[u8], name: &str) -> Result<Map<String, Json>, Failure> {
    match json::parse(bytes) {
        Ok(Json::Object(map)) => Ok(map),
        Ok(_) => Err(Failure::new(format!("{name}: expected a JSON object"))),
        Err(error) => Err(Failure::new(format!("{name}: {error}"))),
    }
}

fn read(path: &Path) -> Result<Vec<u8>, Failure> {
    std::fs::read(path).map_err(|error| Failure::new(format!("cannot read {}: {error}", path.display())))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_short_entity_is_cut_at_its_first_single_colon() {
        assert_eq!(split("user:alice"), Some(("user", "alice")));
        assert_eq!(split("Hub::User:a:b"), Some(("Hub::User", "a:b")));
        assert_eq!(split("user:"), Some(("user", "")));
        assert_eq!(split("alice"), None);
        assert_eq!(split("Hub::User"), None);
    }
}
