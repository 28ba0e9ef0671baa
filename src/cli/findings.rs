//! What was found in files, for other programs: SARIF 2.1.0 for code scanners and editors, and GitHub's annotations.
//!
//! Paths are told as they were given, so that they fit when a command runs at the root of its repository.

use clap::ValueEnum;
use serde_json::{Value as Json, json};

use super::exit::Failure;
use super::terminal::Terminal;
use crate::pdp::{Fault, Faults, Severity};
use crate::suite::{annotation_property, annotation_text};

/// A form for other programs, in place of `--format`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub(super) enum OutputForm {
    /// SARIF 2.1.0
    Sarif,
    /// GitHub's workflow commands, which become annotations
    Github,
}

/// A finding, whoever found it.
pub(super) struct Found<'a> {
    pub rule: &'a str,
    pub severity: Severity,
    pub fault: &'a Fault,
}

/// A rule and why it is one.
pub(super) type Described<'a> = (&'a str, &'a str);

const INVALID: Described = ("invalid", "Policies, schema or reasons that cannot be used.");

pub(super) fn print(
    form: OutputForm,
    rules: &[Described],
    findings: &[Found],
    terminal: &Terminal,
) -> Result<(), Failure> {
    match form {
        OutputForm::Sarif => terminal.line(sarif(rules, findings)),
        OutputForm::Github => findings.iter().try_for_each(|found| terminal.line(annotation(found))),
    }
}

/// What is not valid, for both commands that look at policies.
pub(super) fn print_invalid(form: OutputForm, faults: &Faults, terminal: &Terminal) -> Result<(), Failure> {
    let found: Vec<Found> =
        faults.0.iter().map(|fault| Found { rule: INVALID.0, severity: Severity::Error, fault }).collect();
    print(form, &[INVALID], &found, terminal)
}

fn level(severity: Severity) -> &'static str {
    match severity {
        Severity::Error => "error",
        Severity::Warning => "warning",
    }
}

/// A message with what to do about it.
fn message(fault: &Fault) -> String {
    match &fault.help {
        Some(help) => format!("{} ({help})", fault.message),
        None => fault.message.clone(),
    }
}

fn sarif(rules: &[Described], findings: &[Found]) -> Json {
    let rules: Vec<Json> =
        rules.iter().map(|(id, says)| json!({"id": id, "shortDescription": {"text": says}})).collect();
    let results: Vec<Json> = findings
        .iter()
        .map(|found| {
            let fault = found.fault;
            let mut place = json!({"artifactLocation": {"uri": fault.file}});
            if let (true, Some(map)) = (fault.line > 0, place.as_object_mut()) {
                let region = json!({
                    "startLine": fault.line,
                    "startColumn": fault.column,
                    "endColumn": fault.column + fault.width,
                });
                map.insert("region".to_owned(), region);
            }
            json!({
                "ruleId": found.rule,
                "level": level(found.severity),
                "message": {"text": message(fault)},
                "locations": [{"physicalLocation": place}],
            })
        })
        .collect();
    json!({
        "$schema": "https://json.schemastore.org/sarif-2.1.0.json",
        "version": "2.1.0",
        "runs": [{
            "tool": {"driver": {"name": "hubwarden", "version": env!("CARGO_PKG_VERSION"), "rules": rules}},
            "columnKind": "unicodeCodePoints",
            "results": results,
        }],
    })
}

fn annotation(found: &Found) -> String {
    let fault = found.fault;
    let mut place = format!("file={}", annotation_property(&fault.file));
    if fault.line > 0 {
        place.push_str(&format!(",line={},col={}", fault.line, fault.column));
    }
    format!(
        "::{} {place},title={}::{}",
        level(found.severity),
        annotation_property(found.rule),
        annotation_text(&message(fault))
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    fn fault() -> Fault {
        Fault { line: 2, column: 3, width: 4, help: Some("do".to_owned()), ..Fault::of_file("a,b.cedar", "50% of\nit") }
    }

    #[test]
    fn an_annotation_is_one_line_whatever_the_text() {
        let found = Found { rule: "x", severity: Severity::Warning, fault: &fault() };
        assert_eq!(annotation(&found), "::warning file=a%2Cb.cedar,line=2,col=3,title=x::50%25 of%0Ait (do)");
    }

    #[test]
    fn a_fault_without_a_place_has_no_region() {
        let whole = Fault::of_file("a.cedar", "m");
        let found = [Found { rule: "x", severity: Severity::Error, fault: &whole }];
        let json = sarif(&[("x", "says")], &found);
        let place = json.pointer("/runs/0/results/0/locations/0/physicalLocation").unwrap();
        assert_eq!(place, &serde_json::json!({"artifactLocation": {"uri": "a.cedar"}}));
        let here = fault();
        let found = [Found { rule: "x", severity: Severity::Error, fault: &here }];
        let region = sarif(&[], &found).pointer("/runs/0/results/0/locations/0/physicalLocation/region").cloned();
        assert_eq!(region, Some(serde_json::json!({"startLine": 2, "startColumn": 3, "endColumn": 7})));
    }
}
