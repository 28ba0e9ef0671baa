//! What is told of a decision's clauses is what the engine did.

use std::collections::BTreeSet;

use hubwarden::pdp::{Bundle, BundleSource, Clause, ClauseValue, Keyword, PolicyOutcome, PolicyTrace, SourceFile};
use hubwarden::suite::{Suite, load, run};

use super::hub::{documents, hub};

fn held<'a>(policies: &'a [PolicyTrace], effect: &str) -> BTreeSet<&'a str> {
    let holds = |policy: &&PolicyTrace| matches!(policy.outcome, PolicyOutcome::Determining | PolicyOutcome::Satisfied);
    let of_effect = policies.iter().filter(|policy| policy.policy.effect == effect);
    of_effect.filter(holds).map(|policy| policy.policy.id.as_str()).collect()
}

#[test]
fn what_holds_by_its_clauses_is_what_the_engine_found_to_hold() {
    let mut errors = 0;
    for tested in [&documents(), hub()] {
        let tests = tested.suites.iter().flat_map(|suite| &suite.tests);
        for (cell, world) in tests.flat_map(|test| test.cells.iter().map(move |cell| (cell, &test.world))) {
            let inquiry = tested.bundle.inquire(&cell.question, world.as_ref()).unwrap();
            let answer = tested.bundle.decide(&cell.question, world.as_ref()).unwrap();
            assert_eq!(inquiry.answer(), &answer);
            let policies = inquiry.policies();
            let effect = if answer.allowed() { "permit" } else { "forbid" };
            let determining: BTreeSet<&str> = answer.determining.iter().map(|id| id.as_str()).collect();
            assert_eq!(held(&policies, effect), determining, "{} {} {}", cell.principal, cell.action, cell.resource);
            assert!(!answer.allowed() || held(&policies, "forbid").is_empty());
            let failing = policies.iter().filter(|policy| policy.outcome == PolicyOutcome::Error);
            let failing: BTreeSet<&str> = failing.map(|policy| policy.policy.id.as_str()).collect();
            // That a named entity is not there is a reason, and hides the errors that come of it.
            assert!(answer.errors.iter().all(|error| failing.contains(error.policy.as_str())));
            assert!(answer.hidden || answer.errors.len() == failing.len(), "{failing:?}");
            errors += failing.len();
        }
    }
    assert!(errors > 0, "some policy failed somewhere");
}

#[test]
fn behind_a_clause_that_settles_it_nothing_is_evaluated() {
    let hub = hub();
    let cell = |suites: &[Suite], test: &str, principal: &str| {
        let test = suites.iter().flat_map(|suite| &suite.tests).find(|found| found.name == test).unwrap();
        let cell = test.cells.iter().find(|cell| cell.principal == principal).unwrap();
        (cell.question.clone(), test.world.clone())
    };
    let (question, world) = cell(&hub.suites, "a gate is no matter for anything but content", "wanda");
    let question = hubwarden::pdp::Question { action: hub.bundle.action("repo.content.read").unwrap(), ..question };
    let inquiry = hub.bundle.inquire(&question, world.as_ref()).unwrap();
    let policies = inquiry.policies();
    let gate = policies.iter().find(|policy| policy.policy.id == "gates/never-asked").unwrap();
    assert_eq!(gate.outcome, PolicyOutcome::ConditionFalse);
    let values: Vec<(Keyword, &str, &ClauseValue)> = gate
        .clauses
        .iter()
        .map(|(clause, value): &(&Clause, ClauseValue)| (clause.keyword, clause.text.as_str(), value))
        .take(9)
        .collect();
    // wanda is on no list, not the owner, no admin; she passes as a reader, and the last `unless` is never asked.
    assert_eq!(values[0], (Keyword::When, "resource has gate", &ClauseValue::True));
    assert_eq!(values[4], (Keyword::Unless, "resource has user", &ClauseValue::False));
    assert_eq!(values[5], (Keyword::Unless, "principal == resource.user", &ClauseValue::NotEvaluated));
    assert_eq!(values[6], (Keyword::Unless, "resource has organization", &ClauseValue::True));
    assert_eq!(values[7], (Keyword::Unless, "principal in resource.organization.admins", &ClauseValue::False));
    assert!(gate.clauses[11..].iter().all(|(_, value)| *value == ClauseValue::NotEvaluated));
}

