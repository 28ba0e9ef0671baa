//! Bytes that changed behind the store's back are errors, never absent entities.

use std::fs;

use super::super::engine::{Engine, EngineBatch};
use super::*;
use crate::store::key;
use crate::store::plan::Bytes;
use crate::store::record::FORMAT;

/// Replaces a stored value behind the store's back.
fn tamper(dir: &Path, id: &str, edit: impl FnOnce(&mut Vec<u8>)) {
    let engine = Engine::open(&dir.join("sled"), 1 << 20).unwrap();
    let at: Bytes = key::entity(&user(id)).into();
    let mut value = engine.get(&at).unwrap().unwrap().as_ref().to_vec();
    edit(&mut value);
    let mut batch = EngineBatch::default();
    batch.set(&at, Some(&value.into()));
    engine.apply(batch).unwrap();
    engine.sync().unwrap();
    engine.close().unwrap();
}

#[test]
fn a_flipped_byte_in_a_value_is_an_error_and_not_an_absent_entity() {
    let dir = three_users();
    tamper(dir.path(), "ben", |value| *value.last_mut().unwrap() ^= 1);
    let store = open(dir.path());
    let reader = store.read().unwrap();
    assert_eq!(number(&*reader, "anna"), Some(0));
    let error = reader.get(&user("ben")).unwrap_err();
    assert!(error.to_string().contains("Hub::User::\"ben\" cannot be read"), "{error}");
    assert!(reader.list(&Default::default(), None, 10).is_err());
    drop(reader);
    assert!(matches!(store.verify(), Err(StoreError::Damaged { .. })));
    // A change that depends on what is there is refused as well.
    assert!(store.commit(put(&[numbered("ben", 1)])).is_err());
    store.commit(put(&[numbered("anna", 1)])).unwrap();
}

#[test]
fn a_value_moved_under_another_name_is_an_error() {
    let dir = three_users();
    let mut taken = Vec::new();
    tamper(dir.path(), "anna", |value| taken = value.clone());
    tamper(dir.path(), "ben", |value| *value = taken);
    let store = open(dir.path());
    assert!(matches!(store.read().unwrap().get(&user("ben")), Err(StoreError::Damaged { .. })));
}

#[test]
fn a_record_that_needs_a_newer_reader_is_refused() {
    let dir = three_users();
    tamper(dir.path(), "ben", |value| {
        crate::store::record::demand_reader(&key::entity(&user("ben")), value, FORMAT + 1);
    });
    let store = open(dir.path());
    let error = store.read().unwrap().get(&user("ben")).unwrap_err();
    assert!(matches!(error, StoreError::Format { .. }), "{error}");
}

#[test]
fn a_flipped_byte_on_disk_is_noticed_wherever_it_is() {
    let dir = TempDir::new().unwrap();
    let store = open(dir.path());
    for n in 0..40 {
        let many: Vec<_> = (0..20).map(|k| numbered(&format!("u{:03}", n * 20 + k), k)).collect();
        store.commit(put(&many)).unwrap();
    }
    store.close().unwrap();
    let log = fs::read(dir.path().join("sled/db")).unwrap();
    let used = log.iter().rposition(|byte| *byte != 0).unwrap();
    let mut noticed = 0;
    for at in (0..used).step_by(used / 25 + 1) {
        let damaged = TempDir::new().unwrap();
        copy(dir.path(), damaged.path());
        let mut bytes = log.clone();
        bytes[at] ^= 0x40;
        fs::write(damaged.path().join("sled/db"), bytes).unwrap();
        let Ok(store) = SledStore::open(damaged.path(), options()) else {
            noticed += 1;
            continue;
        };
        if store.verify().is_err() {
            noticed += 1;
            continue;
        }
        // What was overwritten since may be damaged without harm; what counts is that nothing is missing.
        let reader = store.read().unwrap();
        for n in 0..800 {
            assert_eq!(number(&*reader, &format!("u{n:03}")), Some(n % 20), "byte {at}");
        }
    }
    assert!(noticed > 0);
}
