//! The body of an entity's record as protobuf messages.
//!
//! Tags are forever: never reuse or renumber one. A new field that an old reader may skip without granting more keeps
//! `min_reader`; any other must raise it. Decoding refuses what these messages can express and an entity cannot.

use std::collections::BTreeSet;

use prost::Message;

use crate::entity::{self, Entity, Uid, Value};

use super::RecordFault;

#[derive(Clone, PartialEq, Message)]
struct EntityBody {
    #[prost(message, repeated, tag = "1")]
    attrs: Vec<Field>,
    #[prost(message, repeated, tag = "2")]
    parents: Vec<Name>,
    #[prost(message, repeated, tag = "3")]
    tags: Vec<Field>,
}

/// The same, of which only the parents are read.
#[derive(Clone, PartialEq, Message)]
struct ParentsBody {
    #[prost(message, repeated, tag = "2")]
    parents: Vec<Name>,
}

#[derive(Clone, PartialEq, Message)]
struct Name {
    #[prost(string, tag = "1")]
    type_name: String,
    #[prost(string, tag = "2")]
    id: String,
}

#[derive(Clone, PartialEq, Message)]
struct Field {
    #[prost(string, tag = "1")]
    name: String,
    #[prost(message, optional, tag = "2")]
    value: Option<Node>,
}

#[derive(Clone, PartialEq, Message)]
struct Node {
    #[prost(oneof = "Form", tags = "1, 2, 3, 4, 5, 6, 7")]
    form: Option<Form>,
}

#[derive(Clone, PartialEq, prost::Oneof)]
enum Form {
    #[prost(bool, tag = "1")]
    Bool(bool),
    #[prost(sint64, tag = "2")]
    Long(i64),
    #[prost(string, tag = "3")]
    String(String),
    #[prost(message, tag = "4")]
    Entity(Name),
    #[prost(message, tag = "5")]
    Set(Members),
    #[prost(message, tag = "6")]
    Record(Fields),
    #[prost(message, tag = "7")]
    Extension(Call),
}

#[derive(Clone, PartialEq, Message)]
struct Members {
    #[prost(message, repeated, tag = "1")]
    members: Vec<Node>,
}

#[derive(Clone, PartialEq, Message)]
struct Fields {
    #[prost(message, repeated, tag = "1")]
    fields: Vec<Field>,
}

#[derive(Clone, PartialEq, Message)]
struct Call {
    #[prost(string, tag = "1")]
    function: String,
    #[prost(message, repeated, tag = "2")]
    args: Vec<Node>,
}

/// Appends the body and returns how deep the values nest. The uid is the record's key and is not in the body.
pub fn encode(entity: &Entity, into: &mut Vec<u8>) -> usize {
    let body = EntityBody {
        attrs: fields(&entity.attrs),
        parents: entity.parents.iter().map(name).collect(),
        tags: fields(&entity.tags),
    };
    into.reserve_exact(body.encoded_len());
    body.encode_raw(into);
    let values = entity.attrs.values().chain(entity.tags.values());
    values.map(depth).max().unwrap_or(0)
}

pub fn decode(uid: Uid, body: &[u8]) -> Result<Entity, RecordFault> {
    let body = EntityBody::decode(body).map_err(|_| RecordFault::Damaged("its body is not an entity"))?;
    Ok(Entity {
        uid,
        attrs: record(body.attrs)?,
        parents: body.parents.into_iter().map(uid_of).collect(),
        tags: record(body.tags)?,
    })
}

pub fn parents(body: &[u8]) -> Result<BTreeSet<Uid>, RecordFault> {
    let body = ParentsBody::decode(body).map_err(|_| RecordFault::Damaged("its body is not an entity"))?;
    Ok(body.parents.into_iter().map(uid_of).collect())
}

fn depth(value: &Value) -> usize {
    let deepest = match value {
        Value::Bool(_) | Value::Long(_) | Value::String(_) | Value::Entity(_) => return 1,
        Value::Set(members) => members.iter().map(depth).max(),
        Value::Record(record) => record.values().map(depth).max(),
        Value::Extension { args, .. } => args.iter().map(depth).max(),
    };
    1 + deepest.unwrap_or(0)
}

fn name(uid: &Uid) -> Name {
    Name { type_name: uid.type_name().to_string(), id: uid.id().to_string() }
}

fn fields(record: &entity::Record) -> Vec<Field> {
    let field = |(name, value): (&entity::SmolStr, &Value)| Field { name: name.to_string(), value: Some(node(value)) };
    record.iter().map(field).collect()
}

