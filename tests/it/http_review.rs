//! `/v1/organizations/{organization}/tokens…`: which tokens an organization lets in.

use serde_json::{Value as Json, json};

use crate::token_support::{Made, Service};

const PRIV: &str = "models/approved/priv";

fn review(hub: &Service, actor: &str, org: &str, token: &Made, verb: &str) -> crate::http_support::Got {
    hub.acting(actor, "POST", &format!("/v1/organizations/{org}/tokens/{}/{verb}", token.id), &json!({}))
}

fn state(got: &crate::http_support::Got) -> String {
    assert_eq!(got.status, 200, "{}", got.text);
    got.json()["token"]["state"].as_str().unwrap().to_owned()
}

#[test]
fn an_organization_that_demands_approval_lets_a_token_in_when_its_admin_approves() {
    let hub = Service::new();
    let token = hub.role("wanda", "write");
    assert_eq!(hub.code(&token.value, "repo.read", PRIV), "token_policy");
    assert_eq!(state(&review(&hub, "alice", "approved", &token, "approve")), "approved");
    assert_eq!(hub.code(&token.value, "repo.read", PRIV), "allow");
    assert_eq!(state(&review(&hub, "alice", "approved", &token, "deny")), "denied");
    assert_eq!(hub.code(&token.value, "repo.read", PRIV), "token_policy");
    assert_eq!(state(&review(&hub, "alice", "approved", &token, "approve")), "approved");
}

#[test]
fn what_an_organization_revoked_stays_revoked() {
    let hub = Service::new();
    let token = hub.role("wanda", "write");
    review(&hub, "alice", "acme", &token, "approve");
    assert_eq!(state(&review(&hub, "alice", "acme", &token, "revoke")), "revoked");
    assert_eq!(hub.code(&token.value, "repo.read", "models/acme/priv"), "token_revoked");
    assert_eq!(hub.code(&token.value, "repo.read", "models/acme/pub"), "allow");
    for verb in ["approve", "deny"] {
        let got = review(&hub, "alice", "acme", &token, verb);
        assert_eq!((got.status, got.code().as_str()), (409, "conflict"));
    }
    assert_eq!(state(&review(&hub, "alice", "acme", &token, "revoke")), "revoked");
    // Elsewhere nothing changed, and a new value changes nothing here.
    assert_eq!(hub.code(&token.value, "repo.read", "models/finegrained/pub"), "allow");
    let refreshed = hub.acting("wanda", "POST", &format!("/v1/users/wanda/tokens/{}/refresh", token.id), &json!({}));
    let value = refreshed.json()["value"].as_str().unwrap().to_owned();
    assert_eq!(hub.code(&value, "repo.read", "models/acme/priv"), "token_revoked");
}

#[test]
fn only_admins_review() {
    let hub = Service::new();
    let token = hub.role("wanda", "write");
    for actor in ["wanda", "eve"] {
        for verb in ["approve", "deny", "revoke"] {
            let got = review(&hub, actor, "approved", &token, verb);
            assert_eq!((got.status, got.code().as_str()), (403, "denied"), "{actor} {verb}");
        }
        assert_eq!(hub.acting(actor, "GET", "/v1/organizations/approved/tokens", &Json::Null).status, 403);
    }
    assert_eq!(review(&hub, "alice", "missing", &token, "approve").status, 404);
    let unknown = Made { id: "0".repeat(24), ..token };
    assert_eq!(review(&hub, "alice", "approved", &unknown, "approve").status, 404);
}

#[test]
fn an_organization_that_demands_two_factors_demands_them_of_its_reviewers() {
    let hub = Service::new();
    let token = hub.role("wanda", "write");
    let path = format!("/v1/organizations/mfa/tokens/{}/revoke", token.id);
    let without = hub.acting("alice", "POST", &path, &json!({}));
    assert_eq!(without.json()["error"]["details"]["reason"]["code"], "mfa_required");
    let headers = [("Hubwarden-Actor", "alice"), ("Hubwarden-Actor-Mfa", "true")];
    assert_eq!(hub.with(&headers, "POST", &path, &json!({})).status, 200);
}

