//! `/v1/keys`.

use hubwarden::warden::Scope;
use serde_json::json;

use crate::http_support::{World, key_secret};

#[test]
fn an_admin_creates_a_key_and_its_value_is_shown_once() {
    let served = World::notes().serve();
    let admin = served.key(&[Scope::Admin]);
    let got = served.post(&admin, "/v1/keys", &json!({"name": "gateway", "scopes": ["read", "evaluate"]}));
    assert_eq!(got.status, 201, "{}", got.text);
    assert_eq!(got.header("cache-control"), Some("no-store"));
    let body = got.json();
    let value = body["value"].as_str().unwrap();
    assert_eq!(body["key"]["scopes"], json!(["evaluate", "read"]));
    assert_eq!(served.get(value, "/v1/entities").status, 200);
    assert_eq!(served.get(value, "/v1/keys").status, 403);
    let listed = served.get(&admin, "/v1/keys");
    assert_eq!(listed.json()["keys"].as_array().unwrap().len(), 2);
    let secret = key_secret(value);
    assert!(!listed.text.contains(secret) && !listed.text.contains("hash"), "{}", listed.text);
}

#[test]
fn a_key_that_cannot_be_is_a_400_that_names_the_field() {
    let served = World::notes().serve();
    let admin = served.key(&[Scope::Admin]);
    for (body, field) in [
        (json!({"name": "", "scopes": ["read"]}), "name"),
        (json!({"name": "a\nb", "scopes": ["read"]}), "name"),
        (json!({"name": 1, "scopes": ["read"]}), "name"),
        (json!({"name": "a", "scopes": []}), "scopes"),
        (json!({"name": "a"}), "scopes"),
        (json!({"name": "a", "scopes": ["root"]}), "scopes[0]"),
        (json!({"name": "a", "scopes": ["read"], "expires": 1}), "expires"),
    ] {
        let got = served.post(&admin, "/v1/keys", &body);
        assert_eq!((got.status, got.field().as_str()), (400, field), "{}", got.text);
    }
}

#[test]
fn deleting_a_key_that_is_not_there_is_a_404() {
    let served = World::notes().serve();
    let admin = served.key(&[Scope::Admin]);
    assert_eq!(served.with_body("DELETE", &admin, "/v1/keys/nope", &json!({})).status, 404);
}
