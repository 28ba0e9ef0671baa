//! Deciding: the policies that can matter, what each comes to, and on a no the reason.
//!
//! Policies are evaluated as code of our own (`compiled.rs`), one by one by the engine where that has no answer.
//! Deny whenever any policy failed to evaluate: the engine skips a failing forbid and would answer allow.

mod case;
mod judge;
#[cfg(test)]
mod tests;

use std::ops::Range;

use smol_str::SmolStr;

pub(super) use case::{Case, Staged};
pub(super) use judge::Posed;

use super::answer::{Answer, Decision};
use super::bundle::Bundle;
use super::compiled::{Loaded, PRINCIPAL, RESOURCE, Scene, Stop, Watch, millis};
use super::environments::Env;
use super::index::{Indexed, Outcome, Rule};
use super::reasons::{Cause, NOT_FOUND};
use super::schema::CLOCK;
use super::slice::{Fact, Facts, FactsError, known};
use crate::entity::{Record, Uid, Value};

/// A question: principal, action, resource, context.
///
/// A principal of a credential type (`@actsFor`) stands for its owner and goes into the context. The context has been
/// read under the schema (`Admission::context`).
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Question {
    pub principal: Uid,
    pub action: Uid,
    pub resource: Uid,
    pub context: Record,
    /// The server's clock (RFC 3339), for actions whose context carries it.
    pub now: SmolStr,
}

/// Why there is no answer.
#[derive(Debug, thiserror::Error)]
pub enum DecideError {
    #[error("the schema has no action {0}")]
    UnknownAction(Uid),
    /// The schema has the action, but not for these types.
    #[error("{action} does not apply to principal `{principal}` and resource `{resource}`")]
    NotApplicable { action: Uid, principal: SmolStr, resource: SmolStr },
    /// An entity of an enumerated type with an id that the schema does not list.
    #[error("{0} does not exist: the schema lists the ids of its type")]
    NotEnumerated(Uid),
    #[error(transparent)]
    Facts(#[from] FactsError),
    /// A value of the context that the engine does not take.
    #[error("context: {0}")]
    Context(String),
}

/// An answer, and how long it lasts.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Lasting {
    pub answer: Answer,
    /// At these times (milliseconds since 1970) the same question on the same facts is answered like this; `None` when
    /// that is not known.
    pub holds: Option<Range<i64>>,
}

/// A question that was understood.
pub(super) enum Understood<'a> {
    /// Its credential is not stored, which is the answer.
    Dead(Answer),
    Posed(Box<Posed<'a>>),
}

impl Bundle {
    /// Answers one question from facts.
    ///
    /// # Errors
    /// A question that the schema does not know, or facts that cannot be had. Never a decision.
    pub fn decide(&self, question: &Question, facts: &dyn Facts) -> Result<Answer, DecideError> {
        self.decide_lasting(question.clone(), facts).map(|lasting| lasting.answer)
    }

    /// As [`Bundle::decide`], with how long the answer lasts.
    ///
    /// # Errors
    /// As [`Bundle::decide`].
    pub fn decide_lasting(&self, question: Question, facts: &dyn Facts) -> Result<Lasting, DecideError> {
        #[cfg(debug_assertions)]
        let asked = question.clone();
        let posed = match self.pose(question, facts)? {
            Understood::Dead(answer) => return Ok(Lasting { answer, holds: Watch::none().holds() }),
            Understood::Posed(posed) => posed,
        };
        let lasting = Lasting { answer: posed.answer()?, holds: posed.watch.holds() };
        #[cfg(debug_assertions)]
        assert_eq!(lasting.answer, Case::load(posed)?.answer()?, "code and engine differ on {asked:?}");
        Ok(lasting)
    }

