//! AuthZEN certification, level Batch: each test names its check.

use serde_json::{Value as Json, json};

use crate::authzen_support::{Certified, plain, record, user};

#[test]
fn c_3_2_1_defaults_hold_for_all_items() {
    let body = json!({
        "subject": user("alice"), "action": {"name": "read"},
        "evaluations": [{"resource": record("record-1")}, {"resource": record("record-2")}],
    });
    Certified::new().decides_all(&body, &[true, true]);
}

#[test]
fn c_3_2_2_decisions_come_in_the_order_of_the_questions() {
    let body = json!({
        "subject": user("bob"), "resource": record("record-1"),
        "evaluations": [{"action": {"name": "read"}}, {"action": {"name": "write"}}],
    });
    Certified::new().decides_all(&body, &[true, false]);
}

#[test]
fn c_3_2_3_and_4_properties_are_read_for_each_item() {
    let pdp = Certified::new();
    let body = json!({
        "subject": user("alice"), "action": {"name": "write"},
        "evaluations": [
            {"resource": {"type": "record", "id": "record-1", "properties": {"status": "active"}}},
            {"resource": {"type": "record", "id": "record-2", "properties": {"status": "archived"}}},
        ],
    });
    pdp.decides_all(&body, &[true, false]);
    let body = json!({
        "action": {"name": "write"},
        "resource": {"type": "record", "id": "record-2", "properties": {"status": "archived"}},
        "evaluations": [
            {"subject": user("alice")},
            {"subject": {"type": "user", "id": "bob", "properties": {"role": "admin"}}},
        ],
    });
    pdp.decides_all(&body, &[false, true]);
}

#[test]
fn c_3_2_5_items_need_no_defaults() {
    let body = json!({"evaluations": [
        {"subject": user("alice"), "action": {"name": "read"}, "resource": record("record-1")},
        {"subject": user("bob"), "action": {"name": "write"}, "resource": record("record-1")},
    ]});
    Certified::new().decides_all(&body, &[true, false]);
}

#[test]
fn c_3_2_6_a_context_is_inherited_unless_an_item_has_its_own() {
    let pdp = Certified::new();
    let body = json!({
        "subject": user("bob"), "action": {"name": "write"}, "context": {"reason": true},
        "evaluations": [
            {"resource": record("record-1")},
            {"resource": record("record-1"), "context": {"source": "batch-override"}},
        ],
    });
    let got = pdp.evaluations(&body).json();
    assert_eq!(got["evaluations"][0]["context"]["reason"]["code"], "not_permitted");
    assert_eq!(got["evaluations"][1], json!({"decision": false}));
}

#[test]
fn c_3_2_7_an_items_entity_replaces_the_default_but_for_the_names_it_lacks() {
    let pdp = Certified::new();
    let body = json!({
        "subject": user("alice"), "action": {"name": "write"}, "resource": {"type": "record"},
        "evaluations": [
            {"resource": {"id": "record-1", "properties": {"status": "active"}}},
            {"resource": {"type": "record", "id": "record-2", "properties": {"status": "archived"}}},
        ],
    });
    pdp.decides_all(&body, &[true, false]);
    // The default's properties do not leak into an item's own entity.
    let body = json!({
        "subject": user("alice"), "action": {"name": "write"},
        "resource": {"type": "record", "id": "record-2", "properties": {"status": "active"}},
        "evaluations": [{"resource": {"id": "record-2"}}, {}],
    });
    pdp.decides_all(&body, &[false, true]);
}

#[test]
fn c_3_3_1_there_are_as_many_answers_as_questions_however_alike() {
    let item = json!({"resource": record("record-1")});
    let items: Vec<Json> = vec![item; 100];
    let body = json!({"subject": user("alice"), "action": {"name": "read"}, "evaluations": items});
    Certified::new().decides_all(&body, &[true; 100]);
}

