//! `POST /v1/is_authorized`, as clients of cedar-agent use it.

use hubwarden::warden::Scope;
use serde_json::{Value as Json, json};

use crate::http_support::{Got, Served, World};

fn asks(served: &Served, scopes: &[Scope], body: &Json) -> Got {
    served.post(&served.key(scopes), "/v1/is_authorized", body)
}

fn reads(who: &str) -> Json {
    json!({"principal": format!("User::\"{who}\""), "action": "Action::\"read\"", "resource": "Note::\"n1\""})
}

#[test]
fn an_allow_names_its_policies() {
    let got = asks(&World::notes().serve(), &[Scope::Evaluate], &reads("alice"));
    assert_eq!(got.json(), json!({"decision": "Allow", "diagnostics": {"reason": ["notes/own"], "errors": []}}));
}

#[test]
fn a_deny_has_the_same_form() {
    let got = asks(&World::notes().serve(), &[Scope::Evaluate], &reads("bob"));
    assert_eq!(got.json(), json!({"decision": "Deny", "diagnostics": {"reason": [], "errors": []}}));
}

#[test]
fn fields_that_are_null_are_not_there() {
    let mut body = reads("alice");
    for field in ["context", "entities", "additional_entities", "policies"] {
        body[field] = Json::Null;
    }
    assert_eq!(asks(&World::notes().serve(), &[Scope::Evaluate], &body).json()["decision"], "Allow");
}

#[test]
fn what_the_schema_does_not_know_is_denied() {
    let served = World::notes().serve();
    for (field, value) in
        [("principal", "Robot::\"r\""), ("action", "Action::\"fly\""), ("resource", "User::\"alice\"")]
    {
        let mut body = reads("alice");
        body[field] = json!(value);
        let got = asks(&served, &[Scope::Evaluate], &body);
        assert_eq!((got.status, got.json()["decision"].as_str()), (200, Some("Deny")), "{}", got.text);
        assert_eq!(got.json()["diagnostics"]["errors"].as_array().unwrap().len(), 1);
    }
}

#[test]
fn policies_in_a_request_are_refused_even_with_every_scope() {
    let mut body = reads("bob");
    body["policies"] = json!("permit(principal, action, resource);");
    let got = asks(&World::notes().serve(), &Scope::ALL, &body);
    assert_eq!((got.status, got.field().as_str()), (400, "policies"));
}

#[test]
fn entities_in_a_request_need_the_right_to_change_entities() {
    let served = World::notes().serve();
    for field in ["entities", "additional_entities"] {
        let mut body = reads("bob");
        body[field] = json!([]);
        assert_eq!(asks(&served, &[Scope::Evaluate, Scope::Admin], &body).status, 403, "{field}");
        assert_eq!(asks(&served, &[Scope::Evaluate, Scope::Write], &body).status, 200, "{field}");
    }
}

#[test]
fn entities_stand_instead_of_the_stored_ones_and_additional_ones_beside_them() {
    let served = World::notes().serve();
    let scopes = [Scope::Evaluate, Scope::Write];
    let note = json!({"uid": {"type": "Note", "id": "n1"}, "parents": [],
                      "attrs": {"owner": {"__entity": {"type": "User", "id": "bob"}}, "text": "x"}});
    let mut body = reads("bob");
    body["additional_entities"] = json!([note]);
    assert_eq!(asks(&served, &scopes, &body).json()["decision"], "Allow");
    let mut body = reads("alice");
    body["entities"] = json!([]);
    assert_eq!(asks(&served, &scopes, &body).json()["decision"], "Deny", "the stored note does not exist then");
    let mut body = reads("bob");
    body["entities"] = json!([note, {"uid": {"type": "Action", "id": "read"}, "attrs": {}, "parents": []}]);
    assert_eq!(asks(&served, &scopes, &body).json()["decision"], "Allow", "actions are the schema's");
    body["additional_entities"] = json!([note]);
    assert_eq!(asks(&served, &scopes, &body).status, 400);
}

#[test]
fn a_question_that_is_none_is_a_400() {
    let served = World::notes().serve();
    for (field, value) in [
        ("principal", json!("alice")),
        ("principal", json!({"type": "User", "id": "alice"})),
        ("action", json!(1)),
        ("resource", Json::Null),
        ("context", json!("x")),
        ("context", json!({"other": 1})),
    ] {
        let mut body = reads("alice");
        body[field] = value;
        assert_eq!(asks(&served, &[Scope::Evaluate], &body).status, 400, "{body}");
    }
}
