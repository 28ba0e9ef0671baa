//! Answers by question, bounded in bytes.
//!
//! INVARIANT: a kept answer is given only where deciding anew would give the same. It is found by the whole question
//! (principal, action, resource and every value of the context), compared part by part, never by a digest of it. It
//! was decided by the very bundle that is asked now; the clock stands between the times it was decided for; and of no
//! entity that was looked at, whether it was there or not, has anything changed: [`Versions`] tells. Errors are not
//! kept, nor answers with a policy that could not be evaluated, nor answers about entities that came with a question or
//! about the past. Builds with debug assertions decide every question anew and compare.

use std::hash::{BuildHasher, Hash, Hasher, RandomState};
use std::ops::{Deref, Range};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use quick_cache::sync::Cache;
use quick_cache::{Equivalent, Weighter};

use super::session::Asked;
use crate::entity::{Record, Uid, Value};
use crate::pdp::Answer;
use crate::store::Revision;

/// Numbers that grow with every change of an entity; several entities may share one, so that a change may also seem to
/// be one of another entity, and never seems to be none.
pub(super) struct Versions {
    counts: Box<[AtomicU64]>,
    hasher: RandomState,
}

impl Versions {
    /// A mebibyte. With 5,000 changes a second, an answer that was made of twelve entities lasts two seconds on average.
    const COUNTS: usize = 1 << 17;

    fn new() -> Self {
        let counts = (0..Self::COUNTS).map(|_| AtomicU64::new(0)).collect();
        Self { counts, hasher: RandomState::new() }
    }

    /// Which number is that of an entity.
    pub fn place(&self, uid: &Uid) -> u32 {
        let place = self.hasher.hash_one(uid) % Self::COUNTS as u64;
        u32::try_from(place).unwrap_or_default()
    }

    /// The numbers at these places, added up: as none of them ever gets less, an equal sum is one of equal numbers.
    fn sum(&self, places: &[u32]) -> u64 {
        let at = |place: &u32| self.counts.get(*place as usize);
        places.iter().filter_map(at).fold(0, |sum, count| sum.wrapping_add(count.load(Ordering::Relaxed)))
    }

    /// Counts a change. Nobody may read the store meanwhile: the store's lock orders the numbers, too.
    fn changed(&self, uid: &Uid) {
        if let Some(count) = self.counts.get(self.place(uid) as usize) {
            count.fetch_add(1, Ordering::Relaxed);
        }
    }
}

/// A question.
#[derive(PartialEq, Eq, Hash)]
struct Key {
    principal: Uid,
    action: Uid,
    resource: Uid,
    context: Record,
}

/// The same, where it was asked.
struct AskedKey<'a>(&'a Asked);

impl Hash for AskedKey<'_> {
    fn hash<H: Hasher>(&self, state: &mut H) {
        // As `Key` does.
        let Asked { principal, action, resource, context, entities: _ } = self.0;
        principal.hash(state);
        action.hash(state);
        resource.hash(state);
        context.hash(state);
    }
}

impl Equivalent<Key> for AskedKey<'_> {
    fn equivalent(&self, key: &Key) -> bool {
        let Asked { principal, action, resource, context, entities: _ } = self.0;
        *resource == key.resource && *principal == key.principal && *action == key.action && *context == key.context
    }
}

/// An answer, where whoever asked and whoever keeps it find it.
#[derive(Debug)]
pub struct Decided {
    answer: Answer,
    /// The user for whom a credential asked.
    pub(super) acts_for: Option<Uid>,
    /// Until when, if it is kept.
    kept: Option<Kept>,
}

impl Decided {
    pub(super) fn new(answer: Answer, acts_for: Option<Uid>) -> Self {
        Self { answer, acts_for, kept: None }
    }
}

impl Deref for Decided {
    type Target = Answer;

    fn deref(&self) -> &Answer {
        &self.answer
    }
}

/// Whether it was kept makes no difference.
impl PartialEq for Decided {
    fn eq(&self, other: &Self) -> bool {
        self.answer == other.answer && self.acts_for == other.acts_for
    }
}

/// When a kept answer holds.
#[derive(Debug)]
struct Kept {
    bundle: Arc<str>,
    /// Milliseconds since 1970.
    holds: Range<i64>,
    read: Box<[u32]>,
    versions: u64,
    /// The last revision at which it was found to hold: while that is the head, no number needs to be looked at.
    seen: AtomicU64,
}

/// How long an answer is to be kept.
pub(super) struct Keep {
    pub bundle: Arc<str>,
    pub holds: Range<i64>,
    /// The places of the entities that were looked at.
    pub read: Vec<u32>,
}

