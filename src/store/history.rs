//! The past: what each revision replaced, so that an earlier one can be read again.
//!
//! A revision leaves the record of every entity (and of every fact about the store as a whole) that it replaced or
//! removed, under a key of its own. Revisions that become durable at once share one record that says when, and which
//! those are. Creating leaves nothing else, so an import costs what it did. At revision R an entity is its present
//! record if that is no newer, else the record that was replaced first after R; an engine may pack several of one key
//! into one (`store/versions.rs`). Below a floor nothing is said: records are removed oldest revision first, and the
//! floor rises before they go. Secrets have no past: tables of credentials are never kept here.

use std::ops::ControlFlow;
use std::sync::Arc;
use std::time::Duration;

use jiff::Timestamp;
use prost::Message;

use super::plan::{Bytes, Write};
use super::record::{self, Body, RecordFault};
use super::view::{Keyspace, Visit, fault};
use super::{Revision, StoreError, Table, key};

/// Records of the past that one record of a revision names.
const PART: usize = 150;
/// And what their keys take: records must stay small.
const PART_BYTES: usize = 8 * 1024;

/// How long the past is kept.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct History {
    /// Revisions that were left longer ago cannot be read any more.
    pub max_age: Option<Duration>,
    /// The most records of the past: one for each revision, and one for each entity that it replaced or deleted. With 0
    /// no past is kept.
    pub max_records: u64,
}

impl Default for History {
    fn default() -> Self {
        Self { max_age: Some(Duration::from_secs(30 * 24 * 60 * 60)), max_records: 2_000_000 }
    }
}

impl History {
    /// No past.
    pub const OFF: Self = Self { max_age: None, max_records: 0 };

    fn is_off(self) -> bool {
        self.max_records == 0
    }
}

/// How far back a store can be read; a part of its head record.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Past {
    /// The oldest revision that can be read, and its time. Without one, only the head can.
    pub floor: Option<Instant>,
    /// How many records of the past there are.
    pub records: u64,
    /// When the head was committed. Never runs backwards, whatever the clock does.
    pub latest: i64,
}

/// A revision and when it was committed, in milliseconds of Unix time.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Instant {
    pub revision: Revision,
    pub time: i64,
}

impl Instant {
    /// When that was, for people.
    pub fn timestamp(self) -> Option<Timestamp> {
        Timestamp::from_millisecond(self.time).ok()
    }
}

#[derive(Clone, PartialEq, Message)]
struct RevisionBody {
    /// Milliseconds of Unix time.
    #[prost(sint64, tag = "1")]
    time: i64,
    /// Keys of what it replaced.
    #[prost(bytes = "vec", repeated, tag = "2")]
    replaced: Vec<Vec<u8>>,
}

/// Whether the past of what is stored at a key is kept.
fn is_kept(key: &[u8]) -> bool {
    key.first().is_some_and(|tag| *tag == key::ENTITIES || *tag == key::table(Table::Meta))
}

/// What a revision adds to the past.
pub struct Remembered {
    floor: Floor,
    latest: i64,
    /// The keys of what it replaced.
    pub replaced: Vec<Bytes>,
}

enum Floor {
    /// No past is kept.
    None,
    /// It stays, or begins here.
    Since(Instant),
    /// It begins anew.
    At(Instant),
}

impl Remembered {
    /// The past with this revision in it.
    pub fn after(&self, past: Past) -> Past {
        let floor = match self.floor {
            Floor::None => None,
            Floor::Since(since) => past.floor.or(Some(since)),
            Floor::At(at) => Some(at),
        };
        Past { floor, records: past.records + self.replaced.len() as u64, latest: self.latest.max(past.latest) }
    }
}