#[test]
fn c_3_4_1_an_item_that_is_no_question_is_a_false_among_the_others() {
    let pdp = Certified::new();
    let body = json!({
        "subject": user("alice"), "action": {"name": "read"},
        "evaluations": [{"resource": record("record-1")}, {}, {"resource": {"type": "record"}}, 7,
                        {"resource": {"type": "record", "id": "record-1", "properties": {"status": 1.5}}}],
    });
    let got = pdp.evaluations(&body);
    assert_eq!(got.status, 200);
    let items = got.json()["evaluations"].as_array().unwrap().clone();
    assert_eq!(items.len(), 5);
    assert_eq!(items[0], json!({"decision": true}));
    for item in &items[1..] {
        assert_eq!(item["decision"], json!(false));
        assert_eq!(item["context"]["error"]["status"], json!(400));
    }
    assert_eq!(items[2]["context"]["error"]["message"], "`evaluations[2].resource.id` is missing");
}

#[test]
fn c_3_4_2_and_3_no_items_make_it_a_single_question() {
    let pdp = Certified::new();
    for items in [None, Some(json!([])), Some(json!(null))] {
        let mut body = plain();
        if let Some(items) = items {
            body["evaluations"] = items;
        }
        let got = pdp.evaluations(&body);
        assert_eq!((got.status, got.json()), (200, json!({"decision": true})));
    }
}

#[test]
fn a_whole_payload_that_is_wrong_is_a_400() {
    let pdp = Certified::new();
    for (field, value) in [
        ("evaluations", json!({})),
        ("evaluations", json!("x")),
        ("options", json!([])),
        ("options", json!({"evaluations_semantic": "whatever"})),
        ("options", json!({"evaluations_semantic": 1})),
        ("subject", json!("alice")),
        ("context", json!(1)),
    ] {
        let mut body = plain();
        body["evaluations"] = json!([{}]);
        body[field] = value;
        assert_eq!(pdp.evaluations(&body).status, 400, "{body}");
    }
}

#[test]
fn the_three_semantics_stop_where_they_should() {
    let pdp = Certified::new();
    let actions = |names: &[&str], semantic: Option<&str>| {
        let items: Vec<Json> = names.iter().map(|name| json!({"action": {"name": name}})).collect();
        let mut body = json!({"subject": user("bob"), "resource": record("record-1"), "evaluations": items});
        if let Some(semantic) = semantic {
            body["options"] = json!({"evaluations_semantic": semantic});
        }
        body
    };
    let names = ["read", "write", "read"];
    pdp.decides_all(&actions(&names, None), &[true, false, true]);
    pdp.decides_all(&actions(&names, Some("execute_all")), &[true, false, true]);
    pdp.decides_all(&actions(&names, Some("deny_on_first_deny")), &[true, false]);
    pdp.decides_all(&actions(&["write", "read", "write"], Some("permit_on_first_permit")), &[false, true]);
    pdp.decides_all(&actions(&["read", "read"], Some("deny_on_first_deny")), &[true, true]);
    pdp.decides_all(&actions(&["write", "write"], Some("permit_on_first_permit")), &[false, false]);
}

#[test]
fn a_batch_over_the_limit_is_a_400_that_names_the_limit() {
    let pdp = Certified::new();
    let items: Vec<Json> = vec![json!({}); 101];
    let mut body = plain();
    body["evaluations"] = json!(items);
    let got = pdp.evaluations(&body);
    assert_eq!((got.status, got.code().as_str(), got.field().as_str()), (400, "too_many_evaluations", "evaluations"));
    assert!(got.text.contains("at most 100"), "{}", got.text);
}

#[test]
fn a_batch_answers_as_its_questions_do_one_by_one() {
    let pdp = Certified::new();
    let mut items = Vec::new();
    let mut single = Vec::new();
    for who in ["alice", "bob", "nobody"] {
        for action in ["read", "write", "delete", "fly"] {
            for what in ["record-1", "record-2", "record-3"] {
                let item = json!({"subject": user(who), "action": {"name": action}, "resource": record(what)});
                single.push(pdp.evaluation(&item).json());
                items.push(item);
            }
        }
    }
    assert_eq!(pdp.evaluations(&json!({"evaluations": items})).json(), json!({"evaluations": single}));
}
