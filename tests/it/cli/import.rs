//! `import`, `export`, `key`: a store in a folder, worked on without a server.

use std::fs;

use tempfile::TempDir;

use crate::http_support::key_secret;
use crate::program::{Run, hubwarden, repository, run, run_with};

/// A folder whose configuration names the document-sharing example and a store.
fn folder() -> TempDir {
    let folder = TempDir::new().unwrap();
    let example = repository("examples/documents");
    let text = format!("policies: {0}/policies\nschema: {0}/schema.cedarschema\ndata: store\n", example.display());
    fs::write(folder.path().join("hubwarden.yaml"), text).unwrap();
    folder
}

fn example_entities() -> String {
    repository("examples/documents/entities.json").display().to_string()
}

fn user(id: &str) -> String {
    format!("{{\"uid\":{{\"type\":\"Docs::User\",\"id\":\"{id}\"}},\"attrs\":{{\"email\":\"x\"}},\"parents\":[]}}\n")
}

fn export(folder: &TempDir) -> String {
    let run = run(folder.path(), &["export"]);
    assert_eq!(run.code, 0, "{}", run.stderr);
    run.stdout
}

#[test]
fn importing_an_export_is_the_identity() {
    let (first, second) = (folder(), folder());
    let imported = run(first.path(), &["import", &example_entities()]);
    assert_eq!(imported.code, 0, "{}", imported.stderr);
    assert!(imported.stdout.starts_with("imported 10, revision "), "{}", imported.stdout);
    let exported = export(&first);
    assert_eq!(run_with(second.path(), &["import", "-"], &exported).code, 0);
    assert_eq!(export(&second), exported);
    assert_eq!(export(&first), exported, "the same bytes each time");
    let mut sorted: Vec<&str> = exported.lines().collect();
    sorted.sort_unstable();
    assert_eq!(sorted.len(), 10);
}

#[test]
fn decisions_are_made_from_what_was_imported() {
    let folder = folder();
    run(folder.path(), &["import", &example_entities()]);
    let ask = |action: &str| -> Run {
        let args = ["authorize", "--principal", "user:cleo", "--action", action, "--resource", "document:roadmap"];
        run(folder.path(), &[&args[..], &["--format", "json"]].concat())
    };
    assert_eq!(ask("view").code, 0);
    assert_eq!(ask("edit").code, 2);
    assert_eq!(ask("view").json()["determining"][0], "shares/design-sees-plans");
}

#[test]
fn one_bad_entity_keeps_a_file_out_and_is_named_by_its_line() {
    let folder = folder();
    let text = format!("{}{}{}", user("a"), user("b").replace("email", "mail"), user("c"));
    let refused = run_with(folder.path(), &["import", "-"], &text);
    assert_eq!((refused.code, refused.stdout.as_str()), (3, ""));
    assert!(refused.stderr.contains("stdin:2: Docs::User::\"b\": attrs.mail: "), "{}", refused.stderr);
    assert!(refused.stderr.contains("nothing was imported"), "{}", refused.stderr);
    assert_eq!(export(&folder), "");
}

#[test]
fn continue_skips_what_is_bad_and_says_so() {
    let folder = folder();
    let text = format!("{}not json\n{}{}", user("a"), user("b").replace("email", "mail"), user("c"));
    let run = run_with(folder.path(), &["import", "--continue", "-", "--format", "json"], &text);
    assert_eq!(run.code, 3);
    let report = run.json();
    assert_eq!(report["imported"], 2);
    assert_eq!((&report["skipped"][0]["line"], &report["skipped"][1]["line"]), (&2.into(), &3.into()));
    assert_eq!(export(&folder).lines().count(), 2);
}

