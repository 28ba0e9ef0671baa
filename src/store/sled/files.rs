//! Files and folders that must survive power loss.
//!
//! A file's bytes are durable after `sync_all` on it, its name after `sync_all` on its folder. Both are needed.

use std::fs::{self, File};
use std::io;
use std::path::Path;

use crate::store::StoreError;

pub fn fault(what: impl Into<String>, source: io::Error) -> StoreError {
    StoreError::Io { what: what.into(), source }
}

/// For `map_err`: names what was being done to which path.
pub fn at<'p>(doing: &'p str, path: &'p Path) -> impl Fn(io::Error) -> StoreError + 'p {
    move |source| fault(format!("cannot {doing} {}", path.display()), source)
}

/// Makes a file's bytes, or a folder's names, durable.
pub fn sync(path: &Path) -> Result<(), StoreError> {
    File::open(path).and_then(|file| file.sync_all()).map_err(at("sync", path))
}

/// Creates a folder and its parents, durably.
pub fn create_folder(dir: &Path) -> Result<(), StoreError> {
    if dir.is_dir() {
        return Ok(());
    }
    let parent = match dir.parent() {
        Some(parent) if !parent.as_os_str().is_empty() => parent,
        _ => Path::new("."),
    };
    create_folder(parent)?;
    match fs::create_dir(dir) {
        Err(error) if error.kind() != io::ErrorKind::AlreadyExists => {
            return Err(at("create", dir)(error));
        }
        _ => {}
    }
    sync(dir)?;
    sync(parent)
}

/// Removes a file if it is there.
pub fn remove(path: &Path) -> Result<(), StoreError> {
    match fs::remove_file(path) {
        Err(error) if error.kind() != io::ErrorKind::NotFound => Err(at("remove", path)(error)),
        _ => Ok(()),
    }
}

/// Removes a folder with all it holds if it is there.
pub fn remove_folder(path: &Path) -> Result<(), StoreError> {
    match fs::remove_dir_all(path) {
        Err(error) if error.kind() != io::ErrorKind::NotFound => Err(at("remove", path)(error)),
        _ => Ok(()),
    }
}

/// The names in a folder, sorted. A name that is no UTF-8 is none of ours and is shown as well as it can be.
pub fn names(dir: &Path) -> Result<Vec<String>, StoreError> {
    let read = || -> io::Result<Vec<String>> {
        fs::read_dir(dir)?.map(|entry| Ok(entry?.file_name().to_string_lossy().into_owned())).collect()
    };
    let mut names = read().map_err(at("list", dir))?;
    names.sort();
    Ok(names)
}
