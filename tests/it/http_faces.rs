//! What the hub's own clients ask: `whoami-v2` and `auth-check`.

use serde_json::json;

use crate::http_support::{Got, bearer};
use crate::token_support::Service;

fn told(got: &Got) -> (u16, Option<&str>, String) {
    let error = got.json()["error"].as_str().unwrap_or_default().to_owned();
    assert_eq!(got.header("x-error-message"), Some(error.as_str()));
    (got.status, got.header("x-error-code"), error)
}

fn challenges(got: &Got) -> Vec<&str> {
    got.headers.get_all("www-authenticate").iter().map(|value| value.to_str().unwrap()).collect()
}

#[test]
fn anonymous_is_told_to_sign_in() {
    let hub = Service::new();
    let got = hub.client(None, "/api/whoami-v2");
    assert_eq!(told(&got), (401, None, "Invalid username or password.".to_owned()));
    assert_eq!(
        challenges(&got),
        [
            "Bearer realm=\"Authentication required\", charset=\"UTF-8\"",
            "Basic realm=\"Authentication required\", charset=\"UTF-8\"",
        ]
    );
}

#[test]
fn a_token_tells_who_it_speaks_for() {
    let hub = Service::new();
    let attrs = json!({"attrs": {"fullname": "Wanda W", "email": "wanda@example.com", "emailVerified": true}});
    assert_eq!(hub.served.with_body("PATCH", &hub.key, "/v1/entities/user/wanda", &attrs).status, 200);
    let token = hub.role("wanda", "read");
    let got = hub.client(Some(&bearer(&token.value)), "/api/whoami-v2");
    assert_eq!((got.status, got.header("cache-control")), (200, Some("no-store")));
    let who = got.json();
    for (field, value) in [
        ("type", json!("user")),
        ("name", json!("wanda")),
        ("fullname", json!("Wanda W")),
        ("email", json!("wanda@example.com")),
        ("emailVerified", json!(true)),
        ("isPro", json!(false)),
        ("canPay", json!(false)),
        ("periodEnd", json!(null)),
        (
            "auth",
            json!({"type": "access_token", "accessToken": {
            "displayName": "wanda's read", "role": "read", "createdAt": "2026-08-01T12:00:00.000Z"}}),
        ),
    ] {
        assert_eq!(who[field], value, "{field}");
    }
    let id = who["id"].as_str().unwrap();
    assert!(id.len() == 24 && id.bytes().all(|byte| byte.is_ascii_hexdigit()), "{id}");
    let orgs: Vec<(&str, &str)> = who["orgs"]
        .as_array()
        .unwrap()
        .iter()
        .map(|org| (org["name"].as_str().unwrap(), org["roleInOrg"].as_str().unwrap()))
        .collect();
    assert_eq!(orgs, ["acme", "approved", "beta", "finegrained", "mfa"].map(|org| (org, "write")));
}

#[test]
fn an_organization_that_keeps_a_token_out_says_why() {
    let hub = Service::new();
    let token = hub.role("wanda", "write");
    let revoke = format!("/v1/organizations/acme/tokens/{}/revoke", token.id);
    assert_eq!(hub.acting("alice", "POST", &revoke, &json!({})).status, 200);
    let who = hub.client(Some(&bearer(&token.value)), "/api/whoami-v2").json();
    let restrictions = |name: &str| {
        let orgs = who["orgs"].as_array().unwrap();
        orgs.iter().find(|org| org["name"] == name).unwrap()["securityRestrictions"].clone()
    };
    assert_eq!(restrictions("acme"), json!(["token-revoked"]));
    assert_eq!(restrictions("approved"), json!(["token-policy"]));
    assert_eq!(restrictions("finegrained"), json!(["token-policy"]));
    assert_eq!(restrictions("mfa"), json!(["mfa"]));
    assert_eq!(restrictions("beta"), json!(null));
}

#[test]
fn resource_groups_are_told_with_the_level_in_them() {
    let hub = Service::new();
    let token = hub.role("gwen", "read");
    let who = hub.client(Some(&bearer(&token.value)), "/api/whoami-v2").json();
    let org = &who["orgs"][0];
    assert_eq!((org["name"].as_str(), org["roleInOrg"].as_str()), (Some("acme"), Some("no_access")));
    assert_eq!(org["resourceGroups"][0]["name"], "red-team");
    assert_eq!(org["resourceGroups"][0]["role"], "write");
}

#[test]
fn a_fine_grained_token_tells_its_grants_and_only_organizations_it_was_granted_something_in() {
    let hub = Service::new();
    let body = json!({
        "name": "ci", "role": "fineGrained", "gatedRepos": true, "global": ["discussion.write"],
        "grants": [{"entity": {"type": "model", "name": "acme/priv"}, "permissions": ["repo.write"]}],
    });
    let token = hub.create("wanda", &body);
    let who = hub.client(Some(&bearer(&token.value)), "/api/whoami-v2").json();
    let fine = &who["auth"]["accessToken"]["fineGrained"];
    assert_eq!((fine["canReadGatedRepos"].as_bool(), &fine["global"]), (Some(true), &json!(["discussion.write"])));
    let scoped = &fine["scoped"][0];
    assert_eq!(
        (scoped["entity"]["type"].as_str(), scoped["entity"]["name"].as_str()),
        (Some("model"), Some("acme/priv"))
    );
    assert_eq!(scoped["entity"]["_id"].as_str().unwrap().len(), 24);
    assert_eq!(scoped["permissions"], json!(["repo.write"]));
    let orgs: Vec<&str> = who["orgs"].as_array().unwrap().iter().map(|org| org["name"].as_str().unwrap()).collect();
    assert_eq!(orgs, ["acme"]);
}

