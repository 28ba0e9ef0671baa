//! What is asked of the thread that writes, and who waits for it.

use std::collections::BTreeSet;
use std::sync::Arc;
use std::sync::mpsc::SyncSender;
use std::time::Instant;

use crate::entity::Link;
use crate::store::sled::Shared;
use crate::store::{Batch, CommitError, Done, Revision, StoreError};

/// Who waits for a batch, and since when.
pub struct Reply {
    done: Option<Done>,
    shared: Arc<Shared>,
    since: Instant,
}

impl Reply {
    pub fn new(done: Done, shared: Arc<Shared>) -> Self {
        shared.meter.waiting.inc();
        Self { done: Some(done), shared, since: Instant::now() }
    }

    pub(super) fn answer(mut self, result: Result<Revision, CommitError>) {
        if let Some(done) = self.done.take() {
            done(result);
        }
    }
}

impl Drop for Reply {
    fn drop(&mut self) {
        self.shared.meter.waiting.dec();
        self.shared.meter.commit_seconds.observe(self.since.elapsed().as_secs_f64());
    }
}

pub enum Request {
    Commit { batch: Batch, reply: Reply },
    KeepLinks { links: BTreeSet<Link>, reply: SyncSender<Result<(), StoreError>> },
    Close { reply: SyncSender<Result<(), StoreError>> },
}
