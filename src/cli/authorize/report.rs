//! An answer as it is printed.

use std::fmt;

use serde::Serialize;
use smol_str::SmolStr;

use crate::pdp::{Decision, EvaluationError, Reason};
use crate::warden::Ruling;

/// An answer and where it came from. Whoever asks on the command line may see everything.
#[derive(Serialize)]
pub(super) struct Report<'a> {
    decision: Decision,
    /// The policies that made the decision.
    determining: &'a [SmolStr],
    #[serde(skip_serializing_if = "Option::is_none")]
    reason: Option<&'a Reason>,
    errors: &'a [EvaluationError],
    bundle: &'a str,
    /// The store's, when one was asked.
    #[serde(skip_serializing_if = "Option::is_none")]
    revision: Option<u64>,
}

impl<'a> Report<'a> {
    pub fn new(ruling: &'a Ruling, stored: bool) -> Self {
        Self {
            decision: ruling.answer.decision,
            determining: &ruling.answer.determining,
            reason: ruling.answer.reason.as_ref(),
            errors: &ruling.answer.errors,
            bundle: &ruling.bundle,
            revision: stored.then_some(ruling.revision.0),
        }
    }
}

impl fmt::Display for Report<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self.decision {
            Decision::Allow => "ALLOW",
            Decision::Deny => "DENY",
        })?;
        if let Some(Reason { code, message, status }) = self.reason {
            write!(f, "\nreason   {code} ({status}): {message}")?;
        }
        for policy in self.determining {
            write!(f, "\npolicy   {policy}")?;
        }
        for error in self.errors {
            write!(f, "\nerror    {}: {}", error.policy, error.message)?;
        }
        if let Some(revision) = self.revision {
            write!(f, "\nrevision {revision}")?;
        }
        write!(f, "\nbundle   {}", self.bundle)
    }
}
