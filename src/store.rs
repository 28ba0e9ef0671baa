//! Where entities live: one trait set, several engines.
//!
//! A store keeps entities (direct parents, attributes, tags), tombstones of deleted ones, and a few tables of opaque
//! records (API keys, …), all under one monotonic, gap-free [`Revision`]. It knows neither the schema nor the policies:
//! callers validate before they write.
//!
//! The traits are synchronous on purpose. A [`Reader`] is a consistent view whose guard cannot be held across an
//! `await` (it is not `Send`), a point lookup in the embedded engine takes microseconds, and [`Store::commit`] blocks
//! until the change is durable: async callers run it on a blocking thread.
//!
//! What every engine promises (the conformance suite in `store/conformance.rs` holds each to it):
//! - a [`Batch`] is applied whole or not at all, and becomes visible at once, after it is durable;
//! - `commit` returns only when the change survives `kill -9` and power loss;
//! - a deleted id leaves a tombstone; putting it again is refused unless forced;
//! - an unreadable record is an error, never an absent entity;
//! - the index of links (`store/links.rs`) says of every link that is built exactly what the entities say.

mod batch;
#[cfg(test)]
mod conformance;
mod history;
mod key;
mod links;
mod memory;
mod meter;
mod past;
mod plan;
mod record;
mod sled;
mod versions;
mod view;

use std::collections::BTreeSet;
use std::fmt;

use jiff::Timestamp;
use smol_str::SmolStr;

use crate::clock::rfc3339;
use crate::entity::{Entity, Link, Uid};

pub use batch::{Batch, Expect, Op};
pub use history::History;
pub use memory::MemoryStore;
pub use meter::Meter;
pub use sled::{DataLoss, SledOptions, SledStore};

/// The largest record of an entity or a table that a store takes, in encoded bytes.
pub const MAX_RECORD_BYTES: usize = 64 * 1024;
/// The longest type name plus id, or record key, that a store takes, in encoded bytes.
pub const MAX_KEY_BYTES: usize = 2 * 1024;
/// How deep the values of an entity may nest.
pub const MAX_VALUE_DEPTH: usize = 16;

/// The number of a committed batch. Starts at 0 (an empty store) and rises by one with each batch.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Revision(pub u64);

impl fmt::Display for Revision {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

/// A point in a store's past.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Moment {
    Revision(Revision),
    /// The revision that was the head then.
    Time(Timestamp),
}

impl fmt::Display for Moment {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Revision(revision) => write!(f, "revision {revision}"),
            Self::Time(time) => f.write_str(&rfc3339(*time)),
        }
    }
}

/// Neither a revision nor a time.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("`{0}` is neither a revision, such as 42, nor a time, such as 2026-08-01T12:00:00Z")]
pub struct MomentError(String);

impl std::str::FromStr for Moment {
    type Err = MomentError;

    fn from_str(text: &str) -> Result<Self, MomentError> {
        let revision = text.parse().ok().map(|number| Self::Revision(Revision(number)));
        let time = || text.parse().ok().map(Self::Time);
        revision.or_else(time).ok_or_else(|| MomentError(text.to_owned()))
    }
}

/// An entity and the revision that last changed it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Stored {
    pub entity: Entity,
    pub revision: Revision,
}

/// What the store knows of a uid.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Lookup {
    Present(Stored),
    /// It existed and was deleted at this revision. Its id is not free.
    Deleted(Revision),
    Absent,
}

/// Tables of opaque records beside the entities. The owner of a table encodes its values.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Table {
    /// API keys, by key id.
    ApiKey,
    /// Facts about the store as a whole: the schema it was validated with, the bundle it serves.
    Meta,
    /// Credentials of access tokens, by token id.
    Token,
    /// Ids of access tokens, by the keyed hash of their value.
    TokenHash,
    /// One empty record for each access token, by owner and id.
    TokenOwner,
    /// When access tokens were last used, by token id.
    TokenUse,
}

/// Which entities to list: those of one type (or all), whose id starts with a prefix.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct ListQuery {
    pub type_name: Option<String>,
    pub id_prefix: String,
}

