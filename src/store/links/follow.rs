//! What a change of entities changes in the index.
//!
//! Nothing here writes: it makes [`Write`]s for the same batch. Chunks are found through `next`, which answers the first
//! key of the keyspace from a given one on, and its value, as the batch finds them.

use std::cmp::Ordering;
use std::collections::{BTreeMap, BTreeSet, HashMap};

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
    let id = |member: u32| writes.get(member as usize).and_then(|write| key::uid(&write.key));
    let mut changes = Changes::default();
    let mut last_type = None;
    for (write, member) in writes.iter().zip(0..) {
        let Some(uid) = key::uid(&write.key) else { continue };
        if last_type.as_ref() != Some(uid.type_name()) {
            // What one type changes is settled before the next: a large batch needs room for one type only.
            settle(&mut changes, id, revision, place, &mut next, &mut out)?;
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
                before.difference(&after).for_each(|target| changes.push(id, target, member, false));
                after.difference(&before).for_each(|target| changes.push(id, target, member, true));
            }
        }
    }
    settle(&mut changes, id, revision, place, &mut next, &mut out)?;
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
    let id = |member: u32| found.get(member as usize).and_then(|(key, _)| key::uid(key));
    let mut changes = Changes::default();
    let mut progress = Progress::Built;
    for ((key, value), member) in found.iter().zip(0..) {
        if !is_of_type(key, &type_name) {
            progress = Progress::Built;
            break;
        }
        if member as usize + 1 == limit {
            progress = Progress::Until(key.to_vec());
        }
        let Some(uid) = key::uid(key) else { continue };
        let Some(entity) = entity(&uid, key, value, place)? else { continue };
        for link in &links {
            let Some(id) = catalogue.id(link) else { continue };
            for target in link.targets(&entity) {
                changes.entry(id).or_default().push(id, target, member, true);
            }
        }
    }
    let mut writes = Vec::new();
    settle(&mut changes, id, revision, place, &mut next, &mut writes)?;
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

type Changes = BTreeMap<LinkId, OfLink>;

/// Pairs of one link to add and to remove, for entities of one type. An import has millions of them, and few targets.
#[derive(Default)]
struct OfLink {
    /// What the pairs of each target start with.
    prefixes: Vec<Vec<u8>>,
    known: HashMap<Uid, u32>,
    items: Vec<Item>,
}

#[derive(Clone, Copy)]
struct Item {
    /// Which of the targets.
    target: u32,
    /// Which of the changed entities; they are in byte order of their ids.
    member: u32,
    add: bool,
}

impl OfLink {
    fn push(&mut self, link: LinkId, target: &Uid, member: u32, add: bool) {
        let target = match self.known.get(target) {
            Some(known) => *known,
            None => {
                let number = u32::try_from(self.prefixes.len()).unwrap_or(u32::MAX);
                self.prefixes.push(pair::prefix(link, target));
                self.known.insert(target.clone(), number);
                number
            }
        };
        self.items.push(Item { target, member, add });
    }

    /// The changes in the order of their pairs.
    fn sorted(&mut self) -> Vec<Item> {
        let mut order: Vec<usize> = (0..self.prefixes.len()).collect();
        order.sort_by_key(|target| self.prefixes.get(*target));
        let mut ranks = vec![0_u32; order.len()];
        for (target, rank) in order.into_iter().zip(0..) {
            if let Some(place) = ranks.get_mut(target) {
                *place = rank;
            }
        }
        let mut items = std::mem::take(&mut self.items);
        items.sort_unstable_by_key(|item| (ranks.get(item.target as usize).copied(), item.member));
        items
    }
}

fn settle(
    changes: &mut Changes,
    id: impl Fn(u32) -> Option<Uid>,
    revision: Revision,
    place: &str,
    next: &mut impl FnMut(&[u8]) -> Result<Found, StoreError>,
    out: &mut Vec<Write>,
) -> Result<(), StoreError> {
    while let Some((link, mut of_link)) = changes.pop_first() {
        let items = of_link.sorted();
        let pair = |item: &Item| -> Vec<u8> {
            let prefix = of_link.prefixes.get(item.target as usize).map_or(&[][..], Vec::as_slice);
            let member = id(item.member);
            [prefix, member.as_ref().map_or(&[], |uid| uid.id().as_bytes())].concat()
        };
        let mut left = items.as_slice();
        while let Some(first) = left.first() {
            let chunk = Chunk::find(link, &pair(first), place, next)?;
            let count = left.partition_point(|item| *pair(item) <= *chunk.key);
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

    /// Makes the changes, whose pairs are in order.
    fn change(self, changes: impl Iterator<Item = (Vec<u8>, bool)>, revision: Revision, out: &mut Vec<Write>) {
        let start = pair::start(self.link);
        let mut packer: Packer<Vec<u8>> = Packer::new();
        let mut kept = self.pairs.into_iter().peekable();
        let mut changes =
            changes.map(|(pair, add)| (pair.get(start.len()..).unwrap_or_default().to_vec(), add)).peekable();
        let write = |key: Bytes, old: Option<Bytes>, chunk: &[Vec<u8>]| {
            let new = Body::opaque(&chunk::encode(chunk)).seal(&key, revision).into();
            Write { key, old, new: Some(new) }
        };
        let inner = |chunk: Vec<Vec<u8>>| {
            let last = chunk.last().map_or(&[][..], Vec::as_slice);
            write([start.as_slice(), last].concat().into(), None, &chunk)
        };
        loop {
            let order = match (kept.peek(), changes.peek()) {
                (Some(old), Some((new, _))) => old.cmp(new),
                (Some(_), None) => Ordering::Less,
                (None, Some(_)) => Ordering::Greater,
                (None, None) => break,
            };
            let old = if order.is_le() { kept.next() } else { None };
            let pair = match (order.is_ge().then(|| changes.next()).flatten(), old) {
                (Some((new, add)), _) => add.then_some(new),
                (None, old) => old,
            };
            out.extend(pair.and_then(|pair| packer.push(pair)).map(inner));
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
