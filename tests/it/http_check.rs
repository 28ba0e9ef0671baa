//! `POST /v1/check`: a service passes on what it received.

use hubwarden::warden::Scope;
use serde_json::json;

use crate::http_support::{World, bearer, key_secret};
use crate::token_support::Service;

/// Base64 of `user:password`, as clients send it.
fn basic(user: &str, password: &str) -> String {
    use base64::Engine;
    format!("Basic {}", base64::engine::general_purpose::STANDARD.encode(format!("{user}:{password}")))
}

#[test]
fn the_answer_names_the_user_and_the_token() {
    let hub = Service::new();
    let token = hub.role("wanda", "write");
    for authorization in [bearer(&token.value), basic("wanda", &token.value), basic("x", &token.value)] {
        let answer = hub.check(Some(&authorization), "repo.write", "models/acme/priv");
        assert_eq!(answer["decision"], "allow");
        assert_eq!((answer["user"].as_str(), answer["token"].as_str()), (Some("wanda"), Some(token.id.as_str())));
        assert!(answer["reason"].is_null() && answer["response"].is_null());
        assert_eq!(answer["determining"], json!(["organization/creators", "organization/writers"]));
    }
}

#[test]
fn nothing_presented_is_anonymous() {
    let hub = Service::new();
    let answer = hub.check(None, "repo.content.read", "models/acme/pub");
    assert_eq!((answer["decision"].as_str(), answer["user"].is_null()), (Some("allow"), true));
    let answer = hub.check(None, "repo.read", "models/acme/priv");
    assert_eq!(answer["reason"]["code"], "not_found");
    assert_eq!(
        answer["response"],
        json!({
            "status": 401,
            "headers": {
                "X-Error-Code": ["RepoNotFound"],
                "X-Error-Message": ["Invalid username or password."],
                "WWW-Authenticate": [
                    "Bearer realm=\"Authentication required\", charset=\"UTF-8\"",
                    "Basic realm=\"Authentication required\", charset=\"UTF-8\"",
                ],
            },
            "body": {"error": "Invalid username or password."},
        })
    );
}

#[test]
fn a_dead_credential_is_refused_on_public_things_too_and_all_of_them_alike() {
    let hub = Service::new();
    let never = format!("hf_{}", "a".repeat(34));
    let mut answers = Vec::new();
    for authorization in
        [bearer(&never), bearer("hf_short"), basic("alice", &never), "Basic ????".to_owned(), String::new()]
    {
        let mut answer = hub.check(Some(&authorization), "repo.read", "models/acme/pub");
        answer["decision_id"].take();
        answers.push(answer);
    }
    for answer in &answers {
        assert_eq!(answer, &answers[0]);
    }
    assert_eq!(answers[0]["reason"]["code"], "invalid_token");
    assert_eq!(answers[0]["response"]["status"], 401);
    assert_eq!(answers[0]["response"]["body"]["error"], "Invalid credentials in Authorization header");
    assert!(answers[0]["response"]["headers"]["X-Error-Code"].is_null());
}

#[test]
fn an_organization_token_is_told_what_to_use_instead() {
    let hub = Service::new();
    let answer = hub.check(Some("Bearer api_org_abcdef"), "repo.read", "models/acme/pub");
    assert_eq!(
        (answer["reason"]["code"].as_str(), answer["response"]["status"].as_u64()),
        (Some("invalid_token"), Some(401))
    );
    assert!(answer["reason"]["message"].as_str().unwrap().contains("user access token"), "{answer}");
}

#[test]
fn each_refusal_says_what_to_send() {
    let hub = Service::new();
    let value = |user: &str| hub.role(user, "write").value;
    for (user, action, repo, status, code) in [
        ("eve", "repo.read", "models/acme/priv", 404, Some("RepoNotFound")),
        ("eve", "repo.read", "models/acme/missing", 404, Some("RepoNotFound")),
        ("eve", "repo.content.read", "models/acme/gated", 403, Some("GatedRepo")),
        ("pete", "repo.content.read", "models/acme/gated", 403, Some("GatedRepo")),
        ("roy", "repo.content.read", "models/acme/gated", 403, Some("GatedRepo")),
        ("alice", "repo.content.read", "models/acme/off", 403, None),
        ("rita", "repo.write", "models/acme/priv", 403, None),
    ] {
        let answer = hub.check(Some(&bearer(&value(user))), action, repo);
        let response = &answer["response"];
        assert_eq!(response["status"], status, "{user} {action} {repo}");
        assert_eq!(response["headers"]["X-Error-Code"][0].as_str(), code, "{user} {action} {repo}");
        assert_eq!(response["headers"]["X-Error-Message"][0], response["body"]["error"]);
        assert!(response["headers"]["WWW-Authenticate"].is_null());
    }
}

