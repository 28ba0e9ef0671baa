//! The one thread that writes.
//!
//! Writers queue. The thread takes what is waiting as one group, plans it, writes it to the log with one sync, and only
//! then makes it visible and answers. So the cost of a sync is shared, revisions have no gaps, and nobody reads what a
//! power cut could take back. The engine takes over what the log holds now and then: when it is much, before anything
//! that is written past the log, and when nobody has wanted to write for a moment.

mod alone;
mod group;
mod past;
mod request;
mod stretches;

use std::collections::BTreeSet;
use std::fs::File;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::Arc;
use std::sync::mpsc::{Receiver, RecvTimeoutError, TryRecvError};
use std::time::{Duration, Instant};

use crate::clock::Clock;
use crate::entity::{Link, Uid};
use crate::store::history::{self, History, Oldest};
use crate::store::links::{self, Catalogue};
use crate::store::plan::{Bytes, Plan, Write, plan};
use crate::store::{Batch, CommitError, Revision, StoreError, key, versions};

pub use alone::apply_in_pieces;
pub use group::Newer;
use group::{Group, Planned, may_fit};
pub use request::{Reply, Request};
use stretches::Stretches;

use super::engine::{Engine, EngineBatch};
use super::head::Head;
use super::journal::Entry;
use super::sidecar::Sidecar;
use super::wal::Wal;
use super::{Overlay, Shared, files, indexing};

/// Why a store that was closed refuses.
pub const CLOSED: &str = "it was closed";

/// A batch of so many changes does not go with others: it goes through the journal.
pub const LARGE: usize = 400;
/// The most batches that share one sync.
const GROUP: usize = 256;
/// When so many batches shared the last sync, others are about to come: a sync costs as much for one as for all.
const SIBLINGS: usize = 5;
/// How long they are waited for at a time. Not on the queue, where each of them would wake this thread.
const GATHER: Duration = Duration::from_micros(500);
/// How many times at most, and how many times without another one coming.
const GATHERS: usize = 6;
const IN_VAIN: usize = 2;
/// Revisions between two sidecars.
const CHECKPOINT: u64 = 1024;
/// So many writes are taken over by the engine at once, unless the log is full before.
pub const FILL: usize = 4096;
/// How long to wait for requests before the engine takes over what there is.
const PAUSE: Duration = Duration::from_millis(100);
/// How long to wait for requests before looking for what of the past is due.
const IDLE: Duration = Duration::from_secs(5);

pub struct Committer {
    shared: Arc<Shared>,
    engine: Arc<Engine>,
    wal: Wal,
    /// How many writes the log holds that the engine does not have.
    unfilled: usize,
    lock: File,
    head: Head,
    checkpoint: Revision,
    links: Catalogue,
    stretches: Stretches,
    /// How many entities the next step of building the index tries.
    step: usize,
    history: Option<History>,
    clock: Arc<dyn Clock>,
    /// The oldest part of the past, once it was looked for.
    oldest: Option<Oldest>,
    /// How many batches shared the last sync, or came meanwhile.
    siblings: usize,
}

impl Committer {
    pub fn new(
        shared: Arc<Shared>,
        engine: Arc<Engine>,
        wal: Wal,
        lock: File,
        store_id: String,
        history: Option<History>,
        clock: Arc<dyn Clock>,
    ) -> Self {
        let (revision, counts, past, links) = {
            let state = shared.state.read();
            (state.head, state.counts, state.past, Catalogue::clone(&state.links))
        };
        let head = Head { store_id, revision, counts, indexed: true, past };
        let step = indexing::FIRST;
        Self {
            shared,
            engine,
            wal,
            unfilled: 0,
            lock,
            head,
            checkpoint: revision,
            links,
            stretches: Stretches::default(),
            step,
            history,
            clock,
            oldest: None,
            siblings: 0,
        }
    }

