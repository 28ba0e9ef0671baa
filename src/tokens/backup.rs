//! Credentials as lines of JSON, so that a backup keeps tokens alive: a first line that says what they are and with
//! which key they were hashed, then a line for each credential.
//!
//! Never a value, and never the key: who has such a file and not the key cannot make a token of it. The key is backed up
//! by itself, elsewhere.

use std::collections::BTreeSet;

use jiff::Timestamp;
use serde::{Deserialize, Serialize};
use serde_json::Value as Json;
use smol_str::SmolStr;

use super::record::Credential;
use super::secret::{HashKey, TokenHash};

const FORMAT: &str = "hubwarden-credentials";
const VERSION: u32 = 1;

/// Why a line is not understood.
#[derive(Debug, thiserror::Error)]
pub enum BackupFault {
    #[error("this is no file of `hubwarden token export`: its first line does not say `{FORMAT}`")]
    Format,
    #[error("it has version {0} of the format, this program reads version {VERSION}")]
    Version(u32),
    #[error("{0}")]
    Line(serde_json::Error),
    #[error("`hash` is not 64 hex digits")]
    Hash,
}

/// The first line.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct BackupHeader {
    format: String,
    version: u32,
    /// Hex of the key's fingerprint.
    key: String,
}

impl BackupHeader {
    pub fn new(key: &HashKey) -> Self {
        Self { format: FORMAT.to_owned(), version: VERSION, key: fingerprint(key) }
    }

    /// # Errors
    /// What is no first line, or one of another version.
    pub fn read(json: &Json) -> Result<Self, BackupFault> {
        if json.get("format").and_then(Json::as_str) != Some(FORMAT) {
            return Err(BackupFault::Format);
        }
        // Before the rest: another version may have other fields.
        let version = json.get("version").and_then(Json::as_u64).and_then(|version| u32::try_from(version).ok());
        match version {
            Some(VERSION) | None => Self::deserialize(json).map_err(BackupFault::Line),
            Some(other) => Err(BackupFault::Version(other)),
        }
    }

    /// Whether the credentials were hashed with this key.
    pub fn is_of(&self, key: &HashKey) -> bool {
        self.key == fingerprint(key)
    }
}

fn fingerprint(key: &HashKey) -> String {
    const_hex::encode(key.fingerprint())
}

/// The credential of one token.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct BackupLine {
    pub id: SmolStr,
    pub owner: SmolStr,
    /// Hex of the keyed hash of its value.
    hash: String,
    last_characters: SmolStr,
    refreshed_at: Option<Timestamp>,
    denied_by: BTreeSet<SmolStr>,
    pub last_used_at: Option<Timestamp>,
}

impl BackupLine {
    pub fn new(id: SmolStr, credential: Credential, last_used_at: Option<Timestamp>) -> Self {
        let Credential { owner, hash, last_characters, refreshed_at, denied_by } = credential;
        Self { id, owner, hash, last_characters, refreshed_at, denied_by, last_used_at }
    }

    /// # Errors
    /// What is no credential.
    pub fn read(json: &Json) -> Result<Self, BackupFault> {
        let line = Self::deserialize(json).map_err(BackupFault::Line)?;
        line.hash().ok_or(BackupFault::Hash)?;
        Ok(line)
    }

    pub fn hash(&self) -> Option<TokenHash> {
        TokenHash::from_hex(&self.hash)
    }

    /// The credential as it is stored.
    pub fn credential(&self) -> Credential {
        Credential {
            owner: self.owner.clone(),
            // In the one spelling that a store has.
            hash: self.hash.to_ascii_lowercase(),
            last_characters: self.last_characters.clone(),
            refreshed_at: self.refreshed_at,
            denied_by: self.denied_by.clone(),
        }
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn line() -> Json {
        json!({
            "id": "0123", "owner": "alice", "hash": "ab".repeat(32), "lastCharacters": "wxYZ",
            "refreshedAt": "2026-01-02T03:04:05.678901Z", "deniedBy": ["acme"], "lastUsedAt": null,
        })
    }

    #[test]
    fn a_line_reads_back() {
        let read = BackupLine::read(&line()).unwrap();
        assert_eq!(serde_json::to_value(&read).unwrap(), line());
        assert_eq!(BackupLine::new("0123".into(), read.credential(), None), read);
    }

    #[test]
    fn a_line_that_is_no_credential_is_refused() {
        for (name, value, why) in [
            ("hash", json!("ab"), "64 hex digits"),
            ("hash", json!("zz".repeat(32)), "64 hex digits"),
            ("owner", json!(1), "expected a string"),
            ("refreshedAt", json!("yesterday"), "failed to parse"),
            ("value", json!("hf_x"), "unknown field `value`"),
        ] {
            let mut bad = line();
            bad[name] = value;
            let fault = BackupLine::read(&bad).unwrap_err().to_string();
            assert!(fault.contains(why), "{name}: {fault}");
        }
    }

    #[test]
    fn a_first_line_names_its_format_and_its_key() {
        let (key, other) = (HashKey::random().unwrap(), HashKey::random().unwrap());
        let header = serde_json::to_value(BackupHeader::new(&key)).unwrap();
        let read = BackupHeader::read(&header).unwrap();
        assert!(read.is_of(&key) && !read.is_of(&other));
        assert!(!header.to_string().contains(&key.to_hex()));
        let newer = json!({"format": FORMAT, "version": 2, "cipher": "x"});
        assert!(matches!(BackupHeader::read(&newer), Err(BackupFault::Version(2))));
        assert!(matches!(BackupHeader::read(&line()), Err(BackupFault::Format)));
    }
}
