//! Access tokens as data: their values, how a client presents one, and what is known of each.
//!
//! A value exists in the clear twice: when it is made, for its owner, and while a request that presents it is answered.
//! What is stored is a keyed hash ([`HashKey`]), so that a stolen store names no value; the key lies outside the store.
//! Nothing here decides anything, and nothing here writes: `hub` does both, through the same door as everybody.

mod backup;
mod credential;
mod key_file;
mod record;
mod secret;
mod token;

pub use backup::{BackupFault, BackupHeader, BackupLine};
pub use credential::Presented;
pub use key_file::{KeyFileError, create_key, read_key};
pub use record::{Credential, owner_key, owner_prefix};
pub use secret::{HashKey, PlainToken, Prefix, SecretError, TokenHash};
pub use token::{Grants, Role, Target, TargetKind, Token, TokenFault, names};

/// A random id for a token: 24 hex digits.
///
/// # Errors
/// When the operating system gives no randomness.
pub fn random_id() -> Result<String, SecretError> {
    Ok(const_hex::encode(secret::random::<12>()?))
}