    /// Finds out what is asked, and of whom.
    pub(super) fn pose<'a>(
        &'a self,
        mut question: Question,
        facts: &'a dyn Facts,
    ) -> Result<Understood<'a>, DecideError> {
        let action =
            self.actions.get(&question.action).ok_or_else(|| DecideError::UnknownAction(question.action.clone()))?;
        for uid in [&question.principal, &question.resource] {
            let ids = self.schema.types.get(uid.type_name()).and_then(|ty| ty.ids.as_ref());
            if ids.is_some_and(|ids| !ids.contains(uid.id())) {
                return Err(DecideError::NotEnumerated(uid.clone()));
            }
        }
        let mut watch = Watch::none();
        if action.clock && !question.context.contains_key(CLOCK) {
            watch = millis(&question.now).map_or_else(|_| Watch::unknown(), Watch::at);
            let now = Value::Extension {
                function: SmolStr::new_static("datetime"),
                args: vec![Value::String(question.now.clone())],
            };
            question.context.insert(SmolStr::new_static(CLOCK), now);
        }
        if let Some(delegate) = self.delegate(question.principal.type_name()) {
            let Fact::Present(prepared) = known(&self.schema, facts, &question.principal)? else {
                return Ok(Understood::Dead(self.dead_credential(&question.principal, facts)?));
            };
            if let Some(Value::Entity(owner)) = prepared.entity().attrs.get(&delegate.attribute) {
                let credential = std::mem::replace(&mut question.principal, owner.clone());
                question.context.insert(delegate.context_key, credential.into());
            }
        }
        let env = action
            .envs
            .iter()
            .find(|env| {
                env.principal == *question.principal.type_name() && env.resource == *question.resource.type_name()
            })
            .ok_or_else(|| DecideError::NotApplicable {
                action: question.action.clone(),
                principal: question.principal.type_name().clone(),
                resource: question.resource.type_name().clone(),
            })?;
        let loaded = Loaded::new(&env.places);
        let mut missing = Vec::new();
        let fact = known(&self.schema, facts, &question.principal)?;
        missing.extend(self.missing(&question.principal, &fact));
        loaded.seed(PRINCIPAL, fact);
        for (key, value) in &question.context {
            let Some(uid) = value.as_entity() else { continue };
            let fact = known(&self.schema, facts, uid)?;
            missing.extend(self.missing(uid, &fact));
            if let Some(place) = env.places.in_context(key) {
                loaded.seed(place, fact);
            }
        }
        let fact = known(&self.schema, facts, &question.resource)?;
        missing.extend(self.missing_resource(&question.resource, &fact));
        loaded.seed(RESOURCE, fact);
        let posed = Posed { bundle: self, action, env, question, watch, facts, loaded, missing };
        Ok(Understood::Posed(Box::new(posed)))
    }

    /// The answer to a credential that is not stored: nothing can be asked of its owner.
    fn dead_credential(&self, credential: &Uid, facts: &dyn Facts) -> Result<Answer, FactsError> {
        let fact = known(&self.schema, facts, credential)?;
        let code = self.missing(credential, &fact).unwrap_or(NOT_FOUND);
        let cause = Cause { code, message: None };
        let reason = self.reasons.choose(&[cause], false, &|_| None);
        Ok(Answer { decision: Decision::Deny, determining: Vec::new(), reason, errors: Vec::new(), hidden: true })
    }

    /// The reason code when the principal, or an entity of the context, is not there, if its type has one.
    fn missing(&self, uid: &Uid, fact: &Fact) -> Option<&str> {
        let note = |key: &str| {
            let ty = self.schema.types.get(uid.type_name());
            ty.and_then(|ty| ty.annotations.get(key)).map(SmolStr::as_str)
        };
        match fact {
            Fact::Present(_) => None,
            Fact::Absent => note("absent"),
            Fact::Deleted => Some(note("deleted").or_else(|| note("absent")).unwrap_or(NOT_FOUND)),
        }
    }

    /// The same of the resource. `@deleted` tells the callers what is wrong with who they are; for a resource, gone is
    /// gone, or asking about a deleted account would call a good credential dead.
    fn missing_resource(&self, uid: &Uid, fact: &Fact) -> Option<&str> {
        let absent = || self.schema.types.get(uid.type_name()).and_then(|ty| ty.annotations.get("absent"));
        match fact {
            Fact::Present(_) => None,
            Fact::Absent => absent().map(SmolStr::as_str),
            Fact::Deleted => Some(absent().map_or(NOT_FOUND, SmolStr::as_str)),
        }
    }
}

