//! The write-ahead log: commits that are durable, and that the engine may not have yet.
//!
//! A frame is a group of commits, and costs one write and one sync:
//! ```text
//! magic:u32 | length:u32 | first revision:u64 | last:u64 | xxh3:u64 | { key length:u32 | value length:u32 or REMOVED | key | value }*
//! ```
//! Its last entry is the head record that the group makes. The checksum is of all but itself, seeded with the store's id.
//! Frames begin on pages of their own, so that a page that is torn takes nothing with it that was durable before.
//!
//! When the engine has made durable what the log holds, the log is written from its start again: over blocks that the
//! file has already, so that a sync is of nothing but data. What is left of before is told by its revisions, for each
//! frame begins right after the one before it. Never start again before the engine was synced.

use std::fs::{self, File};
use std::io::{self, ErrorKind, Seek, SeekFrom, Write as _};
use std::path::{Path, PathBuf};

use xxhash_rust::xxh3::{Xxh3, xxh3_64};

use crate::store::plan::Bytes;
use crate::store::{Revision, StoreError};

use super::files;
use super::journal::Entry;

const MAGIC: &[u8; 4] = b"hwal";
const REMOVED: u32 = u32::MAX;
const HEADER: usize = 32;
/// Where the checksum stands in the header.
const CHECKSUM: usize = 24;
const PAGE: usize = 4096;

/// The log is full when so many bytes are in it; it then still takes one more frame, whatever its size.
const FULL: u64 = 4 * 1024 * 1024;

/// A log that is written.
pub struct Wal {
    file: File,
    path: PathBuf,
    seed: u64,
    /// Bytes of frames that the engine may not have.
    used: u64,
    frame: Vec<u8>,
}

impl Wal {
    /// Begins with an empty log, whatever there was.
    pub fn create(dir: &Path, store_id: &str) -> Result<Self, StoreError> {
        let path = path(dir);
        let file = File::create(&path).and_then(|file| file.sync_all().map(|()| file));
        let file = file.map_err(files::at("create", &path))?;
        files::sync(dir)?;
        Ok(Self::of(file, path, store_id))
    }

    /// Opens a log to be written from its start: the engine must have made durable what it holds.
    pub fn open(dir: &Path, store_id: &str) -> Result<Self, StoreError> {
        let path = path(dir);
        match File::options().write(true).open(&path) {
            Ok(file) => Ok(Self::of(file, path, store_id)),
            Err(error) if error.kind() == ErrorKind::NotFound => Self::create(dir, store_id),
            Err(error) => Err(files::at("open", &path)(error)),
        }
    }

    fn of(file: File, path: PathBuf, store_id: &str) -> Self {
        Self { file, path, seed: seed(store_id), used: 0, frame: Vec::new() }
    }

    /// Writes the commits of these revisions, durably: what they leave at each key, and the head that they make.
    pub fn append<'e>(
        &mut self,
        (first, last): (Revision, Revision),
        entries: impl Iterator<Item = (&'e Bytes, Option<&'e Bytes>)>,
    ) -> Result<(), StoreError> {
        let written = self.encode(first, last, entries).and_then(|()| {
            self.file.write_all(&self.frame)?;
            self.file.sync_data()
        });
        self.used += self.frame.len() as u64;
        written.map_err(files::at("write", &self.path))
    }

    fn encode<'e>(
        &mut self,
        first: Revision,
        last: Revision,
        entries: impl Iterator<Item = (&'e Bytes, Option<&'e Bytes>)>,
    ) -> io::Result<()> {
        let length = |length: usize| u32::try_from(length).map_err(io::Error::other);
        let frame = &mut self.frame;
        frame.clear();
        frame.extend_from_slice(&[0; HEADER]);
        for (key, value) in entries {
            frame.extend_from_slice(&length(key.len())?.to_be_bytes());
            frame.extend_from_slice(&value.map_or(Ok(REMOVED), |value| length(value.len()))?.to_be_bytes());
            frame.extend_from_slice(key);
            frame.extend_from_slice(value.map_or(&[], |value| value));
        }
        let mut header = Vec::with_capacity(HEADER);
        header.extend_from_slice(MAGIC);
        header.extend_from_slice(&length(frame.len() - HEADER)?.to_be_bytes());
        header.extend_from_slice(&first.0.to_be_bytes());
        header.extend_from_slice(&last.0.to_be_bytes());
        let checksum = checksum(self.seed, &header, frame.get(HEADER..).unwrap_or_default());
        header.extend_from_slice(&checksum.to_be_bytes());
        frame.splice(..HEADER, header);
        frame.resize(frame.len().next_multiple_of(PAGE), 0);
        Ok(())
    }

    /// Whether the engine should take over what is in it.
    pub fn is_full(&self) -> bool {
        self.used >= FULL
    }

    /// Begins anew.
    pub fn restart(&mut self) -> Result<(), StoreError> {
        self.used = 0;
        self.file.seek(SeekFrom::Start(0)).map(drop).map_err(files::at("rewind", &self.path))
    }
}

