//! What came of a run, as data; and the forms it is written in.

mod github;
mod junit;
mod pretty;
mod tap;

use serde::Serialize;

use super::coverage::Coverage;
use super::definition::Cell;
use super::expectation::{Mismatch, word};
use super::run::{CellRun, Outcome, Run, SuiteRun, TestRun};
use crate::pdp::Answer;

pub use github::{annotation_property, annotation_text, github};
pub use junit::junit;
pub use pretty::pretty;
pub use tap::tap;

/// A run, summed up.
#[derive(Debug, Serialize)]
pub struct Report {
    pub bundle: String,
    pub suites: Vec<SuiteReport>,
    #[serde(flatten)]
    pub totals: Totals,
}

#[derive(Clone, Copy, Debug, Default, Serialize)]
pub struct Totals {
    pub cells: usize,
    pub passed: usize,
    pub failed: usize,
    /// Cells that nobody wrote an expectation for; they are among the failed.
    pub unlisted: usize,
    /// Cells whose expectation is the `unlisted` of their test.
    pub by_unlisted: usize,
    pub skipped_tests: usize,
}

#[derive(Debug, Serialize)]
pub struct SuiteReport {
    pub name: String,
    pub file: String,
    pub tests: Vec<TestReport>,
}

#[derive(Debug, Serialize)]
pub struct TestReport {
    pub name: String,
    pub line: usize,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub skipped: Option<String>,
    pub cells: usize,
    pub by_unlisted: usize,
    pub failures: Vec<FailureReport>,
}

/// A cell that did not pass.
#[derive(Debug, Serialize)]
pub struct FailureReport {
    pub principal: String,
    pub action: String,
    pub resource: String,
    /// Where its expectation stands; its test, when it has none.
    pub line: usize,
    /// `mismatch`, `unlisted` or `error`.
    pub kind: &'static str,
    /// What came instead, in a line.
    pub summary: String,
    pub mismatches: Vec<Mismatch>,
    pub why: Vec<String>,
}

impl Report {
    pub fn of(bundle: &str, run: &Run) -> Self {
        let suites: Vec<SuiteReport> = run.suites.iter().filter_map(suite).collect();
        let tests = || suites.iter().flat_map(|suite| &suite.tests);
        let failures = || tests().flat_map(|test| &test.failures);
        let totals = Totals {
            cells: tests().map(|test| test.cells).sum(),
            passed: tests().map(|test| test.cells - test.failures.len()).sum(),
            failed: failures().count(),
            unlisted: failures().filter(|failure| failure.kind == "unlisted").count(),
            by_unlisted: tests().map(|test| test.by_unlisted).sum(),
            skipped_tests: tests().filter(|test| test.skipped.is_some()).count(),
        };
        Self { bundle: bundle.to_owned(), suites, totals }
    }

    pub fn succeeded(&self) -> bool {
        self.totals.failed == 0
    }
}

/// Nothing for a suite of which the filters kept nothing.
fn suite(run: &SuiteRun) -> Option<SuiteReport> {
    let asked = |test: &&TestRun| test.test.skip.is_some() || !test.cells.is_empty();
    let tests: Vec<TestReport> = run.tests.iter().filter(asked).map(test).collect();
    (!tests.is_empty()).then(|| SuiteReport { name: run.suite.name.clone(), file: run.suite.path.clone(), tests })
}

fn test(run: &TestRun) -> TestReport {
    let by_unlisted = |run: &&CellRun| run.cell.expectation.as_ref().is_some_and(|expected| expected.unlisted);
    TestReport {
        name: run.test.name.clone(),
        line: run.test.place.line,
        skipped: run.test.skip.clone(),
        cells: run.cells.len(),
        by_unlisted: run.cells.iter().filter(by_unlisted).count(),
        failures: run.cells.iter().filter_map(|cell| failure(cell, run)).collect(),
    }
}

fn failure(run: &CellRun, test: &TestRun) -> Option<FailureReport> {
    let Cell { principal, action, resource, expectation, .. } = run.cell;
    let answer = run.answer.as_ref().map(shown).unwrap_or_default();
    let (kind, summary, mismatches, why) = match &run.outcome {
        Outcome::Passed => return None,
        Outcome::Failed { mismatches, why } => {
            let differ = |found: &Mismatch| format!("{}: expected {}, got {}", found.what, found.expected, found.got);
            let differ: Vec<String> = mismatches.iter().map(differ).collect();
            ("mismatch", differ.join("; "), mismatches.clone(), why.clone())
        }
        Outcome::Unlisted => {
            let summary = format!("no expectation; it is answered {answer} (`unlisted: deny` would expect a deny)");
            ("unlisted", summary, Vec::new(), Vec::new())
        }
        Outcome::Broken(message) => ("error", message.clone(), Vec::new(), Vec::new()),
    };
    Some(FailureReport {
        principal: principal.clone(),
        action: action.to_string(),
        resource: resource.clone(),
        line: expectation.as_ref().map_or(test.test.place.line, |expected| expected.place.line),
        kind,
        summary,
        mismatches,
        why,
    })
}

/// An answer in a few words.
fn shown(answer: &Answer) -> String {
    match &answer.reason {
        Some(reason) => format!("{} ({})", word(answer.decision), reason.code),
        None => word(answer.decision).to_owned(),
    }
}

/// The report, and what was covered, as one JSON document.
pub fn json(report: &Report, coverage: Option<&Coverage>) -> String {
    #[derive(Serialize)]
    struct Whole<'a> {
        #[serde(flatten)]
        report: &'a Report,
        #[serde(skip_serializing_if = "Option::is_none")]
        coverage: Option<&'a Coverage>,
    }
    serde_json::to_string(&Whole { report, coverage }).unwrap_or_default()
}

/// `1 cell`, `2 cells`.
fn counted(count: usize, what: &str) -> String {
    if count == 1 { format!("1 {what}") } else { format!("{count} {what}s") }
}
