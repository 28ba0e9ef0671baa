//! The index of links across opening and closing, and beside versions that know of none.

use std::collections::BTreeSet;

use super::super::engine::{Engine, EngineBatch};
use super::super::head::Head;
use super::*;
use crate::entity::{Entity, Link, SmolStr, Uid};
use crate::store::{key, record};

fn team(n: u64) -> Uid {
    Uid::new("Hub::Team", format!("{n}"))
}

fn link() -> Link {
    Link::parents("Hub::User")
}

fn links() -> BTreeSet<Link> {
    BTreeSet::from([link()])
}

fn in_team(id: &str, n: u64) -> Entity {
    let mut user = numbered(id, 0);
    user.parents.insert(team(n));
    user
}

/// Waits for the index, and gives what it says of a team.
fn members(store: &SledStore, n: u64) -> Vec<SmolStr> {
    loop {
        if let Some(members) = store.read().unwrap().linked(&link(), &team(n), "", usize::MAX).unwrap() {
            return members;
        }
        std::thread::yield_now();
    }
}

#[test]
fn an_index_that_is_half_built_goes_on_when_the_store_is_opened_again() {
    let dir = TempDir::new().unwrap();
    let store = open(dir.path());
    let users: Vec<Entity> = (0..3_000).map(|n| in_team(&format!("u{n:04}"), n % 3)).collect();
    store.commit(put(&users)).unwrap();
    store.keep_links(&links()).unwrap();
    store.close().unwrap();
    // Again and again, with changes between.
    for n in 0..5 {
        let store = open(dir.path());
        store.commit(put(&[in_team(&format!("u{:04}", n * 600), 9)])).unwrap();
        store.close().unwrap();
    }
    let store = open(dir.path());
    assert_eq!(members(&store, 0).len(), 1_000 - 5);
    assert_eq!(members(&store, 9), ["u0000", "u0600", "u1200", "u1800", "u2400"]);
    assert_eq!(store.verify().unwrap(), 3_000);
}

#[test]
fn an_index_survives_closing_and_opening() {
    let dir = TempDir::new().unwrap();
    let store = open(dir.path());
    store.keep_links(&links()).unwrap();
    store.commit(put(&[in_team("anna", 1), in_team("ben", 1)])).unwrap();
    store.close().unwrap();
    let store = open(dir.path());
    assert_eq!(store.read().unwrap().linked(&link(), &team(1), "", 9).unwrap().unwrap(), ["anna", "ben"]);
    store.commit(put(&[in_team("ben", 2)])).unwrap();
    assert_eq!((members(&store, 1), members(&store, 2)), (vec!["anna".into()], vec!["ben".into()]));
}

/// Changes an entity as a version does that knows of no index.
fn change_without_index(dir: &Path, entity: &Entity) {
    let engine = Engine::open(&super::super::folder::data(dir), 8 << 20).unwrap();
    let mut head = Head::load(&engine, "").unwrap().unwrap();
    head.revision.0 += 1;
    head.indexed = false;
    let at = key::entity(&entity.uid);
    let value = record::Body::entity(entity).seal(&at, head.revision);
    let mut batch = EngineBatch::default();
    batch.set(&at.into(), Some(&value.into()));
    batch.set(&key::HEAD.into(), Some(&head.encode()));
    engine.apply(batch).unwrap();
    engine.sync().unwrap();
    engine.close().unwrap();
    edit_sidecar(dir, |sidecar| drop(sidecar.insert("clean".to_owned(), false.into())));
}

#[test]
fn what_a_version_without_an_index_changed_is_indexed_again() {
    let dir = TempDir::new().unwrap();
    let store = open(dir.path());
    store.keep_links(&links()).unwrap();
    store.commit(put(&[in_team("anna", 1), in_team("ben", 1)])).unwrap();
    store.close().unwrap();
    change_without_index(dir.path(), &in_team("ben", 2));
    let store = open(dir.path());
    store.keep_links(&links()).unwrap();
    assert_eq!((members(&store, 1), members(&store, 2)), (vec!["anna".into()], vec!["ben".into()]));
    // And only once.
    store.close().unwrap();
    let store = open(dir.path());
    assert!(store.read().unwrap().linked(&link(), &team(1), "", 9).unwrap().is_some());
}
