//! Deciding: the slice, the candidates, and on a no the reason.
//!
//! Deny whenever any policy failed to evaluate: the engine skips a failing forbid and would answer allow.

use smol_str::SmolStr;

use cedar_policy::Request;

use super::answer::{Answer, Decision, Reason};
use super::bundle::{Bundle, CompiledAction, Env};
use super::engine;
use super::index::Outcome;
use super::reach::{CONTEXT, PRINCIPAL, RESOURCE};
use super::reasons::{self, Cause, EVALUATION_ERROR, FORBIDDEN, NOT_FOUND, NOT_PERMITTED};
use super::schema::CLOCK;
use super::slice::{Fact, Facts, FactsError, Slice};
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

impl Bundle {
    /// Answers one question from facts.
    ///
    /// # Errors
    /// A question that the schema does not know, or facts that cannot be had. Never a decision.
    pub fn decide(&self, question: &Question, facts: &dyn Facts) -> Result<Answer, DecideError> {
        match self.load(question, facts)? {
            Loaded::Dead(answer) => Ok(answer),
            Loaded::Case(case) => case.answer(),
        }
    }

    /// Everything that a question needs, not yet decided.
    pub(super) fn load<'a>(&'a self, question: &Question, facts: &'a dyn Facts) -> Result<Loaded<'a>, DecideError> {
        let mut slice = Slice::new(&self.schema, facts);
        let action =
            self.actions.get(&question.action).ok_or_else(|| DecideError::UnknownAction(question.action.clone()))?;
        for uid in [&question.principal, &question.resource] {
            let ids = self.schema.types.get(uid.type_name()).and_then(|ty| ty.ids.as_ref());
            if ids.is_some_and(|ids| !ids.contains(uid.id())) {
                return Err(DecideError::NotEnumerated(uid.clone()));
            }
        }
        let mut question = question.clone();
        if action.clock {
            let now = Value::Extension {
                function: SmolStr::new_static("datetime"),
                args: vec![Value::String(question.now.clone())],
            };
            question.context.entry(SmolStr::new_static(CLOCK)).or_insert(now);
        }
        if let Some(delegate) = self.delegate(question.principal.type_name()) {
            let Fact::Present(prepared) = slice.fact(&question.principal)? else {
                return Ok(Loaded::Dead(self.dead_credential(&question, &mut slice)?));
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
        Case::load(self, question, action, env, slice).map(|case| Loaded::Case(Box::new(case)))
    }

    /// The answer to a credential that is not stored: nothing can be asked of its owner.
    fn dead_credential(&self, question: &Question, slice: &mut Slice) -> Result<Answer, FactsError> {
        let code = self.missing(&question.principal, slice)?.unwrap_or(NOT_FOUND);
        let cause = Cause { code, message: None };
        let reason = self.reasons.choose(&[cause], false, &|_| None);
        Ok(Answer { decision: Decision::Deny, determining: Vec::new(), reason, errors: Vec::new(), hidden: true })
    }

    /// The reason code when the principal, or an entity of the context, is not there, if its type has one.
    fn missing(&self, uid: &Uid, slice: &mut Slice) -> Result<Option<&str>, FactsError> {
        let note = |key: &str| {
            let ty = self.schema.types.get(uid.type_name());
            ty.and_then(|ty| ty.annotations.get(key)).map(SmolStr::as_str)
        };
        Ok(match slice.fact(uid)? {
            Fact::Present(_) => None,
            Fact::Absent => note("absent"),
            Fact::Deleted => Some(note("deleted").or_else(|| note("absent")).unwrap_or(NOT_FOUND)),
        })
    }

    /// The same of the resource. `@deleted` tells the callers what is wrong with who they are; for a resource, gone is
    /// gone, or asking about a deleted account would call a good credential dead.
    fn missing_resource(&self, uid: &Uid, slice: &mut Slice) -> Result<Option<&str>, FactsError> {
        let absent = self.schema.types.get(uid.type_name()).and_then(|ty| ty.annotations.get("absent"));
        Ok(match slice.fact(uid)? {
            Fact::Present(_) => None,
            Fact::Absent => absent.map(SmolStr::as_str),
            Fact::Deleted => Some(absent.map_or(NOT_FOUND, SmolStr::as_str)),
        })
    }
}

/// A question ready to be decided.
pub(super) enum Loaded<'a> {
    /// Its credential is not stored, which is the answer.
    Dead(Answer),
    Case(Box<Case<'a>>),
}

/// The action of visibility, asked of the same principal and resource.
pub(super) struct Visibility<'a> {
    pub env: &'a Env,
    pub request: Request,
    pub entities: cedar_policy::Entities,
}

/// One question with everything loaded.
pub(super) struct Case<'a> {
    pub bundle: &'a Bundle,
    action: &'a CompiledAction,
    pub env: &'a Env,
    pub question: Question,
    slice: Slice<'a>,
    /// Reason codes of named entities that are not there.
    missing: Vec<&'a str>,
    pub request: Request,
    pub entities: cedar_policy::Entities,
    pub principals: Vec<cedar_policy::EntityUid>,
    pub resources: Vec<cedar_policy::EntityUid>,
}