#[test]
fn a_right_that_its_user_loses_is_lost_to_the_token_at_once() {
    let hub = Service::new();
    let token = hub.role("wanda", "write");
    let ask = |action: &str| hub.code(&token.value, action, "models/acme/priv");
    assert_eq!(ask("repo.write"), "allow");
    hub.move_user("wanda", &[("OrgRole", "acme/read")], &[("OrgRole", "acme/write")]);
    assert_eq!((ask("repo.write"), ask("repo.read")), ("user_right".to_owned(), "allow".to_owned()));
    hub.move_user("wanda", &[], &[("OrgRole", "acme/read")]);
    assert_eq!(ask("repo.read"), "not_found");
    assert_eq!(hub.served.with_body("DELETE", &hub.key, "/v1/entities/user/wanda", &json!({})).status, 200);
    assert_eq!(hub.code(&token.value, "repo.read", "models/acme/pub"), "invalid_token");
}

#[test]
fn what_else_is_known_goes_into_the_context_but_never_who_asks() {
    let hub = Service::new();
    let token = hub.role("wanda", "write");
    let ask = |context: serde_json::Value| {
        let body = json!({
            "authorization": bearer(&token.value),
            "action": "repo.read",
            "resource": {"type": "repo", "id": "models/mfa/priv"},
            "context": context,
        });
        hub.served.post(&hub.key, "/v1/check", &body).json()
    };
    assert_eq!(ask(json!({}))["reason"]["code"], "mfa_required");
    assert_eq!(ask(json!({"mfa": true}))["decision"], "allow");
    let other =
        ask(json!({"mfa": true, "token": {"type": "Hub::AccessToken", "id": "alice-write"}, "now": "1970-01-01"}));
    assert_eq!((other["decision"].as_str(), other["token"].as_str()), (Some("allow"), Some(token.id.as_str())));
}

#[test]
fn a_question_that_makes_no_sense_names_the_field() {
    let hub = Service::new();
    let good = json!({"action": "repo.read", "resource": {"type": "repo", "id": "models/acme/pub"}});
    for (field, value) in [
        ("authorization", json!(1)),
        ("action", json!("repo.fly")),
        ("resource", json!({"type": "planet", "id": "x"})),
        ("resource", json!(null)),
        ("credential", json!("x")),
    ] {
        let mut body = good.clone();
        body[field] = value;
        let got = hub.served.post(&hub.key, "/v1/check", &body);
        assert_eq!((got.status, got.field().as_str()), (400, field), "{}", got.text);
    }
    let hub = Service { key: hub.served.key(&[Scope::Read, Scope::Tokens]), ..hub };
    assert_eq!(hub.served.post(&hub.key, "/v1/check", &good).status, 403);
}

#[test]
fn no_value_shows_in_any_log_or_metric() {
    let (served, log) = World::cast().serve_logged();
    let key = served.all();
    let clock = hubwarden::clock::FixedClock::new(crate::http_support::NOW.parse().unwrap());
    let hub = Service { served, key, clock };
    let token = hub.role("wanda", "write");
    let refreshed = hub.acting("wanda", "POST", &format!("/v1/users/wanda/tokens/{}/refresh", token.id), &json!({}));
    let new = refreshed.json()["value"].as_str().unwrap().to_owned();
    let encoded = basic("wanda", &new);
    for authorization in [bearer(&token.value), bearer(&new), encoded.clone(), format!("Weird {new}")] {
        hub.check(Some(&authorization), "repo.read", "models/acme/priv");
        for path in ["/api/whoami-v2", "/api/models/acme/priv/auth-check", "/api/models/acme/priv/auth-check/write"] {
            hub.client(Some(&authorization), path);
        }
        hub.with(&[("Hubwarden-Actor-Authorization", &*authorization)], "GET", "/v1/users/wanda/tokens", &json!(null));
    }
    hub.introspect(&new);
    hub.served.get(&new, "/v1/entities");
    hub.served.send(
        "POST",
        "/api/credentials/revoke",
        &[("Content-Type", "application/json")],
        json!({"credentials": [new]}).to_string(),
    );
    let metrics = hub.served.get(&hub.key, "/metrics").text;
    for counted in ["api=\"check\"", "credentials_total{result=\"token\"}", "credentials_total{result=\"dead\"}"] {
        assert!(metrics.contains(counted), "{metrics}");
    }
    assert!(log.text().contains("hubwarden::access"));
    for secret in [&token.value[3..], &new[3..], &encoded["Basic ".len()..], key_secret(&hub.key)] {
        assert!(!log.text().contains(secret) && !metrics.contains(secret));
    }
}
