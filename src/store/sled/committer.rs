//! The one thread that writes.
//!
//! Writers queue. The thread takes what is waiting as one group, plans it, lays the old values of all it will touch
//! out for the readers, applies it, syncs it, and only then makes it visible and answers. So the cost of a sync is
//! shared, revisions have no gaps, and nobody reads what a power cut could take back.

mod group;
mod past;
mod request;

use std::collections::BTreeSet;
use std::fs::File;
use std::ops::Bound;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::Arc;
use std::sync::mpsc::{Receiver, RecvTimeoutError, TryRecvError};
use std::time::{Duration, Instant};

use crate::clock::Clock;
use crate::entity::{Link, Uid};
use crate::store::history::{self, History, Oldest};
use crate::store::links::{self, Catalogue};
use crate::store::plan::{Bytes, Plan, Write, plan};
use crate::store::{Batch, CommitError, Revision, StoreError, key};

use group::{Group, Planned, may_fit};
pub use request::{Reply, Request};

use super::engine::{BATCH_BYTES, BATCH_OPS, Engine, EngineBatch};
use super::head::Head;
use super::journal::{self, Entry, Unwritten};
use super::sidecar::Sidecar;
use super::{Shared, files, indexing};

/// Why a store that was closed refuses.
pub const CLOSED: &str = "it was closed";

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
/// How long to wait for requests before looking for what of the past is due.
const IDLE: Duration = Duration::from_secs(5);