/// Adds to the writes of revision `next` what they replace. `history` is `None` where somebody else decides how long the
/// past is kept: then it is kept when it was.
pub fn remember(
    writes: &mut Vec<Write>,
    past: Past,
    history: Option<History>,
    now: Timestamp,
    next: Revision,
    place: &str,
) -> Result<Remembered, StoreError> {
    let latest = now.as_millisecond().max(past.latest);
    let (off, most) = match history {
        Some(history) => (history.is_off(), history.max_records),
        None => (past.floor.is_none(), History::default().max_records),
    };
    if off {
        return Ok(Remembered { floor: Floor::None, latest, replaced: Vec::new() });
    }
    let replaced = |write: &&Write| write.old.is_some() && is_kept(&write.key);
    // More than may ever be kept is not worth writing.
    if writes.iter().filter(replaced).count() as u64 > most {
        let floor = Floor::At(Instant { revision: next, time: latest });
        return Ok(Remembered { floor, latest, replaced: Vec::new() });
    }
    let mut kept = Vec::new();
    for write in writes.iter().filter(replaced) {
        let Some(old) = &write.old else { continue };
        let opened = record::open(&write.key, old).map_err(|why| fault(place, &write.key, &why))?;
        let key = key::before(&write.key, next);
        let value = opened.moved_to(&key);
        kept.push(Write { key: key.into(), old: None, new: Some(value.into()) });
    }
    let replaced = kept.iter().map(|write| Bytes::clone(&write.key)).collect();
    if !kept.is_empty() {
        writes.append(&mut kept);
        writes.sort_unstable_by(|a, b| a.key.cmp(&b.key));
    }
    let floor = Floor::Since(Instant { revision: Revision(next.0.saturating_sub(1)), time: latest });
    Ok(Remembered { floor, latest, replaced })
}

/// The records that date revisions which are committed at once, the last of them `last`, and name what they replaced.
/// None where no past is kept.
pub fn dated(past: Past, last: Revision, replaced: &[Bytes]) -> Vec<(Bytes, Bytes)> {
    if past.floor.is_none() {
        return Vec::new();
    }
    let mut parts: Vec<Vec<&Bytes>> = vec![Vec::new()];
    let mut room = PART_BYTES;
    for key in replaced {
        let full = parts.last().is_none_or(|part| part.len() == PART) || key.len() > room;
        if full && parts.last().is_some_and(|part| !part.is_empty()) {
            parts.push(Vec::new());
            room = PART_BYTES;
        }
        room = room.saturating_sub(key.len());
        if let Some(part) = parts.last_mut() {
            part.push(key);
        }
    }
    let record = |(part, replaced): (u32, Vec<&Bytes>)| {
        let body = RevisionBody { time: past.latest, replaced: replaced.iter().map(|key| key.to_vec()).collect() };
        let key = key::revision(last, part);
        let value = Body::opaque(&body.encode_to_vec()).seal(&key, last);
        (Bytes::from(key), Bytes::from(value))
    };
    (0..).zip(parts).map(record).collect()
}

/// The past of a fresh store that keeps one.
pub fn begun(history: Option<History>, now: Timestamp) -> Past {
    let time = now.as_millisecond();
    let keeps = history.is_none_or(|history| !history.is_off());
    Past { floor: keeps.then_some(Instant { revision: Revision::default(), time }), records: 0, latest: time }
}

/// Records of the past that may go.
#[derive(Debug)]
pub struct Expired {
    pub keys: Vec<Bytes>,
    /// What is left. Nobody may read below its floor any more before the keys go.
    pub past: Past,
}

/// The oldest part of the past.
#[derive(Clone, Copy, Debug)]
pub struct Oldest(Instant);

impl Oldest {
    /// Whether it may go.
    pub fn is_due(self, past: Past, history: History, now: Timestamp) -> bool {
        let aged = |age: Duration| {
            let age = i64::try_from(age.as_millis()).unwrap_or(i64::MAX);
            self.0.time <= now.as_millisecond().saturating_sub(age)
        };
        history.is_off() || past.records > history.max_records || history.max_age.is_some_and(aged)
    }
}

