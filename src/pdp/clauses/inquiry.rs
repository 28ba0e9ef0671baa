//! One question, with every policy's clauses evaluated.

use cedar_policy::{EvalResult, EvaluationError as EngineError, Policy};
use smol_str::SmolStr;

use super::{ClauseValue, Conditions, Keyword, Mutation, PolicyOutcome, PolicyTrace};
use crate::pdp::answer::{Answer, EvaluationError};
use crate::pdp::bundle::{Bundle, Environment};
use crate::pdp::decide::{Case, DecideError, Question, Staged, Understood};
use crate::pdp::environments::Env;
use crate::pdp::index::{self, Outcome};
use crate::pdp::slice::Facts;

/// A question that can be asked why.
pub struct Inquiry<'a> {
    answer: Answer,
    /// Nothing, when the credential is not stored: then no policy was asked.
    case: Option<Examined<'a>>,
}

pub(super) struct Examined<'a> {
    pub case: Case<'a>,
    asked: Vec<Judged<'a>>,
    /// The policies of the action that decides whether the resource is seen, where that is another one.
    seen: Option<Vec<Judged<'a>>>,
}

/// A policy whose types fit, with the values of all its clauses, also of those behind a false one.
struct Judged<'a> {
    id: SmolStr,
    permit: bool,
    in_scope: bool,
    conditions: &'a Conditions,
    values: Vec<Result<bool, Broken>>,
}

#[derive(Clone)]
struct Broken {
    message: String,
    dangling: bool,
}

/// What conditions came to.
enum Verdict {
    Holds,
    Fails,
    Breaks(Broken),
}

impl Bundle {
    /// As [`Bundle::decide`], keeping what is needed to say why. Costs several times as much.
    ///
    /// # Errors
    /// As [`Bundle::decide`].
    pub fn inquire<'a>(&'a self, question: &Question, facts: &'a dyn Facts) -> Result<Inquiry<'a>, DecideError> {
        let case = match self.pose(question.clone(), facts)? {
            Understood::Dead(answer) => return Ok(Inquiry { answer, case: None }),
            Understood::Posed(posed) => Case::load(posed)?,
        };
        let asked = judged(&case, case.posed.env, &case.staged);
        let seen = match case.posed.visibility() {
            Some((_, env)) => Some(judged(&case, env, &Staged::new(&case.posed, env)?)),
            None => None,
        };
        Ok(Inquiry { answer: case.answer()?, case: Some(Examined { case, asked, seen }) })
    }
}

fn judged<'a>(case: &Case<'a>, env: &'a Env, staged: &Staged) -> Vec<Judged<'a>> {
    let conditions = case.posed.bundle.conditions();
    let judge = |policy: &Policy| {
        let id: &str = policy.id().as_ref();
        let conditions = conditions.get(id)?;
        let in_scope = index::scope_matches(policy, &case.principals, &case.resources);
        let clauses = conditions.clauses.iter().filter(|_| in_scope);
        let values = clauses.map(|clause| {
            cedar_policy::eval_expression(&staged.request, &staged.entities, &clause.expression).map_or_else(
                |error| Err(Broken::new(&error)),
                |value| match value {
                    EvalResult::Bool(value) => Ok(value),
                    _ => Err(Broken {
                        message: "a condition that is neither true nor false".to_owned(),
                        dangling: false,
                    }),
                },
            )
        });
        Some(Judged { id: id.into(), permit: index::is_permit(policy), in_scope, conditions, values: values.collect() })
    };
    let mut judged: Vec<Judged> = env.permits.all().chain(env.forbids.all()).filter_map(judge).collect();
    judged.sort_by(|a, b| a.id.cmp(&b.id));
    judged
}

impl Broken {
    fn new(error: &EngineError) -> Self {
        Self { message: error.to_string(), dangling: matches!(error, EngineError::EntityDoesNotExist(_)) }
    }
}

