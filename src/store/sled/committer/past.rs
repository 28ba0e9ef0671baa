//! The end of the past: what of it is due goes along with what is written, a little at a time.

use std::sync::Arc;

use super::Committer;
use super::group::Newer;
use crate::store::history::{self, Oldest};
use crate::store::plan::Bytes;
use crate::store::sled::journal::Entry;
use crate::store::sled::{Overlay, indexing};
use crate::store::{StoreError, key};

/// Records of the past that may go with a group, beside as many as it added.
const EXPIRE: u64 = 200;
/// The same while nobody wants to write.
const TIDY: u64 = 2_000;

impl Committer {
    /// Has writes that add so many records to the past remove what of it is due.
    pub(super) fn expire_beside(&mut self, writes: &mut Overlay, added: u64) -> Result<(), StoreError> {
        self.expire(writes, EXPIRE + 2 * added)
    }

    /// Adds to `writes` what removes what of the past is due, about so many records of it.
    fn expire(&mut self, writes: &mut Overlay, most: u64) -> Result<(), StoreError> {
        let Some(history) = self.history else {
            return Ok(());
        };
        let shared = Arc::clone(&self.shared);
        let state = shared.state.read();
        let is_due = |oldest: &Oldest, this: &Self| oldest.is_due(this.head.past, history, this.clock.now());
        let (mut gone, mut last) = (0, None);
        while gone < most && self.oldest.as_ref().is_none_or(|oldest| is_due(oldest, self)) {
            let newer = Newer { group: writes, visible: &state.overlay };
            let found = history::oldest(self.head.past, &shared.place, last.as_ref(), |from, visit| {
                match indexing::next(&self.engine, from, &newer)? {
                    Some((key, value)) => visit(&key, &value).map(drop),
                    None => Ok(()),
                }
            })?;
            let Some((oldest, expired)) = found else {
                // What comes next is looked for when it is there.
                self.oldest = None;
                break;
            };
            self.oldest = Some(oldest);
            if !is_due(&oldest, self) {
                break;
            }
            self.head.past = expired.past;
            gone += expired.keys.len() as u64;
            last = expired.keys.last().cloned();
            writes.extend(expired.keys.into_iter().map(|key| (key, None)));
            self.oldest = None;
        }
        Ok(())
    }

    /// Removes what of the past is due while nobody wants to write, and the engine has everything.
    pub(super) fn tidy(&mut self) {
        if self.history.is_none() || self.stopped().is_some() {
            return;
        }
        // A failure stops the store, and says so.
        let _ = self.or_stop(|this| {
            let mut writes = Overlay::new();
            this.expire(&mut writes, TIDY)?;
            if writes.is_empty() {
                return Ok(());
            }
            // Waits for those who read below the new floor.
            this.shared.state.write().past = this.head.past;
            let mut writes: Vec<Entry> = writes.into_iter().collect();
            writes.push((Bytes::from(key::HEAD), Some(this.head.encode())));
            this.engine.insert(&writes)?;
            this.engine.sync()
        });
    }
}
