//! Batches too large to go with others, as imports are: through the journal, past the log.

use crate::store::history;
use crate::store::plan::{Bytes, Write};
use crate::store::sled::Overlay;
use crate::store::sled::engine::{BATCH_BYTES, Engine};
use crate::store::sled::journal::{self, Entry, Unwritten};
use crate::store::{CommitError, Revision, StoreError, key};

use super::group::Planned;
use super::{Committer, Reply, uids};

impl Committer {
    /// Commits a batch that is too large to go with others.
    pub(super) fn commit_alone(&mut self, plan: Planned, reply: Reply) {
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
            // Readers go on to see what was there.
            let old = writes.iter().map(|write| (Bytes::clone(&write.key), write.old.clone())).collect();
            this.shared.state.write().overlay = old;
            let mut entries = writes.into_iter().map(|write| (write.key, write.new)).chain(std::iter::once(last));
            apply_in_pieces(&this.engine, || Ok(entries.next()))?;
            journal::remove(&this.shared.dir, revision)?;
            // Freeing a million old values takes a while: not under the lock.
            let mut old = Overlay::new();
            this.publish(&[commit], |overlay| std::mem::swap(overlay, &mut old));
            this.checkpoint(1)
        });
        done.map(|()| revision).map_err(|why| StoreError::Stopped(why).into())
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
            engine.insert_unordered(&std::mem::take(&mut piece))?;
            engine.sync()?;
        }
        bytes += key.len() + value.as_ref().map_or(0, |value| value.len());
        piece.push((key, value));
        if bytes >= BATCH_BYTES {
            engine.insert_unordered(&std::mem::take(&mut piece))?;
            bytes = 0;
        }
    }
    engine.insert_unordered(&piece)?;
    engine.sync()
}
