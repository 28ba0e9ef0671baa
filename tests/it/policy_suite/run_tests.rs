//! The files of `cedar run-tests`, unchanged.

use hubwarden::suite::{Report, load, run};

use super::hub::documents;

const FILE: &str = r#"[
  { "name": "ann edits her document",
    "request": { "principal": "Docs::User::\"ann\"", "action": "Docs::Action::\"edit\"",
                 "resource": "Docs::Document::\"d\"", "context": { "now": "2026-01-01T00:00:00Z" } },
    "entities": "testdata/entities.json",
    "decision": "allow", "reason": ["owners/document"], "num_errors": 0 },
  { "request": { "principal": "Docs::User::\"ben\"", "action": "Docs::Action::\"view\"",
                 "resource": "Docs::Document::\"d\"", "context": { "now": "2026-01-01T00:00:00Z" } },
    "entities": [
      { "uid": { "type": "Docs::User", "id": "ben" }, "attrs": { "email": "b" }, "parents": [] },
      { "uid": { "type": "Docs::Document", "id": "d" }, "parents": [],
        "attrs": { "owner": { "__entity": { "type": "Docs::User", "id": "ann" } }, "locked": false } },
      { "uid": { "type": "Docs::Action", "id": "view" }, "attrs": {}, "parents": [] } ],
    "decision": "DECISION", "reason": [], "num_errors": 0, "comment": "nobody knows this key" }
]"#;

const ENTITIES: &str = r#"[{ "uid": { "type": "Docs::Document", "id": "d" }, "parents": [],
    "attrs": { "owner": { "type": "Docs::User", "id": "ann" }, "locked": false } }]"#;

fn report(decision: &str) -> Report {
    let folder = tempfile::tempdir().unwrap();
    std::fs::create_dir(folder.path().join("testdata")).unwrap();
    std::fs::write(folder.path().join("testdata/entities.json"), ENTITIES).unwrap();
    std::fs::write(folder.path().join("cedar_test.json"), FILE.replace("DECISION", decision)).unwrap();
    let bundle = documents().bundle;
    let suites = load(&bundle, &[folder.path().to_owned()]).unwrap_or_else(|faults| panic!("{faults}"));
    Report::of("", &run(&bundle, &suites, &[]))
}

#[test]
fn they_pass_and_fail_as_there() {
    let passing = report("deny");
    assert!(passing.succeeded() && passing.totals.cells == 2, "{passing:?}");
    let failing = report("allow");
    assert_eq!((failing.totals.passed, failing.totals.failed), (1, 1));
    assert_eq!(failing.suites[0].tests[1].name, "test 2");
    assert_eq!(failing.suites[0].tests[1].failures[0].line, 7);
}

#[test]
fn one_without_a_reason_is_refused_with_its_line() {
    let folder = tempfile::tempdir().unwrap();
    std::fs::write(folder.path().join("x_test.json"), FILE.replace("\"reason\": [], ", "").replace("DECISION", "deny"))
        .unwrap();
    std::fs::create_dir(folder.path().join("testdata")).unwrap();
    std::fs::write(folder.path().join("testdata/entities.json"), ENTITIES).unwrap();
    let Err(faults) = load(&documents().bundle, &[folder.path().to_owned()]) else { panic!("it was taken") };
    assert_eq!((faults.0[0].line, faults.0[0].message.as_str()), (7, "missing `reason`"));
}
