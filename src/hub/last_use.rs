//! When tokens were last used, without a write for each use: noted in memory, written down now and then.
//!
//! A crash loses the notes since the last [`Hub::write_last_uses`]; nothing else depends on them.

use std::collections::HashMap;

use jiff::Timestamp;
use parking_lot::Mutex;
use smol_str::SmolStr;

use super::Hub;
use super::error::HubError;
use crate::clock::rfc3339;
use crate::store::{Batch, Table};
use crate::warden::{Api, Session};

/// Notes that were not written down yet. Only tokens that exist are noted, so it cannot be filled from outside.
#[derive(Default)]
pub struct LastUse(Mutex<HashMap<SmolStr, Timestamp>>);

impl LastUse {
    pub fn note(&self, id: &SmolStr, at: Timestamp) {
        let mut notes = self.0.lock();
        match notes.get_mut(id) {
            Some(noted) => *noted = at.max(*noted),
            None => {
                notes.insert(id.clone(), at);
            }
        }
    }

    fn noted(&self, id: &str) -> Option<Timestamp> {
        self.0.lock().get(id).copied()
    }

    fn take(&self) -> HashMap<SmolStr, Timestamp> {
        std::mem::take(&mut *self.0.lock())
    }

    fn give_back(&self, notes: HashMap<SmolStr, Timestamp>) {
        for (id, at) in notes {
            self.note(&id, at);
        }
    }
}

impl Hub {
    /// When a token was last used.
    pub(super) fn last_used(&self, session: &Session, id: &str) -> Result<Option<Timestamp>, HubError> {
        if let Some(noted) = self.last_use.noted(id) {
            return Ok(Some(noted));
        }
        let written = session.record(Table::TokenUse, id.as_bytes())?;
        Ok(written.and_then(|bytes| String::from_utf8(bytes).ok()?.parse().ok()))
    }

    /// Writes the notes down. Call it every minute or so, and before the store is closed.
    ///
    /// # Errors
    /// A store that cannot write; the notes are kept.
    pub fn write_last_uses(&self) -> Result<(), HubError> {
        let notes = self.last_use.take();
        if notes.is_empty() {
            return Ok(());
        }
        let written = self.write_uses(&notes);
        if written.is_err() {
            self.last_use.give_back(notes);
        }
        written
    }

    fn write_uses(&self, notes: &HashMap<SmolStr, Timestamp>) -> Result<(), HubError> {
        let mut batch = Batch::new();
        for (id, at) in notes {
            batch.set_record(Table::TokenUse, id.as_bytes(), rfc3339(*at).as_bytes());
        }
        self.warden.change_with(Vec::new(), batch)?;
        // Tokens that died meanwhile, or before: nobody will look here for them again.
        let mut dead = Batch::new();
        {
            let session = self.warden.session(Api::Tokens, None)?;
            for id in notes.keys() {
                if session.record(Table::Token, id.as_bytes())?.is_none() {
                    dead.remove_record(Table::TokenUse, id.as_bytes());
                }
            }
        }
        if !dead.is_empty() {
            self.warden.change_with(Vec::new(), dead)?;
        }
        Ok(())
    }
}