#[test]
fn an_entity_that_is_too_large_is_refused_by_its_line() {
    let folder = folder();
    let text =
        format!("{}{}{}", user("a"), user("b").replace("\"x\"", &format!("\"{}\"", "x".repeat(70_000))), user("c"));
    let whole = run_with(folder.path(), &["import", "-"], &text);
    assert_eq!(whole.code, 3);
    assert!(whole.stderr.contains("stdin:2: "), "{}", whole.stderr);
    let rest = run_with(folder.path(), &["import", "--continue", "-"], &text);
    assert_eq!(rest.code, 3);
    assert!(rest.stdout.starts_with("imported 2, skipped 1, "), "{}", rest.stdout);
    assert!(rest.stderr.contains("skipped stdin:2: "), "{}", rest.stderr);
}

#[test]
fn commands_that_read_do_not_make_a_store() {
    let folder = folder();
    for args in [&["export"][..], &["key", "list"]] {
        let run = run(folder.path(), args);
        assert_eq!(run.code, 1);
        assert!(run.stderr.contains("there is no store in"), "{}", run.stderr);
    }
    assert!(!folder.path().join("store").exists());
}

#[test]
fn another_schema_than_the_stores_is_refused() {
    let folder = folder();
    run(folder.path(), &["import", &example_entities()]);
    fs::remove_file(folder.path().join("hubwarden.yaml")).unwrap();
    let question = ["--principal", "user:cleo", "--action", "repo.read", "--resource", "repo:models/a/b"];
    let asked = run(folder.path(), &[&["authorize", "--data", "store"], &question[..]].concat());
    assert_eq!(asked.code, 3);
    assert!(asked.stderr.contains("do not conform") && asked.stderr.contains("--schema FILE"), "{}", asked.stderr);
    let keys = run(folder.path(), &["key", "list", "--data", "store"]);
    assert_eq!(keys.code, 0, "keys need no schema: {}", keys.stderr);
}

#[test]
fn a_store_that_lost_its_data_opens_only_when_the_loss_is_accepted() {
    let folder = folder();
    run(folder.path(), &["import", &example_entities()]);
    fs::remove_dir_all(folder.path().join("store/sled")).unwrap();
    let refused = run(folder.path(), &["export"]);
    assert_eq!(refused.code, 1);
    assert!(
        refused.stderr.contains("its data is gone") && refused.stderr.contains("--accept-data-loss"),
        "{}",
        refused.stderr
    );
    assert_eq!(run(folder.path(), &["export", "--accept-data-loss"]).code, 0);
    assert_eq!(export(&folder), "", "a new store");
}

#[test]
fn a_keys_value_is_shown_once_and_nowhere_else() {
    let folder = folder();
    let created = run(folder.path(), &["key", "create", "--name", "ci", "--scope", "evaluate,read"]);
    assert_eq!(created.code, 0, "{}", created.stderr);
    let value = created.stdout.trim();
    assert!(value.starts_with("hwk_"), "{value}");
    assert!(!created.stderr.contains(value));
    let listed = run(folder.path(), &["key", "list"]);
    let secret = key_secret(value);
    assert!(listed.stdout.contains("evaluate,read  ci") && !listed.stdout.contains(secret), "{}", listed.stdout);
    let id = listed.stdout.split(' ').next().unwrap();
    assert_eq!(run(folder.path(), &["key", "delete", id]).code, 0);
    assert_eq!(run(folder.path(), &["key", "delete", id]).code, 1);
    assert_eq!(run(folder.path(), &["key", "list", "--format", "json"]).json()["keys"], serde_json::json!([]));
}

#[test]
fn a_scope_that_does_not_exist_is_wrong_usage() {
    let folder = folder();
    let run = run(folder.path(), &["key", "create", "--name", "ci", "--scope", "everything"]);
    assert_eq!(run.code, 2);
    assert!(run.stderr.contains("evaluate, read, write, admin, audit or tokens"), "{}", run.stderr);
}

#[test]
fn a_reader_that_goes_away_is_no_failure() {
    let folder = folder();
    run(folder.path(), &["import", &example_entities()]);
    let mut child = hubwarden(folder.path()).arg("export").stdout(std::process::Stdio::piped()).spawn().unwrap();
    drop(child.stdout.take());
    assert!(child.wait().unwrap().success());
}
