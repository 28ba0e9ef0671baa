//! What only an engine on disk can get wrong.
//!
//! Crashes and power loss need a process to kill: `tests/it/store_crash.rs`.

mod damage;
mod guards;
mod indexing;
mod journal;
mod past;
mod reopening;
mod wal;

use std::path::Path;

use tempfile::TempDir;

use super::{DataLoss, SledOptions, SledStore};
use crate::store::conformance::{number, numbered, put, user};
use crate::store::{Batch, Revision, Store, StoreError};

fn options() -> SledOptions {
    SledOptions { cache_capacity: 8 << 20, ..SledOptions::default() }
}

fn open(dir: &Path) -> SledStore {
    SledStore::open(dir, options()).unwrap()
}

fn accepting(dir: &Path) -> Result<SledStore, StoreError> {
    SledStore::open(dir, SledOptions { data_loss: DataLoss::Accept, ..options() })
}

/// The error of opening a folder that must be refused.
fn refused(dir: &Path) -> StoreError {
    match SledStore::open(dir, options()) {
        Ok(_) => panic!("the store was opened"),
        Err(error) => error,
    }
}

/// A closed store with three users, at revision 3.
fn three_users() -> TempDir {
    let dir = TempDir::new().unwrap();
    let store = open(dir.path());
    for (n, id) in ["anna", "ben", "cleo"].into_iter().enumerate() {
        store.commit(put(&[numbered(id, n as i64)])).unwrap();
    }
    store.close().unwrap();
    dir
}

/// Changes the folder's sidecar.
fn edit_sidecar(dir: &Path, edit: impl FnOnce(&mut serde_json::Map<String, serde_json::Value>)) {
    let path = dir.join("STORE");
    let mut json: serde_json::Value = serde_json::from_slice(&std::fs::read(&path).unwrap()).unwrap();
    edit(json.as_object_mut().unwrap());
    std::fs::write(&path, json.to_string()).unwrap();
}

/// Copies a folder as a crash would leave it.
fn copy(from: &Path, to: &Path) {
    std::fs::create_dir_all(to).unwrap();
    for entry in std::fs::read_dir(from).unwrap() {
        let entry = entry.unwrap();
        let target = to.join(entry.file_name());
        if entry.file_type().unwrap().is_dir() {
            copy(&entry.path(), &target);
        } else {
            std::fs::copy(entry.path(), target).unwrap();
        }
    }
}
