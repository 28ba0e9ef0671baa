//! From what the policies came to, the answer: allow or deny, and on a deny the reason.

use smol_str::SmolStr;

use super::{DecideError, Question};
use crate::entity::{Uid, Value};
use crate::pdp::answer::{Answer, Decision, Reason};
use crate::pdp::bundle::Bundle;
use crate::pdp::compiled::{Loaded, Watch};
use crate::pdp::environments::{CompiledAction, Env};
use crate::pdp::index::Outcome;
use crate::pdp::reasons::{self, Cause, EVALUATION_ERROR, FORBIDDEN, NOT_FOUND, NOT_PERMITTED};
use crate::pdp::schema::CLOCK;
use crate::pdp::slice::{Fact, Facts, known};

/// A question, the environment that it belongs to, and what is known at once.
pub(in crate::pdp) struct Posed<'a> {
    pub bundle: &'a Bundle,
    pub(super) action: &'a CompiledAction,
    pub env: &'a Env,
    /// With the user as principal, the credential in the context, and the clock.
    pub question: Question,
    pub(super) watch: Watch,
    pub(super) facts: &'a dyn Facts,
    pub(super) loaded: Loaded,
    /// Reason codes of named entities that are not there.
    pub(super) missing: Vec<&'a str>,
}

impl<'a> Posed<'a> {
    pub fn facts(&self) -> &'a dyn Facts {
        self.facts
    }

    /// The answer that outcomes of policies make. `visible` gives those of [`Posed::visibility`], if there is one.
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

    /// The action of visibility and its environment, where it is another action that applies to the same types.
    pub fn visibility(&self) -> Option<(&'a Uid, &'a Env)> {
        let another = self.action.visible_by.as_ref().filter(|visible| **visible != self.question.action)?;
        let action = self.bundle.actions.get(another)?;
        let same_types = |env: &&Env| env.principal == self.env.principal && env.resource == self.env.resource;
        action.envs.iter().find(same_types).map(|env| (another, env))
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
            "context" => {
                if path.clone().next().is_none_or(|name| name == CLOCK) {
                    self.watch.read();
                }
                Value::Record(self.question.context.clone())
            }
            _ => return None,
        };
        let attribute = |uid: &Uid, name: &str| match known(&self.bundle.schema, self.facts, uid) {
            Ok(Fact::Present(prepared)) => prepared.entity().attrs.get(name).cloned(),
            _ => None,
        };
        reasons::walk(root, path, &attribute).map(|value| reasons::shown(&value))
    }
}
