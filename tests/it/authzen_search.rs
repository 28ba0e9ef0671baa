//! AuthZEN search: the certification's checks, pages, and the hub's own searches.

use hubwarden::http::Limits;
use hubwarden::warden::Scope;
use serde_json::{Value as Json, json};

use crate::authzen_support::{Certified, record, user};
use crate::http_support::{Got, Served, World};

fn search(certified: &Certified, what: &str, body: &Json) -> Got {
    certified.served.post(&certified.key, &format!("/access/v1/search/{what}"), body)
}

/// The ids, or the names, of a page's results.
fn results(got: &Got) -> Vec<String> {
    assert_eq!(got.status, 200, "{}", got.text);
    let json = got.json();
    let id = |result: &Json| result.get("id").unwrap_or(&result["name"]).as_str().unwrap().to_owned();
    json["results"].as_array().unwrap().iter().map(id).collect()
}

fn typed(name: &str) -> Json {
    json!({"type": name})
}

fn read() -> Json {
    json!({"name": "read"})
}

fn who_reads() -> Json {
    json!({"subject": typed("user"), "action": read(), "resource": record("record-1")})
}

#[test]
fn a_subject_search_names_who_may() {
    let certified = Certified::new();
    let got = search(&certified, "subject", &who_reads());
    // Exactly so, and `type` before `id`: strict harnesses compare texts.
    assert_eq!(got.text, r#"{"results":[{"type":"user","id":"alice"},{"type":"user","id":"bob"}]}"#);
    assert_eq!(got.header("hubwarden-search"), Some("scan"));
}

#[test]
fn context_and_unknown_fields_are_taken() {
    let certified = Certified::new();
    let mut body = who_reads();
    body["context"] = json!({"time": "2026-01-01T00:00:00Z"});
    body["futureField"] = json!({"nested": true});
    assert_eq!(results(&search(&certified, "subject", &body)), ["alice", "bob"]);
    let body = json!({"subject": user("alice"), "resource": record("record-1"), "context": {"ip": "192.168.1.1"}});
    assert_eq!(results(&search(&certified, "action", &body)), ["read", "write"]);
}

#[test]
fn the_id_of_what_is_sought_is_ignored() {
    let certified = Certified::new();
    let mut body = who_reads();
    body["subject"] = user("nobody");
    assert_eq!(results(&search(&certified, "subject", &body)), ["alice", "bob"]);
    let body = json!({"subject": user("alice"), "action": read(), "resource": record("nothing")});
    assert_eq!(results(&search(&certified, "resource", &body)), ["record-1", "record-2"]);
}

#[test]
fn a_resource_search_names_on_what_they_may() {
    let certified = Certified::new();
    let body = json!({"subject": user("alice"), "action": {"name": "write"}, "resource": typed("record")});
    assert_eq!(results(&search(&certified, "resource", &body)), ["record-1"]);
    assert_eq!(search(&certified, "resource", &body).text, r#"{"results":[{"type":"record","id":"record-1"}]}"#);
}

#[test]
fn an_action_search_names_what_they_may_and_ignores_an_action() {
    let certified = Certified::new();
    let body = json!({"subject": user("alice"), "resource": record("record-1"), "action": {"name": 7}});
    assert_eq!(search(&certified, "action", &body).text, r#"{"results":[{"name":"read"},{"name":"write"}]}"#);
}

#[test]
fn properties_stand_over_what_is_stored() {
    let certified = Certified::new();
    let archived = json!({"type": "record", "id": "record-2", "properties": {"status": "archived"}});
    let body = json!({"subject": typed("user"), "action": {"name": "write"}, "resource": archived});
    assert_eq!(results(&search(&certified, "subject", &body)), ["bob"]);
    let admin = json!({"type": "user", "id": "bob", "properties": {"role": "admin"}});
    let body = json!({"subject": admin, "action": {"name": "write"}, "resource": typed("record")});
    assert_eq!(results(&search(&certified, "resource", &body)), ["record-2"]);
    let body = json!({"subject": admin, "resource": archived});
    assert_eq!(results(&search(&certified, "action", &body)), ["read", "write"]);
    // Also over every candidate.
    let admins = json!({"type": "user", "properties": {"role": "admin"}});
    let body = json!({"subject": admins, "action": {"name": "write"}, "resource": record("record-2")});
    assert_eq!(results(&search(&certified, "subject", &body)), ["alice", "bob"]);
    let all_archived = json!({"type": "record", "properties": {"status": "archived"}});
    let body = json!({"subject": user("bob"), "action": {"name": "write"}, "resource": all_archived});
    assert_eq!(results(&search(&certified, "resource", &body)), ["record-1", "record-2"]);
}

#[test]
fn properties_need_the_right_to_write() {
    let certified = Certified::new();
    let key = certified.served.key(&[Scope::Evaluate]);
    let archived = json!({"type": "record", "id": "record-2", "properties": {"status": "archived"}});
    let body = json!({"subject": typed("user"), "action": {"name": "write"}, "resource": archived});
    assert_eq!(certified.served.post(&key, "/access/v1/search/subject", &body).status, 403);
    let sought = json!({"type": "record", "properties": {"status": "archived"}});
    let body = json!({"subject": user("bob"), "action": {"name": "write"}, "resource": sought});
    assert_eq!(certified.served.post(&key, "/access/v1/search/resource", &body).status, 403);
}

#[test]
fn what_is_unknown_has_no_results() {
    let certified = Certified::new();
    let none = r#"{"results":[]}"#;
    let nobody = json!({"subject": user("nonexistent-user"), "resource": record("record-1")});
    assert_eq!(search(&certified, "action", &nobody).text, none);
    let spaceships = json!({"subject": typed("spaceship"), "action": read(), "resource": record("record-1")});
    assert_eq!(search(&certified, "subject", &spaceships).text, none);
    let mut body = who_reads();
    body["action"] = json!({"name": "launch"});
    assert_eq!(search(&certified, "subject", &body).text, none);
    body["resource"] = json!({"type": "planet", "id": "mars"});
    assert_eq!(search(&certified, "subject", &body).text, none);
    let body = json!({"subject": user("nobody"), "action": read(), "resource": typed("record")});
    assert_eq!(search(&certified, "resource", &body).text, none);
    // Types the wrong way round.
    let body = json!({"subject": record("record-1"), "action": read(), "resource": typed("user")});
    assert_eq!(search(&certified, "resource", &body).text, none);
}

#[test]
fn what_is_missing_or_of_another_form_is_a_400_that_names_it() {
    let certified = Certified::new();
    let refused = |what: &str, body: Json, field: &str| {
        let got = search(&certified, what, &body);
        assert_eq!((got.status, got.field().as_str()), (400, field), "{body}");
    };
    refused("subject", json!({"subject": typed("user"), "resource": record("record-1")}), "action");
    refused("resource", json!({"action": read(), "resource": typed("record")}), "subject");
    refused("action", json!({"subject": user("alice")}), "resource");
    refused("subject", json!({"subject": typed("user"), "action": read(), "resource": typed("record")}), "resource.id");
    refused("resource", json!({"subject": typed("user"), "action": read(), "resource": typed("record")}), "subject.id");
    refused("action", json!({"subject": typed("user"), "resource": record("record-1")}), "subject.id");
    refused("subject", json!({"subject": {}, "action": read(), "resource": record("record-1")}), "subject.type");
    for (page, field) in [
        (json!("next"), "page"),
        (json!({"token": 7}), "page.token"),
        (json!({"limit": -1}), "page.limit"),
        (json!({"limit": 1.5}), "page.limit"),
        (json!({"properties": {"any_revision": "yes"}}), "page.properties.any_revision"),
        (json!({"token": "forged"}), "page.token"),
    ] {
        let mut body = who_reads();
        body["page"] = page;
        refused("subject", body, field);
    }
}

#[test]
fn pages_go_by_token_and_keep_their_size() {
    let certified = Certified::new();
    let mut body = who_reads();
    body["page"] = json!({"limit": 1});
    let first = search(&certified, "subject", &body);
    assert_eq!(results(&first), ["alice"]);
    assert_eq!(first.json().as_object().unwrap().keys().next().unwrap(), "page");
    assert_eq!(first.json()["page"]["count"], 1);
    let token = first.json()["page"]["next_token"].clone();
    assert_ne!(token, "");
    // Without the limit, as the standard's own example has it; a limit of its own must be the same.
    body["page"] = json!({"token": token});
    let second = search(&certified, "subject", &body);
    assert_eq!(results(&second), ["bob"]);
    assert_eq!(second.json()["page"], json!({"next_token": "", "count": 1}));
    body["page"]["limit"] = json!(1);
    assert_eq!(results(&search(&certified, "subject", &body)), ["bob"]);
    body["page"]["limit"] = json!(2);
    let refused = search(&certified, "subject", &body);
    assert_eq!((refused.status, refused.field().as_str()), (400, "page.limit"));
    // The same search in other words, and another search.
    body["page"] = json!({"token": token});
    body["foo"] = json!("bar");
    assert_eq!(results(&search(&certified, "subject", &body)), ["bob"]);
    body["resource"] = record("record-2");
    assert_eq!(search(&certified, "subject", &body).code(), "invalid_page_token");
    body["resource"] = record("record-1");
    assert_eq!(search(&certified, "resource", &body).status, 400);
    // Of no results at all.
    body["page"] = json!({"limit": 0});
    let none = search(&certified, "subject", &body);
    assert!(results(&none).is_empty());
    assert_ne!(none.json()["page"]["next_token"], "");
}

#[test]
fn actions_go_by_pages_too() {
    let certified = Certified::new();
    let mut body = json!({"subject": user("alice"), "resource": record("record-1"), "page": {"limit": 1}});
    let first = search(&certified, "action", &body);
    assert_eq!(results(&first), ["read"]);
    body["page"] = json!({"token": first.json()["page"]["next_token"]});
    let second = search(&certified, "action", &body);
    assert_eq!((results(&second), second.json()["page"]["next_token"].clone()), (vec!["write".to_owned()], json!("")));
}

#[test]
fn a_token_is_stale_after_a_change_unless_any_revision_will_do() {
    let certified = Certified::new();
    let pages = |properties: Json| {
        let mut body = who_reads();
        body["page"] = json!({"limit": 1, "properties": properties});
        let token = search(&certified, "subject", &body).json()["page"]["next_token"].clone();
        body["page"] = json!({"token": token});
        body
    };
    let (strict, loose) = (pages(json!({})), pages(json!({"any_revision": true})));
    let put = certified.served.with_body("PUT", &certified.key, "/v1/entities/user/aaron", &json!({}));
    assert!((200..300).contains(&put.status), "{}", put.text);
    let stale = search(&certified, "subject", &strict);
    assert_eq!((stale.status, stale.code().as_str()), (400, "stale_page_token"));
    assert_eq!(results(&search(&certified, "subject", &loose)), ["bob"]);
}

#[test]
fn results_of_the_hub_come_from_the_index_and_from_no_scan() {
    let served = World::cast().serve();
    let key = served.key(&[Scope::Evaluate]);
    let ask = |what: &str, body: Json| {
        let got = served.post(&key, &format!("/access/v1/search/{what}?explain=true"), &body);
        assert_eq!(got.json()["context"]["way"], "index", "{body}");
        assert_eq!(got.header("hubwarden-search"), Some("index"));
        results(&got)
    };
    let reader = served.key(&[Scope::Read]);
    let repos = served.get(&reader, "/v1/entities?type=repo&limit=1000").json();
    let repos: Vec<&str> =
        repos["entities"].as_array().unwrap().iter().map(|repo| repo["uid"]["id"].as_str().unwrap()).collect();
    let allowed = |subject: &Json, action: &str, repo: &str| {
        let body = json!({"subject": subject, "action": {"name": action}, "resource": {"type": "repo", "id": repo}});
        served.post(&key, "/access/v1/evaluation", &body).json()["decision"] == true
    };
    let mut found = 0;
    for subject in
        served.get(&reader, "/v1/entities?type=access_token&limit=1000").json()["entities"].as_array().unwrap()
    {
        let subject = json!({"type": "access_token", "id": subject["uid"]["id"]});
        let body = json!({"subject": subject, "action": {"name": "repo.write"}, "resource": {"type": "repo"}});
        let truth: Vec<&str> = repos.iter().filter(|repo| allowed(&subject, "repo.write", repo)).copied().collect();
        assert_eq!(ask("resource", body), truth, "{subject}");
        found += truth.len();
    }
    assert!(found > 0);
}

#[test]
fn a_search_shows_nobody_what_they_may_not_see() {
    let served = World::hub().serve();
    let key = served.key(&[Scope::Evaluate]);
    let body = json!({"subject": user("bob"), "action": {"name": "repo.read"}, "resource": {"type": "repo"}});
    let seen = results(&served.post(&key, "/access/v1/search/resource", &body));
    assert!(!seen.contains(&"models/acme/m1".to_owned()), "{seen:?}");
}

#[test]
fn a_page_that_runs_out_of_time_is_given_as_far_as_it_is() {
    let mut world = World::notes();
    world.limits = Limits { search_page: std::time::Duration::ZERO, ..Limits::default() };
    let served = world.serve();
    let key = served.key(&[Scope::Evaluate]);
    let mut body = json!({"subject": user("alice"), "action": {"name": "read"}, "resource": {"type": "note"}});
    let got = served.post(&key, "/access/v1/search/resource", &body);
    assert!(results(&got).is_empty());
    let token = got.json()["page"]["next_token"].clone();
    assert_ne!(token, "", "an empty page with a token is not the end");
    body["page"] = json!({"token": token});
    assert_eq!(served.post(&key, "/access/v1/search/resource", &body).status, 200);
}

#[test]
fn the_metadata_lists_the_search_endpoints() {
    let served: Served = World::hub().serve();
    let got = served.send("GET", "/.well-known/authzen-configuration", &[], "").json();
    for what in ["subject", "resource", "action"] {
        let endpoint = got[format!("search_{what}_endpoint")].as_str().unwrap();
        assert!(endpoint.ends_with(&format!("/access/v1/search/{what}")), "{endpoint}");
    }
}
