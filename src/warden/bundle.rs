//! Bundles in force: building, taking over, keeping the last good one.

use std::collections::BTreeMap;
use std::path::PathBuf;
use std::sync::Arc;

use jiff::Timestamp;
use serde::Serialize;

use super::Warden;
use super::session::each_entity;
use super::source::{SourceError, folder};
use crate::audit::Unavailable;
use crate::entity::{JsonFault, Uid};
use crate::pdp::{Bundle, BundleSource, Faults};
use crate::store::{Batch, CommitError, ListQuery, Store, StoreError, Table};

/// How many of the entities that do not conform are named.
const SHOWN: usize = 5;
/// The bundle is kept in records of this size: the embedded engine takes small values only.
const CHUNK: usize = 8 * 1024;
const SCHEMA_KEY: &[u8] = b"schema";
const BUNDLE_PREFIX: &str = "bundle/";

/// Who owns the policies.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "lowercase", tag = "from")]
pub enum BundleOrigin {
    /// Inside the binary.
    Embedded,
    /// A folder and a schema file, watched; read-only through the API.
    Folder { policies: PathBuf, schema: PathBuf },
    /// The store; replaced through the API.
    Store,
}

/// The state of the bundle in force.
#[derive(Clone, Debug, Serialize)]
pub struct BundleStatus {
    pub origin: BundleOrigin,
    pub hash: String,
    pub policies: usize,
    pub loaded_at: Timestamp,
    /// The last attempt to replace it, if that failed: the bundle in force is older than what is in the folder.
    pub failure: Option<Failure>,
}

#[derive(Clone, Debug, Serialize)]
pub struct Failure {
    pub at: Timestamp,
    pub message: String,
    /// The hash of the bundle that was refused, when it came so far as to have one.
    #[serde(skip)]
    bundle: Option<String>,
}

