//! Earlier records of one key in one record: what changes often leaves many of them, and an engine pays for each record.
//!
//! It lies where the newest of them would lie alone, so whoever looks for the first one from some revision on finds it
//! first, and it goes when the newest of them is due. Until then it also holds those whose time is over: they are below
//! the floor of the past, where nobody reads.

use prost::Message;

use super::plan::Bytes;
use super::record::{self, Body, Kind, Opened, RecordFault};
use super::view::fault;
use super::{Revision, StoreError, key};

/// The most bytes that records have which are packed into one: it is written whole, and must stay small.
const MOST: usize = 8 * 1024;

#[derive(Clone, PartialEq, Message)]
struct VersionsBody {
    /// Oldest first.
    #[prost(message, repeated, tag = "1")]
    versions: Vec<Version>,
}

/// A record as it was.
#[derive(Clone, PartialEq, Message)]
pub struct Version {
    /// The revision that replaced it.
    #[prost(uint64, tag = "1")]
    replaced: u64,
    /// The revision that wrote it.
    #[prost(uint64, tag = "2")]
    revision: u64,
    /// Its [`Kind`].
    #[prost(uint32, tag = "3")]
    kind: u32,
    #[prost(bytes = "vec", tag = "4")]
    body: Vec<u8>,
}

/// Packs what of these writes, which are in the order of their keys, are earlier records of one key.
pub fn packed<'w>(
    writes: impl Iterator<Item = (&'w Bytes, &'w Option<Bytes>)>,
    place: &str,
) -> Result<Vec<(Bytes, Option<Bytes>)>, StoreError> {
    let mut packed = Vec::new();
    let mut run = Run::default();
    for (key, value) in writes {
        match value {
            Some(value) if key.first() == Some(&key::PAST) => {
                if !run.takes(key, value) {
                    packed.extend(run.take(place)?);
                }
                run.add(key, value);
            }
            _ => {
                packed.extend(run.take(place)?);
                packed.push((Bytes::clone(key), value.clone()));
            }
        }
    }
    packed.extend(run.take(place)?);
    Ok(packed)
}

/// Earlier records of one key, one after the other.
#[derive(Default)]
struct Run<'w> {
    records: Vec<(&'w Bytes, &'w Bytes)>,
    bytes: usize,
}

impl<'w> Run<'w> {
    fn takes(&self, key: &[u8], value: &[u8]) -> bool {
        let of = |key| key::replaced(key).map(|(of, _)| of);
        self.bytes + value.len() <= MOST && self.records.last().is_none_or(|(last, _)| of(last) == of(key))
    }

    fn add(&mut self, key: &'w Bytes, value: &'w Bytes) {
        self.bytes += value.len();
        self.records.push((key, value));
    }

    /// The one record to write for them.
    fn take(&mut self, place: &str) -> Result<Option<(Bytes, Option<Bytes>)>, StoreError> {
        let Self { records, .. } = std::mem::take(self);
        let key = match records.as_slice() {
            [] => return Ok(None),
            [(key, value)] => return Ok(Some((Bytes::clone(key), Some(Bytes::clone(value))))),
            [.., (key, _)] => Bytes::clone(key),
        };
        let mut newest = Revision::default();
        let version = |(key, value): &(&Bytes, &Bytes)| {
            let opened = record::open(key, value).map_err(|why| fault(place, key, &why))?;
            newest = opened.revision;
            Ok(Version {
                replaced: key::replaced(key).map_or(0, |(_, replaced)| replaced.0),
                revision: opened.revision.0,
                kind: u32::from(opened.kind as u8),
                body: opened.body.to_vec(),
            })
        };
        let versions = records.iter().map(version).collect::<Result<_, StoreError>>()?;
        let body = VersionsBody { versions }.encode_to_vec();
        let sealed = Body::versions(&body).seal(&key, newest);
        Ok(Some((key, Some(sealed.into()))))
    }
}

impl Version {
    /// The revision that replaced it.
    pub fn replaced(&self) -> Revision {
        Revision(self.replaced)
    }

    /// The record as it was.
    pub fn opened(&self) -> Result<Opened<'_>, RecordFault> {
        let kind = u8::try_from(self.kind).ok().and_then(Kind::of);
        let kind = kind.ok_or(RecordFault::Damaged("a version of it is of no known kind"))?;
        Ok(Opened { kind, revision: Revision(self.revision), body: &self.body })
    }
}

/// The records in the body of a packed one, oldest first.
pub fn read(body: &[u8]) -> Result<Vec<Version>, RecordFault> {
    let body = VersionsBody::decode(body).map_err(|_| RecordFault::Damaged("it cannot be decoded"))?;
    Ok(body.versions)
}
