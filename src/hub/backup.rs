//! Credentials out of a store and into another one. Entities are exported and imported by themselves, before: of a
//! token without its entity there is nothing to keep alive.
//!
//! What died in a store stays dead there: a value that was refreshed away, or whose token was deleted, is refused
//! whatever a backup says of it and whoever insists. Both directions read the store in several steps, so nobody else may
//! write to it meanwhile.

use std::collections::{BTreeSet, HashSet};

use smol_str::SmolStr;

use super::Hub;
use super::error::HubError;
use super::identify::Value;
use super::lifecycle::{kill_value, record_credential, record_hash};
use crate::clock::rfc3339;
use crate::entity::Uid;
use crate::store::{Batch, Lookup, Revision, Table};
use crate::tokens::{BackupHeader, BackupLine, Credential, TokenHash, names, owner_key};
use crate::warden::{Api, Session};

/// Credentials read at once.
const PAGE: usize = 1_000;

/// What is done about a token that has another credential in the store than in the backup.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Standing {
    /// It stands, and nothing is imported.
    Refuse,
    /// The backup's takes its place, and its value dies.
    Replace,
}

/// What became of an export.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Exported {
    pub written: usize,
    /// Of tokens that are gone, or belong to somebody else by now: they are dead.
    pub left_out: usize,
}

/// What became of an import.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Imported {
    pub imported: usize,
    /// Those that the store has already.
    pub kept: usize,
    pub revision: Revision,
}

/// What is wrong with one line.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct LineFault {
    /// From 1.
    pub line: usize,
    pub message: String,
}

/// Why nothing was imported.
#[derive(Debug, thiserror::Error)]
pub enum BackupError {
    #[error(
        "these credentials were hashed with another key: restore the file of the key that they were exported with \
         first, else every token would be dead"
    )]
    OtherKey,
    #[error("some credentials cannot be imported")]
    Lines(Vec<LineFault>),
    #[error(transparent)]
    Hub(#[from] HubError),
}

impl Hub {
    /// The first line of an export from this hub.
    pub fn backup_header(&self) -> BackupHeader {
        BackupHeader::new(&self.key)
    }

    /// Hands over the credentials of all tokens there are, in byte order of their ids.
    ///
    /// # Errors
    /// An unreadable store, or what `write` says.
    pub fn export_credentials<E: From<HubError>>(
        &self,
        mut write: impl FnMut(&BackupLine) -> Result<(), E>,
    ) -> Result<Exported, E> {
        let mut exported = Exported::default();
        let mut after: Option<Vec<u8>> = None;
        loop {
            let (lines, left_out) = self.page(&mut after)?;
            exported.left_out += left_out;
            exported.written += lines.len();
            lines.iter().try_for_each(&mut write)?;
            if after.is_none() {
                return Ok(exported);
            }
        }
    }

    /// The credentials after a key, which becomes that of the last one, or nothing after the last page; and how many
    /// were left out.
    fn page(&self, after: &mut Option<Vec<u8>>) -> Result<(Vec<BackupLine>, usize), HubError> {
        let session = self.warden.session(Api::Tokens, None)?;
        let records = session.records(Table::Token, b"", after.as_deref(), PAGE)?;
        *after = records.last().map(|(key, _)| key.clone()).filter(|_| records.len() == PAGE);
        let mut lines = Vec::new();
        let count = records.len();
        for (id, record) in records {
            let credential: Credential = serde_json::from_slice(&record).map_err(HubError::Damaged)?;
            let id = SmolStr::from(String::from_utf8_lossy(&id));
            if owner(&session, &id)?.is_ok_and(|owner| owner == credential.owner) {
                let used = self.last_used(&session, &id)?;
                lines.push(BackupLine::new(id, credential, used));
            }
        }
        let left_out = count - lines.len();
        Ok((lines, left_out))
    }

