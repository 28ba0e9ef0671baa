//! Coverage for people: what is missing, then the sums.

use std::fmt::Write;

use super::{Coverage, PolicyCoverage, Shown};

/// Gaps and sums. `verbose` lists every policy.
pub fn text(coverage: &Coverage, verbose: bool) -> String {
    let mut text = String::new();
    for policy in &coverage.policies {
        let gaps = gaps(policy);
        if verbose || !gaps.is_empty() {
            // Writing to a String cannot fail.
            let _ = writeln!(
                text,
                "{} ({}:{}): held {}, decided {}",
                policy.id, policy.file, policy.line, policy.held, policy.determined
            );
        }
        for gap in &gaps {
            let _ = writeln!(text, "  {gap}");
        }
    }
    for asked in coverage.environments.iter().filter(|asked| asked.allowed + asked.denied == 0) {
        let environment = &asked.environment;
        let _ = writeln!(
            text,
            "never asked: {} of a {} by a {}",
            environment.action, environment.resource, environment.principal
        );
    }
    for mutant in coverage.mutants.iter().filter(|mutant| mutant.survives() && mutant.exempt.is_none()) {
        let _ = writeln!(text, "nobody notices: {} ({}:{})", mutant.described(), mutant.file, mutant.line);
    }
    let asked = |asked: &&super::EnvironmentCoverage| asked.allowed + asked.denied > 0;
    let _ = write!(
        text,
        "coverage   {}: policies that held, clauses true and false\nmutation   {}: removed, flipped and negated, and noticed\nquestions  {} of {} request environments asked",
        sum(&coverage.outcomes),
        sum(&coverage.mutation),
        coverage.environments.iter().filter(asked).count(),
        coverage.environments.len(),
    );
    text
}

fn sum(shown: &Shown) -> String {
    let exempt = if shown.exempt > 0 { format!(", {} exempt", shown.exempt) } else { String::new() };
    format!("{:.1} % ({} of {}{exempt})", shown.percent(), shown.found, shown.of)
}

/// What of a policy is not covered, a line each.
pub(super) fn gaps(policy: &PolicyCoverage) -> Vec<String> {
    let mut gaps = Vec::new();
    if policy.held == 0 && policy.exempt.is_none() {
        gaps.push("never held".to_owned());
    }
    for clause in &policy.clauses {
        let never =
            match (clause.held > 0 || clause.exempt_true.is_some(), clause.failed > 0 || clause.exempt_false.is_some())
            {
                (true, true) => continue,
                (true, false) => "never false",
                (false, true) => "never true",
                (false, false) => "never evaluated",
            };
        gaps.push(format!("{never}: `{}` ({}:{}:{})", clause.text, clause.file, clause.line, clause.column));
    }
    gaps
}
