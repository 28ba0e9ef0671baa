//! The file that holds the key of the hashes. It lies outside the store, is readable by its owner alone, and is never
//! made anew for a store that has tokens: a lost key is said, since all tokens would be dead without a word.

use std::path::{Path, PathBuf};

use super::secret::{HashKey, SecretError};
use crate::secret_file::{self, SecretFileError};

/// Why there is no key.
#[derive(Debug, thiserror::Error)]
pub enum KeyFileError {
    /// The content is not repeated.
    #[error("{0} does not hold a token key: 64 hex digits")]
    NoKey(PathBuf),
    #[error("the token key {0}")]
    File(#[from] SecretFileError),
    #[error(transparent)]
    Secret(#[from] SecretError),
}

/// The key in a file; nothing when there is no file.
///
/// # Errors
/// A file that cannot be read, holds no key, or is open to others.
pub fn read_key(path: &Path) -> Result<Option<HashKey>, KeyFileError> {
    let Some(text) = secret_file::read(path)? else { return Ok(None) };
    HashKey::from_hex(text.trim()).map(Some).ok_or_else(|| KeyFileError::NoKey(path.to_owned()))
}

/// Makes a new key in a new file, durably: a store is about to depend on it.
///
/// # Errors
/// A file that is there already or cannot be written.
pub fn create_key(path: &Path) -> Result<HashKey, KeyFileError> {
    let key = HashKey::random()?;
    secret_file::create(path, &format!("{}\n", key.to_hex()))?;
    Ok(key)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_key_is_made_once_and_read_after() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("token.key");
        assert!(read_key(&path).unwrap().is_none());
        let made = create_key(&path).unwrap();
        assert_eq!(read_key(&path).unwrap().unwrap().fingerprint(), made.fingerprint());
        assert!(matches!(create_key(&path), Err(KeyFileError::File(SecretFileError::Io { .. }))));
    }

    #[cfg(unix)]
    #[test]
    fn a_key_that_others_can_read_is_refused() {
        use std::os::unix::fs::PermissionsExt;

        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("token.key");
        create_key(&path).unwrap();
        assert_eq!(std::fs::metadata(&path).unwrap().permissions().mode() & 0o777, 0o600);
        std::fs::set_permissions(&path, std::fs::Permissions::from_mode(0o640)).unwrap();
        assert!(matches!(read_key(&path), Err(KeyFileError::File(SecretFileError::Open { .. }))));
    }

    #[test]
    fn a_file_without_a_key_is_refused_and_its_content_is_not_repeated() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("token.key");
        create_key(&path).unwrap();
        std::fs::write(&path, "something-secret").unwrap();
        let error = read_key(&path).unwrap_err().to_string();
        assert!(error.contains("64 hex digits") && !error.contains("something"), "{error}");
    }
}
