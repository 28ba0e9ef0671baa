//! The schema as this program uses it: entity shapes, actions with their contexts, and annotations.
//!
//! The engine parses and checks the schema; what it resolved is read back through its JSON form, because typed reading
//! with exact paths, short names and deny reasons need more than the engine's own validator tells.
//!
//! Annotations with a meaning here. On entity types: `@absent("code")`, the reason when an entity of the type that a
//! question names is not stored; `@deleted("code")`, the same for a caller or credential that was deleted; `@anonymous`, callers
//! without an account; `@actsFor("attribute")` with `@contextKey("key")`, a credential: as a subject it stands for the
//! entity in that attribute, and goes into the context under that key. On actions: `@reason` and `@message`, what a
//! deny without a forbid means; `@visibleBy("action")`, the action that decides whether the caller may see the resource;
//! `@harm("0" to "9")`, how bad it is in the wrong hands, for reports.

use std::collections::{BTreeMap, BTreeSet};
use std::str::FromStr;

use cedar_policy::{EntityId, EntityNamespace, Schema as EngineSchema, SchemaFragment};
use serde_json::Value as Json;
use smol_str::{SmolStr, format_smolstr};

use super::bundle::SourceFile;
use super::fault::{Fault, Faults};
use crate::entity::{Record, Uid, Value};

/// The context attribute that is always the server's clock, where the schema declares it as a `datetime`.
pub const CLOCK: &str = "now";

/// The type of a value.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Type {
    Bool,
    Long,
    String,
    Entity(SmolStr),
    Set(Box<Type>),
    Record(Attributes),
    /// `datetime`, `duration`, `decimal` or `ipaddr`.
    Extension(SmolStr),
}

pub(super) type Attributes = BTreeMap<SmolStr, Attribute>;

#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Attribute {
    pub ty: Type,
    pub required: bool,
}

/// An entity type.
#[derive(Debug, Default)]
pub(super) struct EntityType {
    pub attributes: Attributes,
    /// The types of all ancestors that are allowed.
    pub ancestors: BTreeSet<SmolStr>,
    pub tags: Option<Type>,
    /// The ids of an enumerated type. Its entities exist by schema and are never stored.
    pub ids: Option<BTreeSet<SmolStr>>,
    pub annotations: BTreeMap<SmolStr, SmolStr>,
}

/// A credential type: a question whose subject it is means the entity in `attribute`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Delegate {
    pub attribute: SmolStr,
    pub context_key: SmolStr,
}

#[derive(Debug, Default)]
pub(super) struct Action {
    pub principals: BTreeSet<SmolStr>,
    pub resources: BTreeSet<SmolStr>,
    pub context: Attributes,
    pub annotations: BTreeMap<SmolStr, SmolStr>,
}

pub(super) struct Schema {
    pub engine: EngineSchema,
    pub types: BTreeMap<SmolStr, EntityType>,
    pub actions: BTreeMap<Uid, Action>,
    /// The context keys that credentials go into; standard clients name credentials as subjects, and may not set them.
    pub delegate_keys: BTreeSet<SmolStr>,
}

impl EntityType {
    /// The credential that entities of this type are, if they are one.
    pub fn delegate(&self) -> Option<Delegate> {
        Some(Delegate {
            attribute: self.annotations.get("actsFor")?.clone(),
            context_key: self.annotations.get("contextKey")?.clone(),
        })
    }
}

impl Action {
    /// How bad it is in the wrong hands, 0 to 9.
    pub fn harm(&self) -> u8 {
        const UNSAID: u8 = 5;
        self.annotations.get("harm").and_then(|digit| digit.parse().ok()).unwrap_or(UNSAID)
    }
}

impl Schema {
    /// Whether the ids of a type are fixed. Its entities are not stored, and are in nothing.
    pub fn is_enumerated(&self, type_name: &str) -> bool {
        self.types.get(type_name).is_some_and(|ty| ty.ids.is_some())
    }

