//! Mutants: policies that are a little wrong, and whether any test notices.
//!
//! Each policy is removed, its effect flipped, and each of its clauses negated. What a mutant answers follows from the
//! clauses' values ([`crate::pdp::Inquiry::answer_with`]), so no mutant is built and all of them take one pass.

use std::collections::{BTreeMap, BTreeSet};

use serde::Serialize;

use super::definition::Cell;
use crate::pdp::{Bundle, Inquiry, Mutation, PolicyInfo};

/// One change, and who noticed it.
#[derive(Debug, Serialize)]
pub struct Mutant {
    pub policy: String,
    /// `remove`, `flip` or `negate`.
    pub change: &'static str,
    /// Of a negated clause.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub clause: Option<String>,
    pub file: String,
    pub line: usize,
    /// The tests that fail with it, by `suite / test`.
    pub noticed_by: BTreeSet<String>,
    /// Why nobody has to notice it.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub exempt: Option<String>,
}

/// Every mutant of a bundle, by policy.
pub(super) struct Mutants(BTreeMap<String, Vec<(usize, Mutation)>>);

/// Which tests noticed which mutant.
pub(super) type Noticed = BTreeMap<usize, BTreeSet<String>>;

/// The mutants of a bundle, none of them noticed yet.
pub(super) fn all(bundle: &Bundle) -> (Mutants, Vec<Mutant>) {
    let (mut by_policy, mut mutants) = (BTreeMap::new(), Vec::new());
    for info in bundle.effective() {
        let list: &mut Vec<_> = by_policy.entry(info.id.to_string()).or_default();
        let mut add = |mutation: Mutation, mutant: Mutant| {
            list.push((mutants.len(), mutation));
            mutants.push(mutant);
        };
        add(Mutation::Remove(info.id.clone()), mutant(info, "remove"));
        add(Mutation::Flip(info.id.clone()), mutant(info, "flip"));
        for (index, clause) in bundle.clauses(&info.id).iter().enumerate() {
            let negated = Mutant {
                clause: Some(clause.text.to_string()),
                file: clause.file.clone(),
                line: clause.line,
                ..mutant(info, "negate")
            };
            add(Mutation::Negate(info.id.clone(), index), negated);
        }
    }
    (Mutants(by_policy), mutants)
}

fn mutant(info: &PolicyInfo, change: &'static str) -> Mutant {
    Mutant {
        policy: info.id.to_string(),
        change,
        clause: None,
        file: info.file.clone(),
        line: info.line,
        noticed_by: BTreeSet::new(),
        exempt: None,
    }
}

impl Mutants {
    /// Notes the mutants with which a cell that passes would fail.
    pub fn ask(&self, test: &str, cell: &Cell, inquiry: &Inquiry, noticed: &mut Noticed) {
        let Some(expectation) = &cell.expectation else { return };
        let ids: BTreeSet<String> =
            inquiry.policies().iter().chain(&inquiry.visibility()).map(|policy| policy.policy.id.to_string()).collect();
        for (index, mutation) in ids.iter().filter_map(|id| self.0.get(id)).flatten() {
            let already = noticed.get(index).is_some_and(|tests| tests.contains(test));
            if already {
                continue;
            }
            let fails = match inquiry.answer_with(mutation) {
                Ok(Some(answer)) => !expectation.check(&answer).is_empty(),
                Ok(None) => false,
                Err(_) => true,
            };
            if fails {
                noticed.entry(*index).or_default().insert(test.to_owned());
            }
        }
    }
}

impl Mutant {
    pub fn survives(&self) -> bool {
        self.noticed_by.is_empty()
    }

    /// What was changed, in words.
    pub fn described(&self) -> String {
        match &self.clause {
            Some(clause) => format!("negate `{clause}` in {}", self.policy),
            None => format!("{} {}", self.change, self.policy),
        }
    }
}
