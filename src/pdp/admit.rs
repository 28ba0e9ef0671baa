//! Typed reading: JSON to values, checked against the schema with the path of the fault.
//!
//! Takes what the engine's own JSON reader takes: explicit `__entity` and `__extn` escapes, or the bare forms that the
//! schema disambiguates (`{"type","id"}` for an entity, `"2026-01-01T00:00:00Z"` for a datetime). A property test holds
//! this reader and the engine's validator to the same verdict.

mod conform;

use std::collections::BTreeSet;

use serde_json::{Map, Value as Json};
use smol_str::SmolStr;

use super::engine;
use super::schema::{Attribute, Attributes, CLOCK, EntityType, Schema, Type};
use crate::entity::{Entity, JsonFault, Record, Uid, Value, extension_from_json, uid_from_json};

/// Reads entities and contexts for one schema.
pub struct Admission<'a> {
    pub(super) schema: &'a Schema,
}

/// Who is asking decides how a context is read.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ContextRules {
    /// A caller that speaks Cedar: every key must be known, credentials may be named, the clock is the server's.
    Native,
    /// A standard client: unknown keys, credentials and the clock are ignored.
    Open,
    /// A test or an offline question, which may also set the clock.
    Offline,
}

impl Admission<'_> {
    /// One entity in Cedar's JSON format.
    ///
    /// # Errors
    /// The first fault, with its path: `attrs.gate.accepted: expected an entity`.
    pub fn entity(&self, json: &Json) -> Result<Entity, JsonFault> {
        let map = object(json, "entity")?;
        if let Some(key) = map.keys().find(|key| !matches!(key.as_str(), "uid" | "attrs" | "parents" | "tags")) {
            return Err(JsonFault::new(key, "an entity has `uid`, `attrs`, `parents` and `tags` only"));
        }
        let uid = map.get("uid").ok_or_else(|| JsonFault::new("uid", "missing"))?;
        let uid = uid_from_json(uid, "uid")?;
        let ty = self.entity_type(&uid, "uid")?;
        let empty = Json::Object(Map::new());
        let attrs = map.get("attrs").unwrap_or(&empty);
        let attrs = self.record(&ty.attributes, attrs, "attrs", Unknown::Refuse(uid.type_name()))?;
        let parents = self.parents(&uid, ty, map.get("parents"))?;
        let tags = self.tags(&uid, ty, map.get("tags"))?;
        Ok(Entity { uid, attrs, parents, tags })
    }

    /// Whether a stored entity still conforms.
    ///
    /// # Errors
    /// As [`Admission::entity`].
    pub fn check(&self, entity: &Entity) -> Result<(), JsonFault> {
        match self.conforms(entity) {
            true => Ok(()),
            false => self.entity(&entity.to_json()).map(|_| ()),
        }
    }

    /// An entity that is held already, as [`Admission::entity`] reads it from its JSON.
    ///
    /// # Errors
    /// As [`Admission::entity`].
    pub fn held(&self, entity: Entity) -> Result<Entity, JsonFault> {
        match self.conforms(&entity) {
            true => Ok(entity),
            false => self.entity(&entity.to_json()),
        }
    }

    /// Attributes laid over an entity for one request: unknown names and nulls are dropped, known ones checked.
    ///
    /// # Errors
    /// As [`Admission::entity`], under `path`.
    pub fn properties(&self, type_name: &str, json: &Json, path: &str) -> Result<Record, JsonFault> {
        let Some(ty) = self.schema.types.get(type_name) else {
            return Ok(Record::new());
        };
        let optional = ty
            .attributes
            .iter()
            .map(|(name, attribute)| (name.clone(), Attribute { ty: attribute.ty.clone(), required: false }));
        self.record(&optional.collect(), json, path, Unknown::Drop)
    }

    /// The context of an action.
    ///
    /// # Errors
    /// As [`Admission::entity`], under `context`; for a key that the rules reserve.
    pub fn context(&self, action: &Uid, json: &Json, rules: ContextRules) -> Result<Record, JsonFault> {
        let declared = match self.schema.actions.get(action) {
            Some(action) => &action.context,
            None => &Attributes::new(),
        };
        let map = object(json, "context")?;
        let demanded =
            |(name, attribute): (&SmolStr, &Attribute)| attribute.required && !(name == CLOCK && is_clock(attribute));
        if map.is_empty() && !declared.iter().any(demanded) {
            return Ok(Record::new());
        }
        let mut taken = Map::new();
        for (key, value) in map {
            let clock = key == CLOCK && declared.get(CLOCK).is_some_and(is_clock);
            match rules {
                ContextRules::Open if clock || self.schema.delegate_keys.contains(key.as_str()) => continue,
                ContextRules::Native if clock => {
                    return Err(JsonFault::new(format!("context.{key}"), "is the server's clock and cannot be set"));
                }
                _ => taken.insert(key.clone(), value.clone()),
            };
        }
        let unknown = match rules {
            ContextRules::Open => Unknown::Drop,
            _ => Unknown::Refuse(action.id()),
        };
        let mut declared = declared.clone();
        if let Some(clock) = declared.get_mut(CLOCK).filter(|attribute| is_clock(attribute)) {
            clock.required = false;
        }
        self.record(&declared, &Json::Object(taken), "context", unknown)
    }

    fn entity_type(&self, uid: &Uid, path: &str) -> Result<&EntityType, JsonFault> {
        let name = uid.type_name();
        let Some(ty) = self.schema.types.get(name) else {
            return Err(JsonFault::new(format!("{path}.type"), format!("the schema has no entity type `{name}`")));
        };
        match &ty.ids {
            Some(ids) if !ids.contains(uid.id()) => {
                let ids: Vec<&str> = ids.iter().map(SmolStr::as_str).collect();
                let message = format!("`{name}` is one of {}", ids.join(", "));
                Err(JsonFault::new(format!("{path}.id"), message))
            }
            _ => Ok(ty),
        }
    }

    fn parents(&self, uid: &Uid, ty: &EntityType, json: Option<&Json>) -> Result<BTreeSet<Uid>, JsonFault> {
        let mut parents = BTreeSet::new();
        let items = match json {
            None => return Ok(parents),
            Some(Json::Array(items)) => items,
            Some(_) => return Err(JsonFault::new("parents", "expected an array of entities")),
        };
        for (index, item) in items.iter().enumerate() {
            let path = format!("parents[{index}]");
            let parent = uid_from_json(item, &path)?;
            self.entity_type(&parent, &path)?;
            if !ty.ancestors.contains(parent.type_name()) {
                let message = format!("`{}` cannot be in a `{}`", uid.type_name(), parent.type_name());
                return Err(JsonFault::new(path, message));
            }
            if parent == *uid {
                return Err(JsonFault::new(path, "an entity cannot be its own parent"));
            }
            parents.insert(parent);
        }
        Ok(parents)
    }

    fn tags(&self, uid: &Uid, ty: &EntityType, json: Option<&Json>) -> Result<Record, JsonFault> {
        let Some(json) = json else {
            return Ok(Record::new());
        };
        let map = object(json, "tags")?;
        let Some(tag) = &ty.tags else {
            return match map.is_empty() {
                true => Ok(Record::new()),
                false => Err(JsonFault::new("tags", format!("`{}` has no tags", uid.type_name()))),
            };
        };
        map.iter()
            .map(|(key, value)| Ok((key.as_str().into(), self.value(tag, value, &format!("tags.{key}"))?)))
            .collect()
    }

    fn record(&self, declared: &Attributes, json: &Json, path: &str, unknown: Unknown) -> Result<Record, JsonFault> {
        let map = object(json, path)?;
        let mut record = Record::new();
        for (key, value) in map {
            let path = format!("{path}.{key}");
            match (declared.get(key.as_str()), unknown) {
                (Some(_), Unknown::Drop) if value.is_null() => {}
                (Some(attribute), _) => {
                    record.insert(key.as_str().into(), self.value_in(&attribute.ty, value, &path, unknown)?);
                }
                (None, Unknown::Drop) => {}
                (None, Unknown::Refuse(of)) => {
                    return Err(JsonFault::new(path, unknown_attribute(key, of, declared)));
                }
            }
        }
        let missing = |(name, attribute): &(&SmolStr, &Attribute)| attribute.required && !record.contains_key(*name);
        match declared.iter().find(missing) {
            Some((name, _)) => Err(JsonFault::new(format!("{path}.{name}"), "missing")),
            None => Ok(record),
        }
    }

    fn value(&self, ty: &Type, json: &Json, path: &str) -> Result<Value, JsonFault> {
        self.value_in(ty, json, path, Unknown::Refuse("the record"))
    }

    fn value_in(&self, ty: &Type, json: &Json, path: &str, unknown: Unknown) -> Result<Value, JsonFault> {
        let expected = |what: &str| JsonFault::new(path, format!("expected {what}, found {}", shown(json)));
        Ok(match ty {
            Type::Bool => Value::Bool(json.as_bool().ok_or_else(|| expected("true or false"))?),
            Type::Long => Value::Long(json.as_i64().ok_or_else(|| expected("a 64-bit integer"))?),
            Type::String => json.as_str().ok_or_else(|| expected("a string"))?.into(),
            Type::Entity(name) => {
                let uid = uid_from_json(json, path)?;
                self.entity_type(&uid, path)?;
                if uid.type_name() != name {
                    return Err(JsonFault::new(path, format!("expected a `{name}`, found a `{}`", uid.type_name())));
                }
                uid.into()
            }
            Type::Set(element) => {
                let items = json.as_array().ok_or_else(|| expected("an array"))?;
                let members = items.iter().enumerate();
                let read = |(index, item)| self.value_in(element, item, &format!("{path}[{index}]"), unknown);
                Value::Set(members.map(read).collect::<Result<_, _>>()?)
            }
            Type::Record(attributes) => Value::Record(self.record(attributes, json, path, unknown)?),
            Type::Extension(name) => extension(name, json, path)?,
        })
    }
}

