//! The end of a log: where the next record goes, and what is found there when a log is opened.
//!
//! A record that a crash left unfinished is cut off: nobody was told of it. Anything else that is not as it was left (a
//! changed line, records that the head knows of and that are gone) is damage. Damage is never written over: the log goes
//! on behind it, in a new segment, or not at all.

use std::fs::{self, File, OpenOptions};
use std::io::{self, Write};
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use jiff::Timestamp;

use super::bodies::Bodies;
use super::chain::{self, Digest};
use super::checkpoint::{self, Head, Purpose};
use super::end::{Found, find};
use super::key_file::AuditKey;
use super::record::Own;
use super::segment::{self, Segment};
use super::settings::{Damaged, Settings};
use crate::clock::{Clock, rfc3339};

/// How often segments are looked at for their age.
const EXPIRY: Duration = Duration::from_secs(3_600);
/// So many bytes of a segment that are on the disk are let go of at once by the system's memory.
const RELEASE: u64 = 4 * 1024 * 1024;
/// The unit in which it does.
const PAGE: u64 = 4096;
/// Bytes that are kept to write lines in.
const LINES: usize = 4 * 1024 * 1024;

/// Why a log cannot go on.
#[derive(Debug)]
pub enum TailError {
    Io(io::Error),
    Damaged(String),
}

impl From<io::Error> for TailError {
    fn from(error: io::Error) -> Self {
        Self::Io(error)
    }
}

/// Whether what was written must be on the disk before it counts.
#[derive(Clone, Copy, PartialEq, Eq)]
pub enum Sync {
    Now,
    Later,
}

/// What a log is written with.
pub struct Place {
    pub dir: PathBuf,
    pub key: AuditKey,
    pub pdp_id: String,
    pub settings: Settings,
    pub clock: Arc<dyn Clock>,
}

/// The open end of a log. The only value that writes segments.
pub struct Tail {
    place: Place,
    file: File,
    path: PathBuf,
    /// Bytes of the segment that are whole records.
    len: u64,
    /// The number of the next record.
    next: u64,
    /// The hash of the last one.
    digest: Digest,
    unsigned: u64,
    unsynced: bool,
    /// A write failed: what is behind `len` must go before the next one.
    torn: bool,
    looked_at_age: Option<Timestamp>,
    /// Bytes of the segment that the system's memory has let go of.
    released: u64,
    /// What was written last.
    lines: Vec<u8>,
}

impl Tail {
    /// Finds the end of the log in a folder, and makes it ready for the next record.
    pub fn open(place: Place) -> Result<Self, TailError> {
        fs::create_dir_all(&place.dir)?;
        if let Some(parent) = place.dir.parent().filter(|parent| !parent.as_os_str().is_empty()) {
            segment::sync(parent)?;
        }
        let (end, found) = find(&place)?;
        let timestamp = place.now();
        let (note, reusable) = match found {
            Found::AllWell => (None, true),
            Found::Torn { bytes } => {
                tracing::warn!(
                    folder = %place.dir.display(), bytes, next = end.next,
                    "the decision log ends with a record that a crash left unfinished; it is cut off"
                );
                (Some(Own::Cut { timestamp, bytes }.body()), true)
            }
            Found::Damage(what) => {
                tracing::error!(folder = %place.dir.display(), %what, "the decision log is damaged");
                if place.settings.damaged == Damaged::Refuse {
                    return Err(TailError::Damaged(what));
                }
                (Some(Own::Damage { timestamp, what: &what }.body()), false)
            }
        };
        let mut tail = match end.segment.filter(|_| reusable) {
            Some(segment) => {
                let file = OpenOptions::new().append(true).open(&segment.path)?;
                file.set_len(end.len)?;
                file.sync_all()?;
                Self::at(place, file, segment.path, end.len, end.next, end.digest)
            }
            None => Self::begin(place, end.next, end.digest)?,
        };
        if let Some(note) = note {
            tail.append(&Bodies::of(&note.map_err(io::Error::from)?), Sync::Now)?;
        }
        tail.expire()?;
        Ok(tail)
    }

