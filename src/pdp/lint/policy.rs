//! Rules about one policy as a whole: its comment, its id, its annotations, its scope.

use cedar_policy::{ActionConstraint, Effect, PrincipalConstraint, ResourceConstraint};

use super::{Lint, Subject};
use crate::pdp::bundle::Bundle;

/// Annotations that mean something, and the effect that they mean it on.
const ANNOTATIONS: [(&str, Option<Effect>); 4] = [
    ("id", None),
    ("reason", Some(Effect::Forbid)),
    ("message", Some(Effect::Forbid)),
    ("hides", Some(Effect::Forbid)),
];

pub(super) fn look(bundle: &Bundle, subject: &Subject, found: &mut Vec<Lint>) {
    found.extend(comment(subject));
    found.extend(id_form(subject));
    annotations(subject, found);
    found.extend(forbid_reason(bundle, subject));
    open_scope(subject, found);
}

fn comment(subject: &Subject) -> Option<Lint> {
    let before = subject.file.text.get(..subject.offset)?;
    let above = before.trim_end_matches([' ', '\t', '\r']).strip_suffix('\n').unwrap_or(before);
    let commented = above.rsplit('\n').next().is_some_and(|line| line.trim_start().starts_with("//"));
    (!commented).then(|| subject.here("comment", "this policy has no comment above it", "say why the rule is there"))
}

fn id_form(subject: &Subject) -> Option<Lint> {
    let name = subject.file.path.rsplit('/').next().unwrap_or_default();
    let file = name.strip_suffix(".cedar").unwrap_or(name);
    let well = subject.id.split_once('/').is_some_and(|(concern, rule)| concern == file && !rule.is_empty());
    (!well).then(|| {
        let message = format!("the id `{}` does not say where the policy is", subject.id);
        subject.here("id-form", message, format!("`@id(\"{file}/…\")`, or move the policy to the file of its concern"))
    })
}

fn annotations(subject: &Subject, found: &mut Vec<Lint>) {
    for name in &subject.annotations {
        let effect = subject.policy.effect();
        match ANNOTATIONS.iter().find(|(known, _)| known == name) {
            None => {
                let known: Vec<&str> = ANNOTATIONS.iter().map(|(known, _)| *known).collect();
                let message = format!("nothing reads `@{name}`");
                found.push(subject.here("annotation", message, format!("policies have `@{}`", known.join("`, `@"))));
            }
            Some((_, Some(only))) if *only != effect => {
                let message = format!("`@{name}` means nothing on a permit");
                found.push(subject.here("annotation", message, "a permit refuses nothing: leave it out"));
            }
            Some(_) => {}
        }
    }
}

fn forbid_reason(bundle: &Bundle, subject: &Subject) -> Option<Lint> {
    let silent = subject.policy.effect() == Effect::Forbid
        && bundle.source().reasons.is_some()
        && !subject.annotations.contains("reason");
    silent
        .then(|| subject.here("forbid-reason", "this forbid has no reason", "`@reason(\"…\")`, a code of reasons.json"))
}

/// Of permits only: a forbid that is wider than it had to be fails on the safe side.
fn open_scope(subject: &Subject, found: &mut Vec<Lint>) {
    if subject.policy.effect() == Effect::Forbid {
        return;
    }
    let mut open = Vec::new();
    if matches!(subject.policy.principal_constraint(), PrincipalConstraint::Any) {
        open.push("every principal");
    }
    if matches!(subject.policy.action_constraint(), ActionConstraint::Any) {
        open.push("every action");
    }
    if matches!(subject.policy.resource_constraint(), ResourceConstraint::Any) {
        open.push("every resource");
    }
    if !open.is_empty() {
        let message = format!("this permit is open to {}", open.join(", "));
        found.push(subject.here(
            "open-scope",
            message,
            "`principal is T`, `action == A`, `resource is T`; or allow it with the reason",
        ));
    }
}
