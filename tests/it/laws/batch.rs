//! A batch is its questions asked one by one: over HTTP, whatever the questions, defaults and semantics are.

use proptest::prelude::*;
use serde_json::{Value as Json, json};

use crate::http_support::{Served, World};

const SUBJECTS: [(&str, &str); 5] = [
    ("user", "alice"),
    ("user", "bob"),
    ("access_token", "t1"),
    ("access_token", "stolen"),
    ("anonymous", "anonymous"),
];
const ACTIONS: [&str; 5] = ["repo.read", "repo.content.read", "repo.write", "org.read", "no.such.action"];
const RESOURCES: [(&str, &str); 5] = [
    ("repo", "models/acme/m1"),
    ("repo", "models/acme/m2"),
    ("repo", "models/no/such"),
    ("organization", "acme"),
    ("rock", "x"),
];

fn party(choice: (&str, &str)) -> Json {
    json!({"type": choice.0, "id": choice.1})
}

/// A question; each part may be left to the batch's defaults.
fn item() -> impl Strategy<Value = Json> {
    let part = |max: usize| prop::option::weighted(0.8, 0..max);
    (part(SUBJECTS.len()), part(ACTIONS.len()), part(RESOURCES.len())).prop_map(|(subject, action, resource)| {
        let mut item = json!({});
        if let Some(index) = subject {
            item["subject"] = party(SUBJECTS[index]);
        }
        if let Some(index) = action {
            item["action"] = json!({"name": ACTIONS[index]});
        }
        if let Some(index) = resource {
            item["resource"] = party(RESOURCES[index]);
        }
        item
    })
}

fn defaults() -> Json {
    json!({"subject": party(SUBJECTS[0]), "action": {"name": ACTIONS[0]}, "resource": party(RESOURCES[0])})
}

/// What the questions are answered one by one.
fn one_by_one(served: &Served, key: &str, items: &[Json]) -> Vec<Json> {
    let whole = |item: &Json| {
        let mut question = defaults();
        for (name, part) in item.as_object().unwrap() {
            question[name] = part.clone();
        }
        served.post(key, "/access/v1/evaluation", &question).json()
    };
    items.iter().map(whole).collect()
}

/// The answers up to and with the first that is `decision`.
fn until(answers: &[Json], decision: bool) -> Vec<Json> {
    let stop = answers.iter().position(|answer| answer["decision"] == decision);
    answers[..stop.map_or(answers.len(), |index| index + 1)].to_vec()
}

#[test]
fn a_batch_is_its_questions_asked_one_by_one() {
    let served = World::hub().serve();
    let key = served.all();
    let cases = std::env::var("PROPTEST_CASES").ok().and_then(|cases| cases.parse().ok()).unwrap_or(48);
    let mut runner = proptest::test_runner::TestRunner::new(ProptestConfig {
        cases,
        failure_persistence: None,
        ..ProptestConfig::default()
    });
    runner
        .run(&prop::collection::vec(item(), 1..12), |items| {
            let expected = one_by_one(&served, &key, &items);
            for (semantic, expected) in [
                ("execute_all", expected.clone()),
                ("deny_on_first_deny", until(&expected, false)),
                ("permit_on_first_permit", until(&expected, true)),
            ] {
                let mut batch = defaults();
                batch["evaluations"] = json!(items);
                batch["options"] = json!({"evaluations_semantic": semantic});
                let got = served.post(&key, "/access/v1/evaluations", &batch).json();
                let decisions = |answers: &[Json]| -> Vec<Json> {
                    answers.iter().map(|answer| answer["decision"].clone()).collect()
                };
                prop_assert_eq!(
                    decisions(got["evaluations"].as_array().unwrap()),
                    decisions(&expected),
                    "{}",
                    semantic
                );
            }
            Ok(())
        })
        .unwrap();
}
