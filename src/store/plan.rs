//! What a batch would change, found out before anything is written.
//!
//! Ops on different keys do not depend on each other, so a batch is planned in key order, which an ordered engine
//! answers much faster, and each key's ops in their own order. Nothing here writes, and no engine decides these
//! questions for itself: what a tombstone refuses and what an expectation means must not differ between engines.

use std::sync::Arc;

use super::batch::{Batch, Change, Encoded, Expect};
use super::record::{self, Body, Kind, RecordFault};
use super::view::fault;
use super::{CommitError, MAX_KEY_BYTES, MAX_RECORD_BYTES, MAX_VALUE_DEPTH, Revision, StoreError, key};

/// Stored bytes that several places hold on to.
pub type Bytes = Arc<[u8]>;

/// One key's value before and after.
#[derive(Clone, Debug)]
pub struct Write {
    pub key: Bytes,
    pub old: Option<Bytes>,
    pub new: Option<Bytes>,
}

/// How many entities and tombstones a store holds.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Counts {
    pub entities: u64,
    pub tombstones: u64,
}

impl Counts {
    /// Counts one more record of a kind.
    pub fn add(&mut self, kind: Kind) {
        match kind {
            Kind::Entity => self.entities += 1,
            Kind::Tombstone => self.tombstones += 1,
            Kind::Opaque | Kind::Versions => {}
        }
    }

    fn remove(&mut self, kind: Kind) {
        match kind {
            Kind::Entity => self.entities = self.entities.saturating_sub(1),
            Kind::Tombstone => self.tombstones = self.tombstones.saturating_sub(1),
            Kind::Opaque | Kind::Versions => {}
        }
    }
}

/// What a batch changes: writes in key order, each key once, and the counts after them.
#[derive(Debug)]
pub struct Plan {
    pub writes: Vec<Write>,
    pub counts: Counts,
}

/// What is at a key while its ops are played through.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Status {
    Absent,
    Present(Revision),
    Deleted(Revision),
    Opaque,
}

impl Status {
    fn kind(self) -> Option<Kind> {
        match self {
            Self::Absent => None,
            Self::Present(_) => Some(Kind::Entity),
            Self::Deleted(_) => Some(Kind::Tombstone),
            Self::Opaque => Some(Kind::Opaque),
        }
    }
}

/// Plans `batch` as revision `next` over a store that holds what `lookup` says; `place` names the store in errors.
/// `lookup` is asked once for each key, in key order.
pub fn plan(
    batch: Batch,
    next: Revision,
    mut counts: Counts,
    place: &str,
    mut lookup: impl FnMut(&[u8]) -> Result<Option<Bytes>, StoreError>,
) -> Result<Plan, CommitError> {
    let mut ops: Vec<(usize, Encoded)> = batch.ops.into_iter().enumerate().collect();
    // Stable, so that the ops of one key keep their order.
    ops.sort_by(|(_, a), (_, b)| a.key.cmp(&b.key));
    let mut ops = ops.into_iter().peekable();
    let mut writes = Vec::with_capacity(ops.len());
    let mut first_refusal: Option<(usize, CommitError)> = None;
    while let Some((index, op)) = ops.next() {
        let old = lookup(&op.key)?;
        let before = status(&op.key, old.as_deref(), place)?;
        let mut slot = Slot { status: before, new: None };
        let key: Bytes = op.key.into();
        let mut refusal = slot.apply(index, &key, op.change, next).err().map(|why| (index, why));
        while let Some((index, op)) = ops.next_if(|(_, op)| *op.key == *key) {
            if refusal.is_none() {
                refusal = slot.apply(index, &key, op.change, next).err().map(|why| (index, why));
            }
        }
        if let Some((index, why)) = refusal {
            // Report the refusal that playing the batch in its own order would have met first.
            if first_refusal.as_ref().is_none_or(|(first, _)| index < *first) {
                first_refusal = Some((index, why));
            }
            continue;
        }
        if let Some(new) = slot.new {
            if let Some(kind) = before.kind() {
                counts.remove(kind);
            }
            if let Some(kind) = slot.status.kind() {
                counts.add(kind);
            }
            let new = new.map(|body| body.seal(&key, next).into());
            writes.push(Write { key, old, new });
        }
    }
    match first_refusal {
        Some((_, why)) => Err(why),
        None => Ok(Plan { writes, counts }),
    }
}

