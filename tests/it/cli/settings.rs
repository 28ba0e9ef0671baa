//! Precedence, exit codes of wrong usage, colour, completions.

use std::fs;
#[cfg(unix)]
use std::os::unix::net::UnixStream;

use tempfile::TempDir;

#[cfg(unix)]
use crate::program::Serving;
use crate::program::{Run, hubwarden, repository, run};

#[test]
fn a_flag_beats_the_environment_and_the_environment_the_file() {
    let folder = TempDir::new().unwrap();
    fs::write(folder.path().join("hubwarden.yaml"), "format: json\n").unwrap();
    let json = |run: Run| run.stdout.starts_with('{');
    assert!(json(run(folder.path(), &["version"])));
    let from_env =
        |args: &[&str]| hubwarden(folder.path()).args(args).env("HUBWARDEN_FORMAT", "text").output().unwrap();
    assert!(!json(from_env(&["version"]).into()));
    assert!(json(from_env(&["version", "--format", "json"]).into()));
}

#[test]
fn paths_of_a_configuration_file_start_at_its_folder() {
    let folder = TempDir::new().unwrap();
    let example = repository("examples/documents");
    let text = format!("policies: {0}/policies\nschema: {0}/schema.cedarschema\n", example.display());
    fs::create_dir(folder.path().join("etc")).unwrap();
    fs::write(folder.path().join("etc/docs.yaml"), text).unwrap();
    let named = run(folder.path(), &["validate", "--config", "etc/docs.yaml", "--format", "json"]);
    assert_eq!(named.json()["links"], 2);
}

#[test]
fn an_unknown_key_of_the_configuration_is_refused() {
    let folder = TempDir::new().unwrap();
    fs::write(folder.path().join("hubwarden.yaml"), "format: text\nlisten-on: everywhere\n").unwrap();
    let run = run(folder.path(), &["version"]);
    assert_eq!((run.code, run.stdout.as_str()), (1, ""));
    assert!(run.stderr.contains("hubwarden.yaml") && run.stderr.contains("listen-on"), "{}", run.stderr);
}

#[test]
fn a_configuration_that_was_named_must_exist() {
    let folder = TempDir::new().unwrap();
    let run = run(folder.path(), &["version", "--config", "no.yaml"]);
    assert_eq!(run.code, 1);
    assert!(run.stderr.starts_with("error: cannot read the configuration no.yaml: "), "{}", run.stderr);
}

#[test]
fn policies_without_their_schema_are_refused() {
    let folder = TempDir::new().unwrap();
    let run = run(folder.path(), &["validate", "--policies", "."]);
    assert_eq!(run.code, 1);
    assert!(run.stderr.contains("--schema FILE"), "{}", run.stderr);
}

#[test]
fn a_mistyped_question_never_reads_as_a_deny() {
    let folder = TempDir::new().unwrap();
    assert_eq!(run(folder.path(), &["authorize", "--pricipal", "user:alice"]).code, 1);
    assert_eq!(run(folder.path(), &["authorize", "--principal", "user:alice"]).code, 1);
    assert_eq!(run(folder.path(), &["validate", "--shcema", "x"]).code, 2);
}

#[test]
fn an_unknown_type_or_action_is_no_decision() {
    let folder = TempDir::new().unwrap();
    let ask = |principal, action, resource| {
        let args = ["authorize", "--principal", principal, "--action", action, "--resource", resource];
        run(folder.path(), &args).code
    };
    assert_eq!(ask("robot:r2", "repo.read", "repo:models/acme/m1"), 4);
    assert_eq!(ask("user:alice", "repo.fly", "repo:models/acme/m1"), 4);
    assert_eq!(ask("user:alice", "org.read", "repo:models/acme/m1"), 4);
    assert_eq!(ask("user:alice", "repo.read", "repo:models/acme/m1"), 2);
    assert_eq!(ask("alice", "repo.read", "repo:models/acme/m1"), 1);
}

