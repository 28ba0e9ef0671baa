//! What a run covers: which policies held, what each clause came to, which environments were asked.

mod exemptions;
mod html;
mod lcov;
mod text;

use std::collections::BTreeMap;

use rayon::prelude::*;
use serde::Serialize;

use super::definition::Test;
use super::mutation::{self, Mutant, Mutants, Noticed};
use super::run::{CellRun, Run};
use crate::pdp::{Bundle, ClauseValue, Decision, Environment, Keyword, PolicyOutcome};

pub use exemptions::Exemptions;
pub use html::{escaped, html};
pub use lcov::lcov;
pub use text::text;

/// Everything that is known of a run's coverage.
#[derive(Debug, Serialize)]
pub struct Coverage {
    pub policies: Vec<PolicyCoverage>,
    pub environments: Vec<EnvironmentCoverage>,
    pub mutants: Vec<Mutant>,
    /// Outcomes of clauses and of policies that came up, of those that should have.
    pub outcomes: Shown,
    pub mutation: Shown,
}

/// A part of a whole; what is exempt is in neither.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize)]
pub struct Shown {
    pub found: usize,
    pub of: usize,
    pub exempt: usize,
}

#[derive(Debug, Serialize)]
pub struct PolicyCoverage {
    pub id: String,
    pub effect: &'static str,
    pub file: String,
    pub line: usize,
    /// Questions in which its conditions held, and among them those that it decided.
    pub held: usize,
    pub determined: usize,
    pub failed: usize,
    pub clauses: Vec<ClauseCoverage>,
    /// Why it never has to hold.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub exempt: Option<String>,
}

/// How often a clause came to what.
#[derive(Debug, Serialize)]
pub struct ClauseCoverage {
    pub keyword: Keyword,
    pub text: String,
    pub file: String,
    pub line: usize,
    pub column: usize,
    #[serde(skip)]
    pub(super) offset: usize,
    #[serde(skip)]
    pub(super) length: usize,
    #[serde(rename = "true")]
    pub held: usize,
    #[serde(rename = "false")]
    pub failed: usize,
    pub errored: usize,
    pub not_evaluated: usize,
    /// Why it never has to be true, or false.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub exempt_true: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub exempt_false: Option<String>,
}

#[derive(Debug, Serialize)]
pub struct EnvironmentCoverage {
    #[serde(flatten)]
    pub environment: Environment,
    pub allowed: usize,
    pub denied: usize,
}

/// Counts of one core.
#[derive(Default)]
struct Counts {
    policies: BTreeMap<String, Tally>,
    environments: BTreeMap<Environment, (usize, usize)>,
    noticed: Noticed,
}

#[derive(Default)]
struct Tally {
    held: usize,
    determined: usize,
    failed: usize,
    /// True, false, errored, not evaluated.
    clauses: Vec<[usize; 4]>,
}

impl Coverage {
    /// Asks every cell of a run again, this time why.
    ///
    /// # Errors
    /// What is exempt and need not be, or is not there.
    pub fn of(bundle: &Bundle, run: &Run, exemptions: &Exemptions) -> Result<Self, Vec<String>> {
        let (mutants, all) = mutation::all(bundle);
        let cells: Vec<(String, &Test, &CellRun)> = run
            .suites
            .iter()
            .flat_map(|suite| suite.tests.iter().map(move |test| (suite, test)))
            .flat_map(|(suite, test)| {
                let name = format!("{} / {}", suite.suite.name, test.test.name);
                test.cells.iter().map(move |cell| (name.clone(), test.test, cell))
            })
            .collect();
        let counts = cells
            .par_iter()
            .fold(Counts::default, |mut counts, (name, test, cell)| {
                counts.add(bundle, name, test, cell, &mutants);
                counts
            })
            .reduce(Counts::default, Counts::and);
        let mut coverage = counts.coverage(bundle, all);
        let stale = exemptions.apply(&mut coverage);
        coverage.sum();
        if stale.is_empty() { Ok(coverage) } else { Err(stale) }
    }

    /// Outcomes of clauses and policies; policies alone are `held`.
    fn sum(&mut self) {
        for policy in &self.policies {
            self.outcomes.add(policy.held > 0, policy.exempt.is_some());
            for clause in &policy.clauses {
                self.outcomes.add(clause.held > 0, clause.exempt_true.is_some());
                self.outcomes.add(clause.failed > 0, clause.exempt_false.is_some());
            }
        }
        for mutant in &self.mutants {
            self.mutation.add(!mutant.survives(), mutant.exempt.is_some());
        }
    }
}

