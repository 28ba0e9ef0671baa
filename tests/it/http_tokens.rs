//! `/v1/users/{user}/tokens…`: the life of a token.

use hubwarden::warden::Scope;
use serde_json::{Value as Json, json};

use crate::http_support::bearer;
use crate::token_support::{Made, Service, made};

const PRIV: &str = "models/acme/priv";

fn path(user: &str, token: &Made) -> String {
    format!("/v1/users/{user}/tokens/{}", token.id)
}

fn listed(hub: &Service, user: &str) -> Vec<Json> {
    let got = hub.acting(user, "GET", &format!("/v1/users/{user}/tokens"), &Json::Null);
    assert_eq!(got.status, 200, "{}", got.text);
    got.json()["tokens"].as_array().unwrap().clone()
}

#[test]
fn wanda_makes_a_token_and_sees_its_value_once() {
    let hub = Service::new();
    let body = json!({"name": "laptop", "role": "write", "expiresAt": "2027-01-01T00:00:00Z"});
    let got = hub.acting("wanda", "POST", "/v1/users/wanda/tokens", &body);
    assert_eq!((got.status, got.header("cache-control")), (201, Some("no-store")));
    let token = made(&got);
    let letters = token.value.strip_prefix("hf_").unwrap();
    assert!(letters.len() == 34 && letters.bytes().all(|byte| byte.is_ascii_alphabetic()));
    let shown = hub.acting("wanda", "GET", &path("wanda", &token), &Json::Null);
    let list = hub.acting("wanda", "GET", "/v1/users/wanda/tokens", &Json::Null);
    for got in [&shown, &list] {
        assert!(!got.text.contains(letters) && !got.text.contains("hash"), "{}", got.text);
    }
    let told = &shown.json()["token"];
    for (field, value) in [
        ("name", "laptop"),
        ("role", "write"),
        ("owner", "wanda"),
        ("createdAt", "2026-08-01T12:00:00.000Z"),
        ("expiresAt", "2027-01-01T00:00:00.000Z"),
    ] {
        assert_eq!(told[field], value, "{field}");
    }
    assert_eq!(told["lastCharacters"].as_str().unwrap(), &token.value[33..]);
    assert!(told["lastUsedAt"].is_null() && told["refreshedAt"].is_null());
    assert_eq!(list.json()["tokens"], json!([told]));
}

#[test]
fn a_token_does_what_its_user_may_do_within_its_role() {
    let hub = Service::new();
    let (read, write) = (hub.role("wanda", "read"), hub.role("wanda", "write"));
    assert_eq!(hub.code(&read.value, "repo.content.read", PRIV), "allow");
    assert_eq!(hub.code(&read.value, "repo.write", PRIV), "token_role");
    assert_eq!(hub.code(&write.value, "repo.write", PRIV), "allow");
    assert_eq!(hub.code(&hub.role("rita", "write").value, "repo.write", PRIV), "user_right");
}

#[test]
fn a_fine_grained_token_does_what_it_was_granted() {
    let hub = Service::new();
    let token = hub.granted("wanda", "model", "acme/priv", &["repo.content.read"]);
    assert_eq!(hub.code(&token.value, "repo.content.read", PRIV), "allow");
    assert_eq!(hub.code(&token.value, "repo.write", PRIV), "token_permission");
    assert_eq!(hub.code(&token.value, "repo.content.read", "models/acme/carl"), "not_found");
}

#[test]
fn a_refreshed_token_has_a_new_value_and_the_old_one_is_dead() {
    let hub = Service::new();
    let old = hub.role("wanda", "write");
    let got = hub.acting("wanda", "POST", &format!("{}/refresh", path("wanda", &old)), &json!({}));
    assert_eq!((got.status, got.header("cache-control")), (200, Some("no-store")));
    let new = made(&got);
    assert_eq!(new.id, old.id);
    assert_eq!(got.json()["token"]["refreshedAt"], "2026-08-01T12:00:00.000Z");
    assert_eq!(hub.code(&old.value, "repo.read", "models/acme/pub"), "invalid_token");
    assert_eq!(hub.code(&new.value, "repo.write", PRIV), "allow");
}

#[test]
fn a_deleted_token_is_dead_and_gone() {
    let hub = Service::new();
    let token = hub.role("wanda", "write");
    let got = hub.acting("wanda", "DELETE", &path("wanda", &token), &json!({}));
    assert_eq!(got.status, 200, "{}", got.text);
    assert_eq!(hub.code(&token.value, "repo.read", "models/acme/pub"), "invalid_token");
    assert_eq!(hub.acting("wanda", "GET", &path("wanda", &token), &Json::Null).status, 404);
    assert_eq!(hub.acting("wanda", "DELETE", &path("wanda", &token), &json!({})).status, 404);
    assert!(listed(&hub, "wanda").is_empty());
}

