//! `validate`, `fmt`, `new policy` and `new test`.

use std::fs;

use tempfile::TempDir;

use crate::program::{repository, run, run_with};

const SCHEMA: &str =
    "entity User; entity Page = { open: Bool };\naction view appliesTo { principal: [User], resource: [Page] };\n";
const POLICY: &str = "@id(\"pages/open\")\npermit (\n  principal is User,\n  action == Action::\"view\",\n  resource is Page\n)\nwhen { resource.open };\n";

fn bundle(policy: &str) -> TempDir {
    let folder = TempDir::new().unwrap();
    fs::create_dir(folder.path().join("policies")).unwrap();
    fs::write(folder.path().join("policies/pages.cedar"), policy).unwrap();
    fs::write(folder.path().join("pages.cedarschema"), SCHEMA).unwrap();
    folder
}

const VALIDATE: [&str; 5] = ["validate", "--policies", "policies", "--schema", "pages.cedarschema"];

#[test]
fn without_arguments_the_shipped_policies_are_validated_from_any_folder() {
    let folder = TempDir::new().unwrap();
    let run = run(folder.path(), &["validate", "--format", "json"]);
    assert_eq!(run.code, 0, "{}", run.stderr);
    assert_eq!(run.json()["valid"], true);
    assert!(run.json()["policies"].as_u64().unwrap() > 20);
    assert!(run.stderr.is_empty(), "{}", run.stderr);
}

#[test]
fn the_shipped_policies_are_those_of_the_repository() {
    let root = repository("");
    let inside = run(&root, &["validate", "--format", "json"]).json();
    let args = ["validate", "--policies", "policies", "--schema", "schema/hub.cedarschema", "--format", "json"];
    assert_eq!(inside["bundle"], run(&root, &args).json()["bundle"]);
}

#[test]
fn a_fault_shows_its_file_line_and_text_and_exits_with_3() {
    let folder = bundle(&POLICY.replace("resource.open", "resource.opened"));
    let run = run(folder.path(), &VALIDATE);
    assert_eq!((run.code, run.stdout.as_str()), (3, ""));
    assert!(run.stderr.contains("--> policies/pages.cedar:7:"), "{}", run.stderr);
    assert!(run.stderr.contains("7 | when { resource.opened };"), "{}", run.stderr);
}

#[test]
fn a_fault_is_data_with_format_json() {
    let folder = bundle(&POLICY.replace("@id(\"pages/open\")\n", ""));
    let mut args = VALIDATE.to_vec();
    args.extend(["--format", "json"]);
    let run = run(folder.path(), &args);
    assert_eq!((run.code, run.stderr.as_str()), (3, ""));
    let fault = &run.json()["faults"][0];
    assert_eq!((fault["line"].as_u64(), fault["message"].as_str()), (Some(1), Some("this policy has no `@id`")));
}

#[test]
fn the_rules_of_the_gateway_are_validated_with_the_policies() {
    let folder = bundle(POLICY);
    let rules = "{\"routes\": [\n  {\"about\": \"a page\", \"methods\": [\"GET\"], \"path\": \"/{page}\",\n   \"type\": \"Page\", \"id\": \"{page}\", \"action\": \"view\"}\n]}\n";
    let file = folder.path().join("policies/gateway.json");
    fs::write(&file, rules).unwrap();
    let valid = run(folder.path(), &VALIDATE);
    assert_eq!(valid.code, 0, "{}", valid.stderr);
    assert!(valid.stdout.starts_with("valid: 1 policies, 1 gateway rules\n"), "{}", valid.stdout);
    fs::write(&file, rules.replace("\"view\"", "\"veiw\"")).unwrap();
    let faulty = run(folder.path(), &VALIDATE);
    assert_eq!(faulty.code, 3);
    assert!(faulty.stderr.contains("--> policies/gateway.json:3:46"), "{}", faulty.stderr);
    assert!(faulty.stderr.contains("the schema has no action `veiw`"), "{}", faulty.stderr);
}