    /// Serves requests until one closes the store or all senders are gone.
    pub fn run(mut self, inbox: &Receiver<Request>) {
        while let Some(first) = self.next(inbox) {
            self.gather();
            let mut group = Group::default();
            let waiting = std::iter::once(first).chain(inbox.try_iter().take(GROUP - 1));
            for request in waiting {
                match request {
                    Request::Commit { batch, reply } => {
                        // Nobody waits for the planning of a batch that cannot go with the others.
                        if !may_fit(&batch) {
                            self.finish(std::mem::take(&mut group));
                            self.settle();
                        }
                        match self.plan(&group, batch) {
                            Err(refused) => reply.answer(Err(refused)),
                            Ok(plan) if plan.fits() => {
                                self.add(&mut group, plan, reply);
                                if group.is_full() {
                                    self.finish(std::mem::take(&mut group));
                                }
                            }
                            Ok(plan) => {
                                self.finish(std::mem::take(&mut group));
                                self.settle();
                                self.commit_alone(plan, reply);
                            }
                        }
                    }
                    Request::KeepLinks { links, reply } => {
                        self.finish(std::mem::take(&mut group));
                        self.settle();
                        let result = self.keep_links(&links);
                        // As with commits.
                        let _ = reply.send(result);
                    }
                    Request::Close { reply } => {
                        self.finish(group);
                        self.settle();
                        let result = self.close();
                        // Nobody is left to tell when this fails.
                        let _ = reply.send(result);
                        return;
                    }
                }
            }
            self.finish(group);
        }
        self.settle();
        if let Err(error) = self.close() {
            tracing::error!(%error, "the store was not closed cleanly");
        }
    }

    /// Waits for the writers of the last group, as long as more of them come: else those that came a moment too late
    /// would be a group of their own from then on, and each of two groups pays for its sync.
    fn gather(&self) {
        if self.siblings < SIBLINGS {
            return;
        }
        let (mut came, mut in_vain) = (self.waiting(), 0);
        for _ in 0..GATHERS {
            if came >= self.siblings || in_vain == IN_VAIN {
                return;
            }
            std::thread::sleep(GATHER);
            let now = self.waiting();
            in_vain = if now > came { 0 } else { in_vain + 1 };
            came = now;
        }
    }

    /// Batches that nobody has answered yet.
    fn waiting(&self) -> usize {
        usize::try_from(self.shared.meter.waiting.get()).unwrap_or_default()
    }

    /// The next request. Until it comes the index is built, and a little before each: writers must not keep it from
    /// being built.
    fn next(&mut self, inbox: &Receiver<Request>) -> Option<Request> {
        if !self.links.is_complete() {
            self.settle();
        }
        while !self.links.is_complete() && self.stopped().is_none() {
            // What went wrong is said by `or_stop`, and by every commit from now on.
            let _ = self.or_stop(Self::build);
            match inbox.try_recv() {
                Ok(request) => return Some(request),
                Err(TryRecvError::Disconnected) => return None,
                Err(TryRecvError::Empty) => {}
            }
        }
        loop {
            match inbox.recv_timeout(if self.unfilled > 0 { PAUSE } else { IDLE }) {
                Ok(request) => return Some(request),
                Err(RecvTimeoutError::Timeout) if self.unfilled > 0 => self.settle(),
                Err(RecvTimeoutError::Timeout) => self.tidy(),
                Err(RecvTimeoutError::Disconnected) => return None,
            }
        }
    }

    fn keep_links(&mut self, links: &BTreeSet<Link>) -> Result<(), StoreError> {
        if let Some(stopped) = self.stopped() {
            return Err(stopped);
        }
        if !self.links.add(links) {
            return Ok(());
        }
        let empty = self.head.counts.entities + self.head.counts.tombstones == 0;
        self.or_stop(|this| {
            let mut batch = EngineBatch::default();
            batch.set(&links::KEY.into(), Some(&this.links.encode(this.head.revision)));
            this.engine.apply(batch)?;
            // Nothing has to be read, so that whoever fills the store next finds all built.
            while empty && !this.links.is_complete() {
                this.build()?;
            }
            this.engine.sync()
        })
        .map_err(StoreError::Stopped)
    }

    /// Builds the index a little further, and shows what is complete.
    fn build(&mut self) -> Result<(), StoreError> {
        let Self { engine, links, head, shared, step, stretches, .. } = self;
        stretches.forget();
        if let Some(further) = indexing::build(engine, links, head.revision, &shared.place, step)? {
            self.links = further;
            if self.links.unbuilt().is_none() {
                self.engine.sync()?;
                tracing::info!(dir = self.shared.place, "the index of the store is built");
            }
            self.shared.state.write().links = Arc::new(self.links.clone());
        }
        Ok(())
    }

