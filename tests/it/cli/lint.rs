//! `lint`: what is printed in each form, and exit codes. The rules themselves are tested where they are.

use std::fs;

use tempfile::TempDir;

use crate::program::{Run, repository, run};

const SCHEMA: &str =
    "entity User; entity Page = { open: Bool };\naction view appliesTo { principal: [User], resource: [Page] };\n";
const CLEAN: &str = "// Open pages are anyone's.\n@id(\"pages/open\")\npermit (principal is User, action == Action::\"view\", resource is Page)\nwhen { resource.open };\n";

fn lint(policy: &str, args: &[&str]) -> Run {
    let folder = TempDir::new().unwrap();
    fs::create_dir(folder.path().join("policies")).unwrap();
    fs::write(folder.path().join("policies/pages.cedar"), policy).unwrap();
    fs::write(folder.path().join("pages.cedarschema"), SCHEMA).unwrap();
    let mut all = vec!["lint", "--policies", "policies", "--schema", "pages.cedarschema"];
    all.extend(args);
    run(folder.path(), &all)
}

#[test]
fn the_hubs_own_policies_are_clean() {
    let root = repository("");
    for args in [
        &["lint", "--fail-on-warn"][..],
        &["lint", "--fail-on-warn", "--policies", "policies", "--schema", "schema/hub.cedarschema"],
    ] {
        let run = run(&root, args);
        assert_eq!(run.code, 0, "{}", run.stdout);
        assert!(run.stdout.starts_with("clean: "), "{}", run.stdout);
    }
}

#[test]
fn a_warning_shows_its_line_and_fails_only_when_asked_to() {
    let policy = CLEAN.replace("when { resource.open }", "when { resource.open && resource.open }");
    let found = lint(&policy, &[]);
    assert_eq!(found.code, 0);
    assert!(found.stdout.contains("warning[duplicate]: this condition stands here a second time"), "{}", found.stdout);
    assert!(
        found
            .stdout
            .contains("4 | when { resource.open && resource.open };\n  |                         ^^^^^^^^^^^^^"),
        "{}",
        found.stdout
    );
    assert!(found.stdout.contains("found: 0 errors, 1 warnings"), "{}", found.stdout);
    assert_eq!(lint(&policy, &["--fail-on-warn"]).code, 1);
}

#[test]
fn an_error_fails() {
    let policy = CLEAN.replace("when { resource.open }", "when { resource.open || !resource.open }");
    assert_eq!(lint(&policy, &[]).code, 1);
}

#[test]
fn policies_that_are_not_valid_are_not_looked_at() {
    let found = lint(&CLEAN.replace("resource.open", "resource.opened"), &[]);
    assert_eq!((found.code, found.stdout.as_str()), (3, ""));
}

#[test]
fn findings_are_data() {
    let policy = CLEAN.replace("// Open pages are anyone's.\n", "");
    let json = lint(&policy, &["--format", "json"]).json();
    let found = &json["found"][0];
    assert_eq!((json["warnings"].as_u64(), found["rule"].as_str()), (Some(1), Some("comment")));
    assert_eq!((found["file"].as_str(), found["line"].as_u64()), (Some("policies/pages.cedar"), Some(1)));
    let sarif = lint(&policy, &["--output", "sarif"]).json();
    let result = &sarif["runs"][0]["results"][0];
    assert_eq!((sarif["version"].as_str(), result["ruleId"].as_str()), (Some("2.1.0"), Some("comment")));
    let place = &result["locations"][0]["physicalLocation"];
    assert_eq!(place["artifactLocation"]["uri"].as_str(), Some("policies/pages.cedar"));
    assert_eq!(place["region"]["startLine"].as_u64(), Some(1));
    let rules = sarif["runs"][0]["tool"]["driver"]["rules"].as_array().unwrap();
    assert!(rules.iter().any(|rule| rule["id"] == "comment"));
    let github = lint(&policy, &["--output", "github"]).stdout;
    assert!(github.starts_with("::warning file=policies/pages.cedar,line=1,col=1,title=comment::"), "{github}");
}

#[test]
fn the_rules_say_why_they_are_there() {
    let rules = lint(CLEAN, &["--rules"]);
    assert_eq!(rules.code, 0);
    assert!(rules.stdout.contains("permit-reads-credential"), "{}", rules.stdout);
}
