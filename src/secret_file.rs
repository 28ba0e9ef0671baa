//! Files that hold a secret: readable by their owner alone, made once, there after a power loss. No error repeats what
//! is in one.

use std::fs::{File, OpenOptions};
use std::io::{Error, ErrorKind, Write};
use std::path::{Path, PathBuf};

/// Why there is no secret. Reads well behind the name of what the file holds.
#[derive(Debug, thiserror::Error)]
pub enum SecretFileError {
    #[error("{path} can be read by others: `chmod 600 {path}`")]
    Open { path: PathBuf },
    #[error("{path}: {source}")]
    Io { path: PathBuf, source: Error },
}

/// The text of a file; nothing when there is no file.
///
/// # Errors
/// A file that cannot be read, or is open to others.
pub fn read(path: &Path) -> Result<Option<String>, SecretFileError> {
    match std::fs::read_to_string(path) {
        Ok(text) => private(path).map(|()| Some(text)),
        Err(error) if error.kind() == ErrorKind::NotFound => Ok(None),
        Err(source) => Err(SecretFileError::Io { path: path.to_owned(), source }),
    }
}

/// Writes a text to a new file, and returns when it would survive a power loss: something is about to depend on it.
///
/// # Errors
/// A file that is there already or cannot be written.
pub fn create(path: &Path, text: &str) -> Result<(), SecretFileError> {
    let io = |source| SecretFileError::Io { path: path.to_owned(), source };
    let mut options = OpenOptions::new();
    options.write(true).create_new(true);
    #[cfg(unix)]
    std::os::unix::fs::OpenOptionsExt::mode(&mut options, 0o600);
    let mut file = options.open(path).map_err(io)?;
    file.write_all(text.as_bytes()).map_err(io)?;
    file.sync_all().map_err(io)?;
    let folder = path.parent().filter(|folder| !folder.as_os_str().is_empty()).unwrap_or(Path::new("."));
    File::open(folder).and_then(|folder| folder.sync_all()).map_err(io)
}

#[cfg(unix)]
fn private(path: &Path) -> Result<(), SecretFileError> {
    use std::os::unix::fs::PermissionsExt;

    let about = std::fs::metadata(path).map_err(|source| SecretFileError::Io { path: path.to_owned(), source })?;
    match about.permissions().mode() & 0o077 {
        0 => Ok(()),
        _ => Err(SecretFileError::Open { path: path.to_owned() }),
    }
}

#[cfg(not(unix))]
fn private(_: &Path) -> Result<(), SecretFileError> {
    Ok(())
}
