//! Opening a store's folder, and refusing to when it holds less than it should.
//!
//! The rule behind every guard: an empty store is not safe. Policies that forbid by what is stored stop matching when
//! it is gone, so a loss can widen access. A store is created only where nothing was, and a folder that lost its data,
//! its head or its identity is refused until someone who knows says that the loss is accepted.

use std::fs::{self, File, TryLockError};
use std::path::{Path, PathBuf};

use jiff::Timestamp;

use crate::store::history;
use crate::store::plan::Counts;
use crate::store::{Revision, StoreError, key, random_id};

use super::engine::{self, Engine};
use super::head::Head;
use super::sidecar::{Found, Sidecar};
use super::wal::{self, Wal};
use super::{DataLoss, Overlay, SledOptions, committer, files, journal};

const LOCK: &str = "LOCK";
/// Stands in the folder until a new store is complete: what is beside it then is no store yet.
const CREATING: &str = "CREATING";

/// A folder that passed every guard.
pub struct Opened {
    pub engine: Engine,
    pub head: Head,
    pub wal: Wal,
    /// Released when it is closed.
    pub lock: File,
}

pub fn open(dir: &Path, options: SledOptions, now: Timestamp) -> Result<Opened, StoreError> {
    let place = dir.display().to_string();
    files::create_folder(dir)?;
    let names = files::names(dir)?;
    let has = |name: &str| names.iter().any(|other| other == name);
    // Before anything is written, even the lock: this may be someone's home folder.
    if !names.is_empty() && !["STORE", CREATING, LOCK].into_iter().any(has) && !has("sled") {
        return Err(damaged(&place, "it holds files that are no store's", "name an empty folder"));
    }
    let lock = lock(dir)?;
    let guard = Guard { dir, place, options, now };
    match Sidecar::find(dir)? {
        Found::Sidecar(sidecar) => guard.reopen(Some(sidecar), lock),
        Found::Unreadable(why) => {
            guard.accepts(format!("its file STORE cannot be read, {why}"))?;
            guard.reopen(None, lock)
        }
        Found::Nothing if dir.join(CREATING).exists() => {
            tracing::warn!(dir = guard.place, "a store was half created here: creating it again");
            guard.create(lock)
        }
        Found::Nothing if engine::has_data(&data(dir)) => {
            guard.accepts("it has data but no file STORE".to_owned())?;
            guard.reopen(None, lock)
        }
        Found::Nothing => guard.create(lock),
    }
}

/// Where the engine keeps its files.
pub fn data(dir: &Path) -> PathBuf {
    dir.join("sled")
}

/// The error for counts that do not match the records.
pub fn miscounted(place: &str, expected: Counts, found: Counts) -> StoreError {
    let what = format!(
        "it should hold {} entities and {} tombstones and holds {} and {}",
        expected.entities, expected.tombstones, found.entities, found.tombstones
    );
    damaged(place, what, "restore the last backup")
}

fn damaged(place: &str, what: impl Into<String>, advice: &str) -> StoreError {
    StoreError::Damaged { dir: place.to_owned(), what: what.into(), advice: advice.to_owned() }
}

fn lock(dir: &Path) -> Result<File, StoreError> {
    let path = dir.join(LOCK);
    let file = File::create(&path).map_err(files::at("create", &path))?;
    match file.try_lock() {
        Ok(()) => Ok(file),
        Err(TryLockError::WouldBlock) => Err(StoreError::Locked { dir: dir.display().to_string() }),
        Err(TryLockError::Error(error)) => Err(files::at("lock", &path)(error)),
    }
}

struct Guard<'d> {
    dir: &'d Path,
    place: String,
    options: SledOptions,
    now: Timestamp,
}

