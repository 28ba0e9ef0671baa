//! Running suites: every cell asked, on all cores.

use rayon::prelude::*;

use super::definition::{Cell, Suite, Test};
use super::expectation::Mismatch;
use super::filter::Filter;
use super::why;
use crate::pdp::{Answer, Bundle};

/// What came of all suites, in their order.
pub struct Run<'a> {
    pub suites: Vec<SuiteRun<'a>>,
}

pub struct SuiteRun<'a> {
    pub suite: &'a Suite,
    pub tests: Vec<TestRun<'a>>,
}

pub struct TestRun<'a> {
    pub test: &'a Test,
    /// Those that the filters kept; none of a test that is skipped.
    pub cells: Vec<CellRun<'a>>,
}

pub struct CellRun<'a> {
    pub cell: &'a Cell,
    pub answer: Option<Answer>,
    pub outcome: Outcome,
}

/// Whether a cell was answered as expected.
#[derive(Debug)]
pub enum Outcome {
    Passed,
    Failed {
        mismatches: Vec<Mismatch>,
        /// Which clauses decided, a line each.
        why: Vec<String>,
    },
    /// The suite says nothing about it.
    Unlisted,
    /// The question could not be answered.
    Broken(String),
}

/// Asks every cell that the filters keep.
pub fn run<'a>(bundle: &Bundle, suites: &'a [Suite], filters: &[Filter]) -> Run<'a> {
    let test = |suite: &'a Suite, test: &'a Test| {
        let kept: Vec<&Cell> = test.cells.iter().filter(|cell| Filter::keep(filters, suite, test, cell)).collect();
        let cells = match test.skip {
            Some(_) => Vec::new(),
            None => kept.into_par_iter().map(|cell| ask(bundle, test, cell)).collect(),
        };
        let asked_for = |run: &CellRun| {
            let answer = run.answer.as_ref();
            answer.is_none_or(|answer| Filter::keep_answer(filters, answer, run.cell.expectation.as_ref()))
        };
        TestRun { test, cells: cells.into_iter().filter(asked_for).collect() }
    };
    let suite = |suite: &'a Suite| SuiteRun { suite, tests: suite.tests.iter().map(|one| test(suite, one)).collect() };
    Run { suites: suites.iter().map(suite).collect() }
}

fn ask<'a>(bundle: &Bundle, test: &Test, cell: &'a Cell) -> CellRun<'a> {
    let answer = match bundle.decide(&cell.question, test.world.as_ref()) {
        Ok(answer) => answer,
        Err(error) => return CellRun { cell, answer: None, outcome: Outcome::Broken(error.to_string()) },
    };
    let outcome = match &cell.expectation {
        None => Outcome::Unlisted,
        Some(expectation) => match expectation.check(&answer) {
            mismatches if mismatches.is_empty() => Outcome::Passed,
            mismatches => {
                let inquiry = bundle.inquire(&cell.question, test.world.as_ref());
                let why = inquiry.map_or_else(|error| vec![error.to_string()], |found| why::lines(&found, expectation));
                Outcome::Failed { mismatches, why }
            }
        },
    };
    CellRun { cell, answer: Some(answer), outcome }
}

impl CellRun<'_> {
    pub fn passed(&self) -> bool {
        matches!(self.outcome, Outcome::Passed)
    }
}

impl Run<'_> {
    pub fn cells(&self) -> impl Iterator<Item = (&TestRun<'_>, &CellRun<'_>)> {
        self.suites
            .iter()
            .flat_map(|suite| &suite.tests)
            .flat_map(|test| test.cells.iter().map(move |cell| (test, cell)))
    }
}
