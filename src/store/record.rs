//! How a record looks on disk: an envelope that can be checked, around a body that can grow.
//!
//! ```text
//! format:u8 | min_reader:u8 | kind:u8 | revision:u64 | checksum:u64 | body      (numbers big-endian)
//! ```
//! The checksum covers the key, the rest of the envelope and the body, so a value that was flipped, cut short or moved
//! under another key is an error. `min_reader` is the oldest reader that understands the whole body: an older one must
//! refuse the record, because a field it skips may be the one that takes a right away. Never decide on a part of one.
//! The body of an entity is protobuf (`record/wire.rs`), a tombstone has none, a table's owner chooses its own.

mod wire;

#[cfg(test)]
pub(crate) use wire::tests as wire_tests;

use std::collections::BTreeSet;

use xxhash_rust::xxh3::{xxh3_64, xxh3_64_with_seed};

use crate::entity::{Entity, Uid};

use super::Revision;

/// The newest envelope that this version reads.
pub const FORMAT: u8 = 2;

const HASHED_HEADER: usize = 11;
const HEADER: usize = HASHED_HEADER + 8;

/// What a record is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kind {
    Opaque = 0,
    Entity = 1,
    Tombstone = 2,
    /// Several earlier records of one key (`store/versions.rs`).
    Versions = 3,
}

impl Kind {
    pub fn of(number: u8) -> Option<Self> {
        [Self::Opaque, Self::Entity, Self::Tombstone, Self::Versions].get(usize::from(number)).copied()
    }

    /// The envelope that records of this kind are written in, and that their readers must understand.
    fn format(self) -> u8 {
        match self {
            Self::Opaque | Self::Entity | Self::Tombstone => 1,
            Self::Versions => 2,
        }
    }
}

/// A record that lacks only its revision: room for the envelope, then the body.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Body {
    bytes: Vec<u8>,
    kind: Kind,
    depth: usize,
}

impl Body {
    pub fn entity(entity: &Entity) -> Self {
        let mut bytes = vec![0; HEADER];
        let depth = wire::encode(entity, &mut bytes);
        Self { bytes, kind: Kind::Entity, depth }
    }

    pub fn tombstone() -> Self {
        Self { bytes: vec![0; HEADER], kind: Kind::Tombstone, depth: 0 }
    }

    pub fn opaque(value: &[u8]) -> Self {
        Self::of(Kind::Opaque, value)
    }

    pub fn versions(value: &[u8]) -> Self {
        Self::of(Kind::Versions, value)
    }

    fn of(kind: Kind, value: &[u8]) -> Self {
        let mut bytes = Vec::with_capacity(HEADER + value.len());
        bytes.resize(HEADER, 0);
        bytes.extend_from_slice(value);
        Self { bytes, kind, depth: 0 }
    }

    /// The size of the whole record.
    pub fn size(&self) -> usize {
        self.bytes.len()
    }

    /// How deep its values nest.
    pub fn depth(&self) -> usize {
        self.depth
    }

    /// The record to store at `key`.
    pub fn seal(self, key: &[u8], revision: Revision) -> Vec<u8> {
        sealed(self.bytes, self.kind, key, revision)
    }
}

/// Fills in the envelope of a record that has room for it.
fn sealed(mut bytes: Vec<u8>, kind: Kind, key: &[u8], revision: Revision) -> Vec<u8> {
    let mut header = [kind.format(), kind.format(), kind as u8, 0, 0, 0, 0, 0, 0, 0, 0];
    for (to, from) in header.iter_mut().skip(3).zip(revision.0.to_be_bytes()) {
        *to = from;
    }
    let body = bytes.get(HEADER..).unwrap_or_default();
    let sum = checksum(key, &header, body).to_be_bytes();
    for (to, from) in bytes.iter_mut().zip(header.into_iter().chain(sum)) {
        *to = from;
    }
    bytes
}

/// Why a record cannot be read.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum RecordFault {
    #[error("it needs a reader of format {needs}, this one is {FORMAT}")]
    Newer { needs: u8 },
    #[error("{0}")]
    Damaged(&'static str),
}

/// A record whose checksum holds.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Opened<'a> {
    pub kind: Kind,
    pub revision: Revision,
    pub body: &'a [u8],
}

