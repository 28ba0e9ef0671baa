//! What a reverse question is asked of: files, a store in a folder, or a server.

use std::path::PathBuf;
use std::sync::Arc;

use clap::Args;
use jiff::Timestamp;

use super::Setting;
use super::bundle::BundleArgs;
use super::client::{Client, ServerArgs};
use super::data::{self, DataArgs, Missing};
use super::entities::Source;
use super::exit::Failure;
use crate::audit::Log;
use crate::clock::{Clock, FixedClock, SystemClock};
use crate::store::{Batch, MemoryStore, Store};
use crate::warden::{ChangeError, Warden};

#[derive(Debug, Args)]
pub(super) struct WorldArgs {
    #[command(flatten)]
    bundle: BundleArgs,
    #[command(flatten)]
    data: DataArgs,
    #[command(flatten)]
    server: ServerArgs,
    /// The entities that there are, instead of a store: a JSON array or one JSON object a line; `-` reads stdin
    #[arg(long, global = true, value_name = "FILE", conflicts_with_all = ["data", "server"])]
    entities: Option<PathBuf>,
    /// The time to decide for [default: now]
    #[arg(long, global = true, value_name = "RFC3339", conflicts_with = "server")]
    now: Option<Timestamp>,
}

impl WorldArgs {
    /// The server that is to be asked, if one is.
    pub fn client(&self, setting: &Setting) -> Result<Option<Client>, Failure> {
        match self.entities {
            Some(_) => Ok(None),
            None => self.server.client(&self.data, &self.bundle, setting),
        }
    }

    /// The entities of the file, or the store, with the policies.
    pub fn warden(&self, setting: &Setting) -> Result<Warden, Failure> {
        let clock: Arc<dyn Clock> = match self.now {
            Some(now) => FixedClock::new(now),
            None => Arc::new(SystemClock),
        };
        let Some(path) = &self.entities else {
            let store = self.data.open(setting, Missing::Refuse)?;
            let log = self.data.log(store.as_ref(), setting)?;
            return data::warden(store, &self.bundle, setting, clock, log);
        };
        let store: Arc<dyn Store> = Arc::new(MemoryStore::new()?);
        let warden = data::warden(store, &self.bundle, setting, clock, Arc::new(Log::off()))?;
        let bundle = warden.bundle();
        let mut batch = Batch::new();
        for entity in Source::open(path)?.entities(&bundle) {
            batch.put(&entity.map_err(|fault| Failure::invalid(fault.to_string()))?);
        }
        warden.load(batch, bundle.schema_hash()).map_err(|error| match error {
            ChangeError::Commit(_) | ChangeError::Invalid { .. } => Failure::invalid(error.to_string()),
            error => Failure::new(error.to_string()),
        })?;
        Ok(warden)
    }
}