    /// Stores credentials, each with the number of its line: all of them or none. A token that has the same value
    /// already is left as it is.
    ///
    /// # Errors
    /// Another key, every line that cannot be imported, or a store that cannot be read or written.
    pub fn import_credentials(
        &self,
        header: &BackupHeader,
        lines: &[(usize, BackupLine)],
        standing: Standing,
    ) -> Result<Imported, BackupError> {
        if !header.is_of(&self.key) {
            return Err(BackupError::OtherKey);
        }
        let mut plan = Plan::default();
        {
            // The session ends inside: a thread that reads must not wait for a commit.
            let session = self.warden.session(Api::Tokens, None).map_err(HubError::from)?;
            for (line, credential) in lines {
                if let Err(message) = plan.add(&session, credential, standing)? {
                    plan.faults.push(LineFault { line: *line, message });
                }
            }
        }
        if !plan.faults.is_empty() {
            return Err(BackupError::Lines(plan.faults));
        }
        let revision = self.warden.change_with(Vec::new(), plan.records).map_err(HubError::from)?;
        Ok(Imported { imported: plan.imported, kept: plan.kept, revision })
    }
}

/// An import that is being prepared.
#[derive(Default)]
struct Plan {
    records: Batch,
    faults: Vec<LineFault>,
    ids: BTreeSet<SmolStr>,
    hashes: HashSet<TokenHash>,
    imported: usize,
    kept: usize,
}

impl Plan {
    /// Adds one credential; the inner error is why it cannot be.
    fn add(
        &mut self,
        session: &Session,
        line: &BackupLine,
        standing: Standing,
    ) -> Result<Result<(), String>, HubError> {
        let id = &line.id;
        let Some(hash) = line.hash() else { return Ok(Err(format!("the hash of the token `{id}` is none"))) };
        if !self.ids.insert(id.clone()) {
            return Ok(Err(format!("the token `{id}` stands twice")));
        }
        if !self.hashes.insert(hash) {
            return Ok(Err(format!("the token `{id}` has the value of another line")));
        }
        match owner(session, id)? {
            Ok(owner) if owner == line.owner => {}
            Ok(owner) => return Ok(Err(format!("the token `{id}` belongs to {owner}, not to {}", line.owner))),
            Err(why) => return Ok(Err(format!("the token `{id}` {why}"))),
        }
        match Value::of(session, &hash)? {
            Value::Alive(found) if found.id != *id => {
                return Ok(Err(format!("the token `{id}` has the value of the token `{}`", found.id)));
            }
            Value::Alive(_) | Value::NeverSeen => {}
            Value::Dead => {
                return Ok(Err(format!(
                    "the value of the token `{id}` died in this store, refreshed away or deleted, and stays dead"
                )));
            }
        }
        let stored = session.record(Table::Token, id.as_bytes())?;
        let stored: Option<Credential> =
            stored.map(|record| serde_json::from_slice(&record)).transpose().map_err(HubError::Damaged)?;
        match stored {
            Some(stored) if stored.token_hash() == Some(hash) && stored.owner == line.owner => self.kept += 1,
            Some(_) if standing == Standing::Refuse => {
                return Ok(Err(format!(
                    "the token `{id}` has another value in this store; `--replace` puts this one in its place"
                )));
            }
            stored => self.put(session, line, &hash, stored)?,
        }
        Ok(Ok(()))
    }

    fn put(
        &mut self,
        session: &Session,
        line: &BackupLine,
        hash: &TokenHash,
        stored: Option<Credential>,
    ) -> Result<(), HubError> {
        let (id, records) = (&line.id, &mut self.records);
        if let Some(stored) = stored {
            kill_value(records, &stored);
            records.remove_record(Table::TokenOwner, &owner_key(&stored.owner, id));
        }
        record_credential(records, id, &line.credential())?;
        record_hash(records, id, &line.owner, hash)?;
        records.set_record(Table::TokenOwner, &owner_key(&line.owner, id), b"");
        if let Some(at) = line.last_used_at
            && session.record(Table::TokenUse, id.as_bytes())?.is_none()
        {
            records.set_record(Table::TokenUse, id.as_bytes(), rfc3339(at).as_bytes());
        }
        self.imported += 1;
        Ok(())
    }
}

/// Whose token an entity is; the inner error is why it is nobody's.
fn owner(session: &Session, id: &str) -> Result<Result<SmolStr, &'static str>, HubError> {
    Ok(match session.entity(&Uid::new(names::TOKEN, id))? {
        Lookup::Present(stored) => match stored.entity.attrs.get("owner").and_then(|value| value.as_entity()) {
            Some(owner) if owner.type_name() == names::USER => Ok(owner.id().clone()),
            _ => Err("has no owner"),
        },
        Lookup::Deleted(_) => Err("was deleted in this store"),
        Lookup::Absent => Err("is not stored: import the entities first, then their credentials"),
    })
}
