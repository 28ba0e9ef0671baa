//! What stays after a store is closed, or not closed, and opened again.

use std::sync::Arc;

use super::*;
use crate::entity::{Entity, Value};
use crate::store::{History, Lookup, MAX_RECORD_BYTES, Moment, Stats, Table};

#[test]
fn reopening_keeps_everything() {
    let dir = TempDir::new().unwrap();
    let store = open(dir.path());
    let many: Vec<Entity> = (0..500).map(|n| numbered(&format!("u{n}"), n)).collect();
    store.commit(put(&many)).unwrap();
    let mut batch = Batch::new();
    batch.delete(&user("u7")).set_record(Table::ApiKey, b"k", b"v");
    store.commit(batch).unwrap();
    let (id, before) = (store.id().to_owned(), store.stats());
    store.close().unwrap();

    let store = open(dir.path());
    assert_eq!(store.id(), id);
    let Stats { entities, tombstones, .. } = store.stats();
    assert_eq!((entities, tombstones), (before.entities, before.tombstones));
    let reader = store.read().unwrap();
    assert_eq!(reader.revision(), Revision(2));
    assert_eq!(number(&*reader, "u499"), Some(499));
    assert_eq!(reader.get(&user("u7")).unwrap(), Lookup::Deleted(Revision(2)));
    assert_eq!(reader.record(Table::ApiKey, b"k").unwrap().unwrap(), b"v");
    drop(reader);
    assert_eq!(store.verify().unwrap(), 501);
    assert_eq!(store.commit(put(&[numbered("new", 1)])).unwrap(), Revision(3));
}

#[test]
fn a_store_that_was_dropped_opens_again_at_once() {
    let dir = TempDir::new().unwrap();
    for n in 0..5 {
        let store = open(dir.path());
        assert_eq!(store.commit(put(&[numbered("anna", n)])).unwrap(), Revision(n as u64 + 1));
        drop(store);
    }
}

#[test]
fn a_copy_taken_while_serving_opens_like_after_a_crash() {
    let dir = TempDir::new().unwrap();
    let store = open(dir.path());
    for n in 0..50 {
        store.commit(put(&[numbered("anna", n)])).unwrap();
    }
    let crashed = TempDir::new().unwrap();
    copy(dir.path(), crashed.path());
    let copied = open(crashed.path());
    assert_eq!(number(&*copied.read().unwrap(), "anna"), Some(49));
    assert_eq!(copied.read().unwrap().revision(), Revision(50));
}

#[test]
fn a_second_open_is_told_who_holds_the_store() {
    let dir = TempDir::new().unwrap();
    let store = open(dir.path());
    let error = refused(dir.path());
    assert!(matches!(error, StoreError::Locked { .. }), "{error}");
    drop(store);
    open(dir.path());
}

#[test]
fn no_record_that_a_store_takes_is_kept_outside_the_log() {
    // A page too large for the log goes to a file of its own, and such files do not survive power loss.
    let dir = TempDir::new().unwrap();
    let store = Arc::new(open(dir.path()));
    let large = |n: usize, fill: &str| {
        let mut entity = Entity::bare(user(&format!("{n:04}{}", "k".repeat(1_000))));
        let text = fill.repeat(MAX_RECORD_BYTES - 2_000);
        entity.attrs.insert("text".into(), Value::String(text.into()));
        entity
    };
    let blobs = || std::fs::read_dir(dir.path().join("sled/blobs")).unwrap().count();
    for round in 0..3 {
        // Once in order, once scattered, and each record twice in its leaf before that splits.
        for step in [1, 37] {
            for chunk in 0..4 {
                let mut batch = Batch::new();
                for n in 0..50 {
                    batch.put(&large(((chunk * 50 + n) * step) % 200, ["a", "b", "c"][round]));
                }
                store.commit(batch).unwrap();
                assert_eq!(blobs(), 0);
            }
        }
    }
    assert_eq!(store.stats().entities, 200);
    assert_eq!(store.verify().unwrap(), 200);
}

#[test]
fn the_past_outlives_the_process_and_ends_with_an_accepted_loss() {
    let dir = three_users();
    let store = open(dir.path());
    store.commit(put(&[numbered("anna", 7)])).unwrap();
    store.close().unwrap();
    let at = |store: &SledStore, revision| {
        let reader = store.read_at(Moment::Revision(Revision(revision))).ok()?;
        number(&*reader, "anna")
    };
    // Whoever does not decide on the past leaves it, and goes on with it.
    let store = SledStore::open(dir.path(), SledOptions { history: None, ..options() }).unwrap();
    store.commit(put(&[numbered("anna", 8)])).unwrap();
    assert_eq!(
        (0..=5).map(|revision| at(&store, revision)).collect::<Vec<_>>(),
        [None, Some(0), Some(0), Some(0), Some(7), Some(8)]
    );
    store.close().unwrap();
    edit_sidecar(dir.path(), |sidecar| {
        sidecar.insert("head".to_owned(), 9.into());
    });
    let store = accepting(dir.path()).unwrap();
    assert_eq!(store.stats().past, 0);
    store.commit(put(&[numbered("anna", 9)])).unwrap();
    assert_eq!(at(&store, 4), None, "revisions from before the loss are out of reach");
    assert_eq!((at(&store, 5), at(&store, 6)), (Some(8), Some(9)));
    store.verify().unwrap();
}

#[test]
fn a_store_whose_past_is_switched_off_forgets_it() {
    let dir = three_users();
    let off = SledOptions { history: Some(History::OFF), ..options() };
    let store = SledStore::open(dir.path(), off).unwrap();
    for n in 0..3 {
        store.commit(put(&[numbered("anna", n)])).unwrap();
    }
    assert_eq!(store.stats().past, 0);
    assert!(store.read_at(Moment::Revision(Revision(3))).is_err());
    store.close().unwrap();
    // Switched on again, it begins anew.
    let store = open(dir.path());
    store.commit(put(&[numbered("anna", 9)])).unwrap();
    let reader = store.read_at(Moment::Revision(Revision(6))).unwrap();
    assert_eq!(number(&*reader, "anna"), Some(2));
    drop(reader);
    assert!(store.read_at(Moment::Revision(Revision(5))).is_err());
    store.verify().unwrap();
}
