//! API keys: ids, scopes, hashes. The plain value exists once, when a key is created.
//!
//! A key is `hwk_<id>_<secret>`. The id finds the record, the secret's SHA-256 is compared in constant time; the secret
//! has 256 bits from the operating system, so a plain hash cannot be searched.

use std::collections::{BTreeSet, HashMap};
use std::fmt;
use std::sync::Arc;

use arc_swap::ArcSwap;
use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use jiff::Timestamp;
use parking_lot::Mutex;
use serde::{Deserialize, Serialize};
use sha2::{Digest, Sha256};
use subtle::ConstantTimeEq;

use crate::audit::{ChangeRecord, Log, Unavailable};
use crate::clock::Clock;
use crate::store::{Batch, CommitError, Store, StoreError, Table};

const PREFIX: &str = "hwk_";

/// What a key may be used for.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Scope {
    /// Ask questions.
    Evaluate,
    /// Read entities, policies, schema.
    Read,
    /// Change entities; also lay properties or entities over the stored ones in a question.
    Write,
    /// Change policies, manage keys.
    Admin,
    /// Read explanations and records.
    Audit,
    /// Manage access tokens for the users that the caller vouches for.
    Tokens,
}

pub type Scopes = BTreeSet<Scope>;

impl Scope {
    pub const ALL: [Self; 6] = [Self::Evaluate, Self::Read, Self::Write, Self::Admin, Self::Audit, Self::Tokens];

    pub fn name(self) -> &'static str {
        match self {
            Self::Evaluate => "evaluate",
            Self::Read => "read",
            Self::Write => "write",
            Self::Admin => "admin",
            Self::Audit => "audit",
            Self::Tokens => "tokens",
        }
    }
}

impl std::str::FromStr for Scope {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let found = Self::ALL.into_iter().find(|scope| scope.name() == text);
        found.ok_or_else(|| format!("`{text}` is no scope; a scope is evaluate, read, write, admin, audit or tokens"))
    }
}

/// A key as it is kept and shown: without its secret.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct ApiKey {
    pub id: String,
    pub name: String,
    pub scopes: Scopes,
    pub created_at: Timestamp,
}

/// The value of a new key, to be shown once. Neither its Debug nor any log shows it.
pub struct PlainKey(String);

impl PlainKey {
    /// The value, for the one place that shows it to its owner.
    pub fn reveal(&self) -> &str {
        &self.0
    }
}

impl fmt::Debug for PlainKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("PlainKey(…)")
    }
}

#[derive(Clone, Serialize, Deserialize)]
struct Record {
    #[serde(flatten)]
    key: Arc<ApiKey>,
    /// Hex SHA-256 of the secret.
    hash: String,
}

