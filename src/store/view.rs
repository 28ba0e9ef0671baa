//! Reading records out of any ordered engine.
//!
//! An engine only has to be a [`Keyspace`], ordered bytes at one revision; what the bytes mean is decided here, once.
//! A record that cannot be read is an error. Nothing here may turn it into an absent entity.

use std::ops::ControlFlow;

use jiff::Timestamp;
use smol_str::SmolStr;

use crate::entity::{Link, Uid};

use super::history::{self, Past};
use super::links::{self, Catalogue};
use super::plan::Counts;
use super::record::{self, Kind, Opened, RecordFault};
use super::{ListQuery, Lookup, Reader, Revision, StoreError, Stored, Table, key, versions};

/// Called with each key and value of a scan.
pub type Visit<'v> = dyn FnMut(&[u8], &[u8]) -> Result<ControlFlow<()>, StoreError> + 'v;

/// Ordered bytes at one revision.
pub trait Keyspace {
    type Value: AsRef<[u8]>;

    fn revision(&self) -> Revision;

    /// How far back the keys reach.
    fn past(&self) -> Past;

    /// The folder, or another name of the store, for errors.
    fn place(&self) -> &str;

    /// Which links are indexed.
    fn catalogue(&self) -> &Catalogue;

    fn get(&self, key: &[u8]) -> Result<Option<Self::Value>, StoreError>;

    /// Visits the keys from `from` on, in byte order, until `visit` breaks.
    fn scan(&self, from: &[u8], visit: &mut Visit<'_>) -> Result<(), StoreError>;
}

/// The error for a record that cannot be read.
pub fn fault(place: &str, key: &[u8], why: &RecordFault) -> StoreError {
    let what = key::describe(key);
    match why {
        RecordFault::Newer { needs } => StoreError::Format {
            dir: place.to_owned(),
            found: u32::from(*needs),
            supported: u32::from(record::FORMAT),
            advice: format!("{what} was written by a newer hubwarden: start that version again"),
        },
        RecordFault::Damaged(why) => StoreError::Damaged {
            dir: place.to_owned(),
            what: format!("{what} cannot be read, {why}"),
            advice: "stop the server and restore the last backup".to_owned(),
        },
    }
}

/// A [`Reader`] over a keyspace.
pub struct View<K>(pub K);

impl<K: Keyspace> View<K> {
    fn fault(&self, key: &[u8], why: &RecordFault) -> StoreError {
        fault(self.0.place(), key, why)
    }

    pub fn lookup(&self, key: &[u8], uid: &Uid, value: &[u8]) -> Result<Lookup, StoreError> {
        self.decoded(key, uid, self.opened(key, value)?)
    }

    /// The entity in a record.
    pub fn decoded(&self, key: &[u8], uid: &Uid, opened: Opened<'_>) -> Result<Lookup, StoreError> {
        let read = || match opened.kind {
            Kind::Entity => Ok(Lookup::Present(Stored {
                entity: record::entity(uid.clone(), opened.body)?,
                revision: opened.revision,
            })),
            Kind::Tombstone => Ok(Lookup::Deleted(opened.revision)),
            Kind::Opaque | Kind::Versions => Err(RecordFault::Damaged("it is no entity")),
        };
        read().map_err(|why| self.fault(key, &why))
    }