#[test]
fn faults_are_told_to_code_scanners_and_to_github() {
    let folder = bundle(&POLICY.replace("resource.open", "resource.opened"));
    let reported = |form: &'static str| {
        let mut args = VALIDATE.to_vec();
        args.extend(["--output", form]);
        run(folder.path(), &args)
    };
    let (sarif, github) = (reported("sarif"), reported("github"));
    assert_eq!((sarif.code, github.code), (3, 3));
    let result = &sarif.json()["runs"][0]["results"][0];
    assert_eq!((result["ruleId"].as_str(), result["level"].as_str()), (Some("invalid"), Some("error")));
    assert_eq!(result["locations"][0]["physicalLocation"]["region"]["startLine"].as_u64(), Some(7));
    assert!(result["message"]["text"].as_str().unwrap().contains("did you mean `open`?"), "{result}");
    assert!(github.stdout.starts_with("::error file=policies/pages.cedar,line=7,"), "{}", github.stdout);
    let valid = bundle(POLICY);
    let mut args = VALIDATE.to_vec();
    args.extend(["--output", "sarif"]);
    let run = run(valid.path(), &args);
    assert_eq!((run.code, run.json()["runs"][0]["results"].as_array().map(Vec::len)), (0, Some(0)));
}

#[test]
fn entities_are_validated_with_their_lines() {
    let folder = bundle(POLICY);
    let entities = "{\"uid\":{\"type\":\"Page\",\"id\":\"a\"},\"attrs\":{\"open\":true},\"parents\":[]}\n\
                    {\"uid\":{\"type\":\"Page\",\"id\":\"b\"},\"attrs\":{},\"parents\":[]}\n{\"uid\"\n";
    let mut args = VALIDATE.to_vec();
    args.extend(["--entities", "-"]);
    let run = run_with(folder.path(), &args, entities);
    assert_eq!(run.code, 3);
    assert!(run.stderr.contains("stdin:2: Page::\"b\": attrs.open: missing"), "{}", run.stderr);
    assert!(run.stderr.contains("stdin:3: column "), "{}", run.stderr);
}

#[test]
fn formatting_lists_what_it_changes_and_a_second_time_nothing() {
    let folder = bundle(&POLICY.replace("\n  ", " "));
    let check = run(folder.path(), &["fmt", "--check"]);
    assert_eq!((check.code, check.stdout.as_str()), (1, "policies/pages.cedar\n"));
    let changed = run(folder.path(), &["fmt"]);
    assert_eq!((changed.code, changed.stdout.as_str()), (0, "policies/pages.cedar\n"));
    assert_eq!(fs::read_to_string(folder.path().join("policies/pages.cedar")).unwrap(), POLICY);
    let again = run(folder.path(), &["fmt", "--check"]);
    assert_eq!((again.code, again.stdout.as_str()), (0, ""));
}

#[test]
fn a_file_that_does_not_parse_is_left_alone() {
    let folder = bundle("permit (principal,");
    let run = run(folder.path(), &["fmt", "policies/pages.cedar"]);
    assert_eq!((run.code, run.stdout.as_str()), (3, ""));
    assert_eq!(fs::read_to_string(folder.path().join("policies/pages.cedar")).unwrap(), "permit (principal,");
}

fn new_policy(folder: &TempDir, args: &[&str]) -> crate::program::Run {
    let mut all = vec!["new", "policy", "--policies", "policies", "--schema", "pages.cedarschema"];
    all.extend(["--principal", "user", "--action", "view", "--resource", "page"]);
    all.extend(args);
    run(folder.path(), &all)
}

#[test]
fn a_new_policy_is_refused_until_its_condition_is_written() {
    let folder = bundle(POLICY);
    let new = new_policy(&folder, &["pages/owners", "--effect", "permit"]);
    assert_eq!((new.code, new.stdout.as_str()), (0, "policies/pages.cedar:9\n"), "{}", new.stderr);
    let path = folder.path().join("policies/pages.cedar");
    let text = fs::read_to_string(&path).unwrap();
    assert!(text.starts_with(POLICY), "{text}");
    assert!(text.lines().nth(8).unwrap().starts_with("// Why"), "{text}");
    assert_eq!(run(folder.path(), &["fmt", "--check"]).code, 0);
    assert_eq!(run(folder.path(), &VALIDATE).code, 3);
    fs::write(&path, text.replace("when { false }", "when { resource.open }")).unwrap();
    assert_eq!(run(folder.path(), &VALIDATE).code, 0);
}

#[test]
fn a_new_concern_gets_a_file_of_its_own() {
    let folder = bundle(POLICY);
    let new = new_policy(&folder, &["owners/all", "--effect", "forbid", "--reason", "user_right"]);
    assert_eq!((new.code, new.stdout.as_str()), (0, "policies/owners.cedar:1\n"), "{}", new.stderr);
    let text = fs::read_to_string(folder.path().join("policies/owners.cedar")).unwrap();
    assert!(text.contains("@id(\"owners/all\")\n@reason(\"user_right\")\n@message("), "{text}");
}