/// Evaluates the policies of one environment: permits, then forbids.
struct Evaluation<'e, 'a> {
    posed: &'e Posed<'a>,
    env: &'a Env,
    scene: Scene<'e>,
    principals: Vec<Uid>,
    resources: Vec<Uid>,
    /// Set up when the first policy needs the engine.
    staged: Option<Staged<'a>>,
}

impl Posed<'_> {
    /// The answer, by code where there is code.
    fn answer(&self) -> Result<Answer, DecideError> {
        let (permits, forbids) = Evaluation::new(self, self.env, &self.loaded)?.outcomes()?;
        let visible = || {
            let Some((_, env)) = self.visibility() else { return Ok(None) };
            let loaded = Loaded::new(&env.places);
            Evaluation::new(self, env, &loaded)?.outcomes().map(Some)
        };
        self.judge(permits, forbids, visible)
    }
}

impl<'e, 'a: 'e> Evaluation<'e, 'a> {
    fn new(posed: &'e Posed<'a>, env: &'a Env, loaded: &'e Loaded) -> Result<Self, DecideError> {
        let scene = Scene::new(&posed.bundle.schema, posed.facts, &env.places, (&posed.question, &posed.watch), loaded);
        let mut evaluation = Self { posed, env, scene, principals: Vec::new(), resources: Vec::new(), staged: None };
        let (principals, resources) =
            [&env.permits, &env.forbids].iter().fold((false, false), |(principals, resources), rules| {
                let (principal, resource) = rules.names();
                (principals || principal, resources || resource)
            });
        if principals {
            evaluation.principals = evaluation.lineage(PRINCIPAL, &posed.question.principal)?;
        }
        if resources {
            evaluation.resources = evaluation.lineage(RESOURCE, &posed.question.resource)?;
        }
        Ok(evaluation)
    }

    fn lineage(&self, place: usize, uid: &Uid) -> Result<Vec<Uid>, DecideError> {
        match self.scene.ancestors(place) {
            Ok(ancestors) => Ok(std::iter::once(uid).chain(ancestors.list()).cloned().collect()),
            Err(Stop::Facts(error)) => Err(error.into()),
            Err(Stop::Engine) => Err(DecideError::Context(format!("{uid} has no ancestors to look at"))),
        }
    }

    fn outcomes(mut self) -> Result<(Outcome, Outcome), DecideError> {
        Ok((self.outcome(&self.env.permits)?, self.outcome(&self.env.forbids)?))
    }

    fn outcome(&mut self, rules: &'a Indexed) -> Result<Outcome, DecideError> {
        let mut outcome = Outcome::default();
        let mut left: Vec<&Rule> = Vec::new();
        for rule in rules.candidates(&self.principals, &self.resources) {
            match rule.code.as_ref().map_or(Err(Stop::Engine), |code| self.scene.holds(code)) {
                Ok(true) => drop(outcome.satisfied.insert(rule.id.clone())),
                Ok(false) => {}
                Err(Stop::Engine) => left.push(rule),
                Err(Stop::Facts(error)) => return Err(error.into()),
            }
        }
        for rule in left {
            let staged = match self.staged.take() {
                Some(staged) => staged,
                None => {
                    self.posed.watch.read();
                    Staged::new(self.posed, self.env)?
                }
            };
            rule.run(&staged.request, &staged.entities, &mut outcome);
            self.staged = Some(staged);
        }
        Ok(outcome)
    }
}
