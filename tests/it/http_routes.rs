//! The table of routes, walked: nobody gets past without a key, nor with a key of another scope.

use std::io::{Read, Write};
use std::net::TcpStream;

use hubwarden::http::{Access, Effect, Route, Verb, routes};
use hubwarden::warden::Scope;

use crate::http_support::{Served, World, bearer};

/// A path that the route matches.
fn path(route: &Route) -> String {
    let segments = route.path.split('/').map(|segment| match segment {
        "{type}" => "User",
        "{*id}" => "a/b",
        "{*target}" => "acme/m1",
        "{id}" => "0123",
        segment if segment.starts_with('{') => "acme",
        segment => segment,
    });
    segments.collect::<Vec<_>>().join("/")
}

fn method(route: &Route) -> &'static str {
    match route.verb {
        Verb::Get => "GET",
        Verb::Post => "POST",
        Verb::Put => "PUT",
        Verb::Patch => "PATCH",
        Verb::Delete => "DELETE",
    }
}

/// The scopes that a route asks of a key, if it asks for one.
fn scopes(route: &Route) -> Option<&'static [Scope]> {
    match route.access {
        Access::Scopes(needed) | Access::Gateway(needed) => Some(needed),
        Access::Public | Access::Client => None,
    }
}

/// Where a route looks for its key.
fn key_header(route: &Route, key: &str) -> (&'static str, String) {
    match route.access {
        Access::Gateway(_) => ("Hubwarden-Key", key.to_owned()),
        _ => ("Authorization", bearer(key)),
    }
}

fn closed() -> Served {
    let served = World::notes().serve();
    served.key(&[Scope::Admin]);
    served
}

#[test]
fn every_route_but_the_public_ones_answers_401_without_a_key() {
    let served = closed();
    for route in routes() {
        let got = served.send(method(route), &path(route), &[("Content-Type", "application/json")], "{}");
        match route.access {
            Access::Public => assert_eq!(got.status, 200, "{}", route.path),
            // What they present is a token, and they may present none.
            Access::Client => assert_ne!(got.header("www-authenticate"), Some("Bearer realm=\"hubwarden\"")),
            Access::Scopes(_) | Access::Gateway(_) => {
                assert_eq!(got.status, 401, "{} {}", method(route), route.path);
                assert_eq!(got.code(), "unauthorized");
                assert_eq!(got.header("www-authenticate"), Some("Bearer realm=\"hubwarden\""));
            }
        }
    }
}

#[test]
fn only_liveness_readiness_and_metadata_are_public() {
    let public: Vec<&str> =
        routes().iter().filter(|route| route.access == Access::Public).map(|route| route.path).collect();
    assert_eq!(public, ["/.well-known/authzen-configuration", "/health/live", "/health/ready"]);
}

#[test]
fn every_route_answers_403_to_a_key_of_the_wrong_scopes() {
    let served = closed();
    for route in routes() {
        let Some(needed) = scopes(route) else { continue };
        let others: Vec<Scope> = Scope::ALL.into_iter().filter(|scope| !needed.contains(scope)).collect();
        if others.is_empty() {
            continue;
        }
        let key = served.key(&others);
        let headers = [key_header(route, &key), ("Content-Type", "application/json".to_owned())];
        let headers = headers.each_ref().map(|(name, value)| (*name, value.as_str()));
        let got = served.send(method(route), &path(route), &headers, "{}");
        assert_eq!(got.status, 403, "{} {}", method(route), route.path);
        assert_eq!(got.code(), "scope");
        for scope in needed {
            assert!(got.text.contains(scope.name()), "{}", got.text);
        }
    }
}

