//! Built entities by uid, bounded in bytes.
//!
//! Entries are made under a reader of the store and dropped by the store's observer, which runs when no reader is
//! open: an entry can therefore never be older than the revision that a later session reads. Errors are never kept.

use quick_cache::Weighter;
use quick_cache::sync::Cache;

use crate::entity::{Entity, Record, Uid, Value};
use crate::pdp::Fact;

#[derive(Clone)]
struct BySize;

impl Weighter<Uid, Fact> for BySize {
    fn weight(&self, uid: &Uid, fact: &Fact) -> u64 {
        let body = match fact {
            Fact::Present(prepared) => entity_bytes(prepared.entity()),
            Fact::Deleted | Fact::Absent => 0,
        };
        body + 160 + uid.id().len() as u64
    }
}

pub(super) struct FactCache {
    facts: Cache<Uid, Fact, BySize>,
}

impl FactCache {
    /// `bytes` bounds the estimated size of all entries.
    pub fn new(bytes: u64) -> Self {
        let expected = usize::try_from(bytes / 2_000).unwrap_or(usize::MAX).clamp(16, 1_000_000);
        Self { facts: Cache::with_weighter(expected, bytes, BySize) }
    }

    pub fn get(&self, uid: &Uid) -> Option<Fact> {
        self.facts.get(uid)
    }

    pub fn put(&self, uid: &Uid, fact: &Fact) {
        self.facts.insert(uid.clone(), fact.clone());
    }

    pub fn forget(&self, changed: &[Uid]) {
        for uid in changed {
            self.facts.remove(uid);
        }
    }
}

/// What an entity takes in memory, roughly: its data and the engine's copy of it.
fn entity_bytes(entity: &Entity) -> u64 {
    let parents: u64 = entity.parents.iter().map(|uid| 200 + uid.id().len() as u64).sum();
    400 + parents + record_bytes(&entity.attrs) + record_bytes(&entity.tags)
}

fn record_bytes(record: &Record) -> u64 {
    record.values().map(|value| 150 + value_bytes(value)).sum()
}

fn value_bytes(value: &Value) -> u64 {
    match value {
        Value::Bool(_) | Value::Long(_) => 80,
        Value::String(text) => 80 + 2 * text.len() as u64,
        Value::Entity(uid) => 200 + uid.id().len() as u64,
        Value::Set(members) => 80 + members.iter().map(value_bytes).sum::<u64>(),
        Value::Record(record) => 80 + record_bytes(record),
        Value::Extension { args, .. } => 200 + args.iter().map(value_bytes).sum::<u64>(),
    }
}
