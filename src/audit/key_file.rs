//! The key that checkpoints are signed with: ed25519, in a file that its owner alone can read.
//!
//! Whoever can read it can forge the log. An auditor needs the public key only, and should have it from elsewhere than
//! from the machine that keeps the log.

use std::fmt;
use std::path::{Path, PathBuf};

use ed25519_dalek::{Signature, Signer, SigningKey, VerifyingKey};

use crate::secret_file::{self, SecretFileError};

/// Why there is no key.
#[derive(Debug, thiserror::Error)]
pub enum AuditKeyError {
    /// The content is not repeated.
    #[error("{0} does not hold an audit key: 64 hex digits")]
    NoKey(PathBuf),
    #[error("the audit key {0}")]
    File(#[from] SecretFileError),
    #[error("the operating system gave no randomness: {0}")]
    Randomness(String),
    #[error("`{0}` is no public key: 64 hex digits")]
    NoPublicKey(String),
}

/// Signs checkpoints.
#[derive(Clone)]
pub struct AuditKey(SigningKey);

impl fmt::Debug for AuditKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "AuditKey(public {})", self.public())
    }
}

/// Verifies what the key signed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct PublicKey(VerifyingKey);

impl AuditKey {
    /// # Errors
    /// When the system gives no randomness.
    pub fn random() -> Result<Self, AuditKeyError> {
        let mut bytes = [0; 32];
        getrandom::fill(&mut bytes).map_err(|error| AuditKeyError::Randomness(error.to_string()))?;
        Ok(Self(SigningKey::from_bytes(&bytes)))
    }

    pub fn public(&self) -> PublicKey {
        PublicKey(self.0.verifying_key())
    }

    pub(super) fn sign(&self, message: &[u8]) -> [u8; 64] {
        self.0.sign(message).to_bytes()
    }
}

impl PublicKey {
    pub(super) fn verifies(&self, message: &[u8], signature: &[u8]) -> bool {
        // Strict: of two signatures that look alike, one may verify for several keys.
        Signature::from_slice(signature).is_ok_and(|signature| self.0.verify_strict(message, &signature).is_ok())
    }
}

impl fmt::Display for PublicKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&const_hex::encode(self.0.as_bytes()))
    }
}

impl std::str::FromStr for PublicKey {
    type Err = AuditKeyError;

    fn from_str(text: &str) -> Result<Self, AuditKeyError> {
        let key = super::chain::Digest::from_hex(text).and_then(|bytes| VerifyingKey::from_bytes(bytes.bytes()).ok());
        key.map(Self).ok_or_else(|| AuditKeyError::NoPublicKey(text.to_owned()))
    }
}

/// The key in a file; nothing when there is no file.
///
/// # Errors
/// A file that cannot be read, holds no key, or is open to others.
pub fn read_key(path: &Path) -> Result<Option<AuditKey>, AuditKeyError> {
    let Some(text) = secret_file::read(path)? else { return Ok(None) };
    let bytes = super::chain::Digest::from_hex(text.trim());
    let key = bytes.map(|bytes| AuditKey(SigningKey::from_bytes(bytes.bytes())));
    key.map(Some).ok_or_else(|| AuditKeyError::NoKey(path.to_owned()))
}

/// Makes a new key in a new file, durably.
///
/// # Errors
/// A file that is there already or cannot be written.
pub fn create_key(path: &Path) -> Result<AuditKey, AuditKeyError> {
    let key = AuditKey::random()?;
    let hex = const_hex::encode(key.0.to_bytes());
    secret_file::create(path, &format!("{hex}\n"))?;
    Ok(key)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_key_is_made_once_and_read_after_and_only_its_own_signatures_verify() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("audit.key");
        assert!(read_key(&path).unwrap().is_none());
        let made = create_key(&path).unwrap();
        let read = read_key(&path).unwrap().unwrap();
        assert!(matches!(create_key(&path), Err(AuditKeyError::File(SecretFileError::Io { .. }))));
        assert!(made.public().verifies(b"m", &read.sign(b"m")));
        assert!(!made.public().verifies(b"n", &read.sign(b"m")));
        assert!(!AuditKey::random().unwrap().public().verifies(b"m", &read.sign(b"m")));
        assert_eq!(made.public().to_string().parse::<PublicKey>().unwrap(), made.public());
    }

    #[cfg(unix)]
    #[test]
    fn a_key_that_others_can_read_is_refused() {
        use std::os::unix::fs::PermissionsExt;

        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("audit.key");
        create_key(&path).unwrap();
        std::fs::set_permissions(&path, std::fs::Permissions::from_mode(0o644)).unwrap();
        assert!(matches!(read_key(&path), Err(AuditKeyError::File(SecretFileError::Open { .. }))));
    }

    #[test]
    fn a_file_without_a_key_is_refused_and_its_content_is_not_repeated() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("audit.key");
        create_key(&path).unwrap();
        std::fs::write(&path, "something-secret").unwrap();
        let error = read_key(&path).unwrap_err().to_string();
        assert!(error.contains("64 hex digits") && !error.contains("something"), "{error}");
    }
}
