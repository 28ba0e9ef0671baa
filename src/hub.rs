//! The hub's side of the program: its users' access tokens, its clients' credentials, and the words its clients know.
//!
//! This module and `tokens` alone know what a hub is. They decide nothing: whether a user may manage a token, or see
//! what it is granted for, is asked of the policies like any other question, and what is stored goes through
//! [`Warden`]'s changes like any other. A token's entity and its credential are one batch, under the entity's revision,
//! so that no two refreshes can both leave a value alive.

mod actor;
mod backup;
mod check;
mod error;
mod grants;
mod hygiene;
mod identify;
mod inspect;
mod introspect;
mod last_use;
mod lifecycle;
mod memberships;
mod refusal;
mod review;
mod vocabulary;
mod whoami;
mod words;

use std::sync::Arc;

use arc_swap::ArcSwapOption;

pub use actor::Actor;
pub use backup::{BackupError, Exported, Imported, LineFault, Standing};
pub use check::{Check, Checked};
pub use error::{HubError, OpenError};
pub use grants::{GrantSpec, GrantsSpec};
pub use hygiene::{Hygiene, KeyState, hygiene, key_state};
pub use identify::{Caller, Dead};

pub use introspect::Introspection;
pub use lifecycle::{Edit, NewToken, Stored};
pub use memberships::{GroupMembership, Membership};
pub use refusal::{CHALLENGES, Refusal};
pub use review::{Page, Review, ReviewState};
pub use whoami::{WhoAmI, WhoAmIOrg, opaque_id, text};
pub use words::remedy as say_remedy;

use crate::pdp::Bundle;
use crate::store::{Batch, Table};
use crate::tokens::{HashKey, Prefix, Presented};
use crate::warden::{Api, Warden};
use last_use::LastUse;
use vocabulary::Vocabulary;

/// What a store keeps of the key of its hashes.
const FINGERPRINT: &[u8] = b"token-key";

/// A hub's tokens and credentials, over a [`Warden`].
pub struct Hub {
    warden: Arc<Warden>,
    key: HashKey,
    prefix: Prefix,
    last_use: LastUse,
    vocabulary: ArcSwapOption<Vocabulary>,
}

impl Hub {
    /// Joins a warden with the key of its tokens' hashes. The first key that a store is opened with becomes its key.
    ///
    /// # Errors
    /// Another key than the store's, or a store that cannot be read or written.
    pub fn open(warden: Arc<Warden>, key: HashKey, prefix: Prefix) -> Result<Self, OpenError> {
        let stored = warden.session(Api::Tokens, None)?.record(Table::Meta, FINGERPRINT)?;
        match stored {
            Some(stored) if stored == key.fingerprint() => {}
            Some(_) => return Err(OpenError::OtherKey),
            None => {
                let mut batch = Batch::new();
                batch.set_record(Table::Meta, FINGERPRINT, &key.fingerprint());
                warden.change_with(Vec::new(), batch)?;
            }
        }
        Ok(Self { warden, key, prefix, last_use: LastUse::default(), vocabulary: ArcSwapOption::empty() })
    }

    /// Whether a store was opened with a key before: then only that one will do.
    ///
    /// # Errors
    /// An unreadable store.
    pub fn has_key(warden: &Warden) -> Result<bool, OpenError> {
        Ok(warden.session(Api::Tokens, None)?.record(Table::Meta, FINGERPRINT)?.is_some())
    }

    pub fn warden(&self) -> &Arc<Warden> {
        &self.warden
    }

    /// Reads the value of an `Authorization` header, or its absence.
    pub fn presented(&self, header: Option<&[u8]>) -> Presented {
        Presented::from_header(&self.prefix, header)
    }

    /// What tokens can be granted under a bundle.
    ///
    /// # Errors
    /// A schema that is no hub's.
    fn vocabulary(&self, bundle: &Bundle) -> Result<Arc<Vocabulary>, HubError> {
        if let Some(known) = self.vocabulary.load_full().filter(|known| known.schema == bundle.schema_hash()) {
            return Ok(known);
        }
        let vocabulary = Arc::new(Vocabulary::read(bundle)?);
        self.vocabulary.store(Some(Arc::clone(&vocabulary)));
        Ok(vocabulary)
    }
}
