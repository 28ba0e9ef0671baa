//! What a session decides on: entities that came with a question first, then built ones, then the store.

use std::cell::{Cell, RefCell};
use std::collections::HashMap;
use std::sync::Arc;

use super::cache::FactCache;
use super::decisions::Versions;
use crate::entity::{Entity, Uid};
use crate::pdp::{Ancestors, Fact, Facts, FactsError, Prepared};
use crate::store::{Lookup, Reader};

/// Which entities were looked at, there or not.
pub(super) struct Read<'a> {
    versions: &'a Versions,
    places: RefCell<Vec<u32>>,
}

impl<'a> Read<'a> {
    pub fn new(versions: &'a Versions) -> Self {
        Self { versions, places: RefCell::default() }
    }

    /// The places of their versions.
    pub fn into_places(self) -> Vec<u32> {
        self.places.into_inner()
    }

    fn note(&self, uid: &Uid) {
        self.places.borrow_mut().push(self.versions.place(uid));
    }
}

/// The facts of a session: request-scoped entities first, then built ones, then the store.
pub(super) struct SessionFacts<'a> {
    reader: &'a dyn Reader,
    /// `None` for the past.
    cache: Option<&'a FactCache>,
    extra: HashMap<Uid, Fact>,
    given: Given,
    /// How many facts were asked for: each once, by a decision.
    pub asked: Cell<u64>,
    /// Noted for an answer that may be kept.
    pub read: Option<Read<'a>>,
}

impl<'a> SessionFacts<'a> {
    /// Without a cache each fact is read anew.
    pub fn new(reader: &'a dyn Reader, cache: Option<&'a FactCache>, extra: HashMap<Uid, Fact>, given: Given) -> Self {
        Self { reader, cache, extra, given, asked: Cell::new(0), read: None }
    }

    /// What came with the question, and what it stands for.
    pub fn brought(&self) -> (&HashMap<Uid, Fact>, Given) {
        (&self.extra, self.given)
    }
}

impl SessionFacts<'_> {
    /// From now on, another entity than before stands before the stored ones, besides `always`.
    pub fn only(&mut self, always: &[Entity], entity: Prepared) {
        self.extra.retain(|uid, _| always.iter().any(|entity| entity.uid == *uid));
        self.extra.entry(entity.entity().uid.clone()).or_insert_with(|| Fact::Present(Arc::new(entity)));
    }
}

/// What the entities of a question stand for.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) enum Given {
    BesideStored,
    InsteadOfStored,
}

impl Facts for SessionFacts<'_> {
    fn fact(&self, uid: &Uid) -> Result<Fact, FactsError> {
        self.asked.set(self.asked.get() + 1);
        if let Some(read) = &self.read {
            read.note(uid);
        }
        if let Some(fact) = self.extra.get(uid) {
            return Ok(fact.clone());
        }
        if self.given == Given::InsteadOfStored {
            return Ok(Fact::Absent);
        }
        if let Some(fact) = self.cache.and_then(|cache| cache.get(uid)) {
            return Ok(fact);
        }
        let fact = match self.reader.get(uid).map_err(|error| FactsError(Box::new(error)))? {
            Lookup::Present(stored) => {
                // What the store holds was admitted when it was put there, and when the schema changed.
                Fact::Present(Arc::new(Prepared::admitted(stored.entity)))
            }
            Lookup::Deleted(_) => Fact::Deleted,
            Lookup::Absent => Fact::Absent,
        };
        if let Some(cache) = self.cache {
            cache.put(uid, &fact);
        }
        Ok(fact)
    }

    fn ancestors(
        &self,
        uid: &Uid,
        find: &mut dyn FnMut() -> Result<Ancestors, FactsError>,
    ) -> Result<Arc<Ancestors>, FactsError> {
        if !self.extra.is_empty() || self.given == Given::InsteadOfStored {
            return find().map(Arc::new);
        }
        if let Some(ancestors) = self.cache.and_then(|cache| cache.ancestors(uid)) {
            if let Some(read) = &self.read {
                std::iter::once(uid).chain(ancestors.list()).for_each(|uid| read.note(uid));
            }
            return Ok(ancestors);
        }
        let ancestors = Arc::new(find()?);
        if let Some(cache) = self.cache {
            cache.put_ancestors(uid, &ancestors);
        }
        Ok(ancestors)
    }
}
