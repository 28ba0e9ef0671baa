//! A report in the Test Anything Protocol, version 14: a line for each test, failures in YAML below it.

use std::fmt::Write;

use super::Report;

pub fn tap(report: &Report) -> String {
    let tests = || report.suites.iter().flat_map(|suite| suite.tests.iter().map(move |test| (suite, test)));
    let mut text = format!("TAP version 14\n1..{}", tests().count());
    for (index, (suite, test)) in tests().enumerate() {
        let result = if test.failures.is_empty() { "ok" } else { "not ok" };
        let name = line(&format!("{} / {}", suite.name, test.name));
        // Writing to a String cannot fail.
        let _ = write!(text, "\n{result} {} - {name}", index + 1);
        if let Some(reason) = &test.skipped {
            let _ = write!(text, " # SKIP {}", line(reason));
        }
        if !test.failures.is_empty() {
            text.push_str("\n  ---\n  failures:");
            for failure in &test.failures {
                let question = format!("{} {} {}", failure.principal, failure.action, failure.resource);
                let parts = [
                    ("- question", question),
                    ("  at", format!("{}:{}", suite.file, failure.line)),
                    ("  message", failure.summary.clone()),
                    ("  why", failure.why.join("\n")),
                ];
                for (key, value) in parts {
                    let _ = write!(text, "\n    {key}: {}", serde_json::Value::from(value));
                }
            }
            text.push_str("\n  ...");
        }
    }
    text
}

/// One line, in which `#` starts no directive.
fn line(text: &str) -> String {
    let text: Vec<&str> = text.split_whitespace().collect();
    text.join(" ").replace('\\', "\\\\").replace('#', "\\#")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_name_is_one_line_without_directives() {
        assert_eq!(line("a\nok 2 # SKIP b"), "a ok 2 \\# SKIP b");
    }
}
