//! The store's own record: which store it is, its head revision and its counts.
//!
//! It is written in the same engine batch as the changes it counts, so it can never disagree with them.

use std::ops::ControlFlow;

use prost::Message;

use crate::store::plan::{Bytes, Counts};
use crate::store::record::{self, Body, RecordFault};
use crate::store::view::fault;
use crate::store::{Revision, StoreError, key};

use super::engine::Engine;

#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Head {
    pub store_id: String,
    pub revision: Revision,
    pub counts: Counts,
    /// Whether the index follows every commit up to here; not if a version wrote it that knew of none.
    pub indexed: bool,
}

#[derive(Clone, PartialEq, Message)]
struct HeadBody {
    #[prost(string, tag = "1")]
    store_id: String,
    #[prost(uint64, tag = "2")]
    entities: u64,
    #[prost(uint64, tag = "3")]
    tombstones: u64,
    #[prost(bool, tag = "4")]
    indexed: bool,
}

impl Head {
    /// The record as it is stored at [`key::HEAD`].
    pub fn encode(&self) -> Bytes {
        let body = HeadBody {
            store_id: self.store_id.clone(),
            entities: self.counts.entities,
            tombstones: self.counts.tombstones,
            indexed: self.indexed,
        };
        Body::opaque(&body.encode_to_vec()).seal(key::HEAD, self.revision).into()
    }

    pub fn load(engine: &Engine, place: &str) -> Result<Option<Self>, StoreError> {
        let Some(value) = engine.get(key::HEAD)? else {
            return Ok(None);
        };
        let read = || {
            let opened = record::open(key::HEAD, value.as_ref())?;
            let body = HeadBody::decode(opened.body).map_err(|_| RecordFault::Damaged("its body is no head record"))?;
            let HeadBody { store_id, entities, tombstones, indexed } = body;
            let counts = Counts { entities, tombstones };
            Ok(Self { store_id, revision: opened.revision, counts, indexed })
        };
        read().map(Some).map_err(|why| fault(place, key::HEAD, &why))
    }

    /// Finds out revision and counts from the records themselves.
    pub fn rebuild(engine: &Engine, store_id: String, place: &str) -> Result<Self, StoreError> {
        let mut revision = Revision::default();
        let mut counts = Counts::default();
        engine.scan(&[key::ENTITIES], &mut |key, value| {
            let opened = record::open(key, value).map_err(|why| fault(place, key, &why))?;
            counts.add(opened.kind);
            revision = revision.max(opened.revision);
            Ok(ControlFlow::Continue(()))
        })?;
        Ok(Self { store_id, revision, counts, indexed: false })
    }
}
