//! A suite that is wrong is told so before anything is asked, at the line that is wrong.

use hubwarden::suite::load;

use super::hub::hub;

/// A suite that is right but for the line to come.
const START: &str = "\
options: { now: 2026-06-01T00:00:00Z }
hub:
  organizations: [acme]
  users: { alice: { acme: admin }, eve: }
  repos: { models/acme/m1: { private: true } }
";

/// The faults of a suite: line and message.
fn faults(text: &str) -> Vec<(usize, String)> {
    let folder = tempfile::tempdir().unwrap();
    std::fs::write(folder.path().join("a_test.yaml"), text).unwrap();
    std::fs::write(folder.path().join("secret"), "x").unwrap();
    match load(&hub().bundle, &[folder.path().join("a_test.yaml")]) {
        Ok(_) => Vec::new(),
        Err(faults) => faults.0.into_iter().map(|fault| (fault.line, fault.message)).collect(),
    }
}

/// A test of one product, whose expectations are given.
fn with(expected: &str) -> Vec<(usize, String)> {
    let test = "tests:\n  - name: t\n    input: { principals: [alice, eve], actions: [repo.read, repo.write], resources: models/acme/m1 }\n    expected:\n";
    faults(&format!("{START}{test}{expected}"))
}

fn refused(found: &[(usize, String)], line: usize, part: &str) {
    assert!(found.iter().any(|(at, message)| *at == line && message.contains(part)), "{line} {part}: {found:?}");
}

#[test]
fn a_suite_that_is_right_has_no_faults() {
    assert_eq!(with("      - { decision: allow }\n"), []);
}

#[test]
fn names_that_nothing_has() {
    refused(&with("      - { principals: bob, decision: allow }\n"), 10, "`bob` names nothing");
    refused(&with("      - { actions: repo.raed, decision: allow }\n"), 10, "no action `repo.raed`");
    refused(&with("      - { resources: models/acme/m2, decision: allow }\n"), 10, "`models/acme/m2` names nothing");
    refused(&with("      - { code: user_rigth }\n"), 10, "no reason code `user_rigth`");
    refused(&with("      - { reason: organization/raeders }\n"), 10, "no policy `organization/raeders`");
    refused(&with("      - { actions: { repo.read: user_rigth } }\n"), 10, "no reason code `user_rigth`");
    refused(&with("      - { principals: repo:x, decision: allow }\n"), 10, "is not in the fixtures");
}

#[test]
fn an_expectation_about_what_is_not_asked() {
    refused(
        &with("      - { actions: repo.delete, decision: allow }\n"),
        10,
        "`repo.delete` is not in this test's input",
    );
}

#[test]
fn expectations_that_contradict_each_other() {
    let found = with("      - { decision: allow }\n      - { principals: eve, code: not_found }\n");
    refused(&found, 11, "differs in `decision` from what line 10 expects");
    let found = with("      - { code: not_found }\n      - { actions: { repo.write: user_right } }\n");
    refused(&found, 11, "differs in `code` from what line 10 expects");
    refused(&with("      - { decision: allow, code: not_found }\n"), 10, "an allow has no reason code");
}

#[test]
fn two_that_say_different_things_of_one_answer_both_count() {
    assert_eq!(with("      - { decision: deny }\n      - { principals: eve, code: not_found }\n"), []);
}

#[test]
fn an_expectation_that_expects_nothing() {
    refused(&with("      - { principals: eve }\n"), 10, "expects nothing");
}

#[test]
fn a_clock_that_is_not_frozen() {
    let text = START.replace("options: { now: 2026-06-01T00:00:00Z }", "options: {}");
    let test = "tests:\n  - name: t\n    input: { principals: alice, actions: repo.read, resources: models/acme/m1 }\n";
    refused(&faults(&format!("{text}{test}")), 8, "`repo.read` depend on the clock: freeze it with `options");
}

#[test]
fn a_question_that_the_schema_does_not_have() {
    let test = "tests:\n  - input: { principals: alice, actions: org.read, resources: models/acme/m1 }\n";
    refused(&faults(&format!("{START}{test}")), 7, "is no question that the schema has");
}

#[test]
fn a_product_that_nobody_would_wait_for() {
    let many: Vec<String> = (0..1001).map(|number| format!("n{number}")).collect();
    let users: Vec<String> = many.iter().map(|name| format!("{name}: user:alice")).collect();
    let things: Vec<String> = many.iter().map(|name| format!("{name}: repo:models/acme/m1")).collect();
    let (users, things, many) = (users.join(", "), things.join(", "), many.join(", "));
    let text = format!(
        "principals: {{ {users} }}\nresources: {{ {things} }}\n\
         tests: [{{ input: {{ principals: [{many}], actions: repo.read, resources: [{many}] }} }}]\n"
    );
    refused(&faults(&format!("{START}{text}")), 8, "this product has 1002001 cells");
}