#[test]
fn deleting_the_entity_of_a_token_kills_it_too() {
    let hub = Service::new();
    let token = hub.role("wanda", "write");
    let entity = format!("/v1/entities/access_token/{}", token.id);
    assert_eq!(hub.served.with_body("DELETE", &hub.key, &entity, &json!({})).status, 200);
    assert_eq!(hub.code(&token.value, "repo.read", "models/acme/pub"), "invalid_token");
    assert_eq!(hub.introspect(&token.value).json(), json!({"active": false}));
    assert!(listed(&hub, "wanda").is_empty());
}

#[test]
fn a_token_that_was_given_to_somebody_else_is_dead() {
    let hub = Service::new();
    let token = hub.role("eve", "write");
    let entity = format!("/v1/entities/access_token/{}", token.id);
    let patch = json!({"attrs": {"owner": {"type": "Hub::User", "id": "wanda"}}});
    assert_eq!(hub.served.with_body("PATCH", &hub.key, &entity, &patch).status, 200);
    assert_eq!(hub.code(&token.value, "repo.read", "models/acme/pub"), "invalid_token");
    assert!(listed(&hub, "wanda").is_empty() && listed(&hub, "eve").is_empty());
}

#[test]
fn wanda_edits_the_grants_of_her_token() {
    let hub = Service::new();
    let token = hub.granted("wanda", "model", "acme/priv", &["repo.content.read"]);
    let edit = json!({
        "gatedRepos": true,
        "global": ["discussion.write"],
        "grants": [{"entity": {"type": "org", "name": "acme"}, "permissions": ["repo.write"]}],
    });
    let got = hub.acting("wanda", "PATCH", &path("wanda", &token), &edit);
    assert_eq!(got.status, 200, "{}", got.text);
    let told = &got.json()["token"];
    for field in ["gatedRepos", "global", "grants"] {
        assert_eq!(told[field], edit[field], "{field}");
    }
    assert_eq!(told["name"], "granted");
    assert_eq!(hub.code(&token.value, "repo.write", PRIV), "allow");
    assert_eq!(hub.code(&token.value, "repo.content.read", PRIV), "token_permission");
    let renamed = hub.acting("wanda", "PATCH", &path("wanda", &token), &json!({"name": "other"}));
    assert_eq!(renamed.json()["token"]["grants"], edit["grants"]);
    assert_eq!(renamed.json()["token"]["name"], "other");
}

#[test]
fn an_edit_of_an_older_state_is_refused() {
    let hub = Service::new();
    let token = hub.role("wanda", "read");
    let path = path("wanda", &token);
    let tag = hub.acting("wanda", "GET", &path, &Json::Null).header("etag").unwrap().to_owned();
    let headers = [("Hubwarden-Actor", "wanda"), ("If-Match", &*tag)];
    assert_eq!(hub.with(&headers, "PATCH", &path, &json!({"name": "first"})).status, 200);
    let late = hub.with(&headers, "PATCH", &path, &json!({"name": "second"}));
    assert_eq!((late.status, late.code().as_str()), (412, "precondition_failed"));
    assert_eq!(hub.with(&headers, "POST", &format!("{path}/refresh"), &json!({})).status, 412);
    assert_eq!(hub.code(&token.value, "repo.content.read", PRIV), "allow");
    assert_eq!(listed(&hub, "wanda")[0]["name"], "first");
}

