//! What was proven, as it is printed; and counterexamples as files.

use std::fmt;
use std::path::Path;
use std::time::Duration;

use serde::Serialize;
use serde_json::{Value as Json, json};

use super::super::Setting;
use super::super::exit::{Exit, Failure};
use super::super::solver::write_world;
use crate::pdp::{Finding, Note, Properties, Verdict};

/// Seconds from which a single check is named.
const SLOW: f64 = 5.0;

#[derive(Serialize)]
pub(super) struct Report {
    proven: bool,
    bundle: String,
    solver: String,
    seconds: f64,
    properties: Vec<Finding>,
    /// Counterexamples that were written.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    files: Vec<String>,
}

impl Report {
    pub fn new(bundle: &str, solver: &str, spent: Duration, properties: Vec<Finding>) -> Self {
        Self {
            proven: properties.iter().all(|finding| finding.verdict == Verdict::Proven),
            bundle: bundle.to_owned(),
            solver: solver.to_owned(),
            seconds: spent.as_secs_f64(),
            properties,
            files: Vec::new(),
        }
    }

    pub fn proven(&self) -> bool {
        self.proven
    }

    /// Writes each property's first counterexample.
    pub fn write(&mut self, folder: &Path) -> Result<(), Failure> {
        for finding in &self.properties {
            if let Some(shown) = finding.notes.iter().find_map(|note| note.counterexample.as_ref()) {
                self.files.extend(write_world(folder, &finding.id, &shown.entities, &shown.request)?);
            }
        }
        Ok(())
    }
}

/// One property's line, printed as soon as it is decided.
pub(super) fn line(finding: &Finding) -> String {
    let verdict = match finding.verdict {
        Verdict::Proven => "proven  ",
        Verdict::Violated => "VIOLATED",
        Verdict::Unknown => "UNKNOWN ",
    };
    let mut line = format!("{verdict} {:<40} {:>4} checks {:>7.1} s", finding.id, finding.checks, finding.seconds);
    let (place, seconds) = &finding.slowest;
    if *seconds > SLOW {
        line.push_str(&format!(", of them {seconds:.1} s in {place}"));
    }
    line
}

pub(super) fn list(properties: &Properties, setting: &Setting) -> Result<Exit, Failure> {
    let text: Vec<String> = properties.all().iter().map(|it| format!("{:<40} {}", it.id, it.says)).collect();
    let json: Vec<Json> = properties
        .all()
        .iter()
        .map(|it| json!({"id": it.id, "says": it.says, "file": it.file, "line": it.line}))
        .collect();
    setting.terminal.print(text.join("\n"), &json)?;
    Ok(Exit::Success)
}

impl fmt::Display for Report {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for finding in self.properties.iter().filter(|finding| finding.verdict != Verdict::Proven) {
            writeln!(f, "\n{}: {}", finding.id, finding.says)?;
            if finding.line > 0 {
                writeln!(f, "  --> {}:{}", finding.file, finding.line)?;
            }
            for note in &finding.notes {
                writeln!(f, "  {}: {}", note.place, note.message)?;
            }
            if let Some(note) = finding.notes.iter().find(|note| note.counterexample.is_some()) {
                show(note, f)?;
            }
        }
        let proven = self.properties.iter().filter(|finding| finding.verdict == Verdict::Proven).count();
        write!(f, "{proven} of {} proven in {:.1} s", self.properties.len(), self.seconds)?;
        for file in &self.files {
            write!(f, "\nwrote {file}")?;
        }
        Ok(())
    }
}

/// A world, as `hubwarden authorize --entities FILE --request-json FILE` takes it.
fn show(note: &Note, f: &mut fmt::Formatter<'_>) -> fmt::Result {
    let Some(shown) = &note.counterexample else { return Ok(()) };
    writeln!(f, "  counterexample, {}; asked again, it is answered `{}`", note.place, shown.decision)?;
    for policy in &shown.determining {
        writeln!(f, "    by {policy}")?;
    }
    for error in &shown.errors {
        writeln!(f, "    error {error}")?;
    }
    writeln!(f, "  request:\n    {}", shown.request)?;
    if let Some(compared) = &shown.compared {
        writeln!(f, "  compared with, answered `{}`:\n    {}", compared.decision, compared.request)?;
    }
    writeln!(f, "  entities:")?;
    for entity in shown.entities.as_array().into_iter().flatten() {
        writeln!(f, "    {entity}")?;
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_property_that_is_not_proven_is_explained_after_the_lines() {
        let finding = |verdict| Finding {
            id: "pages/closed".into(),
            says: "No closed page is seen.".into(),
            file: "properties/pages.cedar".to_owned(),
            line: 3,
            verdict,
            checks: 2,
            seconds: 7.25,
            slowest: ("User, view, Page".to_owned(), 7.0),
            notes: Vec::new(),
        };
        assert_eq!(
            line(&finding(Verdict::Unknown)),
            "UNKNOWN  pages/closed                                2 checks     7.2 s, of them 7.0 s in User, view, Page"
        );
        let report = |verdict| Report::new("sha256:x", "cvc5 1.0.3", Duration::from_secs(1), vec![finding(verdict)]);
        assert_eq!(report(Verdict::Proven).to_string(), "1 of 1 proven in 1.0 s");
        assert!(report(Verdict::Proven).proven());
        for verdict in [Verdict::Violated, Verdict::Unknown] {
            assert_eq!(
                report(verdict).to_string(),
                "\npages/closed: No closed page is seen.\n  --> properties/pages.cedar:3\n0 of 1 proven in 1.0 s"
            );
            assert!(!report(verdict).proven());
        }
    }
}
