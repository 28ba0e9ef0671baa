//! A server takes policies over only when they pass their tests.

use std::path::{Path, PathBuf};

use hubwarden::suite::gate;
use hubwarden::warden::{BundleError, BundleOrigin, Scope};
use serde_json::json;

use crate::http_support::World;
use crate::program::run;

const SUITE: &str = "\
entities:
  - { uid: { type: User, id: ann } }
  - { uid: { type: User, id: bob } }
  - { uid: { type: Note, id: n }, attrs: { text: hello, owner: { type: User, id: ann } } }
tests:
  - input: { principals: [ann, bob], actions: read, resources: n }
    expected: [{ principals: ann, decision: allow }, { principals: bob, decision: deny }]
";

fn suites(folder: &Path) -> PathBuf {
    let suites = folder.join("suites");
    std::fs::create_dir(&suites).unwrap();
    std::fs::write(suites.join("notes_test.yaml"), SUITE).unwrap();
    suites
}

fn guarded(suites: PathBuf) -> hubwarden::warden::Gate {
    Box::new(move |bundle| gate(bundle, std::slice::from_ref(&suites)))
}

const ALL: &str = "@id(\"notes/all\") permit (principal is User, action, resource is Note);";

#[test]
fn an_edit_of_the_folder_that_fails_its_tests_leaves_the_last_good_bundle_in_force() {
    let folder = tempfile::tempdir().unwrap();
    let (policies, schema) = (folder.path().to_owned(), folder.path().join("notes.cedarschema"));
    let notes = World::notes();
    std::fs::write(&schema, &notes.source.schema.text).unwrap();
    std::fs::write(policies.join("notes.cedar"), &notes.source.policies[0].text).unwrap();
    let source = hubwarden::warden::folder(&policies, &schema).unwrap();
    let origin = BundleOrigin::Folder { policies: policies.clone(), schema };
    let served = World { source, origin, ..notes }.serve();
    served.warden.guard(guarded(suites(folder.path()))).unwrap();
    let good = served.warden.bundle().hash().to_owned();
    std::fs::write(policies.join("more.cedar"), ALL).unwrap();
    assert!(!served.warden.reload());
    assert_eq!(served.warden.bundle().hash(), good);
    let told = served.get(&served.all(), "/health/ready").json();
    let message = told["bundle"]["failure"]["message"].as_str().unwrap();
    assert!(message.starts_with("the policies do not pass their tests: 1 of 2 cells failed, first\n"), "{message}");
    assert!(message.ends_with("notes_test.yaml:7: bob read n: decision: expected deny, got allow"), "{message}");
    std::fs::write(
        policies.join("more.cedar"),
        ALL.replace("notes/all", "notes/more").replace("principal is User", "principal == User::\"ann\""),
    )
    .unwrap();
    assert!(served.warden.reload());
    assert_ne!(served.warden.bundle().hash(), good);
}

#[test]
fn a_bundle_that_is_put_and_fails_its_tests_is_refused() {
    let folder = tempfile::tempdir().unwrap();
    let served = World { origin: BundleOrigin::Store, ..World::notes() }.serve();
    served.warden.guard(guarded(suites(folder.path()))).unwrap();
    let key = served.key(&[Scope::Admin, Scope::Read]);
    let mut source = served.get(&key, "/v1/bundle").json()["source"].clone();
    source["policies"][0]["text"] = json!(ALL);
    let got = served.with_body("PUT", &key, "/v1/bundle", &source);
    assert_eq!((got.status, got.code().as_str()), (400, "tests_failed"), "{}", got.text);
    assert!(got.text.contains("bob read n"), "{}", got.text);
}

#[test]
fn suites_that_are_broken_or_empty_let_nothing_pass() {
    let folder = tempfile::tempdir().unwrap();
    let warden = World::notes().warden();
    let refused = |suites: PathBuf| match warden.guard(guarded(suites)) {
        Err(BundleError::Gate(message)) => message,
        other => panic!("{other:?}"),
    };
    assert!(refused(folder.path().to_owned()).starts_with("there are none in "));
    let suites = suites(folder.path());
    std::fs::write(suites.join("broken_test.yaml"), "tests: [").unwrap();
    assert!(refused(suites).contains("broken_test.yaml:1:"));
}

#[test]
fn a_server_does_not_start_with_policies_that_fail() {
    let folder = tempfile::tempdir().unwrap();
    let suite = "options: {now: 2026-06-01T00:00:00Z}\nhub: {users: [eve], organizations: [acme], repos: {models/acme/p: {private: true}}}\n\
                 tests: [{input: {principals: eve, actions: repo.read, resources: models/acme/p}, expected: [{decision: allow}]}]\n";
    std::fs::write(folder.path().join("wrong_test.yaml"), suite).unwrap();
    let told = run(folder.path(), &["serve", "--data", "store", "--listen", "127.0.0.1:0", "--gate", "."]);
    assert_eq!((told.code, told.stdout.as_str()), (3, ""), "{}", told.stderr);
    assert!(told.stderr.contains("eve repo.read models/acme/p: decision: expected allow, got deny"), "{}", told.stderr);
}
