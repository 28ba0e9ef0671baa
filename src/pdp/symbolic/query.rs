//! One question to the solver: a property in one request environment, or a law for one policy.

use std::collections::BTreeSet;
use std::fmt;

use cedar_policy::{EntityUid, Policy, PolicySet, RequestEnv};
use cedar_policy_symcc::{CompiledPolicy, CompiledPolicySet, Env, err::Error};
use serde::Serialize;
use smol_str::SmolStr;

use super::form;
use super::property::{Kind, Law, Other, json};
use super::solver::Session;
use super::subject::{Clause, Subject, renamed, set};
use crate::entity::Uid;

/// A way in which the schema lets a question be asked.
#[derive(Clone, Debug, Serialize)]
pub struct Environment {
    pub principal: SmolStr,
    #[serde(serialize_with = "as_text")]
    pub action: Uid,
    pub resource: SmolStr,
    #[serde(skip)]
    pub(super) groups: BTreeSet<EntityUid>,
    #[serde(skip)]
    pub(super) engine: RequestEnv,
}

/// What the solver says.
pub(super) enum Outcome {
    Holds,
    /// In this world it does not; for the laws about policies that never matter there is none.
    Fails(Option<Box<Env>>),
}

const FILTER: &str = "what the property is about";

/// Asks a property that has a text in one environment.
pub(super) fn property(
    session: &mut Session,
    subject: &Subject,
    env: &Environment,
    kind: &Kind,
) -> Result<Outcome, String> {
    let query = Query { subject, env };
    let world = match kind {
        Kind::Denied(policy, other) => query.denied(session, policy, other.as_ref())?,
        Kind::Allowed(policy) => query.allowed(session, policy)?,
        Kind::Law(_) => return Err("a law is asked about one policy".to_owned()),
    };
    Ok(match world {
        None => Outcome::Holds,
        Some(world) => Outcome::Fails(Some(Box::new(world))),
    })
}

/// A world that the subject's assumptions leave, in which `more` allows what `less` does not.
pub(super) fn allows_more(
    session: &mut Session,
    subject: &Subject,
    env: &Environment,
    more: &Subject,
    less: &Subject,
) -> Result<Option<Env>, String> {
    let query = Query { subject, env };
    let mut left = subject.assumptions(env)?;
    left.extend(more.candidates(env).map(|clause| clause.policy.clone()));
    let left = query.set(&set(left)?)?;
    let right = query.set(&set(less.candidates(env).map(|clause| clause.policy.clone()))?)?;
    session.ask(async |solver| solver.check_implies_with_counterexample_opt(&left, &right).await)
}

/// Whether a policy's evaluation can fail.
pub(super) fn can_fail(
    session: &mut Session,
    subject: &Subject,
    env: &Environment,
    clause: &Clause,
) -> Result<bool, String> {
    let compiled = Query { subject, env }.policy(&clause.policy)?;
    session.ask(async |solver| solver.check_never_errors_opt(&compiled).await).map(|never| !never)
}

/// Whether a property's own policy, or any other, matches anything that can be asked: one that does not says nothing.
pub(super) fn can_match(session: &mut Session, subject: &Subject, policy: &Policy) -> Result<bool, String> {
    let matching = json(policy).and_then(|json| form::condition(&json))?;
    let mut undecided = None;
    for env in subject.environments.iter().filter(|env| env.admits(policy)) {
        let matched = Query { subject, env }
            .matching(&matching)
            .and_then(|compiled| session.ask(async |solver| solver.check_always_denies_opt(&compiled).await));
        match matched {
            Ok(true) => {}
            Ok(false) => return Ok(true),
            Err(why) => undecided = Some(why),
        }
    }
    undecided.map_or(Ok(false), Err)
}

/// Asks a law about one policy. The world, if there is one, comes with its environment.
pub(super) fn law<'e>(
    session: &mut Session,
    subject: &'e Subject,
    law: Law,
    clause: &Clause,
) -> Result<(Outcome, Option<&'e Environment>), String> {
    let holds = |holds: bool| (if holds { Outcome::Holds } else { Outcome::Fails(None) }, None);
    match law {
        Law::NeverFails => {
            for env in subject.environments.iter().filter(|env| env.admits(&clause.policy)) {
                let compiled = Query { subject, env }.policy(&clause.policy)?;
                let world =
                    session.ask(async |solver| solver.check_never_errors_with_counterexample_opt(&compiled).await)?;
                if let Some(world) = world {
                    return Ok((Outcome::Fails(Some(Box::new(world))), Some(env)));
                }
            }
            Ok(holds(true))
        }
        Law::CanMatch => can_match(session, subject, &clause.policy).map(holds),
        Law::MattersBesideOthers => matters(session, subject, clause).map(holds),
    }
}