impl<'a> Case<'a> {
    fn load(
        bundle: &'a Bundle,
        question: Question,
        action: &'a CompiledAction,
        env: &'a Env,
        mut slice: Slice<'a>,
    ) -> Result<Self, DecideError> {
        let mut missing = Vec::new();
        let context_entities = question.context.values().filter_map(Value::as_entity);
        for uid in std::iter::once(&question.principal).chain(context_entities) {
            missing.extend(bundle.missing(uid, &mut slice)?);
        }
        missing.extend(bundle.missing_resource(&question.resource, &mut slice)?);
        let reach = &env.reach;
        slice.follow(reach, PRINCIPAL, &question.principal.clone().into())?;
        slice.follow(reach, RESOURCE, &question.resource.clone().into())?;
        slice.follow(reach, CONTEXT, &Value::Record(question.context.clone()))?;
        for (uid, node) in reach.literals() {
            slice.follow(reach, node, &uid.clone().into())?;
        }
        let entities = slice.entities(&action.entity)?;
        let principals = slice.lineage(&question.principal)?;
        let resources = slice.lineage(&question.resource)?;
        let context = engine::context(&question.context).map_err(DecideError::Context)?;
        let request = request(&question, context)?;
        Ok(Self { bundle, action, env, question, slice, missing, request, entities, principals, resources })
    }

    pub fn answer(&self) -> Result<Answer, DecideError> {
        let run = |policies: &super::index::Indexed| {
            policies.evaluate(&self.request, &self.entities, &self.principals, &self.resources)
        };
        let visible = || {
            let evaluated = self.visibility()?.map(|visible| {
                let run = |policies: &super::index::Indexed| {
                    policies.evaluate(&visible.request, &visible.entities, &self.principals, &self.resources)
                };
                (run(&visible.env.permits), run(&visible.env.forbids))
            });
            Ok(evaluated)
        };
        self.judge(run(&self.env.permits), run(&self.env.forbids), visible)
    }

    /// The answer that outcomes of policies make. `visible` gives those of [`Case::visibility`], if there is one.
    pub fn judge(
        &self,
        permits: Outcome,
        forbids: Outcome,
        visible: impl FnOnce() -> Result<Option<(Outcome, Outcome)>, DecideError>,
    ) -> Result<Answer, DecideError> {
        let mut errors: Vec<_> = forbids.errors.iter().chain(&permits.errors).cloned().collect();
        if !self.missing.is_empty() {
            // Policies cannot read what is not there; that it is not there is the reason, not an error.
            errors.retain(|error| !error.dangling);
        }
        errors.sort_by(|a, b| a.policy.cmp(&b.policy));
        let stopped = !self.missing.is_empty() || !errors.is_empty() || !forbids.satisfied.is_empty();
        if !stopped && !permits.satisfied.is_empty() {
            let determining = permits.satisfied.into_iter().collect();
            return Ok(Answer { decision: Decision::Allow, determining, reason: None, errors, hidden: false });
        }
        // Whether the caller may not even see the resource: nothing permits the action of visibility, or a forbid
        // that `@hides` stops it.
        let hidden = match &self.action.visible_by {
            Some(visible) if *visible == self.question.action => self.hides(&permits, &forbids),
            _ => visible()?.is_some_and(|(permits, forbids)| self.hides(&permits, &forbids)),
        };
        let reason = self.reason(&permits, &forbids, !errors.is_empty(), hidden);
        let determining = forbids.satisfied.into_iter().collect();
        Ok(Answer { decision: Decision::Deny, determining, reason, errors, hidden: hidden || !self.missing.is_empty() })
    }

