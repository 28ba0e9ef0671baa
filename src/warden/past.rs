//! Asking what the answer would have been: the facts and the policies of an earlier moment.
//!
//! Facts come from the store's past alone. Built entities that are kept for questions about the present are never
//! looked at, and nothing that is read here is kept there. The policies of a moment are those that a server wrote down
//! when it took them over; they are built again, and a few stay built.

use std::collections::VecDeque;
use std::sync::Arc;

use parking_lot::Mutex;
use serde::{Deserialize, Serialize};

use super::Warden;
use super::bundle::{BundleError, chunked};
use super::session::{Api, Session, SessionError};
use crate::pdp::{Bundle, BundleSource};
use crate::store::{Batch, Moment, Reader, StoreError, Table};

/// How many bundles of the past stay built.
const BUILT: usize = 8;
const SERVED: &[u8] = b"served";
const SERVED_PREFIX: &str = "served/";

/// Which policies decide a question about the past.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Policies {
    /// Those that were in force then.
    OfThen,
    /// Those that are in force now.
    OfNow,
}

/// Which bundle is in force, as the store remembers it; its text lies in as many records as it takes.
#[derive(Serialize, Deserialize)]
struct Served {
    hash: String,
    chunks: usize,
}

/// Bundles that were built for questions about the past, the last used first.
#[derive(Default)]
pub(super) struct PastBundles(Mutex<VecDeque<Arc<Bundle>>>);

impl PastBundles {
    fn get(&self, hash: &str) -> Option<Arc<Bundle>> {
        let mut built = self.0.lock();
        let at = built.iter().position(|bundle| bundle.hash() == hash)?;
        let bundle = built.remove(at)?;
        built.push_front(Arc::clone(&bundle));
        Some(bundle)
    }

    fn put(&self, bundle: &Arc<Bundle>) {
        let mut built = self.0.lock();
        built.push_front(Arc::clone(bundle));
        built.truncate(BUILT);
    }
}

impl Warden {
    /// Writes down which policies are in force, now and whenever others take over, so that questions about the past are
    /// decided by those of their time. For a server; a command that only looks at a store does not put its policies in
    /// force.
    ///
    /// # Errors
    /// A store that cannot write.
    pub fn remember_policies(&self) -> Result<(), BundleError> {
        self.remembers.store(true, std::sync::atomic::Ordering::Relaxed);
        let batch = self.served(&self.bundle())?;
        if !batch.is_empty() {
            self.store.commit(batch)?;
        }
        Ok(())
    }

    /// What is to be written when a bundle takes over; nothing when it is known to be in force, or no past is kept.
    pub(super) fn served(&self, bundle: &Bundle) -> Result<Batch, StoreError> {
        let reader = self.store.read()?;
        let keeps = self.remembers.load(std::sync::atomic::Ordering::Relaxed) && reader.committed_at()?.is_some();
        let known = record(&*reader)?.is_some_and(|served| served.hash == bundle.hash());
        drop(reader);
        if !keeps || known {
            return Ok(Batch::new());
        }
        let (mut batch, chunks) = chunked(self.store.as_ref(), SERVED_PREFIX, bundle.source())?;
        let served = Served { hash: bundle.hash().to_owned(), chunks };
        let served = serde_json::to_vec(&served).map_err(|error| unreadable(&error.to_string()))?;
        batch.set_record(Table::Meta, SERVED, &served);
        Ok(batch)
    }

    /// Opens a session on the facts of an earlier moment. Its clock stands at the time that was asked for, or when the
    /// revision was committed.
    ///
    /// # Errors
    /// A moment that is out of reach, or that has not come; policies that are not known.
    pub fn session_at(&self, api: Api, moment: Moment, policies: Policies) -> Result<Session<'_>, SessionError> {
        let now = self.clock.now();
        if matches!(moment, Moment::Time(time) if time > now) {
            return Err(SessionError::Future(moment));
        }
        // A view holds up changes, and building takes many times what a question does: not while one is open.
        let (revision, committed, found) = {
            let reader = self.store.read_at(moment)?;
            let found = match policies {
                Policies::OfThen => Some(source(&*reader)?),
                Policies::OfNow => None,
            };
            (reader.revision(), reader.committed_at()?, found)
        };
        let bundle = match found {
            None => self.bundle(),
            Some(Some((hash, source))) => self.past_bundle(&hash, source)?,
            Some(None) => return Err(SessionError::PoliciesUnknown(revision)),
        };
        let at = match moment {
            Moment::Time(time) => time,
            Moment::Revision(_) => committed.unwrap_or(now),
        };
        let reader = self.store.read_at(Moment::Revision(revision))?;
        Ok(Session::of_past(self, api, bundle, reader, at))
    }

    /// The policies that a server served last from this store, as far as it remembers.
    pub(super) fn served_before(&self) -> Result<Option<Arc<Bundle>>, BundleError> {
        let found = source(&*self.store.read()?)?;
        let built = found.map(|(hash, source)| self.past_bundle(&hash, source));
        built.transpose().map_err(|error| match error {
            SessionError::Store(error) => BundleError::Store(error),
            error => BundleError::Flips(error.to_string()),
        })
    }

    fn past_bundle(&self, hash: &str, source: Vec<u8>) -> Result<Arc<Bundle>, SessionError> {
        let current = self.bundle();
        if current.hash() == hash {
            return Ok(current);
        }
        if let Some(built) = self.past_bundles.get(hash) {
            return Ok(built);
        }
        let source: BundleSource = serde_json::from_slice(&source).map_err(|error| unreadable(&error.to_string()))?;
        let built = Bundle::build(source).map_err(|faults| SessionError::PoliciesInvalid(faults.to_string()))?;
        let built = Arc::new(built);
        self.past_bundles.put(&built);
        Ok(built)
    }
}

fn record(reader: &dyn Reader) -> Result<Option<Served>, StoreError> {
    let Some(bytes) = reader.record(Table::Meta, SERVED)? else {
        return Ok(None);
    };
    serde_json::from_slice(&bytes).map(Some).map_err(|error| unreadable(&error.to_string()))
}

/// The bundle that was in force: its hash and its files.
fn source(reader: &dyn Reader) -> Result<Option<(String, Vec<u8>)>, StoreError> {
    let Some(Served { hash, chunks }) = record(reader)? else {
        return Ok(None);
    };
    let mut bytes = Vec::new();
    for index in 0..chunks {
        let key = super::bundle::chunk_key(SERVED_PREFIX, index);
        let chunk = reader.record(Table::Meta, &key)?;
        bytes.extend(chunk.ok_or_else(|| unreadable("a part of it is gone"))?);
    }
    Ok(Some((hash, bytes)))
}

fn unreadable(why: &str) -> StoreError {
    StoreError::Damaged {
        dir: "the past".to_owned(),
        what: format!("the policies that were in force are not understood: {why}"),
        advice: "ask with the policies of today".to_owned(),
    }
}
