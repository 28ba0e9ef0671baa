//! `/v1/policies`, `/v1/schema` and `/v1/bundle`.

use hubwarden::warden::{BundleOrigin, Scope};
use serde_json::{Value as Json, json};

use crate::http_support::{Got, Served, World, bearer};

fn owned() -> (Served, String) {
    let served = World { origin: BundleOrigin::Store, ..World::notes() }.serve();
    let key = served.key(&[Scope::Admin, Scope::Read, Scope::Evaluate]);
    (served, key)
}

fn put(served: &Served, key: &str, if_match: Option<&str>, body: &Json) -> Got {
    let key = bearer(key);
    let mut headers = vec![("Authorization", key.as_str()), ("Content-Type", "application/json")];
    headers.extend(if_match.map(|tag| ("If-Match", tag)));
    served.send("PUT", "/v1/bundle", &headers, body.to_string())
}

#[test]
fn a_reader_sees_policies_and_schema() {
    let served = World::notes().serve();
    let key = served.key(&[Scope::Read]);
    let policies = served.get(&key, "/v1/policies").json();
    let ids: Vec<&str> = policies["policies"].as_array().unwrap().iter().map(|p| p["id"].as_str().unwrap()).collect();
    assert_eq!(ids, ["notes/own", "notes/suspended"]);
    let one = served.get(&key, "/v1/policies/notes/own").json();
    assert_eq!((one["effect"].as_str(), one["line"].as_u64()), (Some("permit"), Some(1)));
    assert!(one["text"].as_str().unwrap().contains("resource.owner == principal"));
    assert_eq!(served.get(&key, "/v1/policies/notes/none").status, 404);
    assert!(served.get(&key, "/v1/schema").json()["text"].as_str().unwrap().starts_with("entity Team"));
    let tag = format!("\"{}\"", served.warden.bundle().hash());
    for path in ["/v1/policies", "/v1/policies/notes/own", "/v1/schema", "/v1/bundle"] {
        let got = served.get(&key, path);
        assert_eq!(got.header("etag"), Some(tag.as_str()));
        let headers = [("Authorization", &*bearer(&key)), ("If-None-Match", &*tag)];
        assert_eq!(served.send("GET", path, &headers, "").status, 304, "{path}");
    }
}

#[test]
fn an_admin_replaces_a_bundle_that_the_store_owns() {
    let (served, key) = owned();
    let question = json!({"principal": "User::\"bob\"", "action": "read", "resource": "Note::\"n1\""});
    assert_eq!(served.post(&key, "/v1/authorize", &question).json()["decision"], "deny");
    let before = served.get(&key, "/v1/bundle");
    let mut source = before.json()["source"].clone();
    source["policies"][0]["text"] = json!("@id(\"notes/all\") permit (principal is User, action, resource is Note);");
    let got = put(&served, &key, before.header("etag"), &source);
    assert_eq!(got.status, 200, "{}", got.text);
    assert_eq!(got.json()["hash"], served.warden.bundle().hash());
    assert_eq!(served.post(&key, "/v1/authorize", &question).json()["decision"], "allow");
    let stale = put(&served, &key, before.header("etag"), &source);
    assert_eq!((stale.status, stale.code().as_str()), (412, "precondition_failed"));
}

#[test]
fn faults_in_a_bundle_come_back_with_their_place_and_nothing_changes() {
    let (served, key) = owned();
    let hash = served.warden.bundle().hash().to_owned();
    let mut source = served.get(&key, "/v1/bundle").json()["source"].clone();
    source["policies"][0]["text"] = json!(
        "@id(\"notes/own\")\npermit (principal is User, action, resource is Note)\nwhen { resource.onwer == principal };"
    );
    let got = put(&served, &key, None, &source);
    assert_eq!((got.status, got.code().as_str()), (400, "invalid_bundle"), "{}", got.text);
    let fault = &got.json()["error"]["details"]["faults"][0];
    assert_eq!((fault["file"].as_str(), fault["line"].as_u64()), (Some("notes.cedar"), Some(3)));
    assert!(fault["column"].is_u64() && fault["excerpt"].as_str().unwrap().contains("onwer"));
    assert_eq!(served.warden.bundle().hash(), hash);
}

