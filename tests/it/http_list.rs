//! `GET /v1/entities`: pages.

use hubwarden::http::Limits;
use hubwarden::warden::Scope;
use proptest::prelude::*;
use serde_json::{Value as Json, json};

use crate::http_support::{Served, World};

fn teams(count: usize) -> (Served, String) {
    let mut world = World::notes();
    world.entities.extend((0..count).map(|n| json!({"uid": {"type": "Team", "id": format!("t/{n:03}")}})));
    let served = World { limits: Limits { page: 50, ..Limits::default() }, ..world }.serve();
    let key = served.key(&[Scope::Read]);
    (served, key)
}

fn ids(page: &Json) -> Vec<String> {
    page["entities"].as_array().unwrap().iter().map(|e| e["uid"]["id"].as_str().unwrap().to_owned()).collect()
}

#[test]
fn pages_are_whole_and_together_the_list() {
    let (served, key) = teams(25);
    let mut listed = Vec::new();
    let mut path = "/v1/entities?type=team&prefix=t%2F&limit=10".to_owned();
    let mut sizes = Vec::new();
    loop {
        let page = served.get(&key, &path).json();
        sizes.push(ids(&page).len());
        listed.extend(ids(&page));
        match page["next_page_token"].as_str() {
            Some(token) => path = format!("/v1/entities?type=Team&prefix=t/&page_token={token}"),
            None => break,
        }
    }
    assert_eq!(sizes, [10, 10, 5]);
    let expected: Vec<String> = (0..25).map(|n| format!("t/{n:03}")).collect();
    assert_eq!(listed, expected);
}

#[test]
fn a_list_without_filters_is_in_byte_order_of_type_then_id() {
    let (served, key) = teams(2);
    let page = served.get(&key, "/v1/entities").json();
    assert_eq!(ids(&page), ["n1", "t/000", "t/001", "alice", "bob"]);
    assert_eq!(page["next_page_token"], Json::Null);
    assert_eq!(page["revision"], page["started_at"]);
}

#[test]
fn a_page_says_when_the_list_changed_under_it() {
    let (served, key) = teams(5);
    let first = served.get(&key, "/v1/entities?type=Team&limit=2").json();
    let writer = served.key(&[Scope::Write]);
    served.with_body("PUT", &writer, "/v1/entities/Team/t/009", &json!({}));
    let token = first["next_page_token"].as_str().unwrap();
    let next = served.get(&key, &format!("/v1/entities?type=Team&page_token={token}")).json();
    assert_eq!(next["started_at"], first["revision"]);
    assert!(next["revision"].as_u64() > next["started_at"].as_u64());
}

#[test]
fn a_token_goes_on_with_its_own_list_only() {
    let (served, key) = teams(5);
    let first = served.get(&key, "/v1/entities?type=Team&prefix=t&limit=2").json();
    let token = first["next_page_token"].as_str().unwrap();
    for (query, status) in [
        ("type=Team&prefix=t", 200),
        ("type=Team&prefix=t&limit=2", 200),
        ("type=Team&prefix=t&limit=3", 400),
        ("type=Team&prefix=t/", 400),
        ("type=Team", 400),
        ("type=User&prefix=t", 400),
        ("prefix=t", 400),
        ("", 400),
    ] {
        assert_eq!(served.get(&key, &format!("/v1/entities?{query}&page_token={token}")).status, status, "{query}");
    }
    let (other, other_key) = teams(5);
    let got = other.get(&other_key, &format!("/v1/entities?type=Team&prefix=t&page_token={token}"));
    assert_eq!((got.status, got.code().as_str()), (400, "invalid_page_token"));
}

#[test]
fn queries_that_make_no_sense_are_400s_that_name_the_parameter() {
    let (served, key) = teams(1);
    for (query, field) in [
        ("limit=0", "limit"),
        ("limit=51", "limit"),
        ("limit=x", "limit"),
        ("limit=-1", "limit"),
        ("type=Robot", "type"),
        ("typ=Team", "typ"),
        ("prefix=%FF", "query"),
        ("prefix=a&prefix=b", "prefix"),
        ("page_token=", "page_token"),
    ] {
        let got = served.get(&key, &format!("/v1/entities?{query}"));
        assert_eq!((got.status, got.field().as_str()), (400, field), "{query}: {}", got.text);
    }
}

#[test]
fn forged_tokens_are_refused() {
    let (served, key) = teams(5);
    let first = served.get(&key, "/v1/entities?limit=2").json();
    let token = first["next_page_token"].as_str().unwrap().to_owned();
    proptest!(crate::support::cases(64), |(at in 0..1000usize, byte in "[A-Za-z0-9_-]", tail in "[A-Za-z0-9_-]{0,8}")| {
        let at = at % token.len();
        let mut forged = token.clone();
        forged.replace_range(at..=at, &byte);
        forged.push_str(&tail);
        prop_assume!(forged != token);
        let got = served.get(&key, &format!("/v1/entities?page_token={forged}"));
        prop_assert_eq!((got.status, got.code()), (400, "invalid_page_token".to_owned()));
    });
}
