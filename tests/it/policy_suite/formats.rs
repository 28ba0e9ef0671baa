//! The forms that results are written in.

use std::path::Path;

use tempfile::TempDir;

use crate::program::{Run, repository, run};

/// A folder with the documents' policies and a suite that fails in every way there is.
fn failing() -> TempDir {
    let folder = tempfile::tempdir().unwrap();
    let example = repository("examples/documents");
    for name in ["schema.cedarschema", "entities.json"] {
        std::fs::copy(example.join(name), folder.path().join(name)).unwrap();
    }
    std::fs::create_dir(folder.path().join("policies")).unwrap();
    for entry in std::fs::read_dir(example.join("policies")).unwrap() {
        let path = entry.unwrap().path();
        std::fs::copy(&path, folder.path().join("policies").join(path.file_name().unwrap())).unwrap();
    }
    let suite = "\
name: '<b>&\"one\"'
options: { now: 2026-01-15T12:00:00Z }
entities: entities.json
tests:
  - name: passes
    input: { principals: ann, actions: [view, edit], resources: roadmap }
    expected: [{ decision: allow }]
  - name: fails, twice
    input: { principals: [ben, cleo], actions: [view, edit], resources: roadmap }
    expected: [{ principals: cleo, actions: { view: not_found, edit: allow } }, { principals: ben, decision: allow }]
  - name: says nothing
    input: { principals: ben, actions: [view], resources: roadmap }
  - name: is not run
    skip: true
    skipReason: \"later # maybe\"
    input: { principals: ben, actions: [view], resources: roadmap }
";
    std::fs::write(folder.path().join("a_test.yaml"), suite).unwrap();
    folder
}

fn test(folder: &Path, args: &[&str]) -> Run {
    let bundle = ["test", "--policies", "policies", "--schema", "schema.cedarschema", "a_test.yaml"];
    run(folder, &[&bundle[..], args].concat())
}

#[test]
fn for_people_with_question_expected_got_and_why() {
    let folder = failing();
    let told = test(folder.path(), &[]);
    assert_eq!(told.code, 4);
    for part in [
        "cleo edit roadmap\n  at a_test.yaml:10\n  decision: expected allow, got deny\n  why: not_shared (403): Editing roadmap takes a share that says so; ask ann.",
        "owners/document (policies/owners.cedar:2): when `resource.owner == principal` (policies/owners.cedar:8:8) is false",
        "ben view roadmap\n  at a_test.yaml:11\n  no expectation; it is answered allow",
        "SKIP  <b>&\"one\" / is not run (a_test.yaml:13): later # maybe",
        "FAILED: 4 cells passed, 3 failed, 1 of them without an expectation, 1 test skipped",
    ] {
        assert!(told.stdout.contains(part), "{part}\n---\n{}", told.stdout);
    }
    assert_eq!(told.stderr, "");
}

#[test]
fn as_json() {
    let folder = failing();
    for args in [&["--output", "json"][..], &["--format", "json"], &["--output", "json", "--coverage"]] {
        let told = test(folder.path(), args);
        assert_eq!(told.code, 4);
        let json = told.json();
        assert_eq!(
            (json["passed"].as_u64(), json["failed"].as_u64(), json["unlisted"].as_u64()),
            (Some(4), Some(3), Some(1))
        );
        let failure = &json["suites"][0]["tests"][1]["failures"][0];
        assert_eq!(failure["principal"], "cleo");
        assert_eq!(failure["mismatches"][0]["got"], "allow");
        assert_eq!(json.get("coverage").is_some(), args.contains(&"--coverage"));
    }
}

#[test]
fn as_junit_with_everything_escaped() {
    let folder = failing();
    let told = test(folder.path(), &["--output", "junit"]);
    assert_eq!(told.code, 4);
    assert!(told.stdout.contains("tests=\"4\" skipped=\"1\" failures=\"2\" errors=\"0\""), "{}", told.stdout);
    assert!(told.stdout.contains("name=\"&lt;b&gt;&amp;&quot;one&quot;\""), "{}", told.stdout);
    assert!(
        told.stdout.contains("<failure message=\"2 of 4 cells\">cleo view roadmap\nat a_test.yaml:10"),
        "{}",
        told.stdout
    );
}

#[test]
fn as_annotations_at_the_suites_lines() {
    let folder = failing();
    let told = test(folder.path(), &["--output", "github"]);
    assert_eq!(told.code, 4);
    let lines: Vec<&str> = told.stdout.lines().collect();
    assert_eq!(lines.len(), 4, "{}", told.stdout);
    assert!(
        lines[0]
            .starts_with("::error file=a_test.yaml,line=10,title=<b>&\"one\" / fails%2C twice::cleo view roadmap%0A")
    );
    assert!(lines[3].starts_with("::notice file=a_test.yaml,line=13,"));
}

#[test]
fn as_tap() {
    let folder = failing();
    let told = test(folder.path(), &["--output", "tap"]);
    assert_eq!(told.code, 4);
    let results: Vec<&str> =
        told.stdout.lines().filter(|line| line.starts_with("ok") || line.starts_with("not ok")).collect();
    assert_eq!(results[0], "ok 1 - <b>&\"one\" / passes");
    assert_eq!(results[2], "not ok 3 - <b>&\"one\" / says nothing");
    assert_eq!(results[3], "ok 4 - <b>&\"one\" / is not run # SKIP later \\# maybe");
    assert!(told.stdout.starts_with("TAP version 14\n1..4\n"));
}

#[test]
fn coverage_as_a_page_and_for_tools() {
    let folder = failing();
    // A comment of a policy is somebody's text, too.
    let path = folder.path().join("policies/owners.cedar");
    let text = std::fs::read_to_string(&path).unwrap();
    std::fs::write(&path, format!("// <script>alert(1)</script>\n{text}")).unwrap();
    let told = test(folder.path(), &["--coverage-html", "c.html", "--coverage-lcov", "c.info"]);
    assert_eq!(told.code, 4, "{}", told.stderr);
    let page = std::fs::read_to_string(folder.path().join("c.html")).unwrap();
    assert!(page.contains("&lt;script&gt;") && !page.contains("<script"), "{page}");
    assert!(!page.contains("http"), "the page needs nothing else");
    assert!(page.contains("<span class=\"both\" title=\"true 2, false 5, errored 0, not evaluated 0\">resource.owner == principal</span>"), "{page}");
    let lcov = std::fs::read_to_string(folder.path().join("c.info")).unwrap();
    for line in [
        "SF:policies/owners.cedar",
        "FN:3,owners/document",
        "FNDA:2,owners/document",
        "BRDA:9,0,0,2",
        "BRDA:9,0,1,5",
        "DA:9,7",
    ] {
        assert!(lcov.lines().any(|found| found == line), "{line}\n{lcov}");
    }
}
