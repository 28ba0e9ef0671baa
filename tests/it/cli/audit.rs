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
fn a_damaged_segment_stops_a_server_that_must_record_and_no_other() {
    let folder = TempDir::new().unwrap();
    decided(folder.path());
    // What a first start has to change is done: there is no change without a record either.
    assert!(Serving::start(folder.path(), &["--data", "data"]).stop().success());
    let text = fs::read_to_string(segment(folder.path())).unwrap();
    let denied = text.lines().find(|line| line.contains("\"decision\":\"deny\"")).unwrap();
    fs::write(segment(folder.path()), text.replace(denied, "rubbish")).unwrap();
    let ask = |server: &Serving| {
        let (who, what) = ("user:alice", "repo:models/acme/m1");
        let args =
            ["authorize", "--server", &server.url, "--principal", who, "--action", "repo.write", "--resource", what];
        run(folder.path(), &args)
    };
    let block = Serving::start(folder.path(), &["--data", "data", "--audit-mode", "block"]);
    let refused = ask(&block);
    assert!(refused.code == 1 && refused.stderr.contains("the decision log cannot write"), "{}", refused.stderr);
    assert!(block.stop().success());
    let spill = Serving::start(folder.path(), &["--data", "data"]);
    assert_eq!(ask(&spill).code, 0);
    let told = run(folder.path(), &["audit", "--server", &spill.url, "query"]);
    assert!(told.stderr.contains("00000000000000000001.ndjson: line"), "{}", told.stderr);
    assert!(told.stdout.contains("ALLOW  User:alice  repo.write"), "{}", told.stdout);
    assert!(spill.stop().success());
    let verified = audit(folder.path(), &["verify"]);
    assert!(verified.code == 3 && verified.stdout.contains("is no record"), "{}", verified.stdout);
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

#[test]
fn a_servers_log_is_read_through_the_server() {
    let folder = TempDir::new().unwrap();
    decided(folder.path());
    let server = Serving::start(folder.path(), &["--data", "data"]);
    let remote = |args: &[&str]| run(folder.path(), &[&["audit", "--server", &server.url], args].concat());
    for args in [
        &["tail", "-n", "5"][..],
        &["query", "--principal", "user:alice", "--decision", "deny", "--format", "json"],
        &["export", "--kind", "decision"],
        &["export", "--format", "ocsf"],
        &["export", "--until", "2020-01-01T00:00:00Z"],
    ] {
        let (there, here) = (remote(args), audit(folder.path(), args));
        assert_eq!(there.code, 0, "{}", there.stderr);
        assert_eq!(sorted(&there.stdout), sorted(&here.stdout), "{args:?}");
    }
    let lines = remote(&["export"]).stdout;
    let seqs: Vec<u64> =
        lines.lines().map(|line| serde_json::from_str::<Json>(line).unwrap()["seq"].as_u64().unwrap()).collect();
    assert!(seqs.len() >= 4 && seqs.is_sorted(), "{seqs:?}");
    let denied = remote(&["query", "--decision", "deny", "--format", "json"]).json();
    let shown = remote(&["show", denied["decision_id"].as_str().unwrap()]);
    assert_eq!(serde_json::from_str::<Json>(&shown.stdout).unwrap(), denied);
    assert!(remote(&["show", "unknown"]).code == 1);
    let verify = remote(&["verify"]);
    assert!(verify.code == 2 && verify.stderr.contains("where it lies"), "{}", verify.stderr);
}

/// Lines, with the keys of what is JSON in their own order.
fn sorted(text: &str) -> Vec<String> {
    let line =
        |line: &str| serde_json::from_str::<Json>(line).map_or_else(|_| line.to_owned(), |json| json.to_string());
    text.lines().map(line).collect()
}

#[test]
fn what_is_written_from_now_on_is_followed_through_the_server() {
    let folder = TempDir::new().unwrap();
    decided(folder.path());
    let server = Serving::start(folder.path(), &["--data", "data"]);
    let mut command = crate::program::hubwarden(folder.path());
    command.args(["audit", "tail", "-n", "1", "--follow", "--kind", "decision", "--server", &server.url]);
    let mut child = command.stdout(std::process::Stdio::piped()).spawn().unwrap();
    let mut lines = std::io::BufRead::lines(std::io::BufReader::new(child.stdout.take().unwrap()));
    assert!(lines.next().unwrap().unwrap().contains("ALLOW  AccessToken:t1"));
    let args = ["--principal", "user:nobody", "--action", "repo.write", "--resource", "repo:models/acme/m1"];
    run(folder.path(), &[&["authorize", "--server", &server.url][..], &args].concat());
    let followed = lines.next().unwrap().unwrap();
    child.kill().unwrap();
    child.wait().unwrap();
    assert!(followed.contains("DENY   User:nobody  repo.write"), "{followed}");
}
