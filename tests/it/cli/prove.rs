//! `prove` and `diff --symbolic` as far as they go without a solver. What they prove, and that broken policies are
//! caught, is in `tests/proofs/run`, which needs one.

use std::fs;

use tempfile::TempDir;

use crate::program::{Run, repository, run};

const SCHEMA: &str = "entity User; entity Page = { open: Bool };\n\
    action view appliesTo { principal: [User], resource: [Page], context: { key?: String, time: Long } };\n";
const POLICY: &str = "@id(\"pages/open\")\npermit (principal, action, resource is Page) when { resource.open };\n";

fn proving(properties: &str, args: &[&str]) -> Run {
    let folder = TempDir::new().unwrap();
    fs::create_dir_all(folder.path().join("policies/properties")).unwrap();
    fs::write(folder.path().join("policies/pages.cedar"), POLICY).unwrap();
    fs::write(folder.path().join("policies/properties/pages.cedar"), properties).unwrap();
    fs::write(folder.path().join("pages.cedarschema"), SCHEMA).unwrap();
    let mut all = vec!["prove", "--policies", "policies", "--schema", "pages.cedarschema"];
    all.extend(args);
    run(folder.path(), &all)
}

const CLOSED: &str = "// Closed is closed.\n@id(\"pages/closed\")\n@property(\"No closed page is seen.\")\n\
    forbid (principal, action, resource is Page) unless { resource.open };\n";

#[test]
fn without_a_solver_nothing_is_proven() {
    let run = proving(CLOSED, &["--solver", "/nowhere/cvc5"]);
    assert_eq!((run.code, run.stdout.as_str()), (1, ""));
    assert!(run.stderr.contains("error: cannot run the solver `/nowhere/cvc5`"), "{}", run.stderr);
    assert!(run.stderr.contains("nothing is proven without it"), "{}", run.stderr);
}

#[test]
fn another_program_is_no_solver() {
    let run = proving(CLOSED, &["--solver", "cargo"]);
    assert_eq!((run.code, run.stdout.as_str()), (1, ""));
    assert!(run.stderr.contains("`cargo` is not cvc5"), "{}", run.stderr);
}

#[test]
fn the_properties_are_listed_with_the_laws_of_every_policy() {
    let run = proving(CLOSED, &["--list"]);
    assert_eq!(run.code, 0, "{}", run.stderr);
    let ids: Vec<&str> = run.stdout.lines().filter_map(|line| line.split(' ').next()).collect();
    let laws = ["every-policy/never-fails", "every-policy/can-match", "every-policy/not-covered"];
    assert_eq!(ids, [laws.as_slice(), &["pages/closed"]].concat());
}

#[test]
fn the_shipped_properties_are_those_of_the_repository() {
    let root = repository("");
    let inside = run(&root, &["prove", "--list"]).stdout;
    let args = ["prove", "--policies", "policies", "--schema", "schema/hub.cedarschema", "--list"];
    assert_eq!(inside, run(&root, &args).stdout);
    assert!(inside.contains("tokens/never-widen"), "{inside}");
}

#[test]
fn properties_are_chosen_by_id_or_by_concern() {
    let run = proving(CLOSED, &["--list", "pages", "every-policy/can-match"]);
    assert_eq!(run.stdout.lines().count(), 2, "{}", run.stdout);
    let wrong = proving(CLOSED, &["--list", "page"]);
    assert_eq!((wrong.code, wrong.stdout.as_str()), (1, ""));
    assert!(wrong.stderr.contains("there is no property `page`"), "{}", wrong.stderr);
}

#[test]
fn what_is_no_property_is_refused_at_its_line() {
    let scope = "(principal, action, resource is Page)";
    let forbid = format!("forbid {scope} when {{ context has key }};");
    for (annotations, policy, message) in [
        ("", forbid.as_str(), "this is neither a property nor an assumption"),
        ("@property(\"p\") @assume(\"a\")", &forbid, "this is neither a property nor an assumption"),
        ("@property(\"p\") @reason(\"r\")", &forbid, "`@reason` means nothing on a property"),
        ("@property(\"p\") @comparedWithout(\"kee\")", &forbid, "no action has `kee` in its context"),
        ("@property(\"p\") @comparedWithout(\"time\")", &forbid, "a context always has `time`"),
        ("@property(\"p\") @comparedAs(\"Nobody::\\\"n\\\"\")", &forbid, "the schema has no entity type `Nobody`"),
        ("@assume(\"a\") @comparedWithout(\"key\")", &forbid, "an assumption is a `forbid` and compares nothing"),
        ("@assume(\"a\")", &format!("permit {scope};"), "an assumption is a `forbid` and compares nothing"),
        ("@property(\"p\") @comparedWithout(\"key\")", &format!("permit {scope};"), "only a `forbid` compares"),
        ("@property(\"p\")", &format!("forbid {scope} when {{ resource.opened }};"), "`opened`"),
        ("@property(\"p\")", "forbid (principal == ?principal, action, resource);", "a property has no slots"),
    ] {
        let text = format!("// A comment.\n@id(\"pages/x\") {annotations}\n{policy}\n");
        let run = proving(&text, &["--list"]);
        assert_eq!((run.code, run.stdout.as_str()), (3, ""), "{text}");
        assert!(run.stderr.contains(message), "{text}\n{}", run.stderr);
        assert!(run.stderr.contains("--> policies/properties/pages.cedar:"), "{}", run.stderr);
    }
}

