//! `?as_of=`: what the answer would have been.

use std::sync::Arc;

use hubwarden::audit::{self, AuditKey, Log, Settings};
use hubwarden::clock::SystemClock;
use hubwarden::warden::{BundleOrigin, Scope};
use serde_json::{Value as Json, json};
use tempfile::TempDir;

use crate::http_support::{Got, NOW, Served, World, bearer};

/// A server that owns its policies and remembers them, one minute after it was set up.
fn remembering(world: World) -> (Served, String) {
    let clock = Arc::clone(&world.clock);
    let served = World { origin: BundleOrigin::Store, ..world }.serve();
    served.warden.remember_policies().unwrap();
    clock.set("2026-08-01T12:01:00Z".parse().unwrap());
    let key = served.all();
    (served, key)
}

fn question() -> Json {
    json!({"principal": "User::\"alice\"", "action": "read", "resource": "Note::\"n1\""})
}

fn suspend(served: &Served, key: &str) {
    let patch = json!({"attrs": {"suspended": true}});
    assert_eq!(served.with_body("PATCH", key, "/v1/entities/User/alice", &patch).status, 200);
}

fn as_of(served: &Served, key: &str, moment: impl std::fmt::Display) -> Got {
    served.post(key, &format!("/v1/authorize?as_of={moment}"), &question())
}

#[test]
fn a_question_is_answered_as_it_would_have_been_at_a_revision_or_a_time() {
    let (served, key) = remembering(World::notes());
    let now = |got: &Got| (got.json()["decision"].as_str().unwrap().to_owned(), got.json()["revision"].clone());
    let before = served.post(&key, "/v1/authorize", &question());
    suspend(&served, &key);
    assert_eq!(served.post(&key, "/v1/authorize", &question()).json()["decision"], "deny");
    let then = as_of(&served, &key, before.json()["revision"].as_u64().unwrap());
    assert_eq!(now(&then), now(&before));
    assert_eq!(then.header("hubwarden-revision"), before.header("hubwarden-revision"));
    for (time, decision) in [(NOW, "allow"), ("2026-08-01T12:00:59.999Z", "allow"), ("2026-08-01T12:01:00Z", "deny")] {
        let got = as_of(&served, &key, time);
        assert_eq!((got.status, got.json()["decision"].as_str()), (200, Some(decision)), "{time}: {}", got.text);
        assert_eq!(got.json()["as_of"].as_str().map(|text| &text[..19]), Some(&time[..19]));
    }
    // Nothing of the past is taken for the present.
    assert_eq!(served.post(&key, "/v1/authorize", &question()).json()["decision"], "deny");
    assert_eq!(served.post(&key, "/v1/authorize", &question()).json()["as_of"], Json::Null);
}

#[test]
fn the_policies_are_those_of_then() {
    let (served, key) = remembering(World::notes());
    let before = served.post(&key, "/v1/authorize", &question()).json();
    let mut source = served.get(&key, "/v1/bundle").json()["source"].clone();
    source["policies"][0]["text"] = json!("@id(\"notes/none\") forbid (principal, action, resource);");
    let put = served.with_body("PUT", &key, "/v1/bundle", &source);
    assert_eq!(put.status, 200, "{}", put.text);
    assert_eq!(served.post(&key, "/v1/authorize", &question()).json()["decision"], "deny");
    let then = as_of(&served, &key, &before["revision"]).json();
    assert_eq!((&then["decision"], &then["bundle"]), (&before["decision"], &before["bundle"]));
    assert_eq!(as_of(&served, &key, before["revision"].as_u64().unwrap() + 1).json()["decision"], "deny");
    // And an explanation says why it was.
    let path = format!("/v1/explain?as_of={}", before["revision"]);
    let why = served.post(&key, &path, &question()).json();
    assert_eq!((&why["determining"], why["policies"][0]["id"].as_str()), (&json!(["notes/own"]), Some("notes/own")));
}

