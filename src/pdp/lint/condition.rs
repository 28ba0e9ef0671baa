//! Rules about what stands in `when` and `unless`.

use std::collections::BTreeSet;

use cedar_policy::{Effect, EntityUid, PrincipalConstraint, ResourceConstraint};

use super::engine::expression::{Expression, Kind};
use super::{Lint, Subject};
use crate::entity::Uid;
use crate::pdp::bundle::Bundle;

pub(super) fn look(bundle: &Bundle, subject: &Subject, found: &mut Vec<Lint>) {
    container_in_scope(bundle, subject, found);
    let Some(condition) = &subject.condition else { return };
    credential(bundle, subject, condition, found);
    condition.walk(&mut |part| {
        if let Kind::Equal(left, right) = &part.kind {
            if left == right {
                let message = "this compares something with itself";
                found.push(subject.at(part, "constant", message, "it is always true: name what was meant"));
            }
            for (one, other) in [(left, right), (right, left)] {
                if let (Kind::Variable(name @ ("principal" | "resource")), Kind::Entity(uid)) = (&one.kind, &other.kind)
                {
                    found.extend(container(bundle, uid).then(|| equal(subject, Some(part), name, uid)));
                }
            }
        }
    });
    chains(subject, condition, found);
}

fn credential(bundle: &Bundle, subject: &Subject, condition: &Expression, found: &mut Vec<Lint>) {
    if subject.policy.effect() == Effect::Forbid {
        return;
    }
    let mut told = BTreeSet::new();
    condition.walk(&mut |part| {
        if let Kind::Get(of, key) | Kind::Has(of, key) = &part.kind
            && of.kind == Kind::Variable("context")
            && bundle.schema.delegate_keys.contains(key)
            && told.insert(key.clone())
        {
            let message = format!("this permit reads `context.{key}`, which the schema says is a credential");
            let help = "let the permit speak of the user's own right, and a forbid of the credential";
            found.push(subject.at(part, "permit-reads-credential", message, help));
        }
    });
}

/// Whether other entities can be in entities of this one's type.
fn container(bundle: &Bundle, uid: &Uid) -> bool {
    bundle.schema.types.values().any(|ty| ty.ancestors.contains(uid.type_name()))
}

fn equal(subject: &Subject, part: Option<&Expression>, name: &str, uid: &Uid) -> Lint {
    let message = format!("`{name} == {uid}` leaves out what is in it");
    let help = format!("`{name} in {uid}`, which is also true for the entity itself");
    match part {
        Some(part) => subject.at(part, "equal-to-container", message, help),
        None => subject.here("equal-to-container", message, help),
    }
}

fn container_in_scope(bundle: &Bundle, subject: &Subject, found: &mut Vec<Lint>) {
    let own = |uid: &EntityUid| Uid::new(uid.type_name().to_string(), uid.id().unescaped());
    let principal = match subject.policy.principal_constraint() {
        PrincipalConstraint::Eq(uid) => Some(("principal", own(&uid))),
        _ => None,
    };
    let resource = match subject.policy.resource_constraint() {
        ResourceConstraint::Eq(uid) => Some(("resource", own(&uid))),
        _ => None,
    };
    for (name, uid) in principal.into_iter().chain(resource) {
        found.extend(container(bundle, &uid).then(|| equal(subject, None, name, &uid)));
    }
}

/// Looks at every chain of `&&` and of `||`, each once, from its outermost link.
fn chains(subject: &Subject, part: &Expression, found: &mut Vec<Lint>) {
    let links = match &part.kind {
        Kind::And(..) | Kind::Or(..) => {
            let mut links = Vec::new();
            flatten(part, matches!(part.kind, Kind::And(..)), &mut links);
            chain(subject, matches!(part.kind, Kind::And(..)), &links, found);
            links
        }
        Kind::Bool(value) => {
            let message = format!("this is always {value}");
            found.push(subject.at(part, "constant", message, "leave it out, or say what it stood for"));
            return;
        }
        Kind::Not(inner) => vec![inner.as_ref()],
        // Inside comparisons and calls a constant is a value like any other.
        _ => return,
    };
    for link in links {
        chains(subject, link, found);
    }
}

fn flatten<'a>(part: &'a Expression, and: bool, links: &mut Vec<&'a Expression>) {
    match &part.kind {
        Kind::And(left, right) if and => {
            flatten(left, and, links);
            flatten(right, and, links);
        }
        Kind::Or(left, right) if !and => {
            flatten(left, and, links);
            flatten(right, and, links);
        }
        _ => links.push(part),
    }
}

fn chain(subject: &Subject, and: bool, links: &[&Expression], found: &mut Vec<Lint>) {
    for (index, link) in links.iter().enumerate() {
        let before = links.get(..index).unwrap_or_default();
        if before.contains(link) {
            let message = "this condition stands here a second time";
            found.push(subject.at(link, "duplicate", message, "leave it out, or say what was meant"));
        }
        let opposite = |other: &&Expression| match (&other.kind, &link.kind) {
            (Kind::Not(inner), _) if inner.as_ref() == *link => true,
            (_, Kind::Not(inner)) => inner.as_ref() == *other,
            _ => false,
        };
        if before.iter().any(opposite) {
            let always = if and { "never" } else { "always" };
            let message = format!("the opposite of this condition stands beside it: together they {always} hold");
            found.push(subject.at(link, "contradiction", message, "one of the two was meant to be another"));
        }
    }
}
