//! A started server: the demonstration, the commands that talk to it, stopping, logs without secrets.

use std::process::{Command, Stdio};

use tempfile::TempDir;

use crate::http_support::key_secret;
use crate::program::{Serving, hubwarden, repository, run, run_with};

#[test]
fn every_command_of_the_demonstration_works_as_printed() {
    let mut server = Serving::demo();
    let lines =
        server.lines_until(|line| line.starts_with("curl") && line.contains("/v1/authorize") && line.contains("carol"));
    let mut all = lines;
    all.extend(server.lines_until(|line| line.starts_with("curl")));
    all.extend(server.lines_until(|line| line.starts_with("curl")));
    let commands: Vec<&String> = all.iter().filter(|line| line.starts_with("curl")).collect();
    let expected = ["\"token_permission\"", "[{\"decision\":true},{\"decision\":true},{\"decision\":false}]"];
    let expected = [&expected[..], &["\"gate_pending\"", "{\"revision\":5}", "\"decision\":\"allow\""]].concat();
    assert_eq!(commands.len(), expected.len());
    for (command, expected) in commands.iter().zip(expected) {
        let output = Command::new("bash").args(["-c", command]).stdin(Stdio::null()).output().unwrap();
        let answer = String::from_utf8(output.stdout).unwrap();
        assert!(output.status.success() && answer.contains(expected), "{command}\n{answer}");
    }
}

#[cfg(unix)]
#[test]
fn a_server_that_is_told_to_stop_leaves_a_store_that_opens() {
    let folder = TempDir::new().unwrap();
    let server = Serving::start(folder.path(), &["--data", "store"]);
    let user = "{\"uid\":{\"type\":\"Hub::User\",\"id\":\"zoe\"},\"attrs\":{},\"parents\":[]}\n";
    let imported = run_with(folder.path(), &["import", "--server", &server.url, "-"], user);
    assert_eq!((imported.code, imported.stdout.as_str()), (0, "imported 1, revision 4\n"), "{}", imported.stderr);
    let held = run(folder.path(), &["export", "--data", "store"]);
    assert_eq!(held.code, 1);
    assert!(held.stderr.contains("held by another process") && held.stderr.contains("--server URL"), "{}", held.stderr);
    assert!(server.stop().success());
    let exported = run(folder.path(), &["export", "--data", "store"]);
    assert_eq!((exported.code, exported.stdout.as_str()), (0, user));
}

#[test]
fn importing_through_a_server_names_the_line_of_the_file() {
    let folder = TempDir::new().unwrap();
    let server = Serving::start(folder.path(), &["--data", "store"]);
    let user =
        |id: &str| format!("{{\"uid\":{{\"type\":\"Hub::User\",\"id\":\"{id}\"}},\"attrs\":{{}},\"parents\":[]}}");
    let text =
        format!("[\n  {},\n\n  {},\n  {}\n]", user("a"), user("b").replace("Hub::User", "Hub::Robot"), user("c"));
    let whole = run_with(folder.path(), &["import", "--server", &server.url, "-"], &text);
    assert_eq!(whole.code, 3);
    assert!(whole.stderr.contains("stdin:4: ") && whole.stderr.contains("Robot"), "{}", whole.stderr);
    let rest = run_with(folder.path(), &["import", "--continue", "--server", &server.url, "-"], &text);
    assert_eq!((rest.code, rest.stdout.as_str()), (3, "imported 2, skipped 1, revision 4\n"), "{}", rest.stderr);
    assert_eq!(run(folder.path(), &["export", "--server", &server.url]).stdout.lines().count(), 2);
}