pub fn path(dir: &Path) -> PathBuf {
    dir.join("wal")
}

fn seed(store_id: &str) -> u64 {
    xxh3_64(store_id.as_bytes())
}

fn checksum(seed: u64, header: &[u8], body: &[u8]) -> u64 {
    let mut hash = Xxh3::with_seed(seed);
    hash.update(header.get(..CHECKSUM).unwrap_or_default());
    hash.update(body);
    hash.digest()
}

/// A group of commits.
pub struct Frame {
    pub first: Revision,
    pub last: Revision,
    pub entries: Vec<Entry>,
}

/// What a log holds.
pub struct Found {
    /// Commits that go on from the head that was asked about, oldest first.
    pub frames: Vec<Frame>,
    /// What is missing, where frames of a revision are there and those before them are not.
    pub gap: Option<String>,
}

/// What the log of a folder holds beyond `head`; nothing where there is no log.
pub fn read(dir: &Path, store_id: &str, head: Revision) -> Result<Option<Found>, StoreError> {
    let path = path(dir);
    match fs::read(&path) {
        Ok(bytes) => Ok(Some(beyond(&bytes, seed(store_id), head))),
        Err(error) if error.kind() == ErrorKind::NotFound => Ok(None),
        Err(error) => Err(files::at("read", &path)(error)),
    }
}

fn beyond(bytes: &[u8], seed: u64, head: Revision) -> Found {
    let mut frames: Vec<Frame> = Vec::new();
    let (mut at, mut reached) = (0, None);
    while let Some((frame, size)) = frame(bytes.get(at..).unwrap_or_default(), seed) {
        if reached.is_some_and(|reached: Revision| frame.first.0 != reached.0 + 1) {
            break;
        }
        at += size.next_multiple_of(PAGE);
        reached = Some(frame.last);
        if frame.last > head {
            frames.push(frame);
        }
    }
    let reached = reached.map_or(head, |reached| reached.max(head));
    let starts = frames.first().map_or(head.0 + 1, |frame| frame.first.0);
    // A frame is only written when the one before it is durable. So one that is not whole is the last.
    let rest = (at..bytes.len()).step_by(PAGE).filter_map(|at| frame(bytes.get(at..)?, seed));
    let later = rest.map(|(frame, _)| frame.first).find(|first| *first > reached);
    let gap = match later {
        _ if starts > head.0 + 1 => {
            frames.clear();
            Some(format!("its write-ahead log goes on at revision {starts}, its data ends at {head}"))
        }
        Some(later) => Some(format!("its write-ahead log is damaged between revisions {reached} and {later}")),
        None => None,
    };
    Found { frames, gap }
}

/// The frame at the start of `bytes` and how long it is, if it is whole.
fn frame(bytes: &[u8], seed: u64) -> Option<(Frame, usize)> {
    let header = bytes.get(..HEADER)?;
    let number = |at: usize| Some(u64::from_be_bytes(header.get(at..at + 8)?.try_into().ok()?));
    let length = u32::from_be_bytes(header.get(4..8)?.try_into().ok()?) as usize;
    let mut body = bytes.get(HEADER..HEADER.checked_add(length)?)?;
    if !header.starts_with(MAGIC) || number(CHECKSUM)? != checksum(seed, header, body) {
        return None;
    }
    let mut entries = Vec::new();
    while !body.is_empty() {
        let (key, value) = (u32_from(&mut body)?, u32_from(&mut body)?);
        let key = Bytes::from(body.split_off(..key as usize)?);
        let value = match value {
            REMOVED => None,
            length => Some(Bytes::from(body.split_off(..length as usize)?)),
        };
        entries.push((key, value));
    }
    Some((Frame { first: Revision(number(8)?), last: Revision(number(16)?), entries }, HEADER + length))
}

