//! The one file that names sled's types.
//!
//! What sled 0.34.7 needs to be trusted with, each point with a test beside it:
//! - `flush` ends in `sync_file_range`, which does not survive power loss: [`Engine::sync`] syncs the file itself.
//! - A page above a quarter of a segment goes to a file of its own, which is written without a sync and removed before
//!   its successor is durable. [`SEGMENT`] is so large that no page of allowed records gets there.
//! - A batch holds a process-wide lock: at most [`BATCH_OPS`] ops at once, and none for what our own log holds.
//! - Each flush wakes all of the engine's threads: what writers bring is taken over when it is much, not at every commit.
//! - Damage may panic instead of returning: every call is guarded.
//!
//! Never use `flush_async`, `watch_prefix`, `drop_tree`, transactions, or a second tree.

use std::fs::{self, File};
use std::ops::ControlFlow;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use ::sled::{Config, Db, Error, IVec};

use crate::store::StoreError;
use crate::store::plan::Bytes;
use crate::store::view::Visit;

use super::files;
use super::journal::Entry;

/// The most ops the engine applies at once, which takes it some three milliseconds.
pub const BATCH_OPS: usize = 400;

/// A leaf holds up to 16 records, and a few more while it waits to be split: 20 of 64 KiB stay below a quarter of this.
const SEGMENT: usize = 8 * 1024 * 1024;

/// The most bytes the engine applies at once.
pub const BATCH_BYTES: usize = 1024 * 1024;

/// How many bytes may be applied before they are synced. The log grows by up to three times as much, and must not
/// outgrow a segment: once the content of an old segment was rewritten, and the log went on for a segment or two, the
/// engine writes over the old one, and the rewritten copy must be durable by then.
const SYNC_BYTES: usize = 2 * 1024 * 1024;

/// How long to wait for the engine's background threads to let go of their file.
const RELEASE_TRIES: u32 = 5_000;

/// A stored value, where it is.
pub enum Value {
    Engine(IVec),
    Overlay(Bytes),
}

impl AsRef<[u8]> for Value {
    fn as_ref(&self) -> &[u8] {
        match self {
            Self::Engine(bytes) => bytes,
            Self::Overlay(bytes) => bytes,
        }
    }
}

/// Changes that the engine applies at once.
#[derive(Default)]
pub struct EngineBatch {
    changes: ::sled::Batch,
    bytes: usize,
}

impl EngineBatch {
    pub fn set(&mut self, key: &Bytes, value: Option<&Bytes>) {
        self.bytes += key.len() + value.map_or(0, |value| value.len());
        match value {
            Some(value) => self.changes.insert(&**key, &**value),
            None => self.changes.remove(&**key),
        }
    }
}

/// An open sled database.
pub struct Engine {
    db: Db,
    file: File,
    dir: PathBuf,
    unsynced: AtomicUsize,
}

impl Engine {
    /// Opens or creates the engine's files in `dir`. The caller decides whether creating is right.
    pub fn open(dir: &Path, cache_capacity: u64) -> Result<Self, StoreError> {
        let db = guarded(dir, || Config::new().path(dir).cache_capacity(cache_capacity).segment_size(SEGMENT).open())?;
        let path = dir.join("db");
        let file = File::open(&path).map_err(files::at("open", &path))?;
        let engine = Self { db, file, dir: dir.to_owned(), unsynced: AtomicUsize::new(0) };
        // Opening may create any of these and writes a snapshot.
        for name in files::names(dir)? {
            files::sync(&dir.join(name))?;
        }
        files::sync(dir)?;
        Ok(engine)
    }

    pub fn get(&self, key: &[u8]) -> Result<Option<Value>, StoreError> {
        Ok(guarded(&self.dir, || self.db.get(key))?.map(Value::Engine))
    }

    /// The first key from `from` on.
    pub fn key_from(&self, from: &[u8]) -> Result<Option<Vec<u8>>, StoreError> {
        let mut found = None;
        self.scan(from, &mut |key, _| {
            found = Some(key.to_vec());
            Ok(ControlFlow::Break(()))
        })?;
        Ok(found)
    }

    /// Visits keys from `from` on, in byte order, until `visit` breaks.
    pub fn scan(&self, from: &[u8], visit: &mut Visit<'_>) -> Result<(), StoreError> {
        let mut pairs = self.db.range(from..);
        while let Some((key, value)) = guarded(&self.dir, || pairs.next().transpose())? {
            if let ControlFlow::Break(()) = visit(&key, &value)? {
                break;
            }
        }
        Ok(())
    }

    /// Applies a batch whole or not at all. It is durable after the next [`Engine::sync`].
    pub fn apply(&self, batch: EngineBatch) -> Result<(), StoreError> {
        guarded(&self.dir, || self.db.apply_batch(batch.changes))?;
        self.applied(batch.bytes)
    }

