//! `hubwarden explain`.

use std::path::Path;

use crate::program::{Serving, repository, run};

fn question(extra: &[&str]) -> Vec<String> {
    let documents = repository("examples/documents");
    let file = |name: &str| documents.join(name).display().to_string();
    let mut args: Vec<String> = ["explain", "--principal", "user:cleo", "--action", "edit"].map(str::to_owned).into();
    args.extend(["--resource", "document:roadmap", "--policies"].map(str::to_owned));
    args.extend([file("policies"), "--schema".to_owned(), file("schema.cedarschema")]);
    args.extend(["--entities".to_owned(), file("entities.json")]);
    args.extend(extra.iter().map(ToString::to_string));
    args
}

fn asked(extra: &[&str]) -> crate::program::Run {
    let args = question(extra);
    run(Path::new("."), &args.iter().map(String::as_str).collect::<Vec<_>>())
}

#[test]
fn a_no_is_explained_with_its_clauses_and_exits_like_authorize() {
    let told = asked(&[]);
    assert_eq!(told.code, 2, "{}", told.stderr);
    let lines: Vec<&str> = told.stdout.lines().collect();
    assert_eq!(lines[0], "DENY");
    assert!(lines[1].starts_with("reason   not_shared (403): "), "{}", told.stdout);
    assert!(told.stdout.contains(": condition false ("), "{}", told.stdout);
    assert!(told.stdout.contains("    false         when "), "{}", told.stdout);
}

#[test]
fn an_explanation_is_also_data_and_a_page() {
    let json = asked(&["--output", "json"]).json();
    assert_eq!(json["decision"], "deny");
    assert!(!json["policies"].as_array().unwrap().is_empty());
    assert_eq!(asked(&["--format", "json"]).json()["reason"], json["reason"]);
    let page = asked(&["--output", "html"]).stdout;
    assert!(page.starts_with("<!doctype html>") && page.contains("<h1 class=\"deny\">DENY</h1>"), "{page}");
    assert!(!page.contains("http://") && !page.contains("https://"), "nothing from elsewhere: {page}");
}

#[test]
fn a_server_explains_too() {
    let server = Serving::demo();
    let args = ["explain", "--server", &server.url, "--principal", "user:bob", "--action", "repo.write"];
    let told = run(Path::new("."), &[&args[..], &["--resource", "repo:models/acme/m1"]].concat());
    assert_eq!(told.code, 2, "{}", told.stderr);
    let remedy = "  - Give bob the level `write` in acme (put it into Hub::OrgRole::\"acme/write\").";
    assert!(told.stdout.contains("What would turn it, each tried:") && told.stdout.contains(remedy), "{}", told.stdout);
}
