//! What is told of a decision's clauses is what the engine did.

use std::collections::BTreeSet;

use hubwarden::pdp::{Clause, ClauseValue, Keyword, PolicyOutcome, PolicyTrace};
use hubwarden::suite::{Suite, load, run};

use super::hub::{documents, hub};

fn held<'a>(policies: &'a [PolicyTrace], effect: &str) -> BTreeSet<&'a str> {
    let holds = |policy: &&PolicyTrace| matches!(policy.outcome, PolicyOutcome::Determining | PolicyOutcome::Satisfied);
    let of_effect = policies.iter().filter(|policy| policy.policy.effect == effect);
    of_effect.filter(holds).map(|policy| policy.policy.id.as_str()).collect()
}

#[test]
fn what_holds_by_its_clauses_is_what_the_engine_found_to_hold() {
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
        }
    }
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
