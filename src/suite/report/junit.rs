//! A report as JUnit XML: a test case for each test, its failed cells in one failure.

use quick_junit::{NonSuccessKind, Report as Junit, TestCase, TestCaseStatus, TestSuite};

use super::{FailureReport, Report, TestReport, counted};

/// # Errors
/// What cannot be written as XML.
pub fn junit(report: &Report) -> Result<String, String> {
    let mut written = Junit::new("hubwarden test");
    for suite in &report.suites {
        let mut cases = TestSuite::new(suite.name.as_str());
        cases.extra.insert("file".into(), suite.file.as_str().into());
        for test in &suite.tests {
            let mut case = TestCase::new(test.name.as_str(), status(test, &suite.file));
            case.set_classname(suite.name.as_str());
            case.extra.insert("file".into(), suite.file.as_str().into());
            case.extra.insert("line".into(), test.line.to_string().into());
            cases.add_test_case(case);
        }
        written.add_test_suite(cases);
    }
    written.to_string().map_err(|error| error.to_string())
}

fn status(test: &TestReport, file: &str) -> TestCaseStatus {
    if let Some(reason) = &test.skipped {
        let mut status = TestCaseStatus::skipped();
        status.set_message(reason.as_str());
        return status;
    }
    if test.failures.is_empty() {
        return TestCaseStatus::success();
    }
    let kind = match test.failures.iter().any(|failure| failure.kind == "error") {
        true => NonSuccessKind::Error,
        false => NonSuccessKind::Failure,
    };
    let mut status = TestCaseStatus::non_success(kind);
    status.set_message(format!("{} of {}", test.failures.len(), counted(test.cells, "cell")));
    let shown: Vec<String> = test.failures.iter().map(|failure| shown(failure, file)).collect();
    status.set_description(shown.join("\n\n"));
    status
}

fn shown(failure: &FailureReport, file: &str) -> String {
    let question = format!("{} {} {}", failure.principal, failure.action, failure.resource);
    let lines = [question, format!("at {file}:{}", failure.line), failure.summary.clone()];
    lines.into_iter().chain(failure.why.iter().cloned()).collect::<Vec<_>>().join("\n")
}