#[test]
fn a_token_of_an_admin_is_approved_from_the_start_and_stays_so_when_it_is_edited() {
    let hub = Service::new();
    let token = hub.granted("alice", "org", "approved", &["repo.content.read"]);
    assert_eq!(hub.code(&token.value, "repo.content.read", PRIV), "allow");
    let grants = json!([{"entity": {"type": "org", "name": "approved"}, "permissions": ["repo.write"]}]);
    let edit = json!({"grants": grants});
    assert_eq!(hub.acting("alice", "PATCH", &format!("/v1/users/alice/tokens/{}", token.id), &edit).status, 200);
    assert_eq!(hub.code(&token.value, "repo.write", PRIV), "allow");
}

#[test]
fn an_approval_is_for_the_grants_that_were_approved() {
    let hub = Service::new();
    let token = hub.granted("wanda", "org", "approved", &["repo.content.read"]);
    review(&hub, "alice", "approved", &token, "approve");
    let path = format!("/v1/users/wanda/tokens/{}", token.id);
    assert_eq!(hub.acting("wanda", "PATCH", &path, &json!({"name": "renamed"})).status, 200);
    assert_eq!(hub.code(&token.value, "repo.content.read", PRIV), "allow");
    let grants = json!([{"entity": {"type": "org", "name": "approved"}, "permissions": ["repo.write"]}]);
    assert_eq!(hub.acting("wanda", "PATCH", &path, &json!({"grants": grants})).status, 200);
    assert_eq!(hub.code(&token.value, "repo.write", PRIV), "token_policy");
}

#[test]
fn an_admin_lists_the_tokens_that_concern_the_organization_and_nothing_of_them_that_does_not() {
    let hub = Service::new();
    let grants = json!([
        {"entity": {"type": "org", "name": "approved"}, "permissions": ["repo.write"]},
        {"entity": {"type": "org", "name": "beta"}, "permissions": ["repo.write"]},
    ]);
    let fine = hub.create("wanda", &json!({"name": "fine", "role": "fineGrained", "grants": grants}));
    let write = hub.role("wanda", "write");
    hub.granted("wanda", "org", "beta", &["repo.write"]);
    hub.role("rita", "write");
    review(&hub, "alice", "approved", &write, "deny");
    let got = hub.acting("alice", "GET", "/v1/organizations/approved/tokens", &Json::Null);
    let mut listed: Vec<(String, String)> = got.json()["tokens"]
        .as_array()
        .unwrap()
        .iter()
        .map(|token| (token["id"].as_str().unwrap().to_owned(), token["state"].as_str().unwrap().to_owned()))
        .collect();
    let mut expected = vec![(fine.id, "pending".to_owned()), (write.id, "denied".to_owned())];
    listed.sort();
    expected.sort();
    assert_eq!(listed, expected);
    assert!(!got.text.contains("beta") && got.json()["next_page_token"].is_null(), "{}", got.text);
}

#[test]
fn the_list_goes_by_pages_and_a_forged_page_token_is_refused() {
    let hub = Service::new();
    let mut made: Vec<String> = (0..5).map(|_| hub.role("wanda", "write").id).collect();
    made.sort();
    let mut seen: Vec<String> = Vec::new();
    let mut path = "/v1/organizations/beta/tokens?limit=2".to_owned();
    hub.move_user("alice", &[("OrgRole", "beta/admin")], &[]);
    loop {
        let page = hub.acting("alice", "GET", &path, &Json::Null).json();
        let tokens = page["tokens"].as_array().unwrap();
        assert!(tokens.len() <= 2);
        seen.extend(tokens.iter().map(|token| token["id"].as_str().unwrap().to_owned()));
        let Some(next) = page["next_page_token"].as_str() else { break };
        path = format!("/v1/organizations/beta/tokens?limit=2&page_token={next}");
    }
    assert_eq!(seen, made);
    let forged = "/v1/organizations/beta/tokens?page_token=AAAA";
    assert_eq!(hub.acting("alice", "GET", forged, &Json::Null).status, 400);
    let other = path.replace("beta", "acme");
    assert_eq!(hub.acting("alice", "GET", &other, &Json::Null).status, 400);
}
