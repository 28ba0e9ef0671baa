//! A report for people.

use std::fmt::Write;

use super::{Report, TestReport, counted};

/// What failed and why, then the sums. `verbose` shows the tests that passed, too.
pub fn pretty(report: &Report, verbose: bool) -> String {
    let mut text = String::new();
    for suite in &report.suites {
        for test in &suite.tests {
            let place = format!("{}:{}", suite.file, test.line);
            // Writing to a String cannot fail.
            let _ = match (&test.skipped, test.failures.is_empty()) {
                (Some(reason), _) => writeln!(text, "SKIP  {} / {} ({place}): {reason}", suite.name, test.name),
                (None, true) if verbose => {
                    writeln!(text, "ok    {} / {} ({})", suite.name, test.name, counted(test.cells, "cell"))
                }
                (None, true) => Ok(()),
                (None, false) => {
                    failures(&mut text, test, &suite.file);
                    writeln!(
                        text,
                        "FAIL  {} / {} ({place}): {} of {}\n",
                        suite.name,
                        test.name,
                        test.failures.len(),
                        counted(test.cells, "cell")
                    )
                }
            };
        }
    }
    let totals = &report.totals;
    let result = if report.succeeded() { "ok" } else { "FAILED" };
    let _ = write!(text, "{result}: {} passed", counted(totals.passed, "cell"));
    for (count, what) in [
        (totals.failed, "failed"),
        (totals.unlisted, "of them without an expectation"),
        (totals.by_unlisted, "by the `unlisted` of their test"),
    ] {
        if count > 0 {
            let _ = write!(text, ", {count} {what}");
        }
    }
    if totals.skipped_tests > 0 {
        let _ = write!(text, ", {} skipped", counted(totals.skipped_tests, "test"));
    }
    text
}

fn failures(text: &mut String, test: &TestReport, file: &str) {
    for failure in &test.failures {
        let question = format!("{} {} {}", failure.principal, failure.action, failure.resource);
        let _ = writeln!(text, "{question}\n  at {file}:{}", failure.line);
        if failure.mismatches.is_empty() {
            let _ = writeln!(text, "  {}", failure.summary);
        }
        for found in &failure.mismatches {
            let _ = writeln!(text, "  {}: expected {}, got {}", found.what, found.expected, found.got);
        }
        for (index, line) in failure.why.iter().enumerate() {
            let _ = writeln!(text, "  {} {line}", if index == 0 { "why:" } else { "    " });
        }
    }
}
