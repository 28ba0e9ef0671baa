//! Whether a log is the one that was written: every record, in its place, up to the last one that was signed.

use std::fmt;
use std::io;
use std::path::Path;

use serde::Serialize;
use serde_json::Value as Json;

use super::chain::{Digest, Line};
use super::checkpoint::{self, Checkpoint, Head, Purpose};
use super::end::previous;
use super::key_file::PublicKey;
use super::segment::{self, Segment};

/// What kind of fault it is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum FaultKind {
    /// A record, or the one before it, is not as it was written.
    Changed,
    /// Records are not there.
    Removed,
    /// A record stands elsewhere than it was written.
    Reordered,
    /// Records at the end are not there.
    Truncated,
    /// A signature is not by this key, or not of this.
    Forged,
    /// A line is no record.
    Unreadable,
}

/// Something that is not as it was written, and where.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Fault {
    pub kind: FaultKind,
    pub segment: String,
    /// The line in the segment, from 1.
    pub line: Option<usize>,
    /// The record.
    pub seq: Option<u64>,
    pub what: String,
}

impl fmt::Display for Fault {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.segment)?;
        if let Some(line) = self.line {
            write!(f, ":{line}")?;
        }
        write!(f, ": {}", self.what)
    }
}

/// What was found.
#[derive(Clone, Debug, Default, Serialize)]
pub struct Verified {
    pub segments: usize,
    pub records: u64,
    /// The first and the last record that are there.
    pub first: Option<u64>,
    pub last: Option<u64>,
    /// The hash of the last one: whoever keeps it elsewhere can find out later whether the log still goes through it.
    pub hash: Option<String>,
    /// Every record up to this one is signed.
    pub signed_through: u64,
    /// Bytes at the very end that are no record: being written, or left unfinished by a crash.
    pub unfinished_bytes: usize,
    pub faults: Vec<Fault>,
}

/// Checks the log in a folder. `expected` is a record and its hash, as kept elsewhere.
///
/// # Errors
/// A folder that cannot be read.
pub fn verify(dir: &Path, key: &PublicKey, expected: Option<(u64, Digest)>) -> io::Result<Verified> {
    // The head first: the log may grow meanwhile, and never shrinks behind it.
    let head = Head::read(dir);
    let segments = segment::list(dir)?;
    let mut walk = Walk {
        key,
        expected,
        seen: None,
        head: None,
        head_seen: None,
        previous: None,
        next: None,
        out: Verified::default(),
    };
    match &head {
        Ok(None) => {}
        Ok(Some(head)) => match head.digest(key) {
            Some(digest) => walk.head = Some((head.seq, digest)),
            None => walk.file("HEAD", FaultKind::Forged, "it is not signed with this key".to_owned()),
        },
        Err(error) => walk.file("HEAD", FaultKind::Unreadable, format!("it is not understood: {error}")),
    }
    walk.out.segments = segments.len();
    let mut removed: Option<(u64, String)> = None;
    for (index, segment) in segments.iter().enumerate() {
        match segment.read() {
            Ok(bytes) => walk.segment(segment, &bytes, index + 1 == segments.len(), &mut removed),
            // Retention took it meanwhile; a record says so.
            Err(error) if error.kind() == io::ErrorKind::NotFound => walk.previous = None,
            Err(error) => return Err(error),
        }
    }
    walk.beginning(&segments, removed.as_ref());
    walk.end(head.is_ok_and(|head| head.is_none()));
    Ok(walk.out)
}

struct Walk<'a> {
    key: &'a PublicKey,
    expected: Option<(u64, Digest)>,
    /// The hash that the expected record has.
    seen: Option<Digest>,
    head: Option<(u64, Digest)>,
    head_seen: Option<Digest>,
    previous: Option<Digest>,
    next: Option<u64>,
    out: Verified,
}

