//! How the tokens of a store are kept: how many never end, were never used, or are dead and still there.
//!
//! Reads a store as it lies, without a bundle, so that a deployment that does not start can be looked at too.

use jiff::{Timestamp, ToSpan};

use super::FINGERPRINT;
use crate::store::{ListQuery, Store, StoreError, Table};
use crate::tokens::{HashKey, Role, Token, names};

/// Entities that are read at once.
const PAGE: usize = 1_000;
/// A token that was not used for so long is forgotten by whoever made it.
const UNUSED_DAYS: i64 = 180;

/// What was found among the tokens of a store.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Hygiene {
    /// Tokens that were looked at.
    pub tokens: u64,
    /// Whether there are more.
    pub more: bool,
    pub without_end: u64,
    /// Of those: may write everything that their user may.
    pub without_end_and_write: u64,
    pub expired: u64,
    /// Older than half a year, and not used within it.
    pub unused: u64,
    /// Made later than now.
    pub from_the_future: u64,
    /// Cannot be understood.
    pub unreadable: u64,
}

/// Whether a store's tokens can be told by a key.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum KeyState {
    /// The store was never opened with a key.
    NotNeeded,
    Missing,
    Other,
    Right,
}

/// Looks at up to `limit` tokens.
///
/// # Errors
/// An unreadable store.
pub fn hygiene(store: &dyn Store, now: Timestamp, limit: u64) -> Result<Hygiene, StoreError> {
    let query = ListQuery { type_name: Some(names::TOKEN.to_owned()), id_prefix: String::new() };
    let mut found = Hygiene::default();
    let mut after = None;
    // A bound that cannot be reckoned is no bound.
    let unused_since = now.checked_sub((24 * UNUSED_DAYS).hours()).unwrap_or(Timestamp::MIN);
    loop {
        let reader = store.read()?;
        let page = reader.list(&query, after.as_ref(), PAGE)?;
        let Some(last) = page.last() else {
            return Ok(found);
        };
        if found.tokens >= limit {
            found.more = true;
            return Ok(found);
        }
        after = Some(last.entity.uid.clone());
        for stored in &page {
            found.tokens += 1;
            let Ok(token) = Token::from_entity(&stored.entity) else {
                found.unreadable += 1;
                continue;
            };
            let used = reader.record(Table::TokenUse, token.id.as_bytes())?;
            let used: Option<Timestamp> = used.and_then(|bytes| String::from_utf8(bytes).ok()?.parse().ok());
            found.without_end += u64::from(token.expires_at.is_none());
            found.without_end_and_write += u64::from(token.expires_at.is_none() && token.role == Role::Write);
            found.expired += u64::from(token.is_expired(now));
            found.unused += u64::from(used.unwrap_or(token.created_at) < unused_since);
            found.from_the_future += u64::from(token.created_at > now);
        }
    }
}

/// Whether this key is the one that the store's tokens were hashed with.
///
/// # Errors
/// An unreadable store.
pub fn key_state(store: &dyn Store, key: Option<&HashKey>) -> Result<KeyState, StoreError> {
    let stored = store.read()?.record(Table::Meta, FINGERPRINT)?;
    Ok(match (stored, key) {
        (None, _) => KeyState::NotNeeded,
        (Some(_), None) => KeyState::Missing,
        (Some(stored), Some(key)) if stored == key.fingerprint() => KeyState::Right,
        (Some(_), Some(_)) => KeyState::Other,
    })
}
