//! The default engine: sled 0.34 in one folder, held by one process.
//!
//! ```text
//! STORE      what the folder must hold: id, format, last checkpointed head (sled/sidecar.rs)
//! LOCK       held while the store is open
//! wal        commits that are durable, and that the engine may not have yet (sled/wal.rs)
//! journal/   batches too large to go with others (sled/journal.rs)
//! sled/      the engine's own files (sled/engine.rs, the only file that names the engine's types)
//! ```
//! One thread writes (`sled/committer.rs`): to the log, and from there to the engine when it is much. What the engine
//! does not have, or has before it may be seen, stands in front of it in [`State::overlay`]; so a change becomes visible
//! at once, and only after it is durable. Never hand the engine out, never write from another thread, and never answer
//! from a store that failed to write: [`State`] says stopped, and everything is refused.

mod committer;
mod engine;
mod files;
mod folder;
mod head;
mod indexing;
mod journal;
mod sidecar;
#[cfg(test)]
mod tests;
mod wal;

use std::collections::{BTreeMap, BTreeSet};
use std::ops::{Bound, ControlFlow};
use std::path::{Path, PathBuf};
use std::sync::{Arc, mpsc};
use std::thread::JoinHandle;

use parking_lot::{Mutex, RwLock, RwLockReadGuard};

use super::history::{History, Past};
use super::links::Catalogue;
use super::past::PastView;
use super::plan::{Bytes, Counts};
use super::view::{Keyspace, View, Visit};
use super::{Batch, Done, Meter, Moment, Observer, Reader, Revision, Stats, Store, StoreError};
use crate::clock::{Clock, SystemClock};
use crate::entity::Link;
use committer::{Committer, Reply, Request};
use engine::Engine;
use head::Head;

/// How to open a store.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct SledOptions {
    /// What the engine may cache, in bytes. The process takes three to four times as much.
    pub cache_capacity: u64,
    pub data_loss: DataLoss,
    /// How long the past is kept. `None` leaves that to another process: what it kept stays, and goes on being kept.
    pub history: Option<History>,
}

/// What to do with a folder that holds less than it should.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum DataLoss {
    Refuse,
    /// Open with what is left, as a new store id, so that nothing remembered of the old one is taken for current.
    Accept,
}

impl Default for SledOptions {
    fn default() -> Self {
        let history = Some(History::default());
        Self { cache_capacity: 256 * 1024 * 1024, data_loss: DataLoss::Refuse, history }
    }
}

/// A [`Store`] in a folder.
pub struct SledStore {
    id: String,
    shared: Arc<Shared>,
    requests: mpsc::Sender<Request>,
    thread: Mutex<Option<JoinHandle<()>>>,
}

/// What readers and the committer share.
struct Shared {
    dir: PathBuf,
    place: String,
    meter: Meter,
    state: RwLock<State>,
}

/// What is at some keys.
type Overlay = BTreeMap<Bytes, Option<Bytes>>;

/// What readers see.
struct State {
    head: Revision,
    counts: Counts,
    past: Past,
    /// INVARIANT: holds every key at which the engine may differ from `head`, with what is there at `head`.
    overlay: Overlay,
    engine: Option<Arc<Engine>>,
    links: Arc<Catalogue>,
    stopped: Option<String>,
    observers: Vec<Observer>,
}

impl SledStore {
    /// Opens the store in `dir`, or creates one when the folder is empty or does not exist.
    ///
    /// # Errors
    /// When another process holds it, when it was written by a newer version, when something is missing or damaged.
    pub fn open(dir: impl AsRef<Path>, options: SledOptions) -> Result<Self, StoreError> {
        Self::open_with(dir, options, Arc::new(SystemClock))
    }

    /// As [`SledStore::open`]; revisions are dated by this clock.
    ///
    /// # Errors
    /// As [`SledStore::open`].
    pub fn open_with(dir: impl AsRef<Path>, options: SledOptions, clock: Arc<dyn Clock>) -> Result<Self, StoreError> {
        let mut opened = folder::open(dir.as_ref(), options, clock.now())?;
        let links = indexing::load(&opened.engine, &mut opened.head, &dir.as_ref().display().to_string())?;
        let Head { store_id, revision, counts, past, .. } = opened.head;
        let engine = Arc::new(opened.engine);
        let state = State {
            head: revision,
            counts,
            past,
            overlay: Overlay::new(),
            engine: Some(Arc::clone(&engine)),
            links: Arc::new(links),
            stopped: None,
            observers: Vec::new(),
        };
        let shared = Arc::new(Shared {
            dir: dir.as_ref().to_owned(),
            place: dir.as_ref().display().to_string(),
            meter: Meter::default(),
            state: RwLock::new(state),
        });
        let (requests, inbox) = mpsc::channel();
        let committer = Committer::new(
            Arc::clone(&shared),
            engine,
            opened.wal,
            opened.lock,
            store_id.clone(),
            options.history,
            clock,
        );
        let thread = std::thread::Builder::new()
            .name("store committer".to_owned())
            .spawn(move || committer.run(&inbox))
            .map_err(|error| files::fault("cannot start the committer's thread", error))?;
        Ok(Self { id: store_id, shared, requests, thread: Mutex::new(Some(thread)) })
    }

    fn view(&self) -> Result<View<Snapshot<'_>>, StoreError> {
        let state = self.shared.state.read();
        match &state.stopped {
            None => Ok(View(Snapshot { state, place: &self.shared.place })),
            Some(why) => Err(StoreError::Stopped(why.clone())),
        }
    }
}

