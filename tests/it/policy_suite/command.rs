//! `hubwarden test` as its users run it: exit codes, filters, minima, running again.

use std::io::{BufRead, BufReader};
use std::path::Path;
use std::process::{Child, ChildStdout, Stdio};

use crate::program::{Run, hubwarden, repository, run};

const BUNDLE: [&str; 4] = ["--policies", "policies", "--schema", "schema.cedarschema"];

fn documents(args: &[&str]) -> Run {
    run(&repository("examples/documents"), &[&["test", "documents_test.yaml"], &BUNDLE[..], args].concat())
}

#[test]
fn the_exit_code_tells_what_happened() {
    assert_eq!(documents(&[]).code, 0);
    let usage = documents(&["--run", "action=nothing"]);
    assert_eq!((usage.code, usage.stderr.as_str()), (2, "error: no cell fits `--run`\n"));
    assert_eq!(documents(&["--run", "colour=red"]).code, 2);
    assert_eq!(documents(&["no-such-file.yaml"]).code, 2);
    let folder = tempfile::tempdir().unwrap();
    assert_eq!(run(folder.path(), &["test"]).code, 2, "there is no folder of suites");
    std::fs::write(folder.path().join("a_test.yaml"), "tests: [1]").unwrap();
    let invalid = run(folder.path(), &["test", "."]);
    assert_eq!(invalid.code, 3);
    assert!(invalid.stderr.contains("--> ./a_test.yaml:1:9"), "{}", invalid.stderr);
    std::fs::write(folder.path().join("p.cedar"), "permit(principal, action, resource);").unwrap();
    std::fs::write(folder.path().join("s.cedarschema"), "entity A;").unwrap();
    assert_eq!(run(folder.path(), &["test", ".", "--policies", ".", "--schema", "s.cedarschema"]).code, 3);
}

#[test]
fn the_hubs_suite_runs_against_the_policies_inside_the_program() {
    let told = run(&repository(""), &["test"]);
    assert_eq!(told.code, 0, "{}", told.stdout);
    assert!(told.stdout.contains("ok: "), "{}", told.stdout);
}

#[test]
fn filters_choose_cells() {
    let cells = |args: &[&str]| documents(&[args, &["--output", "json"]].concat()).json()["cells"].as_u64().unwrap();
    let all = cells(&[]);
    let of_cleo = cells(&["--run", "principal=cleo"]);
    assert!(of_cleo < all);
    assert_eq!(cells(&["--run", "principal=cleo", "--run", "principal=*"]), all);
    assert!(cells(&["--run", "principal=cleo", "--filter", "action=v*"]) < of_cleo);
    assert_eq!(cells(&["--run", "policy=limits/expired"]), 2);
    assert_eq!(cells(&["--run", "a folder"]), 12);
    assert_eq!(cells(&["--run", "suite=documents", "--run", "resource=offer", "--run", "action=view"]), 4);
}

#[test]
fn minima_fail_the_run() {
    assert_eq!(documents(&["--min-coverage", "100", "--min-mutation-score", "100"]).code, 0);
    let told = documents(&["--run", "action=view", "--min-coverage", "100"]);
    assert_eq!(told.code, 4);
    assert!(told.stderr.starts_with("error: the coverage is "), "{}", told.stderr);
    assert_eq!(documents(&["--run", "action=view", "--min-mutation-score", "99.9"]).code, 4);
}

/// A run that goes on; stopped when dropped.
struct Watching {
    child: Child,
    stdout: BufReader<ChildStdout>,
}

impl Watching {
    fn start(folder: &Path, args: &[&str]) -> Self {
        let mut command = hubwarden(folder);
        let mut child = command.args(args).stdout(Stdio::piped()).stderr(Stdio::null()).spawn().unwrap();
        Self { stdout: BufReader::new(child.stdout.take().unwrap()), child }
    }

    /// The next line that tells a result.
    fn result(&mut self) -> String {
        loop {
            let mut line = String::new();
            assert_ne!(self.stdout.read_line(&mut line).unwrap(), 0, "it ended");
            if line.starts_with("ok: ") || line.starts_with("FAILED: ") {
                return line;
            }
        }
    }
}

impl Drop for Watching {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

#[test]
fn watching_runs_again_after_each_save_of_suites_and_policies() {
    let folder = tempfile::tempdir().unwrap();
    let path = |name: &str| folder.path().join(name);
    std::fs::create_dir(path("policies")).unwrap();
    std::fs::create_dir(path("suites")).unwrap();
    let schema = "entity User; entity Thing; action use appliesTo { principal: [User], resource: [Thing] };";
    let permit = "@id(\"a/b\")\npermit (principal is User, action, resource is Thing);";
    let forbid = "@id(\"a/b\")\nforbid (principal is User, action, resource is Thing);";
    let suite = "entities: [{ uid: { type: User, id: a } }, { uid: { type: Thing, id: t } }]\n\
                 tests: [{ input: { principals: a, actions: use, resources: t }, expected: [{ decision: allow }] }]";
    std::fs::write(path("s.cedarschema"), schema).unwrap();
    std::fs::write(path("policies/a.cedar"), permit).unwrap();
    std::fs::write(path("suites/a_test.yaml"), suite).unwrap();
    // Its own page among the suites is no change of them, or it would run for ever.
    let page = ["--coverage-html", "suites/page.html"];
    let args = ["test", "suites", "--watch", "--policies", "policies", "--schema", "s.cedarschema"];
    let args = [&args[..], &page].concat();
    let mut watching = Watching::start(folder.path(), &args);
    assert!(watching.result().starts_with("ok: 1 cell"));
    std::fs::write(path("policies/a.cedar"), forbid).unwrap();
    assert!(watching.result().starts_with("FAILED: "));
    std::fs::write(path("suites/a_test.yaml"), suite.replace("decision: allow", "decision: deny")).unwrap();
    assert!(watching.result().starts_with("ok: 1 cell"));
    // A suite that is broken in between does not end it.
    std::fs::write(path("suites/a_test.yaml"), "tests: [").unwrap();
    std::fs::write(path("suites/a_test.yaml"), suite).unwrap();
    assert!(watching.result().starts_with("FAILED: "));
}
