//! Opening a store, and joining it with a bundle, for commands that work on a folder themselves.

use std::path::{Path, PathBuf};
use std::sync::Arc;

use clap::Args;

use super::Setting;
use super::audit;
use super::bundle::BundleArgs;
use super::config::{Origin, strongest};
use super::exit::Failure;
use crate::audit::{Damaged, Log};
use crate::clock::Clock;
use crate::pdp::{Bundle, BundleSource};
use crate::store::{DataLoss, History, SledOptions, SledStore, Store, StoreError};
use crate::warden::{BundleError, BundleOrigin, Warden, WardenOptions, embedded, folder, stored_bundle};

/// Where entities are kept when nothing says otherwise.
const DEFAULT_DIR: &str = "hubwarden-data";

#[derive(Debug, Args)]
pub(super) struct DataArgs {
    /// Folder of the store [env: HUBWARDEN_DATA=] [default: hubwarden-data]
    #[arg(long, global = true, value_name = "DIR")]
    data: Option<PathBuf>,
    /// Open a damaged store with what is left of it, as a new store; needed after a loss, and only then
    #[arg(long, global = true)]
    accept_data_loss: bool,
}

/// What to do when there is no store yet.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Missing {
    Create,
    Refuse,
}

impl DataArgs {
    /// The folder, if one was named, and where.
    pub fn named(&self, setting: &Setting) -> Option<(Origin, PathBuf)> {
        strongest(self.data.as_ref(), "HUBWARDEN_DATA", setting.config.data.as_ref())
    }

    /// The folder that is meant.
    pub fn folder(&self, setting: &Setting) -> PathBuf {
        self.named(setting).map_or_else(|| DEFAULT_DIR.into(), |(_, dir)| dir)
    }

    /// The decision log of the store in this folder, for a command that works on it and ends.
    pub fn log(&self, store: &dyn Store, setting: &Setting) -> Result<Arc<Log>, Failure> {
        audit::open(&self.folder(setting), store, audit::Process::Command, self.damaged(), None, setting)
    }

    /// What becomes of a damaged decision log: the same as of a damaged store.
    pub fn damaged(&self) -> Damaged {
        if self.accept_data_loss { Damaged::GoOn } else { Damaged::Refuse }
    }

    /// Opens the store for a command that works on it and ends. How long the past is kept is a server's to say.
    pub fn open(&self, setting: &Setting, missing: Missing) -> Result<Arc<dyn Store>, Failure> {
        self.open_with(setting, missing, None)
    }

    /// Opens the store for a server, which keeps its past so long.
    pub fn open_with(
        &self,
        setting: &Setting,
        missing: Missing,
        history: Option<History>,
    ) -> Result<Arc<dyn Store>, Failure> {
        let dir = self.folder(setting);
        let data_loss = if self.accept_data_loss { DataLoss::Accept } else { DataLoss::Refuse };
        open(&dir, missing, SledOptions { data_loss, history, ..setting.config.limits.store() })
    }
}

/// Opens the store in a folder.
pub(super) fn open(dir: &Path, missing: Missing, options: SledOptions) -> Result<Arc<dyn Store>, Failure> {
    let empty = std::fs::read_dir(dir).map_or(true, |mut entries| entries.next().is_none());
    if empty && missing == Missing::Refuse {
        return Err(Failure::new(format!(
            "there is no store in {}: name its folder with `--data DIR`, or make one with `hubwarden import`",
            dir.display()
        )));
    }
    Ok(Arc::new(SledStore::open(dir, options)?))
}

/// Joins a store with the bundle that is named, else with the one that the store owns, else with the one inside the
/// program.
pub(super) fn warden(
    store: Arc<dyn Store>,
    bundle: &BundleArgs,
    setting: &Setting,
    clock: Arc<dyn Clock>,
    audit: Arc<Log>,
) -> Result<Warden, Failure> {
    let (source, origin) = match (bundle.paths(setting)?, stored_bundle(store.as_ref())?) {
        (Some((policies, schema)), _) => (folder(&policies, &schema)?, BundleOrigin::Folder { policies, schema }),
        (None, Some(stored)) => (stored, BundleOrigin::Store),
        (None, None) => (embedded(), BundleOrigin::Embedded),
    };
    join(store, source, origin, clock, setting, audit)
}

/// Builds a bundle and joins it with a store.
pub(super) fn join(
    store: Arc<dyn Store>,
    source: BundleSource,
    origin: BundleOrigin,
    clock: Arc<dyn Clock>,
    setting: &Setting,
    audit: Arc<Log>,
) -> Result<Warden, Failure> {
    let options = WardenOptions { audit, ..setting.config.limits.warden() };
    Ok(Warden::with(store, Bundle::build(source)?, origin, clock, options)?)
}

impl From<StoreError> for Failure {
    fn from(error: StoreError) -> Self {
        Self::new(error.to_string())
    }
}

impl From<BundleError> for Failure {
    fn from(error: BundleError) -> Self {
        match error {
            BundleError::Faults(faults) => faults.into(),
            BundleError::NotConforming { .. } => Self::invalid(format!(
                "{error}\nname the policies and the schema that this store is used with: `--policies DIR --schema FILE`"
            )),
            BundleError::Gate(_) | BundleError::Flips(_) => Self::invalid(error.to_string()),
            error => Self::new(error.to_string()),
        }
    }
}