#[test]
fn a_new_policy_takes_no_id_that_is_taken_or_leads_elsewhere() {
    let folder = bundle(POLICY);
    for id in ["pages/open", "../pages/x", "pages", "pages/", "pages/X\")"] {
        let new = new_policy(&folder, &[id, "--effect", "permit"]);
        assert_eq!((new.code, new.stdout.as_str()), (1, ""), "{id}");
    }
    let forbid = ["pages/x", "--effect", "forbid", "--reason", "a\")"];
    assert_eq!(new_policy(&folder, &forbid).code, 1);
    assert_eq!(fs::read_to_string(folder.path().join("policies/pages.cedar")).unwrap(), POLICY);
}

fn new_test(folder: &TempDir, name: &str) -> crate::program::Run {
    run(folder.path(), &["new", "test", "--policies", "policies", "--schema", "pages.cedarschema", name])
}

#[test]
fn a_new_suite_runs_and_fails_until_its_expectation_is_written() {
    let folder = bundle(POLICY);
    let new = new_test(&folder, "pages");
    assert_eq!((new.code, new.stdout.as_str()), (0, "tests/policy/pages_test.yaml\n"), "{}", new.stderr);
    let test = ["test", "--policies", "policies", "--schema", "pages.cedarschema", "--format", "json"];
    let unwritten = run(folder.path(), &test);
    assert_eq!(unwritten.code, 4, "{}", unwritten.stderr);
    let (json, stdout) = (unwritten.json(), &unwritten.stdout);
    assert_eq!((&json["failed"], &json["unlisted"]), (&1.into(), &1.into()), "{stdout}");

    let path = folder.path().join("tests/policy/pages_test.yaml");
    let text = fs::read_to_string(&path).unwrap();
    let world = r#"[{uid: {type: User, id: somebody}, attrs: {}, parents: []}, {uid: {type: Page, id: something}, attrs: {open: true}, parents: []}]"#;
    let expected = "      - { principals: somebody, decision: allow, reason: [pages/open] }";
    fs::write(&path, format!("{}{expected}\nentities: {world}\n", text.replace("absent:", "entity:"))).unwrap();
    let written = run(folder.path(), &test);
    assert_eq!(written.code, 0, "{}", written.stdout);
}

#[test]
fn a_new_suite_of_the_hub_names_the_shared_fixtures() {
    let folder = TempDir::new().unwrap();
    fs::create_dir_all(folder.path().join("tests/policy/testdata")).unwrap();
    fs::write(folder.path().join("tests/policy/testdata/cast.yaml"), "{}\n").unwrap();
    assert_eq!(run(folder.path(), &["new", "test", "first_steps"]).code, 0);
    let text = fs::read_to_string(folder.path().join("tests/policy/first_steps_test.yaml")).unwrap();
    assert!(text.contains("\n# fixtures: testdata/cast.yaml\n"), "{text}");
    assert_eq!(run(folder.path(), &["test", "--run", "suite=first_steps"]).code, 4);
    let path = folder.path().join("tests/policy/first_steps_test.yaml");
    fs::write(&path, text.replace("    # unlisted: deny", "    unlisted: deny")).unwrap();
    let written = run(folder.path(), &["test"]);
    assert_eq!(written.code, 0, "what is commented out is the format: {}{}", written.stdout, written.stderr);
}

#[test]
fn a_new_suite_is_never_written_over_another_nor_elsewhere() {
    let folder = bundle(POLICY);
    let path = folder.path().join("tests/policy/pages_test.yaml");
    fs::create_dir_all(path.parent().unwrap()).unwrap();
    fs::write(&path, "mine").unwrap();
    let new = new_test(&folder, "pages");
    assert_eq!((new.code, new.stdout.as_str()), (1, ""));
    assert!(new.stderr.contains("there is a tests/policy/pages_test.yaml already"), "{}", new.stderr);
    assert_eq!(fs::read_to_string(&path).unwrap(), "mine");
    for name in ["../pages", "a/b", "", "A", "a: b"] {
        let new = new_test(&folder, name);
        assert_eq!((new.code, new.stdout.as_str()), (1, ""), "{name}");
    }
    assert_eq!(fs::read_dir(folder.path().join("tests/policy")).unwrap().count(), 1);
}
