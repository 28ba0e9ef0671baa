//! A search finds what deciding about every stored entity finds: by the index and by looking at everything, in one piece
//! and page by page. For the hub's policies, and for any policies over any data.

use std::collections::BTreeSet;
use std::sync::Arc;
use std::time::Duration;

use proptest::collection::vec;
use proptest::prelude::*;
use serde_json::json;

use hubwarden::clock::FixedClock;
use hubwarden::entity::{Entity, Record, SmolStr, Uid};
use hubwarden::pdp::{Bundle, ContextRules, Question};
use hubwarden::store::{Batch, MemoryStore};
use hubwarden::warden::{Api, BundleOrigin, Laid, Open, PageOf, Warden, Way, embedded};

use super::slice::{NAMED, STORED, Tape, bundle, node};
use crate::support::cases;
use crate::support::random::hub;
use crate::support::world::{CELLS, Caller, NOW, World};

fn warden(bundle: Bundle, world: &World) -> Warden {
    let store = Arc::new(MemoryStore::new().unwrap());
    let clock = FixedClock::new(NOW.parse().unwrap());
    let warden = Warden::new(store, bundle, BundleOrigin::Embedded, clock).unwrap();
    let mut batch = Batch::new();
    for entity in world.entities.values() {
        batch.put(entity);
    }
    let schema = warden.bundle().schema_hash().to_owned();
    warden.load(batch, &schema).unwrap();
    warden
}

/// Everything that is found, by pages of `limit`, and whether any page had to look at every entity.
fn found(warden: &Warden, open: &Open, limit: usize, scan: bool) -> (Vec<Uid>, bool) {
    let mut page = PageOf { from: SmolStr::default(), limit, time: Duration::from_secs(60), any_revision: false, scan };
    let (mut found, mut scanned) = (Vec::new(), false);
    loop {
        let session = warden.session(Api::Cli, None).unwrap();
        let got = session.search(open, &Laid::default(), &page).unwrap();
        assert!(got.results.len() <= limit && !got.cut);
        assert!(got.next.is_none() || got.results.len() == limit, "a page that is not the last one is full");
        found.extend(got.results);
        scanned |= got.way == Way::Scan;
        match got.next {
            Some(next) => page.from = next,
            None => return (found, scanned),
        }
    }
}

/// All ways to search come to the same, and to `truth`.
fn comes_to(warden: &Warden, open: &Open, truth: &[Uid]) -> Result<bool, TestCaseError> {
    let (by_index, scanned) = found(warden, open, 100, false);
    prop_assert_eq!(&by_index, truth, "{:?}", open);
    prop_assert_eq!(&found(warden, open, 100, true).0, truth, "{:?}", open);
    prop_assert_eq!(&found(warden, open, 2, false).0, truth, "{:?}", open);
    Ok(scanned)
}

proptest! {
    #![proptest_config(cases(24))]

    #[test]
    fn on_a_hub_search_finds_what_deciding_about_everything_finds(hub in hub(), fifth in 0..5usize) {
        let world = hub.world();
        let warden = warden(Bundle::build(embedded()).unwrap(), &world);
        let now: SmolStr = NOW.into();
        let asks = |principal: &Uid, action: &Uid, resource: &Uid, context: &Record| {
            let question = Question {
                principal: principal.clone(), action: action.clone(), resource: resource.clone(),
                context: context.clone(), now: now.clone(),
            };
            warden.bundle().decide(&question, &world).is_ok_and(|answer| answer.allowed())
        };
        for (index, (action, type_name)) in CELLS.iter().enumerate() {
            if index % 5 != fifth {
                continue;
            }
            let action = Uid::new("Hub::Action", action.as_str());
            let resources = world.of(type_name);
            for caller in hub.callers() {
                let context = caller.context();
                let open = Open::Resource {
                    principal: caller.principal.clone(), action: action.clone(),
                    type_name: format!("Hub::{type_name}").into(), context: context.clone(),
                };
                let truth: Vec<Uid> =
                    resources.iter().filter(|uid| asks(&caller.principal, &action, uid, &context)).cloned().collect();
                let scanned = comes_to(&warden, &open, &truth)?;
                // The hub's policies can be looked up, but for accounts: anybody's owner is the owner.
                prop_assert!(!scanned, "{:?}", open);
            }
            for resource in &resources {
                for who in ["User", "AccessToken", "Anonymous"] {
                    let open = Open::Principal {
                        type_name: format!("Hub::{who}").into(), action: action.clone(), resource: resource.clone(),
                        context: Record::new(),
                    };
                    let everyone = match who {
                        "Anonymous" => vec![Caller::anonymous().principal],
                        who => world.of(who),
                    };
                    let truth: Vec<Uid> =
                        everyone.into_iter().filter(|uid| asks(uid, &action, resource, &Record::new())).collect();
                    comes_to(&warden, &open, &truth)?;
                }
            }
        }
    }
}