    fn stopped(&self) -> Option<StoreError> {
        let why = self.shared.state.read().stopped.clone();
        why.map(StoreError::Stopped)
    }

    fn stop(&self, why: String) {
        tracing::error!(dir = self.shared.place, why, "the store stops");
        self.shared.state.write().stopped = Some(why);
    }

    /// Plans `batch` after what the group holds already.
    fn plan(&mut self, group: &Group, batch: Batch) -> Result<Planned, CommitError> {
        if let Some(stopped) = self.stopped() {
            return Err(stopped.into());
        }
        let next = Revision(self.head.revision.0 + 1);
        // A large batch is usually an import, and most of its keys fall between two stored ones, or beyond all of
        // them: after a miss, find the next stored key and skip the lookups below it. Keys come in order, and the
        // engine has everything.
        let large = batch.len() >= LARGE;
        let mut next_stored: Option<Option<Vec<u8>>> = None;
        let state = self.shared.state.read();
        let newer = Newer { group: &group.writes, visible: &state.overlay };
        let planned = plan(batch, next, self.head.counts, &self.shared.place, |key| {
            if let Some(value) = newer.get(key) {
                return Ok(value.clone());
            }
            match &next_stored {
                Some(None) => return Ok(None),
                Some(Some(stored)) if key < stored.as_slice() => return Ok(None),
                _ => {}
            }
            let value = self.engine.get(key)?;
            if large && value.is_none() {
                next_stored = Some(self.engine.key_from(key)?);
            }
            Ok(value.map(|value| value.as_ref().into()))
        })?;
        let Plan { mut writes, counts } = planned;
        let stretches = &mut self.stretches;
        let index = links::follow(&self.links, &writes, next, &self.shared.place, |from| {
            if let Some(key) = stretches.first(from)
                && let Some(value) = indexing::get(&self.engine, key, &newer)?
            {
                let known = Some((Bytes::clone(key), value));
                #[cfg(debug_assertions)]
                assert_eq!(known, indexing::next(&self.engine, from, &newer)?, "what is known of the index is wrong");
                return Ok(known);
            }
            let found = indexing::next(&self.engine, from, &newer)?;
            if let Some((key, _)) = found.as_ref().filter(|(key, _)| !large && key.starts_with(links::KEY)) {
                stretches.learn(from, key);
            }
            Ok(found)
        })?;
        let came_or_went = index.iter().filter(|write| write.old.is_none() || write.new.is_none());
        came_or_went.for_each(|write| stretches.changed(&write.key));
        if !index.is_empty() {
            writes.extend(index);
            writes.sort_by(|a, b| a.key.cmp(&b.key));
        }
        let (past, now, place) = (self.head.past, self.clock.now(), &self.shared.place);
        let remembered = history::remember(&mut writes, past, self.history, now, next, place)?;
        Ok(Planned { writes, remembered, revision: next, counts })
    }

    fn add(&mut self, group: &mut Group, plan: Planned, reply: Reply) {
        if !plan.writes.is_empty() {
            self.head = plan.after(&self.head);
            group.take(plan);
        }
        group.answers.push((reply, self.head.revision));
    }

    /// Makes a group durable, then visible, then answers.
    fn finish(&mut self, group: Group) {
        let Group { writes, replaced, commits, answers, .. } = group;
        if answers.is_empty() {
            return;
        }
        self.shared.meter.group.observe(answers.len() as f64);
        let done = self.or_stop(|this| this.log(writes, &replaced, &commits));
        self.siblings = self.waiting();
        for (reply, revision) in answers {
            let why = |why: &String| CommitError::Store(StoreError::Stopped(why.clone()));
            reply.answer(done.as_ref().map(|()| revision).map_err(why));
        }
        if self.unfilled >= FILL || self.wal.is_full() {
            self.settle();
        }
    }