#[test]
fn a_grant_that_cannot_be_is_a_400_that_says_which() {
    let hub = Service::new();
    let grant = |kind: &str, name: &str, permission: &str| json!({"entity": {"type": kind, "name": name}, "permissions": ["repo.content.read", permission]});
    let good = grant("model", "acme/priv", "repo.write");
    for (bad, field) in [
        (grant("team", "acme", "repo.write"), "grants[1].entity.type"),
        (grant("org", "acme", "repo.fly"), "grants[1].permissions[1]"),
        (grant("org", "acme", "user.billing.read"), "grants[1].permissions[1]"),
        (grant("model", "acme/pub", "collection.read"), "grants[1].permissions[1]"),
        (grant("org", "acme", "post.write"), "grants[1].permissions[1]"),
        // What wanda cannot see and what there is not are refused alike.
        (grant("model", "bob/priv", "repo.write"), "grants[1].entity.name"),
        (grant("model", "acme/missing", "repo.write"), "grants[1].entity.name"),
        (grant("dataset", "acme/priv", "repo.write"), "grants[1].entity.name"),
        (grant("user", "bob", "repo.write"), "grants[1].entity.name"),
        (grant("org", "missing", "repo.write"), "grants[1].entity.name"),
        (good.clone(), "grants[1].entity"),
        (json!({"entity": {"type": "org", "name": "acme"}, "permissions": []}), "grants[1].permissions"),
        (json!({"entity": {"type": "org", "name": "acme"}}), "grants[1].permissions"),
        (json!({"permissions": []}), "grants[1].entity"),
    ] {
        let body = json!({"name": "n", "role": "fineGrained", "grants": [good, bad]});
        let got = hub.acting("wanda", "POST", "/v1/users/wanda/tokens", &body);
        assert_eq!((got.status, got.field().as_str()), (400, field), "{}", got.text);
    }
    let hidden = |name: &str| {
        let body = json!({"name": "n", "role": "fineGrained", "grants": [grant("model", name, "repo.write")]});
        hub.acting("wanda", "POST", "/v1/users/wanda/tokens", &body).text.replace(name, "…")
    };
    assert_eq!(hidden("bob/priv"), hidden("acme/missing"));
    assert!(listed(&hub, "wanda").is_empty());
}

#[test]
fn a_token_that_cannot_be_is_a_400_that_names_the_field() {
    let hub = Service::new();
    for (body, field) in [
        (json!({"role": "read"}), "name"),
        (json!({"name": "", "role": "read"}), "name"),
        (json!({"name": "a\nb", "role": "read"}), "name"),
        (json!({"name": "x".repeat(101), "role": "read"}), "name"),
        (json!({"name": "n"}), "role"),
        (json!({"name": "n", "role": "admin"}), "role"),
        (json!({"name": "n", "role": "read", "expiresAt": "2026-08-01T12:00:00Z"}), "expiresAt"),
        (json!({"name": "n", "role": "read", "expiresAt": "soon"}), "expiresAt"),
        (json!({"name": "n", "role": "read", "gatedRepos": true}), "grants"),
        (json!({"name": "n", "role": "fineGrained", "gatedRepos": "yes"}), "gatedRepos"),
        (json!({"name": "n", "role": "fineGrained", "global": ["repo.write"]}), "global[0]"),
        (json!({"name": "n", "role": "fineGrained", "global": [1]}), "global[0]"),
        (json!({"name": "n", "role": "read", "value": "hf_mine"}), "value"),
    ] {
        let got = hub.acting("wanda", "POST", "/v1/users/wanda/tokens", &body);
        assert_eq!((got.status, got.field().as_str()), (400, field), "{}", got.text);
    }
    assert!(listed(&hub, "wanda").is_empty());
}

#[test]
fn nobody_manages_the_tokens_of_another() {
    let hub = Service::new();
    let token = hub.role("wanda", "read");
    for actor in ["eve", "alice"] {
        for (method, path) in [
            ("GET", "/v1/users/wanda/tokens".to_owned()),
            ("POST", "/v1/users/wanda/tokens".to_owned()),
            ("GET", path("wanda", &token)),
            ("PATCH", path("wanda", &token)),
            ("DELETE", path("wanda", &token)),
            ("POST", format!("{}/refresh", path("wanda", &token))),
        ] {
            let got = hub.acting(actor, method, &path, &json!({"name": "n", "role": "read"}).clone());
            let got_code = (got.status, got.json()["error"]["details"]["reason"]["code"].clone());
            let edit = method == "PATCH";
            assert!(
                got_code == (403, json!("user_right")) || edit && got.status == 400,
                "{method} {path}: {}",
                got.text
            );
        }
        let edit = hub.acting(actor, "PATCH", &path("wanda", &token), &json!({"name": "stolen"}));
        assert_eq!(edit.status, 403);
        // Her id under another name is nobody's.
        assert_eq!(hub.acting(actor, "GET", &path(actor, &token), &Json::Null).status, 404);
    }
    assert_eq!(listed(&hub, "wanda")[0]["name"], "wanda's read");
}

#[test]
fn no_token_makes_or_edits_tokens() {
    let hub = Service::new();
    let token = hub.role("wanda", "write");
    let authorization = bearer(&token.value);
    let through = [("Hubwarden-Actor-Authorization", &*authorization)];
    for (method, path) in [
        ("POST", "/v1/users/wanda/tokens".to_owned()),
        ("GET", "/v1/users/wanda/tokens".to_owned()),
        ("DELETE", path("wanda", &token)),
        ("POST", format!("{}/refresh", path("wanda", &token))),
    ] {
        let got = hub.with(&through, method, &path, &json!({"name": "n", "role": "read"}));
        assert_eq!(got.status, 403, "{method} {path}: {}", got.text);
        assert_eq!(got.json()["error"]["details"]["reason"]["code"], "token_role");
    }
    let dead = [("Hubwarden-Actor-Authorization", "Bearer hf_dead")];
    let got = hub.with(&dead, "GET", "/v1/users/wanda/tokens", &Json::Null);
    assert_eq!((got.status, got.json()["error"]["details"]["reason"]["code"].clone()), (403, json!("invalid_token")));
    assert_eq!(listed(&hub, "wanda").len(), 1);
}

