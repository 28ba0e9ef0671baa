//! What a change of entities changes in the index.
//!
//! Nothing here writes: it makes [`Write`]s for the same batch. Chunks are found through `next`, which answers the first
//! key of the keyspace from a given one on, and its value, as the batch finds them.

use std::borrow::Cow;
use std::cmp::Ordering;
use std::collections::{BTreeMap, BTreeSet, HashMap};

use smol_str::SmolStr;

use super::catalogue::{Catalogue, Kept, Progress};
use super::chunk::{self, Packer, Pairs};
use super::pair::{self, LinkId};
use crate::entity::{Entity, Link, Uid};
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
    let entities = writes.partition_point(|write| key::is_entity(&write.key));
    let mut left = writes.get(..entities).unwrap_or_default();
    while let Some(first) = left.first() {
        let Some(first) = key::uid(&first.key) else { break };
        // What one type changes is settled before the next: a large batch needs room for one type only.
        let prefix = key::prefix(first.type_name(), "");
        let (of_type, rest) = left.split_at(left.partition_point(|write| write.key.starts_with(&prefix)));
        left = rest;
        let links: Vec<(&Link, &Kept)> = catalogue.of_type(first.type_name()).collect();
        if links.is_empty() {
            continue;
        }
        let reading = Reading::of(links.iter().map(|(link, _)| *link));
        let mut changes = Changes::new(&prefix, of_type.iter().map(|write| &write.key));
        for (write, member) in of_type.iter().zip(0..) {
            let read = |value: &Option<Bytes>| match value {
                Some(value) => entity(first.type_name(), &write.key, value, place, reading),
                None => Ok(None),
            };
            let (old, new) = (read(&write.old)?, read(&write.new)?);
            for (link, kept) in links.iter().filter(|(_, kept)| kept.covers(&write.key)) {
                let before = old.as_ref().map_or_else(BTreeSet::new, |entity| link.targets(entity));
                let after = new.as_ref().map_or_else(BTreeSet::new, |entity| link.targets(entity));
                before.difference(&after).for_each(|target| changes.push(kept.id, target, member, false));
                after.difference(&before).for_each(|target| changes.push(kept.id, target, member, true));
            }
        }
        changes.settle(revision, place, &mut next, &mut out)?;
    }
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
    let mut found = entities(&from, limit)?;
    let prefix = key::prefix(&type_name, "");
    let full = found.len() == limit;
    found.truncate(found.partition_point(|(key, _)| key.starts_with(&prefix)));
    let progress = match found.last().filter(|_| full && found.len() == limit) {
        Some((last, _)) => Progress::Until(last.to_vec()),
        None => Progress::Built,
    };
    let reading = Reading::of(&links);
    let mut changes = Changes::new(&prefix, found.iter().map(|(key, _)| key));
    for ((key, value), member) in found.iter().zip(0..) {
        let Some(entity) = entity(&type_name, key, value, place, reading)? else { continue };
        for link in &links {
            let Some(id) = catalogue.id(link) else { continue };
            link.targets(&entity).into_iter().for_each(|target| changes.push(id, target, member, true));
        }
    }
    let mut writes = Vec::new();
    changes.settle(revision, place, &mut next, &mut writes)?;
    let mut catalogue = catalogue.clone();
    catalogue.reach(&links, &progress);
    Ok(Some(Step { writes, catalogue }))
}

/// What links need of an entity.
#[derive(Clone, Copy)]
enum Reading {
    Whole,
    Parents,
}

impl Reading {
    fn of<'l>(links: impl IntoIterator<Item = &'l Link>) -> Self {
        match links.into_iter().all(|link| link.path.is_empty()) {
            true => Self::Parents,
            false => Self::Whole,
        }
    }
}

/// A stored entity, as far as it is needed; its id does not matter here, and is left out.
fn entity(
    type_name: &SmolStr,
    key: &[u8],
    value: &[u8],
    place: &str,
    reading: Reading,
) -> Result<Option<Entity>, StoreError> {
    let read = || {
        let opened = record::open(key, value)?;
        if opened.kind != Kind::Entity {
            return Ok(None);
        }
        let uid = Uid::new(type_name.clone(), "");
        Ok(Some(match reading {
            Reading::Whole => record::entity(uid, opened.body)?,
            Reading::Parents => Entity { parents: record::parents(opened.body)?, ..Entity::bare(uid) },
        }))
    };
    read().map_err(|why: RecordFault| fault(place, key, &why))
}

/// What changes of entities of one type change in the index.
struct Changes<'w> {
    /// The ids of the entities, in byte order.
    members: Vec<&'w [u8]>,
    links: BTreeMap<LinkId, OfLink>,
}

/// Pairs of one link to add and to remove. An import has millions of them, and few targets.
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
    /// Which of the entities.
    member: u32,
    add: bool,
}

