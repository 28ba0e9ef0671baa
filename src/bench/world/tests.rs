use std::collections::BTreeSet;
use std::sync::Arc;

use serde_json::Value as Json;

use super::*;
use crate::clock::SystemClock;
use crate::pdp::Bundle;
use crate::store::{Batch, MemoryStore};
use crate::warden::{Api, BundleOrigin, Change, Patch, Warden, embedded};

fn entities(world: World) -> Vec<Json> {
    let mut out = Vec::new();
    world.write(&mut out).unwrap();
    out.split(|byte| *byte == b'\n')
        .filter(|line| !line.is_empty())
        .map(|line| crate::json::parse(line).unwrap())
        .collect()
}

fn warden(world: World) -> Warden {
    let bundle = Bundle::build(embedded()).unwrap();
    let store = Arc::new(MemoryStore::new().unwrap());
    let warden = Warden::new(store, bundle, BundleOrigin::Embedded, Arc::new(SystemClock)).unwrap();
    let bundle = warden.bundle();
    let mut batch = Batch::new();
    for json in entities(world) {
        batch.put(&bundle.admission().entity(&json).unwrap());
    }
    warden.load(batch, bundle.schema_hash()).unwrap();
    warden
}

#[test]
fn a_world_is_written_in_the_order_of_a_store_and_holds_as_many_entities_as_it_says() {
    let world = World::new(1_000, 7);
    let uids: Vec<(String, String)> = entities(world)
        .iter()
        .map(|json| {
            let part = |name: &str| json["uid"][name].as_str().unwrap().to_owned();
            (part("type"), part("id"))
        })
        .collect();
    assert_eq!(uids.len() as u64, world.entities());
    assert!(uids.is_sorted_by(|a, b| a < b), "strictly ascending");
}

#[test]
fn a_seed_makes_the_same_world_and_another_seed_another() {
    assert_eq!(entities(World::new(500, 1)), entities(World::new(500, 1)));
    assert_ne!(entities(World::new(500, 1)), entities(World::new(500, 2)));
}

#[test]
fn the_evaluator_answers_every_question_as_the_world_expects() {
    let world = World::new(2_500, 3);
    let warden = warden(world);
    let session = warden.session(Api::Cli, None).unwrap();
    let mut seen = BTreeSet::new();
    let asked = world.questions(6_000).chain(world.sweep(world.entities()));
    for (question, expected) in asked {
        let ruling = session.ask(question.to_asked()).unwrap();
        assert_eq!(ruling.answer.allowed(), expected, "{}: {:?}", question.to_authzen(), ruling.answer.determining);
        seen.extend(ruling.answer.determining.iter().cloned());
    }
    // What decided: a mix of rules, and not one that swallows the others.
    for rule in [
        "organization/readers",
        "organization/creators",
        "resource-groups/writers",
        "gates/pending",
        "token-permissions/repo-write",
        "tokens/read-role",
        "organization-policy/fine-grained-only",
        "disabled/repo",
    ] {
        assert!(seen.iter().any(|id| id == rule), "{rule} never decided: {seen:?}");
    }
}

#[test]
fn questions_are_allowed_and_denied_in_like_numbers() {
    let world = World::new(25_000, 1);
    let allowed = world.questions(10_000).filter(|(_, expected)| *expected).count();
    assert!((3_500..6_500).contains(&allowed), "{allowed} of 10000");
}

#[test]
fn a_membership_that_is_given_opens_what_it_should_and_taken_closes_it() {
    let world = World::new(500, 9);
    let warden = warden(world);
    for number in 0..8 {
        let moved = world.membership(number);
        let question: Json = serde_json::from_str(&moved.question).unwrap();
        let text = |pointer: &str| question.pointer(pointer).unwrap().as_str().unwrap().to_owned();
        let uid = crate::entity::Uid::new("Hub::User", text("/subject/id"));
        let ask = || {
            let asked = crate::warden::Asked {
                principal: uid.clone(),
                action: crate::entity::Uid::new("Hub::Action", text("/action/name")),
                resource: crate::entity::Uid::new("Hub::Repo", text("/resource/id")),
                context: crate::entity::Record::new(),
                entities: Vec::new(),
            };
            warden.session(Api::Cli, None).unwrap().ask(asked).unwrap().answer.allowed()
        };
        for (body, after) in [(&moved.give, true), (&moved.take, false), (&moved.give, true)] {
            assert_eq!(ask(), !after);
            let patch = Patch::from_json(&serde_json::from_str(body).unwrap()).unwrap();
            let expect = crate::store::Expect::Anything;
            warden.change(vec![Change::Patch { uid: uid.clone(), patch, expect }]).unwrap();
            assert_eq!(ask(), after);
        }
    }
}
