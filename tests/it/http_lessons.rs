//! What happened to others: secrets in logs, changes without records, forged input, metrics that tell too much.

use hubwarden::http::{Access, Effect, Route, Verb, routes};
use hubwarden::warden::{BundleOrigin, Scope};
use serde_json::json;

use crate::http_support::{Got, Log, Served, World, bearer, key_id, key_secret};

/// A request that succeeds on each route that changes something.
pub fn change(served: &Served, key: &str, route: &Route) -> Got {
    let send = |method: &str, path: &str, body: serde_json::Value| {
        let headers = [
            ("Authorization", &*bearer(key)),
            ("Content-Type", "application/json"),
            ("Hubwarden-Actor", "alice"),
            ("Hubwarden-Actor-Mfa", "true"),
        ];
        served.send(method, path, &headers, body.to_string())
    };
    let token = || {
        let made = send("POST", "/v1/users/alice/tokens", json!({"name": "n", "role": "read"}));
        made.json()["token"]["id"].as_str().unwrap().to_owned()
    };
    match (route.verb, route.path) {
        (Verb::Post, "/v1/entities:batch") => {
            let headers = [("Authorization", &*bearer(key)), ("Content-Type", "application/x-ndjson")];
            let line = "{\"uid\":{\"type\":\"Hub::User\",\"id\":\"b\"},\"attrs\":{\"fullname\":\"B\"}}";
            served.send("POST", route.path, &headers, line)
        }
        (Verb::Put, "/v1/entities/{type}/{*id}") => send("PUT", "/v1/entities/User/c", json!({"attrs": {}})),
        (Verb::Patch, "/v1/entities/{type}/{*id}") => {
            send("PATCH", "/v1/entities/User/c", json!({"attrs": {"fullname": "C"}}))
        }
        (Verb::Delete, "/v1/entities/{type}/{*id}") => send("DELETE", "/v1/entities/User/c", json!({})),
        (Verb::Put, "/v1/bundle") => {
            let source = served.get(key, "/v1/bundle").json()["source"].clone();
            send("PUT", "/v1/bundle", source)
        }
        (Verb::Post, "/v1/keys") => send("POST", "/v1/keys", json!({"name": "n", "scopes": ["read"]})),
        (Verb::Delete, "/v1/keys/{id}") => {
            let other = served.key(&[Scope::Read]);
            let id = key_id(&other);
            send("DELETE", &format!("/v1/keys/{id}"), json!({}))
        }
        (Verb::Post, "/v1/users/{user}/tokens") => {
            send("POST", "/v1/users/alice/tokens", json!({"name": "n", "role": "read"}))
        }
        (Verb::Post, "/api/credentials/revoke") => {
            let made = send("POST", "/v1/users/alice/tokens", json!({"name": "n", "role": "read"}));
            send("POST", route.path, json!({"credentials": [made.json()["value"]]}))
        }
        (verb, path) if path.contains("/tokens/{id}") => {
            let path = path.replace("{user}", "alice").replace("{organization}", "acme").replace("{id}", &token());
            let method = match verb {
                Verb::Post => "POST",
                Verb::Patch => "PATCH",
                Verb::Delete => "DELETE",
                verb => panic!("no request for {verb:?} {path}: add one"),
            };
            send(method, &path, json!({"name": "m"}))
        }
        (verb, path) => panic!("no request for {verb:?} {path}: add one"),
    }
}

fn owned() -> (Served, Log, String) {
    let (served, log) = World { origin: BundleOrigin::Store, ..World::cast() }.serve_logged();
    let key = served.all();
    (served, log, key)
}

#[test]
fn every_change_leaves_a_record_of_who_and_what() {
    let (served, log, key) = owned();
    let id = key_id(&key);
    for route in routes().iter().filter(|route| route.effect == Effect::Changes) {
        let of_route = || {
            let records = log.lines("hubwarden::change").into_iter();
            records.filter(|record| record["fields"]["route"] == route.path).collect::<Vec<_>>()
        };
        let before = of_route().len();
        let got = change(&served, &key, route);
        assert!(got.status < 300, "{}: {}", route.path, got.text);
        let records = of_route();
        assert_eq!(records.len(), before + 1, "{}", route.path);
        let fields = &records[before]["fields"];
        // Clients come without a key.
        let key = if route.access == Access::Client { "-" } else { id };
        assert_eq!(fields["key"].as_str(), Some(key));
        assert_eq!(fields["request_id"].as_str(), got.header("x-request-id"));
        assert!(fields["revision"].is_u64() && fields["what"].is_string());
    }
}