/// Finds the oldest part of the past, or the oldest after the one with the key `last`, and what it takes to remove it.
/// The last key to remove is its own.
pub fn oldest(
    past: Past,
    place: &str,
    last: Option<&Bytes>,
    scan: impl FnOnce(&[u8], &mut Visit<'_>) -> Result<(), StoreError>,
) -> Result<Option<(Oldest, Expired)>, StoreError> {
    let mut found = None;
    let from = last.map_or_else(|| vec![key::REVISIONS], |last| [last, &[0][..]].concat());
    scan(&from, &mut |key, value| {
        if key.first() == Some(&key::REVISIONS) {
            found = Some((Bytes::from(key), read(place, key, value)?));
        }
        Ok(ControlFlow::Break(()))
    })?;
    let Some((key, (revision, body))) = found else {
        return Ok(None);
    };
    let here = Instant { revision, time: body.time };
    let mut gone: Vec<Bytes> = body.replaced.into_iter().map(Bytes::from).collect();
    gone.push(key);
    let floor = past.floor.map(|floor| if floor.revision < revision { here } else { floor });
    let records = past.records.saturating_sub(gone.len() as u64);
    Ok(Some((Oldest(here), Expired { keys: gone, past: Past { floor, records, ..past } })))
}

fn read(place: &str, key: &[u8], value: &[u8]) -> Result<(Revision, RevisionBody), StoreError> {
    let read = || {
        let opened = record::open(key, value)?;
        let body = RevisionBody::decode(opened.body).map_err(|_| RecordFault::Damaged("it cannot be decoded"))?;
        Ok((opened.revision, body))
    };
    read().map_err(|why| fault(place, key, &why))
}

/// When a revision that can be read was committed: the first record from it on dates it.
pub fn time_of<K: Keyspace>(keys: &K, revision: Revision) -> Result<Option<i64>, StoreError> {
    let past = keys.past();
    match past.floor {
        Some(floor) if floor.revision == revision => Ok(Some(floor.time)),
        Some(floor) if floor.revision < revision => {
            let from = key::revision(revision, 0);
            let mut time = None;
            keys.scan(&from, &mut |key, value| {
                if key.first() == Some(&key::REVISIONS) {
                    time = Some(read(keys.place(), key, value)?.1.time);
                }
                Ok(ControlFlow::Break(()))
            })?;
            let missing = || fault(keys.place(), &from, &RecordFault::Damaged("it is gone"));
            time.map(Some).ok_or_else(missing)
        }
        _ => Ok(None),
    }
}

/// The last revision that was committed at this time or before; nothing when that is below the floor.
pub fn revision_at<K: Keyspace>(keys: &K, time: i64) -> Result<Option<Revision>, StoreError> {
    let past = keys.past();
    let head = keys.revision();
    let Some(floor) = past.floor.filter(|floor| floor.time <= time) else {
        return Ok(None);
    };
    if time >= past.latest {
        return Ok(Some(head));
    }
    // INVARIANT: `low` is no newer than the time, everything above `high` is.
    let (mut low, mut high) = (floor.revision.0, head.0);
    while low < high {
        let middle = low + (high - low).div_ceil(2);
        match time_of(keys, Revision(middle))? {
            Some(at) if at <= time => low = middle,
            _ => high = middle - 1,
        }
    }
    Ok(Some(Revision(low)))
}

/// The keys of everything that is remembered, for a store whose revisions are given anew.
pub fn everything(scan: impl Fn(&[u8], &mut Visit<'_>) -> Result<(), StoreError>) -> Result<Vec<Bytes>, StoreError> {
    let mut found: Vec<Bytes> = Vec::new();
    for tag in [key::REVISIONS, key::PAST] {
        scan(&[tag], &mut |key, _| {
            if key.first() != Some(&tag) {
                return Ok(ControlFlow::Break(()));
            }
            found.push(Arc::from(key));
            Ok(ControlFlow::Continue(()))
        })?;
    }
    Ok(found)
}
