//! `/v1/forward-auth`: a gateway asks before it passes a request on.

use hubwarden::warden::Scope;
use serde_json::{Value as Json, json};

use crate::http_support::{Got, World, bearer};
use crate::token_support::Service;

/// What a gateway sends.
struct Asked<'a> {
    method: &'a str,
    uri: &'a str,
    authorization: Option<&'a str>,
    query: &'a str,
    more: &'a [(&'a str, &'a str)],
}

impl<'a> Asked<'a> {
    fn new(method: &'a str, uri: &'a str) -> Self {
        Self { method, uri, authorization: None, query: "", more: &[] }
    }

    fn with(self, authorization: &'a str) -> Self {
        Self { authorization: Some(authorization), ..self }
    }

    /// As nginx sends it.
    fn ask(&self, hub: &Service) -> Got {
        let mut headers =
            vec![("Hubwarden-Key", &*hub.key), ("X-Original-Method", self.method), ("X-Original-URI", self.uri)];
        headers.extend(self.authorization.map(|value| ("Authorization", value)));
        headers.extend_from_slice(self.more);
        hub.served.send("GET", &format!("/v1/forward-auth{}", self.query), &headers, "")
    }
}

fn refused(got: &Got) -> (u16, &str, Option<&str>) {
    assert_eq!(got.header("hubwarden-body"), Some(got.text.as_str()));
    assert!(got.json()["error"].is_string() && got.header("hubwarden-decision-id").is_some());
    assert!(got.header("hubwarden-user").is_none() && got.header("hubwarden-allowed").is_none());
    (got.status, got.header("hubwarden-reason").unwrap(), got.header("x-error-code"))
}

#[test]
fn what_is_allowed_names_the_user_the_token_and_what_for() {
    let hub = Service::new();
    let token = hub.role("wanda", "write");
    let authorization = bearer(&token.value);
    let got = Asked::new("GET", "/acme/priv/resolve/main/config.json").with(&authorization).ask(&hub);
    assert_eq!((got.status, got.text.as_str()), (200, ""));
    assert_eq!(got.header("hubwarden-user"), Some("wanda"));
    assert_eq!(got.header("hubwarden-token"), Some(token.id.as_str()));
    assert_eq!(got.header("hubwarden-allowed"), Some("repo.content.read"));
    assert_eq!(got.header("hubwarden-resource"), Some("models/acme/priv"));
    assert!(got.header("hubwarden-decision-id").is_some() && got.header("hubwarden-revision").is_some());
    let got = Asked::new("GET", "/acme/pub/resolve/main/config.json").ask(&hub);
    assert_eq!((got.status, got.header("hubwarden-user"), got.header("hubwarden-token")), (200, None, None));
}

#[test]
fn cloning_needs_reading_and_pushing_needs_writing() {
    let hub = Service::new();
    let (read, write) = (hub.role("wanda", "read").value, hub.role("wanda", "write").value);
    for (uri, method, reads) in [
        ("/acme/priv.git/info/refs?service=git-upload-pack", "GET", true),
        ("/acme/priv/git-upload-pack", "POST", true),
        ("/acme/priv.git/info/refs?service=git-receive-pack", "GET", false),
        ("/acme/priv/git-receive-pack", "POST", false),
    ] {
        let status = |value: &str| Asked::new(method, uri).with(&bearer(value)).ask(&hub).status;
        assert_eq!((status(&read), status(&write)), (if reads { 200 } else { 403 }, 200), "{uri}");
    }
}

#[test]
fn a_batch_of_large_files_tells_the_backend_whether_uploads_are_allowed() {
    let hub = Service::new();
    let allowed = |role: &str| {
        let value = bearer(&hub.role("wanda", role).value);
        let got = Asked::new("POST", "/acme/priv.git/info/lfs/objects/batch").with(&value).ask(&hub);
        got.header("hubwarden-allowed").unwrap().to_owned()
    };
    assert_eq!(allowed("read"), "repo.content.read");
    assert_eq!(allowed("write"), "repo.content.read repo.write");
}

#[test]
fn a_refusal_is_what_the_client_is_to_be_told() {
    let hub = Service::new();
    let eve = bearer(&hub.role("eve", "write").value);
    let hidden = Asked::new("GET", "/acme/priv/resolve/main/config.json").with(&eve).ask(&hub);
    assert_eq!(refused(&hidden), (404, "not_found", Some("RepoNotFound")));
    let missing = Asked::new("GET", "/acme/gone/resolve/main/config.json").with(&eve).ask(&hub);
    assert_eq!((refused(&missing), &missing.text), (refused(&hidden), &hidden.text));
    let gated = Asked::new("GET", "/acme/gated/resolve/main/config.json").ask(&hub);
    assert_eq!(refused(&gated), (401, "gate_request", Some("GatedRepo")));
    assert_eq!(gated.headers.get_all("www-authenticate").iter().count(), 2);
    let dead = Asked::new("GET", "/acme/pub/resolve/main/config.json").with("Bearer hf_dead").ask(&hub);
    assert_eq!(refused(&dead), (401, "invalid_token", None));
}

