//! What a commit does, and when it refuses.

use super::{number, numbered, put, user};
use crate::entity::{Entity, Value};
use crate::store::{
    Batch, CommitError, Expect, Lookup, MAX_KEY_BYTES, MAX_RECORD_BYTES, MAX_VALUE_DEPTH, Op, Revision, Stats, Store,
    StoreError, Table,
};

fn lookup(store: &dyn Store, id: &str) -> Lookup {
    store.read().unwrap().get(&user(id)).unwrap()
}

fn put_if(id: &str, expect: Expect) -> Batch {
    Op::Put { entity: numbered(id, 0), expect, revive: false }.into()
}

fn delete(id: &str) -> Batch {
    let mut batch = Batch::new();
    batch.delete(&user(id));
    batch
}

pub fn a_batch_is_applied_whole_or_not_at_all(store: &dyn Store) {
    let mut batch = put(&[numbered("anna", 1)]);
    batch.set_record(Table::Meta, b"k", b"v");
    batch.push(Op::Put { entity: numbered("ben", 1), expect: Expect::Present, revive: false });
    assert!(matches!(store.commit(batch), Err(CommitError::Conflict { index: 2, .. })));
    let reader = store.read().unwrap();
    assert_eq!(reader.revision(), Revision(0));
    assert_eq!(reader.get(&user("anna")).unwrap(), Lookup::Absent);
    assert_eq!(reader.record(Table::Meta, b"k").unwrap(), None);
}

pub fn an_empty_batch_returns_the_head(store: &dyn Store) {
    assert_eq!(store.commit(Batch::new()).unwrap(), Revision(0));
    store.commit(put(&[numbered("anna", 1)])).unwrap();
    assert_eq!(store.commit(Batch::new()).unwrap(), Revision(1));
}

pub fn a_batch_that_changes_nothing_returns_the_head(store: &dyn Store) {
    let mut batch = delete("nobody");
    batch.remove_record(Table::Meta, b"nothing");
    assert_eq!(store.commit(batch).unwrap(), Revision(0));
    assert_eq!(lookup(store, "nobody"), Lookup::Absent);
}

pub fn each_expectation_holds_only_when_it_should(store: &dyn Store) {
    let all = [
        Expect::Anything,
        Expect::Absent,
        Expect::Present,
        Expect::Revision(Revision(1)),
        Expect::Revision(Revision(9)),
    ];
    let holding = |id: &str| {
        all.map(|expect| {
            let mut batch = put_if(id, expect);
            // A second change that never holds: nothing of the first one stays.
            batch.push(Op::Put { entity: numbered("nobody", 0), expect: Expect::Present, revive: false });
            match store.commit(batch) {
                Err(CommitError::Conflict { index: 1, .. }) => "holds",
                Err(CommitError::Conflict { index: 0, .. }) => "conflict",
                Err(CommitError::Tombstone { index: 0, .. }) => "tombstone",
                other => panic!("{other:?}"),
            }
        })
    };
    store.commit(put(&[numbered("there", 1), numbered("gone", 1)])).unwrap();
    store.commit(delete("gone")).unwrap();
    assert_eq!(holding("never"), ["holds", "holds", "conflict", "conflict", "conflict"]);
    assert_eq!(holding("there"), ["holds", "conflict", "holds", "holds", "conflict"]);
    assert_eq!(holding("gone"), ["tombstone", "tombstone", "conflict", "conflict", "conflict"]);
}

pub fn a_deleted_id_is_refused_unless_it_is_revived(store: &dyn Store) {
    store.commit(put(&[numbered("anna", 1)])).unwrap();
    store.commit(delete("anna")).unwrap();
    assert_eq!(lookup(store, "anna"), Lookup::Deleted(Revision(2)));
    // Deleting again keeps the first tombstone.
    store.commit(delete("anna")).unwrap();
    assert_eq!(lookup(store, "anna"), Lookup::Deleted(Revision(2)));
    match store.commit(put(&[numbered("anna", 2)])) {
        Err(CommitError::Tombstone { index: 0, uid, deleted: Revision(2) }) => {
            assert_eq!(uid, user("anna"));
        }
        other => panic!("{other:?}"),
    }
    let mut batch = Batch::new();
    batch.push(Op::Put { entity: numbered("anna", 3), expect: Expect::Absent, revive: true });
    assert_eq!(store.commit(batch).unwrap(), Revision(3));
    assert_eq!(number(&*store.read().unwrap(), "anna"), Some(3));
}

pub fn later_changes_see_earlier_ones(store: &dyn Store) {
    let mut batch = Batch::new();
    batch.push(Op::Put { entity: numbered("anna", 1), expect: Expect::Absent, revive: false });
    batch.push(Op::Put { entity: numbered("anna", 2), expect: Expect::Present, revive: false });
    batch.set_record(Table::Meta, b"k", b"1").set_record(Table::Meta, b"k", b"2");
    batch.set_record(Table::Meta, b"brief", b"1").remove_record(Table::Meta, b"brief");
    batch.put(&numbered("ben", 1)).delete(&user("ben"));
    assert_eq!(store.commit(batch).unwrap(), Revision(1));
    let reader = store.read().unwrap();
    assert_eq!(number(&*reader, "anna"), Some(2));
    assert_eq!(reader.get(&user("ben")).unwrap(), Lookup::Deleted(Revision(1)));
    assert_eq!(reader.record(Table::Meta, b"k").unwrap().unwrap(), b"2");
    assert_eq!(reader.record(Table::Meta, b"brief").unwrap(), None);
    drop(reader);
    let mut batch = Batch::new();
    batch.delete(&user("anna")).put(&numbered("anna", 3));
    assert!(matches!(store.commit(batch), Err(CommitError::Tombstone { index: 1, deleted: Revision(2), .. })));
}

