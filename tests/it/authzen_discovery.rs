//! AuthZEN certification, level Discovery.

use hubwarden::http::routes;
use serde_json::json;

use crate::http_support::World;

const PATH: &str = "/.well-known/authzen-configuration";

#[test]
fn metadata_lists_the_endpoints_there_are_under_the_public_url() {
    let served = World { public_url: Some("https://pdp.example/".to_owned()), ..World::notes() }.serve();
    let got = served.send("GET", PATH, &[], "");
    assert_eq!(got.status, 200);
    assert_eq!(got.header("content-type"), Some("application/json"));
    assert_eq!(got.json()["policy_decision_point"], "https://pdp.example");
    for (name, url) in got.json().as_object().unwrap() {
        let path = url.as_str().unwrap().strip_prefix("https://pdp.example").unwrap();
        assert!(name == "policy_decision_point" || routes().iter().any(|route| route.path == path), "{name}");
    }
    let endpoints = got.json();
    assert_eq!(endpoints["access_evaluation_endpoint"], json!("https://pdp.example/access/v1/evaluation"));
    assert_eq!(endpoints["access_evaluations_endpoint"], json!("https://pdp.example/access/v1/evaluations"));
}

#[test]
fn metadata_needs_no_key_and_says_where_the_server_listens_by_default() {
    let served = World::notes().serve();
    served.all();
    let got = served.send("GET", PATH, &[], "");
    assert_eq!(got.json()["policy_decision_point"], served.base);
}

#[test]
fn a_forged_host_does_not_change_what_is_published() {
    let served = World::notes().serve();
    served.all();
    for header in ["Host", "X-Forwarded-Host", "Forwarded"] {
        let got = served.send("GET", PATH, &[(header, "evil.example")], "");
        assert_eq!(got.status, 200);
        assert!(!got.text.contains("evil"), "{}", got.text);
    }
}
