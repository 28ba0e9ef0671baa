//! The key and the form of access tokens, for commands that work with them.

use std::path::{Path, PathBuf};
use std::sync::Arc;

use clap::Args;

use super::Setting;
use super::config::strongest;
use super::exit::Failure;
use crate::hub::{Hub, HubError, OpenError};
use crate::tokens::{HashKey, KeyFileError, Prefix, SecretError, create_key, read_key};
use crate::warden::Warden;

/// The file of the key, in the folder of the store, when nothing says otherwise.
const DEFAULT_FILE: &str = "token.key";

#[derive(Debug, Args)]
pub(super) struct HubArgs {
    /// File that holds the key of the tokens' hashes; made when there is none
    /// [env: HUBWARDEN_TOKEN_KEY_FILE=] [default: token.key in the folder of the store]
    #[arg(long, global = true, value_name = "FILE")]
    token_key_file: Option<PathBuf>,
    /// What the values of access tokens start with [env: HUBWARDEN_TOKEN_PREFIX=] [default: hf_]
    #[arg(long, global = true, value_name = "PREFIX")]
    token_prefix: Option<PathBuf>,
}

impl HubArgs {
    /// Joins a warden with the key of its tokens. `folder` is that of the store.
    pub fn open(&self, warden: Arc<Warden>, folder: &Path, setting: &Setting) -> Result<Hub, Failure> {
        let (path, key) = self.key(folder, setting)?;
        let prefix = setting.config.token_prefix.as_ref().map(PathBuf::from);
        let prefix = strongest(self.token_prefix.as_ref(), "HUBWARDEN_TOKEN_PREFIX", prefix.as_ref());
        let prefix = match prefix {
            Some((_, prefix)) => Prefix::new(&prefix.to_string_lossy())?,
            None => Prefix::default(),
        };
        let key = match key {
            Some(key) => key,
            // A new key would silently kill every token that there is.
            None if Hub::has_key(&warden)? => {
                return Err(Failure::new(format!(
                    "the key of this store's tokens is not in {}: restore it, or name its file with `--token-key-file`",
                    path.display()
                )));
            }
            None => create_key(&path)?,
        };
        Hub::open(warden, key, prefix).map_err(|error| Failure::new(format!("{}: {error}", path.display())))
    }

    /// The file of the key, and the key if it is there.
    pub fn key(&self, folder: &Path, setting: &Setting) -> Result<(PathBuf, Option<HashKey>), Failure> {
        let named = setting.config.token_key_file.as_ref();
        let named = strongest(self.token_key_file.as_ref(), "HUBWARDEN_TOKEN_KEY_FILE", named);
        let path = named.map_or_else(|| folder.join(DEFAULT_FILE), |(_, path)| path);
        let key = read_key(&path)?;
        Ok((path, key))
    }
}

impl From<SecretError> for Failure {
    fn from(error: SecretError) -> Self {
        Self::new(error.to_string())
    }
}

impl From<KeyFileError> for Failure {
    fn from(error: KeyFileError) -> Self {
        Self::new(error.to_string())
    }
}

impl From<OpenError> for Failure {
    fn from(error: OpenError) -> Self {
        Self::new(error.to_string())
    }
}

impl From<HubError> for Failure {
    fn from(error: HubError) -> Self {
        // Without the field: it is named for a body, and the message says what was wrong of what was typed.
        Self::new(error.to_string())
    }
}