#[test]
fn the_rules_of_the_gateway_are_put_and_got_with_the_bundle() {
    let (served, key) = owned();
    let before = served.get(&key, "/v1/bundle").json();
    let mut source = before["source"].clone();
    assert_eq!(source["gateway"], Json::Null);
    let rules = r#"{"routes": [{"about": "a note", "methods": ["GET"], "path": "/notes/{note}",
        "type": "Note", "id": "{note}", "action": "read"}]}"#;
    source["gateway"] = json!({"path": "gateway.json", "text": rules});
    let got = put(&served, &key, None, &source);
    assert_eq!(got.status, 200, "{}", got.text);
    let after = served.get(&key, "/v1/bundle").json();
    assert_eq!(after["source"]["gateway"]["text"], rules);
    assert_ne!(after["hash"], before["hash"]);
    source["gateway"]["text"] = json!(rules.replace("\"read\"", "\"raed\""));
    let got = put(&served, &key, None, &source);
    assert_eq!((got.status, got.code().as_str()), (400, "invalid_bundle"), "{}", got.text);
    let fault = &got.json()["error"]["details"]["faults"][0];
    assert_eq!((fault["file"].as_str(), fault["line"].as_u64()), (Some("gateway.json"), Some(2)));
    assert_eq!(served.get(&key, "/v1/bundle").json()["hash"], after["hash"]);
}

#[test]
fn a_schema_that_stored_entities_do_not_conform_to_does_not_take_over() {
    let (served, key) = owned();
    let mut source = served.get(&key, "/v1/bundle").json()["source"].clone();
    let text = source["schema"]["text"].as_str().unwrap().replace("age?: Long", "age: Long");
    source["schema"]["text"] = json!(text);
    let got = put(&served, &key, None, &source);
    assert_eq!((got.status, got.code().as_str()), (409, "entities_do_not_conform"), "{}", got.text);
    assert_eq!(got.json()["error"]["details"]["entities"], 1);
}

#[test]
fn a_body_that_is_no_bundle_is_a_400() {
    let (served, key) = owned();
    for body in [json!({}), json!([]), json!({"schema": {"path": "a", "text": "b"}, "policies": [], "other": 1})] {
        assert_eq!(put(&served, &key, None, &body).status, 400, "{body}");
    }
}

#[test]
fn a_bundle_that_others_own_is_read_only() {
    let served = World::notes().serve();
    let key = served.key(&[Scope::Admin, Scope::Read]);
    let source = served.get(&key, "/v1/bundle").json()["source"].clone();
    let got = put(&served, &key, None, &source);
    assert_eq!((got.status, got.code().as_str()), (409, "read_only"));
}

#[test]
fn a_broken_edit_of_the_folder_shows_in_the_readiness_while_the_last_good_bundle_decides() {
    let folder = tempfile::tempdir().unwrap();
    let (policies, schema) = (folder.path().to_owned(), folder.path().join("notes.cedarschema"));
    let notes = World::notes();
    std::fs::write(&schema, &notes.source.schema.text).unwrap();
    std::fs::write(policies.join("notes.cedar"), &notes.source.policies[0].text).unwrap();
    let source = hubwarden::warden::folder(&policies, &schema).unwrap();
    let served = World { source, origin: BundleOrigin::Folder { policies: policies.clone(), schema }, ..notes }.serve();
    let key = served.all();
    let before = served.get(&key, "/health/ready").json();
    assert_eq!(before["bundle"]["failure"], Json::Null);
    std::fs::write(policies.join("more.cedar"), "@id(\"more/none\")\npermit (principal, action, resouce);").unwrap();
    assert!(!served.warden.reload());
    let got = served.get(&key, "/health/ready");
    assert_eq!(got.status, 200, "the last good bundle still answers");
    let bundle = &got.json()["bundle"];
    assert_eq!(bundle["hash"], before["bundle"]["hash"]);
    let message = bundle["failure"]["message"].as_str().unwrap();
    assert!(message.contains("more.cedar:2:") && message.contains("resouce"), "{message}");
}
