//! `--as-of`: of a store and of a server.

use tempfile::TempDir;

use crate::program::{Serving, run, run_with};

const QUESTION: &[&str] = &["--principal", "user:zoe", "--action", "repo.write", "--resource", "repo:models/acme/m1"];

fn put(folder: &std::path::Path, url: &str, role: &str) -> String {
    let lines = format!(
        "{{\"uid\":{{\"type\":\"Hub::User\",\"id\":\"zoe\"}},\"attrs\":{{}},\"parents\":[{{\"type\":\"Hub::OrgRole\",\"id\":\"acme/{role}\"}}]}}\n"
    );
    let done = run_with(folder, &["import", "--server", url, "-"], &lines);
    assert_eq!(done.code, 0, "{}", done.stderr);
    done.stdout.trim().rsplit(' ').next().unwrap().to_owned()
}

fn ask(folder: &std::path::Path, command: &str, more: &[&str]) -> crate::program::Run {
    run(folder, &[&[command], QUESTION, more].concat())
}

#[test]
fn a_server_and_then_its_store_tell_what_the_answer_was() {
    let folder = TempDir::new().unwrap();
    let dir = folder.path();
    let server = Serving::start(dir, &["--data", "store"]);
    let cast = include_str!("../../../src/cli/serve/demo/cast.ndjson");
    let done = run_with(dir, &["import", "--server", &server.url, "-"], cast);
    assert_eq!(done.code, 0, "{}", done.stderr);
    let writer = put(dir, &server.url, "write");
    let reader = put(dir, &server.url, "read");
    let then = ask(dir, "authorize", &["--server", &server.url, "--as-of", &writer]);
    assert_eq!(then.code, 0, "{}{}", then.stdout, then.stderr);
    assert!(then.stdout.contains(&format!("revision {writer}\nas of    20")), "{}", then.stdout);
    assert_eq!(ask(dir, "authorize", &["--server", &server.url, "--as-of", &reader]).code, 2);
    assert_eq!(ask(dir, "explain", &["--server", &server.url, "--as-of", &writer]).code, 0);
    let time = then.stdout.lines().find_map(|line| line.strip_prefix("as of    ")).unwrap().to_owned();
    assert_eq!(ask(dir, "authorize", &["--server", &server.url, "--as-of", &time]).code, 0);
    assert!(server.stop().success());

    let store = ["--data", "store", "--as-of", &writer];
    let then = ask(dir, "authorize", &store);
    assert_eq!(then.code, 0, "{}{}", then.stdout, then.stderr);
    assert_eq!(ask(dir, "authorize", &["--data", "store"]).code, 2);
    assert_eq!(ask(dir, "explain", &store).code, 0);
    std::fs::create_dir(dir.join("rules")).unwrap();
    std::fs::write(dir.join("rules/none.cedar"), "@id(\"none\") forbid (principal, action, resource);\n").unwrap();
    let schema = crate::program::repository("schema/hub.cedarschema");
    let other = [&store[..], &["--policies", "rules", "--schema", schema.to_str().unwrap()]].concat();
    let by_others = ask(dir, "authorize", &other);
    assert!(
        by_others.code == 2 && by_others.stdout.contains("policy   none"),
        "{}{}",
        by_others.stdout,
        by_others.stderr
    );
    let unknown = ask(dir, "authorize", &["--data", "store", "--as-of", "1"]);
    assert!(
        unknown.code == 1 && unknown.stderr.contains("which policies were in force at revision 1"),
        "{}",
        unknown.stderr
    );
    let files = ask(dir, "authorize", &["--as-of", "1"]);
    assert!(files.code == 2 && files.stderr.contains("only a store has a past"), "{}", files.stderr);
}