#[test]
fn a_service_says_who_acts_and_needs_the_scope_to_say_it() {
    let hub = Service::new();
    let users = "/v1/users/wanda/tokens";
    for headers in [
        &[][..],
        &[("Hubwarden-Actor", "wanda"), ("Hubwarden-Actor-Authorization", "Bearer x")],
        &[("Hubwarden-Actor", "")],
        &[("Hubwarden-Actor", "%zz")],
        &[("Hubwarden-Actor", "wanda"), ("Hubwarden-Actor-Mfa", "yes")],
    ] {
        let got = hub.with(headers, "GET", users, &Json::Null);
        assert_eq!((got.status, got.code().as_str()), (400, "invalid_request"), "{headers:?}");
    }
    let others: Vec<Scope> = Scope::ALL.into_iter().filter(|scope| *scope != Scope::Tokens).collect();
    let hub = Service { key: hub.served.key(&others), ..hub };
    assert_eq!(hub.acting("wanda", "GET", users, &Json::Null).status, 403);
}

#[test]
fn an_actor_can_have_any_name() {
    let hub = Service::new();
    let got =
        hub.acting("zo%C3%AB%2Fx", "POST", "/v1/users/zo%C3%AB%2Fx/tokens", &json!({"name": "n", "role": "read"}));
    assert_eq!(got.status, 201, "{}", got.text);
    assert_eq!(got.json()["token"]["owner"], "zoë/x");
}

#[test]
fn the_last_use_is_noted_for_living_tokens_and_written_down() {
    let hub = Service::new();
    let token = hub.role("wanda", "read");
    hub.clock.set("2026-08-01T12:30:00Z".parse().unwrap());
    hub.check(Some(&bearer(&token.value)), "repo.read", PRIV);
    assert_eq!(listed(&hub, "wanda")[0]["lastUsedAt"], "2026-08-01T12:30:00.000Z");
    let before = hub.served.warden.revision().unwrap();
    hub.served.hub.write_last_uses().unwrap();
    assert!(hub.served.warden.revision().unwrap() > before);
    assert_eq!(listed(&hub, "wanda")[0]["lastUsedAt"], "2026-08-01T12:30:00.000Z");
    // Nothing happened since: nothing is written.
    let before = hub.served.warden.revision().unwrap();
    hub.served.hub.write_last_uses().unwrap();
    assert_eq!(hub.served.warden.revision().unwrap(), before);
}

#[test]
fn a_token_expires_when_the_clock_says_so() {
    let hub = Service::new();
    let token = hub.create("wanda", &json!({"name": "short", "role": "read", "expiresAt": "2026-08-01T13:00:00Z"}));
    assert_eq!(hub.code(&token.value, "repo.content.read", PRIV), "allow");
    hub.clock.set("2026-08-01T13:00:00Z".parse().unwrap());
    let answer = hub.check(Some(&bearer(&token.value)), "repo.read", "models/acme/pub");
    assert_eq!(answer["reason"]["code"], "invalid_token");
    assert_eq!(answer["response"]["body"]["error"], "User Access Token \"short\" is expired");
    assert_eq!(listed(&hub, "wanda")[0]["expired"], true);
}

#[test]
fn introspection_tells_of_a_living_token_and_nothing_of_a_dead_one() {
    let hub = Service::new();
    let token = hub.create("wanda", &json!({"name": "ci", "role": "read", "expiresAt": "2026-08-01T13:00:00Z"}));
    let told = hub.introspect(&token.value).json();
    assert_eq!(
        told,
        json!({
            "active": true, "sub": "wanda", "username": "wanda", "jti": token.id, "token_type": "Bearer",
            "scope": "read", "name": "ci", "iat": 1_785_585_600, "exp": 1_785_589_200,
        })
    );
    let refreshed = made(&hub.acting("wanda", "POST", &format!("{}/refresh", path("wanda", &token)), &json!({})));
    let deleted = hub.role("wanda", "write");
    hub.acting("wanda", "DELETE", &path("wanda", &deleted), &json!({}));
    hub.clock.set("2026-08-01T14:00:00Z".parse().unwrap());
    let never = format!("hf_{}", "a".repeat(34));
    for dead in [&token.value, &refreshed.value, &deleted.value, &never, "hf_", "", "api_org_abc"] {
        let got = hub.introspect(dead);
        assert_eq!((got.status, got.text.as_str()), (200, "{\"active\":false}"));
    }
}

