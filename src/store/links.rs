//! The index behind reverse questions: for a link and a target, which entities lead there.
//!
//! A store keeps the links that it was told to ([`Store::keep_links`](super::Store::keep_links)), each as one sorted
//! sequence of pairs (target, id of the entity that leads there), cut into chunks of up to [`chunk::MAX_PAIRS`]:
//! ```text
//! 0x02                                   which links are kept, and how far each is built (links/catalogue.rs)
//! 0x02 | link:u64 | last pair, or FF     the chunk that ends there (links/pair.rs, links/chunk.rs)
//! ```
//! A pair belongs to the first chunk whose key is not below it, so finding, reading and changing take one forward scan.
//! Changes of the index go into the batch of the change that causes them (`links/follow.rs`): it can never say anything
//! else than the entities do. A link that is not built yet covers the entities up to a cursor, and is not read.

mod catalogue;
mod chunk;
mod follow;
mod pair;

use std::ops::ControlFlow;

use smol_str::SmolStr;

use super::StoreError;
use super::record::{self, Kind, RecordFault};
use super::view::{Keyspace, fault};
use crate::entity::{Link, Uid};

pub use catalogue::{Catalogue, KEY};
use chunk::Pairs;
pub use follow::{Step, follow, step};

/// Up to `limit` ids of entities whose `link` leads to `target`, from `from` on in byte order. Nothing when the link is
/// not kept, or not built yet.
pub fn read<K: Keyspace>(
    keyspace: &K,
    catalogue: &Catalogue,
    link: &Link,
    target: &Uid,
    from: &str,
    limit: usize,
) -> Result<Option<Vec<SmolStr>>, StoreError> {
    let Some(id) = catalogue.built(link) else {
        return Ok(None);
    };
    let (start, prefix) = (pair::start(id), pair::prefix(target));
    let first = [&prefix, from.as_bytes()].concat();
    let place = keyspace.place();
    let mut found = Vec::new();
    keyspace.scan(&[&start, first.as_slice()].concat(), &mut |key, value| {
        if !key.starts_with(&start) {
            return Ok(ControlFlow::Break(()));
        }
        for pair in open(place, key, value)?.iter() {
            if pair < first.as_slice() {
                continue;
            }
            match pair.strip_prefix(prefix.as_slice()) {
                Some(member) if found.len() < limit => found.push(member_id(place, key, member)?),
                _ => return Ok(ControlFlow::Break(())),
            }
        }
        Ok(ControlFlow::Continue(()))
    })?;
    Ok(Some(found))
}

/// The pairs of a stored chunk, without what all pairs of a link start with.
fn open(place: &str, key: &[u8], value: &[u8]) -> Result<Pairs, StoreError> {
    let read = || match record::open(key, value)? {
        opened if opened.kind == Kind::Opaque => chunk::decode(opened.body),
        _ => Err(RecordFault::Damaged("it is no part of the index")),
    };
    read().map_err(|why| fault(place, key, &why))
}

fn member_id(place: &str, key: &[u8], member: &[u8]) -> Result<SmolStr, StoreError> {
    std::str::from_utf8(member)
        .map(SmolStr::new)
        .map_err(|_| fault(place, key, &RecordFault::Damaged("a name in it is no text")))
}