#[test]
fn no_log_of_a_full_run_holds_a_secret_or_what_was_asked() {
    let (served, log, key) = owned();
    let made = served.post(&key, "/v1/keys", &json!({"name": "n", "scopes": ["read"]})).json();
    for route in routes().iter().filter(|route| route.effect == Effect::Changes) {
        change(&served, &key, route);
    }
    served.get("hwk_0123_presentedbutunknown", "/v1/entities");
    served.get(&key, "/v1/entities?prefix=queried-secret&type=User");
    served.get(&key, "/nothing/pathed-secret?x=queried-secret");
    served.get(&key, "/v1/entities/User/pathed-secret");
    served.post(&key, "/v1/authorize", &json!({"principal": "asked-secret"}));
    let text = log.text();
    assert!(text.contains("hubwarden::access"));
    for secret in [
        key_secret(&key),
        key_secret(made["value"].as_str().unwrap()),
        "presentedbutunknown",
        "queried-secret",
        "pathed-secret",
        "asked-secret",
    ] {
        assert!(!text.contains(secret), "{secret}");
    }
}

#[test]
fn the_access_log_says_who_asked_what_and_how_it_ended() {
    let (served, log, key) = owned();
    let got = served.get(&key, "/v1/entities/User/alice");
    served.send("GET", "/v1/keys", &[], "");
    let lines = log.lines("hubwarden::access");
    let fields = &lines[0]["fields"];
    assert_eq!(fields["route"], "/v1/entities/{type}/{*id}");
    assert_eq!((fields["method"].as_str(), fields["status"].as_u64()), (Some("GET"), Some(200)));
    assert_eq!(fields["key"].as_str(), Some(key_id(&key)));
    assert_eq!(fields["request_id"].as_str(), got.header("x-request-id"));
    assert!(fields["duration_us"].is_u64());
    assert_eq!((lines[1]["fields"]["status"].as_u64(), lines[1]["fields"]["key"].as_str()), (Some(401), Some("-")));
}

#[test]
fn names_in_a_request_never_become_policy_text() {
    let served = World::notes().serve();
    let key = served.all();
    for id in ["x\"};permit(principal,action,resource);//", "User::\"alice", "\\u{0}", "../../etc/passwd", "{{7*7}}"] {
        let authzen = json!({"subject": {"type": "User", "id": id}, "action": {"name": "read"},
                             "resource": {"type": "Note", "id": "n1"}});
        assert_eq!(served.post(&key, "/access/v1/evaluation", &authzen).json(), json!({"decision": false}), "{id}");
        let typed = json!({"subject": {"type": id, "id": "alice"}, "action": {"name": "read"},
                           "resource": {"type": "Note", "id": "n1"}});
        assert_eq!(served.post(&key, "/access/v1/evaluation", &typed).json(), json!({"decision": false}), "{id}");
    }
}

#[test]
fn ids_that_differ_in_case_or_normal_form_are_different() {
    let served = World::notes().serve();
    let key = served.key(&[Scope::Evaluate]);
    for id in ["Alice", "ALICE", "alice ", " alice", "alice\0", "\u{ff41}lice"] {
        let body = json!({"subject": {"type": "User", "id": id}, "action": {"name": "read"},
                          "resource": {"type": "Note", "id": "n1"}});
        assert_eq!(served.post(&key, "/access/v1/evaluation", &body).json(), json!({"decision": false}), "{id:?}");
    }
}

#[test]
fn a_decision_sees_a_change_as_soon_as_it_was_acknowledged() {
    let served = World::notes().serve();
    let key = served.all();
    let body = json!({"subject": {"type": "User", "id": "alice"}, "action": {"name": "read"},
                      "resource": {"type": "Note", "id": "n1"}});
    for suspended in [true, false, true, false] {
        let patch = json!({"attrs": {"suspended": suspended}});
        assert_eq!(served.with_body("PATCH", &key, "/v1/entities/User/alice", &patch).status, 200);
        assert_eq!(served.post(&key, "/access/v1/evaluation", &body).json(), json!({"decision": !suspended}));
    }
}

#[test]
fn metrics_count_decisions_and_refusals_and_name_nobody() {
    let served = World::notes().serve();
    let key = served.all();
    let body = json!({"subject": {"type": "User", "id": "alice"}, "action": {"name": "read"},
                      "resource": {"type": "Note", "id": "n1"}});
    served.post(&key, "/access/v1/evaluation", &body);
    served.send("GET", "/v1/entities", &[], "");
    served.send("GET", "/v1/entities", &[("Authorization", "Bearer nope")], "");
    served.post(&key, "/access/v1/evaluation", &json!({}));
    let got = served.get(&key, "/metrics");
    assert_eq!(got.status, 200);
    assert!(got.header("content-type").unwrap().starts_with("application/openmetrics-text"));
    for line in [
        "hubwarden_decisions_total{api=\"authzen\",decision=\"allow\"} 1",
        "hubwarden_auth_failures_total{reason=\"missing\"} 1",
        "hubwarden_auth_failures_total{reason=\"unknown\"} 1",
        "hubwarden_requests_rejected_total{reason=\"invalid_request\"} 1",
        "hubwarden_entities 3",
    ] {
        assert!(got.text.lines().any(|found| found == line), "{line}\n{}", got.text);
    }
    assert!(!got.text.contains("alice") && !got.text.contains("hwk_"), "{}", got.text);
}
