//! `POST /v1/explain`: why.

use hubwarden::warden::Scope;
use serde_json::{Value as Json, json};

use crate::token_support::Service;

fn explain(hub: &Service, principal: (&str, &str), action: &str, repo: &str) -> Json {
    let body = json!({
        "principal": {"type": principal.0, "id": principal.1},
        "action": action,
        "resource": {"type": "repo", "id": repo},
    });
    let got = hub.served.post(&hub.key, "/v1/explain", &body);
    assert_eq!(got.status, 200, "{}", got.text);
    got.json()
}

fn policy<'a>(explanation: &'a Json, id: &str) -> &'a Json {
    let found = explanation["policies"].as_array().unwrap().iter().find(|policy| policy["id"] == id);
    found.unwrap_or_else(|| panic!("no {id}"))
}

fn sentences(explanation: &Json) -> Vec<&str> {
    explanation["remedies"].as_array().unwrap().iter().map(|one| one["sentence"].as_str().unwrap()).collect()
}

#[test]
fn every_policy_has_its_outcome_and_every_clause_its_value_and_place() {
    let hub = Service::new();
    let told = explain(&hub, ("access_token", "wanda-content"), "repo.write", "models/acme/priv");
    assert_eq!((told["decision"].as_str(), told["reason"]["code"].as_str()), (Some("deny"), Some("token_permission")));
    let forbid = policy(&told, "token-permissions/repo-write");
    assert_eq!((forbid["outcome"].as_str(), forbid["effect"].as_str()), (Some("determining"), Some("forbid")));
    assert!(forbid["comment"].as_str().unwrap().contains("the members of the action group"), "{forbid}");
    let first = &forbid["clauses"][0];
    assert_eq!((first["text"].as_str(), first["value"].as_str()), (Some("context has token"), Some("true")));
    assert_eq!(first["file"], "policies/token-permissions.cedar");
    assert!(first["line"].as_u64().unwrap() > forbid["line"].as_u64().unwrap());
    assert_eq!(policy(&told, "organization/writers")["outcome"], "satisfied");
    assert_eq!(policy(&told, "disabled/repo")["outcome"], "condition_false");
    assert_eq!(policy(&told, "disabled/repo")["clauses"][0]["value"], "false");
    assert_eq!(policy(&told, "disabled/repo")["clauses"][1]["value"], "not_evaluated");
}

#[test]
fn an_allow_names_what_allowed_it_and_has_nothing_to_turn() {
    let hub = Service::new();
    let told = explain(&hub, ("user", "rita"), "repo.read", "models/acme/priv");
    assert_eq!((told["decision"].as_str(), &told["determining"]), (Some("allow"), &json!(["organization/readers"])));
    assert_eq!(told["remedies"], json!([]));
}

#[test]
fn what_would_turn_a_no_is_said_in_the_hubs_words_and_as_data() {
    let hub = Service::new();
    let told = explain(&hub, ("user", "rita"), "repo.write", "models/acme/priv");
    let expected = "Give rita the level `write` in acme (put it into Hub::OrgRole::\"acme/write\").";
    assert!(sentences(&told).contains(&expected), "{:?}", sentences(&told));
    let changes = told["remedies"].as_array().unwrap().iter().map(|remedy| &remedy["changes"]);
    let expected = json!([{
        "change": "add_parent",
        "entity": {"type": "Hub::User", "id": "rita"},
        "parent": {"type": "Hub::OrgRole", "id": "acme/write"},
    }]);
    assert!(changes.into_iter().any(|changes| *changes == expected));
    for (principal, action, repo, expected) in [
        (
            ("access_token", "wanda-content"),
            "repo.write",
            "models/acme/priv",
            "Grant `repo.write` on the model acme/priv to the token wanda-content.",
        ),
        (("access_token", "wanda-read"), "repo.write", "models/acme/priv", "Sign in instead of using a token."),
        (("user", "wanda"), "repo.read", "models/mfa/priv", "Sign in with two factors."),
        (
            ("access_token", "wanda-write"),
            "repo.read",
            "models/approved/priv",
            "Let approved approve the token wanda-write.",
        ),
        (("user", "alice"), "repo.write", "models/acme/off", "Enable models/acme/off again."),
        (
            ("access_token", "ann-bare"),
            "repo.content.read",
            "models/acme/gated",
            "Let the token ann-bare read public gated repositories.",
        ),
    ] {
        let told = explain(&hub, principal, action, repo);
        assert!(sentences(&told).contains(&expected), "{principal:?} {action} {repo}: {:#?}", sentences(&told));
    }
    let told = explain(&hub, ("user", "pete"), "repo.content.read", "models/acme/gated");
    let accepted = |sentence: &&str| sentence.starts_with("Accept the access request of pete");
    assert!(sentences(&told).iter().any(accepted), "{:?}", sentences(&told));
}

#[test]
fn why_something_is_hidden_is_told_to_those_who_may_ask_why() {
    let hub = Service::new();
    let told = explain(&hub, ("user", "eve"), "repo.write", "models/acme/priv");
    assert_eq!((told["reason"]["code"].as_str(), told["hidden"].as_bool()), (Some("not_found"), Some(true)));
    let seen: Vec<&str> =
        told["visibility"].as_array().unwrap().iter().map(|policy| policy["id"].as_str().unwrap()).collect();
    assert!(seen.contains(&"organization/readers") && seen.contains(&"visibility/public-repo"), "{seen:?}");
}

#[test]
fn explaining_needs_the_right_to_see_everything() {
    let hub = Service::new();
    let others: Vec<Scope> = Scope::ALL.into_iter().filter(|scope| *scope != Scope::Audit).collect();
    let key = hub.served.key(&others);
    let body = json!({"principal": {"type": "user", "id": "a"}, "action": "repo.read", "resource": {"type": "repo", "id": "b"}});
    assert_eq!(hub.served.post(&key, "/v1/explain", &body).status, 403);
    let bad = json!({"principal": {"type": "user", "id": "a"}, "action": "repo.fly", "resource": {"type": "repo", "id": "b"}});
    let got = hub.served.post(&hub.key, "/v1/explain", &bad);
    assert_eq!((got.status, got.field().as_str()), (400, "action"));
}
