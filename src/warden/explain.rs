//! Why: one question with every policy's outcome, the value of each clause, and what would turn a no.
//!
//! For those who may see everything: an explanation tells of what the caller of a question may not even know to exist.

use std::sync::Arc;
use std::time::Instant;

use serde::Serialize;
use smol_str::SmolStr;
use uuid::Uuid;

use super::decisions::Decided;
use super::facts::Given;
use super::session::{AskError, Asked, Ruling, Session};
use crate::pdp::{Bundle, ClauseValue, Keyword, PolicyOutcome, PolicyTrace, Remedy};

/// An answer and why it is that.
#[derive(Clone, Debug)]
pub struct Explanation {
    pub ruling: Ruling,
    /// Every policy for the action and these types.
    pub policies: Vec<Explained>,
    /// The same for the action that decides whether the caller may see the resource, where that is another one.
    pub visibility: Vec<Explained>,
    /// What would turn a no, the smallest changes first; each was tried.
    pub remedies: Vec<Remedy>,
}

/// One policy in one question.
#[derive(Clone, Debug, Serialize)]
pub struct Explained {
    pub id: SmolStr,
    /// `permit` or `forbid`.
    pub effect: &'static str,
    pub outcome: PolicyOutcome,
    pub file: String,
    pub line: usize,
    /// What its authors say of it.
    pub comment: String,
    /// In the order of evaluation.
    pub clauses: Vec<ExplainedClause>,
}

/// One operand of a condition.
#[derive(Clone, Debug, Serialize)]
pub struct ExplainedClause {
    pub keyword: Keyword,
    pub text: SmolStr,
    pub file: String,
    pub line: usize,
    pub column: usize,
    /// Its own value, also behind an `unless`: `true`, `false`, `error` or `not_evaluated`.
    pub value: &'static str,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub error: Option<String>,
}

impl Session<'_> {
    /// Answers a question and says why. Costs many times what answering does.
    ///
    /// # Errors
    /// As [`Session::ask`].
    pub fn explain(&self, asked: Asked) -> Result<Explanation, AskError> {
        let started = Instant::now();
        self.warden.audit.ready()?;
        let (question, facts) = self.prepared(&asked, Given::BesideStored)?;
        let bundle = self.bundle();
        let inquiry = bundle.inquire(&question, &facts)?;
        let ruling = Ruling {
            id: Uuid::now_v7(),
            answer: Arc::new(Decided::new(inquiry.answer().clone(), self.acts_for(&asked.principal, &facts))),
            bundle: Arc::clone(bundle.shared_hash()),
            revision: self.revision(),
            took: started.elapsed(),
        };
        self.decided(&ruling);
        self.record_ruling(&ruling, &asked, false)?;
        let explained = |traces: Vec<PolicyTrace>| traces.iter().map(|trace| explained(bundle, trace)).collect();
        Ok(Explanation {
            policies: explained(inquiry.policies()),
            visibility: explained(inquiry.visibility()),
            remedies: bundle.remedies(&question, &facts)?,
            ruling,
        })
    }
}

fn explained(bundle: &Bundle, trace: &PolicyTrace) -> Explained {
    let clauses = trace.clauses.iter().map(|(clause, value)| {
        let (value, error) = match value {
            ClauseValue::True => ("true", None),
            ClauseValue::False => ("false", None),
            ClauseValue::Errored(message) => ("error", Some(message.clone())),
            ClauseValue::NotEvaluated => ("not_evaluated", None),
        };
        ExplainedClause {
            keyword: clause.keyword,
            text: clause.text.clone(),
            file: clause.file.clone(),
            line: clause.line,
            column: clause.column,
            value,
            error,
        }
    });
    Explained {
        id: trace.policy.id.clone(),
        effect: trace.policy.effect,
        outcome: trace.outcome,
        file: trace.policy.file.clone(),
        line: trace.policy.line,
        comment: bundle.comment(trace.policy),
        clauses: clauses.collect(),
    }
}