/// What happens to a name that the schema does not declare.
#[derive(Clone, Copy)]
enum Unknown<'a> {
    Refuse(&'a str),
    Drop,
}

/// Whether a context attribute is the server's clock.
pub(super) fn is_clock(attribute: &Attribute) -> bool {
    attribute.ty == Type::Extension(SmolStr::new_static("datetime"))
}

fn extension(name: &SmolStr, json: &Json, path: &str) -> Result<Value, JsonFault> {
    let constructor = if name == "ipaddr" { "ip" } else { name.as_str() };
    let value = match json {
        Json::String(text) => Value::Extension { function: constructor.into(), args: vec![text.as_str().into()] },
        json if json.get("fn").is_some() => extension_from_json(json, path)?,
        json => Value::from_json(json, path)?,
    };
    match engine::extension_type(&value) {
        Ok(found) if found == name.as_str() => Ok(value),
        Ok(found) => Err(JsonFault::new(path, format!("expected a {name}, found {found}"))),
        Err(message) => Err(JsonFault::new(path, format!("expected a {name}: {message}"))),
    }
}

fn object<'a>(json: &'a Json, path: &str) -> Result<&'a Map<String, Json>, JsonFault> {
    json.as_object().ok_or_else(|| JsonFault::new(path, format!("expected an object, found {}", shown(json))))
}

/// A value as an error message shows it: whole when short, else its kind.
fn shown(json: &Json) -> String {
    match json {
        Json::Object(_) => "an object".to_owned(),
        Json::Array(_) => "an array".to_owned(),
        Json::String(text) if text.len() > 40 => "a string".to_owned(),
        json => format!("`{json}`"),
    }
}

fn unknown_attribute(key: &str, of: &str, declared: &Attributes) -> String {
    let close =
        |name: &&SmolStr| name.eq_ignore_ascii_case(key) || name.starts_with(key) || key.starts_with(name.as_str());
    match declared.keys().find(close) {
        Some(name) => format!("`{of}` has no `{key}`; did you mean `{name}`?"),
        None => format!("`{of}` has no `{key}`"),
    }
}