impl<'w> Changes<'w> {
    /// For the entities at `keys`, all of which start with `prefix`.
    fn new(prefix: &[u8], keys: impl Iterator<Item = &'w Bytes>) -> Self {
        let members = keys.map(|key| key.get(prefix.len()..).unwrap_or_default()).collect();
        Self { members, links: BTreeMap::new() }
    }

    fn push(&mut self, link: LinkId, target: &Uid, member: u32, add: bool) {
        let of_link = self.links.entry(link).or_default();
        let target = match of_link.known.get(target) {
            Some(known) => *known,
            None => {
                let number = u32::try_from(of_link.prefixes.len()).unwrap_or(u32::MAX);
                of_link.prefixes.push(pair::prefix(target));
                of_link.known.insert(target.clone(), number);
                number
            }
        };
        of_link.items.push(Item { target, member, add });
    }

    /// Finds the chunks and changes them.
    fn settle(
        mut self,
        revision: Revision,
        place: &str,
        next: &mut impl FnMut(&[u8]) -> Result<Found, StoreError>,
        out: &mut Vec<Write>,
    ) -> Result<(), StoreError> {
        while let Some((link, mut of_link)) = self.links.pop_first() {
            let items = of_link.sorted();
            let pair = |item: &Item| -> Vec<u8> {
                let prefix = of_link.prefixes.get(item.target as usize).map_or(&[][..], Vec::as_slice);
                [prefix, self.members.get(item.member as usize).copied().unwrap_or_default()].concat()
            };
            let mut left = items.as_slice();
            while let Some(first) = left.first() {
                let chunk = Chunk::find(link, &pair(first), place, next)?;
                let end = chunk.key.get(pair::start(link).len()..).unwrap_or_default();
                let count = left.partition_point(|item| pair(item).as_slice() <= end);
                let (here, rest) = left.split_at_checked(count.max(1)).unwrap_or((left, &[]));
                chunk.change(here.iter().map(|item| (pair(item), item.add)), revision, out);
                left = rest;
            }
        }
        Ok(())
    }
}

impl OfLink {
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

/// A stored chunk, or the place for the first one.
struct Chunk {
    link: LinkId,
    key: Bytes,
    old: Option<Bytes>,
    /// Without what all pairs of the link start with.
    pairs: Pairs,
}

impl Chunk {
    fn find(
        link: LinkId,
        pair: &[u8],
        place: &str,
        next: &mut impl FnMut(&[u8]) -> Result<Found, StoreError>,
    ) -> Result<Self, StoreError> {
        match next(&[&pair::start(link), pair].concat())?.filter(|(key, _)| key.starts_with(&pair::start(link))) {
            Some((key, value)) => {
                let pairs = super::open(place, &key, &value)?;
                Ok(Self { link, key, old: Some(value), pairs })
            }
            None => Ok(Self { link, key: pair::last(link).into(), old: None, pairs: Pairs::default() }),
        }
    }

    /// Makes the changes, whose pairs are in order.
    fn change(self, changes: impl Iterator<Item = (Vec<u8>, bool)>, revision: Revision, out: &mut Vec<Write>) {
        let Self { link, key, old, pairs } = self;
        let start = pair::start(link);
        let mut packer: Packer<Cow<'_, [u8]>> = Packer::new();
        let mut kept = pairs.iter().peekable();
        let mut changes = changes.peekable();
        let write = |key: Bytes, old: Option<Bytes>, chunk: &[Cow<'_, [u8]>]| {
            let new = Body::opaque(&chunk::encode(chunk)).seal(&key, revision).into();
            Write { key, old, new: Some(new) }
        };
        let inner = |chunk: Vec<Cow<'_, [u8]>>| {
            let last = chunk.last().map_or(&[][..], AsRef::as_ref);
            write([start.as_slice(), last].concat().into(), None, &chunk)
        };
        loop {
            let order = match (kept.peek(), changes.peek()) {
                (Some(old), Some((new, _))) => (*old).cmp(new.as_slice()),
                (Some(_), None) => Ordering::Less,
                (None, Some(_)) => Ordering::Greater,
                (None, None) => break,
            };
            let old = if order.is_le() { kept.next() } else { None };
            let pair = match (order.is_ge().then(|| changes.next()).flatten(), old) {
                (Some((new, add)), _) => add.then_some(Cow::Owned(new)),
                (None, old) => old.map(Cow::Borrowed),
            };
            out.extend(pair.and_then(|pair| packer.push(pair)).map(inner));
        }
        let mut chunks = packer.finish();
        match chunks.pop() {
            Some(last) => {
                out.extend(chunks.into_iter().map(inner));
                out.push(write(key, old, &last));
            }
            None if old.is_some() => out.push(Write { key, old, new: None }),
            None => {}
        }
    }
}
