//! What the decision point answers.

use serde::Serialize;
use smol_str::SmolStr;

#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum Decision {
    Allow,
    Deny,
}

/// Which "no" it was.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Reason {
    /// A stable code, e.g. `token_permission`: from the `@reason` of a policy, an action or an entity type.
    pub code: SmolStr,
    /// For people.
    pub message: String,
    /// The HTTP status that a service should refuse with.
    pub status: u16,
}

/// A policy that could not be evaluated. Any one of them makes the decision a deny.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct EvaluationError {
    pub policy: SmolStr,
    pub message: String,
    /// The policy needed an entity that is not stored.
    pub dangling: bool,
}

/// The answer to one question.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Answer {
    pub decision: Decision,
    /// The policies that made the decision, in byte order: the permits of an allow, the forbids of a deny.
    pub determining: Vec<SmolStr>,
    /// Why not; `None` for an allow.
    pub reason: Option<Reason>,
    pub errors: Vec<EvaluationError>,
    /// The caller may not learn whether the resource exists: show them neither policies nor errors.
    pub hidden: bool,
}

impl Answer {
    pub fn allowed(&self) -> bool {
        self.decision == Decision::Allow
    }
}
