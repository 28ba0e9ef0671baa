//! What stays after a store is closed, or not closed, and opened again.

use std::sync::Arc;

use super::*;
use crate::entity::{Entity, Value};
use crate::store::{Lookup, MAX_RECORD_BYTES, Stats, Table};

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
