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

use super::chain::{self, Digest, Line};
use super::checkpoint::{self, Head, Purpose};
use super::key_file::AuditKey;
use super::record::Own;
use super::segment::{self, Segment};
use super::settings::{Damaged, Settings};
use crate::clock::{Clock, rfc3339};

/// How often segments are looked at for their age.
const EXPIRY: Duration = Duration::from_secs(3_600);

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
}

/// Where the whole records of a log end.
struct End {
    segment: Option<Segment>,
    len: u64,
    next: u64,
    digest: Digest,
}

/// What else was found there.
enum Found {
    AllWell,
    Torn { bytes: u64 },
    Damage(String),
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
            tail.append(&[note.map_err(io::Error::from)?], Sync::Now)?;
        }
        tail.expire()?;
        Ok(tail)
    }

    fn at(place: Place, file: File, path: PathBuf, len: u64, next: u64, digest: Digest) -> Self {
        // Whatever was not signed before the last end is signed with the next checkpoint.
        Self { place, file, path, len, next, digest, unsigned: 1, unsynced: false, torn: false, looked_at_age: None }
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
    pub fn append(&mut self, bodies: &[Vec<u8>], sync: Sync) -> io::Result<Vec<u8>> {
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

    fn write(&mut self, bodies: &[Vec<u8>], sync: Sync) -> io::Result<Vec<u8>> {
        let mut lines = Vec::with_capacity(bodies.iter().map(|body| body.len() + 128).sum());
        let (mut digest, mut next) = (self.digest, self.next);
        for body in bodies {
            digest = chain::seal(&digest, next, body, &mut lines);
            next += 1;
        }
        self.torn = true;
        self.file.write_all(&lines)?;
        if sync == Sync::Now {
            self.file.sync_data()?;
        }
        self.torn = false;
        self.unsynced |= sync == Sync::Later;
        self.unsigned += next - self.next;
        self.len += lines.len() as u64;
        (self.digest, self.next) = (digest, next);
        Ok(lines)
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
        Ok(())
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
        self.write(&[record.body()?], Sync::Now)?;
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
        self.looked_at_age = None;
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
        self.append(&[record.body()?], Sync::Now)?;
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

fn find(place: &Place) -> Result<(End, Found), TailError> {
    let mut segments = segment::list(&place.dir)?;
    let head = Head::read(&place.dir);
    let mut end = End { segment: None, len: 0, next: 1, digest: Digest::START };
    let mut found = Found::AllWell;
    while let Some(segment) = segments.pop() {
        let bytes = segment.read()?;
        let scan = Scan::of(&bytes, segment.first);
        let rest = bytes.len() as u64 - scan.len;
        if scan.len == 0 && scan.broken.is_none() && !segments.is_empty() {
            // A crash while the segment was begun: not even its first record is whole.
            fs::remove_file(&segment.path)?;
            found = Found::Torn { bytes: rest };
            continue;
        }
        if rest > 0 {
            found = Found::Torn { bytes: rest };
        }
        let digest_at = |seq: u64| scan.digests.iter().find(|(at, _)| *at == seq).map(|(_, digest)| *digest);
        let broken = scan.broken.map(|broken| format!("{}: {broken}", segment.name()));
        if let Some(what) = broken.or_else(|| behind(&head, place, segment.first, scan.next, digest_at)) {
            found = Found::Damage(what);
        }
        if let Found::Damage(_) = found {
            // Behind everything that was ever numbered, and behind what the last line says of itself.
            let known = head.ok().flatten().map_or(0, |head| head.seq);
            let next = scan.next.max(scan.highest + 1).max(known + 1).max(segment.first + 1);
            return Ok((End { segment: None, len: 0, next, digest: scan.stated }, found));
        }
        let whole = (scan.len > 0).then_some(segment);
        return Ok((End { segment: whole, len: scan.len, next: scan.next, digest: scan.digest }, found));
    }
    match head {
        Ok(None) => Ok((end, found)),
        Ok(Some(head)) => {
            end.next = head.seq + 1;
            Ok((end, Found::Damage(format!("records up to {} were written, and all of them are gone", head.seq))))
        }
        Err(error) => Ok((end, Found::Damage(format!("the file HEAD is not understood: {error}")))),
    }
}

/// What the head knows of and the last segment does not bear out.
fn behind(
    head: &io::Result<Option<Head>>,
    place: &Place,
    first: u64,
    next: u64,
    digest_at: impl Fn(u64) -> Option<Digest>,
) -> Option<String> {
    let head = match head {
        Ok(Some(head)) => head,
        // A log whose first checkpoint was not reached.
        Ok(None) => return None,
        Err(error) => return Some(format!("the file HEAD is not understood: {error}")),
    };
    let Some(digest) = head.digest(&place.key.public()) else {
        return Some("the file HEAD is not signed with this key".to_owned());
    };
    if head.seq >= next {
        return Some(format!("records {next} to {} are gone", head.seq));
    }
    (head.seq >= first && digest_at(head.seq) != Some(digest))
        .then(|| format!("record {} is not the one that was signed", head.seq))
}

/// A segment, read up to the first thing that is wrong with it.
struct Scan {
    /// Bytes of whole records that follow each other.
    len: u64,
    next: u64,
    digest: Digest,
    digests: Vec<(u64, Digest)>,
    /// The highest number that any line bears, and the hash on the last line.
    highest: u64,
    stated: Digest,
    /// What is wrong, unless it is an end that was left unfinished.
    broken: Option<String>,
}

impl Scan {
    fn of(bytes: &[u8], first: u64) -> Self {
        let mut scan = Self {
            len: 0,
            next: first,
            digest: Digest::START,
            digests: Vec::new(),
            highest: first.saturating_sub(1),
            stated: Digest::START,
            broken: None,
        };
        let mut wrong: Option<u64> = None;
        for found in segment::lines(bytes) {
            let line = Line::read(found.line).filter(|_| found.whole);
            let Some(line) = line else {
                wrong = wrong.or(Some(scan.next));
                continue;
            };
            scan.highest = scan.highest.max(line.seq);
            scan.stated = line.digest;
            if let Some(at) = wrong {
                // A crash leaves nothing behind what it left unfinished.
                scan.broken = Some(format!("record {at} is not as it was written"));
                continue;
            }
            if found.at == 0 {
                scan.digest = previous(found.line).unwrap_or(Digest::START);
            }
            if line.seq != scan.next || !line.follows(&scan.digest) {
                scan.broken = Some(format!("record {} is not as it was written", scan.next));
                wrong = Some(scan.next);
                continue;
            }
            scan.len = (found.at + found.line.len() + 1) as u64;
            scan.digest = line.digest;
            scan.digests.push((line.seq, line.digest));
            scan.next = line.seq + 1;
        }
        scan
    }
}

/// The hash that a segment goes on from.
pub fn previous(header: &[u8]) -> Option<Digest> {
    let header: segment::Header = serde_json::from_slice(header).ok()?;
    Digest::from_hex(&header.previous)
}
