//! An answer as it is printed: the same from files, a store, and a server.

use std::fmt;

use serde::{Deserialize, Serialize};

use crate::warden::Ruling;

/// An answer and where it came from. Whoever opens files or a store may see everything; a server tells what it tells
/// its callers.
#[derive(Serialize, Deserialize)]
pub(super) struct Report {
    /// `allow` or `deny`.
    decision: String,
    /// The policies that made the decision.
    determining: Vec<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    reason: Option<Reason>,
    errors: Vec<PolicyError>,
    bundle: String,
    /// The store's, when one was asked.
    #[serde(skip_serializing_if = "Option::is_none")]
    revision: Option<u64>,
    /// The time that was decided for, when that was not now.
    #[serde(skip_serializing_if = "Option::is_none")]
    as_of: Option<String>,
    /// The server's, to find the decision in its log.
    #[serde(skip_serializing_if = "Option::is_none")]
    decision_id: Option<String>,
}

#[derive(Serialize, Deserialize)]
struct Reason {
    code: String,
    message: String,
    status: u16,
}

#[derive(Serialize, Deserialize)]
struct PolicyError {
    policy: String,
    message: String,
}

impl Report {
    pub fn new(ruling: &Ruling, stored: bool, as_of: Option<String>) -> Self {
        let answer = &ruling.answer;
        let reason = answer.reason.as_ref().map(|reason| Reason {
            code: reason.code.to_string(),
            message: reason.message.clone(),
            status: reason.status,
        });
        let error = |error: &crate::pdp::EvaluationError| PolicyError {
            policy: error.policy.to_string(),
            message: error.message.clone(),
        };
        Self {
            decision: if answer.allowed() { "allow" } else { "deny" }.to_owned(),
            determining: answer.determining.iter().map(ToString::to_string).collect(),
            reason,
            errors: answer.errors.iter().map(error).collect(),
            bundle: ruling.bundle.to_string(),
            revision: stored.then_some(ruling.revision.0),
            as_of,
            decision_id: None,
        }
    }

    /// Anything but a clear allow is none.
    pub fn allowed(&self) -> bool {
        self.decision == "allow"
    }
}

impl fmt::Display for Report {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(if self.allowed() { "ALLOW" } else { "DENY" })?;
        if let Some(Reason { code, message, status }) = &self.reason {
            write!(f, "\nreason   {code} ({status}): {message}")?;
        }
        for policy in &self.determining {
            write!(f, "\npolicy   {policy}")?;
        }
        for error in &self.errors {
            write!(f, "\nerror    {}: {}", error.policy, error.message)?;
        }
        if let Some(revision) = self.revision {
            write!(f, "\nrevision {revision}")?;
        }
        if let Some(as_of) = &self.as_of {
            write!(f, "\nas of    {as_of}")?;
        }
        write!(f, "\nbundle   {}", self.bundle)
    }
}