proptest! {
    #![proptest_config(ProptestConfig { max_global_rejects: 20_000, ..cases(128) })]

    #[test]
    fn whatever_the_policies_search_finds_what_deciding_about_everything_finds(
        policies in vec(vec(any::<u8>(), 8..60), 1..7),
        entities in vec(vec(any::<u8>(), 32), usize::from(STORED)),
        context in vec(any::<u8>(), 8),
    ) {
        let bundle = bundle(&policies);
        prop_assume!(bundle.is_some());
        let bundle = bundle.unwrap();
        let entities = entities.iter().zip(0..).map(|(tape, index)| Tape(tape.iter()).entity(index));
        let entities: Vec<Entity> = entities.map(|json| bundle.admission().entity(&json).unwrap()).collect();
        let mut world = World::default();
        world.add_under(&bundle, entities);
        let mut tape = Tape(context.iter());
        let json = json!({"node": tape.uid(), "inner": tape.inner(), "opt": tape.uid(), "now": NOW});
        let text = bundle.source().policies[0].text.clone();
        let warden = warden(bundle, &world);
        for action in ["look", "touch"] {
            let action = Uid::new("Action", action);
            let context = warden.bundle().admission().context(&action, &json, ContextRules::Offline).unwrap();
            for known in (0..NAMED).map(node) {
                let truth = |question: &dyn Fn(Uid) -> Question| -> Vec<Uid> {
                    let allowed = |uid: &&Uid| warden.bundle().decide(&question((*uid).clone()), &world).unwrap().allowed();
                    let there = world.entities.contains_key(&known);
                    world.entities.keys().filter(|uid| there && allowed(uid)).cloned().collect()
                };
                let question = Question {
                    principal: known.clone(), action: action.clone(), resource: known.clone(), context: context.clone(),
                    now: NOW.into(),
                };
                let on_what = truth(&|resource| Question { resource, ..question.clone() });
                let open = Open::Resource {
                    principal: known.clone(), action: action.clone(), type_name: "Node".into(), context: context.clone(),
                };
                prop_assert_eq!(&found(&warden, &open, 100, false).0, &on_what, "{:?}\n{}", open, text);
                prop_assert_eq!(&found(&warden, &open, 1, true).0, &on_what, "{:?}\n{}", open, text);
                let who = truth(&|principal| Question { principal, ..question.clone() });
                let open = Open::Principal {
                    type_name: "Node".into(), action: action.clone(), resource: known.clone(), context: context.clone(),
                };
                prop_assert_eq!(&found(&warden, &open, 2, false).0, &who, "{:?}\n{}", open, text);
            }
        }
    }
}

/// The law above would hold of a search that always looks at everything.
#[test]
fn random_policies_are_often_looked_up() {
    use proptest::strategy::ValueTree;
    use proptest::test_runner::TestRunner;

    let mut runner = TestRunner::deterministic();
    let tapes = vec(vec(any::<u8>(), 8..60), 1..4);
    let mut ways = BTreeSet::new();
    for _ in 0..200 {
        let Some(bundle) = bundle(&tapes.new_tree(&mut runner).unwrap().current()) else { continue };
        let mut world = World::default();
        world.add_under(&bundle, vec![bundle.admission().entity(&Tape([].iter()).entity(0)).unwrap()]);
        let warden = warden(bundle, &world);
        let json = json!({"node": {"type": "Node", "id": "n3"}, "inner": {"node": {"type": "Node", "id": "n4"}, "flag": true}});
        let action = Uid::new("Action", "look");
        let context = warden.bundle().admission().context(&action, &json, ContextRules::Offline).unwrap();
        let open = Open::Resource { principal: node(0), action, type_name: "Node".into(), context };
        ways.insert(found(&warden, &open, 10, false).1);
    }
    assert_eq!(ways, BTreeSet::from([true, false]));
}
