//! Batches on their way to the disk: planned one by one, durable together.

use std::collections::BTreeMap;

use super::Reply;
use crate::entity::Uid;
use crate::store::history::{self, Remembered};
use crate::store::plan::{Bytes, Counts, Write};
use crate::store::sled::engine::{BATCH_BYTES, BATCH_OPS, EngineBatch};
use crate::store::sled::head::Head;
use crate::store::{Batch, Revision, key};

/// What a piece takes beside the changes: the head record and a date.
const SEAL_OPS: usize = 4;
pub(super) const SEAL_BYTES: usize = 32 * 1024;

/// Batches that become durable together.
#[derive(Default)]
pub(super) struct Group {
    pub writes: BTreeMap<Bytes, Write>,
    pub pieces: Vec<Piece>,
    pub commits: Vec<(Revision, Vec<Uid>)>,
    pub answers: Vec<(Reply, Revision)>,
}

/// What the engine applies at once: whole revisions, the head that they make, and their date.
pub(super) struct Piece {
    batch: EngineBatch,
    replaced: Vec<Bytes>,
    head: Head,
}

impl Piece {
    /// What goes to the engine. `dates` counts the dates of its group.
    pub fn sealed(mut self, dates: &mut u64) -> EngineBatch {
        for (key, value) in history::dated(self.head.past, self.head.revision, &self.replaced) {
            self.batch.set(&key, Some(&value));
            *dates += 1;
        }
        self.head.past.records += *dates;
        self.batch.set(&Bytes::from(key::HEAD), Some(&self.head.encode()));
        self.batch
    }
}

impl Group {
    /// Takes a plan up, which makes this head.
    pub fn take(&mut self, plan: Planned, head: &Head) {
        let bytes = size(&plan.writes) + SEAL_BYTES;
        let mut piece = match self.pieces.pop() {
            Some(last) if last.batch.has_room(plan.writes.len() + SEAL_OPS, bytes) => last,
            full => {
                self.pieces.extend(full);
                Piece { batch: EngineBatch::default(), replaced: Vec::new(), head: head.clone() }
            }
        };
        for write in &plan.writes {
            piece.batch.set(&write.key, write.new.as_ref());
        }
        piece.replaced.extend(plan.remembered.replaced);
        piece.head = head.clone();
        self.pieces.push(piece);
        for write in plan.writes {
            match self.writes.get_mut(&write.key) {
                Some(earlier) => earlier.new = write.new,
                None => {
                    self.writes.insert(Bytes::clone(&write.key), write);
                }
            }
        }
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

    /// Whether it and the head record fit into one engine batch; others go through the journal.
    pub fn fits(&self) -> bool {
        self.writes.len() + SEAL_OPS <= BATCH_OPS && size(&self.writes) + SEAL_BYTES <= BATCH_BYTES
    }
}

fn size(writes: &[Write]) -> usize {
    writes.iter().map(|write| write.key.len() + write.new.as_ref().map_or(0, |new| new.len())).sum()
}

/// Whether a batch may fit, with what is remembered of it, into one engine batch.
pub(super) fn may_fit(batch: &Batch) -> bool {
    batch.len() < BATCH_OPS && batch.size() < BATCH_BYTES / 2
}
