//! Batches on their way to the disk: planned one by one, durable together.

use std::ops::Bound;

use super::{LARGE, Reply, uids};
use crate::entity::Uid;
use crate::store::history::Remembered;
use crate::store::plan::{Bytes, Counts, Write};
use crate::store::sled::Overlay;
use crate::store::sled::engine::BATCH_BYTES;
use crate::store::sled::head::Head;
use crate::store::{Batch, Revision};

/// Batches that become durable together.
#[derive(Default)]
pub(super) struct Group {
    pub writes: Overlay,
    bytes: usize,
    /// Keys of what of the past they add.
    pub replaced: Vec<Bytes>,
    pub commits: Vec<(Revision, Vec<Uid>)>,
    pub answers: Vec<(Reply, Revision)>,
}

impl Group {
    /// Whether it is large enough to be written.
    pub fn is_full(&self) -> bool {
        self.bytes >= BATCH_BYTES
    }

    pub fn take(&mut self, plan: Planned) {
        self.bytes += plan.bytes();
        self.commits.push((plan.revision, uids(&plan.writes)));
        self.replaced.extend(plan.remembered.replaced);
        self.writes.extend(plan.writes.into_iter().map(|write| (write.key, write.new)));
    }
}

/// What a batch changes.
pub(super) struct Planned {
    pub writes: Vec<Write>,
    pub remembered: Remembered,
    pub revision: Revision,
    pub counts: Counts,
}

impl Planned {
    /// The head that it makes of the last one.
    pub fn after(&self, head: &Head) -> Head {
        let past = self.remembered.after(head.past);
        Head { store_id: head.store_id.clone(), revision: self.revision, counts: self.counts, indexed: true, past }
    }

    fn bytes(&self) -> usize {
        self.writes.iter().map(|write| write.key.len() + write.new.as_ref().map_or(0, |new| new.len())).sum()
    }

    /// Whether it can go with others; if not, it goes through the journal.
    pub fn fits(&self) -> bool {
        self.writes.len() < LARGE && self.bytes() <= BATCH_BYTES
    }
}

/// Whether a batch may fit, with what is remembered of it.
pub(super) fn may_fit(batch: &Batch) -> bool {
    batch.len() < LARGE && batch.size() < BATCH_BYTES / 2
}

/// What the engine does not have: the writes of a group, and below them those that are visible.
pub struct Newer<'a> {
    pub group: &'a Overlay,
    pub visible: &'a Overlay,
}

impl<'a> Newer<'a> {
    pub fn get(&self, key: &[u8]) -> Option<&'a Option<Bytes>> {
        self.group.get(key).or_else(|| self.visible.get(key))
    }

    /// The first key from `from` on that has a value.
    pub fn first(&self, from: &[u8]) -> Option<(&'a Bytes, &'a Bytes)> {
        fn valued<'a>((key, value): (&'a Bytes, &'a Option<Bytes>)) -> Option<(&'a Bytes, &'a Bytes)> {
            value.as_ref().map(|value| (key, value))
        }
        let group = range(self.group, from).find_map(valued);
        let visible = range(self.visible, from).filter(|(key, _)| !self.group.contains_key(&***key)).find_map(valued);
        match (group, visible) {
            (Some(group), Some(visible)) => Some(if group.0 < visible.0 { group } else { visible }),
            (group, visible) => group.or(visible),
        }
    }
}

fn range<'a>(writes: &'a Overlay, from: &[u8]) -> std::collections::btree_map::Range<'a, Bytes, Option<Bytes>> {
    writes.range::<[u8], _>((Bound::Included(from), Bound::Unbounded))
}