/// Why a batch was not applied. Nothing of it was.
#[derive(Debug, thiserror::Error)]
pub enum CommitError {
    /// `index` is the op's place in the batch.
    #[error("{uid} is not as expected: {found}")]
    Conflict { index: usize, uid: Uid, found: String },
    #[error("{uid} was deleted at revision {deleted}; an id is never recycled unless forced")]
    Tombstone { index: usize, uid: Uid, deleted: Revision },
    /// An entity or record whose encoding is over the limit.
    #[error("{what} takes {size} bytes, the limit is {limit}")]
    TooLarge { index: usize, what: String, size: usize, limit: usize },
    /// Values nested deeper than readers are sure to decode.
    #[error("{what} nests values {depth} deep, the limit is {limit}")]
    TooDeep { index: usize, what: String, depth: usize, limit: usize },
    #[error(transparent)]
    Store(#[from] StoreError),
}

/// The store cannot answer. Callers fail closed: this is never "not there".
#[derive(Debug, thiserror::Error)]
pub enum StoreError {
    /// Another process holds the folder.
    #[error("the store in {dir} is held by another process; stop it, or talk to it with --server URL")]
    Locked { dir: String },
    /// Written by a version that this one cannot read.
    #[error("the store in {dir} has format {found}, this version reads up to {supported}; {advice}")]
    Format { dir: String, found: u32, supported: u32, advice: String },
    /// Data is missing or damaged.
    #[error("the store in {dir} is damaged: {what}; {advice}")]
    Damaged { dir: String, what: String, advice: String },
    /// The past that was asked for is not remembered, or has not come yet.
    #[error("{wanted} is out of reach: {}", reach(*.oldest, *.since, *.head))]
    OutOfReach { wanted: String, oldest: Revision, since: Option<Timestamp>, head: Revision },
    /// No past is kept of credentials and their like.
    #[error("the table {0:?} has no past")]
    NoPast(Table),
    #[error("{what}: {source}")]
    Io { what: String, source: std::io::Error },
    /// Closed, or an earlier write failed half way to the disk: everything is refused until the store is opened again.
    #[error("the store stopped: {0}")]
    Stopped(String),
}

fn reach(oldest: Revision, since: Option<Timestamp>, head: Revision) -> String {
    match since {
        Some(since) => {
            format!("revisions {oldest} to {head} can be asked about, the first of them of {}", rfc3339(since))
        }
        None => format!("the store keeps no past, only its head, revision {head}, can be asked about"),
    }
}

/// Called for each committed batch, after it is durable and before any reader sees it, with every changed uid.
/// Runs under the store's write lock: it must be short and must not read the store.
pub type Observer = Box<dyn Fn(Revision, &[Uid]) + Send + Sync>;

/// How big a store is.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Stats {
    pub entities: u64,
    pub tombstones: u64,
    pub bytes: u64,
    /// Records of the past.
    pub past: u64,
}

