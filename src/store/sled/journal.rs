//! Batches larger than the engine applies at once.
//!
//! Such a batch is first written whole to `journal/<revision>.redo`. Once that file and its name are synced the batch
//! will happen: it is applied piece by piece, and a crash in between is mended when the store is opened, by applying
//! it again. A file that is cut short never was a promise and is removed.
//! ```text
//! magic | revision:u64 | { key length:u32 | value length:u32 or REMOVED | key | value }* | xxh3:u64 of all before
//! ```
//! Never replay a file whose revision is not the one right after the head: it would undo what came later.

use std::fs::File;
use std::io::{self, BufReader, BufWriter, Read, Write as _};
use std::path::{Path, PathBuf};

use xxhash_rust::xxh3::Xxh3;

use crate::store::plan::Bytes;
use crate::store::{Revision, StoreError};

use super::files;

const MAGIC: &[u8; 8] = b"hwredo\0\x01";
const REMOVED: u32 = u32::MAX;
const TRAILER: u64 = 8;

/// A key and its new value.
pub type Entry = (Bytes, Option<Bytes>);

pub fn folder(dir: &Path) -> PathBuf {
    dir.join("journal")
}

pub fn path(dir: &Path, revision: Revision) -> PathBuf {
    folder(dir).join(format!("{:020}.redo", revision.0))
}

/// Why a batch is not in the journal.
pub enum Unwritten {
    /// And nothing of it is left: it did not happen.
    Nothing(StoreError),
    /// What is left could not be removed: it may happen when the store is opened again.
    Unsure(StoreError),
}

/// Writes the batch of a revision, durably.
pub fn write<'e>(
    dir: &Path,
    revision: Revision,
    entries: impl Iterator<Item = (&'e Bytes, Option<&'e Bytes>)>,
) -> Result<(), Unwritten> {
    let path = path(dir, revision);
    let sync = || files::sync(&folder(dir));
    let written = write_file(&path, revision, entries).map_err(files::at("write", &path)).and_then(|()| sync());
    written.map_err(|why| match files::remove(&path).and_then(|()| sync()) {
        Ok(()) => Unwritten::Nothing(why),
        Err(worse) => Unwritten::Unsure(worse),
    })
}

fn write_file<'e>(
    path: &Path,
    revision: Revision,
    entries: impl Iterator<Item = (&'e Bytes, Option<&'e Bytes>)>,
) -> io::Result<()> {
    let mut out = Hashing { inner: BufWriter::new(File::create(path)?), hash: Xxh3::new() };
    out.write_all(MAGIC)?;
    out.write_all(&revision.0.to_be_bytes())?;
    for (key, value) in entries {
        let length = |bytes: &Bytes| u32::try_from(bytes.len()).map_err(io::Error::other);
        out.write_all(&length(key)?.to_be_bytes())?;
        out.write_all(&value.map_or(Ok(REMOVED), length)?.to_be_bytes())?;
        out.write_all(key)?;
        out.write_all(value.map_or(&[], |value| value))?;
    }
    let Hashing { inner: mut file, hash } = out;
    file.write_all(&hash.digest().to_be_bytes())?;
    file.into_inner().map_err(io::IntoInnerError::into_error)?.sync_all()
}

pub fn remove(dir: &Path, revision: Revision) -> Result<(), StoreError> {
    files::remove(&path(dir, revision))
}

/// A batch that a crash interrupted after it was promised.
pub struct Interrupted {
    pub revision: Revision,
    entries: BufReader<File>,
    left: u64,
    path: PathBuf,
}

/// The complete batches in the journal, oldest first. Incomplete ones are removed.
pub fn interrupted(dir: &Path) -> Result<Vec<Interrupted>, StoreError> {
    let mut found = Vec::new();
    for name in files::names(&folder(dir))? {
        let path = folder(dir).join(name);
        match Interrupted::open(&path).map_err(files::at("read", &path))? {
            Some(batch) => found.push(batch),
            None => {
                let file = path.display().to_string();
                tracing::warn!(file, "removing an incomplete batch: it was never acknowledged");
                files::remove(&path)?;
            }
        }
    }
    found.sort_by_key(|batch| batch.revision);
    Ok(found)
}

impl Interrupted {
    /// Nothing when the file is cut short or does not have its checksum.
    fn open(path: &Path) -> io::Result<Option<Self>> {
        let Some(body) = std::fs::metadata(path)?.len().checked_sub(TRAILER) else {
            return Ok(None);
        };
        let mut file = BufReader::new(File::open(path)?);
        let mut out = Hashing { inner: io::sink(), hash: Xxh3::new() };
        io::copy(&mut file.by_ref().take(body), &mut out)?;
        if read_u64(&mut file)? != out.hash.digest() {
            return Ok(None);
        }
        let mut file = BufReader::new(File::open(path)?);
        let mut magic = [0; MAGIC.len()];
        file.read_exact(&mut magic)?;
        let revision = Revision(read_u64(&mut file)?);
        let left = body.checked_sub(MAGIC.len() as u64 + 8);
        Ok(match (magic == *MAGIC, left) {
            (true, Some(left)) => Some(Self { revision, entries: file, left, path: path.to_owned() }),
            _ => None,
        })
    }

    /// The next change, in the order they were written.
    pub fn next(&mut self) -> Result<Option<Entry>, StoreError> {
        if self.left == 0 {
            return Ok(None);
        }
        self.read().map(Some).map_err(files::at("read", &self.path))
    }

    /// Forgets a batch that is done.
    pub fn remove(&self) -> Result<(), StoreError> {
        files::remove(&self.path)
    }

    fn read(&mut self) -> io::Result<Entry> {
        let key = read_u32(&mut self.entries)?;
        let value = read_u32(&mut self.entries)?;
        self.left = self.left.saturating_sub(8);
        let key = self.bytes(key)?;
        let value = if value == REMOVED { None } else { Some(self.bytes(value)?) };
        Ok((key, value))
    }

    fn bytes(&mut self, length: u32) -> io::Result<Bytes> {
        let length = u64::from(length);
        self.left =
            self.left.checked_sub(length).ok_or_else(|| io::Error::other("an entry is longer than its file"))?;
        let mut bytes = Vec::new();
        self.entries.by_ref().take(length).read_to_end(&mut bytes)?;
        Ok(bytes.into())
    }
}

fn read_u32(from: &mut impl Read) -> io::Result<u32> {
    let mut bytes = [0; 4];
    from.read_exact(&mut bytes)?;
    Ok(u32::from_be_bytes(bytes))
}

fn read_u64(from: &mut impl Read) -> io::Result<u64> {
    let mut bytes = [0; 8];
    from.read_exact(&mut bytes)?;
    Ok(u64::from_be_bytes(bytes))
}

/// Hashes what passes through.
struct Hashing<W> {
    inner: W,
    hash: Xxh3,
}

impl<W: io::Write> io::Write for Hashing<W> {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        let written = self.inner.write(bytes)?;
        self.hash.update(bytes.get(..written).unwrap_or_default());
        Ok(written)
    }

    fn flush(&mut self) -> io::Result<()> {
        self.inner.flush()
    }
}
