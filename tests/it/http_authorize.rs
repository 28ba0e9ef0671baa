//! `POST /v1/authorize`.

use hubwarden::warden::Scope;
use serde_json::{Value as Json, json};

use crate::http_support::{Got, Served, World, bearer};

fn asks(served: &Served, body: &Json) -> Got {
    served.post(&served.key(&[Scope::Evaluate]), "/v1/authorize", body)
}

fn pushes(who: &str, repo: &str) -> Json {
    json!({"principal": {"type": "Hub::User", "id": who}, "action": "repo.write",
           "resource": {"type": "Hub::Repo", "id": repo}})
}

#[test]
fn alice_may_push_and_the_answer_says_which_policy_says_so() {
    let served = World::hub().serve();
    let got = asks(&served, &pushes("alice", "models/acme/m1"));
    assert_eq!(got.status, 200, "{}", got.text);
    let body = got.json();
    assert_eq!(body["decision"], "allow");
    assert_eq!(body["reason"], Json::Null);
    assert_eq!(body["errors"], json!([]));
    assert_eq!(body["revision"], served.warden.revision().unwrap().0);
    assert_eq!(body["bundle"], served.warden.bundle().hash());
    assert_eq!(body["decision_id"].as_str().unwrap().len(), 36);
    assert!(!body["determining"].as_array().unwrap().is_empty());
}

#[test]
fn bob_may_not_and_learns_the_reason() {
    let body = asks(&World::hub().serve(), &pushes("bob", "models/acme/m2")).json();
    assert_eq!(body["decision"], "deny");
    assert_eq!(body["reason"]["code"], "user_right");
    assert_eq!(body["reason"]["status"], 403);
}

#[test]
fn entities_and_actions_may_be_written_as_cedar_writes_them() {
    let served = World::hub().serve();
    for (principal, action, resource) in [
        (json!("Hub::User::\"alice\""), json!("Hub::Action::\"repo.write\""), json!("Hub::Repo::\"models/acme/m1\"")),
        (
            json!({"type": "user", "id": "alice"}),
            json!({"type": "Hub::Action", "id": "repo.write"}),
            json!("Repo::\"models/acme/m1\""),
        ),
    ] {
        let got = asks(&served, &json!({"principal": principal, "action": action, "resource": resource}));
        assert_eq!(got.json()["decision"], "allow", "{}", got.text);
    }
}

#[test]
fn what_the_schema_does_not_know_is_a_400_that_names_the_field() {
    let served = World::hub().serve();
    for (field, value, code) in [
        ("principal", json!("Hub::Robot::\"alice\""), "unknown_name"),
        ("resource", json!({"type": "Hub::Planet", "id": "x"}), "unknown_name"),
        ("action", json!("repo.fly"), "unknown_name"),
        ("action", json!("org.read"), "not_applicable"),
        ("principal", json!("alice"), "invalid_request"),
        ("principal", json!(7), "invalid_request"),
        ("action", json!(null), "invalid_request"),
        ("context", json!([]), "invalid_request"),
        ("entities", json!({}), "invalid_request"),
        ("at_least", json!(-1), "invalid_request"),
        ("contxt", json!({}), "invalid_request"),
    ] {
        let mut body = pushes("alice", "models/acme/m1");
        body[field] = value;
        let got = asks(&served, &body);
        assert_eq!((got.status, got.field().as_str(), got.code().as_str()), (400, field, code), "{}", got.text);
    }
}

#[test]
fn a_caller_that_speaks_cedar_names_the_token_but_never_the_clock() {
    let served = World::hub().serve();
    let mut body = pushes("alice", "models/acme/m2");
    body["context"] = json!({"token": {"type": "Hub::AccessToken", "id": "t1"}});
    assert_eq!(asks(&served, &body).json()["reason"]["code"], "token_permission");
    body["context"] = json!({"now": "1999-01-01T00:00:00Z"});
    let got = asks(&served, &body);
    assert_eq!((got.status, got.field().as_str()), (400, "context.now"));
    body["context"] = json!({"mfaa": true});
    assert_eq!(asks(&served, &body).field(), "context.mfaa");
}

fn note(id: &str, owner: &str) -> Json {
    json!({"uid": {"type": "Note", "id": id}, "attrs": {"owner": {"type": "User", "id": owner}, "text": ""}})
}

fn reads(who: &str, note: &str) -> Json {
    json!({"principal": {"type": "User", "id": who}, "action": "read", "resource": {"type": "Note", "id": note}})
}

#[test]
fn entities_in_a_question_need_the_right_to_change_entities() {
    let served = World::notes().serve();
    let mut body = reads("bob", "n1");
    body["entities"] = json!([note("n1", "bob")]);
    let got = asks(&served, &body);
    assert_eq!((got.status, got.code().as_str()), (403, "scope"));
    let key = served.key(&[Scope::Evaluate, Scope::Write]);
    assert_eq!(served.post(&key, "/v1/authorize", &body).json()["decision"], "allow");
    assert_eq!(asks(&served, &reads("bob", "n1")).json()["decision"], "deny", "nothing of it stays");
}

