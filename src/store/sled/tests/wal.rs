//! Commits that are only in the write-ahead log.

use std::fs;

use super::super::committer::FILL;
use super::super::wal;
use super::*;
use crate::store::ListQuery;

/// A copy of the folder of a store that goes on, as a crash would leave it.
fn crashed(dir: &Path) -> TempDir {
    let crashed = TempDir::new().unwrap();
    copy(dir, crashed.path());
    crashed
}

/// A store that nobody closed: three users, each only in the log.
fn in_the_log() -> TempDir {
    let dir = TempDir::new().unwrap();
    open(dir.path()).close().unwrap();
    let before = crashed(dir.path());
    let store = open(dir.path());
    for (n, id) in ["anna", "ben", "cleo"].into_iter().enumerate() {
        store.commit(put(&[numbered(id, n as i64)])).unwrap();
    }
    // Whether the engine took them over meanwhile or not: here it did not.
    fs::copy(wal::path(dir.path()), wal::path(before.path())).unwrap();
    edit_sidecar(before.path(), |sidecar| {
        sidecar.insert("clean".to_owned(), false.into());
    });
    before
}

fn edit_log(dir: &Path, edit: impl FnOnce(&mut Vec<u8>)) {
    let mut bytes = fs::read(wal::path(dir)).unwrap();
    edit(&mut bytes);
    fs::write(wal::path(dir), bytes).unwrap();
}

fn names(store: &SledStore) -> Vec<String> {
    let found = store.read().unwrap().list(&ListQuery::default(), None, 100).unwrap();
    found.iter().map(|stored| stored.entity.uid.id().to_string()).collect()
}

#[test]
fn commits_that_are_only_in_the_log_are_there_after_a_crash() {
    let dir = in_the_log();
    let store = open(dir.path());
    assert_eq!(store.read().unwrap().revision(), Revision(3));
    assert_eq!(names(&store), ["anna", "ben", "cleo"]);
    assert_eq!(store.verify().unwrap(), 3);
    store.close().unwrap();
    assert_eq!(names(&open(dir.path())), ["anna", "ben", "cleo"]);
}

#[test]
fn a_log_that_is_written_again_from_its_start_loses_nothing() {
    let dir = TempDir::new().unwrap();
    let store = open(dir.path());
    // Three writes a commit at least: the entity, what it replaces, and its date.
    let commits = FILL as i64 / 2;
    for n in 0..commits {
        store.commit(put(&[numbered("anna", n), numbered(&format!("u{}", n % 50), n)])).unwrap();
    }
    let dir = crashed(dir.path());
    let store = open(dir.path());
    assert_eq!(store.read().unwrap().revision(), Revision(commits as u64));
    assert_eq!(number(&*store.read().unwrap(), "anna"), Some(commits - 1));
    assert_eq!(store.stats().entities, 51);
    store.verify().unwrap();
}

#[test]
fn a_last_commit_that_was_not_written_whole_never_was() {
    let dir = in_the_log();
    edit_log(dir.path(), |bytes| bytes.truncate(bytes.len() - 4096));
    // The sidecar does not remember it.
    assert_eq!(names(&open(dir.path())), ["anna", "ben"]);
}

#[test]
fn a_damaged_log_is_refused_until_the_loss_is_accepted() {
    let dir = in_the_log();
    edit_log(dir.path(), |bytes| bytes[4096 + 50] ^= 1);
    let error = refused(dir.path());
    assert!(error.to_string().contains("damaged between revisions 1 and 3"), "{error}");
    let store = accepting(dir.path()).unwrap();
    assert_eq!(names(&store), ["anna"]);
    // Given a second time, and as another store's: what is left of the old log is not taken for its own.
    assert_eq!(store.commit(put(&[numbered("dora", 1)])).unwrap(), Revision(2));
    assert_eq!(names(&open(crashed(dir.path()).path())), ["anna", "dora"]);
}

#[test]
fn a_folder_whose_log_is_gone_is_refused() {
    let dir = three_users();
    fs::remove_file(wal::path(dir.path())).unwrap();
    assert!(refused(dir.path()).to_string().contains("its write-ahead log is gone"));
    assert_eq!(names(&accepting(dir.path()).unwrap()), ["anna", "ben", "cleo"]);
}

#[test]
fn a_folder_from_before_there_was_a_log_gets_one() {
    let dir = three_users();
    fs::remove_file(wal::path(dir.path())).unwrap();
    edit_sidecar(dir.path(), |sidecar| {
        sidecar.insert("format".to_owned(), 1.into());
    });
    assert_eq!(names(&open(dir.path())), ["anna", "ben", "cleo"]);
    assert!(wal::path(dir.path()).exists());
    assert!(fs::read_to_string(dir.path().join("STORE")).unwrap().contains("\"format\": 2"));
}