#[test]
fn tokens_that_leaked_die_when_anybody_reports_them_and_the_answer_tells_nothing() {
    let hub = Service::new();
    let (leaked, other) = (hub.role("wanda", "write"), hub.role("wanda", "read"));
    let report = |credentials: Json| {
        let body = json!({"credentials": credentials}).to_string();
        hub.served.send("POST", "/api/credentials/revoke", &[("Content-Type", "application/json")], body)
    };
    let known = report(json!([leaked.value, "no token", leaked.value]));
    let unknown = report(json!([format!("hf_{}", "a".repeat(34))]));
    for got in [&known, &unknown] {
        assert_eq!((got.status, got.text.as_str()), (202, ""));
    }
    assert_eq!(hub.code(&leaked.value, "repo.read", PRIV), "invalid_token");
    assert_eq!(hub.code(&other.value, "repo.read", PRIV), "allow");
    for (bad, status) in [(json!([]), 400), (json!("hf_x"), 400), (json!([1]), 400), (json!(vec!["x"; 1_001]), 400)] {
        let got = report(bad);
        assert_eq!(got.status, status, "{}", got.text);
        assert!(got.json()["error"].is_string(), "{}", got.text);
    }
}

#[test]
fn reports_are_limited() {
    let mut world = crate::http_support::World::hub();
    world.limits.reports_per_minute = 2;
    let hub = Service::over(world);
    let report = || {
        let headers = [("Content-Type", "application/json")];
        hub.served.send("POST", "/api/credentials/revoke", &headers, json!({"credentials": ["x"]}).to_string())
    };
    assert_eq!((report().status, report().status), (202, 202));
    let got = report();
    assert_eq!(got.status, 429);
    assert!(got.header("retry-after").is_some());
}

#[test]
fn of_two_refreshes_at_once_one_value_is_left() {
    let hub = Service::new();
    let token = hub.role("wanda", "write");
    let values: Vec<String> = std::thread::scope(|scope| {
        let refresh = || {
            let got = hub.acting("wanda", "POST", &format!("{}/refresh", path("wanda", &token)), &json!({}));
            assert_eq!(got.status, 200, "{}", got.text);
            made(&got).value
        };
        let threads: Vec<_> = (0..6).map(|_| scope.spawn(refresh)).collect();
        threads.into_iter().map(|thread| thread.join().unwrap()).collect()
    });
    let alive = values.iter().filter(|value| hub.code(value, "repo.read", PRIV) == "allow");
    assert_eq!(alive.count(), 1);
    assert_eq!(hub.code(&token.value, "repo.read", PRIV), "invalid_token");
}

#[test]
fn what_a_token_lets_through_is_said_in_sentences() {
    let hub = Service::new();
    let grants = json!([
        {"entity": {"type": "org", "name": "acme"}, "permissions": ["repo.content.read"]},
        {"entity": {"type": "model", "name": "acme/priv"}, "permissions": ["repo.write"]},
        {"entity": {"type": "dataset", "name": "acme/mgated"}, "permissions": []},
    ]);
    let body = json!({"name": "n", "role": "fineGrained", "grants": grants, "global": ["post.write"]});
    let token = hub.create("wanda", &body);
    let told = hub.acting("wanda", "GET", &path("wanda", &token), &Json::Null).json();
    let sentences: Vec<&str> = told["sentences"].as_array().unwrap().iter().map(|s| s.as_str().unwrap()).collect();
    assert_eq!(
        sentences,
        [
            "It may do what anybody may do without signing in, and of what wanda may do only what follows.",
            "On the organization acme and everything in it that has no entry of its own, it may download and clone \
             repositories.",
            "On the model acme/priv alone, it may push to repositories, change their settings, delete and create them, \
             handle access requests and moderate discussions.",
            "On the dataset acme/mgated, nothing: what is granted above it is not for it.",
            "Outside all of these, it may post on its own profile.",
        ]
    );
}

#[test]
fn a_schema_that_is_no_hubs_has_no_tokens() {
    let hub = Service::over(crate::http_support::World::notes());
    let got = hub.acting("alice", "GET", "/v1/users/alice/tokens", &Json::Null);
    assert_eq!((got.status, got.code().as_str()), (404, "not_a_hub"));
}