impl Walk<'_> {
    fn file(&mut self, name: &str, kind: FaultKind, what: String) {
        self.out.faults.push(Fault { kind, segment: name.to_owned(), line: None, seq: None, what });
    }

    fn segment(&mut self, segment: &Segment, bytes: &[u8], is_last: bool, removed: &mut Option<(u64, String)>) {
        for (index, found) in segment::lines(bytes).enumerate() {
            let place = (segment, index + 1);
            if !found.whole && is_last {
                self.out.unfinished_bytes = found.line.len();
                continue;
            }
            let Some(line) = Line::read(found.line).filter(|_| found.whole) else {
                self.fault(place, FaultKind::Unreadable, self.next, "this line is no record".to_owned());
                self.next = self.next.map(|next| next + 1);
                self.previous = None;
                continue;
            };
            if index == 0 {
                self.header(place, &line, found.line);
            }
            self.line(place, &line);
            if found.line.starts_with(b"{\"kind\":\"checkpoint\"") {
                self.checkpoint(place, &line, found.line);
            } else if found.line.starts_with(b"{\"kind\":\"retention\"") {
                let record: Json = serde_json::from_slice(found.line).unwrap_or_default();
                let chain = record.get("chain").and_then(Json::as_str).unwrap_or_default().to_owned();
                *removed = record.get("removed_through").and_then(Json::as_u64).map(|through| (through, chain));
            }
            self.previous = Some(line.digest);
            self.next = Some(line.seq + 1);
            self.out.records += 1;
            self.out.first = self.out.first.or(Some(line.seq));
            self.out.last = Some(line.seq);
            self.out.hash = Some(line.digest.to_string());
        }
    }

    fn fault(&mut self, (segment, line): (&Segment, usize), kind: FaultKind, seq: Option<u64>, what: String) {
        self.out.faults.push(Fault { kind, segment: segment.name(), line: Some(line), seq, what });
    }

    /// A segment says what it goes on from; the first one that is there is believed, and so is one behind a gap.
    fn header(&mut self, place: (&Segment, usize), line: &Line, text: &[u8]) {
        let stated = previous(text);
        if line.seq != place.0.first {
            let what = format!("the segment begins with record {}, not with that of its name", line.seq);
            self.fault(place, FaultKind::Reordered, Some(line.seq), what);
        }
        if self.previous.is_none() || self.next.is_some_and(|next| next != line.seq) {
            self.previous = stated;
        }
    }

    fn line(&mut self, place: (&Segment, usize), line: &Line) {
        let seq = line.seq;
        match self.next {
            Some(next) if seq > next => {
                let what = match seq - next {
                    1 => format!("record {next} is missing"),
                    _ => format!("records {next} to {} are missing", seq - 1),
                };
                self.fault(place, FaultKind::Removed, Some(next), what);
                if place.1 > 1 {
                    self.previous = None;
                }
            }
            Some(next) if seq < next => {
                let what = format!("record {seq} stands where {next} should");
                self.fault(place, FaultKind::Reordered, Some(seq), what);
                self.previous = None;
            }
            _ => {}
        }
        if self.previous.is_some_and(|previous| !line.follows(&previous)) {
            let what = format!("record {seq} is not as it was written, or does not follow the one before it");
            self.fault(place, FaultKind::Changed, Some(seq), what);
        }
        if self.head.is_some_and(|(head, _)| head == seq) {
            self.head_seen = Some(line.digest);
        }
        if self.expected.is_some_and(|(expected, _)| expected == seq) {
            self.seen = Some(line.digest);
        }
    }

    fn checkpoint(&mut self, place: (&Segment, usize), line: &Line, text: &[u8]) {
        let checkpoint: Option<Checkpoint> = serde_json::from_slice(text).ok();
        let signed = checkpoint.is_some_and(|checkpoint| {
            let chain = Digest::from_hex(&checkpoint.chain);
            let of_this = self.previous.is_none_or(|previous| chain == Some(previous));
            let signed = chain.is_some_and(|chain| {
                let Checkpoint { covers, signature, .. } = &checkpoint;
                checkpoint::is_signed(self.key, Purpose::Checkpoint, *covers, &chain, signature)
            });
            of_this && signed && checkpoint.covers + 1 == line.seq
        });
        match signed {
            true => self.out.signed_through = line.seq - 1,
            false => {
                let what = format!("checkpoint {} is not signed with this key for what stands before it", line.seq);
                self.fault(place, FaultKind::Forged, Some(line.seq), what);
            }
        }
    }

    /// Whether the first records that are there are the first that should be.
    fn beginning(&mut self, segments: &[Segment], removed: Option<&(u64, String)>) {
        let Some(first) = segments.first().filter(|first| first.first > 1) else { return };
        let stated = first.header().map(|header| header.previous);
        let said = removed.is_some_and(|(through, chain)| through + 1 == first.first && stated.as_ref() == Some(chain));
        if !said {
            let what =
                format!("records 1 to {} are missing, and no record says that they were let go", first.first - 1);
            self.fault((first, 1), FaultKind::Removed, Some(1), what);
        }
    }

    fn end(&mut self, no_head: bool) {
        let last = self.out.last.unwrap_or(0);
        if let Some((seq, digest)) = self.head {
            match self.head_seen {
                Some(seen) if seen == digest => self.out.signed_through = self.out.signed_through.max(seq),
                Some(_) => {
                    let what = format!("record {seq} is not the one that was signed");
                    self.file("HEAD", FaultKind::Changed, what);
                }
                None if seq > last => {
                    let what = format!("the log ended with record {seq}, now it ends with {last}");
                    self.file("HEAD", FaultKind::Truncated, what);
                }
                None => self.file("HEAD", FaultKind::Removed, format!("record {seq}, which was signed, is missing")),
            }
        } else if no_head && self.out.signed_through > 0 {
            let what =
                "it is missing, although checkpoints were signed: whether the end is there is not known".to_owned();
            self.file("HEAD", FaultKind::Truncated, what);
        }
        if let Some((seq, digest)) = self.expected.filter(|(_, digest)| self.seen != Some(*digest)) {
            let what = match self.seen {
                Some(seen) => format!("record {seq} has the hash {seen}, expected was {digest}"),
                None => format!("record {seq}, which was expected, is not there"),
            };
            self.file("--expect", FaultKind::Changed, what);
        }
    }
}
