//! The index of links: it says what the entities say, whatever became of them.

use std::collections::{BTreeMap, BTreeSet};

use proptest::prelude::*;
use proptest::test_runner::{Config, TestRunner};

use super::{put, user};
use crate::entity::{Entity, Link, SmolStr, Uid, Value};
use crate::store::{Batch, ListQuery, Op, Reader, Store};

const ALL: usize = usize::MAX;

fn zone(id: &str) -> Uid {
    Uid::new("Hub::Zone", id)
}

fn boss() -> Link {
    Link::attribute("Hub::User", vec!["boss".into()])
}

fn near() -> Link {
    Link::attribute("Hub::User", vec!["place".into(), "near".into()])
}

fn every() -> BTreeSet<Link> {
    BTreeSet::from([Link::parents("Hub::User"), Link::parents("Hub::Zone"), boss(), near()])
}

/// Waits until what is stored is indexed.
fn built(store: &dyn Store, links: &BTreeSet<Link>) {
    let is_built = |link: &Link| store.read().unwrap().linked(link, &zone("a"), "", 1).unwrap().is_some();
    while !links.iter().all(is_built) {
        std::thread::yield_now();
    }
}

/// What the entities themselves say of a link.
pub fn truth(reader: &dyn Reader, link: &Link) -> BTreeMap<Uid, Vec<SmolStr>> {
    let query = ListQuery { type_name: Some(link.from.to_string()), id_prefix: String::new() };
    let mut truth: BTreeMap<Uid, Vec<SmolStr>> = BTreeMap::new();
    for stored in reader.list(&query, None, ALL).unwrap() {
        for target in link.targets(&stored.entity) {
            truth.entry(target.clone()).or_default().push(stored.entity.uid.id().clone());
        }
    }
    truth
}

/// The index of every link says what the entities say, of these targets and of all others that they name.
fn agrees(store: &dyn Store, targets: &[Uid]) {
    let reader = store.read().unwrap();
    for link in every() {
        let mut truth = truth(&*reader, &link);
        for target in targets {
            truth.entry(target.clone()).or_default();
        }
        for (target, members) in truth {
            let linked = reader.linked(&link, &target, "", ALL).unwrap();
            assert_eq!(linked.as_ref(), Some(&members), "{link} to {target}");
            // Pages join to the whole.
            let mut paged = Vec::new();
            let mut from = String::new();
            loop {
                let page = reader.linked(&link, &target, &from, 3).unwrap().unwrap();
                let Some(last) = page.last() else { break };
                from = format!("{last}\0");
                paged.extend(page);
            }
            assert_eq!(paged, members, "{link} to {target}");
        }
    }
}

/// A person, their parents, their boss and what they are near to.
fn person(id: &str, parents: &[Uid], boss: Option<Uid>, near: &[Uid]) -> Entity {
    let mut person = Entity::bare(user(id));
    person.parents = parents.iter().cloned().collect();
    person.attrs.extend(boss.map(|boss| ("boss".into(), Value::Entity(boss))));
    let near = Value::Set(near.iter().cloned().map(Value::Entity).collect());
    person.attrs.insert("place".into(), Value::Record([("near".into(), near)].into()));
    person
}

pub fn a_link_that_nobody_keeps_is_not_known(store: &dyn Store) {
    store.commit(put(&[person("anna", &[zone("a")], None, &[])])).unwrap();
    let reader = store.read().unwrap();
    assert_eq!(reader.linked(&Link::parents("Hub::User"), &zone("a"), "", ALL).unwrap(), None);
}

pub fn links_lead_back_from_parents_attributes_and_members_of_sets(store: &dyn Store) {
    store.keep_links(&every()).unwrap();
    let both = [zone("a"), zone("b")];
    store
        .commit(put(&[person("anna", &both, Some(user("ben")), &both), person("ben", &both[..1], None, &[])]))
        .unwrap();
    let reader = store.read().unwrap();
    let linked = |link: &Link, target: &Uid| reader.linked(link, target, "", ALL).unwrap().unwrap();
    assert_eq!(linked(&Link::parents("Hub::User"), &zone("a")), ["anna", "ben"]);
    assert_eq!(linked(&boss(), &user("ben")), ["anna"]);
    assert_eq!(linked(&near(), &zone("b")), ["anna"]);
    assert!(linked(&near(), &zone("c")).is_empty());
    // A type of its own, however alike.
    assert!(linked(&Link::parents("Hub::Zone"), &zone("a")).is_empty());
}

