//! How a pair of the index is written: the table, the link, the target, the id of the entity that leads there.
//!
//! Pairs of one link and target stand together, in byte order of the ids. What ends a target cannot occur in it, as in
//! the keys of entities. A target with a very long name is written as its digest: two of them may then share their
//! entries, which is allowed, since whoever reads the index decides about each entity anyway.

use xxhash_rust::xxh3::{xxh3_64, xxh3_128};

use crate::entity::{Link, Uid};

/// The first byte of everything that belongs to the index.
pub const LINKS: u8 = 0x02;
/// Stands for a link in keys.
pub type LinkId = [u8; 8];

const NUL: u8 = 0x00;
const END: u8 = 0x01;
const ESCAPED_NUL: u8 = 0xFF;
/// No text starts with these bytes.
const DIGEST: u8 = 0xFE;
const LAST: u8 = 0xFF;
/// Encoded targets above this size are written as digests.
const MAX_TARGET: usize = 300;

/// A link's name in keys. It must not depend on anything but the link: it is stored.
pub fn id(link: &Link) -> LinkId {
    let mut name = Vec::new();
    for part in std::iter::once(&link.from).chain(&link.path) {
        name.extend((part.len() as u64).to_be_bytes());
        name.extend(part.as_bytes());
    }
    xxh3_64(&name).to_be_bytes()
}

/// What all of a link's keys and pairs start with.
pub fn start(link: LinkId) -> [u8; 9] {
    let mut start = [LINKS; 9];
    for (to, from) in start.iter_mut().skip(1).zip(link) {
        *to = from;
    }
    start
}

/// The key of a link's last chunk, above all pairs.
pub fn last(link: LinkId) -> Vec<u8> {
    [start(link).as_slice(), &[LAST]].concat()
}

/// What all pairs of a target start with, behind [`start`]; the ids follow as they are.
pub fn prefix(target: &Uid) -> Vec<u8> {
    let mut prefix = Vec::with_capacity(32 + target.type_name().len() + target.id().len());
    push(&mut prefix, target.type_name());
    push(&mut prefix, target.id());
    if prefix.len() > MAX_TARGET {
        let digest = xxh3_128(&prefix);
        prefix.clear();
        prefix.push(DIGEST);
        prefix.extend(digest.to_be_bytes());
    }
    prefix
}

fn push(pair: &mut Vec<u8>, text: &str) {
    for &byte in text.as_bytes() {
        pair.push(byte);
        if byte == NUL {
            pair.push(ESCAPED_NUL);
        }
    }
    pair.extend([NUL, END]);
}
