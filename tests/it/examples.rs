//! The same program decides for other domains: each example's folder, asked on the command line.

use crate::program::{repository, run};

/// One question to an example, and what must come back.
struct Case {
    principal: &'static str,
    action: &'static str,
    resource: &'static str,
    context: &'static str,
    /// `allow`, or the code of the refusal.
    expected: &'static str,
}

const fn case(
    principal: &'static str,
    action: &'static str,
    resource: &'static str,
    context: &'static str,
    expected: &'static str,
) -> Case {
    Case { principal, action, resource, context, expected }
}

fn check(example: &str, now: &str, cases: &[Case]) {
    let folder = repository("examples").join(example);
    let bundle = ["--policies", "policies", "--schema", "schema.cedarschema"];
    let mut faults = Vec::new();
    for Case { principal, action, resource, context, expected } in cases {
        let mut args = vec!["authorize", "--format", "json", "--entities", "entities.json", "--now", now];
        args.extend(bundle);
        args.extend(["--principal", principal, "--action", action, "--resource", resource, "--context", context]);
        let run = run(&folder, &args);
        let decided = match run.code {
            0 => "allow".to_owned(),
            2 => run.json()["reason"]["code"].as_str().unwrap().to_owned(),
            code => format!("exit code {code}: {}", run.stderr),
        };
        if decided != *expected {
            faults.push(format!("{principal} {action} {resource} {context}: {decided}, not {expected}"));
        }
    }
    assert!(faults.is_empty(), "{}", faults.join("\n"));
}

const NOW: &str = "2026-01-15T12:00:00Z";

#[test]
fn every_example_with_policies_is_valid_and_formatted() {
    for entry in std::fs::read_dir(repository("examples")).unwrap() {
        let folder = entry.unwrap().path();
        if !folder.join("policies").exists() {
            continue;
        }
        let args =
            ["validate", "--policies", "policies", "--schema", "schema.cedarschema", "--entities", "entities.json"];
        let valid = run(&folder, &args);
        assert_eq!(valid.code, 0, "{}", valid.stderr);
        let formatted = run(&folder, &["fmt", "--check", "policies"]);
        assert_eq!(formatted.code, 0, "{}: {}", folder.display(), formatted.stdout);
    }
}

#[test]
fn the_certification_fixture_decides_its_eight_rules() {
    check(
        "authzen-certification",
        NOW,
        &[
            case("user:alice", "read", "record:record-1", "{}", "allow"),
            case("user:alice", "write", "record:record-1", "{}", "allow"),
            case("user:bob", "read", "record:record-1", "{}", "allow"),
            case("user:bob", "write", "record:record-1", "{}", "not_permitted"),
            case("user:alice", "write", "record:record-2", "{}", "not_permitted"),
            case("user:bob", "write", "record:record-2", "{}", "allow"),
            case("user:alice", "delete", "record:record-1", r#"{"action":{"soft":true}}"#, "allow"),
            case("user:alice", "delete", "record:record-1", r#"{"action":{"soft":false}}"#, "not_permitted"),
            case("user:alice", "delete", "record:record-1", "{}", "not_permitted"),
        ],
    );
}

#[test]
fn documents_are_shared_by_links_through_teams_and_folders() {
    check(
        "documents",
        NOW,
        &[
            case("user:cleo", "view", "document:roadmap", "{}", "allow"),
            case("user:cleo", "view", "folder:drafts", "{}", "allow"),
            case("user:cleo", "edit", "document:roadmap", "{}", "not_shared"),
            case("user:ben", "edit", "document:roadmap", "{}", "allow"),
            case("user:ben", "comment", "document:roadmap", "{}", "allow"),
            case("user:ben", "share", "document:roadmap", "{}", "not_owner"),
            case("user:ann", "share", "document:roadmap", "{}", "allow"),
        ],
    );
}

#[test]
fn what_a_caller_may_not_see_is_not_found() {
    check(
        "documents",
        NOW,
        &[
            case("user:ben", "view", "document:contract", "{}", "not_found"),
            case("user:ben", "edit", "document:contract", "{}", "not_found"),
            case("user:ann", "edit", "document:contract", "{}", "locked"),
            case("user:cleo", "edit", "document:nowhere", "{}", "not_found"),
        ],
    );
}

#[test]
fn an_expired_document_is_its_owners_alone() {
    let before = case("user:cleo", "view", "document:offer", "{}", "allow");
    let after = case("user:cleo", "view", "document:offer", "{}", "not_found");
    check("documents", "2026-01-31T00:00:00Z", &[before]);
    check("documents", "2026-01-31T00:00:01Z", &[after, case("user:ann", "edit", "document:offer", "{}", "allow")]);
}
