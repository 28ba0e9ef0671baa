//! AuthZEN certification, level Basic: each test names its check.

use serde_json::{Value as Json, json};

use crate::authzen_support::{Certified, plain, question, record, user};
use crate::http_support::bearer;

fn name(name: &str) -> Json {
    json!({"name": name})
}

#[test]
fn c_1_4_rules_1_to_4_hold_by_names_alone() {
    let pdp = Certified::new();
    for (who, action, decision) in
        [("alice", "read", true), ("alice", "write", true), ("bob", "read", true), ("bob", "write", false)]
    {
        pdp.decides(&question(user(who), name(action), record("record-1")), decision);
    }
}

#[test]
fn c_2_2_3_a_context_changes_nothing() {
    let mut body = plain();
    body["context"] = json!({"time": "2025-06-27T18:03-07:00", "ip": "192.168.1.1"});
    Certified::new().decides(&body, true);
}

#[test]
fn c_2_2_4_and_5_rules_5_and_6_read_properties() {
    let pdp = Certified::new();
    let archived = json!({"type": "record", "id": "record-2", "properties": {"status": "archived"}});
    pdp.decides(&question(user("alice"), name("write"), archived.clone()), false);
    let admin = json!({"type": "user", "id": "bob", "properties": {"role": "admin"}});
    pdp.decides(&question(admin, name("write"), archived), true);
}

#[test]
fn properties_count_and_not_only_what_is_stored() {
    let pdp = Certified::new();
    let active = json!({"type": "record", "id": "record-2", "properties": {"status": "active"}});
    pdp.decides(&question(user("alice"), name("write"), active), true);
    let archived = json!({"type": "record", "id": "record-1", "properties": {"status": "archived"}});
    pdp.decides(&question(user("alice"), name("write"), archived), false);
    pdp.decides(&question(user("alice"), name("write"), record("record-1")), true);
}

#[test]
fn c_2_2_6_and_7_rules_7_and_8_read_action_properties() {
    let pdp = Certified::new();
    let delete = |soft: bool| json!({"name": "delete", "properties": {"soft": soft}});
    pdp.decides(&question(user("alice"), delete(true), record("record-1")), true);
    pdp.decides(&question(user("alice"), delete(false), record("record-1")), false);
    pdp.decides(&question(user("alice"), name("delete"), record("record-1")), false);
}

#[test]
fn a_context_cannot_pose_as_the_actions_properties() {
    let mut body = question(user("alice"), name("delete"), record("record-1"));
    body["context"] = json!({"action": {"soft": true}});
    Certified::new().decides(&body, false);
}

#[test]
fn c_2_2_8_unknown_properties_are_ignored() {
    let body = json!({
        "subject": {"type": "user", "id": "alice", "properties": {"department": "Sales", "role": "manager"}},
        "action": {"name": "read", "properties": {"method": "GET"}},
        "resource": {"type": "record", "id": "record-1", "properties": {"status": "active", "owner": "bob"}},
    });
    Certified::new().decides(&body, true);
}

#[test]
fn c_2_2_9_unknown_fields_are_ignored() {
    let mut body = plain();
    body["foo"] = json!("bar");
    body["futureField"] = json!({"nested": true});
    body["subject"]["future"] = json!([1]);
    Certified::new().decides(&body, true);
}

#[test]
fn c_2_4_1_and_2_a_missing_field_is_a_400_that_names_it() {
    let pdp = Certified::new();
    for path in
        ["subject", "action", "resource", "subject.type", "subject.id", "action.name", "resource.type", "resource.id"]
    {
        let mut body = plain();
        match path.split_once('.') {
            None => body.as_object_mut().unwrap().remove(path),
            Some((outer, inner)) => body[outer].as_object_mut().unwrap().remove(inner),
        };
        for got in [pdp.evaluation(&body), pdp.evaluations(&body)] {
            assert_eq!(got.status, 400, "{path}");
            assert_eq!(got.field(), path);
        }
    }
}

#[test]
fn c_2_4_3_another_content_type_is_a_400() {
    let pdp = Certified::new();
    let key = bearer(&pdp.key);
    for content_type in ["text/plain", "application/x-www-form-urlencoded", "application/jsonp", ""] {
        let headers = [("Authorization", key.as_str()), ("Content-Type", content_type)];
        let got = pdp.served.send("POST", "/access/v1/evaluation", &headers, plain().to_string());
        assert_eq!(got.status, 400, "{content_type}");
    }
    let headers = [("Authorization", key.as_str()), ("Content-Type", "application/json; charset=utf-8")];
    assert_eq!(pdp.served.send("POST", "/access/v1/evaluation", &headers, plain().to_string()).status, 200);
}

