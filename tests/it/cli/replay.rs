//! `hubwarden replay` of a folder, of a file, and of a server's log.

use std::fs;
use std::path::Path;

use tempfile::TempDir;

use crate::program::{Run, Serving, repository, run};

const CAST: &str = include_str!("../http_support/hub.json");

fn replay(folder: &Path, policies: &str, more: &[&str]) -> Run {
    let schema = repository("schema/hub.cedarschema");
    run(folder, &[&["replay", "--policies", policies, "--schema", schema.to_str().unwrap()], more].concat())
}

fn ask(folder: &Path, place: &[&str], action: &str) {
    let (who, what) = ("access_token:t1", "repo:models/acme/m1");
    let args = ["authorize", "--principal", who, "--action", action, "--resource", what];
    assert!(run(folder, &[&args[..], place].concat()).code % 2 == 0);
}

/// A folder of policies that refuse everything, and one of the hub's own.
fn rules(folder: &Path) -> String {
    fs::create_dir(folder.join("none")).unwrap();
    let none = "@id(\"none\") @reason(\"disabled\") forbid (principal, action, resource);\n";
    fs::write(folder.join("none/none.cedar"), none).unwrap();
    fs::copy(repository("policies/reasons.json"), folder.join("none/reasons.json")).unwrap();
    repository("policies").to_str().unwrap().to_owned()
}

#[test]
fn a_folder_and_a_file_of_records_are_replayed_and_the_exit_code_tells_how_it_ended() {
    let folder = TempDir::new().unwrap();
    let dir = folder.path();
    let own = rules(dir);
    fs::write(dir.join("hub.json"), CAST).unwrap();
    assert_eq!(run(dir, &["import", "--data", "data", "hub.json"]).code, 0);
    let nothing = replay(dir, &own, &["--data", "data"]);
    assert!(nothing.code == 1 && nothing.stderr.contains("the log has no decision"), "{}", nothing.stderr);
    ask(dir, &["--data", "data"], "repo.write");
    ask(dir, &["--data", "data"], "repo.content.read");
    let same = replay(dir, &own, &["--data", "data"]);
    assert_eq!(same.code, 0, "{}{}", same.stdout, same.stderr);
    assert!(same.stdout.starts_with("2 recorded decisions: 0 newly allowed, 0 newly refused"), "{}", same.stdout);
    let none = replay(dir, "none", &["--log", "data"]);
    assert_eq!(none.code, 5, "{}{}", none.stdout, none.stderr);
    assert!(
        none.stdout.starts_with("NEWLY REFUSED: now forbidden by none\n  Hub::AccessToken::\"t1\" repo.write"),
        "{}",
        none.stdout
    );
    let exported = run(dir, &["audit", "export", "--data", "data", "--output", "log.ndjson"]);
    assert_eq!(exported.code, 0);
    let file = replay(dir, "none", &["--log", "log.ndjson", "--data", "data", "--facts", "head", "--format", "json"]);
    assert_eq!((file.code, file.json()["changes"][0]["flip"].as_str()), (5, Some("refused")), "{}", file.stderr);
    let broken = replay(dir, "nowhere", &["--data", "data"]);
    assert_eq!(broken.code, 1);
}

#[test]
fn a_server_replays_its_own_log() {
    let folder = TempDir::new().unwrap();
    let own = rules(folder.path());
    let server = Serving::demo();
    let place = ["--server", &server.url];
    let (who, what) = ("access_token:alice-ci", "repo:models/acme/m2");
    let asked = run(
        folder.path(),
        &["authorize", "--principal", who, "--action", "repo.write", "--resource", what, place[0], place[1]],
    );
    assert_eq!(asked.code, 0, "{}", asked.stderr);
    assert_eq!(replay(folder.path(), &own, &place).code, 0);
    let none = replay(folder.path(), "none", &[&place[..], &["--last", "10"]].concat());
    assert!(
        none.code == 5 && none.stdout.contains("1 recorded decisions: 0 newly allowed, 1 newly refused"),
        "{}{}",
        none.stdout,
        none.stderr
    );
}

#[test]
fn a_server_does_not_start_with_policies_that_flip_what_it_decided_by_others() {
    let folder = TempDir::new().unwrap();
    let dir = folder.path();
    fs::write(dir.join("hub.json"), CAST).unwrap();
    fs::create_dir(dir.join("rules")).unwrap();
    let rule = |effect: &str| {
        let text = format!("@id(\"all\")\n{effect} (principal, action, resource);\n");
        fs::write(dir.join("rules/all.cedar"), text).unwrap();
    };
    let schema = repository("schema/hub.cedarschema");
    let place = ["--data", "data", "--policies", "rules", "--schema", schema.to_str().unwrap()];
    let gate = [&place[..], &["--gate", "replay=50"]].concat();
    rule("permit");
    let server = Serving::start(dir, &gate);
    assert_eq!(run(dir, &["import", "--server", &server.url, "hub.json"]).code, 0);
    ask(dir, &["--server", &server.url], "repo.write");
    assert!(server.stop().success());
    rule("forbid");
    let refused = run(dir, &[&["serve", "--listen", "127.0.0.1:0"], &gate[..]].concat());
    assert_eq!(refused.code, 3, "{}", refused.stderr);
    assert!(refused.stderr.contains("1 newly refused") && refused.stderr.contains("repo.write"), "{}", refused.stderr);
    let hash = refused.stderr.split_once("write sha256:").unwrap().1.split(' ').next().unwrap();
    fs::write(dir.join("rules/accepted-flips"), format!("sha256:{hash}\n")).unwrap();
    let server = Serving::start(dir, &[&gate[..], &["--shadow", "rules"]].concat());
    assert!(server.stop().success());
    // What was accepted is what the next ones are compared with.
    fs::remove_file(dir.join("rules/accepted-flips")).unwrap();
    assert!(Serving::start(dir, &gate).stop().success());
}