impl Opened<'_> {
    /// The same record, to be stored at another key.
    pub fn moved_to(&self, key: &[u8]) -> Vec<u8> {
        let mut bytes = Vec::with_capacity(HEADER + self.body.len());
        bytes.resize(HEADER, 0);
        bytes.extend_from_slice(self.body);
        sealed(bytes, self.kind, key, self.revision)
    }
}

/// Checks the record read from `key`.
pub fn open<'a>(key: &[u8], bytes: &'a [u8]) -> Result<Opened<'a>, RecordFault> {
    let short = RecordFault::Damaged("it is cut short");
    let (header, rest) = bytes.split_first_chunk::<HASHED_HEADER>().ok_or(short.clone())?;
    let (sum, body) = rest.split_first_chunk::<8>().ok_or(short)?;
    let [_format, min_reader, kind, revision @ ..] = *header;
    // The checksum comes first: a flipped bit in `min_reader` is damage, not a newer format.
    if checksum(key, header, body) != u64::from_be_bytes(*sum) {
        return Err(RecordFault::Damaged("its checksum does not match"));
    }
    if min_reader > FORMAT {
        return Err(RecordFault::Newer { needs: min_reader });
    }
    let kind = Kind::of(kind).ok_or(RecordFault::Damaged("it is of no known kind"))?;
    Ok(Opened { kind, revision: Revision(u64::from_be_bytes(revision)), body })
}

/// Decodes the body of an entity's record.
pub fn entity(uid: Uid, body: &[u8]) -> Result<Entity, RecordFault> {
    wire::decode(uid, body)
}

/// The parents alone, of an entity's record: for the index, which decides nothing.
pub fn parents(body: &[u8]) -> Result<BTreeSet<Uid>, RecordFault> {
    wire::parents(body)
}

fn checksum(key: &[u8], header: &[u8], body: &[u8]) -> u64 {
    xxh3_64_with_seed(body, xxh3_64_with_seed(header, xxh3_64(key)))
}

/// Makes a record one that a later version wrote.
#[cfg(test)]
pub fn demand_reader(key: &[u8], record: &mut [u8], min_reader: u8) {
    record[1] = min_reader;
    let (header, body) = record.split_at_mut(HEADER);
    let sum = checksum(key, &header[..HASHED_HEADER], body);
    header[HASHED_HEADER..].copy_from_slice(&sum.to_be_bytes());
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    const KEY: &[u8] = b"\x01Hub::User\x00\x01alice";

    fn sealed() -> Vec<u8> {
        Body::opaque(b"some value").seal(KEY, Revision(7))
    }

    #[test]
    fn a_record_opens_with_its_kind_revision_and_body() {
        let bytes = sealed();
        let opened = open(KEY, &bytes).unwrap();
        assert_eq!(opened, Opened { kind: Kind::Opaque, revision: Revision(7), body: b"some value" });
    }

    #[test]
    fn a_record_moved_under_another_key_is_damaged() {
        assert!(matches!(open(b"other", &sealed()), Err(RecordFault::Damaged(_))));
    }

    #[test]
    fn a_record_that_needs_a_newer_reader_is_refused_whole() {
        let mut bytes = sealed();
        demand_reader(KEY, &mut bytes, FORMAT + 1);
        assert_eq!(open(KEY, &bytes), Err(RecordFault::Newer { needs: FORMAT + 1 }));
    }

    #[test]
    fn only_records_of_several_versions_need_a_reader_that_knows_of_them() {
        let min_reader = |body: Body| body.seal(KEY, Revision(7))[1];
        let entity = Body::entity(&Entity::bare(Uid::new("Hub::User", "alice")));
        assert_eq!([entity, Body::tombstone(), Body::opaque(b"x")].map(min_reader), [1, 1, 1]);
        assert_eq!(min_reader(Body::versions(b"x")), 2);
    }

    proptest! {
        #[test]
        fn any_flipped_bit_is_noticed(at in 0..29_usize, bit in 0..8_u8) {
            let mut bytes = sealed();
            bytes[at] ^= 1 << bit;
            prop_assert!(matches!(open(KEY, &bytes), Err(RecordFault::Damaged(_))));
        }

        #[test]
        fn any_cut_is_noticed(len in 0..29_usize) {
            prop_assert!(matches!(open(KEY, &sealed()[..len]), Err(RecordFault::Damaged(_))));
        }
    }
}
