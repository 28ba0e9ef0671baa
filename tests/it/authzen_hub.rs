//! The main job over the standard API: alice's fine-grained token and the hub's own policies.

use hubwarden::warden::Scope;
use serde_json::{Value as Json, json};

use crate::http_support::{Served, World};

fn asks(served: &Served, subject: Json, action: &str, repo: &str) -> Json {
    let key = served.key(&[Scope::Evaluate]);
    let body = json!({
        "subject": subject, "action": {"name": action}, "resource": {"type": "repo", "id": repo},
        "context": {"reason": true},
    });
    let got = served.post(&key, "/access/v1/evaluation", &body);
    assert_eq!(got.status, 200, "{}", got.text);
    got.json()
}

fn token(id: &str) -> Json {
    json!({"type": "access_token", "id": id})
}

#[test]
fn alices_fine_grained_token_may_push_to_her_organizations_model() {
    let served = World::hub().serve();
    let got = asks(&served, token("t1"), "repo.write", "models/acme/m1");
    assert_eq!(got["decision"], true);
    assert!(got["context"]["reason"].is_null());
    assert!(!got["context"]["determining"].as_array().unwrap().is_empty());
    assert_eq!(got["context"]["bundle"], served.warden.bundle().hash());
}

#[test]
fn alices_fine_grained_token_may_not_push_elsewhere_and_is_told_why() {
    let served = World::hub().serve();
    let got = asks(&served, token("t1"), "repo.write", "models/acme/m2");
    assert_eq!(got["decision"], false);
    let reason = &got["context"]["reason"];
    assert_eq!((reason["code"].as_str(), reason["status"].as_u64()), (Some("token_permission"), Some(403)));
    assert!(reason["message"].as_str().unwrap().contains("repo.write"), "{reason}");
    assert_eq!(got["context"]["determining"], json!(["token-permissions/repo-write"]));
}

#[test]
fn bob_is_told_that_a_private_model_is_not_found_and_nothing_else() {
    let served = World::hub().serve();
    let hidden = asks(&served, json!({"type": "user", "id": "bob"}), "repo.write", "models/acme/m1");
    let absent = asks(&served, json!({"type": "user", "id": "bob"}), "repo.write", "models/acme/none");
    for got in [&hidden, &absent] {
        assert_eq!(got["decision"], false);
        assert_eq!(got["context"]["reason"]["code"], "not_found");
        assert!(got["context"].get("determining").is_none() && got["context"].get("errors").is_none(), "{got}");
    }
    assert_eq!(hidden["context"]["reason"], absent["context"]["reason"]);
}

#[test]
fn a_token_that_is_not_stored_is_no_credential() {
    let got = asks(&World::hub().serve(), token("t9"), "repo.read", "models/acme/m2");
    assert_eq!(got["context"]["reason"]["code"], "invalid_token");
    assert_eq!(got["context"]["reason"]["status"], 401);
}

#[test]
fn a_client_cannot_bring_its_own_token_or_clock_in_the_context() {
    let served = World::hub().serve();
    let key = served.key(&[Scope::Evaluate]);
    let body = json!({
        "subject": {"type": "user", "id": "alice"}, "action": {"name": "repo.write"},
        "resource": {"type": "repo", "id": "models/acme/m2"},
        "context": {"token": {"type": "Hub::AccessToken", "id": "t1"}, "now": "1999-01-01T00:00:00Z", "other": 1},
    });
    assert_eq!(served.post(&key, "/access/v1/evaluation", &body).json(), json!({"decision": true}));
}

#[test]
fn names_of_types_may_be_short_or_full() {
    let served = World::hub().serve();
    let key = served.key(&[Scope::Evaluate]);
    for (user, action, repo) in [
        ("user", "repo.write", "repo"),
        ("User", "repo.write", "Repo"),
        ("Hub::User", "Hub::Action::\"repo.write\"", "Hub::Repo"),
    ] {
        let body = json!({"subject": {"type": user, "id": "alice"}, "action": {"name": action},
                          "resource": {"type": repo, "id": "models/acme/m1"}});
        assert_eq!(served.post(&key, "/access/v1/evaluation", &body).json(), json!({"decision": true}));
    }
}
