//! The end of the past: what of it is due goes along with what is written, a little at a time.

use super::Committer;
use super::group::SEAL_BYTES;
use crate::store::history::{self, Oldest};
use crate::store::plan::Bytes;
use crate::store::sled::engine::EngineBatch;
use crate::store::{StoreError, key};

/// Records of the past that may go with a group, beside as many as it added.
const EXPIRE: u64 = 200;
/// The same while nobody wants to write.
const TIDY: u64 = 2_000;

impl Committer {
    /// Removes what of the past is due, beside a group that added so many records to it.
    pub(super) fn expire_beside(&mut self, added: u64) -> Result<(), StoreError> {
        self.expire(EXPIRE + 2 * added)
    }

    /// Removes what of the past is due, about so many records of it. It goes for good with the next sync.
    fn expire(&mut self, most: u64) -> Result<(), StoreError> {
        let Some(history) = self.history else {
            return Ok(());
        };
        let is_due = |oldest: &Oldest, this: &Self| oldest.is_due(this.head.past, history, this.clock.now());
        let mut batch = EngineBatch::default();
        let (mut gone, mut last) = (0, None);
        while gone < most && self.oldest.as_ref().is_none_or(|oldest| is_due(oldest, self)) {
            let (engine, place) = (&self.engine, &self.shared.place);
            let found = history::oldest(self.head.past, place, last.as_ref(), |from, visit| engine.scan(from, visit))?;
            let Some((oldest, expired)) = found else {
                // What comes next is looked for when it is there.
                self.oldest = None;
                break;
            };
            self.oldest = Some(oldest);
            if !is_due(&oldest, self) {
                break;
            }
            if last.is_some() && !batch.has_room(expired.keys.len() + 1, SEAL_BYTES) {
                self.apply_with_head(std::mem::take(&mut batch))?;
            }
            self.head.past = expired.past;
            // Waits for those who read below the new floor.
            self.shared.state.write().past = expired.past;
            gone += expired.keys.len() as u64;
            expired.keys.iter().for_each(|key| batch.set(key, None));
            last = expired.keys.into_iter().next_back();
            self.oldest = None;
        }
        if last.is_some() { self.apply_with_head(batch) } else { Ok(()) }
    }

    fn apply_with_head(&self, mut batch: EngineBatch) -> Result<(), StoreError> {
        batch.set(&Bytes::from(key::HEAD), Some(&self.head.encode()));
        self.engine.apply(batch)
    }

    /// Removes what of the past is due while nobody wants to write.
    pub(super) fn tidy(&mut self) {
        if self.history.is_none() || self.stopped().is_some() {
            return;
        }
        // A failure stops the store, and says so.
        let _ = self.or_stop(|this| {
            let before = this.head.past.records;
            this.expire(TIDY)?;
            if this.head.past.records == before { Ok(()) } else { this.engine.sync() }
        });
    }
}
