//! Which policies and schema a command works with.

use std::path::PathBuf;

use clap::Args;

use super::Setting;
use super::exit::Failure;
use crate::pdp::BundleSource;
use crate::warden;

#[derive(Debug, Args)]
pub(super) struct BundleArgs {
    /// Folder of policies: `*.cedar`, `links.json`, `reasons.json` [default: the hub's, inside the program]
    #[arg(long, global = true, value_name = "DIR", env = "HUBWARDEN_POLICIES")]
    policies: Option<PathBuf>,
    /// Schema file; needed with `--policies`
    #[arg(long, global = true, value_name = "FILE", env = "HUBWARDEN_SCHEMA")]
    schema: Option<PathBuf>,
}

impl BundleArgs {
    /// The folder and the schema file that were named, if any.
    pub fn paths(&self, setting: &Setting) -> Result<Option<(PathBuf, PathBuf)>, Failure> {
        let policies = self.policies.as_ref().or(setting.config.policies.as_ref());
        let schema = self.schema.as_ref().or(setting.config.schema.as_ref());
        match (policies, schema) {
            (Some(policies), Some(schema)) => Ok(Some((policies.clone(), schema.clone()))),
            (None, None) => Ok(None),
            (Some(policies), None) => Err(Failure::new(format!(
                "the policies in {} need their schema: name it with `--schema FILE`",
                policies.display()
            ))),
            (None, Some(schema)) => Err(Failure::new(format!(
                "the schema {} needs its policies: name their folder with `--policies DIR`",
                schema.display()
            ))),
        }
    }

    pub fn source(&self, setting: &Setting) -> Result<BundleSource, Failure> {
        match self.paths(setting)? {
            Some((policies, schema)) => Ok(warden::folder(&policies, &schema)?),
            None => Ok(warden::embedded()),
        }
    }
}
