//! What a cell must be answered, and whether it was.

use std::collections::BTreeSet;

use super::yaml::{Fields, Name, Node, Place};
use crate::pdp::{Answer, Decision, Fault};

/// The keys that say what is expected.
pub(super) const KEYS: [&str; 6] = ["decision", "code", "reason", "status", "hidden", "num_errors"];

/// Everything that is said about one answer. What is not said may be anything, except that policies must not fail: an
/// evaluation error is never what somebody meant by `deny`.
#[derive(Clone, Debug)]
pub struct Expectation {
    pub place: Place,
    decision: Option<Decision>,
    code: Option<String>,
    /// The determining policies.
    pub(super) reason: Option<BTreeSet<String>>,
    reason_is: Comparison,
    status: Option<usize>,
    hidden: Option<bool>,
    num_errors: Option<usize>,
    /// Nobody wrote it: the test's `unlisted` stands for it.
    pub(super) unlisted: bool,
}

/// How the determining policies are compared.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Comparison {
    Exactly,
    /// As `cedar run-tests` does.
    AtLeast,
}

/// One thing that was not as expected.
#[derive(Clone, Debug, PartialEq, Eq, serde::Serialize)]
pub struct Mismatch {
    pub what: &'static str,
    pub expected: String,
    pub got: String,
}

impl Expectation {
    fn nothing(place: &Place) -> Self {
        Self {
            place: place.clone(),
            decision: None,
            code: None,
            reason: None,
            reason_is: Comparison::Exactly,
            status: None,
            hidden: None,
            num_errors: None,
            unlisted: false,
        }
    }

    /// The decision that a test's `unlisted` gives to cells that nobody wrote about.
    pub fn unlisted(decision: Decision, place: &Place) -> Self {
        Self { decision: Some(decision), unlisted: true, ..Self::nothing(place) }
    }

    /// What one line of `cedar run-tests` expects.
    pub fn of_run_tests(place: &Place, decision: Decision, reason: BTreeSet<String>, num_errors: usize) -> Self {
        Self {
            decision: Some(decision),
            reason: Some(reason),
            reason_is: Comparison::AtLeast,
            num_errors: Some(num_errors),
            ..Self::nothing(place)
        }
    }

    /// `allow`, `deny`, or the code of a refusal.
    pub(super) fn of_word(word: &Name) -> Self {
        let nothing = Self::nothing(&word.place);
        match word.text.as_str() {
            "allow" => Self { decision: Some(Decision::Allow), ..nothing },
            "deny" => Self { decision: Some(Decision::Deny), ..nothing },
            code => Self { decision: Some(Decision::Deny), code: Some(code.to_owned()), ..nothing },
        }
    }

    pub(super) fn read(fields: &Fields, place: &Place) -> Result<Self, Fault> {
        let mut read = Self::nothing(place);
        if let Some(node) = fields.get("decision") {
            read.decision = Some(decision(node)?);
        }
        if let Some(node) = fields.get("code") {
            if read.decision == Some(Decision::Allow) {
                return Err(node.fault("an allow has no reason code"));
            }
            read.decision = Some(Decision::Deny);
            read.code = Some(node.text()?.to_owned());
        }
        read.reason = fields.names("reason")?.map(|ids| ids.into_iter().map(|id| id.text).collect());
        read.status = fields.get("status").map(Node::count).transpose()?;
        read.hidden = fields.flag("hidden")?;
        read.num_errors = fields.get("num_errors").map(Node::count).transpose()?;
        Ok(read)
    }

    /// Whether nothing was said.
    pub fn is_empty(&self) -> bool {
        let decided = self.decision.is_some() || self.reason.is_some();
        !(decided || self.status.is_some() || self.hidden.is_some() || self.num_errors.is_some())
    }

    /// Both of two expectations about one cell.
    ///
    /// # Errors
    /// They cannot both hold: what they differ in.
    pub fn and(self, other: &Self) -> Result<Self, &'static str> {
        fn both<T: PartialEq + Clone>(
            a: Option<T>,
            b: Option<&T>,
            what: &'static str,
        ) -> Result<Option<T>, &'static str> {
            match (a, b) {
                (Some(a), Some(b)) if a != *b => Err(what),
                (a, b) => Ok(a.or_else(|| b.cloned())),
            }
        }
        Ok(Self {
            decision: both(self.decision, other.decision.as_ref(), "decision")?,
            code: both(self.code, other.code.as_ref(), "code")?,
            reason: both(self.reason, other.reason.as_ref(), "reason")?,
            status: both(self.status, other.status.as_ref(), "status")?,
            hidden: both(self.hidden, other.hidden.as_ref(), "hidden")?,
            num_errors: both(self.num_errors, other.num_errors.as_ref(), "num_errors")?,
            ..self
        })
    }

    /// What is not as expected; empty when everything is.
    pub fn check(&self, answer: &Answer) -> Vec<Mismatch> {
        let mut found = Vec::new();
        let mut compare = |what: &'static str, expected: Option<String>, got: String| {
            if let Some(expected) = expected.filter(|expected| *expected != got) {
                found.push(Mismatch { what, expected, got });
            }
        };
        compare("decision", self.decision.map(word).map(str::to_owned), word(answer.decision).to_owned());
        let reason = answer.reason.as_ref();
        let code = || reason.map_or_else(|| "none".to_owned(), |reason| reason.code.to_string());
        compare("code", self.code.clone(), code());
        let status = || reason.map_or_else(|| "none".to_owned(), |reason| reason.status.to_string());
        compare("status", self.status.map(|status| status.to_string()), status());
        compare("hidden", self.hidden.map(|hidden| hidden.to_string()), answer.hidden.to_string());
        let errors = Some(self.num_errors.unwrap_or(0).to_string());
        compare("num_errors", errors, answer.errors.len().to_string());
        if let Some(expected) = &self.reason {
            let got: BTreeSet<String> = answer.determining.iter().map(ToString::to_string).collect();
            let holds = match self.reason_is {
                Comparison::Exactly => got == *expected,
                Comparison::AtLeast => got.is_superset(expected),
            };
            if !holds {
                found.push(Mismatch { what: "reason", expected: list(expected), got: list(&got) });
            }
        }
        found
    }

    /// The policies that are expected and did not determine the answer.
    pub(super) fn missed<'a>(&'a self, answer: &'a Answer) -> impl Iterator<Item = &'a str> {
        let expected = self.reason.iter().flatten().map(String::as_str);
        expected.filter(|id| !answer.determining.iter().any(|found| found == id))
    }
}

pub(super) fn decision(node: &Node) -> Result<Decision, Fault> {
    match node.text()? {
        "allow" => Ok(Decision::Allow),
        "deny" => Ok(Decision::Deny),
        other => Err(node.fault(format!("a decision is `allow` or `deny`, not `{other}`"))),
    }
}

pub(super) fn word(decision: Decision) -> &'static str {
    match decision {
        Decision::Allow => "allow",
        Decision::Deny => "deny",
    }
}

fn list(ids: &BTreeSet<String>) -> String {
    let ids: Vec<&str> = ids.iter().map(String::as_str).collect();
    format!("[{}]", ids.join(", "))
}
