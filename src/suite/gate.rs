//! A server's gate: policies take over only when they pass their suites.

use std::path::PathBuf;

use super::definition::load;
use super::report::Report;
use super::run::run;
use crate::pdp::Bundle;

/// How many failures are told.
const SHOWN: usize = 5;

/// # Errors
/// What is wrong with the suites, or the first cells that failed. Suites without any cell are no gate.
pub fn gate(bundle: &Bundle, paths: &[PathBuf]) -> Result<(), String> {
    let suites = load(bundle, paths).map_err(|faults| faults.to_string())?;
    let report = Report::of(bundle.hash(), &run(bundle, &suites, &[]));
    if report.totals.cells == 0 {
        let shown: Vec<String> = paths.iter().map(|path| path.display().to_string()).collect();
        return Err(format!("there are none in {}", shown.join(", ")));
    }
    if report.succeeded() {
        return Ok(());
    }
    let failures = report.suites.iter().flat_map(|suite| {
        let tests = suite.tests.iter().flat_map(|test| &test.failures);
        tests.map(|failure| {
            let place = format!("{}:{}", suite.file, failure.line);
            format!("{place}: {} {} {}: {}", failure.principal, failure.action, failure.resource, failure.summary)
        })
    });
    let shown: Vec<String> = failures.take(SHOWN).collect();
    Err(format!("{} of {} cells failed, first\n{}", report.totals.failed, report.totals.cells, shown.join("\n")))
}