#[test]
fn fixtures_that_contradict_themselves_or_the_schema() {
    let one = |line: &str| faults(&format!("{START}{line}"));
    let user = START.replace("alice: { acme: admin }", "alice: { acme: king }");
    refused(&faults(&user), 4, "`king` is none of no_access, read");
    let org = START.replace("alice: { acme: admin }", "alice: { acne: admin }");
    refused(&faults(&org), 4, "there is no Organization or ResourceGroup or Repo `acne`");
    let repo = START.replace("private: true", "privat: true");
    refused(&faults(&repo), 5, "unknown key `privat`");
    let policy = START.replace("[acme]", "{ acme: { tokenPolicy: all } }");
    refused(&faults(&policy), 3, "tokenPolicy");
    refused(&one("entities: [{ uid: { type: Hub::User, id: alice } }]\n"), 6, "stands twice, first at");
    refused(&one("entities: [{ uid: { type: Hub::Repo, id: x }, attrs: {} }]\n"), 6, "attrs.");
    refused(&one("principals: { x: { absent: user:eve } }\n"), 6, "is in the fixtures, so it is not absent");
    refused(&one("principals: { x: user:nobody }\n"), 6, "is not in the fixtures");
}

#[test]
fn files_outside_the_suites_folder() {
    for name in ["../secret", "/etc/passwd", "testdata/../../secret"] {
        refused(&faults(&format!("{START}fixtures: {name}\n")), 6, "does not stay inside the suite's folder");
        refused(&faults(&format!("{START}entities: {name}\n")), 6, "does not stay inside the suite's folder");
    }
    refused(&faults(&format!("{START}fixtures: missing.yaml\n")), 6, "cannot read");
}

#[test]
fn a_skip_without_a_reason() {
    let test = "tests:\n  - name: t\n    skip: true\n    input: { principals: alice, actions: repo.read, resources: models/acme/m1 }\n";
    refused(&faults(&format!("{START}{test}")), 7, "needs a `skipReason`");
}

#[test]
fn keys_that_nobody_knows_and_text_that_is_no_yaml() {
    refused(&faults(&format!("{START}tets: []\n")), 6, "unknown key `tets`");
    refused(&faults(&format!("{START}tests: [\n")), 6, "");
    refused(&faults(&format!("{START}options: {{}}\n")), 6, "duplicate");
    refused(&faults(START), 1, "no `tests`");
}

#[test]
fn groups_that_lie_in_themselves() {
    let text = "principalGroups: { a: [b], b: [a] }\ntests:\n  - input: { principals: a, actions: repo.read, resources: models/acme/m1 }\n";
    refused(&faults(&format!("{START}{text}")), 6, "lies in itself");
}

/// The folder's own page shows the format by two files; both are read.
#[test]
fn what_the_page_about_suites_shows_is_a_suite() {
    let source = crate::program::repository("tests/policy");
    let page = std::fs::read_to_string(source.join("README.md")).unwrap();
    let blocks: Vec<&str> = page.split("```yaml\n").skip(1).map(|rest| rest.split("```").next().unwrap()).collect();
    let [suite, fixture] = blocks[..] else { panic!("{} blocks", blocks.len()) };
    let folder = tempfile::tempdir().unwrap();
    let write = |name: &str, text: &str| std::fs::write(folder.path().join(name), text).unwrap();
    std::fs::create_dir(folder.path().join("testdata")).unwrap();
    std::fs::copy(source.join("testdata/hub.yaml"), folder.path().join("testdata/hub.yaml")).unwrap();
    write("entities.json", "[]");
    write("a_test.yaml", suite);
    let test = "tests: [{ input: { principals: [ci, nobody], actions: repo.read, resources: [models/acme/m1, gone] }, unlisted: deny }]\n";
    write("b_test.yaml", &format!("options: {{ now: 2026-05-01T00:00:00Z }}\n{fixture}{test}"));
    let suites = load(&hub().bundle, &[folder.path().to_owned()]).unwrap_or_else(|faults| panic!("{faults}"));
    let run = hubwarden::suite::run(&hub().bundle, &suites, &[]);
    let report = hubwarden::suite::Report::of("", &run);
    assert_eq!(report.totals.cells, 10);
    assert!(report.succeeded(), "{}", hubwarden::suite::pretty(&report, false));
}