/// Why a bundle did not take over.
#[derive(Debug, thiserror::Error)]
pub enum BundleError {
    #[error(transparent)]
    Faults(#[from] Faults),
    #[error(transparent)]
    Source(#[from] SourceError),
    #[error("{count} stored entities do not conform to this schema, first {}", shown(.first))]
    NotConforming { count: usize, first: Vec<(Uid, JsonFault)> },
    #[error("the policies come from {0}; they are changed there, not through the API")]
    ReadOnly(&'static str),
    #[error("the bundle in force is {0}")]
    Conflict(String),
    /// What the gate said ([`Warden::guard`]).
    #[error("the policies do not pass their tests: {0}")]
    Gate(String),
    /// What the replay of recorded questions said ([`Warden::demand_replay`]).
    #[error("recorded decisions would flip: {0}")]
    Flips(String),
    #[error(transparent)]
    Store(#[from] StoreError),
    #[error(transparent)]
    Commit(#[from] CommitError),
    /// There must be no change without a record, and none can be written.
    #[error(transparent)]
    Audit(#[from] Unavailable),
}

impl Failure {
    pub(super) fn new(at: Timestamp, message: String) -> Self {
        Self { at, message, bundle: None }
    }
}

fn shown(faults: &[(Uid, JsonFault)]) -> String {
    let lines: Vec<String> = faults.iter().map(|(uid, fault)| format!("{uid}: {fault}")).collect();
    lines.join("; ")
}

impl BundleStatus {
    pub(super) fn first(bundle: &Bundle, origin: BundleOrigin, now: Timestamp) -> Self {
        Self {
            origin,
            hash: bundle.hash().to_owned(),
            policies: bundle.policies().count(),
            loaded_at: now,
            failure: None,
        }
    }
}

/// What becomes of a bundle by which recorded questions are decided in another way, where a replay is demanded.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Flips {
    Refuse,
    Accept,
}

/// Judges a bundle before it takes over, e.g. by its tests.
pub type Gate = Box<dyn Fn(&Bundle) -> Result<(), String> + Send + Sync>;

impl Warden {
    /// Puts a gate before every bundle from now on, the one in force included.
    ///
    /// # Errors
    /// The bundle in force does not pass.
    pub fn guard(&self, gate: Gate) -> Result<(), BundleError> {
        gate(&self.bundle()).map_err(BundleError::Gate)?;
        // A second gate is never set; were it, the first one would stay.
        let _ = self.gate.set(gate);
        Ok(())
    }

    fn pass_gate(&self, bundle: &Bundle) -> Result<(), BundleError> {
        self.gate.get().map_or(Ok(()), |gate| gate(bundle)).map_err(BundleError::Gate)
    }

    pub fn bundle_status(&self) -> BundleStatus {
        self.status.lock().clone()
    }

    /// Reads the folder again and takes its bundle over if it is another one. What fails is logged, counted and kept
    /// in the status; the last good bundle stays. Answers whether another bundle is in force now.
    pub fn reload(&self) -> bool {
        self.reload_unless(None)
    }

    /// As [`Warden::reload`], but a bundle that was refused before is not tried again: whether stored entities conform
    /// to it takes reading all of them, with changes held up.
    pub fn reload_new(&self) -> bool {
        let refused = self.bundle_status().failure.and_then(|failure| failure.bundle);
        self.reload_unless(refused.as_deref())
    }

    fn reload_unless(&self, refused: Option<&str>) -> bool {
        let BundleOrigin::Folder { policies, schema } = self.bundle_status().origin else {
            return false;
        };
        let read = folder(&policies, &schema).map_err(BundleError::from);
        let built = read.and_then(|source| Ok(Bundle::build(source)?));
        let hash = built.as_ref().ok().map(|bundle| bundle.hash().to_owned());
        if refused.is_some() && refused == hash.as_deref() {
            return false;
        }
        let taken = built.and_then(|bundle| match bundle.hash() == self.bundle().hash() {
            true => Ok(false),
            false => self.take_over(bundle).map(|()| true),
        });
        match taken {
            Ok(changed) => {
                self.status.lock().failure = None;
                if changed {
                    self.metrics.reloaded(true, &self.bundle(), self.clock.now());
                    tracing::info!(bundle = self.bundle().hash(), "another bundle is in force");
                }
                changed
            }
            Err(error) => {
                let message = error.to_string();
                let mut status = self.status.lock();
                if status.failure.as_ref().is_none_or(|failure| failure.message != message) {
                    tracing::error!("the bundle was not reloaded, the last good one stays in force:\n{message}");
                    self.metrics.reloaded(false, &self.bundle(), self.clock.now());
                    status.failure = Some(Failure { at: self.clock.now(), message, bundle: hash });
                }
                false
            }
        }
    }

    /// Replaces the bundle that the store owns, if `expect` (a hash) is the one in force. Blocks until it is durable.
    ///
    /// # Errors
    /// Nothing was replaced: faults in the files, stored entities that do not conform, policies owned by a folder.
    pub fn put_bundle(
        &self,
        source: BundleSource,
        expect: Option<&str>,
        flips: Flips,
    ) -> Result<Arc<Bundle>, BundleError> {
        match self.bundle_status().origin {
            BundleOrigin::Store => {}
            BundleOrigin::Embedded => return Err(BundleError::ReadOnly("inside the program")),
            BundleOrigin::Folder { .. } => return Err(BundleError::ReadOnly("a folder")),
        }
        self.audit.ready()?;
        let bundle = Bundle::build(source)?;
        self.pass_gate(&bundle)?;
        self.pass_replay(&bundle, flips == Flips::Accept)?;
        let _closed = self.schema_gate.close();
        let current = self.bundle();
        if expect.is_some_and(|hash| hash != current.hash()) {
            return Err(BundleError::Conflict(current.hash().to_owned()));
        }
        if bundle.schema_hash() != current.schema_hash() {
            self.check_entities(&bundle)?;
        }
        let mut batch = bundle_batch(self.store.as_ref(), bundle.source())?;
        batch.set_record(Table::Meta, SCHEMA_KEY, bundle.schema_hash().as_bytes());
        batch.append(self.served(&bundle)?);
        self.store.commit(batch)?;
        self.store.keep_links(bundle.links())?;
        self.swap(bundle);
        self.metrics.reloaded(true, &self.bundle(), self.clock.now());
        self.record_bundle()?;
        Ok(self.bundle())
    }

    fn take_over(&self, bundle: Bundle) -> Result<(), BundleError> {
        self.audit.ready()?;
        self.pass_gate(&bundle)?;
        self.pass_replay(&bundle, false)?;
        let _closed = self.schema_gate.close();
        self.adopt_schema(&bundle)?;
        self.store.keep_links(bundle.links())?;
        self.swap(bundle);
        self.record_bundle()
    }

    fn swap(&self, bundle: Bundle) {
        let mut status = self.status.lock();
        *status = BundleStatus::first(&bundle, status.origin.clone(), self.clock.now());
        self.bundle.store(Arc::new(bundle));
    }

    /// Makes sure that every stored entity conforms to the bundle's schema, and remembers that it does.
    pub(super) fn adopt_schema(&self, bundle: &Bundle) -> Result<(), BundleError> {
        let known = self.store.read()?.record(Table::Meta, SCHEMA_KEY)?;
        let mut batch = self.served(bundle)?;
        if known.as_deref() != Some(bundle.schema_hash().as_bytes()) {
            self.check_entities(bundle)?;
            batch.set_record(Table::Meta, SCHEMA_KEY, bundle.schema_hash().as_bytes());
        }
        if !batch.is_empty() {
            self.store.commit(batch)?;
        }
        Ok(())
    }

    fn check_entities(&self, bundle: &Bundle) -> Result<(), BundleError> {
        let admission = bundle.admission();
        let (mut count, mut first) = (0, Vec::new());
        each_entity(self.store.as_ref(), &ListQuery::default(), |stored| {
            if let Err(fault) = admission.check(&stored.entity) {
                count += 1;
                if first.len() < SHOWN {
                    first.push((stored.entity.uid, fault));
                }
            }
        })?;
        match count {
            0 => Ok(()),
            count => Err(BundleError::NotConforming { count, first }),
        }
    }
}

/// The bundle that a store owns, if it does.
///
/// # Errors
/// An unreadable store.
pub fn stored_bundle(store: &dyn Store) -> Result<Option<BundleSource>, StoreError> {
    let chunks = store.read()?.records(Table::Meta, BUNDLE_PREFIX.as_bytes(), None, usize::MAX)?;
    let bytes: Vec<u8> = chunks.into_iter().flat_map(|(_, value)| value).collect();
    if bytes.is_empty() {
        return Ok(None);
    }
    serde_json::from_slice(&bytes).map(Some).map_err(|error| StoreError::Damaged {
        dir: "bundle".to_owned(),
        what: format!("the stored bundle is not understood: {error}"),
        advice: "serve from a folder with --policies, or put the bundle again".to_owned(),
    })
}

/// Makes a store the owner of a bundle, e.g. when it is served with its policies in the store for the first time.
///
/// # Errors
/// A store that cannot write.
pub fn store_bundle(store: &dyn Store, source: &BundleSource) -> Result<(), BundleError> {
    store.commit(bundle_batch(store, source)?)?;
    Ok(())
}

fn bundle_batch(store: &dyn Store, source: &BundleSource) -> Result<Batch, StoreError> {
    Ok(chunked(store, BUNDLE_PREFIX, source)?.0)
}

/// The name of one part of a bundle.
pub(super) fn chunk_key(prefix: &str, index: usize) -> Vec<u8> {
    format!("{prefix}{index:06}").into_bytes()
}

/// What is to be written for a bundle to stand under a prefix, and in how many parts it stands. Parts that stand there
/// already are left.
pub(super) fn chunked(store: &dyn Store, prefix: &str, source: &BundleSource) -> Result<(Batch, usize), StoreError> {
    let bytes = serde_json::to_vec(source).map_err(|error| StoreError::Io {
        what: "the bundle cannot be written down".to_owned(),
        source: error.into(),
    })?;
    let mut old: BTreeMap<Vec<u8>, Vec<u8>> =
        store.read()?.records(Table::Meta, prefix.as_bytes(), None, usize::MAX)?.into_iter().collect();
    let mut batch = Batch::new();
    let chunks = bytes.chunks(CHUNK);
    let count = chunks.len();
    for (index, chunk) in chunks.enumerate() {
        let key = chunk_key(prefix, index);
        if old.remove(&key).as_deref() != Some(chunk) {
            batch.set_record(Table::Meta, &key, chunk);
        }
    }
    for key in old.keys() {
        batch.remove_record(Table::Meta, key);
    }
    Ok((batch, count))
}
