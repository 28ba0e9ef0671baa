//! What is stored of a token beside its entity: its credential, and the ways to find it.
//!
//! | table | key | value |
//! |---|---|---|
//! | `Token` | id | [`Credential`] |
//! | `TokenHash` | keyed hash of the value | id and owner; nothing once the value is dead, so that no backup revives it |
//! | `TokenOwner` | SHA-256 of the owner, then the id | nothing |
//! | `TokenUse` | id | when it was last used |

use std::collections::BTreeSet;

use jiff::Timestamp;
use serde::{Deserialize, Serialize};
use sha2::{Digest, Sha256};
use smol_str::SmolStr;

use super::secret::TokenHash;

/// The credential of a token.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Credential {
    pub owner: SmolStr,
    /// Hex of the keyed hash of its value.
    pub hash: String,
    /// Of the value.
    pub last_characters: SmolStr,
    /// When it got the value that it has now, if that is not its first one.
    pub refreshed_at: Option<Timestamp>,
    /// Organizations that said no. For decisions that is the same as having said nothing, so the entity lacks it.
    #[serde(default)]
    pub denied_by: BTreeSet<SmolStr>,
}

impl Credential {
    pub fn token_hash(&self) -> Option<TokenHash> {
        TokenHash::from_hex(&self.hash)
    }
}

/// What the keys of a user's tokens in the table `TokenOwner` start with. A digest, because a user's id can be as long
/// as a whole key.
pub fn owner_prefix(owner: &str) -> [u8; 32] {
    Sha256::digest(owner.as_bytes()).into()
}

/// The key of one token in the table `TokenOwner`.
pub fn owner_key(owner: &str, id: &str) -> Vec<u8> {
    [&owner_prefix(owner), id.as_bytes()].concat()
}