    /// # Errors
    /// A record that cannot be read.
    pub fn opened<'v>(&self, key: &[u8], value: &'v [u8]) -> Result<Opened<'v>, StoreError> {
        record::open(key, value).map_err(|why| self.fault(key, &why))
    }

    /// When a revision was committed, if that is remembered.
    pub fn committed_at(&self, revision: Revision) -> Result<Option<Timestamp>, StoreError> {
        let time = history::time_of(&self.0, revision)?;
        Ok(time.and_then(|time| Timestamp::from_millisecond(time).ok()))
    }

    /// # Errors
    /// For the tables of which no past is kept.
    pub fn has_past(&self, table: Table) -> Result<(), StoreError> {
        if table == Table::Meta { Ok(()) } else { Err(StoreError::NoPast(table)) }
    }

    fn opaque<'v>(&self, key: &[u8], value: &'v [u8]) -> Result<&'v [u8], StoreError> {
        match self.opened(key, value)? {
            opened if opened.kind == Kind::Opaque => Ok(opened.body),
            _ => Err(self.fault(key, &RecordFault::Damaged("it is no record of a table"))),
        }
    }

    fn uid(&self, key: &[u8]) -> Result<Uid, StoreError> {
        key::uid(key).ok_or_else(|| self.fault(key, &RecordFault::Damaged("its key names no entity")))
    }

    /// Visits the entities whose keys start with `prefix`, from `from` on.
    fn entities(
        &self,
        from: &[u8],
        prefix: &[u8],
        read: &Read<'_>,
        visit: &mut dyn FnMut(Stored) -> ControlFlow<()>,
    ) -> Result<(), StoreError> {
        self.0.scan(from, &mut |key, value| {
            if !key.starts_with(prefix) {
                return Ok(ControlFlow::Break(()));
            }
            Ok(match read(key, &self.uid(key)?, value)? {
                Lookup::Present(stored) => visit(stored),
                Lookup::Deleted(_) | Lookup::Absent => ControlFlow::Continue(()),
            })
        })
    }

    /// Up to `limit` entities that are present as `read` tells it.
    pub fn select(
        &self,
        query: &ListQuery,
        after: Option<&Uid>,
        limit: usize,
        read: &Read<'_>,
    ) -> Result<Vec<Stored>, StoreError> {
        let mut found = Vec::new();
        if limit == 0 {
            return Ok(found);
        }
        let mut take = |stored| {
            found.push(stored);
            if found.len() < limit { ControlFlow::Continue(()) } else { ControlFlow::Break(()) }
        };
        // The smallest key after `after`'s.
        let mut from = match after {
            Some(uid) => [key::entity(uid).as_slice(), &[0]].concat(),
            None => vec![key::ENTITIES],
        };
        if let Some(type_name) = &query.type_name {
            let prefix = key::prefix(type_name, &query.id_prefix);
            let from = from.max(prefix.clone());
            self.entities(&from, &prefix, read, &mut take)?;
            return Ok(found);
        }
        if query.id_prefix.is_empty() {
            self.entities(&from, &[key::ENTITIES], read, &mut take)?;
            return Ok(found);
        }
        // A prefix over all types: hop from type to type and read only where the prefix can be.
        loop {
            let mut next = None;
            self.0.scan(&from, &mut |key, _| {
                if key.first() == Some(&key::ENTITIES) {
                    next = Some(self.uid(key)?);
                }
                Ok(ControlFlow::Break(()))
            })?;
            let Some(uid) = next else {
                return Ok(found);
            };
            let prefix = key::prefix(uid.type_name(), &query.id_prefix);
            let mut full = false;
            self.entities(&from.max(prefix.clone()), &prefix, read, &mut |stored| {
                let flow = take(stored);
                full = flow.is_break();
                flow
            })?;
            if full {
                return Ok(found);
            }
            from = key::past_type(uid.type_name());
        }
    }

    /// Reads up to `limit` records from `from` on and counts entities and tombstones; returns how many it read, and the
    /// key to go on from. The index and the past are read as well, and are not counted.
    pub fn verify(&self, from: &[u8], limit: u64, counts: &mut Counts) -> Result<(u64, Option<Vec<u8>>), StoreError> {
        let (mut records, mut visited) = (0, 0);
        let mut next = None;
        self.0.scan(from, &mut |key, value| {
            if visited == limit {
                next = Some(key.to_vec());
                return Ok(ControlFlow::Break(()));
            }
            visited += 1;
            match key.first() {
                Some(&key::ENTITIES) => {
                    records += 1;
                    counts.add(match self.lookup(key, &self.uid(key)?, value)? {
                        Lookup::Present(_) => Kind::Entity,
                        Lookup::Deleted(_) | Lookup::Absent => Kind::Tombstone,
                    });
                }
                Some(&key::PAST) => self.verify_past(key, value)?,
                tag => {
                    // The index follows from the entities.
                    let is_own = tag != Some(&key::REVISIONS) && tag != links::KEY.first();
                    records += u64::from(is_own);
                    self.opaque(key, value)?;
                }
            }
            Ok(ControlFlow::Continue(()))
        })?;
        Ok((records, next))
    }

    fn verify_past(&self, key: &[u8], value: &[u8]) -> Result<(), StoreError> {
        let opened = self.opened(key, value)?;
        let Some(present) = key::present(key) else {
            return Err(self.fault(key, &RecordFault::Damaged("its key names no record")));
        };
        let uid = key::uid(&present);
        let check = |opened| uid.as_ref().map_or(Ok(()), |uid| self.decoded(key, uid, opened).map(drop));
        if opened.kind != Kind::Versions {
            return check(opened);
        }
        let unreadable = |why: RecordFault| self.fault(key, &why);
        let versions = versions::read(opened.body).map_err(unreadable)?;
        versions.iter().try_for_each(|version| check(version.opened().map_err(unreadable)?))
    }
}

/// How the entity at a key is read, given its present record.
pub type Read<'r> = dyn Fn(&[u8], &Uid, &[u8]) -> Result<Lookup, StoreError> + 'r;

impl<K: Keyspace> Reader for View<K> {
    fn revision(&self) -> Revision {
        self.0.revision()
    }

    fn committed_at(&self) -> Result<Option<Timestamp>, StoreError> {
        View::committed_at(self, self.0.revision())
    }

    fn get(&self, uid: &Uid) -> Result<Lookup, StoreError> {
        let key = key::entity(uid);
        match self.0.get(&key)? {
            Some(value) => self.lookup(&key, uid, value.as_ref()),
            None => Ok(Lookup::Absent),
        }
    }

    fn list(&self, query: &ListQuery, after: Option<&Uid>, limit: usize) -> Result<Vec<Stored>, StoreError> {
        self.select(query, after, limit, &|key, uid, value| self.lookup(key, uid, value))
    }

    fn linked(&self, link: &Link, target: &Uid, from: &str, limit: usize) -> Result<Option<Vec<SmolStr>>, StoreError> {
        links::read(&self.0, self.0.catalogue(), link, target, from, limit)
    }

    fn record(&self, table: Table, name: &[u8]) -> Result<Option<Vec<u8>>, StoreError> {
        let key = key::record(table, name);
        match self.0.get(&key)? {
            Some(value) => Ok(Some(self.opaque(&key, value.as_ref())?.to_vec())),
            None => Ok(None),
        }
    }

    fn records(
        &self,
        table: Table,
        prefix: &[u8],
        after: Option<&[u8]>,
        limit: usize,
    ) -> Result<Vec<(Vec<u8>, Vec<u8>)>, StoreError> {
        let prefix = key::record(table, prefix);
        // The smallest key after `after`'s.
        let from = after.map(|name| [key::record(table, name).as_slice(), &[0]].concat());
        let from = from.unwrap_or_default().max(prefix.clone());
        let mut found = Vec::new();
        self.0.scan(&from, &mut |key, value| {
            if found.len() == limit || !key.starts_with(&prefix) {
                return Ok(ControlFlow::Break(()));
            }
            let name = key.get(1..).unwrap_or_default();
            found.push((name.to_vec(), self.opaque(key, value)?.to_vec()));
            Ok(ControlFlow::Continue(()))
        })?;
        Ok(found)
    }
}