fn node(value: &Value) -> Node {
    let form = match value {
        Value::Bool(value) => Form::Bool(*value),
        Value::Long(value) => Form::Long(*value),
        Value::String(value) => Form::String(value.to_string()),
        Value::Entity(uid) => Form::Entity(name(uid)),
        Value::Set(members) => Form::Set(Members { members: members.iter().map(node).collect() }),
        Value::Record(record) => Form::Record(Fields { fields: fields(record) }),
        Value::Extension { function, args } => {
            Form::Extension(Call { function: function.to_string(), args: args.iter().map(node).collect() })
        }
    };
    Node { form: Some(form) }
}

fn uid_of(name: Name) -> Uid {
    Uid::new(name.type_name, name.id)
}

fn record(fields: Vec<Field>) -> Result<entity::Record, RecordFault> {
    fields
        .into_iter()
        .map(|field| {
            let value = field.value.ok_or(RecordFault::Damaged("a field has no value"))?;
            Ok((field.name.into(), self::value(value)?))
        })
        .collect()
}

fn value(node: Node) -> Result<Value, RecordFault> {
    // A form this version does not know decodes as none at all: an error, never a missing attribute.
    let form = node.form.ok_or(RecordFault::Damaged("a value is of no known form"))?;
    Ok(match form {
        Form::Bool(value) => Value::Bool(value),
        Form::Long(value) => Value::Long(value),
        Form::String(value) => Value::String(value.into()),
        Form::Entity(name) => Value::Entity(uid_of(name)),
        Form::Set(set) => {
            let members: Result<BTreeSet<_>, _> = set.members.into_iter().map(value).collect();
            Value::Set(members?)
        }
        Form::Record(fields) => Value::Record(record(fields.fields)?),
        Form::Extension(call) => Value::Extension {
            function: call.function.into(),
            args: call.args.into_iter().map(value).collect::<Result<_, _>>()?,
        },
    })
}

#[cfg(test)]
pub(crate) mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::store::MAX_VALUE_DEPTH;

    pub fn any_uid() -> impl Strategy<Value = Uid> {
        ("(Hub::)?[A-C]", ".{0,8}").prop_map(|(type_name, id)| Uid::new(type_name, id))
    }

    pub fn any_value() -> impl Strategy<Value = Value> {
        let leaf = prop_oneof![
            any::<bool>().prop_map(Value::Bool),
            any::<i64>().prop_map(Value::Long),
            ".{0,10}".prop_map(|text| Value::String(text.into())),
            any_uid().prop_map(Value::Entity),
        ];
        leaf.prop_recursive(4, 24, 4, |inner| {
            prop_oneof![
                prop::collection::btree_set(inner.clone(), 0..4).prop_map(Value::Set),
                any_record(inner.clone()).prop_map(Value::Record),
                (".{1,6}", prop::collection::vec(inner, 0..3))
                    .prop_map(|(function, args)| { Value::Extension { function: function.into(), args } }),
            ]
        })
    }

    fn any_record(value: impl Strategy<Value = Value>) -> impl Strategy<Value = entity::Record> {
        prop::collection::btree_map(".{0,6}".prop_map(entity::SmolStr::from), value, 0..4)
    }

    pub fn any_entity() -> impl Strategy<Value = Entity> {
        let parents = prop::collection::btree_set(any_uid(), 0..4);
        let parts = (any_uid(), any_record(any_value()), parents, any_record(any_value()));
        parts.prop_map(|(uid, attrs, parents, tags)| Entity { uid, attrs, parents, tags })
    }

    proptest! {
        #[test]
        fn any_entity_reads_back_from_its_body(entity in any_entity()) {
            let mut bytes = Vec::new();
            encode(&entity, &mut bytes);
            prop_assert_eq!(&parents(&bytes).unwrap(), &entity.parents);
            prop_assert_eq!(decode(entity.uid.clone(), &bytes).unwrap(), entity);
        }

        #[test]
        fn no_bytes_make_decoding_panic(bytes in prop::collection::vec(any::<u8>(), 0..200)) {
            let _ = (parents(&bytes), decode(Uid::new("A", "a"), &bytes));
        }
    }

    #[test]
    fn a_value_of_an_unknown_form_is_an_error_and_not_a_missing_attribute() {
        // attrs[0] = { name: "x", value: { 9: varint 1 } }: a form that a later version may add.
        let bytes = [0x0A, 7, 0x0A, 1, b'x', 0x12, 2, 0x48, 1];
        assert!(decode(Uid::new("A", "a"), &bytes).is_err());
    }

    #[test]
    fn the_deepest_value_a_store_takes_reads_back() {
        let mut value = Value::Bool(true);
        for _ in 1..MAX_VALUE_DEPTH {
            value = Value::Record([("inner".into(), value)].into());
        }
        let mut entity = Entity::bare(Uid::new("A", "a"));
        entity.attrs.insert("deep".into(), value);
        let mut bytes = Vec::new();
        assert_eq!(encode(&entity, &mut bytes), MAX_VALUE_DEPTH);
        assert_eq!(decode(entity.uid.clone(), &bytes).unwrap(), entity);
    }
}
