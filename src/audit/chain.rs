//! The hash chain: one line, sealed with the hash of itself and of all lines before it.
//!
//! A line is `{…,"seq":N,"hash":"<64 hex digits>"}`. The hash is SHA-256 of the hash before it and of the bytes of the
//! line up to `,"hash":"`: bytes and not meaning, so that no two readers can disagree on what was hashed.

use std::fmt;
use std::io::Write;

use sha2::{Digest as _, Sha256};

const SEQ: &[u8] = b",\"seq\":";
const HASH: &[u8] = b",\"hash\":\"";
const END: &[u8] = b"\"}";
const HEX: usize = 64;

/// The hash of a record and of all before it.
#[derive(Clone, Copy, PartialEq, Eq)]
pub struct Digest([u8; 32]);

impl Digest {
    /// What stands before the first record.
    pub const START: Self = Self([0; 32]);

    pub fn bytes(&self) -> &[u8; 32] {
        &self.0
    }

    pub fn from_hex(text: &str) -> Option<Self> {
        // The length is looked at first: the decoder takes a `0x` before the digits.
        if text.len() == HEX { const_hex::decode_to_array(text).ok().map(Self) } else { None }
    }
}

impl fmt::Display for Digest {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(const_hex::Buffer::<32>::new().format(&self.0))
    }
}

impl fmt::Debug for Digest {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

fn link(previous: &Digest, covered: &[u8]) -> Digest {
    let mut hash = Sha256::new();
    hash.update(previous.0);
    hash.update(covered);
    Digest(hash.finalize().into())
}

/// Appends the line of a record to `out`. `body` is its JSON object without the closing brace.
pub fn seal(previous: &Digest, seq: u64, body: &[u8], out: &mut Vec<u8>) -> Digest {
    let start = out.len();
    out.extend_from_slice(body);
    out.extend_from_slice(SEQ);
    // Writing to memory cannot fail.
    let _ = write!(out, "{seq}");
    let digest = link(previous, out.get(start..).unwrap_or_default());
    out.extend_from_slice(HASH);
    out.extend_from_slice(const_hex::Buffer::<32>::new().format(&digest.0).as_bytes());
    out.extend_from_slice(END);
    out.push(b'\n');
    digest
}

/// A line as it was found; nothing in it has been believed yet.
pub struct Line<'a> {
    covered: &'a [u8],
    pub seq: u64,
    pub digest: Digest,
}

impl<'a> Line<'a> {
    /// Reads a line, without its end; nothing when it has not the form of one.
    pub fn read(line: &'a [u8]) -> Option<Self> {
        let line = line.strip_suffix(END)?;
        let (rest, hash) = line.split_at_checked(line.len().checked_sub(HEX)?)?;
        let digest = Digest::from_hex(std::str::from_utf8(hash).ok()?)?;
        let covered = rest.strip_suffix(HASH)?;
        let digits = covered.iter().rev().take_while(|byte| byte.is_ascii_digit()).count();
        let (before, seq) = covered.split_at_checked(covered.len() - digits)?;
        before.strip_suffix(SEQ)?;
        let seq = std::str::from_utf8(seq).ok()?.parse().ok()?;
        Some(Self { covered, seq, digest })
    }

    /// Whether this line follows a record with that hash.
    pub fn follows(&self, previous: &Digest) -> bool {
        link(previous, self.covered) == self.digest
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_sealed_line_reads_back_and_follows_what_it_was_sealed_after() {
        let mut out = Vec::new();
        let first = seal(&Digest::START, 1, b"{\"kind\":\"a\"", &mut out);
        let second = seal(&first, 2, b"{\"kind\":\"b\"", &mut out);
        let text = String::from_utf8(out).unwrap();
        let lines: Vec<Line> = text.lines().map(|line| Line::read(line.as_bytes()).unwrap()).collect();
        assert_eq!(lines.iter().map(|line| line.seq).collect::<Vec<_>>(), [1, 2]);
        assert!(lines[0].follows(&Digest::START) && lines[1].follows(&first));
        assert!(!lines[1].follows(&Digest::START) && lines[1].digest == second);
        let json: serde_json::Value = serde_json::from_str(text.lines().next().unwrap()).unwrap();
        assert_eq!((json["kind"].as_str(), json["seq"].as_u64()), (Some("a"), Some(1)));
        assert_eq!(json["hash"].as_str().and_then(Digest::from_hex), Some(first));
    }

    #[test]
    fn no_changed_byte_goes_unnoticed() {
        let mut out = Vec::new();
        seal(&Digest::START, 7, b"{\"kind\":\"decision\",\"decision\":\"deny\"", &mut out);
        out.pop();
        for at in 0..out.len() {
            let mut changed = out.clone();
            changed[at] ^= 1;
            assert!(Line::read(&changed).is_none_or(|line| !line.follows(&Digest::START)), "byte {at}");
        }
    }

    #[test]
    fn what_is_no_line_is_none() {
        for text in ["", "}", "{}", "{\"seq\":1}", "{\"a\":1,\"seq\":1,\"hash\":\"00\"}"] {
            assert!(Line::read(text.as_bytes()).is_none(), "{text}");
        }
    }
}