fn u32_from(bytes: &mut &[u8]) -> Option<u32> {
    bytes.split_off(..4)?.try_into().ok().map(u32::from_be_bytes)
}

#[cfg(test)]
mod tests {
    use tempfile::TempDir;

    use super::*;

    const ID: &str = "store";

    fn value(n: u64) -> Bytes {
        Bytes::from(n.to_string().repeat(300).as_bytes())
    }

    /// A log with frames of one revision each.
    fn log(revisions: impl IntoIterator<Item = u64>) -> (TempDir, Wal) {
        let dir = TempDir::new().unwrap();
        let mut wal = Wal::create(dir.path(), ID).unwrap();
        revisions.into_iter().for_each(|revision| add(&mut wal, revision));
        (dir, wal)
    }

    fn add(wal: &mut Wal, revision: u64) {
        let (kept, removed) = (Bytes::from(&b"kept"[..]), Bytes::from(&b"removed"[..]));
        let entries = [(&kept, Some(&value(revision))), (&removed, None)].map(|(key, value)| (key, value.cloned()));
        let entries = entries.iter().map(|(key, value)| (*key, value.as_ref()));
        wal.append((Revision(revision), Revision(revision)), entries).unwrap();
    }

    fn found(dir: &TempDir, head: u64) -> (Vec<u64>, Option<String>) {
        let Found { frames, gap } = read(dir.path(), ID, Revision(head)).unwrap().unwrap();
        for Frame { first, entries, .. } in &frames {
            let [(kept, Some(text)), (removed, None)] = entries.as_slice() else { panic!("{entries:?}") };
            assert_eq!((&**kept, &**removed), (&b"kept"[..], &b"removed"[..]));
            assert_eq!(*text, value(first.0));
        }
        (frames.iter().map(|frame| frame.first.0).collect(), gap)
    }

    fn edit(dir: &TempDir, edit: impl FnOnce(&mut Vec<u8>)) {
        let mut bytes = fs::read(path(dir.path())).unwrap();
        edit(&mut bytes);
        fs::write(path(dir.path()), bytes).unwrap();
    }

    #[test]
    fn what_the_engine_has_is_passed_over() {
        let (dir, _) = log(4..8);
        assert_eq!(found(&dir, 3), (vec![4, 5, 6, 7], None));
        assert_eq!(found(&dir, 5), (vec![6, 7], None));
        assert_eq!(found(&dir, 9), (vec![], None));
    }

    #[test]
    fn what_is_left_of_before_is_no_part_of_it() {
        let (dir, mut wal) = log(1..9);
        wal.restart().unwrap();
        assert_eq!(found(&dir, 8), (vec![], None));
        add(&mut wal, 9);
        add(&mut wal, 10);
        assert_eq!(found(&dir, 8), (vec![9, 10], None));
    }

    #[test]
    fn a_last_frame_that_was_cut_anywhere_never_was() {
        let (dir, _) = log(1..3);
        let whole = fs::read(path(dir.path())).unwrap();
        for keep in [0, 1, 31, 32, 200, 340] {
            edit(&dir, |bytes| bytes.truncate(PAGE + keep));
            assert_eq!(found(&dir, 0), (vec![1], None), "{keep}");
            fs::write(path(dir.path()), &whole).unwrap();
        }
    }

    #[test]
    fn a_frame_that_is_damaged_is_missed_where_there_are_later_ones() {
        let (dir, _) = log(1..4);
        edit(&dir, |bytes| bytes[PAGE + 40] ^= 1);
        let (frames, gap) = found(&dir, 0);
        assert_eq!(frames, [1]);
        assert!(gap.unwrap().contains("damaged between revisions 1 and 3"));
        assert_eq!(found(&dir, 3), (vec![], None), "the engine has it");
    }

    #[test]
    fn a_log_that_begins_beyond_the_data_says_what_is_missing() {
        let (dir, _) = log(4..6);
        let gap = found(&dir, 1).1.unwrap();
        assert!(gap.contains("goes on at revision 4, its data ends at 1"), "{gap}");
    }

    #[test]
    fn the_log_of_another_store_is_none() {
        let (dir, _) = log(1..3);
        let other = read(dir.path(), "other", Revision(0)).unwrap().unwrap();
        assert!(other.frames.is_empty() && other.gap.is_none());
    }
}