#[test]
fn c_2_4_4_and_5_what_is_no_json_is_a_400() {
    let pdp = Certified::new();
    let key = bearer(&pdp.key);
    let headers = [("Authorization", key.as_str()), ("Content-Type", "application/json")];
    for body in ["", "{", "{\"subject\":", "nonsense", "[]", "null", "{} {}", "\"x\""] {
        for path in ["/access/v1/evaluation", "/access/v1/evaluations"] {
            assert_eq!(pdp.served.send("POST", path, &headers, body).status, 400, "{body}");
        }
    }
}

#[test]
fn c_2_4_6_a_field_of_another_type_is_a_400() {
    let pdp = Certified::new();
    for (pointer, value) in [
        ("/subject", json!("alice")),
        ("/action", json!([])),
        ("/resource", json!(true)),
        ("/context", json!("x")),
        ("/action/name", json!(123)),
        ("/subject/id", json!(1)),
        ("/resource/type", json!({})),
        ("/subject/properties", json!([])),
        ("/subject", json!(null)),
    ] {
        let mut body = plain();
        body["context"] = json!({});
        body["subject"]["properties"] = json!({});
        *body.pointer_mut(pointer).unwrap() = value;
        assert_eq!(pdp.evaluation(&body).status, 400, "{body}");
    }
}

#[test]
fn a_name_that_stands_twice_is_a_400() {
    let pdp = Certified::new();
    let key = bearer(&pdp.key);
    let headers = [("Authorization", key.as_str()), ("Content-Type", "application/json")];
    let body = plain().to_string().replace("\"id\":\"alice\"", "\"id\":\"alice\",\"id\":\"bob\"");
    assert_eq!(pdp.served.send("POST", "/access/v1/evaluation", &headers, body).status, 400);
}

#[test]
fn c_2_5_1_the_request_id_comes_back_as_it_was_sent() {
    let pdp = Certified::new();
    let key = bearer(&pdp.key);
    for (body, status) in [(plain().to_string(), 200), ("{".to_owned(), 400)] {
        let headers =
            [("Authorization", key.as_str()), ("Content-Type", "application/json"), ("X-Request-ID", "a b/c:1=")];
        let got = pdp.served.send("POST", "/access/v1/evaluation", &headers, body);
        assert_eq!((got.status, got.header("x-request-id")), (status, Some("a b/c:1=")));
    }
}

#[test]
fn c_2_5_2_a_request_id_is_made_when_none_was_sent() {
    let pdp = Certified::new();
    let first = pdp.evaluation(&plain()).header("x-request-id").unwrap().to_owned();
    let second = pdp.evaluation(&plain()).header("x-request-id").unwrap().to_owned();
    assert_eq!(first.len(), 36);
    assert_ne!(first, second);
}

#[test]
fn c_2_6_the_same_question_has_the_same_answer() {
    let pdp = Certified::new();
    for _ in 0..5 {
        pdp.decides(&plain(), true);
    }
}

#[test]
fn what_the_schema_does_not_know_is_a_false_and_no_400() {
    let pdp = Certified::new();
    pdp.decides(&question(json!({"type": "robot", "id": "alice"}), name("read"), record("record-1")), false);
    pdp.decides(&question(user("alice"), name("fly"), record("record-1")), false);
    pdp.decides(&question(user("alice"), name("read"), json!({"type": "planet", "id": "record-1"})), false);
    pdp.decides(&question(record("record-1"), name("read"), user("alice")), false);
}

#[test]
fn the_reason_comes_only_when_it_is_asked_for() {
    let pdp = Certified::new();
    let mut body = question(user("bob"), name("write"), record("record-1"));
    let got = pdp.served.post(&pdp.key, "/access/v1/evaluation?explain=true", &body).json();
    assert_eq!(got["context"]["reason"]["code"], "not_permitted");
    assert!(got["context"]["decision_id"].is_string() && got["context"]["revision"].is_u64());
    body["context"] = json!({"reason": true});
    assert_eq!(pdp.evaluation(&body).json()["context"]["reason"]["code"], "not_permitted");
    body["context"] = json!({"reason": "true"});
    assert_eq!(pdp.evaluation(&body).json(), json!({"decision": false}));
    let unknown = question(user("bob"), name("fly"), record("record-1"));
    let got = pdp.served.post(&pdp.key, "/access/v1/evaluation?explain=true", &unknown).json();
    assert_eq!(got["context"]["reason"]["code"], "unknown_name");
}