    /// A tag of an entity type with nothing in it: a record of empty sets.
    pub fn empty_tag(&self, type_name: &str) -> Value {
        let fields = match self.types.get(type_name).and_then(|ty| ty.tags.as_ref()) {
            Some(Type::Record(fields)) => fields.iter(),
            _ => return Value::Record(Record::new()),
        };
        let sets = fields.filter(|(_, field)| matches!(field.ty, Type::Set(_)));
        Value::Record(sets.map(|(name, _)| (name.clone(), Value::Set(BTreeSet::new()))).collect())
    }

    pub fn parse(file: &SourceFile) -> Result<Self, Faults> {
        let refuse = |diagnostic: &dyn miette::Diagnostic| Faults(Fault::from_diagnostic(file, diagnostic));
        let (fragment, warnings) = SchemaFragment::from_cedarschema_str(&file.text).map_err(|error| refuse(&error))?;
        let warnings: Vec<Fault> = warnings.flat_map(|warning| Fault::from_diagnostic(file, &warning)).collect();
        if !warnings.is_empty() {
            return Err(Faults(warnings));
        }
        let engine = EngineSchema::from_schema_fragments([fragment.clone()]).map_err(|error| refuse(&error))?;
        let (json, _) =
            cedar_policy::schema_str_to_json_with_resolved_types(&file.text).map_err(|error| refuse(&error))?;
        let reading = Reading { fragment: &fragment, json: &json };
        let (mut types, actions) = reading.read().ok_or_else(|| {
            Faults(vec![Fault::of_file(&file.path, "the engine's form of this schema is not understood")])
        })?;
        close_ancestors(&mut types);
        let delegates = types.values().filter_map(EntityType::delegate);
        let delegate_keys = delegates.map(|delegate| delegate.context_key).collect();
        let schema = Self { engine, types, actions, delegate_keys };
        schema.check_annotations().map_err(|message| Faults(vec![Fault::of_file(&file.path, message)]))?;
        Ok(schema)
    }

    fn check_annotations(&self) -> Result<(), String> {
        for (name, ty) in &self.types {
            if ty.annotations.contains_key("actsFor") != ty.annotations.contains_key("contextKey") {
                return Err(format!("`{name}` needs both `@actsFor` and `@contextKey`, or neither"));
            }
            if let Some(delegate) = ty.delegate()
                && !matches!(
                    ty.attributes.get(&delegate.attribute),
                    Some(Attribute { ty: Type::Entity(_), required: true })
                )
            {
                let attribute = delegate.attribute;
                return Err(format!(
                    "`@actsFor(\"{attribute}\")`: `{name}` has no required entity attribute `{attribute}`"
                ));
            }
        }
        for (uid, action) in &self.actions {
            if let Some(harm) = action.annotations.get("harm")
                && !matches!(harm.as_bytes(), [b'0'..=b'9'])
            {
                return Err(format!("`@harm(\"{harm}\")` of {uid} is no digit, 0 to 9"));
            }
            if let Some(visible) = action.annotations.get("visibleBy")
                && !self.actions.keys().any(|other| other.id() == visible && other.type_name() == uid.type_name())
            {
                return Err(format!("`@visibleBy(\"{visible}\")` of {uid} names no action"));
            }
        }
        Ok(())
    }
}

/// Makes `ancestors` transitive, as the engine checks ancestors and not only parents.
fn close_ancestors(types: &mut BTreeMap<SmolStr, EntityType>) {
    loop {
        let mut grown = false;
        let direct: BTreeMap<SmolStr, BTreeSet<SmolStr>> =
            types.iter().map(|(name, ty)| (name.clone(), ty.ancestors.clone())).collect();
        for ty in types.values_mut() {
            let reached: Vec<SmolStr> =
                ty.ancestors.iter().filter_map(|parent| direct.get(parent)).flatten().cloned().collect();
            for name in reached {
                grown |= ty.ancestors.insert(name);
            }
        }
        if !grown {
            return;
        }
    }
}

/// Reads the engine's JSON form of a schema. Every method answers `None` for a form it does not know.
struct Reading<'a> {
    fragment: &'a SchemaFragment,
    json: &'a Json,
}

type Parts = (BTreeMap<SmolStr, EntityType>, BTreeMap<Uid, Action>);

