//! The use cases: ask, change, reload, keys. Every decision and every change passes here.
//!
//! A [`Warden`] joins a store, a bundle and a clock. Questions are asked in a [`Session`]: one bundle and one store
//! revision for as long as it lives, which is microseconds; it cannot be held across an `await`. Changes are validated
//! against the bundle's schema before the store sees them; a bundle with another schema takes over only after every
//! stored entity was found to conform to it.

mod bundle;
mod cache;
mod changes;
mod decisions;
mod explain;
mod facts;
mod keys;
mod metrics;
mod past;
mod reach;
mod records;
mod replay;
mod schema_gate;
mod search;
mod session;
mod shadow;
mod source;
#[cfg(test)]
mod tests;
mod watch;
mod who_can;

use std::sync::atomic::AtomicBool;
use std::sync::{Arc, OnceLock};

use arc_swap::ArcSwap;
use parking_lot::Mutex;

pub use bundle::{BundleError, BundleOrigin, BundleStatus, Flips, Gate, store_bundle, stored_bundle};
pub use changes::{Change, ChangeError, DeadId, Patch};
pub use decisions::Decided;
pub use explain::{Explained, ExplainedClause, Explanation};
pub use keys::{ApiKey, KeyError, Keys, PlainKey, Scope, Scopes};
pub use metrics::{Metrics, RouteMeter};
pub use past::Policies;
pub use reach::{Doing, Place, Reach, ReachLimits};
pub use replay::{Baseline, Questions, Replay, ReplayError, ReplayFacts, replay};
pub use search::{Compared, Difference, FoundPage, Laid, Open, PageOf, Sample, SearchError, Way};
pub use session::{Api, AskError, Asked, Ruling, Session, SessionError, Unasked};
pub use shadow::{Counts as ShadowCounts, Sample as ShadowSample, ShadowReport};
pub use source::{SourceError, embedded, embedded_properties, folder, properties, read};
pub use watch::Watch;
pub use who_can::{Grant, Grantee, Grantees, WhoCan, resource_named};

use crate::audit::Log;
use crate::clock::Clock;
use crate::entity::Uid;
use crate::pdp::Bundle;
use crate::store::{Revision, Stats, Store, StoreError};
use cache::FactCache;
use decisions::DecisionCache;
use metrics::Standing;
use past::PastBundles;
use schema_gate::SchemaGate;
use shadow::Shadow;

/// Memory that cached entities may take, in bytes, where nothing else is said.
const ENTITY_CACHE_BYTES: u64 = 512 * 1024 * 1024;

/// The same for kept answers.
const DECISION_CACHE_BYTES: u64 = 64 * 1024 * 1024;

/// How a warden works.
pub struct WardenOptions {
    /// The bound of the cache of entities; 0 keeps none.
    pub entity_cache_bytes: u64,
    /// The bound of the cache of answers; 0 keeps none.
    pub decision_cache_bytes: u64,
    /// The log of every decision and change.
    pub audit: Arc<Log>,
}

impl Default for WardenOptions {
    /// The default bounds, and no log.
    fn default() -> Self {
        let decision_cache_bytes = DECISION_CACHE_BYTES;
        Self { entity_cache_bytes: ENTITY_CACHE_BYTES, decision_cache_bytes, audit: Arc::new(Log::off()) }
    }
}

/// The permission evaluator of one hub.
pub struct Warden {
    store: Arc<dyn Store>,
    bundle: ArcSwap<Bundle>,
    status: Mutex<BundleStatus>,
    /// Each change passes it from validation to commit; it is closed while another schema takes over.
    schema_gate: Arc<SchemaGate>,
    /// What bundles must pass, where one was set.
    gate: OnceLock<Gate>,
    /// How many recorded questions bundles must answer as the one in force does, where that is demanded.
    replay_gate: OnceLock<usize>,
    cache: Arc<FactCache>,
    decisions: Arc<DecisionCache>,
    /// Whether it is written down which bundle is in force.
    remembers: AtomicBool,
    past_bundles: PastBundles,
    /// Policies that are asked everything, and answer nobody.
    shadow: OnceLock<Shadow>,
    keys: Keys,
    clock: Arc<dyn Clock>,
    metrics: Arc<Metrics>,
    audit: Arc<Log>,
}