impl Inquiry<'_> {
    pub fn answer(&self) -> &Answer {
        &self.answer
    }

    pub(super) fn examined(&self) -> Option<&Examined<'_>> {
        self.case.as_ref()
    }

    /// The types that were asked about; nothing when the credential is not stored.
    pub fn environment(&self) -> Option<Environment> {
        let posed = &self.case.as_ref()?.case.posed;
        Some(Environment {
            principal: posed.env.principal.clone(),
            action: posed.question.action.id().clone(),
            resource: posed.env.resource.clone(),
        })
    }

    /// The policies whose types and action fit the question, in byte order of their ids.
    pub fn policies(&self) -> Vec<PolicyTrace<'_>> {
        let Some(examined) = &self.case else { return Vec::new() };
        examined.asked.iter().filter_map(|judged| self.trace(judged, examined)).collect()
    }

    /// The same for the action that decides whether the caller may see the resource, where that is another one.
    pub fn visibility(&self) -> Vec<PolicyTrace<'_>> {
        let Some(examined) = &self.case else { return Vec::new() };
        examined.seen.iter().flatten().filter_map(|judged| self.trace(judged, examined)).collect()
    }

    /// The answer that the changed policies would have given; nothing when the change makes no difference to any
    /// policy's outcome here.
    ///
    /// # Errors
    /// As [`Bundle::decide`].
    pub fn answer_with(&self, mutation: &Mutation) -> Result<Option<Answer>, DecideError> {
        let Some(Examined { case, asked, seen }) = &self.case else { return Ok(None) };
        let changed = |judged: &Judged| judged.changes(mutation);
        if !asked.iter().any(changed) && !seen.iter().flatten().any(changed) {
            return Ok(None);
        }
        let (permits, forbids) = outcomes(asked, mutation);
        let seen = seen.as_ref().map(|seen| outcomes(seen, mutation));
        case.posed.judge(permits, forbids, || Ok(seen)).map(Some)
    }

    fn trace<'a>(&'a self, judged: &'a Judged, examined: &'a Examined) -> Option<PolicyTrace<'a>> {
        let outcome = match judged.verdict(None) {
            _ if !judged.in_scope => PolicyOutcome::ScopeMismatch,
            Verdict::Holds if self.answer.determining.contains(&judged.id) => PolicyOutcome::Determining,
            Verdict::Holds => PolicyOutcome::Satisfied,
            Verdict::Fails => PolicyOutcome::ConditionFalse,
            Verdict::Breaks(_) => PolicyOutcome::Error,
        };
        let policy = examined.case.posed.bundle.infos.get(&judged.id)?;
        let clauses = judged.conditions.clauses.iter().zip(judged.values_as_evaluated()).collect();
        Some(PolicyTrace { policy, outcome, clauses })
    }
}

fn outcomes(judged: &[Judged], mutation: &Mutation) -> (Outcome, Outcome) {
    let (mut permits, mut forbids) = (Outcome::default(), Outcome::default());
    for policy in judged.iter().filter(|policy| policy.in_scope) {
        let (mut permit, mut negated) = (policy.permit, None);
        match mutation {
            Mutation::Remove(id) if *id == policy.id => continue,
            Mutation::Flip(id) if *id == policy.id => permit = !permit,
            Mutation::Negate(id, clause) if *id == policy.id => negated = Some(*clause),
            _ => {}
        }
        let side = if permit { &mut permits } else { &mut forbids };
        match policy.verdict(negated) {
            Verdict::Holds => drop(side.satisfied.insert(policy.id.clone())),
            Verdict::Fails => {}
            Verdict::Breaks(Broken { message, dangling }) => {
                side.errors.push(EvaluationError { policy: policy.id.clone(), message, dangling });
            }
        }
    }
    (permits, forbids)
}

impl Judged<'_> {
    /// Whether a change of policies changes what this one came to.
    fn changes(&self, mutation: &Mutation) -> bool {
        match mutation {
            Mutation::Remove(id) | Mutation::Flip(id) if *id == self.id => {
                self.in_scope && !matches!(self.verdict(None), Verdict::Fails)
            }
            Mutation::Negate(id, clause) if *id == self.id => {
                self.in_scope
                    && match (self.verdict(None), self.verdict(Some(*clause))) {
                        (Verdict::Holds, Verdict::Holds) | (Verdict::Fails, Verdict::Fails) => false,
                        (Verdict::Breaks(a), Verdict::Breaks(b)) => a.message != b.message,
                        _ => true,
                    }
            }
            _ => false,
        }
    }

    /// What the conditions come to, one clause negated perhaps.
    fn verdict(&self, negated: Option<usize>) -> Verdict {
        let mut at = 0;
        for (keyword, count) in &self.conditions.groups {
            let mut body = true;
            for (index, value) in self.values.iter().enumerate().skip(at).take(*count) {
                match value {
                    Err(broken) => return Verdict::Breaks(broken.clone()),
                    Ok(value) => body = *value != (negated == Some(index)),
                }
                if !body {
                    break;
                }
            }
            if body != (*keyword == Keyword::When) {
                return Verdict::Fails;
            }
            at += count;
        }
        Verdict::Holds
    }

    /// The clauses' values as far as the engine evaluates them.
    fn values_as_evaluated(&self) -> Vec<ClauseValue> {
        let mut shown = vec![ClauseValue::NotEvaluated; self.conditions.clauses.len()];
        let mut values = shown.iter_mut().zip(&self.values);
        for (keyword, count) in &self.conditions.groups {
            let mut body = true;
            for (place, value) in values.by_ref().take(*count).collect::<Vec<_>>() {
                if !body {
                    continue;
                }
                match value {
                    Ok(value) => {
                        body = *value;
                        *place = if *value { ClauseValue::True } else { ClauseValue::False };
                    }
                    Err(broken) => {
                        *place = ClauseValue::Errored(broken.message.clone());
                        return shown;
                    }
                }
            }
            if body != (*keyword == Keyword::When) {
                return shown;
            }
        }
        shown
    }
}