#[test]
fn every_route_lets_each_of_its_scopes_in() {
    for route in routes() {
        let Some(needed) = scopes(route) else { continue };
        for scope in needed {
            let served = closed();
            let key = served.key(&[*scope]);
            let headers = [key_header(route, &key), ("Content-Type", "application/json".to_owned())];
            let headers = headers.each_ref().map(|(name, value)| (*name, value.as_str()));
            let got = served.send(method(route), &path(route), &headers, "{}");
            assert!(!matches!(got.status, 401 | 403 | 405 | 500), "{} {}: {}", method(route), route.path, got.text);
        }
    }
}

#[test]
fn every_route_that_changes_something_needs_a_scope_for_it() {
    for route in routes().iter().filter(|route| route.effect == Effect::Changes) {
        // Whoever finds a token may report it.
        if route.path == "/api/credentials/revoke" {
            assert_eq!(route.access, Access::Client);
            continue;
        }
        let Access::Scopes(needed) = route.access else { panic!("{} is public", route.path) };
        let changing = |scope: &Scope| matches!(scope, Scope::Write | Scope::Admin | Scope::Tokens);
        assert!(needed.iter().all(changing), "{}", route.path);
    }
}

#[test]
fn a_stranger_learns_neither_paths_nor_methods() {
    let served = closed();
    for (method, path) in [("GET", "/nothing"), ("GET", "/v1"), ("DELETE", "/v1/authorize"), ("PUT", "/metrics")] {
        let got = served.send(method, path, &[], "");
        assert_eq!((got.status, got.header("allow")), (401, None), "{method} {path}");
    }
}

#[test]
fn a_caller_with_a_key_gets_404_and_405_in_the_one_envelope() {
    let served = closed();
    let key = served.key(&[Scope::Audit]);
    let got = served.get(&key, "/nothing");
    assert_eq!((got.status, got.code().as_str()), (404, "not_found"));
    let got = served.get(&key, "/v1/authorize");
    assert_eq!((got.status, got.code().as_str()), (405, "method_not_allowed"));
    assert_eq!(got.header("allow"), Some("POST"));
}

#[test]
fn a_head_is_answered_as_its_get_is_without_the_body() {
    let served = closed();
    let mut stream = TcpStream::connect(served.base.strip_prefix("http://").unwrap()).unwrap();
    stream.write_all(b"HEAD /health/live HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n").unwrap();
    let mut text = String::new();
    stream.read_to_string(&mut text).unwrap();
    let length = served.send("GET", "/health/live", &[], "").text.len();
    assert!(text.starts_with("HTTP/1.1 200") && text.ends_with("\r\n\r\n"), "{text}");
    assert!(text.contains(&format!("content-length: {length}\r\n")), "{text}");
}

#[test]
fn the_description_lists_exactly_the_routes() {
    let served = closed();
    let described = served.get(&served.key(&[Scope::Read]), "/openapi.json").json();
    assert_eq!(described["openapi"].as_str().unwrap().split('.').take(2).collect::<Vec<_>>(), ["3", "1"]);
    let mut listed: Vec<(String, String)> = Vec::new();
    for (path, operations) in described["paths"].as_object().unwrap() {
        for (method, operation) in operations.as_object().unwrap() {
            listed.push((path.clone(), method.to_uppercase()));
            assert!(operation["responses"]["default"].is_object(), "{path} {method}");
        }
    }
    // What another request stands behind is described by the route without it.
    let described = routes().iter().filter(|route| !route.path.ends_with("/{*target}"));
    let mut expected: Vec<(String, String)> =
        described.map(|route| (route.path.replace("{*", "{"), method(route).to_owned())).collect();
    listed.sort();
    expected.sort();
    assert_eq!(listed, expected);
}

#[test]
fn every_type_that_the_description_refers_to_is_in_it() {
    let served = closed();
    let text = served.get(&served.key(&[Scope::Read]), "/openapi.json").text;
    let described: serde_json::Value = serde_json::from_str(&text).unwrap();
    for rest in text.split("\"#/components/schemas/").skip(1) {
        let name = rest.split('"').next().unwrap();
        assert!(described["components"]["schemas"][name].is_object(), "{name}");
    }
}
