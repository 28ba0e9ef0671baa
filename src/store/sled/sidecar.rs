//! The file `STORE`: what the folder must hold, kept apart from the engine so that it notices the engine's losses.
//!
//! An engine that lost its log starts empty and says nothing. The sidecar remembers which store this is and a head
//! revision that was durable; a folder that has less is refused.

use std::fs::{self, File};
use std::io::{self, Write as _};
use std::path::Path;

use serde::{Deserialize, Serialize};

use crate::store::plan::Counts;
use crate::store::{Revision, StoreError};

use super::files;
use super::head::Head;

const NAME: &str = "STORE";

/// The newest folder format this version reads and writes. Since 2 a folder has a write-ahead log, which a version that
/// does not know of it would pass over.
pub const FORMAT: u32 = 2;

#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Sidecar {
    pub format: u32,
    /// The version that wrote this file, to name it when it is newer than ours.
    pub written_by: String,
    pub store_id: String,
    pub head: u64,
    pub entities: u64,
    pub tombstones: u64,
    /// Closed in good order: the head is exactly this one.
    pub clean: bool,
}

/// The part of every format that never changes.
#[derive(Deserialize)]
struct Preamble {
    format: u32,
    #[serde(default)]
    written_by: String,
}

/// What stands where the sidecar should be.
pub enum Found {
    Nothing,
    Unreadable(String),
    Sidecar(Sidecar),
}

impl Sidecar {
    pub fn new(head: &Head, clean: bool) -> Self {
        Self {
            format: FORMAT,
            written_by: concat!("hubwarden ", env!("CARGO_PKG_VERSION")).to_owned(),
            store_id: head.store_id.clone(),
            head: head.revision.0,
            entities: head.counts.entities,
            tombstones: head.counts.tombstones,
            clean,
        }
    }

    /// Whether the folder must have a write-ahead log.
    pub fn has_wal(&self) -> bool {
        self.format >= 2
    }

    pub fn revision(&self) -> Revision {
        Revision(self.head)
    }

    pub fn counts(&self) -> Counts {
        Counts { entities: self.entities, tombstones: self.tombstones }
    }

    /// Replaces the file, durably.
    pub fn write(&self, dir: &Path) -> Result<(), StoreError> {
        let (path, next) = (dir.join(NAME), dir.join("STORE.new"));
        let write = || -> io::Result<()> {
            let mut text = serde_json::to_vec_pretty(self)?;
            text.push(b'\n');
            let mut file = File::create(&next)?;
            file.write_all(&text)?;
            file.sync_all()?;
            fs::rename(&next, &path)
        };
        write().map_err(files::at("write", &path))?;
        files::sync(dir)
    }

    /// Reads the file of a folder.
    ///
    /// # Errors
    /// When a newer version wrote it, or the file cannot be read at all.
    pub fn find(dir: &Path) -> Result<Found, StoreError> {
        let path = dir.join(NAME);
        let text = match fs::read(&path) {
            Ok(text) => text,
            Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(Found::Nothing),
            Err(error) => return Err(files::at("read", &path)(error)),
        };
        if let Ok(Preamble { format, written_by }) = serde_json::from_slice(&text)
            && format > FORMAT
        {
            let writer = if written_by.is_empty() { "the version that wrote it" } else { &written_by };
            return Err(StoreError::Format {
                dir: dir.display().to_string(),
                found: format,
                supported: FORMAT,
                advice: format!("start {writer} again, or let it `hubwarden export` and import the file here"),
            });
        }
        Ok(match serde_json::from_slice(&text) {
            Ok(sidecar) => Found::Sidecar(sidecar),
            Err(error) => Found::Unreadable(error.to_string()),
        })
    }

    pub fn remove(dir: &Path) -> Result<(), StoreError> {
        files::remove(&dir.join(NAME))?;
        files::sync(dir)
    }
}
