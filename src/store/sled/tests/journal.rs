//! Batches that a crash interrupted.

use std::fs;

use super::super::committer::LARGE;
use super::super::head::Head;
use super::super::journal;
use super::*;
use crate::entity::Entity;
use crate::store::plan::{Bytes, Counts, plan};
use crate::store::{CommitError, key};

/// Puts a batch of 250 users into the journal of a closed store as revision 4, as if the process died right after.
fn promise(dir: &Path) {
    let many: Vec<Entity> = (0..250).map(|n| numbered(&format!("u{n:03}"), n)).collect();
    let before = Counts { entities: 3, tombstones: 0 };
    let planned = plan(put(&many), Revision(4), before, "", |_| Ok(None)).unwrap();
    let sidecar = fs::read_to_string(dir.join("STORE")).unwrap();
    let sidecar: serde_json::Value = serde_json::from_str(&sidecar).unwrap();
    let store_id = sidecar["store_id"].as_str().unwrap().to_owned();
    let head =
        Head { store_id, revision: Revision(4), counts: planned.counts, indexed: true, past: Default::default() }
            .encode();
    let head_key: Bytes = key::HEAD.into();
    let entries = planned.writes.iter().map(|write| (&write.key, write.new.as_ref()));
    let entries = entries.chain([(&head_key, Some(&head))]);
    assert!(journal::write(dir, Revision(4), entries).is_ok());
    // A process that died did not close.
    edit_sidecar(dir, |sidecar| {
        sidecar.insert("clean".to_owned(), false.into());
    });
}

fn entries(dir: &Path) -> usize {
    fs::read_dir(dir.join("journal")).unwrap().count()
}

#[test]
fn a_complete_batch_in_the_journal_is_finished() {
    let dir = three_users();
    promise(dir.path());
    let store = open(dir.path());
    assert_eq!(store.stats().entities, 253);
    let reader = store.read().unwrap();
    assert_eq!(reader.revision(), Revision(4));
    assert_eq!(number(&*reader, "u249"), Some(249));
    drop(reader);
    assert_eq!(entries(dir.path()), 0);
    assert_eq!(store.verify().unwrap(), 253);
}

#[test]
fn a_batch_cut_anywhere_is_dropped() {
    let template = three_users();
    promise(template.path());
    let path = journal::path(template.path(), Revision(4));
    let whole = fs::read(path).unwrap();
    for keep in [0, 1, 15, 16, 24, whole.len() / 2, whole.len() - 1] {
        let dir = TempDir::new().unwrap();
        copy(template.path(), dir.path());
        fs::write(journal::path(dir.path(), Revision(4)), &whole[..keep]).unwrap();
        let store = open(dir.path());
        assert_eq!(store.stats().entities, 3, "{keep}");
        assert_eq!(store.read().unwrap().revision(), Revision(3));
        assert_eq!(entries(dir.path()), 0);
    }
}

#[test]
fn a_batch_whose_file_was_garbled_is_dropped() {
    let dir = three_users();
    promise(dir.path());
    let path = journal::path(dir.path(), Revision(4));
    let mut bytes = fs::read(&path).unwrap();
    bytes[100] ^= 1;
    fs::write(&path, bytes).unwrap();
    assert_eq!(open(dir.path()).stats().entities, 3);
}

#[test]
fn a_batch_that_was_half_applied_is_finished() {
    let dir = three_users();
    promise(dir.path());
    let engine = super::super::engine::Engine::open(&dir.path().join("sled"), 1 << 20).unwrap();
    let mut found = journal::interrupted(dir.path()).unwrap();
    let mut left = 120;
    super::super::committer::apply_in_pieces(&engine, || {
        left -= 1;
        if left == 0 { Ok(None) } else { found[0].next() }
    })
    .unwrap();
    engine.close().unwrap();
    let store = open(dir.path());
    assert_eq!(store.stats().entities, 253);
    assert_eq!(store.verify().unwrap(), 253);
}

#[test]
fn a_batch_that_was_finished_before_is_not_applied_again() {
    let dir = three_users();
    promise(dir.path());
    let path = journal::path(dir.path(), Revision(4));
    let batch = fs::read(&path).unwrap();
    let store = open(dir.path());
    store.commit(put(&[numbered("u000", 1_000)])).unwrap();
    store.close().unwrap();
    // Its removal from the folder was lost with the power.
    fs::write(&path, batch).unwrap();
    let store = open(dir.path());
    assert_eq!(number(&*store.read().unwrap(), "u000"), Some(1_000));
    assert_eq!(entries(dir.path()), 0);
}

#[test]
fn a_batch_beyond_the_data_means_that_data_is_missing() {
    let dir = three_users();
    promise(dir.path());
    let (from, to) = (Revision(4), Revision(9));
    let later: Bytes = b"\x11k".as_slice().into();
    assert!(journal::write(dir.path(), to, [(&later, None)].into_iter()).is_ok());
    fs::remove_file(journal::path(dir.path(), from)).unwrap();
    let error = refused(dir.path());
    assert!(error.to_string().contains("goes on at revision 9, its data ends at 3"), "{error}");
}

/// More than go with others.
fn too_many() -> Vec<Entity> {
    (0..).take(LARGE).map(|n| numbered(&format!("u{n}"), n)).collect()
}

#[test]
#[cfg(target_os = "linux")]
fn a_batch_that_does_not_fit_on_the_disk_changes_nothing_and_the_store_goes_on() {
    let dir = TempDir::new().unwrap();
    let store = open(dir.path());
    std::os::unix::fs::symlink("/dev/full", journal::path(dir.path(), Revision(1))).unwrap();
    let many = too_many();
    let error = store.commit(put(&many)).unwrap_err();
    assert!(matches!(error, CommitError::Store(StoreError::Io { .. })), "{error}");
    assert_eq!(store.stats().entities, 0);
    assert_eq!(store.commit(put(&many)).unwrap(), Revision(1));
}

#[test]
fn a_store_that_cannot_tell_what_reached_the_disk_stops() {
    let dir = TempDir::new().unwrap();
    let store = open(dir.path());
    // A folder where the journal's next file should be: it can be neither written nor removed.
    let blocker = journal::path(dir.path(), Revision(1));
    fs::create_dir(&blocker).unwrap();
    let many = too_many();
    assert!(store.commit(put(&many)).is_err());
    assert!(matches!(store.read().err(), Some(StoreError::Stopped(_))));
    let refused = store.commit(put(&[numbered("anna", 1)]));
    assert!(matches!(refused, Err(CommitError::Store(StoreError::Stopped(_)))));
    assert!(matches!(store.close(), Err(StoreError::Stopped(_))));
    fs::remove_dir(blocker).unwrap();
    assert_eq!(open(dir.path()).stats().entities, 0);
}
