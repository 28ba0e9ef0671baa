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

/// What putting an entity does when its id was deleted before.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum DeadId {
    /// Refuse: whoever takes a dead name would inherit what was granted to it.
    #[default]
    Refuse,
    Revive,
}

/// Changes that are applied together. Later ones see the effect of earlier ones.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Batch {
    pub(super) ops: Vec<Op>,
}

/// One encoded change.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Op {
    pub key: Box<[u8]>,
    pub change: Change,
}

#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Change {
    Put { body: Body, expect: Expect, dead: DeadId },
    Delete { expect: Expect },
    Record { body: Option<Body> },
}

impl Batch {
    pub fn new() -> Self {
        Self::default()
    }

    /// Creates or replaces an entity, unless its id was deleted before.
    pub fn put(&mut self, entity: &Entity) -> &mut Self {
        self.put_if(entity, Expect::Anything, DeadId::Refuse)
    }

    /// Creates or replaces an entity when `expect` holds.
    pub fn put_if(&mut self, entity: &Entity, expect: Expect, dead: DeadId) -> &mut Self {
        let body = Body::entity(entity);
        self.push(key::entity(&entity.uid), Change::Put { body, expect, dead })
    }

    /// Deletes an entity and leaves a tombstone. Deleting what is not there changes nothing.
    pub fn delete(&mut self, uid: &Uid) -> &mut Self {
        self.delete_if(uid, Expect::Anything)
    }

    /// Deletes an entity when `expect` holds.
    pub fn delete_if(&mut self, uid: &Uid, expect: Expect) -> &mut Self {
        self.push(key::entity(uid), Change::Delete { expect })
    }

    /// Creates or replaces a record of a table.
    pub fn set_record(&mut self, table: Table, key: &[u8], value: &[u8]) -> &mut Self {
        let body = Some(Body::opaque(value));
        self.push(key::record(table, key), Change::Record { body })
    }

    /// Removes a record of a table; it leaves nothing behind.
    pub fn remove_record(&mut self, table: Table, key: &[u8]) -> &mut Self {
        self.push(key::record(table, key), Change::Record { body: None })
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

    fn push(&mut self, key: Vec<u8>, change: Change) -> &mut Self {
        self.ops.push(Op { key: key.into_boxed_slice(), change });
        self
    }
}