#[derive(Debug, thiserror::Error)]
pub enum KeyError {
    #[error("a key needs a name of 1 to 100 characters")]
    Name,
    #[error("a key needs at least one scope")]
    NoScope,
    #[error("there is no key `{0}`")]
    Unknown(String),
    #[error("the operating system gave no randomness: {0}")]
    Randomness(String),
    #[error("the key cannot be written down: {0}")]
    Encoding(String),
    #[error(transparent)]
    Store(#[from] StoreError),
    #[error(transparent)]
    Commit(#[from] CommitError),
    /// There must be no change without a record, and none can be written.
    #[error(transparent)]
    Audit(#[from] Unavailable),
}

/// The keys of a store. They need no bundle: a store's keys are managed whatever its schema is.
pub struct Keys {
    store: Arc<dyn Store>,
    clock: Arc<dyn Clock>,
    audit: Arc<Log>,
    records: ArcSwap<HashMap<String, Record>>,
    /// Held from commit to read-back: a slower writer must not bring a deleted key back.
    writing: Mutex<()>,
}

fn read(store: &dyn Store) -> Result<HashMap<String, Record>, StoreError> {
    let records = store.read()?.records(Table::ApiKey, b"", None, usize::MAX)?;
    let parse = |(key, value): (Vec<u8>, Vec<u8>)| {
        let record: Record = serde_json::from_slice(&value).map_err(|error| StoreError::Damaged {
            dir: "API keys".to_owned(),
            what: format!("the record of key `{}` is not understood: {error}", String::from_utf8_lossy(&key)),
            advice: "delete that key and create another".to_owned(),
        })?;
        Ok((record.key.id.clone(), record))
    };
    records.into_iter().map(parse).collect()
}

impl Keys {
    /// Reads the keys of a store. Only this value may change them while it lives.
    ///
    /// # Errors
    /// An unreadable store.
    pub fn open(store: Arc<dyn Store>, clock: Arc<dyn Clock>) -> Result<Self, StoreError> {
        Self::recorded(store, clock, Arc::new(Log::off()))
    }

    /// As [`Keys::open`], with a log of every change.
    ///
    /// # Errors
    /// An unreadable store.
    pub fn recorded(store: Arc<dyn Store>, clock: Arc<dyn Clock>, audit: Arc<Log>) -> Result<Self, StoreError> {
        let records = ArcSwap::from_pointee(read(store.as_ref())?);
        Ok(Self { store, clock, audit, records, writing: Mutex::new(()) })
    }

    /// The key whose value was presented, if it is one.
    pub fn authenticate(&self, presented: &str) -> Option<Arc<ApiKey>> {
        let (id, secret) = presented.strip_prefix(PREFIX).and_then(|rest| rest.split_once('_')).unwrap_or_default();
        let records = self.records.load();
        let record = records.get(id);
        let expected = record.map_or("", |record| record.hash.as_str());
        let mut hash = const_hex::Buffer::<32>::new();
        let matches: bool = hash.format(&digest(secret)).as_bytes().ct_eq(expected.as_bytes()).into();
        record.filter(|_| matches).map(|record| Arc::clone(&record.key))
    }

    /// Whether there is no key at all.
    pub fn is_empty(&self) -> bool {
        self.records.load().is_empty()
    }

    /// All keys, by id.
    pub fn list(&self) -> Vec<ApiKey> {
        let mut keys: Vec<ApiKey> = self.records.load().values().map(|record| ApiKey::clone(&record.key)).collect();
        keys.sort_by(|a, b| a.id.cmp(&b.id));
        keys
    }

    /// Creates a key; the value is returned this once. Blocks until it is durable.
    ///
    /// # Errors
    /// A name or scopes that cannot be, or a store that cannot write.
    pub fn create(&self, name: &str, scopes: Scopes) -> Result<(ApiKey, PlainKey), KeyError> {
        if name.is_empty() || name.chars().count() > 100 || name.chars().any(char::is_control) {
            return Err(KeyError::Name);
        }
        if scopes.is_empty() {
            return Err(KeyError::NoScope);
        }
        let id: String = const_hex::encode(random::<6>()?);
        let secret = URL_SAFE_NO_PAD.encode(random::<32>()?);
        let key = ApiKey { id: id.clone(), name: name.to_owned(), scopes, created_at: self.clock.now() };
        let record = Record { key: Arc::new(key.clone()), hash: const_hex::encode(digest(&secret)) };
        self.audit.ready()?;
        self.write(&id, Some(serde_json::to_vec(&record).map_err(|error| KeyError::Encoding(error.to_string()))?))?;
        Ok((key, PlainKey(format!("{PREFIX}{id}_{secret}"))))
    }

    /// Deletes a key; it is refused from the next request on.
    ///
    /// # Errors
    /// An unknown id, or a store that cannot write.
    pub fn delete(&self, id: &str) -> Result<(), KeyError> {
        if !self.records.load().contains_key(id) {
            return Err(KeyError::Unknown(id.to_owned()));
        }
        self.audit.ready()?;
        self.write(id, None)
    }

    fn write(&self, id: &str, value: Option<Vec<u8>>) -> Result<(), KeyError> {
        let _writing = self.writing.lock();
        let mut batch = Batch::new();
        let change = match value {
            Some(value) => {
                batch.set_record(Table::ApiKey, id.as_bytes(), &value);
                "key_created"
            }
            None => {
                batch.remove_record(Table::ApiKey, id.as_bytes());
                "key_deleted"
            }
        };
        let revision = self.store.commit(batch)?.0;
        self.records.store(Arc::new(read(self.store.as_ref())?));
        let entities = Vec::new();
        self.audit.change(&ChangeRecord { change, entities, key: Some(id), count: 1, revision, bundle: None })?;
        Ok(())
    }
}

fn digest(secret: &str) -> [u8; 32] {
    Sha256::digest(secret.as_bytes()).into()
}

fn random<const N: usize>() -> Result<[u8; N], KeyError> {
    let mut bytes = [0; N];
    getrandom::fill(&mut bytes).map_err(|error| KeyError::Randomness(error.to_string()))?;
    Ok(bytes)
}
