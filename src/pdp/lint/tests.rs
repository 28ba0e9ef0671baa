//! One broken policy for each rule, and the nearest one that is fine.

use super::*;
use crate::pdp::BundleSource;

const SCHEMA: &str = "\
@actsFor(\"owner\") @contextKey(\"token\")
entity Token = { owner: User };
entity User in [Team];
entity Team in [Team];
@absent(\"gone\")
entity Page in [Page] = { open: Bool, owner: User, team: Team };
type Context = { token?: Token, mfa?: Bool };
action view, edit appliesTo { principal: [User, Team], resource: [Page], context: Context };
";

/// Permits whatever `SCHEMA` lets be asked, so that nothing is found but what a test is about.
const REST: &str = "// Editors.\n@id(\"pages/rest\")\npermit (principal is User, action in [Action::\"view\", Action::\"edit\"], resource is Page)\nwhen { principal == resource.owner };\n";

fn lints(text: &str, reasons: &str) -> Vec<String> {
    let bundle = Bundle::build(BundleSource {
        schema: SourceFile::new("pages.cedarschema", SCHEMA),
        policies: vec![SourceFile::new("policies/pages.cedar", text)],
        links: None,
        reasons: Some(SourceFile::new("reasons.json", reasons)),
        gateway: None,
    });
    let found = lint(&bundle.unwrap_or_else(|faults| panic!("{faults}"))).unwrap();
    found.iter().map(|it| format!("{} {}:{}:{}", it.rule, it.fault.file, it.fault.line, it.fault.column)).collect()
}

const REASONS: &str = "[{\"code\": \"gone\", \"status\": 404}]";

/// What is found in a permit with this scope and these conditions, which start at line 4.
fn in_permit(scope: &str, conditions: &str) -> Vec<String> {
    lints(&format!("{REST}// A comment.\n@id(\"pages/x\")\npermit ({scope})\n{conditions};\n"), REASONS)
}

const TYPED: &str = "principal is User, action == Action::\"view\", resource is Page";

#[test]
fn what_is_as_it_should_be_is_clean() {
    assert_eq!(lints(REST, REASONS), Vec::<String>::new());
    assert_eq!(in_permit(TYPED, "when { resource.open }"), Vec::<String>::new());
}

#[test]
fn a_policy_needs_a_comment_right_above_it() {
    let policy = "@id(\"pages/x\")\npermit (principal is Team, action == Action::\"view\", resource is Page);\n";
    assert_eq!(lints(&format!("{REST}{policy}"), REASONS), ["comment policies/pages.cedar:5:1"]);
    assert_eq!(lints(&format!("{REST}// Far away.\n\n{policy}"), REASONS), ["comment policies/pages.cedar:7:1"]);
    assert!(lints(&format!("{REST}// Why.\n{policy}"), REASONS).is_empty());
}

#[test]
fn an_id_leads_to_its_file() {
    for id in ["rest", "page/rest", "pages/"] {
        let text = REST.replace("pages/rest", id);
        assert_eq!(lints(&text, REASONS), ["id-form policies/pages.cedar:2:1"], "{id}");
    }
}

#[test]
fn an_open_permit_needs_a_reason_and_an_open_forbid_none() {
    for open in
        ["principal, action == Action::\"view\", resource is Page", "principal is User, action, resource is Page"]
    {
        assert_eq!(in_permit(open, "when { resource.open }"), ["open-scope policies/pages.cedar:6:1"], "{open}");
    }
    let forbid = "// A comment.\n@id(\"pages/x\")\n@reason(\"gone\")\nforbid (principal, action, resource) when { resource.open };\n";
    assert!(lints(&format!("{REST}{forbid}"), REASONS).is_empty());
}

#[test]
fn an_annotation_that_nothing_reads_is_found() {
    let text = REST.replace("@id(\"pages/rest\")", "@id(\"pages/rest\")\n@mesage(\"x\")\n@reason(\"gone\")");
    let place = "annotation policies/pages.cedar:2:1";
    assert_eq!(lints(&text, REASONS), [place, place]);
}

#[test]
fn a_forbid_has_a_reason_and_a_reason_is_given() {
    let forbid = "// A comment.\n@id(\"pages/x\")\nforbid (principal, action, resource) when { resource.open };\n";
    assert_eq!(lints(&format!("{REST}{forbid}"), REASONS), ["forbid-reason policies/pages.cedar:6:1"]);
    let reasons = "[\n{\"code\": \"gone\", \"status\": 404},\n{\"code\": \"old\", \"status\": 403},\n{\"code\": \"not_found\", \"status\": 404}]";
    assert_eq!(lints(REST, reasons), ["unused-reason reasons.json:3:10"]);
}

#[test]
fn a_permit_does_not_read_a_credential_and_a_forbid_may() {
    let reads = "when { resource.open || (context has token && context.token.owner == principal) }";
    assert_eq!(in_permit(TYPED, reads), ["permit-reads-credential policies/pages.cedar:8:26"]);
    assert!(in_permit(TYPED, "when { context has mfa && context.mfa }").is_empty());
    let forbid =
        format!("// A comment.\n@id(\"pages/x\")\n@reason(\"gone\")\nforbid (principal, action, resource) {reads};\n");
    assert!(lints(&format!("{REST}{forbid}"), REASONS).is_empty());
}

#[test]
fn equal_to_what_others_are_in_is_found_in_scopes_and_conditions() {
    let scope = "principal == Team::\"a\", action == Action::\"view\", resource is Page";
    assert_eq!(in_permit(scope, "when { resource.open }"), ["equal-to-container policies/pages.cedar:6:1"]);
    assert_eq!(in_permit(TYPED, "when { resource == Page::\"a\" }"), ["equal-to-container policies/pages.cedar:8:8"]);
    assert!(in_permit(TYPED, "when { principal == User::\"a\" }").is_empty());
    assert!(in_permit(TYPED, "when { resource.team == Team::\"a\" }").is_empty());
}

#[test]
fn conditions_that_decide_nothing_are_found_at_their_place() {
    for (conditions, expected) in [
        ("when { resource.open && true }", "constant policies/pages.cedar:8:25"),
        ("when { resource.owner == resource.owner }", "constant policies/pages.cedar:8:8"),
        (
            "when { resource.open && principal in resource.team && resource.open }",
            "duplicate policies/pages.cedar:8:55",
        ),
        ("when { resource.open } when { resource.open }", "duplicate policies/pages.cedar:8:31"),
        (
            "when { resource.open || (principal in resource.team || resource.open) }",
            "duplicate policies/pages.cedar:8:56",
        ),
        ("when { resource.open } unless { resource.open }", "contradiction policies/pages.cedar:8:24"),
        ("when { resource.open || !resource.open }", "contradiction policies/pages.cedar:8:25"),
    ] {
        let found = in_permit(TYPED, conditions);
        assert_eq!(
            found.iter().map(|it| it.split(' ').next()).collect::<Vec<_>>(),
            [expected.split(' ').next()],
            "{conditions}"
        );
        assert!(found[0].contains("pages.cedar:8:"), "{conditions}: {found:?}");
        if !conditions.contains("unless") {
            assert_eq!(found, [expected], "{conditions}");
        }
    }
    assert!(in_permit(TYPED, "when { resource.open == true }").is_empty(), "a constant may be compared with");
}

#[test]
fn two_policies_with_one_meaning_are_found() {
    let text = format!("{REST}{}", REST.replace("pages/rest", "pages/more"));
    assert_eq!(lints(&text, REASONS), ["same-policy policies/pages.cedar:6:1"]);
}

#[test]
fn an_action_that_no_permit_is_about_is_found_in_the_schema() {
    let text = REST.replace("action in [Action::\"view\", Action::\"edit\"]", "action == Action::\"view\"");
    assert_eq!(lints(&text, REASONS), ["never-permitted pages.cedarschema:8:14"]);
}

#[test]
fn a_comment_with_a_reason_silences_one_policy_or_a_file() {
    let open = "permit (principal, action == Action::\"view\", resource is Page) when { resource.open };\n";
    let text = |above: &str| {
        format!(
            "{REST}// A comment.\n{above}// More.\n@id(\"pages/x\")\n{open}// Another.\n@id(\"pages/y\")\n{}",
            open.replace("view", "edit")
        )
    };
    assert_eq!(
        lints(&text("// hubwarden-lint: allow(open-scope) all are meant\n"), REASONS),
        ["open-scope policies/pages.cedar:11:1"]
    );
    assert!(lints(&text("// hubwarden-lint: allow-file(open-scope) all are meant\n"), REASONS).is_empty());
}

#[test]
fn an_allowance_needs_a_rule_a_reason_and_something_to_allow() {
    for comment in
        ["allow(open-scope)", "allow(opn-scope) why", "allow(open-scope) why", "alow(open-scope) why", "open-scope"]
    {
        let text = REST.replace("// Editors.", &format!("// Editors.\n// hubwarden-lint: {comment}"));
        assert_eq!(lints(&text, REASONS), ["allow policies/pages.cedar:2:4"], "{comment}");
    }
}

#[test]
fn every_rule_is_named_once() {
    let ids: BTreeSet<&str> = RULES.iter().map(|rule| rule.id).collect();
    assert_eq!(ids.len(), RULES.len());
}
