//! Recorded questions asked again of other policies: on demand, as a gate, and live in the shadow.

use std::fs;

use hubwarden::audit::Settings;
use hubwarden::warden::{BundleOrigin, Scope, folder};
use serde_json::{Value as Json, json};
use tempfile::TempDir;

use crate::http_audit::{Logged, logged};
use crate::http_support::World;

const ALL: &str = "@id(\"notes/all\") permit (principal is User, action, resource is Note);";
const NONE: &str = "@id(\"notes/none\") forbid (principal is User, action, resource is Note);";

fn owned(settings: Settings) -> Logged {
    let logged = logged(World { origin: BundleOrigin::Store, ..World::notes() }, settings);
    logged.served.warden.remember_policies().unwrap();
    logged
}

/// The bundle in force with these policies instead of its own.
fn bundle(logged: &Logged, policies: &str) -> Json {
    let mut source = logged.served.get(&logged.key, "/v1/bundle").json()["source"].clone();
    source["policies"][0]["text"] = json!(policies);
    source
}

fn replay(logged: &Logged, policies: &str, more: Json) -> Json {
    let mut body = json!({"bundle": bundle(logged, policies)});
    body.as_object_mut().unwrap().extend(more.as_object().unwrap().clone());
    let got = logged.served.post(&logged.key, "/v1/replay", &body);
    assert_eq!(got.status, 200, "{}", got.text);
    got.json()
}

/// How many records flip each way.
fn flips(replay: &Json) -> [u64; 3] {
    ["allowed", "refused", "other_reason"].map(|flip| {
        let groups = replay["changes"].as_array().unwrap().iter().filter(|group| group["flip"] == flip);
        groups
            .flat_map(|group| group["questions"].as_array().unwrap())
            .map(|one| one["records"].as_u64().unwrap())
            .sum()
    })
}

/// Alice may read and reads twice, bob may not; then alice is suspended, and may not either.
fn history(logged: &Logged) {
    for (user, decision) in [("alice", "allow"), ("alice", "allow"), ("bob", "deny")] {
        assert_eq!(logged.ask(user).json()["decision"], decision);
    }
    let patch = json!({"attrs": {"suspended": true}});
    assert_eq!(logged.served.with_body("PATCH", &logged.key, "/v1/entities/User/alice", &patch).status, 200);
    assert_eq!(logged.ask("alice").json()["decision"], "deny");
}

#[test]
fn recorded_questions_are_decided_on_the_facts_that_they_were_decided_on() {
    let logged = owned(Settings::default());
    history(&logged);
    let same = logged.served.warden.bundle().source().policies[0].text.clone();
    let found = replay(&logged, &same, json!({}));
    assert_eq!((&found["records"], &found["replayed"], &found["questions"]), (&json!(4), &json!(4), &json!(3)));
    assert_eq!((flips(&found), &found["skipped"]), ([0, 0, 0], &json!({})));
    // On the facts of now alice is suspended.
    assert_eq!(flips(&replay(&logged, &same, json!({"facts": "head"}))), [0, 2, 0]);
    let found = replay(&logged, ALL, json!({}));
    assert_eq!(flips(&found), [2, 0, 0], "{found}");
    let by: Vec<&str> =
        found["changes"].as_array().unwrap().iter().map(|group| group["by"].as_str().unwrap()).collect();
    assert_eq!(by, ["now permitted by notes/all", "now permitted by notes/all, no more forbidden by notes/suspended"]);
    assert_eq!(found["changes"][0]["questions"][0]["question"], "User::\"bob\" read Note::\"n1\"");
    let found = replay(&logged, NONE, json!({"last": 3}));
    assert_eq!(found["records"], 3);
    assert_eq!(flips(&found)[1], 1, "{found}");
}

#[test]
fn what_cannot_be_asked_again_as_it_was_is_counted_and_not_guessed() {
    let settings = Settings { masks: vec!["context.mfa".parse().unwrap()], ..Settings::default() };
    let logged = owned(settings);
    let mut question = json!({"principal": "User::\"alice\"", "action": "read", "resource": "Note::\"n1\""});
    question["context"] = json!({"mfa": true});
    logged.served.post(&logged.key, "/v1/authorize", &question);
    let unknown = json!({"subject": {"type": "robot", "id": "r"}, "action": {"name": "fly"}, "resource": {"type": "x", "id": "y"}});
    assert_eq!(logged.served.post(&logged.key, "/access/v1/evaluation", &unknown).status, 200);
    logged.ask("alice");
    let found = replay(&logged, NONE, json!({}));
    assert_eq!(found["skipped"], json!({"masked": 1, "never asked": 1}));
    assert_eq!((&found["records"], &found["replayed"]), (&json!(3), &json!(1)));
}

#[test]
fn a_replay_is_for_those_who_may_see_the_log_and_names_what_is_wrong() {
    let logged = owned(Settings::default());
    let body = json!({"bundle": bundle(&logged, "permit (")});
    let evaluate = logged.served.key(&[Scope::Evaluate, Scope::Admin, Scope::Read]);
    assert_eq!(logged.served.post(&evaluate, "/v1/replay", &body).status, 403);
    let wrong = |body: &Json| {
        let got = logged.served.post(&logged.key, "/v1/replay", body);
        (got.status, got.field())
    };
    assert_eq!(wrong(&body), (400, "bundle".to_owned()));
    assert_eq!(wrong(&json!({"last": 1})), (400, "bundle".to_owned()));
    let body = json!({"bundle": bundle(&logged, ALL), "facts": "mine"});
    assert_eq!(wrong(&body), (400, "facts".to_owned()));
    let served = World::notes().serve();
    let body = json!({"bundle": bundle(&logged, ALL)});
    assert_eq!(served.post(&served.all(), "/v1/replay", &body).status, 404);
}