pub fn the_refusal_reported_is_the_first_one(store: &dyn Store) {
    let mut batch = put_if("zoe", Expect::Present);
    batch.append(put_if("anna", Expect::Present));
    assert!(matches!(store.commit(batch), Err(CommitError::Conflict { index: 0, .. })));
}

pub fn a_batch_of_many_is_applied_whole_or_not_at_all(store: &dyn Store) {
    let many: Vec<Entity> = (0..1_234).map(|n| numbered(&format!("u{n}"), n)).collect();
    let mut refused = put(&many);
    refused.push(Op::Put { entity: numbered("last", 1), expect: Expect::Present, revive: false });
    assert!(matches!(store.commit(refused), Err(CommitError::Conflict { index: 1_234, .. })));
    assert_eq!(store.stats().entities, 0);
    assert_eq!(store.commit(put(&many)).unwrap(), Revision(1));
    let mut batch = Batch::new();
    for n in 0..1_000 {
        batch.delete(&user(&format!("u{n}")));
    }
    assert_eq!(store.commit(batch).unwrap(), Revision(2));
    let reader = store.read().unwrap();
    assert_eq!(number(&*reader, "u999"), None);
    assert_eq!(number(&*reader, "u1000"), Some(1_000));
    let Stats { entities, tombstones, .. } = store.stats();
    assert_eq!((entities, tombstones), (234, 1_000));
}

pub fn an_entity_that_is_too_large_is_refused(store: &dyn Store) {
    let mut entity = numbered("anna", 1);
    entity.attrs.insert("text".into(), Value::String("x".repeat(MAX_RECORD_BYTES).into()));
    match store.commit(put(&[numbered("ben", 1), entity])) {
        Err(error @ CommitError::TooLarge { index: 1, limit: MAX_RECORD_BYTES, .. }) => {
            assert!(error.to_string().starts_with("Hub::User::\"anna\" takes "), "{error}");
        }
        other => panic!("{other:?}"),
    }
    let mut batch = Batch::new();
    batch.set_record(Table::Meta, b"k", &[0; MAX_RECORD_BYTES]);
    assert!(matches!(store.commit(batch), Err(CommitError::TooLarge { index: 0, .. })));
}

pub fn a_name_that_is_too_long_is_refused(store: &dyn Store) {
    let batch = put(&[numbered(&"x".repeat(MAX_KEY_BYTES), 1)]);
    assert!(matches!(store.commit(batch), Err(CommitError::TooLarge { .. })));
    let uid = user(&"x".repeat(MAX_KEY_BYTES - 20));
    store.commit(put(&[Entity::bare(uid.clone())])).unwrap();
    assert!(matches!(store.read().unwrap().get(&uid).unwrap(), Lookup::Present(_)));
}

pub fn values_nested_too_deep_are_refused(store: &dyn Store) {
    let mut value = Value::Bool(true);
    for _ in 0..MAX_VALUE_DEPTH {
        value = Value::Set([value].into());
    }
    let mut entity = Entity::bare(user("anna"));
    entity.tags.insert("deep".into(), value);
    assert!(matches!(store.commit(put(&[entity])), Err(CommitError::TooDeep { index: 0, .. })));
}

pub fn the_largest_entities_read_back(store: &dyn Store) {
    let large = |id: &str, fill: &str| {
        let mut entity = numbered(id, 1);
        let text = fill.repeat(MAX_RECORD_BYTES - 100);
        entity.attrs.insert("text".into(), Value::String(text.into()));
        entity
    };
    // Written over and over: a leaf of such records is rewritten, split and merged.
    for fill in ["a", "b", "c"] {
        let all: Vec<Entity> = (0..50).map(|n| large(&format!("u{n}"), fill)).collect();
        store.commit(put(&all)).unwrap();
    }
    let reader = store.read().unwrap();
    for n in 0..50 {
        let id = format!("u{n}");
        let Lookup::Present(stored) = reader.get(&user(&id)).unwrap() else { panic!("{id}") };
        assert_eq!(stored.entity, large(&id, "c"));
    }
}

pub fn counts_follow_every_change(store: &dyn Store) {
    let counts = || {
        let Stats { entities, tombstones, .. } = store.stats();
        (entities, tombstones)
    };
    assert_eq!(counts(), (0, 0));
    store.commit(put(&[numbered("anna", 1), numbered("ben", 1)])).unwrap();
    store.commit(put(&[numbered("anna", 2)])).unwrap();
    assert_eq!(counts(), (2, 0));
    let mut batch = delete("anna");
    batch.set_record(Table::ApiKey, b"k", b"v");
    store.commit(batch).unwrap();
    assert_eq!(counts(), (1, 1));
    let mut batch = Batch::new();
    batch.push(Op::Put { entity: numbered("anna", 3), expect: Expect::Anything, revive: true });
    store.commit(batch).unwrap();
    assert_eq!(counts(), (2, 0));
}

pub fn a_closed_store_refuses_everything(store: &dyn Store) {
    store.commit(put(&[numbered("anna", 1)])).unwrap();
    store.close().unwrap();
    assert!(matches!(store.read().err(), Some(StoreError::Stopped(_))));
    assert!(matches!(store.verify(), Err(StoreError::Stopped(_))));
    let refused = store.commit(put(&[numbered("ben", 1)]));
    assert!(matches!(refused, Err(CommitError::Store(StoreError::Stopped(_)))));
    store.close().unwrap();
}