impl Shown {
    fn add(&mut self, found: bool, exempt: bool) {
        match exempt {
            true => self.exempt += 1,
            false => {
                self.of += 1;
                self.found += usize::from(found);
            }
        }
    }

    /// From 0 to 100. Rounded down to a tenth: not quite everything is never 100.
    pub fn percent(&self) -> f64 {
        match self.of {
            0 => 100.0,
            of => (self.found * 1000 / of) as f64 / 10.0,
        }
    }
}

impl Counts {
    fn add(&mut self, bundle: &Bundle, name: &str, test: &Test, cell: &CellRun, mutants: &Mutants) {
        let Ok(inquiry) = bundle.inquire(&cell.cell.question, test.world.as_ref()) else { return };
        for policy in inquiry.policies() {
            let tally = self.policies.entry(policy.policy.id.to_string()).or_default();
            tally.clauses.resize(policy.clauses.len(), [0; 4]);
            tally.held += usize::from(matches!(policy.outcome, PolicyOutcome::Determining | PolicyOutcome::Satisfied));
            tally.determined += usize::from(policy.outcome == PolicyOutcome::Determining);
            tally.failed += usize::from(policy.outcome == PolicyOutcome::Error);
            for (counts, (_, value)) in tally.clauses.iter_mut().zip(&policy.clauses) {
                let [held, failed, errored, open] = counts;
                *match value {
                    ClauseValue::True => held,
                    ClauseValue::False => failed,
                    ClauseValue::Errored(_) => errored,
                    ClauseValue::NotEvaluated => open,
                } += 1;
            }
        }
        if let Some(environment) = inquiry.environment() {
            let (allowed, denied) = self.environments.entry(environment).or_default();
            *(if inquiry.answer().decision == Decision::Allow { allowed } else { denied }) += 1;
        }
        if cell.passed() {
            mutants.ask(name, cell.cell, &inquiry, &mut self.noticed);
        }
    }

    fn and(mut self, other: Self) -> Self {
        for (id, theirs) in other.policies {
            let ours = self.policies.entry(id).or_default();
            ours.held += theirs.held;
            ours.determined += theirs.determined;
            ours.failed += theirs.failed;
            ours.clauses.resize(theirs.clauses.len(), [0; 4]);
            for (ours, theirs) in ours.clauses.iter_mut().zip(theirs.clauses) {
                ours.iter_mut().zip(theirs).for_each(|(ours, theirs)| *ours += theirs);
            }
        }
        for (environment, (allowed, denied)) in other.environments {
            let ours = self.environments.entry(environment).or_default();
            *ours = (ours.0 + allowed, ours.1 + denied);
        }
        for (mutant, tests) in other.noticed {
            self.noticed.entry(mutant).or_default().extend(tests);
        }
        self
    }

    fn coverage(mut self, bundle: &Bundle, mut mutants: Vec<Mutant>) -> Coverage {
        let policies = bundle.effective().map(|info| {
            let tally = self.policies.remove(info.id.as_str()).unwrap_or_default();
            let mut counted = tally.clauses.into_iter();
            let clauses = bundle.clauses(&info.id).iter().map(|clause| {
                let [held, failed, errored, not_evaluated] = counted.next().unwrap_or_default();
                ClauseCoverage {
                    keyword: clause.keyword,
                    text: clause.text.to_string(),
                    file: clause.file.clone(),
                    line: clause.line,
                    column: clause.column,
                    offset: clause.offset,
                    length: clause.length,
                    held,
                    failed,
                    errored,
                    not_evaluated,
                    exempt_true: None,
                    exempt_false: None,
                }
            });
            PolicyCoverage {
                id: info.id.to_string(),
                effect: info.effect,
                file: info.file.clone(),
                line: info.line,
                held: tally.held,
                determined: tally.determined,
                failed: tally.failed,
                clauses: clauses.collect(),
                exempt: None,
            }
        });
        let policies = policies.collect();
        let environments = bundle.environments().into_iter().map(|environment| {
            let (allowed, denied) = self.environments.get(&environment).copied().unwrap_or_default();
            EnvironmentCoverage { environment, allowed, denied }
        });
        for (index, tests) in self.noticed {
            if let Some(mutant) = mutants.get_mut(index) {
                mutant.noticed_by = tests;
            }
        }
        let environments = environments.collect();
        Coverage { policies, environments, mutants, outcomes: Shown::default(), mutation: Shown::default() }
    }
}
