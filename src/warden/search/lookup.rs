//! From where to look to what is there: candidates as cursors over the store's index.
//!
//! A link that is not indexed, or a chain that would lead through too many entities, gives no cursor: then every entity of
//! the type is a candidate.

use std::collections::BTreeSet;

use smol_str::SmolStr;

use super::cursor::{Buffer, Cursor};
use crate::entity::{Link, Uid};
use crate::pdp::Candidates;
use crate::store::{Reader, StoreError};

/// How many entities may lie on the way to the candidates.
const MOST: usize = 20_000;
/// How many ids are read at once.
const READ: usize = 512;
/// An intersection with so few candidates on one side is not worth looking at the others.
const FEW: usize = 64;

/// Looks candidates of one type up at one revision.
pub(super) struct Lookup<'a> {
    pub reader: &'a dyn Reader,
    pub type_name: &'a SmolStr,
    /// What may still be passed on the way.
    pub left: usize,
}

impl<'a> Lookup<'a> {
    pub fn new(reader: &'a dyn Reader, type_name: &'a SmolStr) -> Self {
        Self { reader, type_name, left: MOST }
    }

    /// Nothing when all of the type have to be looked at.
    pub fn cursor(&mut self, candidates: &Candidates) -> Result<Option<Cursor>, StoreError> {
        match candidates {
            Candidates::All => Ok(None),
            Candidates::Ids(ids) => Ok(Some(self.ids(ids))),
            Candidates::Leading { link, to } => {
                let Some(targets) = self.entities(to)? else {
                    return Ok(None);
                };
                self.linked(link, targets)
            }
            Candidates::Below { type_name, roots, through } => {
                let Some(groups) = self.groups(roots, through)? else {
                    return Ok(None);
                };
                let own = self.ids(roots);
                let below = self.linked(&Link::parents(type_name.clone()), groups)?;
                Ok(below.map(|below| Cursor::any(vec![own, below])))
            }
            Candidates::Any(parts) => {
                let cursors: Option<Vec<Cursor>> =
                    parts.iter().map(|part| self.cursor(part)).collect::<Result<_, _>>()?;
                Ok(cursors.map(Cursor::any))
            }
            Candidates::Every(parts) => {
                let few = parts.iter().find(|part| matches!(part, Candidates::Ids(ids) if ids.len() <= FEW));
                if let Some(few) = few {
                    return self.cursor(few);
                }
                let mut cursors = Vec::new();
                for part in parts {
                    // One that cannot be looked up narrows nothing, and must not use up what the others may pass.
                    let left = self.left;
                    match self.cursor(part)? {
                        Some(cursor) => cursors.push(cursor),
                        None => self.left = left,
                    }
                }
                Ok(match cursors.len() {
                    0 => None,
                    1 => cursors.pop(),
                    _ => Some(Cursor::Every(cursors)),
                })
            }
        }
    }

    fn ids(&self, ids: &BTreeSet<Uid>) -> Cursor {
        Cursor::Ids(ids.iter().filter(|uid| uid.type_name() == self.type_name).map(|uid| uid.id().clone()).collect())
    }

    fn linked(&mut self, link: &Link, targets: BTreeSet<Uid>) -> Result<Option<Cursor>, StoreError> {
        let Some(first) = targets.first() else {
            return Ok(Some(Cursor::Ids(Default::default())));
        };
        if self.reader.linked(link, first, "", 0)?.is_none() || !self.pass(targets.len()) {
            return Ok(None);
        }
        let stream = |target| Cursor::Linked(Buffer::default(), link.clone(), target);
        Ok(Some(Cursor::any(targets.into_iter().map(stream).collect())))
    }

    /// The entities that candidates of another type are; nothing when they cannot be told, or are too many.
    fn entities(&mut self, candidates: &Candidates) -> Result<Option<BTreeSet<Uid>>, StoreError> {
        match candidates {
            Candidates::All => Ok(None),
            Candidates::Ids(ids) => Ok(Some(ids.clone())),
            Candidates::Leading { link, to } => {
                let Some(targets) = self.entities(to)? else {
                    return Ok(None);
                };
                let mut found = BTreeSet::new();
                for target in targets {
                    match self.leading(link, &target)? {
                        Some(more) => found.extend(more),
                        None => return Ok(None),
                    }
                }
                Ok(Some(found))
            }
            Candidates::Below { type_name, roots, through } => {
                let Some(groups) = self.groups(roots, through)? else {
                    return Ok(None);
                };
                let mut found: BTreeSet<Uid> =
                    groups.iter().filter(|uid| uid.type_name() == type_name).cloned().collect();
                for group in groups {
                    match self.leading(&Link::parents(type_name.clone()), &group)? {
                        Some(more) => found.extend(more),
                        None => return Ok(None),
                    }
                }
                Ok(Some(found))
            }
            Candidates::Any(parts) => {
                let mut found = BTreeSet::new();
                for part in parts {
                    match self.entities(part)? {
                        Some(more) => found.extend(more),
                        None => return Ok(None),
                    }
                }
                Ok(Some(found))
            }
            // Any one of them has all; the others only narrow.
            Candidates::Every(parts) => {
                let mut found: Option<BTreeSet<Uid>> = None;
                for part in parts {
                    let left = self.left;
                    match (self.entities(part)?, &mut found) {
                        (Some(more), Some(found)) => found.retain(|uid| more.contains(uid)),
                        (Some(more), None) => found = Some(more),
                        (None, _) => self.left = left,
                    }
                }
                Ok(found)
            }
        }
    }

    /// The roots, and all between them and the candidates.
    fn groups(
        &mut self,
        roots: &BTreeSet<Uid>,
        through: &BTreeSet<SmolStr>,
    ) -> Result<Option<BTreeSet<Uid>>, StoreError> {
        let mut groups = roots.clone();
        let mut next: Vec<Uid> = roots.iter().cloned().collect();
        while let Some(group) = next.pop() {
            for type_name in through {
                let link = Link::parents(type_name.clone());
                let Some(below) = self.leading(&link, &group)? else {
                    return Ok(None);
                };
                next.extend(below.into_iter().filter(|uid| groups.insert(uid.clone())));
            }
        }
        Ok(Some(groups))
    }

    /// Every entity whose link leads to a target.
    fn leading(&mut self, link: &Link, target: &Uid) -> Result<Option<Vec<Uid>>, StoreError> {
        let mut found: Vec<Uid> = Vec::new();
        let mut from = SmolStr::default();
        loop {
            let Some(page) = self.reader.linked(link, target, &from, READ)? else {
                return Ok(None);
            };
            if !self.pass(page.len()) {
                return Ok(None);
            }
            let last = page.last().filter(|_| page.len() == READ).map(|id| super::cursor::after(id));
            found.extend(page.into_iter().map(|id| Uid::new(link.from.clone(), id)));
            match last {
                Some(next) => from = next,
                None => return Ok(Some(found)),
            }
        }
    }

    fn pass(&mut self, count: usize) -> bool {
        match self.left.checked_sub(count.max(1)) {
            Some(left) => {
                self.left = left;
                true
            }
            None => false,
        }
    }
}