    fn at(place: Place, file: File, path: PathBuf, len: u64, next: u64, digest: Digest) -> Self {
        // Whatever was not signed before the last end is signed with the next checkpoint.
        Self {
            place,
            file,
            path,
            len,
            next,
            digest,
            unsigned: 1,
            unsynced: false,
            torn: false,
            looked_at_age: None,
            released: 0,
            lines: Vec::new(),
        }
    }

    fn begin(place: Place, first: u64, previous: Digest) -> Result<Self, TailError> {
        let begun = begin(&place, first, previous)?;
        Ok(Self::at(place, begun.file, begun.path, begun.len, first + 1, begun.digest))
    }

    /// The number of the last record.
    pub fn last(&self) -> u64 {
        self.next - 1
    }

    pub fn dir(&self) -> &std::path::Path {
        &self.place.dir
    }

    /// Appends records, all of them or none that count, and returns their lines.
    ///
    /// # Errors
    /// The disk refused; nothing of it counts.
    pub fn append(&mut self, bodies: &Bodies, sync: Sync) -> io::Result<&[u8]> {
        self.make_room()?;
        self.write(bodies, sync)
    }

    /// Mends what a failed write left, and begins another segment when this one is full.
    fn make_room(&mut self) -> io::Result<()> {
        self.mend()?;
        match self.len >= self.place.settings.segment_bytes {
            true => self.rotate(),
            false => Ok(()),
        }
    }

    fn write(&mut self, bodies: &Bodies, sync: Sync) -> io::Result<&[u8]> {
        let lines = &mut self.lines;
        lines.clear();
        lines.shrink_to(LINES);
        lines.reserve(bodies.bytes() + 128 * bodies.len());
        let (mut digest, mut next) = (self.digest, self.next);
        for body in bodies.iter() {
            digest = chain::seal(&digest, next, body, lines);
            next += 1;
        }
        self.torn = true;
        self.file.write_all(lines)?;
        if sync == Sync::Now {
            self.file.sync_data()?;
        }
        self.torn = false;
        self.unsynced |= sync == Sync::Later;
        self.unsigned += next - self.next;
        self.len += lines.len() as u64;
        (self.digest, self.next) = (digest, next);
        Ok(&self.lines)
    }

    /// Takes away what a failed write left behind.
    fn mend(&mut self) -> io::Result<()> {
        if self.torn {
            self.file.set_len(self.len)?;
            self.file.sync_all()?;
            self.torn = false;
        }
        Ok(())
    }

    /// Makes everything that was appended durable.
    pub fn sync(&mut self) -> io::Result<()> {
        if self.unsynced {
            self.file.sync_data()?;
            self.unsynced = false;
        }
        self.release();
        Ok(())
    }

    /// Lets the system forget what is on the disk. Hardly anybody reads it again, and it would take the place of what
    /// is read; and memory that is used again at once costs less than new one.
    fn release(&mut self) {
        let end = self.len - self.len % PAGE;
        if end.saturating_sub(self.released) < RELEASE {
            return;
        }
        #[cfg(target_os = "linux")]
        {
            use rustix::fs::{Advice, fadvise};
            let length = std::num::NonZeroU64::new(end - self.released);
            // Advice that is not taken changes nothing.
            let _ = fadvise(&self.file, self.released, length, Advice::DontNeed);
        }
        self.released = end;
    }

    /// Records that no checkpoint covers yet.
    pub fn unsigned(&self) -> u64 {
        self.unsigned
    }