#[test]
fn a_dead_token_is_told_so_and_an_expired_one_which() {
    let hub = Service::new();
    let dead = hub.client(Some("Bearer hf_dead"), "/api/whoami-v2");
    assert_eq!(told(&dead), (401, None, "Invalid credentials in Authorization header".to_owned()));
    let token = hub.create("wanda", &json!({"name": "ci", "role": "read", "expiresAt": "2026-08-01T13:00:00Z"}));
    hub.clock.set("2026-08-02T00:00:00Z".parse().unwrap());
    for path in ["/api/whoami-v2", "/api/models/acme/pub/auth-check"] {
        let got = hub.client(Some(&bearer(&token.value)), path);
        assert_eq!(told(&got), (401, None, "User Access Token \"ci\" is expired".to_owned()), "{path}");
        assert_eq!(challenges(&got).len(), 2);
    }
}

#[test]
fn auth_check_answers_every_case_as_clients_expect() {
    let hub = Service::new();
    let of = |user: &str| bearer(&hub.role(user, "write").value);
    let ok = |got: Got| assert_eq!((got.status, got.text.as_str()), (200, "OK"));
    ok(hub.client(None, "/api/models/acme/pub/auth-check"));
    ok(hub.client(Some(&of("rita")), "/api/models/acme/priv/auth-check"));
    ok(hub.client(Some(&of("wanda")), "/api/models/acme/priv/auth-check/write"));
    ok(hub.client(Some(&of("ann")), "/api/models/acme/gated/auth-check"));
    ok(hub.client(Some(&of("bob")), "/api/spaces/bob/pub/auth-check/write"));
    ok(hub.client(Some(&of("alice")), "/api/datasets/acme/mgated/auth-check"));
    let read_only = "You have read access but not the required permissions for this operation";
    let login = "Access to model acme/gated is restricted. You must have access to it and be authenticated to access \
                 it. Please log in.";
    let ask = "Access to model acme/gated is restricted and you are not in the authorized list. Visit its page to ask \
               for access.";
    let disabled = "Access to this resource is disabled.";
    let bare = bearer(&hub.create("ann", &json!({"name": "bare", "role": "fineGrained"})).value);
    let gated = "Please enable access to public gated repositories in your fine-grained token settings to view this \
                 repository.";
    for (who, path, status, code, message) in [
        (None, "models/acme/priv/auth-check", 401, Some("RepoNotFound"), "Invalid username or password."),
        (None, "models/acme/missing/auth-check", 401, Some("RepoNotFound"), "Invalid username or password."),
        (Some(of("eve")), "models/acme/priv/auth-check", 404, Some("RepoNotFound"), "Repository not found"),
        (Some(of("eve")), "spaces/acme/missing/auth-check/write", 404, Some("RepoNotFound"), "Repository not found"),
        (None, "models/acme/gated/auth-check", 401, Some("GatedRepo"), login),
        (Some(of("eve")), "models/acme/gated/auth-check", 403, Some("GatedRepo"), ask),
        (Some(bare), "models/acme/gated/auth-check", 403, None, gated),
        (Some(of("alice")), "models/acme/off/auth-check", 403, None, disabled),
        (Some(of("rita")), "models/acme/priv/auth-check/write", 403, None, read_only),
        (Some(of("eve")), "models/acme/pub/auth-check/write", 403, None, read_only),
    ] {
        let got = hub.client(who.as_deref(), &format!("/api/{path}"));
        assert_eq!(told(&got), (status, code, message.to_owned()), "{path}");
        assert!(got.header("hubwarden-reason").is_some());
        assert_eq!(challenges(&got).len(), if status == 401 { 2 } else { 0 });
    }
    for (user, words) in [("pete", "awaiting a review"), ("roy", "rejected")] {
        let got = hub.client(Some(&of(user)), "/api/models/acme/gated/auth-check");
        let (status, code, message) = told(&got);
        assert_eq!((status, code), (403, Some("GatedRepo")), "{user}");
        assert!(message.contains(words) && message.contains(" acme/gated "), "{message}");
    }
}

#[test]
fn a_missing_and_a_hidden_repository_get_the_same_answer_to_the_byte() {
    let hub = Service::new();
    let eve = bearer(&hub.role("eve", "write").value);
    for who in [None, Some(eve.as_str())] {
        let answer = |name: &str| {
            let got = hub.client(who, &format!("/api/models/acme/{name}/auth-check"));
            let mut headers = got.headers.clone();
            headers.remove("x-request-id");
            headers.remove("date");
            (got.status, headers, got.text)
        };
        assert_eq!(answer("priv"), answer("gone"));
    }
}

#[test]
fn two_credentials_are_none() {
    let hub = Service::new();
    let token = bearer(&hub.role("wanda", "read").value);
    let headers = [("Authorization", &*token), ("Authorization", &*token)];
    assert_eq!(hub.served.send("GET", "/api/whoami-v2", &headers, "").status, 401);
    assert_eq!(hub.served.send("GET", "/api/models/acme/pub/auth-check", &headers, "").status, 401);
}

#[test]
fn an_api_key_is_no_token_and_opens_nothing_to_clients() {
    let hub = Service::new();
    assert_eq!(hub.client(Some(&bearer(&hub.key)), "/api/whoami-v2").status, 401);
    let token = bearer(&hub.role("alice", "write").value);
    assert_eq!(hub.client(Some(&token), "/v1/entities").status, 401);
}

#[test]
fn errors_have_the_clients_form() {
    let hub = Service::new();
    let got = hub.client(None, "/api/models/acme/%zz/auth-check");
    assert_eq!(got.status, 400);
    assert!(got.json()["error"].is_string(), "{}", got.text);
    assert!(got.header("hubwarden-revision").is_none());
}
