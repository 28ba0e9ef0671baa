//! Lint: what is valid and yet probably not what was meant, or not what a reader needs.
//!
//! A rule looks at the bundle's text and forms, and nothing here knows what the policies are about. What a rule says can
//! be silenced where it is meant, with a comment that gives the reason: `// hubwarden-lint: allow(rule) reason` in the
//! comment above a policy, `allow-file` for a whole file.

mod allow;
mod condition;
mod policy;
mod set;
#[cfg(test)]
mod tests;

use std::collections::BTreeSet;

use cedar_policy::Policy;
use serde::Serialize;
use smol_str::SmolStr;

use super::bundle::{Bundle, SourceFile};
use super::fault::{Fault, Faults};
use super::{engine, policies};
use engine::expression::Expression;

/// How bad it is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum Severity {
    Warning,
    Error,
}

/// A rule.
#[derive(Debug, Serialize)]
pub struct Rule {
    pub id: &'static str,
    pub severity: Severity,
    /// Why it is a rule.
    pub says: &'static str,
}

/// What a rule found.
#[derive(Clone, Debug, Serialize)]
pub struct Lint {
    pub rule: &'static str,
    pub severity: Severity,
    #[serde(flatten)]
    pub fault: Fault,
}

const fn warning(id: &'static str, says: &'static str) -> Rule {
    Rule { id, severity: Severity::Warning, says }
}

const fn error(id: &'static str, says: &'static str) -> Rule {
    Rule { id, severity: Severity::Error, says }
}

/// All rules.
pub const RULES: &[Rule] = &[
    warning("comment", "A comment above each policy says why it is there; what it does can be read."),
    warning(
        "id-form",
        "An id is `concern/rule`, and the concern is the name of the file, so that a log line leads to it.",
    ),
    warning(
        "open-scope",
        "A permit without a type for its principal and resource, or open to every action, also permits what is added later.",
    ),
    warning("annotation", "An annotation that nothing reads is a typo, or stands on the wrong effect."),
    warning("forbid-reason", "A forbid without `@reason` is a refusal that cannot say why."),
    warning("unused-reason", "A reason code that nothing gives is out of date."),
    error(
        "permit-reads-credential",
        "A credential may only narrow: a permit that reads it can widen what its owner may do.",
    ),
    warning("equal-to-container", "`==` with an entity that others are in leaves them out; `in` was probably meant."),
    warning("constant", "A condition that is always true or always false decides nothing."),
    warning("duplicate", "The same condition twice: one of them was meant to be another."),
    error("contradiction", "A condition and its opposite: the policy never matches, or always."),
    warning("same-policy", "Two policies with one meaning: a change of one of them changes nothing."),
    warning("never-permitted", "An action that no permit is about is denied to everybody."),
    warning("allow", "A comment that allows what does not occur, has no reason, or names no rule."),
];

/// A policy with all that rules look at.
struct Subject<'a> {
    id: SmolStr,
    policy: &'a Policy,
    file: &'a SourceFile,
    /// Where its first annotation, or its effect, starts.
    offset: usize,
    annotations: BTreeSet<&'a str>,
    condition: Option<Expression>,
}

/// Looks at a bundle that is valid.
///
/// # Errors
/// None for a bundle that was built; the engine's word for it is not taken on trust.
pub fn lint(bundle: &Bundle) -> Result<Vec<Lint>, Faults> {
    let source = bundle.source();
    let loaded = policies::load(&source.policies)?;
    let mut subjects: Vec<Subject> = loaded
        .policies
        .policies()
        .filter_map(|policy| {
            let id: SmolStr = AsRef::<str>::as_ref(policy.id()).into();
            let info = loaded.infos.get(&id)?;
            Some(Subject {
                id,
                policy,
                file: source.policies.iter().find(|file| file.path == info.file)?,
                offset: engine::policy_offset(policy),
                annotations: info.annotations.keys().map(SmolStr::as_str).collect(),
                condition: Expression::of(policy),
            })
        })
        .collect();
    subjects.sort_by_key(|subject| (&subject.file.path, subject.offset));
    let mut found = Vec::new();
    for subject in &subjects {
        policy::look(bundle, subject, &mut found);
        condition::look(bundle, subject, &mut found);
    }
    set::look(bundle, &subjects, &mut found);
    let mut left = allow::silence(&subjects, &source.policies, found);
    left.sort_by(|a, b| (&a.fault.file, a.fault.line, a.rule).cmp(&(&b.fault.file, b.fault.line, b.rule)));
    Ok(left)
}

/// Something that a rule found.
fn found(rule: &'static str, fault: Fault, help: impl Into<String>) -> Lint {
    let severity = RULES.iter().find(|known| known.id == rule).map_or(Severity::Warning, |known| known.severity);
    Lint { rule, severity, fault: Fault { help: Some(help.into()), ..fault } }
}

impl Subject<'_> {
    /// A finding at the policy's first line.
    fn here(&self, rule: &'static str, message: impl Into<String>, help: impl Into<String>) -> Lint {
        let line = self.file.text.get(self.offset..).and_then(|rest| rest.lines().next()).map_or(1, str::len);
        found(rule, Fault::at(self.file, self.offset, line, message), help)
    }

    /// A finding at a part of its condition.
    fn at(&self, part: &Expression, rule: &'static str, message: impl Into<String>, help: impl Into<String>) -> Lint {
        match part.place {
            Some((start, end)) => found(rule, Fault::at(self.file, start, end.saturating_sub(start), message), help),
            None => self.here(rule, message, help),
        }
    }
}