impl Store for SledStore {
    fn read(&self) -> Result<Box<dyn Reader + '_>, StoreError> {
        Ok(Box::new(self.view()?))
    }

    fn read_at(&self, moment: Moment) -> Result<Box<dyn Reader + '_>, StoreError> {
        Ok(Box::new(PastView::open(self.view()?, moment)?))
    }

    fn submit(&self, batch: Batch, done: Done) {
        let reply = Reply::new(done, Arc::clone(&self.shared));
        // What cannot be sent is dropped, and says by that that the store has ended.
        let _ = self.requests.send(Request::Commit { batch, reply });
    }

    fn keep_links(&self, links: &BTreeSet<Link>) -> Result<(), StoreError> {
        let closed = || StoreError::Stopped(committer::CLOSED.to_owned());
        let (reply, answer) = mpsc::sync_channel(1);
        self.requests.send(Request::KeepLinks { links: links.clone(), reply }).map_err(|_| closed())?;
        answer.recv().map_err(|_| closed())?
    }

    fn observe(&self, observer: Observer) {
        self.shared.state.write().observers.push(observer);
    }

    fn id(&self) -> &str {
        &self.id
    }

    fn stats(&self) -> Stats {
        let state = self.shared.state.read();
        Stats {
            entities: state.counts.entities,
            tombstones: state.counts.tombstones,
            bytes: state.engine.as_ref().map_or(0, |engine| engine.size()),
            past: state.past.records,
        }
    }

    fn meter(&self) -> Option<&Meter> {
        Some(&self.shared.meter)
    }

    fn verify(&self) -> Result<u64, StoreError> {
        /// Records between which commits may become visible.
        const STEP: u64 = 1_000;
        let (start, expected) = {
            let view = self.view()?;
            (view.revision(), view.0.state.counts)
        };
        let mut records = 0;
        let mut counts = Counts::default();
        let mut from = Vec::new();
        loop {
            let view = self.view()?;
            let (read, next) = view.verify(&from, STEP, &mut counts)?;
            records += read;
            match next {
                Some(key) => from = key,
                None if view.revision() == start && counts != expected => {
                    return Err(folder::miscounted(&self.shared.place, expected, counts));
                }
                None => return Ok(records),
            }
        }
    }

    fn close(&self) -> Result<(), StoreError> {
        let Some(thread) = self.thread.lock().take() else {
            return Ok(());
        };
        let (reply, answer) = mpsc::sync_channel(1);
        let gone = || StoreError::Stopped("its writing thread is gone".to_owned());
        self.requests.send(Request::Close { reply }).map_err(|_| gone())?;
        let result = answer.recv().map_err(|_| gone())?;
        thread.join().map_err(|_| gone())?;
        result
    }
}

impl Drop for SledStore {
    fn drop(&mut self) {
        if let Err(error) = self.close() {
            tracing::error!(dir = self.shared.place, %error, "the store was not closed cleanly");
        }
    }
}

/// The state at one revision, held still by a read lock.
struct Snapshot<'s> {
    state: RwLockReadGuard<'s, State>,
    place: &'s str,
}

impl Snapshot<'_> {
    // Never clone this out of the guard: closing waits for the guards and then drops the last reference.
    fn engine(&self) -> Result<&Engine, StoreError> {
        let closed = || StoreError::Stopped(committer::CLOSED.to_owned());
        self.state.engine.as_deref().ok_or_else(closed)
    }
}

impl Keyspace for Snapshot<'_> {
    type Value = engine::Value;

    fn revision(&self) -> Revision {
        self.state.head
    }

    fn past(&self) -> Past {
        self.state.past
    }

    fn place(&self) -> &str {
        self.place
    }

    fn catalogue(&self) -> &Catalogue {
        &self.state.links
    }

    fn get(&self, key: &[u8]) -> Result<Option<engine::Value>, StoreError> {
        match self.state.overlay.get(key) {
            Some(value) => Ok(value.clone().map(engine::Value::Overlay)),
            None => self.engine()?.get(key),
        }
    }

    fn scan(&self, from: &[u8], visit: &mut Visit<'_>) -> Result<(), StoreError> {
        let mut overlay = self.state.overlay.range::<[u8], _>((Bound::Included(from), Bound::Unbounded)).peekable();
        let mut flow = ControlFlow::Continue(());
        let show = |key: &[u8], value: &Option<Bytes>, visit: &mut Visit<'_>| match value {
            Some(value) => visit(key, value),
            None => Ok(ControlFlow::Continue(())),
        };
        self.engine()?.scan(from, &mut |key, value| {
            if key == super::key::HEAD {
                return Ok(flow);
            }
            // Keys that the engine does not have, and that are there at this revision.
            while let Some((own, value)) = overlay.next_if(|(own, _)| ***own < *key) {
                flow = show(own, value, visit)?;
                if flow.is_break() {
                    return Ok(flow);
                }
            }
            flow = match overlay.next_if(|(own, _)| ***own == *key) {
                Some((_, value)) => show(key, value, visit)?,
                None => visit(key, value)?,
            };
            Ok(flow)
        })?;
        while let (true, Some((key, value))) = (flow.is_continue(), overlay.next()) {
            flow = show(key, value, visit)?;
        }
        Ok(())
    }
}
