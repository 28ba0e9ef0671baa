//! An answer as it is printed.

use std::fmt;

use serde::Serialize;
use smol_str::SmolStr;

use crate::pdp::{Answer, Decision, EvaluationError, Reason};

/// An answer and the bundle that gave it. Whoever asks on the command line may see everything.
#[derive(Serialize)]
pub(super) struct Report<'a> {
    decision: Decision,
    /// The policies that made the decision.
    determining: &'a [SmolStr],
    #[serde(skip_serializing_if = "Option::is_none")]
    reason: Option<&'a Reason>,
    errors: &'a [EvaluationError],
    bundle: &'a str,
}

impl<'a> Report<'a> {
    pub fn new(answer: &'a Answer, bundle: &'a str) -> Self {
        Self {
            decision: answer.decision,
            determining: &answer.determining,
            reason: answer.reason.as_ref(),
            errors: &answer.errors,
            bundle,
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
        write!(f, "\nbundle   {}", self.bundle)
    }
}
