//! Signatures over the chain: checkpoints among the records, and the head beside them.
//!
//! A checkpoint says that the chain up to a record was so. The head, in the file `HEAD`, says how far the log has come:
//! it is rewritten with each checkpoint, so that records cut off at the end are missed. An old head put back with the
//! records of its time cannot be told from the truth here; what the server logs of each head can tell.

use std::fs::{self, File};
use std::io::{self, Write};
use std::path::Path;

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use serde::{Deserialize, Serialize};

use super::chain::Digest;
use super::key_file::{AuditKey, PublicKey};
use super::segment;

const FILE: &str = "HEAD";
const NEW_FILE: &str = "HEAD.new";

/// What is signed. Each purpose has words of its own, so that no signature can serve another.
#[derive(Clone, Copy)]
pub enum Purpose {
    Checkpoint,
    Head,
}

fn message(purpose: Purpose, seq: u64, digest: &Digest) -> Vec<u8> {
    let words: &[u8] = match purpose {
        Purpose::Checkpoint => b"hubwarden audit checkpoint\0",
        Purpose::Head => b"hubwarden audit head\0",
    };
    [words, &seq.to_be_bytes(), digest.bytes()].concat()
}

pub fn sign(key: &AuditKey, purpose: Purpose, seq: u64, digest: &Digest) -> String {
    STANDARD.encode(key.sign(&message(purpose, seq, digest)))
}

pub fn is_signed(key: &PublicKey, purpose: Purpose, seq: u64, digest: &Digest, signature: &str) -> bool {
    STANDARD.decode(signature).is_ok_and(|signature| key.verifies(&message(purpose, seq, digest), &signature))
}

/// A checkpoint record, as it was found.
#[derive(Deserialize)]
pub struct Checkpoint {
    pub covers: u64,
    pub chain: String,
    pub signature: String,
}

/// How far a log has come.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Head {
    pub seq: u64,
    pub hash: String,
    pub timestamp: String,
    signature: String,
}

impl Head {
    pub(super) fn new(key: &AuditKey, seq: u64, digest: &Digest, timestamp: String) -> Self {
        Self { seq, hash: digest.to_string(), timestamp, signature: sign(key, Purpose::Head, seq, digest) }
    }

    /// The hash, if the head is signed.
    pub(super) fn digest(&self, key: &PublicKey) -> Option<Digest> {
        let digest = Digest::from_hex(&self.hash)?;
        is_signed(key, Purpose::Head, self.seq, &digest, &self.signature).then_some(digest)
    }

    /// The head in a folder; nothing when there is none.
    pub(super) fn read(dir: &Path) -> io::Result<Option<Self>> {
        match fs::read(dir.join(FILE)) {
            Ok(bytes) => serde_json::from_slice(&bytes).map(Some).map_err(io::Error::other),
            Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(None),
            Err(error) => Err(error),
        }
    }

    /// Replaces the head durably. The records it speaks of must be durable before.
    pub(super) fn write(&self, dir: &Path) -> io::Result<()> {
        let new = dir.join(NEW_FILE);
        let mut file = File::create(&new)?;
        file.write_all(&serde_json::to_vec(self)?)?;
        file.sync_all()?;
        fs::rename(&new, dir.join(FILE))?;
        segment::sync(dir)
    }
}