#[test]
fn keys_are_managed_through_a_server_and_read_from_files() {
    let folder = TempDir::new().unwrap();
    let server = Serving::start(folder.path(), &["--data", "store"]);
    let created = run(folder.path(), &["key", "create", "--server", &server.url, "--name", "ops", "--scope", "admin"]);
    assert_eq!(created.code, 0, "{}", created.stderr);
    std::fs::write(folder.path().join("ops.key"), &created.stdout).unwrap();
    let without = run(folder.path(), &["key", "list", "--server", &server.url]);
    assert!(without.code == 1 && without.stderr.contains("--key-file FILE"), "{}", without.stderr);
    let with = run(folder.path(), &["key", "list", "--server", &server.url, "--key-file", "ops.key"]);
    assert!(with.code == 0 && with.stdout.contains("admin  ops"), "{}", with.stderr);
    let mut by_env = hubwarden(folder.path());
    by_env.args(["key", "list", "--server", &server.url]).env("HUBWARDEN_KEY_FILE", "ops.key");
    assert!(by_env.output().unwrap().status.success());
    let secret = created.stdout.trim();
    for output in [&without, &with] {
        assert!(!output.stdout.contains(secret) && !output.stderr.contains(secret));
    }
}

#[test]
fn another_address_without_keys_is_refused() {
    let folder = TempDir::new().unwrap();
    let run = run(folder.path(), &["serve", "--data", "store", "--listen", "0.0.0.0:0"]);
    assert_eq!((run.code, run.stdout.as_str()), (1, ""));
    assert!(run.stderr.contains("hubwarden key create"), "{}", run.stderr);
}

#[test]
fn a_store_that_owns_its_policies_keeps_them() {
    let folder = TempDir::new().unwrap();
    let example = repository("examples/documents");
    let (policies, schema) = (example.join("policies"), example.join("schema.cedarschema"));
    let paths = ["--policies", policies.to_str().unwrap(), "--schema", schema.to_str().unwrap()];
    let first = Serving::start(folder.path(), &[&["--data", "store", "--policies-from", "store"], &paths[..]].concat());
    drop(first);
    let again = run(folder.path(), &[&["serve", "--data", "store", "--policies-from", "store"], &paths[..]].concat());
    assert!(again.code == 1 && again.stderr.contains("PUT /v1/bundle"), "{}", again.stderr);
    let asked = run(
        folder.path(),
        &["authorize", "--data", "store", "--principal", "user:ann", "--action", "view", "--resource", "folder:x"],
    );
    assert_eq!(asked.code, 2, "the store's own policies are used: {}", asked.stderr);
}

#[test]
fn a_server_that_cannot_be_reached_is_a_failure_and_no_deny() {
    let folder = TempDir::new().unwrap();
    let args = ["authorize", "--principal", "user:a", "--action", "repo.read", "--resource", "repo:m"];
    let run = run(folder.path(), &[&args[..], &["--server", "http://127.0.0.1:1"]].concat());
    assert_eq!(run.code, 1);
    assert!(run.stderr.starts_with("error: no answer from http://127.0.0.1:1"), "{}", run.stderr);
}

#[cfg(unix)]
#[test]
fn no_log_at_any_level_shows_a_keys_value() {
    let folder = TempDir::new().unwrap();
    let log = folder.path().join("server.log");
    let server = Serving::start_logged(folder.path(), &["--data", "store"], &log);
    let args = ["key", "create", "--server", &server.url, "--name", "ops", "--scope", "admin,read"];
    let value = run(folder.path(), &args).stdout.trim().to_owned();
    let with_key = |key: &str, args: &[&str]| {
        let mut command = hubwarden(folder.path());
        command.args(args).args(["--server", &server.url]).env("HUBWARDEN_KEY", key);
        command.output().unwrap().status.success()
    };
    assert!(with_key(&value, &["export"]) && with_key(&value, &["key", "list"]));
    // Wrong by one character: a secret that is nearly right must not show either.
    let wrong = format!("{value}x");
    assert!(!with_key(&wrong, &["export"]));
    server.stop();
    let logged = std::fs::read_to_string(&log).unwrap();
    assert!(logged.lines().count() > 5, "{logged}");
    let secret = key_secret(&value);
    assert!(!logged.contains(secret), "the log shows a key");
}