    /// Signs the chain as far as it has come, and writes down how far that is.
    pub fn checkpoint(&mut self) -> io::Result<()> {
        // A checkpoint follows what it signs: no first record of a segment comes between.
        self.make_room()?;
        let record = Own::Checkpoint {
            timestamp: self.place.now(),
            covers: self.last(),
            chain: self.digest.to_string(),
            signature: checkpoint::sign(&self.place.key, Purpose::Checkpoint, self.last(), &self.digest),
        };
        self.write(&Bodies::of(&record.body()?), Sync::Now)?;
        self.sync()?;
        Head::new(&self.place.key, self.last(), &self.digest, self.place.now()).write(&self.place.dir)?;
        self.unsigned = 0;
        // Beside the folder: what was put back to an earlier state has another head than the log of the server.
        tracing::debug!(target: "hubwarden::audit", seq = self.last(), hash = %self.digest, "checkpoint");
        self.expire()
    }

    fn rotate(&mut self) -> io::Result<()> {
        self.sync()?;
        let begun = begin(&self.place, self.next, self.digest)?;
        (self.file, self.path, self.len) = (begun.file, begun.path, begun.len);
        (self.next, self.digest) = (self.next + 1, begun.digest);
        (self.looked_at_age, self.released) = (None, 0);
        Ok(())
    }

    /// Removes closed segments that are too old, or too many.
    fn expire(&mut self) -> io::Result<()> {
        let now = self.place.clock.now();
        if self.looked_at_age.is_some_and(|at| now.duration_since(at).unsigned_abs() < EXPIRY) {
            return Ok(());
        }
        self.looked_at_age = Some(now);
        let segments = segment::list(&self.place.dir)?;
        let gone = expired(&segments, &self.place.settings, now);
        let (gone, kept) = segments.split_at(gone);
        let (Some(last), Some(first)) = (gone.last(), kept.first()) else {
            return Ok(());
        };
        let Some(header) = first.header() else {
            return Ok(());
        };
        tracing::info!(through = first.first - 1, segments = gone.len(), last = last.name(), "decision log: removing");
        let record =
            Own::Retention { timestamp: self.place.now(), removed_through: first.first - 1, chain: header.previous };
        self.append(&Bodies::of(&record.body()?), Sync::Now)?;
        for segment in gone {
            fs::remove_file(&segment.path)?;
        }
        segment::sync(&self.place.dir)
    }
}

/// How many of the first segments are to go. The last one, which grows, stays.
fn expired(segments: &[Segment], settings: &Settings, now: Timestamp) -> usize {
    let mut bytes: u64 = segments.iter().map(|segment| segment.bytes).sum();
    let mut gone = 0;
    for (segment, after) in segments.iter().zip(segments.iter().skip(1)) {
        // All of it is older than what begins the next one.
        let old = || {
            let end = after.header().map(|header| header.timestamp);
            let age = end.map(|end| now.duration_since(end));
            settings.max_age.zip(age).is_some_and(|(max, age)| !age.is_negative() && age.unsigned_abs() > max)
        };
        if settings.max_bytes.is_none_or(|max| bytes <= max) && !old() {
            break;
        }
        bytes -= segment.bytes;
        gone += 1;
    }
    gone
}

struct Begun {
    file: File,
    path: PathBuf,
    len: u64,
    digest: Digest,
}

/// Makes a segment with its first record, durably.
fn begin(place: &Place, first: u64, previous: Digest) -> io::Result<Begun> {
    let path = segment::path(&place.dir, first);
    let header = Own::Segment {
        timestamp: place.now(),
        pdp_id: &place.pdp_id,
        previous: previous.to_string(),
        public_key: place.key.public().to_string(),
    };
    let mut line = Vec::new();
    let digest = chain::seal(&previous, first, &header.body()?, &mut line);
    let mut options = OpenOptions::new();
    options.append(true).create(true);
    #[cfg(unix)]
    std::os::unix::fs::OpenOptionsExt::mode(&mut options, 0o600);
    let mut file = options.open(&path)?;
    // What an attempt before this one left: a segment is begun behind the last record only.
    file.set_len(0)?;
    file.write_all(&line)?;
    file.sync_all()?;
    segment::sync(&place.dir)?;
    Ok(Begun { file, path, len: line.len() as u64, digest })
}

impl Place {
    pub fn now(&self) -> String {
        rfc3339(self.clock.now())
    }
}
