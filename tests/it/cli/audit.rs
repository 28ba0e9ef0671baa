//! `hubwarden audit` on a folder: what a command decided is found, and what was changed in it is found out.

use std::fs;
use std::path::{Path, PathBuf};

use serde_json::{Value as Json, json};
use tempfile::TempDir;

use crate::program::{Run, Serving, run};

const CAST: &str = include_str!("../http_support/hub.json");

/// A store in `data`, and two decisions on it.
fn decided(folder: &Path) {
    fs::write(folder.join("hub.json"), CAST).unwrap();
    assert_eq!(run(folder, &["import", "--data", "data", "hub.json"]).code, 0);
    assert_eq!(ask(folder, "repo.content.read").code, 2);
    assert_eq!(ask(folder, "repo.write").code, 0);
}

fn ask(folder: &Path, action: &str) -> Run {
    let (who, what) = ("access_token:t1", "repo:models/acme/m1");
    run(folder, &["authorize", "--data", "data", "--principal", who, "--action", action, "--resource", what])
}

fn audit(folder: &Path, args: &[&str]) -> Run {
    run(folder, &[&["audit", "--data", "data"], args].concat())
}

fn segment(folder: &Path) -> PathBuf {
    folder.join("data/audit/00000000000000000001.ndjson")
}

#[test]
fn what_commands_decided_and_changed_is_in_the_log_of_the_folder() {
    let folder = TempDir::new().unwrap();
    decided(folder.path());
    let tail = audit(folder.path(), &["tail"]).stdout;
    let lines: Vec<&str> = tail.lines().collect();
    assert!(lines.iter().any(|line| line.contains("CHANGE entities of")), "{tail}");
    assert!(lines.last().unwrap().contains("ALLOW  AccessToken:t1 for User:alice  repo.write"), "{tail}");
    let denied =
        audit(folder.path(), &["query", "--principal", "user:alice", "--decision", "deny", "--format", "json"]);
    let record: Json = serde_json::from_str(&denied.stdout).unwrap();
    assert_eq!(record["action"]["id"], "repo.content.read");
    let shown = audit(folder.path(), &["show", record["decision_id"].as_str().unwrap()]);
    assert_eq!(serde_json::from_str::<Json>(&shown.stdout).unwrap(), record);
    let key = run(folder.path(), &["key", "create", "--data", "data", "--name", "k", "--scope", "read"]);
    assert_eq!(key.code, 0);
    assert!(audit(folder.path(), &["tail", "-n", "1"]).stdout.contains("CHANGE key_created of 1"));
    assert!(audit(folder.path(), &["show", "unknown"]).stderr.contains("no decision `unknown`"));
}

#[test]
fn an_export_is_the_log_itself_or_events() {
    let folder = TempDir::new().unwrap();
    decided(folder.path());
    let native = audit(folder.path(), &["export", "--kind", "decision"]).stdout;
    assert_eq!(native.lines().count(), 2);
    assert!(native.lines().all(|line| fs::read_to_string(segment(folder.path())).unwrap().contains(line)));
    let events = audit(folder.path(), &["export", "--format", "ocsf", "--decision", "deny"]).stdout;
    let event: Json = serde_json::from_str(&events).unwrap();
    assert_eq!((&event["class_uid"], &event["action"]), (&json!(6003), &json!("Denied")));
    assert_eq!(audit(folder.path(), &["export", "-o", "log.ndjson"]).code, 0);
    assert!(fs::read_to_string(folder.path().join("log.ndjson")).unwrap().lines().count() > 3);
    let other = run(folder.path(), &["version", "--format", "ocsf"]);
    assert!(other.code == 1 && other.stderr.contains("hubwarden audit"), "{}", other.stderr);
}

#[test]
fn verify_tells_an_intact_log_from_a_changed_one_and_where() {
    let folder = TempDir::new().unwrap();
    decided(folder.path());
    let intact = audit(folder.path(), &["verify"]);
    assert_eq!(intact.code, 0, "{}", intact.stdout);
    assert!(intact.stdout.ends_with("the log is as it was written\n"), "{}", intact.stdout);
    let told = audit(folder.path(), &["verify", "--format", "json"]).json();
    let public = told["public_key"].as_str().unwrap();
    let expect = format!("{}:{}", told["last"], told["hash"].as_str().unwrap());
    assert_eq!(audit(folder.path(), &["verify", "--public-key", public, "--expect", &expect]).code, 0);
    let text = fs::read_to_string(segment(folder.path())).unwrap();
    let line = text.lines().position(|line| line.contains("\"decision\":\"deny\"")).unwrap() + 1;
    fs::write(segment(folder.path()), text.replace("\"decision\":\"deny\"", "\"decision\":\"allow\"")).unwrap();
    let changed = audit(folder.path(), &["verify"]);
    assert_eq!(changed.code, 3);
    let place = format!("00000000000000000001.ndjson:{line}: record {line} is not as it was written");
    assert!(changed.stdout.contains(&place), "{}", changed.stdout);
    // The command still decides, and the log goes on behind the damage.
    assert_eq!(ask(folder.path(), "repo.write").code, 0);
    assert!(folder.path().join("data/audit").read_dir().unwrap().count() > 2);
}

#[test]
fn a_served_store_can_be_verified_and_read_from_beside() {
    let folder = TempDir::new().unwrap();
    decided(folder.path());
    let server = Serving::start(folder.path(), &["--data", "data", "--audit-mode", "block"]);
    let (who, what) = ("user:alice", "repo:models/acme/m1");
    let args = ["authorize", "--server", &server.url, "--principal", who, "--action", "repo.write", "--resource", what];
    assert_eq!(run(folder.path(), &args).code, 0);
    let last = audit(folder.path(), &["tail", "-n", "1"]).stdout;
    assert!(last.contains("ALLOW  User:alice  repo.write"), "{last}");
    assert_eq!(audit(folder.path(), &["verify"]).code, 0);
}

#[test]
fn the_log_is_configured_in_the_file_and_can_be_switched_off() {
    let folder = TempDir::new().unwrap();
    let yaml = "audit:\n  mask: [context.mfa]\n  file: {path: copy.ndjson, format: ocsf}\n  max-age-days: 7\n";
    fs::write(folder.path().join("hubwarden.yaml"), yaml).unwrap();
    decided(folder.path());
    let copy = fs::read_to_string(folder.path().join("copy.ndjson")).unwrap();
    assert_eq!(copy.matches("\"class_uid\":6003").count(), 2);
    fs::write(folder.path().join("hubwarden.yaml"), "audit: {mask: [principal]}\n").unwrap();
    let refused = ask(folder.path(), "repo.write");
    assert!(refused.code == 1 && refused.stderr.contains("`audit.mask`"), "{}", refused.stderr);
    fs::write(folder.path().join("hubwarden.yaml"), "audit: {mode: off}\n").unwrap();
    let before = fs::read(segment(folder.path())).unwrap();
    assert_eq!(ask(folder.path(), "repo.write").code, 0);
    assert_eq!(fs::read(segment(folder.path())).unwrap(), before);
    let empty = TempDir::new().unwrap();
    assert!(audit(empty.path(), &["tail"]).stderr.contains("there is no decision log in"));
}
