//! `hubwarden token reach`, `who-can` and `verify-search`.

use std::path::Path;

use tempfile::TempDir;

use crate::program::{Serving, run};

/// The demonstration's entities in a store of their own.
fn store(folder: &Path) {
    let server = Serving::demo();
    assert_eq!(run(folder, &["export", "--server", &server.url, "--output", "hub.ndjson"]).code, 0);
    assert_eq!(run(folder, &["import", "--data", "store", "hub.ndjson"]).code, 0);
}

#[test]
fn the_reach_of_a_token_is_told_the_worst_first() {
    let folder = TempDir::new().unwrap();
    store(folder.path());
    let told = run(folder.path(), &["token", "reach", "--data", "store", "alice-ci"]);
    assert_eq!(told.code, 0, "{}", told.stderr);
    let lines: Vec<&str> = told.stdout.lines().collect();
    assert_eq!(lines[0], "token alice-ci of alice: 10 things that not anybody may do");
    assert_eq!(lines[1], "Organization:acme");
    assert!(lines[2].starts_with("  8  ") && lines[2].ends_with("models/acme/m2"), "{}", told.stdout);
    assert!(lines.contains(&"anybody may, too"));
    assert!(told.stderr.contains("As of revision 2"), "{}", told.stderr);
    let csv = run(folder.path(), &["token", "reach", "--data", "store", "alice-ci", "--output", "csv"]).stdout;
    assert!(csv.starts_with("place,harm,action,type,count,first\r\nOrganization:acme,8,"), "{csv}");
    let json = run(folder.path(), &["token", "reach", "--data", "store", "alice-ci", "--format", "json"]).json();
    assert_eq!((json["total"].as_u64(), json["complete"].as_bool()), (Some(10), Some(true)));
    let page = run(folder.path(), &["token", "reach", "--data", "store", "alice-ci", "--output", "html"]).stdout;
    assert!(page.starts_with("<!doctype html>") && !page.contains("http"), "{page}");
    let none = run(folder.path(), &["token", "reach", "--data", "store", "nothing"]);
    assert_eq!((none.code, none.stdout.as_str()), (1, ""));
    assert!(none.stderr.contains("there is no token `nothing`"), "{}", none.stderr);
}

#[test]
fn a_review_tells_who_may_and_by_what_from_a_store_and_a_server() {
    let folder = TempDir::new().unwrap();
    let server = Serving::demo();
    let told = run(folder.path(), &["who-can", "repo.write", "models/acme/m1", "--server", &server.url]);
    assert_eq!(told.code, 0, "{}", told.stderr);
    let step = "    principal in resource.organization.writers: alice > acme/write";
    assert!(told.stdout.starts_with("User:alice\n") && told.stdout.contains(step), "{}", told.stdout);
    assert!(told.stdout.contains("AccessToken:alice-laptop of alice\n"), "{}", told.stdout);
    store(folder.path());
    let here = run(folder.path(), &["who-can", "repo.write", "models/acme/m1", "--data", "store"]);
    assert_eq!(here.stdout, told.stdout);
    let csv = run(folder.path(), &["who-can", "repo.write", "repo:models/acme/m1", "--data", "store", "-o", "csv"]);
    assert!(csv.stdout.starts_with("type,id,acts for,policy,comment,path\r\nHub::User,alice,,"), "{}", csv.stdout);
    let some = run(folder.path(), &["who-can", "repo.read", "models/acme/gated", "--data", "store", "--limit", "1"]);
    assert!(some.stderr.contains("1 may, and there are more"), "{}", some.stderr);
    let nobody = run(folder.path(), &["who-can", "org.write", "acme", "--data", "store"]);
    assert_eq!((nobody.code, nobody.stdout.as_str()), (0, "nobody\n"));
    let unknown = run(folder.path(), &["who-can", "repo.create", "acme", "--data", "store"]);
    assert_eq!(unknown.code, 4, "{}", unknown.stderr);
    assert!(unknown.stderr.contains("`type:id`"), "{}", unknown.stderr);
}

#[test]
fn every_search_of_a_store_is_compared_with_looking_at_everything() {
    let folder = TempDir::new().unwrap();
    store(folder.path());
    let told = run(folder.path(), &["verify-search", "--data", "store", "--each", "0"]);
    assert_eq!(told.code, 0, "{}", told.stderr);
    assert!(told.stdout.contains("the same by index as by looking at everything"), "{}", told.stdout);
    let json = run(folder.path(), &["verify-search", "--data", "store", "--format", "json"]).json();
    assert_eq!(json["differences"].as_array().unwrap().len(), 0);
    assert!(json["searches"].as_u64() > Some(50) && json["results"].as_u64() > Some(50), "{json}");
}
