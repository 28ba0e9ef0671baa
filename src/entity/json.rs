//! Cedar's JSON entity format, written and read without a schema.
//!
//! Reading with a schema, which also understands bare ids and bare timestamps and checks every type, is the decision
//! point's work; this reader only takes the explicit form that [`Entity::to_json`] writes.

use std::collections::BTreeSet;

use serde_json::{Map, Value as Json};

use super::{Entity, Record, Uid, Value};

/// What is wrong with a JSON entity, and where in it.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{path}: {message}")]
pub struct JsonFault {
    /// From the entity's root, e.g. `attrs.gate.accepted`.
    pub path: String,
    pub message: String,
}

impl JsonFault {
    pub fn new(path: impl Into<String>, message: impl Into<String>) -> Self {
        Self { path: path.into(), message: message.into() }
    }
}

/// Reads `{"type","id"}`, with or without Cedar's `__entity` around it.
///
/// # Errors
/// [`JsonFault`] when a part is missing, is not a string, or something else stands beside them.
pub fn uid_from_json(json: &Json, path: &str) -> Result<Uid, JsonFault> {
    let object = escaped(json, "__entity", path)?.unwrap_or(json);
    let Some(map) = object.as_object() else {
        return Err(JsonFault::new(path, "expected an entity, `{\"type\": …, \"id\": …}`"));
    };
    let part = |key: &str| match map.get(key) {
        Some(Json::String(text)) => Ok(text.as_str()),
        Some(_) => Err(JsonFault::new(format!("{path}.{key}"), "expected a string")),
        None => Err(JsonFault::new(path, format!("an entity needs `{key}`"))),
    };
    let uid = Uid::new(part("type")?, part("id")?);
    match map.keys().find(|key| !matches!(key.as_str(), "type" | "id")) {
        Some(key) => Err(JsonFault::new(path, format!("an entity has no `{key}`"))),
        None => Ok(uid),
    }
}

/// What an escape holds, if this is one. Nothing may stand beside it: two readers could take different halves.
fn escaped<'a>(json: &'a Json, escape: &str, path: &str) -> Result<Option<&'a Json>, JsonFault> {
    let Some(inside) = json.get(escape) else {
        return Ok(None);
    };
    match json.as_object().and_then(|map| map.keys().find(|key| *key != escape)) {
        Some(key) => Err(JsonFault::new(path, format!("`{key}` stands beside `{escape}`"))),
        None => Ok(Some(inside)),
    }
}

/// An object of values that are moved into it: `json!` would copy them.
fn object<const COUNT: usize>(entries: [(&str, Json); COUNT]) -> Json {
    Json::Object(entries.into_iter().map(|(key, value)| (key.to_owned(), value)).collect())
}

impl Uid {
    /// `{"type","id"}`.
    pub fn to_json(&self) -> Json {
        object([("type", self.type_name().as_str().into()), ("id", self.id().as_str().into())])
    }
}

impl Value {
    /// Cedar's explicit JSON: `__entity` around entities, `__extn` around extension calls.
    pub fn to_json(&self) -> Json {
        match self {
            Self::Bool(value) => (*value).into(),
            Self::Long(value) => (*value).into(),
            Self::String(value) => value.as_str().into(),
            Self::Entity(uid) => object([("__entity", uid.to_json())]),
            Self::Set(members) => members.iter().map(Self::to_json).collect(),
            Self::Record(record) => record_to_json(record),
            Self::Extension { function, args } => {
                let args = match args.as_slice() {
                    [arg] => ("arg", arg.to_json()),
                    args => ("args", args.iter().map(Self::to_json).collect()),
                };
                object([("__extn", object([("fn", function.as_str().into()), args]))])
            }
        }
    }

    /// Reads the explicit form.
    ///
    /// # Errors
    /// [`JsonFault`] for a null, a number that is no 64-bit integer, or a malformed escape.
    pub fn from_json(json: &Json, path: &str) -> Result<Self, JsonFault> {
        Ok(match json {
            Json::Null => return Err(JsonFault::new(path, "null is not a value")),
            Json::Bool(value) => Self::Bool(*value),
            Json::Number(number) => Self::Long(
                number.as_i64().ok_or_else(|| JsonFault::new(path, format!("`{number}` is not a 64-bit integer")))?,
            ),
            Json::String(text) => Self::String(text.as_str().into()),
            Json::Array(items) => {
                let mut members = BTreeSet::new();
                for (index, item) in items.iter().enumerate() {
                    members.insert(Self::from_json(item, &format!("{path}[{index}]"))?);
                }
                Self::Set(members)
            }
            Json::Object(map) if map.contains_key("__entity") => Self::Entity(uid_from_json(json, path)?),
            Json::Object(_) => match escaped(json, "__extn", path)? {
                Some(call) => extension_from_json(call, path)?,
                None => Self::Record(record_from_json(json, path)?),
            },
        })
    }
}

/// A call of an extension function: `{"fn","arg"}` or `{"fn","args"}`.
pub(crate) fn extension_from_json(call: &Json, path: &str) -> Result<Value, JsonFault> {
    let Some(function) = call.get("fn").and_then(Json::as_str) else {
        return Err(JsonFault::new(path, "`__extn` needs `fn`, the name of the function"));
    };
    let args = match (call.get("arg"), call.get("args")) {
        (Some(arg), None) => vec![Value::from_json(arg, path)?],
        (None, Some(Json::Array(args))) => {
            args.iter().map(|arg| Value::from_json(arg, path)).collect::<Result<_, _>>()?
        }
        _ => return Err(JsonFault::new(path, "`__extn` needs `arg` or an array `args`")),
    };
    Ok(Value::Extension { function: function.into(), args })
}

fn record_to_json(record: &Record) -> Json {
    let map: Map<String, Json> = record.iter().map(|(key, value)| (key.to_string(), value.to_json())).collect();
    Json::Object(map)
}

fn record_from_json(json: &Json, path: &str) -> Result<Record, JsonFault> {
    let Some(map) = json.as_object() else {
        return Err(JsonFault::new(path, "expected an object"));
    };
    map.iter()
        .map(|(key, value)| Ok((key.as_str().into(), Value::from_json(value, &format!("{path}.{key}"))?)))
        .collect()
}

impl Entity {
    /// Cedar's entity format; `tags` is left out when there are none. Keys and members come in byte order, so that two
    /// exports of the same entity are the same bytes.
    pub fn to_json(&self) -> Json {
        let uid = ("uid", self.uid.to_json());
        let attrs = ("attrs", record_to_json(&self.attrs));
        let parents = ("parents", self.parents.iter().map(Uid::to_json).collect());
        match self.tags.is_empty() {
            true => object([uid, attrs, parents]),
            false => object([uid, attrs, parents, ("tags", record_to_json(&self.tags))]),
        }
    }

    /// Reads the explicit form, without a schema.
    ///
    /// # Errors
    /// [`JsonFault`] with the path of the first fault.
    pub fn from_json(json: &Json) -> Result<Self, JsonFault> {
        let uid = json.get("uid").ok_or_else(|| JsonFault::new("uid", "an entity needs `uid`"))?;
        let section = |key: &str| match json.get(key) {
            Some(record) => record_from_json(record, key),
            None => Ok(Record::new()),
        };
        let mut parents = BTreeSet::new();
        for (index, parent) in json.get("parents").and_then(Json::as_array).into_iter().flatten().enumerate() {
            parents.insert(uid_from_json(parent, &format!("parents[{index}]"))?);
        }
        Ok(Self { uid: uid_from_json(uid, "uid")?, attrs: section("attrs")?, parents, tags: section("tags")? })
    }
}