#[test]
fn nginx_is_told_403_and_the_true_status_beside_it() {
    let hub = Service::new();
    let eve = bearer(&hub.role("eve", "write").value);
    let asked = |uri| Asked { query: "?deny=403", ..Asked::new("GET", uri) };
    let got = asked("/acme/priv/resolve/main/config.json").with(&eve).ask(&hub);
    assert_eq!((got.status, got.header("hubwarden-status")), (403, Some("404")));
    assert_eq!(got.header("x-error-code"), Some("RepoNotFound"));
    let got = asked("/acme//priv").with(&eve).ask(&hub);
    assert_eq!((got.status, got.header("hubwarden-status")), (403, Some("400")));
    let got = asked("/acme/priv/resolve/main/config.json").ask(&hub);
    assert_eq!((got.status, got.header("hubwarden-status")), (401, Some("401")));
}

#[test]
fn git_is_asked_for_a_password_before_it_pushes_to_a_public_repository() {
    let hub = Service::new();
    let push = "/acme/pub.git/info/refs?service=git-receive-pack";
    let anonymous = Asked::new("GET", push).ask(&hub);
    assert_eq!(refused(&anonymous), (401, "user_right", None));
    assert!(anonymous.header("www-authenticate").is_some());
    let eve = bearer(&hub.role("eve", "write").value);
    assert_eq!(refused(&Asked::new("GET", push).with(&eve).ask(&hub)), (403, "user_right", None));
}

#[test]
fn an_ambiguous_path_is_refused_whoever_asks() {
    let hub = Service::new();
    let alice = bearer(&hub.role("alice", "write").value);
    for uri in [
        "/acme//pub/resolve/main/f",
        "/acme/../acme/pub/resolve/main/f",
        "/acme/%2e%2e/pub/resolve/main/f",
        "/acme%2fpub/resolve/main/f",
        "/acme/pub%5cx/resolve/main/f",
        "/acme/pub/resolve/main/%252e",
        "acme/pub",
        "",
    ] {
        let got = Asked::new("GET", uri).with(&alice).ask(&hub);
        assert_eq!(got.status, 400, "{uri}: {}", got.text);
    }
    let got = Asked::new("GET", "/nothing/knows/this/path").with(&alice).ask(&hub);
    assert_eq!(refused(&got), (403, "no_rule", None));
    let got = Asked::new("BREW", "/acme/pub").with(&alice).ask(&hub);
    assert_eq!(refused(&got), (403, "no_rule", None));
}

#[test]
fn a_client_cannot_have_another_request_judged_than_the_one_it_sends() {
    let hub = Service::new();
    let smuggled = [("X-Forwarded-Uri", "/acme/pub"), ("X-Forwarded-Method", "GET")];
    let got = Asked { more: &smuggled, ..Asked::new("GET", "/acme/priv") }.ask(&hub);
    assert_eq!((got.status, got.code().as_str()), (400, "invalid_request"));
    let twice = [("X-Original-URI", "/acme/pub")];
    assert_eq!(Asked { more: &twice, ..Asked::new("GET", "/acme/priv") }.ask(&hub).status, 400);
    let same = [("X-Forwarded-Uri", "/acme/pub"), ("X-Forwarded-Method", "GET")];
    assert_eq!(Asked { more: &same, ..Asked::new("GET", "/acme/pub") }.ask(&hub).status, 200);
    let key = [("Hubwarden-Key", &*hub.key)];
    assert_eq!(hub.served.send("GET", "/v1/forward-auth", &key, "").status, 400);
    let half = [("Hubwarden-Key", &*hub.key), ("X-Original-URI", "/acme/pub")];
    assert_eq!(hub.served.send("GET", "/v1/forward-auth", &half, "").status, 400);
}

#[test]
fn traefik_and_caddy_send_the_request_in_other_headers() {
    let hub = Service::new();
    let headers =
        [("Hubwarden-Key", &*hub.key), ("X-Forwarded-Method", "GET"), ("X-Forwarded-Uri", "/acme/pub/raw/main/f")];
    assert_eq!(hub.served.send("GET", "/v1/forward-auth", &headers, "").status, 200);
    assert_eq!(hub.served.send("HEAD", "/v1/forward-auth", &headers, "").status, 200);
    // Caddy appends the query of the request.
    assert_eq!(hub.served.send("GET", "/v1/forward-auth?download=true", &headers, "").status, 200);
}