#[test]
fn the_clock_of_a_question_about_the_past_stands_then() {
    let (served, key) = remembering(World::cast());
    let body = json!({"subject": {"type": "user", "id": "wanda"}, "action": {"name": "repo.write"},
                      "resource": {"type": "repo", "id": "models/acme/priv"}});
    let ask = |path: &str| served.post(&key, path, &body).json()["decision"].clone();
    assert_eq!(ask("/access/v1/evaluation"), true);
    let gone = json!({"parents": {"remove": [{"type": "Hub::OrgRole", "id": "acme/write"}]}});
    assert_eq!(served.with_body("PATCH", &key, "/v1/entities/user/wanda", &gone).status, 200);
    assert_eq!(ask("/access/v1/evaluation"), false);
    assert_eq!(ask(&format!("/access/v1/evaluation?as_of={NOW}")), true);
    let batch =
        json!({"subject": body["subject"], "action": body["action"], "evaluations": [{"resource": body["resource"]}]});
    let answers = |path: &str| served.post(&key, path, &batch).json()["evaluations"][0]["decision"].clone();
    assert_eq!(
        (answers("/access/v1/evaluations"), answers(&format!("/access/v1/evaluations?as_of={NOW}"))),
        (json!(false), json!(true))
    );
}

#[test]
fn the_past_is_for_those_who_may_see_the_log() {
    let (served, _) = remembering(World::notes());
    let key = served.key(&[Scope::Evaluate, Scope::Read, Scope::Write, Scope::Admin]);
    let got = as_of(&served, &key, 1);
    assert_eq!(got.status, 403, "{}", got.text);
    assert!(got.text.contains("`as_of`, which tells of the past,"), "{}", got.text);
}

#[test]
fn a_moment_that_cannot_be_told_is_an_error_that_says_what_can() {
    let (served, key) = remembering(World::notes());
    let told = |moment: &str| {
        let got = as_of(&served, &key, moment);
        (got.status, got.code(), got.field())
    };
    let failure = |status: u16, code: &str| (status, code.to_owned(), "as_of".to_owned());
    assert_eq!(told("yesterday"), failure(400, "invalid_request"));
    assert_eq!(told("-1"), failure(400, "invalid_request"));
    assert_eq!(told("2099-01-01T00:00:00Z"), failure(400, "invalid_request"));
    assert_eq!(told("2020-01-01T00:00:00Z"), failure(404, "out_of_reach"));
    assert_eq!(told("4000"), failure(404, "out_of_reach"));
    // Before a server served, no policies were in force.
    assert_eq!(told("1"), failure(404, "policies_unknown"));
    let head = served.warden.revision().unwrap().0;
    let both = json!({"principal": "User::\"alice\"", "action": "read", "resource": "Note::\"n1\"", "at_least": head});
    let got = served.post(&key, &format!("/v1/authorize?as_of={head}"), &both);
    assert_eq!((got.status, got.field()), (400, "at_least".to_owned()));
    let headers =
        [("Authorization", &*bearer(&key)), ("Content-Type", "application/json"), ("Hubwarden-At-Least", "1")];
    let got = served.send("POST", "/v1/authorize?as_of=3", &headers, question().to_string());
    assert_eq!(got.status, 400);
}

#[test]
fn a_question_about_the_past_is_recorded_as_one() {
    let folder = TempDir::new().unwrap();
    let dir = audit::folder(folder.path());
    let log = Log::open(&dir, AuditKey::random().unwrap(), "pdp", Settings::default(), Arc::new(SystemClock)).unwrap();
    let (served, key) = remembering(World { audit: Arc::new(log), ..World::notes() });
    suspend(&served, &key);
    let then = as_of(&served, &key, NOW).json();
    served.warden.audit().flush();
    let path = format!("/v1/audit/{}", then["decision_id"].as_str().unwrap());
    let record = served.get(&key, &path).json()["record"].clone();
    assert_eq!(record["as_of"], "2026-08-01T12:00:00.000Z");
    assert_eq!((&record["revision"], &record["decision"]), (&then["revision"], &json!("allow")));
    let now = served.post(&key, "/v1/authorize", &question()).json();
    let path = format!("/v1/audit/{}", now["decision_id"].as_str().unwrap());
    served.warden.audit().flush();
    assert_eq!(served.get(&key, &path).json()["record"]["as_of"], Json::Null);
}