    /// Writes a group to the log and makes it visible.
    fn log(
        &mut self,
        mut writes: Overlay,
        replaced: &[Bytes],
        commits: &[(Revision, Vec<Uid>)],
    ) -> Result<(), StoreError> {
        let (Some((first, _)), Some((last, _))) = (commits.first(), commits.last()) else {
            return Ok(());
        };
        let dates = history::dated(self.head.past, self.head.revision, replaced);
        self.head.past.records += dates.len() as u64;
        let added = replaced.len() + dates.len();
        writes.extend(dates.into_iter().map(|(key, value)| (key, Some(value))));
        self.expire_beside(&mut writes, added as u64)?;
        let head = (Bytes::from(key::HEAD), self.head.encode());
        let entries = writes.iter().map(|(key, value)| (key, value.as_ref()));
        let started = Instant::now();
        self.wal.append((*first, *last), entries.chain(std::iter::once((&head.0, Some(&head.1)))))?;
        self.shared.meter.flush_seconds.observe(started.elapsed().as_secs_f64());
        self.unfilled += writes.len();
        self.publish(commits, |overlay| overlay.extend(writes));
        Ok(())
    }

    /// Has the engine take over what the log holds, so that both can be written. What goes wrong stops the store: it is
    /// said by `or_stop`, and by every commit from now on.
    fn settle(&mut self) {
        if self.unfilled > 0 && self.stopped().is_none() {
            let _ = self.or_stop(Self::fill);
        }
    }

    fn fill(&mut self) -> Result<(), StoreError> {
        let writes: Vec<Entry> = {
            let state = self.shared.state.read();
            versions::packed(state.overlay.iter(), &self.shared.place)?
        };
        self.engine.insert(&writes)?;
        self.engine.insert(&[(key::HEAD.into(), Some(self.head.encode()))])?;
        self.unfilled = 0;
        let filled = std::mem::take(&mut self.shared.state.write().overlay);
        drop(filled);
        self.engine.sync()?;
        self.wal.restart()?;
        self.checkpoint(CHECKPOINT)
    }

    /// Makes what is durable visible.
    fn publish(&self, commits: &[(Revision, Vec<Uid>)], show: impl FnOnce(&mut Overlay)) {
        let mut state = self.shared.state.write();
        for (revision, uids) in commits {
            for observer in &state.observers {
                observer(*revision, uids);
            }
        }
        show(&mut state.overlay);
        state.head = self.head.revision;
        state.counts = self.head.counts;
        state.past = self.head.past;
    }

    /// Writes the sidecar when the last one is `due` revisions old.
    fn checkpoint(&mut self, due: u64) -> Result<(), StoreError> {
        if self.head.revision.0.saturating_sub(self.checkpoint.0) < due {
            return Ok(());
        }
        self.checkpoint = self.head.revision;
        Sidecar::new(&self.head, false).write(&self.shared.dir)
    }

    /// Runs a step whose failure leaves the disk unknown: the store then stops, and says why.
    fn or_stop(&mut self, step: impl FnOnce(&mut Self) -> Result<(), StoreError>) -> Result<(), String> {
        let why = match catch_unwind(AssertUnwindSafe(|| step(self))) {
            Ok(Ok(())) => return Ok(()),
            Ok(Err(error)) => error.to_string(),
            Err(_) => "the writing thread panicked".to_owned(),
        };
        self.stop(why.clone());
        Err(why)
    }

    fn close(self) -> Result<(), StoreError> {
        let Self { shared, engine, lock, head, .. } = self;
        let mut state = shared.state.write();
        let stopped = state.stopped.replace(CLOSED.to_owned());
        drop(state.engine.take());
        drop(state);
        let clean = match stopped {
            Some(why) => Err(StoreError::Stopped(why)),
            None => engine.sync(),
        };
        let released = match Arc::try_unwrap(engine) {
            Ok(engine) => engine.close(),
            Err(_) => Err(StoreError::Stopped("something still holds the engine".to_owned())),
        };
        clean?;
        released?;
        Sidecar::new(&head, true).write(&shared.dir)?;
        // Closing would do, but for a child process that is just being started and still has the handle.
        lock.unlock().map_err(files::at("unlock", &shared.dir))
    }
}

fn uids(writes: &[Write]) -> Vec<Uid> {
    writes.iter().filter_map(|write| key::uid(&write.key)).collect()
}