    /// Makes changes one after the other, not at once: for those that a crash in between lets be made again, from the log
    /// or a journal. They are durable after the next [`Engine::sync`], and none of them without those before it.
    pub fn insert(&self, entries: &[Entry]) -> Result<(), StoreError> {
        for entry in entries {
            self.insert_part(std::slice::from_ref(entry))?;
            self.applied(size(entry))?;
        }
        Ok(())
    }

    /// As [`Engine::insert`], of different keys on all cores, in no order.
    pub fn insert_unordered(&self, entries: &[Entry]) -> Result<(), StoreError> {
        let cores = std::thread::available_parallelism().map_or(1, usize::from);
        std::thread::scope(|scope| {
            let parts = entries.chunks(entries.len().div_ceil(cores).max(1));
            let running: Vec<_> = parts.map(|part| scope.spawn(move || self.insert_part(part))).collect();
            let gave_up = || Err(StoreError::Stopped("a writing thread gave up".to_owned()));
            running.into_iter().try_for_each(|part| part.join().unwrap_or_else(|_| gave_up()))
        })?;
        self.applied(entries.iter().map(size).sum())
    }

    fn insert_part(&self, entries: &[Entry]) -> Result<(), StoreError> {
        guarded(&self.dir, || {
            for (key, value) in entries {
                match value {
                    Some(value) => self.db.insert(&**key, &**value)?,
                    None => self.db.remove(&**key)?,
                };
            }
            Ok(())
        })
    }

    /// Counts what was applied, and syncs when it is time.
    fn applied(&self, bytes: usize) -> Result<(), StoreError> {
        if self.unsynced.fetch_add(bytes, Ordering::Relaxed) + bytes >= SYNC_BYTES {
            self.sync()?;
        }
        Ok(())
    }

    /// Makes everything that was applied survive power loss.
    pub fn sync(&self) -> Result<(), StoreError> {
        guarded(&self.dir, || self.db.flush())?;
        self.file.sync_all().map_err(files::at("sync", &self.dir))?;
        self.unsynced.store(0, Ordering::Relaxed);
        Ok(())
    }

    /// The size of the engine's files in bytes.
    pub fn size(&self) -> u64 {
        self.file.metadata().map_or(0, |data| data.len())
    }

    /// Lets go of the files. When it returns, they can be opened again.
    pub fn close(self) -> Result<(), StoreError> {
        let Self { db, file, dir, .. } = self;
        guarded(&dir, || {
            drop(db);
            Ok(())
        })?;
        // Its background threads may hold on to the file, and so to its lock, for a moment longer.
        for _ in 0..RELEASE_TRIES {
            if file.try_lock().is_ok() {
                // Closing would do, but for a child process that is just being started and still has the handle.
                return file.unlock().map_err(files::at("unlock", &dir));
            }
            std::thread::sleep(Duration::from_millis(1));
        }
        Ok(())
    }
}

fn size((key, value): &Entry) -> usize {
    key.len() + value.as_ref().map_or(0, |value| value.len())
}

/// Whether the engine has data in `dir`.
pub fn has_data(dir: &Path) -> bool {
    fs::metadata(dir.join("db")).is_ok_and(|data| data.len() > 0)
}

/// Removes snapshots that a crash left half written: the engine takes them for damage. The log has all they hold.
pub fn remove_torn_snapshots(dir: &Path) -> Result<(), StoreError> {
    for name in files::names(dir)? {
        if name.starts_with("snap.") && name.ends_with(".generating") {
            tracing::warn!(dir = %dir.display(), name, "removing a half-written snapshot");
            files::remove(&dir.join(name))?;
        }
    }
    Ok(())
}

/// Calls the engine and turns its errors and panics into ours.
fn guarded<T>(dir: &Path, call: impl FnOnce() -> Result<T, Error>) -> Result<T, StoreError> {
    let place = || dir.parent().unwrap_or(dir).display().to_string();
    let damaged = |what: String| StoreError::Damaged {
        dir: place(),
        what,
        advice: "stop the server and restore the last backup".to_owned(),
    };
    match catch_unwind(AssertUnwindSafe(call)) {
        Ok(Ok(value)) => Ok(value),
        Ok(Err(Error::Io(error))) if error.to_string().contains("could not acquire lock") => {
            Err(StoreError::Locked { dir: place() })
        }
        Ok(Err(Error::Io(error))) => Err(files::fault(format!("the engine cannot use {}", dir.display()), error)),
        Ok(Err(error)) => Err(damaged(format!("the engine cannot read its files ({error})"))),
        Err(_) => Err(damaged("the engine gave up on its files".to_owned())),
    }
}
