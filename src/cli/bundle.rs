//! Which policies and schema a command works with.

use std::path::PathBuf;

use clap::Args;

use super::Setting;
use super::config::strongest;
use super::exit::Failure;
use crate::pdp::BundleSource;
use crate::warden;

#[derive(Debug, Default, Args)]
pub(super) struct BundleArgs {
    /// Folder of policies: `*.cedar`, `links.json`, `reasons.json`, `gateway.json` [env: HUBWARDEN_POLICIES=] [default:
    /// the hub's, inside the program]
    #[arg(long, global = true, value_name = "DIR")]
    policies: Option<PathBuf>,
    /// Schema file; needed with `--policies` [env: HUBWARDEN_SCHEMA=]
    #[arg(long, global = true, value_name = "FILE")]
    schema: Option<PathBuf>,
}

impl BundleArgs {
    /// Whether this command itself was told which policies to use.
    pub fn is_flagged(&self) -> bool {
        self.policies.is_some() || self.schema.is_some()
    }

    /// The folder and the schema file that were named, if any.
    pub fn paths(&self, setting: &Setting) -> Result<Option<(PathBuf, PathBuf)>, Failure> {
        let policies = strongest(self.policies.as_ref(), "HUBWARDEN_POLICIES", setting.config.policies.as_ref());
        let schema = strongest(self.schema.as_ref(), "HUBWARDEN_SCHEMA", setting.config.schema.as_ref());
        match (policies, schema) {
            (Some((_, policies)), Some((_, schema))) => Ok(Some((policies, schema))),
            (None, None) => Ok(None),
            (Some((_, policies)), None) => Err(Failure::new(format!(
                "the policies in {} need their schema: name it with `--schema FILE`",
                policies.display()
            ))),
            (None, Some((_, schema))) => Err(Failure::new(format!(
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
