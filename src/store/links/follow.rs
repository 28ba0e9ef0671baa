//! What a change of entities changes in the index.
//!
//! Nothing here writes: it makes [`Write`]s for the same batch. Chunks are found through `next`, which answers the first
//! key of the keyspace from a given one on, and its value, as the batch finds them.

use std::collections::{BTreeMap, BTreeSet};

use super::catalogue::{Catalogue, Progress, is_of_type};
use super::chunk::{self, Packer};
use super::pair::{self, LinkId};
use crate::entity::Uid;
use crate::store::plan::{Bytes, Write};
use crate::store::record::{self, Body, Kind, RecordFault};
use crate::store::view::fault;
use crate::store::{Revision, StoreError, key};

/// A key and its value.
pub type Found = Option<(Bytes, Bytes)>;

/// The writes that make the index follow `writes`, which are in key order; in key order themselves.
pub fn follow(
    catalogue: &Catalogue,
    writes: &[Write],
    revision: Revision,
    place: &str,
    mut next: impl FnMut(&[u8]) -> Result<Found, StoreError>,
) -> Result<Vec<Write>, StoreError> {
    let mut out = Vec::new();
    if catalogue.is_empty() {
        return Ok(out);
    }
    let mut changes: BTreeMap<LinkId, Changes> = BTreeMap::new();
    let mut last_type = None;
    for write in writes {
        let Some(uid) = key::uid(&write.key) else { continue };
        if last_type.as_ref() != Some(uid.type_name()) {
            // What one type changes is settled before the next: a large batch needs room for one type only.
            settle(&mut changes, revision, place, &mut next, &mut out)?;
            last_type = Some(uid.type_name().clone());
        }
        let links: Vec<_> = catalogue.covering(uid.type_name(), &write.key).collect();
        if links.is_empty() {
            continue;
        }
        let read =
            |value: &Option<Bytes>| value.as_ref().map_or(Ok(None), |value| entity(&uid, &write.key, value, place));
        let (old, new) = (read(&write.old)?, read(&write.new)?);
        for (link, id) in links {
            let before = old.as_ref().map_or_else(BTreeSet::new, |entity| link.targets(entity));
            let after = new.as_ref().map_or_else(BTreeSet::new, |entity| link.targets(entity));
            if before != after {
                let changes = changes.entry(id).or_default();
                before.difference(&after).for_each(|target| changes.push(id, target, &uid, false));
                after.difference(&before).for_each(|target| changes.push(id, target, &uid, true));
            }
        }
    }
    settle(&mut changes, revision, place, &mut next, &mut out)?;
    out.sort_by(|a, b| a.key.cmp(&b.key));
    Ok(out)
}

/// One step of building links.
pub struct Step {
    pub writes: Vec<Write>,
    /// How far the links have come with them.
    pub catalogue: Catalogue,
}

/// Builds what is not built yet for up to `limit` entities more; nothing when all is built. `entities` gives that many
/// records from a key on, of whatever type.
pub fn step(
    catalogue: &Catalogue,
    revision: Revision,
    place: &str,
    limit: usize,
    entities: impl FnOnce(&[u8], usize) -> Result<Vec<(Bytes, Bytes)>, StoreError>,
    mut next: impl FnMut(&[u8]) -> Result<Found, StoreError>,
) -> Result<Option<Step>, StoreError> {
    let Some((links, until)) = catalogue.unbuilt() else {
        return Ok(None);
    };
    let Some(type_name) = links.first().map(|link| link.from.clone()) else {
        return Ok(None);
    };
    let from = match until.is_empty() {
        true => key::prefix(&type_name, ""),
        false => [until.as_slice(), &[0]].concat(),
    };
    let found = entities(&from, limit)?;
    let mut changes: BTreeMap<LinkId, Changes> = BTreeMap::new();
    let mut progress = Progress::Built;
    for (at, (key, value)) in found.iter().enumerate() {
        if !is_of_type(key, &type_name) {
            progress = Progress::Built;
            break;
        }
        if at + 1 == limit {
            progress = Progress::Until(key.to_vec());
        }
        let Some(uid) = key::uid(key) else { continue };
        let Some(entity) = entity(&uid, key, value, place)? else { continue };
        for link in &links {
            let Some(id) = catalogue.id(link) else { continue };
            for target in link.targets(&entity) {
                changes.entry(id).or_default().push(id, target, &uid, true);
            }
        }
    }
    let mut writes = Vec::new();
    settle(&mut changes, revision, place, &mut next, &mut writes)?;
    let mut catalogue = catalogue.clone();
    catalogue.reach(&links, &progress);
    Ok(Some(Step { writes, catalogue }))
}