impl Warden {
    /// Joins a store and a bundle. When the store was last validated with another schema, every stored entity is
    /// validated first.
    ///
    /// # Errors
    /// An unreadable store, or stored entities that do not conform to the bundle's schema.
    pub fn new(
        store: Arc<dyn Store>,
        bundle: Bundle,
        origin: BundleOrigin,
        clock: Arc<dyn Clock>,
    ) -> Result<Self, BundleError> {
        Self::with(store, bundle, origin, clock, WardenOptions::default())
    }

    /// As [`Warden::new`], with options.
    ///
    /// # Errors
    /// As [`Warden::new`], and a log that must not be without a record and cannot write.
    pub fn with(
        store: Arc<dyn Store>,
        bundle: Bundle,
        origin: BundleOrigin,
        clock: Arc<dyn Clock>,
        options: WardenOptions,
    ) -> Result<Self, BundleError> {
        let WardenOptions { entity_cache_bytes, decision_cache_bytes, audit } = options;
        let cache = Arc::new(FactCache::new(entity_cache_bytes));
        let decisions = Arc::new(DecisionCache::new(decision_cache_bytes));
        let watched = (Arc::clone(&cache), Arc::clone(&decisions));
        store.observe(Box::new(move |_, changed: &[Uid]| {
            watched.0.forget(changed);
            watched.1.forget(changed);
        }));
        let keys = Keys::recorded(Arc::clone(&store), Arc::clone(&clock), Arc::clone(&audit))?;
        let standing = Standing {
            store: Arc::clone(&store),
            cache: Arc::clone(&cache),
            decisions: Arc::clone(&decisions),
            audit: Arc::clone(&audit),
        };
        let metrics = Arc::new(Metrics::new(&bundle, clock.now(), standing));
        let warden = Self {
            status: Mutex::new(BundleStatus::first(&bundle, origin, clock.now())),
            bundle: ArcSwap::from_pointee(bundle),
            schema_gate: Arc::default(),
            gate: OnceLock::new(),
            replay_gate: OnceLock::new(),
            store,
            cache,
            decisions,
            remembers: AtomicBool::new(false),
            past_bundles: PastBundles::default(),
            shadow: OnceLock::new(),
            keys,
            clock,
            metrics,
            audit,
        };
        warden.adopt_schema(&warden.bundle.load())?;
        warden.store.keep_links(warden.bundle.load().links())?;
        warden.record_opened()?;
        Ok(warden)
    }

    /// The bundle in force.
    pub fn bundle(&self) -> Arc<Bundle> {
        self.bundle.load_full()
    }

    pub fn keys(&self) -> &Keys {
        &self.keys
    }

    pub fn clock(&self) -> &dyn Clock {
        self.clock.as_ref()
    }

    pub fn metrics(&self) -> &Metrics {
        &self.metrics
    }

    /// The log of decisions and changes.
    pub fn audit(&self) -> &Log {
        &self.audit
    }

    pub fn store_id(&self) -> &str {
        self.store.id()
    }

    pub fn stats(&self) -> Stats {
        self.store.stats()
    }

    /// The store's head revision.
    ///
    /// # Errors
    /// When the store stopped.
    pub fn revision(&self) -> Result<Revision, StoreError> {
        Ok(self.store.read()?.revision())
    }

    /// Writes everything out, the log as well. Later changes fail.
    ///
    /// # Errors
    /// What could not be written.
    pub fn close(&self) -> Result<(), StoreError> {
        if let Some(shadow) = self.shadow.get() {
            shadow.close();
        }
        self.audit.close();
        self.store.close()
    }
}
