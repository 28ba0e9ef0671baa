//! `serve --demo`: an example hub in a folder of its own, and questions worth asking it.
//!
//! The cast is data (`cast.ndjson`), imported like any other. The folder is new and goes when the server stops.

use std::path::{Path, PathBuf};
use std::sync::Arc;

use super::remove;
use crate::audit::Damaged;
use crate::cli::Setting;
use crate::cli::audit::{self, LogKeepingArgs, Process};
use crate::cli::data::{self, Missing};
use crate::cli::entities::{self, Pieces};
use crate::cli::exit::Failure;
use crate::clock::SystemClock;
use crate::store::{Batch, SledOptions};
use crate::warden::{BundleOrigin, Warden, embedded};

const CAST: &str = include_str!("demo/cast.ndjson");
const WELCOME: &str = include_str!("demo/welcome.txt");

/// A demonstration's folder.
pub(super) struct Demo {
    folder: PathBuf,
}

impl Demo {
    /// Makes a new folder that only this user may enter.
    pub fn create() -> Result<Self, Failure> {
        let folder = std::env::temp_dir().join(format!("hubwarden-demo-{}", uuid::Uuid::now_v7()));
        let mut builder = std::fs::DirBuilder::new();
        #[cfg(unix)]
        std::os::unix::fs::DirBuilderExt::mode(&mut builder, 0o700);
        builder
            .create(&folder)
            .map_err(|error| Failure::new(format!("cannot make the folder {}: {error}", folder.display())))?;
        Ok(Self { folder })
    }

    pub fn folder(&self) -> &Path {
        &self.folder
    }

    /// A store with the cast in it, under the policies inside the program.
    pub fn warden(&self, keeping: &LogKeepingArgs, setting: &Setting) -> Result<Warden, Failure> {
        let store = data::open(&self.folder, Missing::Create, SledOptions::default())?;
        let log = audit::open(&self.folder, store.as_ref(), Process::Server, Damaged::Refuse, Some(keeping), setting)?;
        let warden = data::join(store, embedded(), BundleOrigin::Embedded, Arc::new(SystemClock), setting, log)?;
        let bundle = warden.bundle();
        let mut batch = Batch::new();
        let pieces = Pieces::new(CAST.as_bytes()).map_err(|error| Failure::new(error.to_string()))?;
        for piece in pieces {
            let line = piece.as_ref().map_or(0, |piece| piece.line);
            let entity = entities::parse(piece, "cast")
                .and_then(|json| entities::admit(&json, line, &bundle, "cast"))
                .map_err(|fault| Failure::invalid(fault.to_string()))?;
            batch.put(&entity);
        }
        warden.load(batch, bundle.schema_hash()).map_err(|error| Failure::new(error.to_string()))?;
        Ok(warden)
    }

    /// Who is there, and five questions as commands that can be pasted.
    pub fn welcome(&self, url: &str) -> String {
        WELCOME.trim_end().replace("{url}", url)
    }
}

impl Drop for Demo {
    fn drop(&mut self) {
        remove(&self.folder);
    }
}
