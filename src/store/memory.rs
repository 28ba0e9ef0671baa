//! A store in memory, for tests and for evaluations that keep nothing.
//!
//! It goes through the same records and the same planning as the engine on disk; only durability is missing.

use std::collections::{BTreeMap, BTreeSet};
use std::ops::{Bound, ControlFlow};
use std::sync::Arc;

use parking_lot::{RwLock, RwLockReadGuard};

use super::history::{self, History, Past};
use super::links::{self, Catalogue, Step};
use super::past::PastView;
use super::plan::{Bytes, Counts, Write, plan};
use super::view::{Keyspace, View, Visit};
use super::{Batch, CommitError, Done, Moment, Observer, Reader, Revision, Stats, Store, StoreError, key, random_id};
use crate::clock::{Clock, SystemClock};
use crate::entity::Link;

const PLACE: &str = "memory";
/// Entities that are taken into the index at once.
const STEP: usize = 1_000;

/// A [`Store`] that forgets everything when it is dropped.
pub struct MemoryStore {
    id: String,
    state: RwLock<State>,
    history: History,
    clock: Arc<dyn Clock>,
}

#[derive(Default)]
struct State {
    head: Revision,
    counts: Counts,
    past: Past,
    records: BTreeMap<Bytes, Bytes>,
    links: Catalogue,
    observers: Vec<Observer>,
    closed: bool,
}

impl MemoryStore {
    /// An empty store.
    ///
    /// # Errors
    /// When the system gives no randomness for its id.
    pub fn new() -> Result<Self, StoreError> {
        Self::with(History::default(), Arc::new(SystemClock))
    }

    /// An empty store that keeps its past so long, by this clock.
    ///
    /// # Errors
    /// As [`MemoryStore::new`].
    pub fn with(history: History, clock: Arc<dyn Clock>) -> Result<Self, StoreError> {
        let past = history::begun(Some(history), clock.now());
        Ok(Self { id: random_id()?, state: RwLock::new(State { past, ..State::default() }), history, clock })
    }

    /// Forgets what is due.
    fn expire(&self, state: &mut State) -> Result<(), StoreError> {
        while let Some((oldest, expired)) =
            history::oldest(state.past, PLACE, None, |from, visit| state.scan(from, visit))?
        {
            if !oldest.is_due(state.past, self.history, self.clock.now()) {
                return Ok(());
            }
            for key in expired.keys {
                state.records.remove(&key);
            }
            state.past = expired.past;
        }
        Ok(())
    }
}

impl State {
    fn open(&self) -> Result<(), StoreError> {
        if self.closed { Err(StoreError::Stopped("it was closed".to_owned())) } else { Ok(()) }
    }

    fn from(&self, key: &[u8]) -> impl Iterator<Item = (&Bytes, &Bytes)> {
        self.records.range::<[u8], _>((Bound::Included(key), Bound::Unbounded))
    }

    fn next(&self, key: &[u8]) -> Option<(Bytes, Bytes)> {
        self.from(key).next().map(|(key, value)| (Arc::clone(key), Arc::clone(value)))
    }

    fn scan(&self, from: &[u8], visit: &mut Visit<'_>) -> Result<(), StoreError> {
        for (key, value) in self.from(from) {
            if let ControlFlow::Break(()) = visit(key, value)? {
                break;
            }
        }
        Ok(())
    }

    fn apply(&mut self, write: Write) {
        match write.new {
            Some(value) => self.records.insert(write.key, value),
            None => self.records.remove(&write.key),
        };
    }
}

impl MemoryStore {
    fn commit_now(&self, batch: Batch) -> Result<Revision, CommitError> {
        let mut state = self.state.write();
        state.open()?;
        let next = Revision(state.head.0 + 1);
        let mut plan = plan(batch, next, state.counts, PLACE, |key| Ok(state.records.get(key).map(Arc::clone)))?;
        if plan.writes.is_empty() {
            return Ok(state.head);
        }
        let index = links::follow(&state.links, &plan.writes, next, PLACE, |key| Ok(state.next(key)))?;
        let (past, history) = (state.past, Some(self.history));
        let remembered = history::remember(&mut plan.writes, past, history, self.clock.now(), next, PLACE)?;
        let past = remembered.after(past);
        let dated = history::dated(past, next, &remembered.replaced);
        state.past = Past { records: past.records + dated.len() as u64, ..past };
        state.records.extend(dated);
        let mut uids = Vec::new();
        for write in plan.writes.into_iter().chain(index) {
            uids.extend(key::uid(&write.key));
            state.apply(write);
        }
        state.head = next;
        state.counts = plan.counts;
        for observer in &state.observers {
            observer(next, &uids);
        }
        self.expire(&mut state)?;
        Ok(next)
    }
}

impl Store for MemoryStore {
    fn read(&self) -> Result<Box<dyn Reader + '_>, StoreError> {
        let state = self.state.read();
        state.open()?;
        Ok(Box::new(View(state)))
    }

    fn read_at(&self, moment: Moment) -> Result<Box<dyn Reader + '_>, StoreError> {
        let state = self.state.read();
        state.open()?;
        Ok(Box::new(PastView::open(View(state), moment)?))
    }

    fn submit(&self, batch: Batch, done: Done) {
        done(self.commit_now(batch));
    }

    fn keep_links(&self, links: &BTreeSet<Link>) -> Result<(), StoreError> {
        let mut state = self.state.write();
        state.open()?;
        state.links.add(links);
        loop {
            let entities = |from: &[u8], limit: usize| {
                let found = state.from(from).take(limit);
                Ok(found.map(|(key, value)| (Arc::clone(key), Arc::clone(value))).collect())
            };
            let step = links::step(&state.links, state.head, PLACE, STEP, entities, |key| Ok(state.next(key)))?;
            let Some(Step { writes, catalogue }) = step else {
                return Ok(());
            };
            writes.into_iter().for_each(|write| state.apply(write));
            state.links = catalogue;
        }
    }

    fn observe(&self, observer: Observer) {
        self.state.write().observers.push(observer);
    }

    fn id(&self) -> &str {
        &self.id
    }

    fn stats(&self) -> Stats {
        let state = self.state.read();
        let size = |(key, value): (&Bytes, &Bytes)| (key.len() + value.len()) as u64;
        Stats {
            entities: state.counts.entities,
            tombstones: state.counts.tombstones,
            bytes: state.records.iter().map(size).sum(),
            past: state.past.records,
        }
    }

    fn verify(&self) -> Result<u64, StoreError> {
        let state = self.state.read();
        state.open()?;
        let (records, _) = View(state).verify(&[], u64::MAX, &mut Counts::default())?;
        Ok(records)
    }

    fn close(&self) -> Result<(), StoreError> {
        self.state.write().closed = true;
        Ok(())
    }
}

impl Keyspace for RwLockReadGuard<'_, State> {
    type Value = Bytes;

    fn revision(&self) -> Revision {
        self.head
    }

    fn past(&self) -> Past {
        self.past
    }

    fn place(&self) -> &str {
        PLACE
    }

    fn catalogue(&self) -> &Catalogue {
        &self.links
    }

    fn get(&self, key: &[u8]) -> Result<Option<Bytes>, StoreError> {
        Ok(self.records.get(key).map(Arc::clone))
    }

    fn scan(&self, from: &[u8], visit: &mut Visit<'_>) -> Result<(), StoreError> {
        State::scan(self, from, visit)
    }
}