#[test]
fn entities_in_a_question_are_held_to_the_schema_as_stored_ones_are() {
    let served = World::notes().serve();
    let key = served.key(&[Scope::Evaluate, Scope::Write]);
    for (entity, field) in [
        (json!({"uid": {"type": "Note", "id": "n1"}, "attrs": {"text": "x"}}), "entities[0].attrs.owner"),
        (json!({"uid": {"type": "Robot", "id": "n1"}}), "entities[0].uid.type"),
        (json!({"uid": {"type": "User", "id": "u"}, "attrs": {"age": 1.5}}), "entities[0].attrs.age"),
        (
            json!({"uid": {"type": "User", "id": "u"}, "parents": [{"type": "User", "id": "v"}]}),
            "entities[0].parents[0]",
        ),
        (json!({"uid": {"type": "Level", "id": "low"}}), "entities[0].uid"),
        (json!({"uid": {"type": "Level", "id": "other"}}), "entities[0].uid.id"),
        (json!(7), "entities[0].entity"),
    ] {
        let mut body = reads("bob", "n1");
        body["entities"] = json!([entity]);
        let got = served.post(&key, "/v1/authorize", &body);
        assert_eq!((got.status, got.field().as_str()), (400, field), "{}", got.text);
    }
    let mut body = reads("bob", "n1");
    body["entities"] = json!([note("n1", "bob"), note("n1", "alice")]);
    assert_eq!(served.post(&key, "/v1/authorize", &body).field(), "entities[1].uid");
}

#[test]
fn a_question_cannot_bring_back_the_dead() {
    let served = World::notes().serve();
    let key = served.all();
    assert_eq!(served.send("DELETE", "/v1/entities/Note/n1", &[("Authorization", &bearer(&key))], "").status, 200);
    let mut body = reads("alice", "n1");
    body["entities"] = json!([note("n1", "alice")]);
    assert_eq!(served.post(&key, "/v1/authorize", &body).field(), "entities[0].uid");
    let authzen = json!({
        "subject": {"type": "User", "id": "alice"}, "action": {"name": "read"},
        "resource": {"type": "Note", "id": "n1", "properties": {"owner": {"type": "User", "id": "alice"}, "text": ""}},
    });
    assert_eq!(served.post(&key, "/access/v1/evaluation", &authzen).json(), json!({"decision": false}));
}

#[test]
fn properties_need_the_right_to_change_entities_and_are_held_to_the_schema() {
    let served = World::notes().serve();
    let (plain, writer) = (served.key(&[Scope::Evaluate]), served.key(&[Scope::Evaluate, Scope::Write]));
    let question = |properties: Json| {
        json!({"subject": {"type": "User", "id": "alice", "properties": properties}, "action": {"name": "read"},
               "resource": {"type": "Note", "id": "n1"}})
    };
    let path = "/access/v1/evaluation";
    let got = served.post(&plain, path, &question(json!({"suspended": true})));
    assert_eq!((got.status, got.code().as_str()), (403, "scope"));
    assert!(got.text.contains("subject.properties") && got.text.contains("write"), "{}", got.text);
    for harmless in [json!({}), json!({"department": "x"}), json!({"suspended": null})] {
        assert_eq!(served.post(&plain, path, &question(harmless)).json(), json!({"decision": true}));
    }
    assert_eq!(served.post(&writer, path, &question(json!({"suspended": true}))).json(), json!({"decision": false}));
    for wrong in [json!({"suspended": "yes"}), json!({"age": 1.5}), json!({"age": 9223372036854775808u64})] {
        let got = served.post(&writer, path, &question(wrong));
        assert_eq!(got.status, 400);
        assert!(got.field().starts_with("subject.properties."), "{}", got.text);
    }
}

#[test]
fn properties_can_complete_what_is_not_stored_but_not_half() {
    let served = World::notes().serve();
    let key = served.all();
    let question = |properties: Json| {
        json!({"subject": {"type": "User", "id": "alice"}, "action": {"name": "read"},
               "resource": {"type": "Note", "id": "new", "properties": properties}})
    };
    let path = "/access/v1/evaluation";
    let owner = json!({"type": "User", "id": "alice"});
    let whole = served.post(&key, path, &question(json!({"owner": owner, "text": "x"})));
    assert_eq!(whole.json(), json!({"decision": true}));
    let half = served.post(&key, path, &question(json!({"text": "x"})));
    assert_eq!((half.status, half.field().as_str()), (400, "resource.properties"), "{}", half.text);
}

#[test]
fn a_question_waits_for_the_revision_it_must_see_and_then_says_that_it_is_not_there() {
    let served = World::notes().serve();
    let key = served.all();
    let head = served.warden.revision().unwrap().0;
    let mut body = reads("alice", "n1");
    body["at_least"] = json!(head);
    assert_eq!(served.post(&key, "/v1/authorize", &body).status, 200);
    body["at_least"] = json!(head + 1);
    let got = served.post(&key, "/v1/authorize", &body);
    assert_eq!((got.status, got.code().as_str()), (503, "revision_not_reached"));
    assert_eq!(got.header("retry-after"), Some("1"));
    for (at_least, status) in [(head.to_string(), 200), ((head + 1).to_string(), 503), ("x".to_owned(), 400)] {
        let headers = [("Authorization", &*bearer(&key)), ("Hubwarden-At-Least", &*at_least)];
        assert_eq!(served.send("GET", "/v1/entities", &headers, "").status, status, "{at_least}");
    }
}
