//! The file that holds the key of the hashes. It lies outside the store, is readable by its owner alone, and is never
//! made anew for a store that has tokens: a lost key is said, since all tokens would be dead without a word.

use std::fs::OpenOptions;
use std::io::Write;
use std::path::{Path, PathBuf};

use super::secret::{HashKey, SecretError};

/// Why there is no key.
#[derive(Debug, thiserror::Error)]
pub enum KeyFileError {
    /// The content is not repeated.
    #[error("{0} does not hold a token key: 64 hex digits")]
    NoKey(PathBuf),
    #[error("the token key {path} can be read by others: `chmod 600 {path}`")]
    Open { path: PathBuf },
    #[error("the token key {path}: {source}")]
    Io { path: PathBuf, source: std::io::Error },
    #[error(transparent)]
    Secret(#[from] SecretError),
}

/// The key in a file; nothing when there is no file.
///
/// # Errors
/// A file that cannot be read, holds no key, or is open to others.
pub fn read_key(path: &Path) -> Result<Option<HashKey>, KeyFileError> {
    match std::fs::read_to_string(path) {
        Ok(text) => {
            private(path)?;
            HashKey::from_hex(text.trim()).map(Some).ok_or_else(|| KeyFileError::NoKey(path.to_owned()))
        }
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => Ok(None),
        Err(source) => Err(KeyFileError::Io { path: path.to_owned(), source }),
    }
}

/// Makes a new key in a new file, and returns when it would survive a power loss: a store is about to depend on it.
///
/// # Errors
/// A file that is there already or cannot be written.
pub fn create_key(path: &Path) -> Result<HashKey, KeyFileError> {
    let io = |source| KeyFileError::Io { path: path.to_owned(), source };
    let key = HashKey::random()?;
    let mut options = OpenOptions::new();
    options.write(true).create_new(true);
    #[cfg(unix)]
    std::os::unix::fs::OpenOptionsExt::mode(&mut options, 0o600);
    let mut file = options.open(path).map_err(io)?;
    file.write_all(format!("{}\n", key.to_hex()).as_bytes()).map_err(io)?;
    file.sync_all().map_err(io)?;
    if let Some(folder) = path.parent().filter(|folder| !folder.as_os_str().is_empty()) {
        std::fs::File::open(folder).and_then(|folder| folder.sync_all()).map_err(io)?;
    }
    Ok(key)
}

#[cfg(unix)]
fn private(path: &Path) -> Result<(), KeyFileError> {
    use std::os::unix::fs::PermissionsExt;

    let about = std::fs::metadata(path).map_err(|source| KeyFileError::Io { path: path.to_owned(), source })?;
    match about.permissions().mode() & 0o077 {
        0 => Ok(()),
        _ => Err(KeyFileError::Open { path: path.to_owned() }),
    }
}

#[cfg(not(unix))]
fn private(_: &Path) -> Result<(), KeyFileError> {
    Ok(())
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
        assert!(matches!(create_key(&path), Err(KeyFileError::Io { .. })));
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
        assert!(matches!(read_key(&path), Err(KeyFileError::Open { .. })));
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