#[test]
fn policies_that_flip_recorded_decisions_do_not_take_over_unless_that_is_accepted() {
    let logged = owned(Settings::default());
    logged.served.warden.demand_replay(100).unwrap();
    history(&logged);
    let put =
        |path: &str, policies: &str| logged.served.with_body("PUT", &logged.key, path, &bundle(&logged, policies));
    let got = put("/v1/bundle", ALL);
    assert_eq!((got.status, got.code().as_str()), (409, "decisions_flip"), "{}", got.text);
    assert!(got.text.contains("User::\\\"bob\\\" read Note::\\\"n1\\\": now permitted by notes/all"), "{}", got.text);
    let same = logged.served.warden.bundle().source().policies[0].text.clone();
    assert_eq!(put("/v1/bundle", &format!("{same}\n// the same\n")).status, 200);
    assert_eq!(put("/v1/bundle?accept_flips=true", ALL).status, 200);
    // What was accepted is what the next ones are compared with.
    assert_eq!(put("/v1/bundle", &format!("{ALL}\n// the same\n")).status, 200);
    assert_eq!(put("/v1/bundle", NONE).status, 409);
}

#[test]
fn flips_of_a_folder_are_accepted_by_a_line_beside_its_policies() {
    let dir = TempDir::new().unwrap();
    let (policies, schema) = (dir.path().to_owned(), dir.path().join("notes.cedarschema"));
    let notes = World::notes();
    fs::write(&schema, &notes.source.schema.text).unwrap();
    fs::write(policies.join("notes.cedar"), &notes.source.policies[0].text).unwrap();
    let source = folder(&policies, &schema).unwrap();
    let origin = BundleOrigin::Folder { policies: policies.clone(), schema };
    let logged = logged(World { source, origin, ..notes }, Settings::default());
    let warden = &logged.served.warden;
    warden.demand_replay(100).unwrap();
    history(&logged);
    fs::write(policies.join("more.cedar"), ALL).unwrap();
    assert!(!warden.reload());
    let failure = serde_json::to_value(warden.bundle_status()).unwrap()["failure"]["message"].clone();
    let message = failure.as_str().unwrap();
    assert!(message.starts_with("recorded decisions would flip: 4 recorded decisions: 1 newly allowed"), "{message}");
    let hash = message.split_once("write ").unwrap().1.split(' ').next().unwrap();
    fs::write(policies.join("accepted-flips"), format!("{hash} # everybody may read\n")).unwrap();
    assert!(warden.reload());
    assert_eq!(warden.bundle().hash(), hash);
}

#[test]
fn shadow_policies_are_asked_every_question_and_answer_nobody() {
    let dir = TempDir::new().unwrap();
    let schema = dir.path().join("notes.cedarschema");
    fs::write(&schema, &World::notes().source.schema.text).unwrap();
    fs::write(dir.path().join("notes.cedar"), ALL).unwrap();
    let logged = owned(Settings::default());
    let warden = &logged.served.warden;
    assert_eq!(logged.served.get(&logged.key, "/v1/shadow").status, 404);
    warden.shadow(dir.path().to_owned(), schema).unwrap();
    history(&logged);
    let report = shadowed(&logged, 4);
    assert_eq!(
        report["counts"],
        json!({"same": 2, "widened": 2, "narrowed": 0, "other_reason": 0, "error": 0, "dropped": 0})
    );
    let samples = report["samples"].as_array().unwrap();
    assert_eq!(samples.len(), 2);
    assert_eq!((&samples[1]["principal"], &samples[1]["flip"]), (&json!("User::\"bob\""), &json!("allowed")));
    assert_eq!(samples[1]["candidate"], json!({"decision": "allow", "determining": ["notes/all"], "reason": null}));
    assert_eq!(samples[1]["decided"]["decision"], "deny");
    let metrics = logged.served.get(&logged.key, "/metrics").text;
    assert!(metrics.contains("hubwarden_shadow_decisions_total{result=\"widened\"} 2"), "{metrics}");
    // Another candidate begins anew; one that is broken leaves the last one.
    fs::write(dir.path().join("notes.cedar"), NONE).unwrap();
    warden.reload_shadow();
    logged.ask("bob");
    assert_eq!(shadowed(&logged, 1)["counts"]["other_reason"], 1);
    fs::write(dir.path().join("notes.cedar"), "permit (").unwrap();
    warden.reload_shadow();
    assert!(shadowed(&logged, 1)["failure"]["message"].as_str().unwrap().contains("notes.cedar"));
    assert_eq!(logged.served.get(&logged.served.key(&[Scope::Read]), "/v1/shadow").status, 403);
}

/// The report, once so many questions were asked of the candidate.
fn shadowed(logged: &Logged, questions: u64) -> Json {
    for _ in 0..10_000 {
        let report = logged.served.get(&logged.key, "/v1/shadow").json();
        let asked: u64 = report["counts"].as_object().unwrap().values().map(|count| count.as_u64().unwrap()).sum();
        if asked >= questions {
            return report;
        }
        std::thread::yield_now();
    }
    panic!("the candidate was not asked");
}