    /// The action of visibility, where it is another one that applies to the same types.
    pub fn visibility(&self) -> Result<Option<Visibility<'a>>, DecideError> {
        let another = self.action.visible_by.as_ref().filter(|visible| **visible != self.question.action);
        let Some((uid, action)) = another.and_then(|uid| Some((uid, self.bundle.actions.get(uid)?))) else {
            return Ok(None);
        };
        let same_types = |env: &&Env| env.principal == self.env.principal && env.resource == self.env.resource;
        let Some(env) = action.envs.iter().find(same_types) else {
            return Ok(None);
        };
        let question = Question { action: uid.clone(), ..self.question.clone() };
        let context = engine::context(&question.context).map_err(DecideError::Context)?;
        let request = request(&question, context)?;
        let entities = self.slice.entities(&action.entity)?;
        Ok(Some(Visibility { env, request, entities }))
    }

    fn hides(&self, permits: &Outcome, forbids: &Outcome) -> bool {
        let hiding =
            |id: &SmolStr| self.bundle.infos.get(id).is_some_and(|info| info.annotations.contains_key("hides"));
        permits.satisfied.is_empty() || forbids.satisfied.iter().any(hiding)
    }

    fn reason(&self, permits: &Outcome, forbids: &Outcome, failed: bool, hidden: bool) -> Option<Reason> {
        let mut causes: Vec<Cause> = Vec::new();
        let default_deny = self.action.annotations.get("reason").map_or(NOT_PERMITTED, SmolStr::as_str);
        let action_message = self.action.annotations.get("message").map(SmolStr::as_str);
        let worded = |code: &'a str| Cause { code, message: action_message.filter(|_| code == default_deny) };
        causes.extend(self.missing.iter().map(|code| worded(code)));
        if hidden {
            let ty = self.bundle.schema.types.get(self.question.resource.type_name());
            let code = ty.and_then(|ty| ty.annotations.get("absent")).map_or(NOT_FOUND, SmolStr::as_str);
            causes.push(worded(code));
        }
        for id in &forbids.satisfied {
            let note =
                |key: &str| self.bundle.infos.get(id).and_then(|info| info.annotations.get(key)).map(SmolStr::as_str);
            causes.push(Cause { code: note("reason").unwrap_or(FORBIDDEN), message: note("message") });
        }
        if permits.satisfied.is_empty() {
            causes.push(Cause { code: default_deny, message: action_message });
        }
        if failed {
            causes.push(Cause { code: EVALUATION_ERROR, message: None });
        }
        let principal = self.bundle.schema.types.get(self.question.principal.type_name());
        let anonymous = principal.is_some_and(|ty| ty.annotations.contains_key("anonymous"));
        self.bundle.reasons.choose(&causes, anonymous, &|name| self.words(name))
    }

    /// What a placeholder of a message stands for.
    fn words(&self, name: &str) -> Option<String> {
        if let Some(key) = name.strip_prefix('@') {
            return self.action.annotations.get(key).map(SmolStr::to_string);
        }
        let mut path = name.split('.');
        let root = match path.next()? {
            "principal" => Value::Entity(self.question.principal.clone()),
            "action" => Value::Entity(self.question.action.clone()),
            "resource" => Value::Entity(self.question.resource.clone()),
            "context" => Value::Record(self.question.context.clone()),
            _ => return None,
        };
        let attribute = |uid: &Uid, name: &str| self.slice.entity(uid)?.attrs.get(name).cloned();
        reasons::walk(root, path, &attribute).map(|value| reasons::shown(&value))
    }
}

fn request(question: &Question, context: cedar_policy::Context) -> Result<Request, DecideError> {
    let uid = |uid: &Uid| engine::uid(uid).map_err(DecideError::Context);
    Request::new(uid(&question.principal)?, uid(&question.action)?, uid(&question.resource)?, context, None)
        .map_err(|error| DecideError::Context(error.to_string()))
}