fn entity(uid: &Uid, key: &[u8], value: &[u8], place: &str) -> Result<Option<crate::entity::Entity>, StoreError> {
    let read = || match record::open(key, value)? {
        opened if opened.kind == Kind::Entity => record::entity(uid.clone(), opened.body).map(Some),
        _ => Ok(None),
    };
    read().map_err(|why: RecordFault| fault(place, key, &why))
}

/// Pairs of one link to add and to remove. They lie one behind the other: an import has millions.
#[derive(Default)]
struct Changes {
    bytes: Vec<u8>,
    items: Vec<Item>,
}

#[derive(Clone, Copy)]
struct Item {
    start: usize,
    length: u32,
    add: bool,
}

impl Changes {
    fn push(&mut self, link: LinkId, target: &Uid, member: &Uid, add: bool) {
        let start = self.bytes.len();
        self.bytes.extend(pair::prefix(link, target));
        self.bytes.extend(member.id().as_bytes());
        let length = u32::try_from(self.bytes.len() - start).unwrap_or(u32::MAX);
        self.items.push(Item { start, length, add });
    }
}

fn settle(
    changes: &mut BTreeMap<LinkId, Changes>,
    revision: Revision,
    place: &str,
    next: &mut impl FnMut(&[u8]) -> Result<Found, StoreError>,
    out: &mut Vec<Write>,
) -> Result<(), StoreError> {
    while let Some((link, of_link)) = changes.pop_first() {
        let Changes { bytes, mut items } = of_link;
        let pair = |item: &Item| bytes.get(item.start..item.start + item.length as usize).unwrap_or_default();
        items.sort_unstable_by(|a, b| pair(a).cmp(pair(b)));
        let mut left = items.as_slice();
        while let Some(first) = left.first() {
            let chunk = Chunk::find(link, pair(first), place, next)?;
            let count = left.partition_point(|item| pair(item) <= &*chunk.key);
            let (here, rest) = left.split_at_checked(count.max(1)).unwrap_or((left, &[]));
            chunk.change(here.iter().map(|item| (pair(item), item.add)), revision, out);
            left = rest;
        }
    }
    Ok(())
}

/// A stored chunk, or the place for the first one.
struct Chunk {
    link: LinkId,
    key: Bytes,
    old: Option<Bytes>,
    /// Without what all pairs of the link start with.
    pairs: Vec<Vec<u8>>,
}

impl Chunk {
    fn find(
        link: LinkId,
        pair: &[u8],
        place: &str,
        next: &mut impl FnMut(&[u8]) -> Result<Found, StoreError>,
    ) -> Result<Self, StoreError> {
        match next(pair)?.filter(|(key, _)| key.starts_with(&pair::start(link))) {
            Some((key, value)) => {
                let pairs = super::open(place, &key, &value)?;
                Ok(Self { link, key, old: Some(value), pairs })
            }
            None => Ok(Self { link, key: pair::last(link).into(), old: None, pairs: Vec::new() }),
        }
    }

    fn change<'p>(self, changes: impl Iterator<Item = (&'p [u8], bool)>, revision: Revision, out: &mut Vec<Write>) {
        let start = pair::start(self.link);
        let mut packer: Packer<&[u8]> = Packer::new();
        let mut kept = self.pairs.iter().map(Vec::as_slice).peekable();
        let mut changes = changes.filter_map(|(pair, add)| Some((pair.strip_prefix(&start)?, add))).peekable();
        let write = |key: Bytes, old: Option<Bytes>, chunk: &[&[u8]]| {
            let new = Body::opaque(&chunk::encode(chunk)).seal(&key, revision).into();
            Write { key, old, new: Some(new) }
        };
        let inner = |chunk: Vec<&[u8]>| {
            let last = chunk.last().copied().unwrap_or_default();
            write([start.as_slice(), last].concat().into(), None, &chunk)
        };
        let mut put = |pair| {
            let full = packer.push(pair);
            out.extend(full.map(inner));
        };
        loop {
            match (kept.peek(), changes.peek()) {
                (Some(old), Some((new, add))) if old >= new => {
                    if *add {
                        put(*new);
                    }
                    if old == new {
                        kept.next();
                    }
                    changes.next();
                }
                (Some(old), _) => {
                    put(*old);
                    kept.next();
                }
                (None, Some((new, add))) => {
                    if *add {
                        put(*new);
                    }
                    changes.next();
                }
                (None, None) => break,
            }
        }
        let mut chunks = packer.finish();
        match chunks.pop() {
            Some(last) => {
                out.extend(chunks.into_iter().map(inner));
                out.push(write(self.key, self.old, &last));
            }
            None if self.old.is_some() => out.push(Write { key: self.key, old: self.old, new: None }),
            None => {}
        }
    }
}
