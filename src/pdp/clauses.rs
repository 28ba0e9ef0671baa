//! Why an answer is what it is: every policy's outcome, and the value of each clause of its conditions.
//!
//! A clause is one operand of the `&&`s of a `when` or `unless`. Each is evaluated by the engine's public interface over
//! the slice that the decision used; combining their values gives what the engine gives for the whole policy, which a
//! law test holds. So the same values also tell what another policy text would have answered ([`Mutation`]), without
//! building it. Nothing here decides: for decisions there is `decide.rs`.

mod inquiry;
mod path;

use std::collections::HashMap;

use cedar_policy::Expression;
use smol_str::SmolStr;

use super::bundle::{Bundle, PolicyInfo, SourceFile};
use super::engine;
use super::fault::Fault;
pub use inquiry::Inquiry;
pub use path::{GrantStep, Granted};

#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, serde::Serialize)]
#[serde(rename_all = "lowercase")]
pub enum Keyword {
    When,
    Unless,
}

/// One operand of a condition.
#[derive(Debug)]
pub struct Clause {
    pub keyword: Keyword,
    pub text: SmolStr,
    pub file: String,
    /// From 1.
    pub line: usize,
    pub column: usize,
    /// Where it stands in its file, in bytes.
    pub offset: usize,
    pub length: usize,
    expression: Expression,
}

/// What a clause said of one question: its own value, also behind an `unless`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum ClauseValue {
    True,
    False,
    Errored(String),
    /// A clause before it had settled the matter.
    NotEvaluated,
}

/// What became of a policy in one question.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, serde::Serialize)]
#[serde(rename_all = "snake_case")]
pub enum PolicyOutcome {
    /// It made the decision.
    Determining,
    /// It held, but others made the decision.
    Satisfied,
    /// Its scope names other entities.
    ScopeMismatch,
    ConditionFalse,
    Error,
}

/// One policy in one question.
#[derive(Debug)]
pub struct PolicyTrace<'a> {
    pub policy: &'a PolicyInfo,
    pub outcome: PolicyOutcome,
    /// In the order of evaluation; all of them are `NotEvaluated` when the scope does not match.
    pub clauses: Vec<(&'a Clause, ClauseValue)>,
}

/// A small change of a policy set.
#[derive(Clone, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Mutation {
    /// The policy is gone.
    Remove(SmolStr),
    /// A permit forbids, or a forbid permits.
    Flip(SmolStr),
    /// The clause at this place of [`Bundle::clauses`] is negated.
    Negate(SmolStr, usize),
}

/// The conditions of every policy that is no template.
pub(super) type Clauses = HashMap<SmolStr, Conditions>;

/// The conditions of one policy.
#[derive(Debug, Default)]
pub(super) struct Conditions {
    clauses: Vec<Clause>,
    /// Each condition: its keyword, and how many clauses it has.
    groups: Vec<(Keyword, usize)>,
}

impl Bundle {
    /// The clauses of a policy, in the order of evaluation. A linked policy has those of its template.
    pub fn clauses(&self, policy: &str) -> &[Clause] {
        self.conditions().get(policy).map_or(&[], |conditions| &conditions.clauses)
    }

    /// Every policy that answers questions: templates do so through their links only.
    pub fn effective(&self) -> impl Iterator<Item = &PolicyInfo> {
        self.policies().filter(|info| self.conditions().contains_key(&info.id))
    }

    pub(super) fn conditions(&self) -> &Clauses {
        self.clauses.get_or_init(|| {
            let policies = self.policies.policies();
            policies
                .map(|policy| (SmolStr::new(AsRef::<str>::as_ref(policy.id())), self.conditions_of(policy)))
                .collect()
        })
    }

    fn conditions_of(&self, policy: &cedar_policy::Policy) -> Conditions {
        let home = policy.template_id().map_or(policy.id().as_ref(), AsRef::<str>::as_ref);
        let file = self.infos.get(home).and_then(|info| {
            let mut files = self.source().policies.iter();
            files.find(|file| file.path == info.file)
        });
        let Some(file) = file else { return Conditions::default() };
        let mut conditions = Conditions::default();
        for condition in engine::conditions(policy, &file.text) {
            let keyword = if condition.unless { Keyword::Unless } else { Keyword::When };
            conditions.groups.push((keyword, condition.conjuncts.len()));
            conditions.clauses.extend(condition.conjuncts.into_iter().map(|conjunct| clause(keyword, conjunct, file)));
        }
        conditions
    }
}

fn clause(keyword: Keyword, conjunct: engine::Conjunct, file: &SourceFile) -> Clause {
    let engine::Conjunct { expression, offset, length } = conjunct;
    let place = Fault::at(file, offset, length, "");
    let text = file.text.get(offset..offset + length).unwrap_or_default();
    let text: Vec<&str> = text.split_whitespace().collect();
    Clause {
        keyword,
        text: text.join(" ").into(),
        file: file.path.clone(),
        line: place.line,
        column: place.column,
        offset,
        length,
        expression,
    }
}
