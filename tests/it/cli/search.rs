//! `hubwarden search`.

use std::path::Path;

use tempfile::TempDir;

use crate::program::{Run, Serving, repository, run};

/// On the documents of the example, from files alone.
fn documents(args: &[&str]) -> Run {
    let documents = repository("examples/documents");
    let file = |name: &str| documents.join(name).display().to_string();
    let (policies, schema, entities) = (file("policies"), file("schema.cedarschema"), file("entities.json"));
    let world = ["--policies", &policies, "--schema", &schema, "--entities", &entities];
    run(Path::new("."), &[&["search"][..], args, &world].concat())
}

const WRITES: [&str; 6] = ["--principal", "access_token:alice-ci", "--action", "repo.write", "--type", "repo"];

#[test]
fn results_come_one_a_line_as_other_commands_take_them() {
    let found = documents(&["resource", "--principal", "user:ann", "--action", "edit", "--type", "document"]);
    assert_eq!(found.code, 0, "{}", found.stderr);
    assert!(found.stdout.lines().any(|line| line == "document:roadmap"), "{}", found.stdout);
    assert!(found.stderr.contains(" found; revision "), "{}", found.stderr);
    let none = documents(&["resource", "--principal", "user:nobody", "--action", "edit", "--type", "document"]);
    assert_eq!((none.code, none.stdout.as_str()), (0, ""));
}

#[test]
fn a_limit_ends_the_search_and_says_that_there_is_more() {
    let who = ["subject", "--type", "user", "--action", "view", "--resource", "document:roadmap"];
    let all = documents(&who).stdout.lines().count();
    assert!(all > 1);
    let one = documents(&[&who[..], &["--limit", "1"]].concat());
    assert_eq!(one.stdout.lines().count(), 1);
    assert!(one.stderr.contains("there are more"), "{}", one.stderr);
    let json = documents(&[&who[..], &["--limit", "1", "--format", "json"]].concat()).json();
    assert_eq!((json["results"].as_array().unwrap().len(), json["more"].as_bool()), (1, Some(true)));
}

#[test]
fn what_the_schema_does_not_know_exits_with_4() {
    let unknown = documents(&["resource", "--principal", "user:ann", "--action", "launch", "--type", "document"]);
    assert_eq!(unknown.code, 4, "{}", unknown.stderr);
    let unknown = documents(&["resource", "--principal", "user:ann", "--action", "edit", "--type", "rocket"]);
    assert_eq!(unknown.code, 4, "{}", unknown.stderr);
}

#[test]
fn a_server_and_a_store_find_the_same() {
    let folder = TempDir::new().unwrap();
    let server = Serving::demo();
    let told = run(folder.path(), &[&["search", "--server", &server.url, "resource"][..], &WRITES].concat());
    assert_eq!((told.code, told.stdout.as_str()), (0, "repo:models/acme/m2\n"), "{}", told.stderr);
    assert!(told.stderr.starts_with("1 found; revision 4, by index, "), "{}", told.stderr);
    let exported = run(folder.path(), &["export", "--server", &server.url, "--output", "hub.ndjson"]);
    assert_eq!(exported.code, 0, "{}", exported.stderr);
    assert_eq!(run(folder.path(), &["import", "--data", "store", "hub.ndjson"]).code, 0);
    let found = run(folder.path(), &[&["search", "--data", "store", "resource"][..], &WRITES].concat());
    assert_eq!((found.code, found.stdout), (0, told.stdout));
    let actions = ["search", "--server", &server.url, "action", "--principal", "user:alice"];
    let actions = run(folder.path(), &[&actions[..], &["--resource", "repo:models/acme/m1"]].concat());
    assert!(actions.stdout.lines().any(|line| line == "repo.write"), "{}", actions.stdout);
}
