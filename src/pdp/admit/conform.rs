//! Whether an entity conforms as it is, told without writing it as JSON first.

use super::Admission;
use crate::entity::{Entity, Record, Uid, Value};
use crate::pdp::schema::{Attributes, EntityType, Type};

impl Admission<'_> {
    /// Whether reading the entity's JSON would give this very entity. Where that takes more than a look (a value of an
    /// extension type, a form that is read as another one), the answer is no, and it has to be read.
    pub(super) fn conforms(&self, entity: &Entity) -> bool {
        let Some(ty) = self.known(&entity.uid) else {
            return false;
        };
        let tags = match &ty.tags {
            Some(tag) => entity.tags.values().all(|value| self.is_of(tag, value)),
            None => entity.tags.is_empty(),
        };
        let is_parent = |parent: &Uid| {
            self.known(parent).is_some() && ty.ancestors.contains(parent.type_name()) && *parent != entity.uid
        };
        tags && self.is_record_of(&ty.attributes, &entity.attrs) && entity.parents.iter().all(is_parent)
    }

    /// The type of an entity that may exist.
    fn known(&self, uid: &Uid) -> Option<&EntityType> {
        let ty = self.schema.types.get(uid.type_name())?;
        ty.ids.as_ref().is_none_or(|ids| ids.contains(uid.id())).then_some(ty)
    }

    fn is_record_of(&self, declared: &Attributes, record: &Record) -> bool {
        let is_declared =
            |(name, value): (&_, &Value)| declared.get(name).is_some_and(|attribute| self.is_of(&attribute.ty, value));
        let required = declared.iter().filter(|(_, attribute)| attribute.required);
        record.iter().all(is_declared) && required.into_iter().all(|(name, _)| record.contains_key(name))
    }

    fn is_of(&self, ty: &Type, value: &Value) -> bool {
        match (ty, value) {
            (Type::Bool, Value::Bool(_)) | (Type::Long, Value::Long(_)) | (Type::String, Value::String(_)) => true,
            (Type::Entity(name), Value::Entity(uid)) => uid.type_name() == name && self.known(uid).is_some(),
            (Type::Set(member), Value::Set(members)) => members.iter().all(|value| self.is_of(member, value)),
            (Type::Record(declared), Value::Record(record)) => self.is_record_of(declared, record),
            _ => false,
        }
    }
}