impl Guard<'_> {
    /// Passes when the loss is accepted.
    fn accepts(&self, loss: String) -> Result<(), StoreError> {
        match self.options.data_loss {
            DataLoss::Accept => {
                tracing::warn!(dir = self.place, loss, "opening a damaged store, as accepted");
                Ok(())
            }
            DataLoss::Refuse => Err(damaged(
                &self.place,
                loss,
                "restore the last backup, or open with --accept-data-loss to go on with what is left",
            )),
        }
    }

    fn create(&self, lock: File) -> Result<Opened, StoreError> {
        let marker = self.dir.join(CREATING);
        fs::write(&marker, "").map_err(files::at("create", &marker))?;
        files::sync(self.dir)?;
        let data = data(self.dir);
        files::remove_folder(&data)?;
        files::remove_folder(&journal::folder(self.dir))?;
        files::create_folder(&data)?;
        files::create_folder(&journal::folder(self.dir))?;
        let engine = Engine::open(&data, self.options.cache_capacity)?;
        let (store_id, revision) = (random_id()?, Revision::default());
        let past = history::begun(self.options.history, self.now);
        let head = Head { store_id, revision, counts: Counts::default(), indexed: true, past };
        self.write_head(&engine, &head)?;
        let wal = Wal::create(self.dir, &head.store_id)?;
        Sidecar::new(&head, false).write(self.dir)?;
        files::remove(&marker)?;
        files::sync(self.dir)?;
        tracing::info!(dir = self.place, id = head.store_id, "created a store");
        Ok(Opened { engine, head, wal, lock })
    }

    fn reopen(&self, sidecar: Option<Sidecar>, lock: File) -> Result<Opened, StoreError> {
        let data = data(self.dir);
        if !engine::has_data(&data) {
            self.accepts("its data is gone".to_owned())?;
            Sidecar::remove(self.dir)?;
            return self.create(lock);
        }
        // A crash between writing the sidecar and removing the marker.
        files::remove(&self.dir.join(CREATING))?;
        engine::remove_torn_snapshots(&data)?;
        files::create_folder(&journal::folder(self.dir))?;
        let engine = Engine::open(&data, self.options.cache_capacity)?;
        match self.settle(&engine, sidecar.as_ref()) {
            Ok((head, wal)) => Ok(Opened { engine, head, wal, lock }),
            Err(refused) => {
                // So that whoever accepts the loss can open it at once. The refusal says more than this could.
                let _ = engine.close();
                Err(refused)
            }
        }
    }

    /// Finds out what the data holds, compares it with what it should hold, and writes that down.
    fn settle(&self, engine: &Engine, sidecar: Option<&Sidecar>) -> Result<(Head, Wal), StoreError> {
        let (head, missing) = self.mend(engine, sidecar)?;
        let missing = missing.or_else(|| head.as_ref().and_then(|head| self.loss(head, sidecar)));
        let (head, wal) = match (head, missing) {
            (Some(head), None) => {
                let wal = Wal::open(self.dir, &head.store_id)?;
                (head, wal)
            }
            (_, missing) => {
                let head = self.accept(engine, missing.unwrap_or_else(|| "its head record is gone".to_owned()))?;
                let wal = Wal::create(self.dir, &head.store_id)?;
                (head, wal)
            }
        };
        Sidecar::new(&head, false).write(self.dir)?;
        Ok((head, wal))
    }

    /// Loads the head, after the engine took over what the log holds and a batch that a crash interrupted; and says what
    /// is missing.
    fn mend(&self, engine: &Engine, sidecar: Option<&Sidecar>) -> Result<(Option<Head>, Option<String>), StoreError> {
        let Some(mut head) = Head::load(engine, &self.place)? else {
            return Ok((None, None));
        };
        let missing = match wal::read(self.dir, &head.store_id, head.revision)? {
            Some(wal::Found { frames, gap }) => {
                if gap.is_none() || self.options.data_loss == DataLoss::Accept {
                    head = self.take_over(engine, frames)?.unwrap_or(head);
                }
                gap
            }
            None => sidecar.filter(|sidecar| sidecar.has_wal()).map(|_| "its write-ahead log is gone".to_owned()),
        };
        if let Some(missing) = missing {
            return Ok((Some(head), Some(missing)));
        }
        for mut batch in journal::interrupted(self.dir)? {
            let revision = batch.revision;
            if revision.0 > head.revision.0 + 1 {
                let what = format!("its journal goes on at revision {revision}, its data ends at {}", head.revision);
                return Ok((Some(head), Some(what)));
            } else if revision > head.revision {
                tracing::warn!(dir = self.place, %revision, "finishing an interrupted batch");
                committer::apply_in_pieces(engine, || batch.next())?;
                if let Some(mended) = Head::load(engine, &self.place)? {
                    head = mended;
                }
            }
            batch.remove()?;
        }
        Ok((Some(head), None))
    }

    /// Has the engine take over commits that were only in the log, durably; returns the head that they make.
    fn take_over(&self, engine: &Engine, frames: Vec<wal::Frame>) -> Result<Option<Head>, StoreError> {
        let Some(last) = frames.last().map(|frame| frame.last) else {
            return Ok(None);
        };
        tracing::info!(dir = self.place, %last, "taking over what is only in the log");
        let mut writes: Overlay = frames.into_iter().flat_map(|frame| frame.entries).collect();
        // Last: it says that the others are there.
        let head = writes.remove_entry(key::HEAD);
        let writes: Vec<_> = writes.into_iter().chain(head).collect();
        engine.insert(&writes)?;
        engine.sync()?;
        Head::load(engine, &self.place)
    }

    /// What the data lacks of what the sidecar remembers.
    fn loss(&self, head: &Head, sidecar: Option<&Sidecar>) -> Option<String> {
        let Some(sidecar) = sidecar else {
            return Some("nothing says what it should hold".to_owned());
        };
        let remembered = sidecar.revision();
        if sidecar.store_id != head.store_id {
            return Some(format!("its data is of store {}, its file STORE of {}", head.store_id, sidecar.store_id));
        }
        if head.revision < remembered || (sidecar.clean && head.revision != remembered) {
            return Some(format!("its data ends at revision {}, it was at {remembered}", head.revision));
        }
        if head.revision == remembered && head.counts != sidecar.counts() {
            return Some(miscounted(&self.place, sidecar.counts(), head.counts).to_string());
        }
        None
    }

    /// Goes on with what is left, under a new id: revisions will be given a second time.
    fn accept(&self, engine: &Engine, loss: String) -> Result<Head, StoreError> {
        self.accepts(loss)?;
        // Revisions are given a second time: what is remembered of the first ones must not be taken for theirs.
        let remembered = history::everything(|from, visit| engine.scan(from, visit))?;
        engine.insert(&remembered.into_iter().map(|key| (key, None)).collect::<Vec<_>>())?;
        for batch in journal::interrupted(self.dir)? {
            batch.remove()?;
        }
        let head = Head::rebuild(engine, random_id()?, &self.place)?;
        self.write_head(engine, &head)?;
        Ok(head)
    }

    fn write_head(&self, engine: &Engine, head: &Head) -> Result<(), StoreError> {
        engine.insert(&[(key::HEAD.into(), Some(head.encode()))])?;
        engine.sync()
    }
}
