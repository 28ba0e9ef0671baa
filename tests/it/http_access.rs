//! Who may call, with a key, with another one, without any.

use hubwarden::http::{ServeError, ServeOptions, Server};
use hubwarden::warden::Scope;

use crate::http_support::{World, bearer, hub, key_id};

fn refused_to_start(listen: &str, keys: bool) -> Option<ServeError> {
    let warden = World::notes().warden();
    if keys {
        warden.keys().create("k", [Scope::Read].into()).unwrap();
    }
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    runtime.block_on(Server::start(ServeOptions::new(listen.parse().unwrap(), hub(warden)))).err()
}

#[test]
fn without_keys_only_this_machine_is_served() {
    assert!(refused_to_start("127.0.0.1:0", false).is_none());
    for listen in ["0.0.0.0:0", "[::]:0"] {
        let error = refused_to_start(listen, false).unwrap().to_string();
        assert!(error.contains("no API key exists") && error.contains("hubwarden key create"), "{error}");
    }
    assert!(refused_to_start("0.0.0.0:0", true).is_none());
}

#[test]
fn anon_may_do_everything_on_an_open_server() {
    let served = World::notes().serve();
    assert_eq!(served.send("GET", "/v1/entities", &[], "").status, 200);
    assert_eq!(served.send("GET", "/v1/keys", &[], "").status, 200);
}

#[test]
fn a_browser_that_was_lured_to_an_open_server_is_refused() {
    let served = World::notes().serve();
    let port = served.base.rsplit(':').next().unwrap();
    for (name, value) in [
        ("Host", "evil.example"),
        ("Host", "127.0.0.1.evil.example"),
        ("Origin", "https://evil.example"),
        ("Origin", "null"),
    ] {
        for path in ["/v1/entities", "/health/live", "/nothing"] {
            let got = served.send("GET", path, &[(name, value)], "");
            assert_eq!((got.status, got.code().as_str()), (403, "not_local"), "{name}: {value}");
        }
    }
    for (name, value) in [("Host", format!("localhost:{port}")), ("Origin", format!("http://localhost:{port}"))] {
        assert_eq!(served.send("GET", "/v1/entities", &[(name, &value)], "").status, 200, "{name}: {value}");
    }
}

#[test]
fn the_first_key_closes_an_open_server_for_good() {
    let served = World::notes().serve();
    let key = served.key(&[Scope::Admin]);
    assert_eq!(served.send("GET", "/v1/keys", &[], "").status, 401);
    let id = served.get(&key, "/v1/keys").json()["keys"][0]["id"].as_str().unwrap().to_owned();
    served.warden.keys().delete(&id).unwrap();
    assert_eq!(served.send("GET", "/v1/keys", &[], "").status, 401);
}

#[test]
fn with_keys_the_host_may_be_any_name() {
    let served = World::notes().serve();
    let key = bearer(&served.all());
    let headers = [("Authorization", key.as_str()), ("Host", "warden.internal")];
    assert_eq!(served.send("GET", "/v1/entities", &headers, "").status, 200);
}

#[test]
fn a_key_that_is_not_quite_one_is_refused() {
    let served = World::notes().serve();
    let key = served.all();
    let id = key_id(&key);
    let mut other = key.clone();
    other.pop();
    for value in [
        format!("Bearer {other}"),
        format!("Bearer {key}x"),
        format!("Bearer hwk_{id}_"),
        "Bearer hwk__".to_owned(),
        "Bearer ".to_owned(),
        "Bearer".to_owned(),
        format!("Basic {key}"),
        format!("Bearer {}", key.to_uppercase()),
        key.replace("hwk_", "hwk"),
        String::new(),
    ] {
        let got = served.send("GET", "/v1/entities", &[("Authorization", &value)], "");
        assert_eq!(got.status, 401, "{value}");
        assert!(!got.text.contains(id), "{}", got.text);
    }
    for value in [format!("Bearer {key}"), format!("bearer {key}"), key.clone()] {
        assert_eq!(served.send("GET", "/v1/entities", &[("Authorization", &value)], "").status, 200);
    }
    let twice = [("Authorization", &*bearer(&key)), ("Authorization", "Bearer x")];
    assert_eq!(served.send("GET", "/v1/entities", &twice, "").status, 401);
}

#[test]
fn a_deleted_key_is_refused_from_the_next_request_on() {
    let served = World::notes().serve();
    let (admin, other) = (served.key(&[Scope::Admin]), served.key(&[Scope::Read]));
    let id = key_id(&other);
    assert_eq!(served.get(&other, "/v1/entities").status, 200);
    assert_eq!(served.send("DELETE", &format!("/v1/keys/{id}"), &[("Authorization", &bearer(&admin))], "").status, 200);
    assert_eq!(served.get(&other, "/v1/entities").status, 401);
}

#[test]
fn every_reply_to_a_caller_with_a_key_carries_the_revision_and_the_bundle() {
    let served = World::notes().serve();
    let key = served.key(&[Scope::Read]);
    let revision = served.warden.revision().unwrap().to_string();
    for (path, status) in [("/v1/entities", 200), ("/v1/keys", 403), ("/nothing", 404), ("/health/live", 200)] {
        let got = served.get(&key, path);
        assert_eq!(got.status, status);
        assert_eq!(got.header("hubwarden-revision"), Some(revision.as_str()), "{path}");
        assert_eq!(got.header("hubwarden-bundle"), Some(served.warden.bundle().hash()), "{path}");
    }
    let stranger = served.send("GET", "/health/live", &[], "");
    assert_eq!(stranger.header("hubwarden-revision").or(stranger.header("hubwarden-bundle")), None);
}

#[test]
fn readiness_tells_details_to_callers_with_a_key_only() {
    let served = World::notes().serve();
    let key = served.key(&[Scope::Audit]);
    assert_eq!(served.send("GET", "/health/ready", &[], "").text, "{\"status\":\"ready\"}");
    let got = served.get(&key, "/health/ready").json();
    assert_eq!(got["bundle"]["hash"], served.warden.bundle().hash());
    assert!(got["revision"].is_u64());
    served.warden.close().unwrap();
    let got = served.send("GET", "/health/ready", &[], "");
    assert_eq!((got.status, got.text.as_str()), (503, "{\"status\":\"unready\"}"));
    assert_eq!(served.send("GET", "/health/live", &[], "").status, 200);
}