pub fn what_was_stored_before_a_link_was_kept_is_found(store: &dyn Store) {
    let people: Vec<Entity> =
        (0..1_500).map(|n| person(&format!("u{n}"), &[zone(&format!("{}", n % 7))], None, &[])).collect();
    store.commit(put(&people)).unwrap();
    store.commit(Op::Delete { uid: user("u3"), expect: Default::default() }.into()).unwrap();
    store.keep_links(&every()).unwrap();
    // Changes meet an index that is half built.
    for n in 0..40 {
        let changed = person(&format!("u{}", n * 37), &[zone("new")], Some(user("u1")), &[]);
        store.commit(put(&[changed])).unwrap();
    }
    built(store, &every());
    agrees(store, &[zone("3"), zone("new"), zone("nowhere")]);
}

pub fn many_entities_under_one_target_are_found_in_order(store: &dyn Store) {
    store.keep_links(&every()).unwrap();
    // So many at once, and then one by one in an order that splits chunks everywhere.
    let ids: Vec<String> = (0..700).map(|n| format!("u{:03}", n * 389 % 1_000)).collect();
    let people: Vec<Entity> = ids.iter().map(|id| person(id, &[zone("a")], Some(user("x")), &[])).collect();
    store.commit(put(&people)).unwrap();
    for n in (0..1_000).step_by(7) {
        store.commit(put(&[person(&format!("u{n:03}"), &[zone("a")], None, &[zone("b")])])).unwrap();
    }
    agrees(store, &[zone("a")]);
    let mut gone = Batch::new();
    for id in &ids {
        gone.delete(&user(id));
    }
    store.commit(gone).unwrap();
    agrees(store, &[zone("a"), user("x")]);
}

pub fn a_batch_whose_links_are_many_is_applied_whole(store: &dyn Store) {
    store.keep_links(&every()).unwrap();
    let zones: Vec<Uid> = (0..200).map(|n| zone(&format!("far apart {n}"))).collect();
    let people: Vec<Entity> = (0..20).map(|n| person(&format!("u{n}"), &zones, None, &zones)).collect();
    // Spread over chunks first, so that the next change touches many.
    for some in people.chunks(3) {
        store.commit(put(some)).unwrap();
    }
    agrees(store, &zones[..3]);
    store.commit(put(&people.iter().map(|old| person(old.uid.id(), &[], None, &[])).collect::<Vec<_>>())).unwrap();
    agrees(store, &zones[..3]);
}

pub fn names_of_any_length_and_content_are_kept_apart(store: &dyn Store) {
    store.keep_links(&every()).unwrap();
    let odd = ["", "\0", "\0\u{1}", "\u{1}", "a\0b", "\u{10ffff}"];
    let long = zone(&"x".repeat(3_000));
    let targets: Vec<Uid> = odd.iter().map(|id| zone(id)).chain([long]).collect();
    let people: Vec<Entity> =
        odd.iter().zip(&targets).map(|(id, target)| person(id, std::slice::from_ref(target), None, &targets)).collect();
    store.commit(put(&people)).unwrap();
    agrees(store, &targets);
}

pub fn any_history_leaves_an_index_that_agrees_with_the_entities(store: &dyn Store) {
    store.keep_links(&every()).unwrap();
    let id = "[ab]{1,2}";
    let any_zones = prop::collection::vec("[a-d]", 0..3);
    let step = (id, any::<bool>(), any_zones.clone(), prop::option::of(id), any_zones);
    let histories = prop::collection::vec(prop::collection::vec(step, 0..6), 1..6);
    let mut runner = TestRunner::new(Config { cases: 32, failure_persistence: None, ..Config::default() });
    let result = runner.run(&histories, |history| {
        for steps in history {
            let mut batch = Batch::new();
            for (id, dies, parents, boss, near) in steps {
                let zones = |ids: Vec<String>| ids.iter().map(|id| zone(id)).collect::<Vec<_>>();
                let entity = person(&id, &zones(parents), boss.map(|id| user(&id)), &zones(near));
                batch.push(match dies {
                    true => Op::Delete { uid: user(&id), expect: Default::default() },
                    false => Op::Put { entity, expect: Default::default(), revive: true },
                });
            }
            store.commit(batch).unwrap();
            agrees(store, &[]);
        }
        Ok(())
    });
    result.unwrap();
}
