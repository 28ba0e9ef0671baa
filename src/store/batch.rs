//! Changes on their way into a store.
//!
//! A [`Batch`] encodes each change when it is added, so that a batch of a million entities costs their encoded bytes
//! and not a million trees. It validates nothing: the store does, against what it holds when the batch's turn comes.

use crate::entity::{Entity, Uid};

use super::record::Body;
use super::{Revision, Table, key};

/// What must hold of an entity for a change to be applied.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Expect {
    #[default]
    Anything,
    /// Not present: never created, or deleted.
    Absent,
    Present,
    /// Present, and last changed at this revision.
    Revision(Revision),
}

/// One change of a batch.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Op {
    /// Create or replace an entity. `revive` allows an id that was deleted before.
    Put { entity: Entity, expect: Expect, revive: bool },
    /// Delete an entity and leave a tombstone. Deleting what is not there changes nothing.
    Delete { uid: Uid, expect: Expect },
    /// Create, replace (`Some`) or remove (`None`) a record of a table. A removed record leaves nothing behind.
    Record { table: Table, key: Vec<u8>, value: Option<Vec<u8>> },
}

/// Changes that are applied together. Later ones see the effect of earlier ones.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Batch {
    pub(super) ops: Vec<Encoded>,
}

/// An encoded [`Op`].
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Encoded {
    pub key: Box<[u8]>,
    pub change: Change,
}

#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Change {
    Put { body: Body, expect: Expect, revive: bool },
    Delete { expect: Expect },
    Record { body: Option<Body> },
}

impl Change {
    fn size(&self) -> usize {
        match self {
            Self::Put { body, .. } | Self::Record { body: Some(body) } => body.size(),
            Self::Delete { .. } | Self::Record { body: None } => 0,
        }
    }
}

impl Batch {
    pub fn new() -> Self {
        Self::default()
    }

    pub fn push(&mut self, op: Op) -> &mut Self {
        match op {
            Op::Put { entity, expect, revive } => self.encode(&entity, expect, revive),
            Op::Delete { uid, expect } => self.add(key::entity(&uid), Change::Delete { expect }),
            Op::Record { table, key, value } => {
                let body = value.as_deref().map(Body::opaque);
                self.add(key::record(table, &key), Change::Record { body })
            }
        }
    }

    /// Creates or replaces an entity, unless its id was deleted before.
    pub fn put(&mut self, entity: &Entity) -> &mut Self {
        self.encode(entity, Expect::Anything, false)
    }

    /// Deletes an entity.
    pub fn delete(&mut self, uid: &Uid) -> &mut Self {
        self.add(key::entity(uid), Change::Delete { expect: Expect::Anything })
    }

    /// Creates or replaces a record of a table.
    pub fn set_record(&mut self, table: Table, key: &[u8], value: &[u8]) -> &mut Self {
        self.add(key::record(table, key), Change::Record { body: Some(Body::opaque(value)) })
    }

    /// Removes a record of a table.
    pub fn remove_record(&mut self, table: Table, key: &[u8]) -> &mut Self {
        self.add(key::record(table, key), Change::Record { body: None })
    }

    /// Adds the changes of `other` after those of this batch. Batches can be filled in parallel and joined.
    pub fn append(&mut self, mut other: Self) -> &mut Self {
        self.ops.append(&mut other.ops);
        self
    }

    /// How many changes it holds.
    pub fn len(&self) -> usize {
        self.ops.len()
    }

    pub fn is_empty(&self) -> bool {
        self.ops.is_empty()
    }

    /// Its size in encoded bytes.
    pub(super) fn size(&self) -> usize {
        let size = |op: &Encoded| op.key.len() + op.change.size();
        self.ops.iter().map(size).sum()
    }

    fn encode(&mut self, entity: &Entity, expect: Expect, revive: bool) -> &mut Self {
        let body = Body::entity(entity);
        self.add(key::entity(&entity.uid), Change::Put { body, expect, revive })
    }

    fn add(&mut self, key: Vec<u8>, change: Change) -> &mut Self {
        self.ops.push(Encoded { key: key.into_boxed_slice(), change });
        self
    }
}

impl From<Op> for Batch {
    fn from(op: Op) -> Self {
        Self::from_iter([op])
    }
}

impl From<Vec<Op>> for Batch {
    fn from(ops: Vec<Op>) -> Self {
        ops.into_iter().collect()
    }
}

impl FromIterator<Op> for Batch {
    fn from_iter<I: IntoIterator<Item = Op>>(ops: I) -> Self {
        let mut batch = Self::new();
        batch.extend(ops);
        batch
    }
}

impl Extend<Op> for Batch {
    fn extend<I: IntoIterator<Item = Op>>(&mut self, ops: I) {
        for op in ops {
            self.push(op);
        }
    }
}