impl Reading<'_> {
    fn read(&self) -> Option<Parts> {
        let mut types = BTreeMap::new();
        let mut actions = BTreeMap::new();
        for (namespace, section) in self.json.as_object()? {
            for (name, definition) in section.get("entityTypes")?.as_object()? {
                let ty = self.entity_type(namespace, name, definition)?;
                types.insert(qualified(namespace, name), ty);
            }
            for (id, definition) in section.get("actions")?.as_object()? {
                let action = self.action(namespace, id, definition)?;
                actions.insert(Uid::new(qualified(namespace, "Action"), id.as_str()), action);
            }
        }
        Some((types, actions))
    }

    fn entity_type(&self, namespace: &str, name: &str, json: &Json) -> Option<EntityType> {
        let annotations = self.fragment.entity_type_annotations(namespace_name(namespace)?, name)?;
        Some(EntityType {
            attributes: match json.get("shape") {
                Some(shape) => self.record(shape)?,
                None => Attributes::new(),
            },
            ancestors: names(json.get("memberOfTypes")),
            tags: match json.get("tags") {
                Some(tags) => Some(self.ty(tags)?),
                None => None,
            },
            ids: json.get("enum").map(|ids| names(Some(ids))),
            annotations: owned(annotations),
        })
    }

    fn action(&self, namespace: &str, id: &str, json: &Json) -> Option<Action> {
        let annotations = self.fragment.action_annotations(namespace_name(namespace)?, &EntityId::new(id))?;
        let applies = json.get("appliesTo");
        let part = |key: &str| applies.and_then(|applies| applies.get(key));
        Some(Action {
            principals: names(part("principalTypes")),
            resources: names(part("resourceTypes")),
            context: match part("context") {
                Some(context) => self.record(context)?,
                None => Attributes::new(),
            },
            annotations: owned(annotations),
        })
    }

    fn record(&self, json: &Json) -> Option<Attributes> {
        match self.ty(json)? {
            Type::Record(attributes) => Some(attributes),
            _ => None,
        }
    }

    fn ty(&self, json: &Json) -> Option<Type> {
        Some(match json.get("type")?.as_str()? {
            "Bool" | "Boolean" => Type::Bool,
            "Long" => Type::Long,
            "String" => Type::String,
            "Entity" => Type::Entity(json.get("name")?.as_str()?.into()),
            "Set" => Type::Set(Box::new(self.ty(json.get("element")?)?)),
            "Record" => {
                let attributes = json.get("attributes")?.as_object()?;
                let read = attributes.iter().map(|(name, json)| {
                    let required = json.get("required").is_none_or(|required| required == &Json::Bool(true));
                    Some((name.as_str().into(), Attribute { ty: self.ty(json)?, required }))
                });
                Type::Record(read.collect::<Option<_>>()?)
            }
            name @ ("datetime" | "duration" | "decimal" | "ipaddr") => Type::Extension(name.into()),
            name => self.ty(self.common_type(name)?)?,
        })
    }

    fn common_type(&self, name: &str) -> Option<&Json> {
        let (namespace, name) = name.rsplit_once("::").unwrap_or(("", name));
        self.json.get(namespace)?.get("commonTypes")?.get(name)
    }
}

fn namespace_name(namespace: &str) -> Option<Option<EntityNamespace>> {
    match namespace {
        "" => Some(None),
        name => EntityNamespace::from_str(name).ok().map(Some),
    }
}

fn qualified(namespace: &str, name: &str) -> SmolStr {
    match namespace {
        "" => name.into(),
        namespace => format_smolstr!("{namespace}::{name}"),
    }
}

fn names(json: Option<&Json>) -> BTreeSet<SmolStr> {
    let items = json.and_then(Json::as_array).into_iter().flatten();
    items.filter_map(Json::as_str).map(SmolStr::from).collect()
}

fn owned<'a>(annotations: impl Iterator<Item = (&'a str, &'a str)>) -> BTreeMap<SmolStr, SmolStr> {
    annotations.map(|(key, value)| (key.into(), value.into())).collect()
}
