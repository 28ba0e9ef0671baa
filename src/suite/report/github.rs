//! A report as annotations of a GitHub workflow: each failure at its line of the suite.

use super::Report;

pub fn github(report: &Report) -> String {
    let mut lines = Vec::new();
    for suite in &report.suites {
        for test in &suite.tests {
            if let Some(reason) = &test.skipped {
                let title = annotation_property(&format!("skipped: {} / {}", suite.name, test.name));
                lines.push(format!(
                    "::notice file={},line={},title={title}::{}",
                    annotation_property(&suite.file),
                    test.line,
                    annotation_text(reason)
                ));
            }
            for failure in &test.failures {
                let title = annotation_property(&format!("{} / {}", suite.name, test.name));
                let question = format!("{} {} {}", failure.principal, failure.action, failure.resource);
                let message: Vec<String> =
                    [question, failure.summary.clone()].into_iter().chain(failure.why.iter().cloned()).collect();
                let (file, line) = (annotation_property(&suite.file), failure.line);
                lines.push(format!(
                    "::error file={file},line={line},title={title}::{}",
                    annotation_text(&message.join("\n"))
                ));
            }
        }
    }
    lines.join("\n")
}

/// Text after `::`. What ends a line or starts an escape must not do so here.
pub fn annotation_text(text: &str) -> String {
    text.replace('%', "%25").replace('\r', "%0D").replace('\n', "%0A")
}

/// The value of a property, which a `,` or `:` would end, too.
pub fn annotation_property(text: &str) -> String {
    annotation_text(text).replace(':', "%3A").replace(',', "%2C")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn nothing_in_a_name_can_start_another_annotation() {
        assert_eq!(annotation_property("a,b:c\n::error::x"), "a%2Cb%3Ac%0A%3A%3Aerror%3A%3Ax");
        assert_eq!(annotation_text("100%\r\n"), "100%25%0D%0A");
    }
}
