//! A question as the engine takes it: with everything loaded that a policy can read.

use cedar_policy::{Entities, Request};

use super::judge::Posed;
use super::{DecideError, Question};
use crate::entity::{Uid, Value};
use crate::pdp::answer::Answer;
use crate::pdp::engine;
use crate::pdp::environments::Env;
use crate::pdp::index::{Indexed, Outcome};
use crate::pdp::reach::{CONTEXT, PRINCIPAL, RESOURCE};
use crate::pdp::slice::Slice;

/// The engine's request and entities, for the policies of one environment.
pub(in crate::pdp) struct Staged<'a> {
    slice: Slice<'a>,
    pub request: Request,
    pub entities: Entities,
}

impl<'a> Staged<'a> {
    /// `env` is the question's, or that of the action of visibility.
    pub fn new(posed: &Posed<'a>, env: &'a Env) -> Result<Self, DecideError> {
        let action = match posed.visibility() {
            Some((action, visible)) if std::ptr::eq(visible, env) => action,
            _ => &posed.question.action,
        };
        let question = &posed.question;
        let mut slice = Slice::new(&posed.bundle.schema, posed.facts);
        // The question's environment reads also what that of visibility does.
        let reach = &posed.env.reach;
        slice.follow(reach, PRINCIPAL, &question.principal.clone().into())?;
        slice.follow(reach, RESOURCE, &question.resource.clone().into())?;
        slice.follow(reach, CONTEXT, &Value::Record(question.context.clone()))?;
        for (uid, node) in reach.literals() {
            slice.follow(reach, node, &uid.clone().into())?;
        }
        let compiled = posed.bundle.actions.get(action).ok_or_else(|| DecideError::UnknownAction(action.clone()))?;
        let entities = slice.entities(&compiled.entity)?;
        Ok(Self { request: request(question, action)?, entities, slice })
    }
}

fn request(question: &Question, action: &Uid) -> Result<Request, DecideError> {
    let context = engine::context(&question.context).map_err(DecideError::Context)?;
    let uid = |uid: &Uid| engine::uid(uid).map_err(DecideError::Context);
    Request::new(uid(&question.principal)?, uid(action)?, uid(&question.resource)?, context, None)
        .map_err(|error| DecideError::Context(error.to_string()))
}

/// One question, for the engine alone: to say why, and to check what code answers.
pub(in crate::pdp) struct Case<'a> {
    pub posed: Box<Posed<'a>>,
    pub staged: Staged<'a>,
    /// The principal and all its ancestors.
    pub principals: Vec<Uid>,
    pub resources: Vec<Uid>,
}

impl<'a> Case<'a> {
    pub fn load(posed: Box<Posed<'a>>) -> Result<Self, DecideError> {
        let staged = Staged::new(&posed, posed.env)?;
        let principals = staged.slice.lineage(&posed.question.principal);
        let resources = staged.slice.lineage(&posed.question.resource);
        Ok(Self { posed, staged, principals, resources })
    }

    pub fn answer(&self) -> Result<Answer, DecideError> {
        let env = self.posed.env;
        let visible = || {
            let Some((_, env)) = self.posed.visibility() else { return Ok(None) };
            let staged = Staged::new(&self.posed, env)?;
            Ok(Some((self.run(&env.permits, &staged), self.run(&env.forbids, &staged))))
        };
        self.posed.judge(self.run(&env.permits, &self.staged), self.run(&env.forbids, &self.staged), visible)
    }

    fn run(&self, rules: &Indexed, staged: &Staged) -> Outcome {
        let mut outcome = Outcome::default();
        let candidates = rules.candidates(&self.principals, &self.resources);
        candidates.for_each(|rule| rule.run(&staged.request, &staged.entities, &mut outcome));
        outcome
    }
}
