//! Candidates of one type, one after the other in byte order of their ids.
//!
//! A cursor is told where to go on and answers the first candidate from there; unions merge, intersections leap from one
//! side to the other. It reads a little of the index at a time, keeps no view of the store, and stops when its time is up.

use std::cmp::Reverse;
use std::collections::{BinaryHeap, VecDeque};
use std::time::Instant;

use smol_str::{SmolStr, format_smolstr};

use crate::entity::{Link, Uid};
use crate::store::{ListQuery, Lookup, Reader, StoreError};

/// How many ids are read at once.
const READ: usize = 64;

/// What a cursor found.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Seek {
    At(SmolStr),
    End,
    /// Time is up; there is nothing before this.
    Paused(SmolStr),
}

pub(super) enum Cursor {
    /// In order.
    Ids(VecDeque<SmolStr>),
    /// Every entity of a type.
    Type(Buffer, SmolStr),
    /// Those whose link leads to a target.
    Linked(Buffer, Link, Uid),
    Any(Union),
    Every(Vec<Cursor>),
}

/// Ids that were read ahead.
#[derive(Default)]
pub(super) struct Buffer {
    ids: VecDeque<SmolStr>,
    /// Whether there is nothing behind them.
    done: bool,
}

/// Cursors merged.
pub(super) struct Union {
    parts: Vec<Cursor>,
    /// How many of them were opened.
    opened: usize,
    heads: BinaryHeap<Reverse<(SmolStr, usize)>>,
}

impl Cursor {
    pub fn any(mut parts: Vec<Self>) -> Self {
        match parts.pop() {
            Some(one) if parts.is_empty() => one,
            last => {
                parts.extend(last);
                Self::Any(Union { parts, opened: 0, heads: BinaryHeap::new() })
            }
        }
    }

    /// The first candidate whose id is not below `from`, which must never go back.
    pub fn seek(&mut self, from: &SmolStr, reader: &dyn Reader, until: Instant) -> Result<Seek, StoreError> {
        match self {
            Self::Ids(ids) => {
                while ids.front().is_some_and(|id| id < from) {
                    ids.pop_front();
                }
                Ok(ids.front().cloned().map_or(Seek::End, Seek::At))
            }
            Self::Type(buffer, type_name) => buffer.seek(from, |from| stored(reader, type_name, from)),
            Self::Linked(buffer, link, target) => buffer.seek(from, |from| {
                // It was built when the cursor was made, and what is built stays so.
                Ok(reader.linked(link, target, from, READ)?.unwrap_or_default())
            }),
            Self::Any(union) => union.seek(from, reader, until),
            Self::Every(parts) => leap(parts, from, reader, until),
        }
    }
}

impl Buffer {
    fn seek(
        &mut self,
        from: &SmolStr,
        read: impl FnOnce(&SmolStr) -> Result<Vec<SmolStr>, StoreError>,
    ) -> Result<Seek, StoreError> {
        while self.ids.front().is_some_and(|id| id < from) {
            self.ids.pop_front();
        }
        if self.ids.is_empty() && !self.done {
            self.ids = read(from)?.into();
            self.done = self.ids.len() < READ;
        }
        Ok(self.ids.front().cloned().map_or(Seek::End, Seek::At))
    }
}

impl Union {
    fn seek(&mut self, from: &SmolStr, reader: &dyn Reader, until: Instant) -> Result<Seek, StoreError> {
        while let Some(part) = self.parts.get_mut(self.opened) {
            if Instant::now() >= until {
                return Ok(Seek::Paused(from.clone()));
            }
            match part.seek(from, reader, until)? {
                Seek::At(id) => self.heads.push(Reverse((id, self.opened))),
                Seek::End => {}
                paused @ Seek::Paused(_) => return Ok(paused),
            }
            self.opened += 1;
        }
        while let Some(Reverse((head, part))) = self.heads.peek().cloned() {
            if head >= *from {
                return Ok(Seek::At(head));
            }
            let Some(cursor) = self.parts.get_mut(part) else { break };
            match cursor.seek(from, reader, until)? {
                Seek::At(id) => {
                    self.heads.pop();
                    self.heads.push(Reverse((id, part)));
                }
                Seek::End => drop(self.heads.pop()),
                Seek::Paused(_) => return Ok(Seek::Paused(from.clone())),
            }
        }
        Ok(Seek::End)
    }
}

/// The ids of a type's entities from one on.
fn stored(reader: &dyn Reader, type_name: &SmolStr, from: &SmolStr) -> Result<Vec<SmolStr>, StoreError> {
    let query = ListQuery { type_name: Some(type_name.to_string()), id_prefix: String::new() };
    let uid = |id: &str| Uid::new(type_name.clone(), id);
    let mut ids = Vec::new();
    // A listing goes on after an id.
    let after = match from.strip_suffix('\0') {
        Some(before) => Some(uid(before)),
        None if from.is_empty() => None,
        None => {
            ids.extend(matches!(reader.get(&uid(from))?, Lookup::Present(_)).then(|| from.clone()));
            Some(uid(from))
        }
    };
    let found = reader.list(&query, after.as_ref(), READ)?;
    ids.extend(found.iter().map(|stored| stored.entity.uid.id().clone()));
    Ok(ids)
}

/// The first id that every part has.
fn leap(parts: &mut [Cursor], from: &SmolStr, reader: &dyn Reader, until: Instant) -> Result<Seek, StoreError> {
    let mut at = from.clone();
    loop {
        let before = at.clone();
        for part in parts.iter_mut() {
            match part.seek(&at, reader, until)? {
                Seek::At(id) => at = id,
                other => return Ok(other),
            }
        }
        if at == before {
            return Ok(Seek::At(at));
        }
        if Instant::now() >= until {
            return Ok(Seek::Paused(at));
        }
    }
}

/// The smallest id above another.
pub(super) fn after(id: &str) -> SmolStr {
    format_smolstr!("{id}\0")
}
