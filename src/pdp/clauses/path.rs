//! By what an answer came about: for each permit that made it, the memberships and owners that its conditions met.
//!
//! For those who review access. A step is a relation of a condition that holds, and the entities that make it hold: from
//! the one that is asked about, over its parents, to the one that it had to be in.

use std::collections::{HashMap, VecDeque};

use cedar_policy::{EvalResult, PrincipalConstraint, ResourceConstraint};
use smol_str::SmolStr;

use super::inquiry::Examined;
use super::{Inquiry, PolicyOutcome};
use crate::entity::Uid;
use crate::pdp::bundle::PolicyInfo;
use crate::pdp::engine::partial::{self, Relation};
use crate::pdp::index::named;
use crate::pdp::slice::{Fact, known};

/// One permit that made an allow.
#[derive(Debug)]
pub struct Granted<'a> {
    pub policy: &'a PolicyInfo,
    pub steps: Vec<GrantStep>,
}

/// One relation that it asked for.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct GrantStep {
    /// As the policy has it.
    pub text: SmolStr,
    /// From the entity that the relation is about to the one that it was found in; one entity where the two are equal.
    pub chain: Vec<Uid>,
}

impl Inquiry<'_> {
    /// The permits that made an allow; nothing after a deny.
    pub fn granted(&self) -> Vec<Granted<'_>> {
        let Some(examined) = self.examined().filter(|_| self.answer().allowed()) else { return Vec::new() };
        let determining = |trace: &super::PolicyTrace| trace.outcome == PolicyOutcome::Determining;
        let granted = self.policies().into_iter().filter(determining).map(|trace| {
            let mut steps = scope(examined, &trace.policy.id);
            for (clause, _) in &trace.clauses {
                steps.extend(relations(examined, clause));
            }
            Granted { policy: trace.policy, steps }
        });
        granted.collect()
    }
}

/// The groups that the scope names.
fn scope(examined: &Examined, id: &str) -> Vec<GrantStep> {
    let bundle = examined.case.posed.bundle;
    let Some(policy) = bundle.policies.policy(&cedar_policy::PolicyId::new(id)) else { return Vec::new() };
    let question = &examined.case.posed.question;
    let principal = match policy.principal_constraint() {
        PrincipalConstraint::Eq(uid) => Some(("principal ==", named(&uid))),
        PrincipalConstraint::In(uid) | PrincipalConstraint::IsIn(_, uid) => Some(("principal in", named(&uid))),
        PrincipalConstraint::Any | PrincipalConstraint::Is(_) => None,
    };
    let resource = match policy.resource_constraint() {
        ResourceConstraint::Eq(uid) => Some(("resource ==", named(&uid))),
        ResourceConstraint::In(uid) | ResourceConstraint::IsIn(_, uid) => Some(("resource in", named(&uid))),
        ResourceConstraint::Any | ResourceConstraint::Is(_) => None,
    };
    [(principal, &question.principal), (resource, &question.resource)]
        .into_iter()
        .filter_map(|(named, from)| {
            let (words, to) = named?;
            let chain = chain(examined, from, std::slice::from_ref(&to))?;
            Some(GrantStep { text: format!("{words} {to}").into(), chain })
        })
        .collect()
}

/// The relations of a clause that hold, if the clause needs them.
fn relations(examined: &Examined, clause: &super::Clause) -> Vec<GrantStep> {
    if clause.keyword == super::Keyword::Unless {
        return Vec::new();
    }
    let value = |expression: &cedar_policy::Expression| {
        cedar_policy::eval_expression(&examined.case.staged.request, &examined.case.staged.entities, expression).ok()
    };
    let mut steps = Vec::new();
    for stated in partial::stated(&clause.expression) {
        let (Some(left), Some(right)) = (value(&stated.left), value(&stated.right)) else { continue };
        let entities = |value: &EvalResult| partial::entities(value).unwrap_or_default();
        let (from, to) = match stated.relation {
            Relation::In | Relation::Equal => (entities(&left), entities(&right)),
            Relation::Contains => (entities(&right), entities(&left)),
            Relation::ContainsAny | Relation::ContainsAll => continue,
        };
        let [from] = from.as_slice() else { continue };
        let found = match stated.relation {
            Relation::In => chain(examined, from, &to),
            _ => to.contains(from).then(|| vec![from.clone()]),
        };
        let text = stated.place.and_then(|place| text(examined, clause, place)).unwrap_or_else(|| clause.text.clone());
        steps.extend(found.map(|chain| GrantStep { text, chain }));
    }
    steps
}

/// A part of a clause as the file has it.
fn text(examined: &Examined, clause: &super::Clause, (from, to): (usize, usize)) -> Option<SmolStr> {
    let source = examined.case.posed.bundle.source();
    let file = source.policies.iter().find(|file| file.path == clause.file)?;
    let words: Vec<&str> = file.text.get(from..to)?.split_whitespace().collect();
    Some(words.join(" ").into())
}

/// The shortest way up from an entity to one of others.
fn chain(examined: &Examined, from: &Uid, to: &[Uid]) -> Option<Vec<Uid>> {
    let posed = &examined.case.posed;
    let mut came: HashMap<Uid, Option<Uid>> = HashMap::from([(from.clone(), None)]);
    let mut next = VecDeque::from([from.clone()]);
    while let Some(at) = next.pop_front() {
        if to.contains(&at) {
            let mut chain = vec![at];
            while let Some(Some(before)) = chain.last().and_then(|last| came.get(last)) {
                chain.push(before.clone());
            }
            chain.reverse();
            return Some(chain);
        }
        let Ok(Fact::Present(prepared)) = known(&posed.bundle.schema, posed.facts(), &at) else { continue };
        for parent in &prepared.entity().parents {
            if !came.contains_key(parent) {
                came.insert(parent.clone(), Some(at.clone()));
                next.push_back(parent.clone());
            }
        }
    }
    None
}