#[test]
fn colour_is_used_only_when_asked_for() {
    let folder = TempDir::new().unwrap();
    let failing = |args: &[&str]| run(folder.path(), &[&["validate", "--policies", "."], args].concat()).stderr;
    assert!(failing(&["--color", "always"]).contains("\u{1b}["));
    assert!(!failing(&[]).contains('\u{1b}'));
    assert!(!failing(&["--color", "never"]).contains('\u{1b}'));
}

#[test]
fn every_shell_gets_its_completions() {
    let folder = TempDir::new().unwrap();
    for shell in ["bash", "elvish", "fish", "powershell", "zsh"] {
        let run = run(folder.path(), &["completions", shell]);
        assert!(run.code == 0 && run.stdout.contains("authorize"), "{shell}");
    }
}

#[test]
fn files_that_are_named_are_clearer_than_a_server_in_the_environment() {
    let folder = TempDir::new().unwrap();
    let ask = |args: &[&str]| -> Run {
        let mut command = hubwarden(folder.path());
        command.args(["authorize", "--principal", "user:a", "--action", "repo.read", "--resource", "repo:models/a/b"]);
        command.args(args).env("HUBWARDEN_SERVER", "http://127.0.0.1:1").output().unwrap().into()
    };
    assert!(ask(&[]).stderr.contains("no answer from"));
    assert!(ask(&["--data", "store"]).stderr.contains("there is no store in store"));
    let schema = repository("schema/hub.cedarschema");
    let policies = repository("policies");
    let files = ["--policies", policies.to_str().unwrap(), "--schema", schema.to_str().unwrap()];
    assert_eq!(ask(&files).code, 2);
    let both = ask(&[&files[..], &["--server", "http://127.0.0.1:1"]].concat());
    assert!(both.code == 1 && both.stderr.contains("policies of its own"), "{}", both.stderr);
}

#[test]
fn a_question_can_come_from_files() {
    let folder = TempDir::new().unwrap();
    let question = r#"{"principal": "Hub::User::\"alice\"", "action": {"type": "Hub::Action", "id": "repo.read"},
        "resource": {"type": "repo", "id": "models/a/b"}, "context": {"mfa": true}}"#;
    fs::write(folder.path().join("question.json"), question).unwrap();
    fs::write(folder.path().join("context.json"), r#"{"mfa": "yes"}"#).unwrap();
    assert_eq!(run(folder.path(), &["authorize", "--request-json", "question.json"]).code, 2);
    let args = ["authorize", "--principal", "user:a", "--action", "repo.read", "--resource", "repo:models/a/b"];
    let wrong = run(folder.path(), &[&args[..], &["--context", "@context.json"]].concat());
    assert!(wrong.code == 3 && wrong.stderr.contains("context.mfa: expected true or false"), "{}", wrong.stderr);
    fs::write(folder.path().join("question.json"), question.replace("\"context\"", "\"contxt\"")).unwrap();
    let unknown = run(folder.path(), &["authorize", "--request-json", "question.json"]);
    assert!(unknown.code == 1 && unknown.stderr.contains("contxt"), "{}", unknown.stderr);
}

#[cfg(unix)]
#[test]
fn the_socket_of_the_configuration_lies_in_its_folder_and_a_flag_names_another() {
    let folder = TempDir::new().unwrap();
    fs::create_dir(folder.path().join("etc")).unwrap();
    fs::write(folder.path().join("etc/served.yaml"), "unix-socket: pdp.sock\n").unwrap();
    let listens = |args: &[&str]| {
        let config = [&["--data", "data", "--config", "etc/served.yaml"], args].concat();
        let serving = Serving::start(folder.path(), &config);
        let found = ["etc/pdp.sock", "other.sock"].map(|file| UnixStream::connect(folder.path().join(file)).is_ok());
        assert!(serving.stop().success());
        found
    };
    assert_eq!(listens(&[]), [true, false]);
    assert_eq!(listens(&["--unix-socket", "other.sock"]), [false, true]);
}
