//! Segment files: their names, and the lines in them as they were found.
//!
//! `00000000000000000001.ndjson` begins with record 1. Segments follow each other without a gap; only the last one grows.
//!
//! Files rather than records in the store's engine, as measured with 128 threads that each wait for their record to be
//! durable (a debug build, three runs of each): 9,000 to 23,000 records a second here and 12,000 to 17,000 there, so the
//! disk decides either way; but 546 bytes for a record here and 1,230 to 1,480 there. And a file can be read and verified
//! beside the server that writes it, goes as a whole when it is old, and what is damaged in it stays to be looked at.

use std::fs::{self, File};
use std::io::{self, BufRead, BufReader};
use std::path::{Path, PathBuf};

use serde::Deserialize;

const ENDING: &str = ".ndjson";
const DIGITS: usize = 20;

/// A segment file.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Segment {
    /// The number of its first record.
    pub first: u64,
    pub path: PathBuf,
    pub bytes: u64,
}

/// The first record of a segment, as it was found.
#[derive(Deserialize)]
pub struct Header {
    pub timestamp: jiff::Timestamp,
    pub previous: String,
}

pub fn path(dir: &Path, first: u64) -> PathBuf {
    dir.join(format!("{first:0DIGITS$}{ENDING}"))
}

/// The segments of a folder, in order. No folder has none.
pub fn list(dir: &Path) -> io::Result<Vec<Segment>> {
    let entries = match fs::read_dir(dir) {
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(Vec::new()),
        entries => entries?,
    };
    let mut segments = Vec::new();
    for entry in entries {
        let entry = entry?;
        let name = entry.file_name();
        let number = name.to_str().and_then(|name| name.strip_suffix(ENDING)).filter(|number| number.len() == DIGITS);
        if let Some(first) = number.and_then(|number| number.parse().ok()) {
            match entry.metadata() {
                Ok(about) => segments.push(Segment { first, path: entry.path(), bytes: about.len() }),
                // Retention took it meanwhile.
                Err(error) if error.kind() == io::ErrorKind::NotFound => {}
                Err(error) => return Err(error),
            }
        }
    }
    segments.sort_by_key(|segment| segment.first);
    Ok(segments)
}

impl Segment {
    pub fn name(&self) -> String {
        self.path.file_name().map(|name| name.to_string_lossy().into_owned()).unwrap_or_default()
    }

    pub fn read(&self) -> io::Result<Vec<u8>> {
        fs::read(&self.path)
    }

    /// What its first record says; nothing when that is not there or is none.
    pub fn header(&self) -> Option<Header> {
        let mut line = Vec::new();
        BufReader::new(File::open(&self.path).ok()?).read_until(b'\n', &mut line).ok()?;
        serde_json::from_slice(&line).ok()
    }
}

/// A line, without its end, and where it begins.
#[derive(Clone, Copy)]
pub struct Found<'a> {
    pub at: usize,
    pub line: &'a [u8],
    /// The line has an end: what has none is still being written, or never was.
    pub whole: bool,
}

/// The lines of a segment.
pub fn lines(bytes: &[u8]) -> impl Iterator<Item = Found<'_>> {
    let mut at = 0;
    bytes.split_inclusive(|byte| *byte == b'\n').map(move |piece| {
        let found = match piece.strip_suffix(b"\n") {
            Some(line) => Found { at, line, whole: true },
            None => Found { at, line: piece, whole: false },
        };
        at += piece.len();
        found
    })
}

/// Makes a file's bytes, or a folder's names, durable.
pub fn sync(path: &Path) -> io::Result<()> {
    File::open(path)?.sync_all()
}