/// An open store.
pub trait Store: Send + Sync + 'static {
    /// A consistent view at the head revision. Keep it for microseconds: commits become visible only when no view is open.
    /// A thread that holds a view must not ask for a second one: a commit waiting between the two would block both.
    ///
    /// # Errors
    /// When the store stopped after a failed write.
    fn read(&self) -> Result<Box<dyn Reader + '_>, StoreError>;

    /// A consistent view of the store as it was, with the entities and [`Table::Meta`] of that moment. As [`Store::read`].
    ///
    /// # Errors
    /// [`StoreError::OutOfReach`], and those of [`Store::read`].
    fn read_at(&self, moment: Moment) -> Result<Box<dyn Reader + '_>, StoreError>;

    /// Hands a batch over; `done` learns its revision once it is durable, or why nothing of it was applied. A batch that
    /// changes nothing (it is empty, or deletes what is not there) has the head's. `done` may run on the store's own
    /// thread, where it must not block; it is dropped when the store ends before it got to the batch.
    fn submit(&self, batch: Batch, done: Done);

    /// Applies a batch and returns its revision once it is durable. As [`Store::submit`].
    ///
    /// # Errors
    /// Nothing of the batch was applied.
    fn commit(&self, batch: Batch) -> Result<Revision, CommitError> {
        let (reply, answer) = std::sync::mpsc::sync_channel(1);
        // Whoever asked may have gone: that changes nothing.
        self.submit(batch, Box::new(move |result| drop(reply.send(result))));
        answer.recv().unwrap_or_else(|_| Err(StoreError::ended().into()))
    }

    /// Keeps an index of these links from now on, besides those it keeps already. For what is stored, it is built in the
    /// background, and goes on where it was when the store is opened again.
    ///
    /// # Errors
    /// When the store stopped.
    fn keep_links(&self, links: &BTreeSet<Link>) -> Result<(), StoreError>;

    /// Registers a callback for committed batches.
    fn observe(&self, observer: Observer);

    /// A random id, given at creation.
    fn id(&self) -> &str;

    /// Counts, kept up to date with each commit.
    fn stats(&self) -> Stats;

    /// How commits do, where they take a disk's time.
    fn meter(&self) -> Option<&Meter> {
        None
    }

    /// Reads every record and verifies its checksum; returns how many were read.
    ///
    /// # Errors
    /// The first damaged record.
    fn verify(&self) -> Result<u64, StoreError>;

    /// Writes everything out and records a clean end. Later calls fail.
    ///
    /// # Errors
    /// What could not be written.
    fn close(&self) -> Result<(), StoreError>;
}

/// A store's id: 128 random bits in hex.
fn random_id() -> Result<String, StoreError> {
    let mut bytes = [0; 16];
    getrandom::fill(&mut bytes).map_err(|error| StoreError::Io {
        what: "no randomness for the id of the store".to_owned(),
        source: std::io::Error::other(error.to_string()),
    })?;
    Ok(const_hex::encode(bytes))
}

/// Who waits for a batch.
pub type Done = Box<dyn FnOnce(Result<Revision, CommitError>) + Send>;

impl StoreError {
    /// The store ended before it got to a batch.
    pub fn ended() -> Self {
        Self::Stopped("it was closed".to_owned())
    }
}

/// A consistent view of a store.
pub trait Reader {
    fn revision(&self) -> Revision;

    /// When the revision was committed, if the store remembers that.
    ///
    /// # Errors
    /// As [`Reader::get`].
    fn committed_at(&self) -> Result<Option<Timestamp>, StoreError>;

    /// # Errors
    /// When the record cannot be read or its checksum is wrong.
    fn get(&self, uid: &Uid) -> Result<Lookup, StoreError>;

    /// Up to `limit` present entities after `after`, in byte order of type name, then id.
    ///
    /// # Errors
    /// As [`Reader::get`].
    fn list(&self, query: &ListQuery, after: Option<&Uid>, limit: usize) -> Result<Vec<Stored>, StoreError>;

    /// Up to `limit` ids of present entities whose `link` leads to `target`, from `from` on, in byte order. Nothing when
    /// this link is not indexed, or not yet: then nothing is known. For a target whose name is very long there may be
    /// entities among them that lead elsewhere.
    ///
    /// # Errors
    /// As [`Reader::get`].
    fn linked(&self, link: &Link, target: &Uid, from: &str, limit: usize) -> Result<Option<Vec<SmolStr>>, StoreError>;

    /// One record of a table.
    ///
    /// # Errors
    /// As [`Reader::get`].
    fn record(&self, table: Table, key: &[u8]) -> Result<Option<Vec<u8>>, StoreError>;

    /// Up to `limit` records of a table whose keys start with `prefix` and come after `after`, in byte order.
    ///
    /// # Errors
    /// As [`Reader::get`].
    fn records(
        &self,
        table: Table,
        prefix: &[u8],
        after: Option<&[u8]>,
        limit: usize,
    ) -> Result<Vec<(Vec<u8>, Vec<u8>)>, StoreError>;
}