#[test]
fn nothing_is_decided_by_a_property() {
    let root = repository("");
    let args = ["validate", "--policies", "policies", "--schema", "schema/hub.cedarschema", "--format", "json"];
    let policies = run(&root, &args).json()["policies"].as_u64().unwrap();
    let inside = run(&root, &["validate", "--format", "json"]).json()["policies"].as_u64().unwrap();
    let written: usize = fs::read_dir(root.join("policies"))
        .unwrap()
        .filter_map(|entry| fs::read_to_string(entry.unwrap().path()).ok())
        .map(|text| text.matches("\n@id(").count() + usize::from(text.starts_with("@id(")))
        .sum();
    assert_eq!((policies, inside), (written as u64, written as u64));
}

/// Compares the policy with another one, under a schema of its own, by a solver that is not there.
fn comparing(policy: &str, schema: &str, args: &[&str]) -> Run {
    let folder = TempDir::new().unwrap();
    for (side, policy, schema) in [("from", POLICY, SCHEMA), ("to", policy, schema)] {
        fs::create_dir(folder.path().join(side)).unwrap();
        fs::write(folder.path().join(side).join("pages.cedar"), policy).unwrap();
        fs::write(folder.path().join(format!("{side}.cedarschema")), schema).unwrap();
    }
    let mut all = vec!["diff", "--from", "from", "--to", "to", "--schema", "to.cedarschema"];
    all.extend(["--from-schema", "from.cedarschema"]);
    all.extend(args);
    run(folder.path(), &all)
}

#[test]
fn without_a_solver_not_even_equal_folders_are_the_same() {
    for solver in ["/nowhere/cvc5", "cargo"] {
        let run = comparing(POLICY, SCHEMA, &["--symbolic", "--solver", solver]);
        assert_eq!((run.code, run.stdout.as_str()), (1, ""));
        assert!(run.stderr.contains("nothing is proven without it"), "{}", run.stderr);
    }
}

#[test]
fn a_solver_that_gives_up_leaves_it_unknown() {
    let solver = repository("tests/proofs/gives-up");
    let args = ["--symbolic", "--solver", solver.to_str().unwrap(), "--format", "json"];
    let other = POLICY.replace("resource.open", "!resource.open");
    let run = comparing(&other, SCHEMA, &args);
    assert_eq!(run.code, 1, "{}", run.stderr);
    let json = run.json();
    assert_eq!((&json["verdict"], &json["environments"][0]["verdict"]), (&"unknown".into(), &"unknown".into()));
    assert_eq!(json["environments"][0]["unknown"].as_array().unwrap().len(), 2);
    assert!(json["environments"][0].get("worlds").is_none());
}

#[test]
fn the_same_conditions_under_other_names_need_no_answer() {
    let solver = repository("tests/proofs/gives-up");
    let renamed = format!("// Another word.\n{}", POLICY.replace("pages/open", "pages/public"));
    let run = comparing(&renamed, SCHEMA, &["--symbolic", "--solver", solver.to_str().unwrap()]);
    assert_eq!(run.code, 0, "{}", run.stderr);
    assert!(run.stdout.contains("\nsame: of 1 request environments 1 are the same"), "{}", run.stdout);
}

#[test]
fn two_schemas_are_not_compared_and_what_differs_is_named() {
    let no = ["--symbolic", "--solver", "/nowhere/cvc5"];
    for (old, new, what) in [
        ("open: Bool", "open: Bool, old?: Bool", "entity type `Page`"),
        ("entity User;", "entity User; entity Group;", "entity type `Group`"),
        ("key?: String", "key: String", "action `view`"),
        ("action view", "action see; action view in see", "action `see`, action `view`"),
    ] {
        let run = comparing(POLICY, &SCHEMA.replace(old, new), &no);
        assert_eq!((run.code, run.stdout.as_str()), (1, ""), "{new}");
        let message = format!("error: the two sides have different schemas: {what}\n");
        assert!(run.stderr.starts_with(&message), "{}", run.stderr);
    }
    let noted = format!("// Pages.\n{}", SCHEMA.replace("action view", "@reason(\"closed\")\naction view"));
    let run = comparing(POLICY, &noted, &no);
    assert!(run.stderr.contains("cannot run the solver"), "comments and annotations do not matter: {}", run.stderr);
}

#[test]
fn examples_and_proof_are_not_asked_for_at_once() {
    for args in [&["--symbolic", "pages_test.yaml"][..], &["--symbolic", "--entities", "e.json"], &["--timeout", "5"]] {
        let run = comparing(POLICY, SCHEMA, args);
        assert_eq!((run.code, run.stdout.as_str()), (2, ""), "{args:?}");
        assert!(run.stderr.contains("--symbolic"), "{}", run.stderr);
    }
}
