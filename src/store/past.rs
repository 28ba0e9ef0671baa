//! Reading a store as it was at an earlier revision ([`history`]).

use std::ops::ControlFlow;

use jiff::Timestamp;
use smol_str::SmolStr;

use super::history;
use super::record::{Kind, Opened, RecordFault};
use super::view::{Keyspace, View, fault};
use super::{ListQuery, Lookup, Moment, Reader, Revision, StoreError, Stored, Table, key, versions};
use crate::entity::{Link, Uid};

/// A [`Reader`] of one past revision.
pub struct PastView<K> {
    view: View<K>,
    at: Revision,
}

impl<K: Keyspace> PastView<K> {
    /// # Errors
    /// [`StoreError::OutOfReach`].
    pub fn open(view: View<K>, moment: Moment) -> Result<Self, StoreError> {
        let (head, past) = (view.0.revision(), view.0.past());
        let oldest = past.floor.map_or(head, |floor| floor.revision);
        let at = match moment {
            Moment::Revision(at) => Some(at).filter(|at| *at >= oldest && *at <= head),
            Moment::Time(time) => history::revision_at(&view.0, time.as_millisecond())?,
        };
        match at {
            Some(at) => Ok(Self { view, at }),
            None => Err(StoreError::OutOfReach {
                wanted: moment.to_string(),
                oldest,
                since: past.floor.and_then(history::Instant::timestamp),
                head,
            }),
        }
    }

    /// The record of `key` as it was, when it is another one than `present`; nothing when there was none.
    fn before<T>(
        &self,
        key: &[u8],
        read: impl FnOnce(&[u8], Opened<'_>) -> Result<T, StoreError>,
    ) -> Result<Option<T>, StoreError> {
        let prefix = key::past(key);
        // The first one that was replaced after this revision.
        let from = key::before(key, Revision(self.at.0.saturating_add(1)));
        let mut found = None;
        let mut read = Some(read);
        self.view.0.scan(&from, &mut |past, value| {
            if past.starts_with(&prefix) {
                let unreadable = |why: RecordFault| fault(self.view.0.place(), past, &why);
                let mut opened = self.view.opened(past, value)?;
                let version;
                if opened.kind == Kind::Versions {
                    let versions = versions::read(opened.body).map_err(unreadable)?;
                    let first = versions.into_iter().find(|version| version.replaced() > self.at);
                    version = first.ok_or(RecordFault::Damaged("the newest of it is missing")).map_err(unreadable)?;
                    opened = version.opened().map_err(unreadable)?;
                }
                // A record that is newer was created, or created again, after this revision.
                if let Some(read) = read.take().filter(|_| opened.revision <= self.at) {
                    found = Some(read(past, opened)?);
                }
            }
            Ok(ControlFlow::Break(()))
        })?;
        Ok(found)
    }

    /// What an entity was, whose present record this is.
    fn was(&self, key: &[u8], uid: &Uid, present: Option<&[u8]>) -> Result<Lookup, StoreError> {
        let present = match present {
            Some(value) => self.view.lookup(key, uid, value)?,
            None => Lookup::Absent,
        };
        let since = match &present {
            Lookup::Present(stored) => stored.revision,
            Lookup::Deleted(at) => *at,
            Lookup::Absent => Revision(u64::MAX),
        };
        if since <= self.at {
            return Ok(present);
        }
        let before = self.before(key, |past, opened| self.view.decoded(past, uid, opened))?;
        Ok(before.unwrap_or(Lookup::Absent))
    }
}

impl<K: Keyspace> Reader for PastView<K> {
    fn revision(&self) -> Revision {
        self.at
    }

    fn committed_at(&self) -> Result<Option<Timestamp>, StoreError> {
        self.view.committed_at(self.at)
    }

    fn get(&self, uid: &Uid) -> Result<Lookup, StoreError> {
        let key = key::entity(uid);
        let present = self.view.0.get(&key)?;
        self.was(&key, uid, present.as_ref().map(AsRef::as_ref))
    }

    /// Entities are never removed, only deleted: whatever was there has a present record.
    fn list(&self, query: &ListQuery, after: Option<&Uid>, limit: usize) -> Result<Vec<Stored>, StoreError> {
        self.view.select(query, after, limit, &|key, uid, value| self.was(key, uid, Some(value)))
    }

    /// The index is of the present.
    fn linked(&self, _: &Link, _: &Uid, _: &str, _: usize) -> Result<Option<Vec<SmolStr>>, StoreError> {
        Ok(None)
    }

    fn record(&self, table: Table, name: &[u8]) -> Result<Option<Vec<u8>>, StoreError> {
        self.view.has_past(table)?;
        let key = key::record(table, name);
        if let Some(value) = self.view.0.get(&key)? {
            let opened = self.view.opened(&key, value.as_ref())?;
            if opened.revision <= self.at {
                return Ok(Some(opened.body.to_vec()));
            }
        }
        self.before(&key, |_, opened| Ok(opened.body.to_vec()))
    }

    fn records(
        &self,
        table: Table,
        _: &[u8],
        _: Option<&[u8]>,
        _: usize,
    ) -> Result<Vec<(Vec<u8>, Vec<u8>)>, StoreError> {
        Err(StoreError::NoPast(table))
    }
}
