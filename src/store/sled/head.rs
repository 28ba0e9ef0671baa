//! The store's own record: which store it is, its head revision and its counts.
//!
//! It is written in the same engine batch as the changes it counts, so it can never disagree with them.

use std::ops::ControlFlow;

use prost::Message;

use crate::store::history::{Instant, Past};
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
    pub past: Past,
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
    /// The oldest revision that can be read. A version that writes without keeping the past leaves it out, and so ends
    /// the past.
    #[prost(uint64, optional, tag = "5")]
    floor: Option<u64>,
    #[prost(sint64, tag = "6")]
    floor_time: i64,
    #[prost(uint64, tag = "7")]
    past_records: u64,
    #[prost(sint64, tag = "8")]
    latest: i64,
}

impl Head {
    /// The record as it is stored at [`key::HEAD`].
    pub fn encode(&self) -> Bytes {
        let body = HeadBody {
            store_id: self.store_id.clone(),
            entities: self.counts.entities,
            tombstones: self.counts.tombstones,
            indexed: self.indexed,
            floor: self.past.floor.map(|floor| floor.revision.0),
            floor_time: self.past.floor.map_or(0, |floor| floor.time),
            past_records: self.past.records,
            latest: self.past.latest,
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
            let HeadBody { store_id, entities, tombstones, indexed, floor, floor_time, past_records, latest } = body;
            let counts = Counts { entities, tombstones };
            let floor = floor.map(|floor| Instant { revision: Revision(floor), time: floor_time });
            let past = Past { floor, records: past_records, latest };
            Ok(Self { store_id, revision: opened.revision, counts, indexed, past })
        };
        read().map(Some).map_err(|why| fault(place, key::HEAD, &why))
    }

    /// Finds out revision and counts from the records themselves. What they were before is not told by them.
    pub fn rebuild(engine: &Engine, store_id: String, place: &str) -> Result<Self, StoreError> {
        let mut revision = Revision::default();
        let mut counts = Counts::default();
        engine.scan(&[key::ENTITIES], &mut |key, value| {
            let opened = record::open(key, value).map_err(|why| fault(place, key, &why))?;
            counts.add(opened.kind);
            revision = revision.max(opened.revision);
            Ok(ControlFlow::Continue(()))
        })?;
        Ok(Self { store_id, revision, counts, indexed: false, past: Past::default() })
    }
}