/// Whether a policy somewhere matches what no other of its effect does. One that matches nothing is the other law's.
fn matters(session: &mut Session, subject: &Subject, clause: &Clause) -> Result<bool, String> {
    let mut undecided = None;
    for env in subject.environments.iter().filter(|env| env.admits(&clause.policy)) {
        let query = Query { subject, env };
        let alone = query.matching(&form::condition(&clause.json)?)?;
        let same = |other: &&Clause| {
            other.policy.effect() == clause.policy.effect() && other.policy.id() != clause.policy.id()
        };
        let others = subject.candidates(env).filter(same).map(|other| {
            let permit = form::policy("permit", "when", &form::condition(&other.json)?);
            renamed(&permit, AsRef::<str>::as_ref(other.policy.id()))
        });
        let others = query.set(&set(others.collect::<Result<Vec<_>, String>>()?)?)?;
        match session.ask(async |solver| solver.check_implies_opt(&alone, &others).await) {
            Ok(true) => {}
            Ok(false) => return Ok(true),
            Err(why) => undecided = Some(why),
        }
    }
    match undecided {
        Some(why) => Err(why),
        None => can_match(session, subject, &clause.policy).map(|matches| !matches),
    }
}

struct Query<'a> {
    subject: &'a Subject<'a>,
    env: &'a Environment,
}

impl Query<'_> {
    /// A world in which something that the policy matches is allowed, and the other question is not.
    fn denied(&self, session: &mut Session, policy: &Policy, other: Option<&Other>) -> Result<Option<Env>, String> {
        let asked = form::condition(&json(policy)?)?;
        let mut all = self.subject.assumptions(self.env)?;
        all.push(renamed(&form::policy("forbid", "unless", &asked), FILTER)?);
        all.extend(self.subject.candidates(self.env).map(|clause| clause.policy.clone()));
        let all = self.set(&set(all)?)?;
        match other {
            None => session.ask(async |solver| solver.check_always_denies_with_counterexample_opt(&all).await),
            Some(other) => {
                let other = self.set(&self.subject.compared(self.env, other)?)?;
                session.ask(async |solver| solver.check_implies_with_counterexample_opt(&all, &other).await)
            }
        }
    }

    /// A world in which something that the policy matches is denied.
    fn allowed(&self, session: &mut Session, policy: &Policy) -> Result<Option<Env>, String> {
        let asked = self.matching(&form::condition(&json(policy)?)?)?;
        let policies = self.subject.candidates(self.env).map(|clause| clause.policy.clone());
        let policies = self.set(&set(policies)?)?;
        session.ask(async |solver| solver.check_implies_with_counterexample_opt(&asked, &policies).await)
    }

    /// What a condition matches in the worlds that the assumptions leave, as a set that allows just that.
    fn matching(&self, condition: &serde_json::Value) -> Result<CompiledPolicySet, String> {
        let mut all = self.subject.assumptions(self.env)?;
        all.push(renamed(&form::policy("permit", "when", condition), FILTER)?);
        self.set(&set(all)?)
    }

    fn policy(&self, policy: &Policy) -> Result<CompiledPolicy, String> {
        CompiledPolicy::compile(policy, &self.env.engine, self.subject.schema()).map_err(|error| refused(&error))
    }

    fn set(&self, policies: &PolicySet) -> Result<CompiledPolicySet, String> {
        CompiledPolicySet::compile(policies, &self.env.engine, self.subject.schema()).map_err(|error| refused(&error))
    }
}

/// Policies that the symbolic compiler does not take, e.g. because a question that is compared with has no types.
fn refused(error: &Error) -> String {
    match error {
        Error::PolicyNotWellTyped { errs } => {
            let errors: Vec<String> = errs.iter().map(ToString::to_string).collect();
            format!("{error}: {}", errors.join("; "))
        }
        error => error.to_string(),
    }
}

fn as_text<S: serde::Serializer>(uid: &Uid, serializer: S) -> Result<S::Ok, S::Error> {
    serializer.collect_str(uid)
}

impl fmt::Display for Environment {
    /// `Hub::User, repo.read, Hub::Repo`.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}, {}, {}", self.principal, self.action.id(), self.resource)
    }
}