pub struct Committer {
    shared: Arc<Shared>,
    engine: Arc<Engine>,
    lock: File,
    head: Head,
    checkpoint: Revision,
    links: Catalogue,
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
            lock,
            head,
            checkpoint: revision,
            links,
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
                        }
                        match self.plan(&group, batch) {
                            Err(refused) => reply.answer(Err(refused)),
                            Ok(plan) if plan.fits() => self.add(&mut group, plan, reply),
                            Ok(plan) => {
                                self.finish(std::mem::take(&mut group));
                                self.commit_alone(plan, reply);
                            }
                        }
                    }
                    Request::KeepLinks { links, reply } => {
                        self.finish(std::mem::take(&mut group));
                        let result = self.keep_links(&links);
                        // As with commits.
                        let _ = reply.send(result);
                    }
                    Request::Close { reply } => {
                        self.finish(group);
                        let result = self.close();
                        // Nobody is left to tell when this fails.
                        let _ = reply.send(result);
                        return;
                    }
                }
            }
            self.finish(group);
        }
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
            match inbox.recv_timeout(IDLE) {
                Ok(request) => return Some(request),
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
        let Self { engine, links, head, shared, step, .. } = self;
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
    fn plan(&self, group: &Group, batch: Batch) -> Result<Planned, CommitError> {
        if let Some(stopped) = self.stopped() {
            return Err(stopped.into());
        }
        let next = Revision(self.head.revision.0 + 1);
        // A large batch is usually an import, and most of its keys fall between two stored ones, or beyond all of
        // them: after a miss, find the next stored key and skip the lookups below it. Keys come in order.
        let large = batch.len() >= BATCH_OPS;
        let mut next_stored: Option<Option<Vec<u8>>> = None;
        let planned = plan(batch, next, self.head.counts, &self.shared.place, |key| {
            if let Some(write) = group.writes.get(key) {
                return Ok(write.new.clone());
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
        let index = links::follow(&self.links, &writes, next, &self.shared.place, |from| {
            let first = group.writes.range::<[u8], _>((Bound::Included(from), Bound::Unbounded));
            let first = first.map(|(_, write)| write).find(|write| write.new.is_some());
            indexing::next(&self.engine, from, |key| group.writes.contains_key(key), first)
        })?;
        if !index.is_empty() {
            writes.extend(index);
            writes.sort_by(|a, b| a.key.cmp(&b.key));
        }
        let (past, now, place) = (self.head.past, self.clock.now(), &self.shared.place);
        let remembered = history::remember(&mut writes, past, self.history, now, next, place)?;
        Ok(Planned { writes, remembered, revision: next, counts })
    }

    fn add(&mut self, group: &mut Group, plan: Planned, reply: Reply) {
        if plan.writes.is_empty() {
            group.answers.push((reply, self.head.revision));
            return;
        }
        self.head = plan.after(&self.head);
        group.answers.push((reply, self.head.revision));
        group.commits.push((self.head.revision, uids(&plan.writes)));
        group.take(plan, &self.head);
    }

    /// Makes a group durable, then visible, then answers.
    fn finish(&mut self, group: Group) {
        let Group { writes, pieces, commits, answers } = group;
        if answers.is_empty() {
            return;
        }
        let added = writes.keys().filter(|key| history::is_of_past(key)).count() as u64;
        self.shared.meter.group.observe(answers.len() as f64);
        let done = if pieces.is_empty() {
            Ok(())
        } else {
            self.or_stop(|this| {
                this.lay_out(writes.into_values().collect());
                let mut dates = 0;
                for piece in pieces {
                    this.engine.apply(piece.sealed(&mut dates))?;
                }
                this.head.past.records += dates;
                this.expire_beside(added)?;
                let started = Instant::now();
                this.engine.sync()?;
                this.shared.meter.flush_seconds.observe(started.elapsed().as_secs_f64());
                this.publish(&commits);
                this.checkpoint(CHECKPOINT)
            })
        };
        self.siblings = self.waiting();
        for (reply, revision) in answers {
            let why = |why: &String| CommitError::Store(StoreError::Stopped(why.clone()));
            reply.answer(done.as_ref().map(|()| revision).map_err(why));
        }
    }

    /// Commits a batch that is too large for one engine batch.
    fn commit_alone(&mut self, plan: Planned, reply: Reply) {
        let result = self.commit_through_journal(plan);
        reply.answer(result);
    }

    fn commit_through_journal(&mut self, plan: Planned) -> Result<Revision, CommitError> {
        // The group that was finished for this one may have failed.
        if let Some(stopped) = self.stopped() {
            return Err(stopped.into());
        }
        let mut next = plan.after(&self.head);
        let Planned { mut writes, remembered, revision, .. } = plan;
        for (key, value) in history::dated(next.past, revision, &remembered.replaced) {
            next.past.records += 1;
            writes.push(Write { key, old: None, new: Some(value) });
        }
        writes.sort_unstable_by(|a, b| a.key.cmp(&b.key));
        let last = (Bytes::from(key::HEAD), Some(next.encode()));
        let entries = || {
            let head = std::iter::once((&last.0, last.1.as_ref()));
            writes.iter().map(|write| (&write.key, write.new.as_ref())).chain(head)
        };
        match journal::write(&self.shared.dir, revision, entries()) {
            Ok(()) => {}
            Err(Unwritten::Nothing(why)) => return Err(why.into()),
            Err(Unwritten::Unsure(why)) => {
                self.stop(why.to_string());
                return Err(why.into());
            }
        }
        // From here on the batch will happen, now or when the store is opened again.
        self.head = next;
        let done = self.or_stop(|this| {
            let commit = (revision, uids(&writes));
            let writes = this.lay_out(writes);
            let mut entries =
                writes.iter().map(|write| (Bytes::clone(&write.key), write.new.clone())).chain(std::iter::once(last));
            apply_in_pieces(&this.engine, || Ok(entries.next()))?;
            journal::remove(&this.shared.dir, revision)?;
            this.publish(&[commit]);
            this.checkpoint(1)
        });
        done.map(|()| revision).map_err(|why| StoreError::Stopped(why).into())
    }

    /// Lets readers see the old values of what is about to change.
    fn lay_out(&self, writes: Vec<Write>) -> Arc<Vec<Write>> {
        let writes = Arc::new(writes);
        self.shared.state.write().pending = Some(Arc::clone(&writes));
        writes
    }

    /// Makes what is durable visible.
    fn publish(&self, commits: &[(Revision, Vec<Uid>)]) {
        let mut state = self.shared.state.write();
        for (revision, uids) in commits {
            for observer in &state.observers {
                observer(*revision, uids);
            }
        }
        let shown = state.pending.take();
        state.head = self.head.revision;
        state.counts = self.head.counts;
        state.past = self.head.past;
        drop(state);
        // Freeing a million old values takes a while: not under the lock.
        drop(shown);
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

/// Applies entries of any number; they are durable when it returns. The head record must come last: it is written
/// after all others are durable, so that a head says that everything up to it is there.
pub fn apply_in_pieces(
    engine: &Engine,
    mut next: impl FnMut() -> Result<Option<Entry>, StoreError>,
) -> Result<(), StoreError> {
    let mut piece: Vec<Entry> = Vec::new();
    let mut bytes = 0;
    while let Some((key, value)) = next()? {
        if *key == *key::HEAD {
            engine.apply_unordered(&std::mem::take(&mut piece))?;
            engine.sync()?;
        }
        bytes += key.len() + value.as_ref().map_or(0, |value| value.len());
        piece.push((key, value));
        if bytes >= BATCH_BYTES {
            engine.apply_unordered(&std::mem::take(&mut piece))?;
            bytes = 0;
        }
    }
    engine.apply_unordered(&piece)?;
    engine.sync()
}

fn uids(writes: &[Write]) -> Vec<Uid> {
    writes.iter().filter_map(|write| key::uid(&write.key)).collect()
}