#[derive(Clone)]
struct BySize;

impl Weighter<Key, Arc<Decided>> for BySize {
    fn weight(&self, key: &Key, decided: &Arc<Decided>) -> u64 {
        let uids = [&key.principal, &key.action, &key.resource].into_iter().chain(&decided.acts_for);
        let names: usize = uids.map(|uid| uid.id().len()).sum();
        let reason = decided.reason.as_ref().map_or(0, |reason| reason.message.len() + reason.code.len());
        let policies: usize = decided.determining.iter().map(|id| 24 + id.len()).sum();
        let context: usize = key.context.iter().map(|(name, value)| 24 + name.len() + size(value)).sum();
        let read = decided.kept.as_ref().map_or(0, |kept| kept.read.len());
        (480 + names + reason + policies + context + 4 * read) as u64
    }
}

fn size(value: &Value) -> usize {
    let inner = match value {
        Value::Bool(_) | Value::Long(_) => 0,
        Value::String(text) => text.len(),
        Value::Entity(uid) => uid.id().len(),
        Value::Set(members) => members.iter().map(size).sum(),
        Value::Record(record) => record.iter().map(|(name, value)| 24 + name.len() + size(value)).sum(),
        Value::Extension { args, .. } => args.iter().map(size).sum(),
    };
    72 + inner
}

pub(super) struct DecisionCache {
    /// Whether answers are kept at all.
    on: bool,
    kept: Cache<Key, Arc<Decided>, BySize>,
    versions: Versions,
    /// Answers that were found and no longer held.
    stale: AtomicU64,
}

/// How the cache does.
pub(super) struct DecisionCacheStats {
    pub hits: u64,
    pub misses: u64,
    pub stale: u64,
    pub entries: u64,
    pub bytes: u64,
    pub limit: u64,
}

impl DecisionCache {
    /// `bytes` bounds the estimated size of all answers; 0 keeps none.
    pub fn new(bytes: u64) -> Self {
        let expected = usize::try_from(bytes / 600).unwrap_or(usize::MAX).clamp(16, 1_000_000);
        Self {
            on: bytes > 0,
            kept: Cache::with_weighter(expected, bytes, BySize),
            versions: Versions::new(),
            stale: AtomicU64::new(0),
        }
    }

    pub fn is_on(&self) -> bool {
        self.on
    }

    pub fn versions(&self) -> &Versions {
        &self.versions
    }

    /// The answer to a question, if one is kept that holds. Call it while the store is being read at its head.
    pub fn get(&self, asked: &Asked, bundle: &Arc<str>, now: i64, head: Revision) -> Option<Arc<Decided>> {
        let decided = self.kept.get(&AskedKey(asked))?;
        let kept = decided.kept.as_ref()?;
        let holds = Arc::ptr_eq(&kept.bundle, bundle)
            && kept.holds.contains(&now)
            && (kept.seen.load(Ordering::Relaxed) == head.0 || self.versions.sum(&kept.read) == kept.versions);
        if !holds {
            self.stale.fetch_add(1, Ordering::Relaxed);
            return None;
        }
        kept.seen.store(head.0, Ordering::Relaxed);
        Some(decided)
    }

    /// Keeps an answer. Call it while the store is being read at the revision that the answer was made of, its head.
    pub fn put(&self, asked: &Asked, decided: Decided, keep: Keep, head: Revision) -> Arc<Decided> {
        let Keep { bundle, holds, mut read } = keep;
        read.sort_unstable();
        read.dedup();
        let versions = self.versions.sum(&read);
        let kept = Kept { bundle, holds, read: read.into(), versions, seen: AtomicU64::new(head.0) };
        let decided = Arc::new(Decided { kept: Some(kept), ..decided });
        let Asked { principal, action, resource, context, entities: _ } = asked.clone();
        self.kept.insert(Key { principal, action, resource, context }, Arc::clone(&decided));
        decided
    }

    pub fn forget(&self, changed: &[Uid]) {
        changed.iter().for_each(|uid| self.versions.changed(uid));
    }

    pub fn stats(&self) -> DecisionCacheStats {
        let stale = self.stale.load(Ordering::Relaxed);
        DecisionCacheStats {
            hits: self.kept.hits().saturating_sub(stale),
            misses: self.kept.misses(),
            stale,
            entries: self.kept.len() as u64,
            bytes: self.kept.weight(),
            limit: self.kept.capacity(),
        }
    }
}
