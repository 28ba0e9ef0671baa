//! Entities by uid, and what they are in, bounded in bytes.
//!
//! Entries are made under a reader of the store and dropped by the store's observer, which runs when no reader is
//! open: an entry can therefore never be older than the revision that a later session reads. Errors are never kept.

use std::collections::HashMap;
use std::sync::Arc;

use parking_lot::Mutex;
use quick_cache::Weighter;
use quick_cache::sync::Cache;

use crate::entity::{Entity, Record, Uid, Value};
use crate::pdp::{Ancestors, Fact};

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

/// Bytes for one ancestor: it stands in the list, perhaps in the set, and among the dependants.
const PER_ANCESTOR: u64 = 300;

#[derive(Clone)]
struct ByLength;

impl Weighter<Uid, Arc<Ancestors>> for ByLength {
    fn weight(&self, _: &Uid, ancestors: &Arc<Ancestors>) -> u64 {
        200 + PER_ANCESTOR * ancestors.list().len() as u64
    }
}

pub(super) struct FactCache {
    facts: Cache<Uid, Fact, BySize>,
    ancestors: Cache<Uid, Arc<Ancestors>, ByLength>,
    dependants: Mutex<Dependants>,
}

/// Whose ancestors an entity is among. May name entities whose ancestors are no longer kept.
#[derive(Default)]
struct Dependants {
    of: HashMap<Uid, Vec<Uid>>,
    names: u64,
}

/// How the cache does.
pub(super) struct CacheStats {
    pub hits: u64,
    pub misses: u64,
    pub entries: u64,
    pub bytes: u64,
    pub limit: u64,
}

impl FactCache {
    /// `bytes` bounds the estimated size of all entries.
    pub fn new(bytes: u64) -> Self {
        let expected = |bytes: u64| usize::try_from(bytes / 2_000).unwrap_or(usize::MAX).clamp(16, 1_000_000);
        let ancestors = bytes / 8;
        Self {
            facts: Cache::with_weighter(expected(bytes), bytes - ancestors, BySize),
            ancestors: Cache::with_weighter(expected(ancestors), ancestors, ByLength),
            dependants: Mutex::default(),
        }
    }

    pub fn get(&self, uid: &Uid) -> Option<Fact> {
        self.facts.get(uid)
    }

    pub fn put(&self, uid: &Uid, fact: &Fact) {
        self.facts.insert(uid.clone(), fact.clone());
    }

    pub fn ancestors(&self, uid: &Uid) -> Option<Arc<Ancestors>> {
        self.ancestors.get(uid)
    }

    /// Keeps the ancestors of an entity until one of them changes.
    pub fn put_ancestors(&self, uid: &Uid, ancestors: &Arc<Ancestors>) {
        if self.ancestors.capacity() == 0 {
            return;
        }
        let mut dependants = self.dependants.lock();
        if dependants.names > self.ancestors.capacity() / PER_ANCESTOR {
            // What was evicted or forgotten left its names behind.
            self.ancestors.clear();
            *dependants = Dependants::default();
        }
        for ancestor in ancestors.list() {
            dependants.of.entry(ancestor.clone()).or_default().push(uid.clone());
            dependants.names += 1;
        }
        self.ancestors.insert(uid.clone(), Arc::clone(ancestors));
    }

    pub fn stats(&self) -> CacheStats {
        let (facts, ancestors) = (&self.facts, &self.ancestors);
        CacheStats {
            hits: facts.hits(),
            misses: facts.misses(),
            entries: facts.len() as u64,
            bytes: facts.weight() + ancestors.weight(),
            limit: facts.capacity() + ancestors.capacity(),
        }
    }

    pub fn forget(&self, changed: &[Uid]) {
        let mut dependants = self.dependants.lock();
        for uid in changed {
            self.facts.remove(uid);
            self.ancestors.remove(uid);
            for dependant in dependants.of.remove(uid).into_iter().flatten() {
                dependants.names -= 1;
                self.ancestors.remove(&dependant);
            }
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
