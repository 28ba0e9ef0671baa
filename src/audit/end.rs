//! The end of a log as it is found: where its whole records end, and what is wrong with what comes after.
//!
//! A record that a crash left unfinished stands at the very end, and nothing behind it. Whatever else is not as it was
//! left is damage.

use std::fs;
use std::io;

use super::chain::{Digest, Line};
use super::checkpoint::Head;
use super::segment::{self, Segment};
use super::tail::{Place, TailError};

/// Where the whole records of a log end.
pub struct End {
    pub segment: Option<Segment>,
    pub len: u64,
    pub next: u64,
    pub digest: Digest,
}

/// What else was found there.
pub enum Found {
    AllWell,
    Torn { bytes: u64 },
    Damage(String),
}

/// Looks for the end of a log.
///
/// # Errors
/// A folder that cannot be read.
pub fn find(place: &Place) -> Result<(End, Found), TailError> {
    let mut segments = segment::list(&place.dir)?;
    let head = Head::read(&place.dir);
    let mut end = End { segment: None, len: 0, next: 1, digest: Digest::START };
    let mut found = Found::AllWell;
    while let Some(segment) = segments.pop() {
        let bytes = segment.read()?;
        let scan = Scan::of(&bytes, segment.first);
        let rest = bytes.len() as u64 - scan.len;
        let whole_before = !segments.is_empty() || segment.first == 1;
        if scan.len == 0 && !bytes.contains(&b'\n') && whole_before {
            // A crash while the segment was begun: not even its first line is whole.
            fs::remove_file(&segment.path)?;
            found = Found::Torn { bytes: rest };
            continue;
        }
        if rest > 0 {
            found = Found::Torn { bytes: rest };
        }
        let digest_at = |seq: u64| scan.digests.iter().find(|(at, _)| *at == seq).map(|(_, digest)| *digest);
        let unread = || "its first record is not as it was written".to_owned();
        let broken = scan.broken.or_else(|| (scan.len == 0).then(unread));
        let broken = broken.map(|broken| format!("{}: {broken}", segment.name()));
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
            if let Some(line) = &line {
                scan.highest = scan.highest.max(line.seq);
                scan.stated = line.digest;
            }
            if let Some(at) = wrong {
                // A crash leaves nothing behind what it left unfinished.
                scan.broken = Some(format!("record {at} is not as it was written"));
                continue;
            }
            let Some(line) = line else {
                wrong = Some(scan.next);
                continue;
            };
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
