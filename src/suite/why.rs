//! Which clauses made an answer, in lines for people.

use super::expectation::Expectation;
use crate::pdp::{Clause, ClauseValue, Inquiry, Keyword, PolicyOutcome, PolicyTrace};

/// How many policies that nearly held are shown.
const SHOWN: usize = 4;
const MAX_CLAUSE: usize = 100;

/// The lines that tell why a question was answered as it was, and why not as expected.
pub(super) fn lines(inquiry: &Inquiry, expectation: &Expectation) -> Vec<String> {
    let answer = inquiry.answer();
    let policies = inquiry.policies();
    let mut lines = Vec::new();
    if let Some(reason) = &answer.reason {
        lines.push(format!("{} ({}): {}", reason.code, reason.status, reason.message));
    }
    lines.extend(answer.errors.iter().map(|error| format!("`{}` failed: {}", error.policy, error.message)));
    for policy in policies.iter().filter(|policy| policy.outcome == PolicyOutcome::Determining) {
        lines.push(format!("{} {} holds:", policy.policy.effect, named(policy)));
        lines.extend(policy.clauses.iter().map(|(clause, value)| format!("  {}", shown(clause, value))));
    }
    for missed in expectation.missed(answer) {
        match policies.iter().find(|policy| policy.policy.id == missed) {
            Some(policy) => lines.push(stopped(policy)),
            None => lines.push(format!("`{missed}` is not for this action and these types")),
        }
    }
    let held = [PolicyOutcome::Determining, PolicyOutcome::Satisfied];
    if !policies.iter().any(|policy| policy.policy.effect == "permit" && held.contains(&policy.outcome)) {
        lines.push("nothing permits it:".to_owned());
        lines.extend(nearest(&policies).into_iter().map(|line| format!("  {line}")));
    }
    let seen = inquiry.visibility();
    if answer.hidden && !seen.is_empty() {
        lines.push("and the resource is not visible:".to_owned());
        let hides =
            |policy: &&PolicyTrace| held.contains(&policy.outcome) && policy.policy.annotations.contains_key("hides");
        lines.extend(seen.iter().filter(hides).map(|policy| format!("  {} hides it", named(policy))));
        lines.extend(nearest(&seen).into_iter().map(|line| format!("  {line}")));
    }
    lines
}

/// The permits that did not hold, those that came furthest first.
fn nearest(policies: &[PolicyTrace]) -> Vec<String> {
    let left = |policy: &&PolicyTrace| {
        let open = |(_, value): &&(&Clause, ClauseValue)| *value == ClauseValue::NotEvaluated;
        policy.clauses.iter().filter(open).count()
    };
    let mut permits: Vec<&PolicyTrace> = policies.iter().filter(|policy| policy.policy.effect == "permit").collect();
    permits.retain(|policy| matches!(policy.outcome, PolicyOutcome::ConditionFalse | PolicyOutcome::ScopeMismatch));
    permits.sort_by_key(left);
    permits.into_iter().take(SHOWN).map(stopped).collect()
}

/// The clause that kept a policy from holding.
fn stopped(policy: &PolicyTrace) -> String {
    let name = named(policy);
    if policy.outcome == PolicyOutcome::ScopeMismatch {
        return format!("{name}: its scope names others");
    }
    let decisive = policy.clauses.iter().rev().find(|(_, value)| *value != ClauseValue::NotEvaluated);
    match decisive {
        Some((clause, value)) => format!("{name}: {}", shown(clause, value)),
        None => format!("{name} holds"),
    }
}

fn named(policy: &PolicyTrace) -> String {
    format!("{} ({}:{})", policy.policy.id, policy.policy.file, policy.policy.line)
}

fn shown(clause: &Clause, value: &ClauseValue) -> String {
    let keyword = match clause.keyword {
        Keyword::When => "when",
        Keyword::Unless => "unless",
    };
    let mut text: String = clause.text.chars().take(MAX_CLAUSE).collect();
    if text.len() < clause.text.len() {
        text.push('…');
    }
    let value = match value {
        ClauseValue::True => "true".to_owned(),
        ClauseValue::False => "false".to_owned(),
        ClauseValue::Errored(message) => format!("an error: {message}"),
        ClauseValue::NotEvaluated => "not evaluated".to_owned(),
    };
    format!("{keyword} `{text}` ({}:{}:{}) is {value}", clause.file, clause.line, clause.column)
}