#[test]
fn envoy_sends_the_request_itself_behind_the_path_and_headers_do_not_matter() {
    let hub = Service::new();
    let write = bearer(&hub.role("wanda", "write").value);
    let ask = |method: &str, path: &str, authorization: &str| {
        let headers = [
            ("Hubwarden-Key", &*hub.key),
            ("Authorization", authorization),
            ("X-Original-Method", "GET"),
            ("X-Original-URI", "/acme/pub"),
        ];
        hub.served.send(method, &format!("/v1/forward-auth{path}"), &headers, "")
    };
    let read = bearer(&hub.role("wanda", "read").value);
    for method in ["GET", "HEAD"] {
        assert_eq!(ask(method, "/acme/priv/resolve/refs%2Fpr%2F1/a/b.json?download=true", &read).status, 200);
    }
    assert_eq!(ask("POST", "/acme/priv/git-receive-pack", &write).status, 200);
    assert_eq!(ask("POST", "/acme/priv/git-receive-pack", &read).status, 403);
    assert_eq!(ask("GET", "/acme/priv.git/info/refs?service=git-receive-pack", &read).status, 403);
    assert_eq!(ask("PUT", &format!("/acme/priv.git/info/lfs/objects/{}", "0".repeat(64)), &write).status, 200);
    for path in ["/acme//priv", "/acme/..%2fpriv", "/acme/%2e%2e/priv"] {
        assert_eq!(ask("GET", path, &write).status, 400, "{path}");
    }
}

#[test]
fn inference_is_billed_to_the_caller_or_to_the_organization_that_is_named() {
    let hub = Service::new();
    let rita = bearer(&hub.role("rita", "read").value);
    let chat = || Asked::new("POST", "/v1/chat/completions");
    assert_eq!(chat().with(&rita).ask(&hub).status, 200);
    assert_eq!(refused(&chat().ask(&hub)).0, 401);
    let billed = |org| Asked { more: org, ..chat() };
    assert_eq!(billed(&[("X-HF-Bill-To", "acme")]).with(&rita).ask(&hub).status, 200);
    assert_eq!(refused(&billed(&[("X-HF-Bill-To", "beta")]).with(&rita).ask(&hub)), (403, "user_right", None));
    assert_eq!(refused(&billed(&[("X-HF-Bill-To", "a/b")]).with(&rita).ask(&hub)).0, 400);
    assert_eq!(refused(&chat().with("Bearer hf_dead").ask(&hub)), (401, "invalid_token", None));
}

#[test]
fn a_gateway_needs_a_key_in_its_own_header() {
    let hub = Service::new();
    let uri = [("X-Original-Method", "GET"), ("X-Original-URI", "/acme/pub")];
    let with = |key: Option<&str>, authorization: Option<&str>| {
        let mut headers = uri.to_vec();
        headers.extend(key.map(|key| ("Hubwarden-Key", key)));
        headers.extend(authorization.map(|value| ("Authorization", value)));
        hub.served.send("GET", "/v1/forward-auth", &headers, "")
    };
    assert_eq!(with(None, None).code(), "unauthorized");
    assert_eq!(with(None, Some(&bearer(&hub.key))).status, 401);
    // A gateway would pass a 401 on, and its clients would take their own credentials for bad ones.
    assert_eq!(with(Some("hwk_0123_wrong"), None).code(), "gateway_key");
    assert_eq!(with(Some(&hub.served.key(&[Scope::Read])), None).status, 403);
    assert_eq!(with(Some(&hub.key), None).status, 200);
    // The client's own credential is its own: an API key there is no token.
    assert_eq!(with(Some(&hub.key), Some(&bearer(&hub.key))).header("hubwarden-reason"), Some("invalid_token"));
}

#[test]
fn without_rules_nothing_is_passed_on() {
    let hub = Service::over(World::notes());
    let got = Asked::new("GET", "/acme/pub").ask(&hub);
    assert_eq!((got.status, got.code().as_str()), (404, "no_gateway_rules"));
}

#[test]
fn a_name_beyond_ascii_travels_in_headers() {
    let hub = Service::new();
    let got = hub.acting("zo%C3%AB", "POST", "/v1/users/zo%C3%AB/tokens", &json!({"name": "é😀", "role": "read"}));
    let value = bearer(got.json()["value"].as_str().unwrap());
    let allowed = Asked::new("GET", "/acme/pub").with(&value).ask(&hub);
    assert_eq!(allowed.header("hubwarden-user"), Some("zo%C3%AB"));
    let uri = "/api/models/acme/pub/discussions/1/merge";
    let refused = Asked::new("POST", uri).with(&value).ask(&hub);
    assert_eq!(refused.status, 403);
    let body: Json = serde_json::from_str(refused.header("hubwarden-body").unwrap()).unwrap();
    assert_eq!(body["error"], refused.json()["error"]);
}