fn status(key: &[u8], value: Option<&[u8]>, place: &str) -> Result<Status, StoreError> {
    let Some(value) = value else {
        return Ok(Status::Absent);
    };
    let opened = record::open(key, value).map_err(|why| fault(place, key, &why))?;
    Ok(match opened.kind {
        Kind::Opaque => Status::Opaque,
        Kind::Entity => Status::Present(opened.revision),
        Kind::Tombstone => Status::Deleted(opened.revision),
        Kind::Versions => return Err(fault(place, key, &RecordFault::Damaged("it is of the past"))),
    })
}

/// One key on its way from `status` to a new value: `Some(None)` removes it.
struct Slot {
    status: Status,
    new: Option<Option<Body>>,
}

impl Slot {
    fn apply(&mut self, index: usize, key: &[u8], change: Change, next: Revision) -> Result<(), CommitError> {
        match change {
            Change::Put { body, expect, revive } => {
                self.check(index, key, expect)?;
                if let (Status::Deleted(deleted), false) = (self.status, revive) {
                    return Err(CommitError::Tombstone { index, uid: uid(key)?, deleted });
                }
                fits(index, key, &body)?;
                self.status = Status::Present(next);
                self.new = Some(Some(body));
            }
            Change::Delete { expect } => {
                self.check(index, key, expect)?;
                if let Status::Present(_) = self.status {
                    self.status = Status::Deleted(next);
                    self.new = Some(Some(Body::tombstone()));
                }
            }
            Change::Record { body: Some(body) } => {
                fits(index, key, &body)?;
                self.status = Status::Opaque;
                self.new = Some(Some(body));
            }
            Change::Record { body: None } => {
                if self.status != Status::Absent {
                    self.status = Status::Absent;
                    self.new = Some(None);
                }
            }
        }
        Ok(())
    }

    fn check(&self, index: usize, key: &[u8], expect: Expect) -> Result<(), CommitError> {
        let holds = match (expect, self.status) {
            (Expect::Anything, _) => true,
            (Expect::Absent, status) => !matches!(status, Status::Present(_)),
            (Expect::Present, status) => matches!(status, Status::Present(_)),
            (Expect::Revision(expected), Status::Present(found)) => expected == found,
            (Expect::Revision(_), _) => false,
        };
        if holds {
            return Ok(());
        }
        let found = match self.status {
            Status::Present(revision) => format!("it was last changed at revision {revision}"),
            Status::Deleted(revision) => format!("it was deleted at revision {revision}"),
            Status::Absent | Status::Opaque => "it does not exist".to_owned(),
        };
        Err(CommitError::Conflict { index, uid: uid(key)?, found })
    }
}

fn fits(index: usize, key: &[u8], body: &Body) -> Result<(), CommitError> {
    let too_large = |what: String, size, limit| CommitError::TooLarge { index, what, size, limit };
    if key.len() > MAX_KEY_BYTES {
        let start: String = key::describe(key).chars().take(80).collect();
        return Err(too_large(format!("the name `{start}…`"), key.len(), MAX_KEY_BYTES));
    }
    if body.size() > MAX_RECORD_BYTES {
        return Err(too_large(key::describe(key), body.size(), MAX_RECORD_BYTES));
    }
    if body.depth() > MAX_VALUE_DEPTH {
        let (what, depth, limit) = (key::describe(key), body.depth(), MAX_VALUE_DEPTH);
        return Err(CommitError::TooDeep { index, what, depth, limit });
    }
    Ok(())
}

fn uid(key: &[u8]) -> Result<crate::entity::Uid, StoreError> {
    key::uid(key).ok_or_else(|| StoreError::Stopped(format!("{} is no entity", key::describe(key))))
}