#[test]
fn a_clause_stands_where_its_text_is() {
    let hub = hub();
    for policy in hub.bundle.effective() {
        for clause in hub.bundle.clauses(&policy.id) {
            let file = hub.bundle.source().policies.iter().find(|file| file.path == clause.file).unwrap();
            let text = &file.text[clause.offset..clause.offset + clause.length];
            assert_eq!(text.split_whitespace().collect::<Vec<_>>().join(" "), clause.text.as_str());
            let line = file.text.lines().nth(clause.line - 1).unwrap();
            assert!(line[clause.column - 1..].starts_with(text.lines().next().unwrap()), "{policy:?}");
        }
    }
}

#[test]
fn a_failure_names_the_clause_that_decided() {
    let documents = documents();
    let folder = tempfile::tempdir().unwrap();
    let entities = std::fs::read_to_string(crate::program::repository("examples/documents/entities.json")).unwrap();
    std::fs::write(folder.path().join("entities.json"), entities).unwrap();
    let suite = "options: {now: 2026-01-15T12:00:00Z}\nentities: entities.json\ntests:\n  - input: {principals: ann, actions: edit, resources: contract}\n    expected: [{decision: allow, reason: owners/document}]\n";
    std::fs::write(folder.path().join("wrong_test.yaml"), suite).unwrap();
    let suites = load(&documents.bundle, &[folder.path().to_owned()]).unwrap();
    let run = run(&documents.bundle, &suites, &[]);
    let report = hubwarden::suite::Report::of("", &run);
    let why = report.suites[0].tests[0].failures[0].why.join("\n");
    assert!(why.contains("locked (403): contract is locked."), "{why}");
    assert!(why.contains("limits.cedar:10:8) is true") && why.contains("when `resource.locked` ("), "{why}");
    assert!(why.contains("owners/document (") && why.contains("`resource.owner == principal`"), "{why}");
}

#[test]
fn conditions_are_split_where_the_engine_stops() {
    let schema = "entity User = { n: Long }; entity Thing = { ok: Bool, other?: User };
                  action use appliesTo { principal: [User], resource: [Thing] };";
    let policies = "@id(\"a\") permit (principal is User, action, resource is Thing)
        when { (resource.ok && !(principal.n == 1)) || resource.ok }
        when { (principal.n < 9 && (resource.ok)) && !resource.ok }
        unless { resource has other && resource.other == principal }
        unless { \"unless\" == \"}\" };
        @id(\"b\") permit (principal == ?principal, action, resource is Thing) when { principal.n + 9223372036854775807 > 0 && resource.ok };
        @id(\"c\") forbid (principal is User, action, resource is Thing) when { !(resource.ok) };";
    let links = r#"[{"template_id": "b", "link_id": "b/ann", "args": {"?principal": "User::\"ann\""}}]"#;
    let bundle = Bundle::build(BundleSource {
        schema: SourceFile::new("s.cedarschema", schema),
        policies: vec![SourceFile::new("p.cedar", policies)],
        links: Some(SourceFile::new("links.json", links)),
        reasons: None,
        gateway: None,
    })
    .unwrap();
    let clauses = |id: &str| -> Vec<(Keyword, String)> {
        bundle.clauses(id).iter().map(|clause| (clause.keyword, clause.text.to_string())).collect()
    };
    let (when, unless) = (Keyword::When, Keyword::Unless);
    let own = |list: &[(Keyword, &str)]| -> Vec<(Keyword, String)> {
        list.iter().map(|(keyword, text)| (*keyword, (*text).to_owned())).collect()
    };
    assert_eq!(
        clauses("a"),
        own(&[
            (when, "(resource.ok && !(principal.n == 1)) || resource.ok"),
            (when, "principal.n < 9"),
            (when, "resource.ok"),
            (when, "!resource.ok"),
            (unless, "resource has other"),
            (unless, "resource.other == principal"),
            (unless, "\"unless\" == \"}\""),
        ])
    );
    assert_eq!(clauses("b/ann"), own(&[(when, "principal.n + 9223372036854775807 > 0"), (when, "resource.ok")]));
    assert_eq!(clauses("c"), own(&[(when, "!(resource.ok)")]));
    assert!(clauses("b").is_empty(), "a template answers nothing itself");
}
