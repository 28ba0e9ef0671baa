//! Entities as plain data: the vocabulary that the decision point and the store share.
//!
//! Nothing here knows the engine, the store or the hub. A [`Uid`] names an entity, an [`Entity`] is its parents,
//! attributes and tags. The JSON form is Cedar's own entity format: `{"uid","attrs","parents","tags"}`.
//! Never build a [`Uid`] by formatting text: its two parts stay apart until the engine joins them.

mod json;
mod link;
mod uid;
mod value;

use std::collections::{BTreeMap, BTreeSet};

pub(crate) use json::extension_from_json;
pub use json::{JsonFault, uid_from_json};
pub use link::Link;
pub use smol_str::SmolStr;
pub use uid::{Uid, UidParseError};
pub use value::Value;

/// A record: attribute name to value, in byte order of the names.
pub type Record = BTreeMap<SmolStr, Value>;

/// One entity as it is stored: direct parents only, no ancestors.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Entity {
    pub uid: Uid,
    pub attrs: Record,
    pub parents: BTreeSet<Uid>,
    pub tags: Record,
}

impl Entity {
    /// An entity that has neither attributes, nor parents, nor tags.
    pub fn bare(uid: Uid) -> Self {
        Self { uid, attrs: Record::new(), parents: BTreeSet::new(), tags: Record::new() }
    }
}
