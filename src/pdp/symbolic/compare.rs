//! Two bundles under one schema, compared for every possible question and store: where the later allows more, where less.
//!
//! INVARIANT: an environment is the same only when the solver said so for both directions, or when the very same
//! conditions apply in it on both sides. A world is asked of both bundles before it is told. The formulas pass over a
//! policy that fails where the decision denies, so a policy of one side that can fail leaves a direction unknown.

use std::collections::{BTreeMap, BTreeSet};
use std::time::Instant;

use cedar_policy::EntityUid;
use parking_lot::Mutex;
use smol_str::SmolStr;

use super::form;
use super::property::Properties;
use super::query::{self, Environment};
use super::run::{Settings, on_all_cores};
use super::solver::Session;
use super::subject::{Clause, Subject};
use super::world::{Difference, World};
use crate::pdp::answer::Answer;
use crate::pdp::bundle::Bundle;
use crate::pdp::fault::Faults;

/// Two bundles whose schemas admit the same questions and entities.
pub struct Pair<'a> {
    from: &'a Bundle,
    to: &'a Bundle,
}

/// The schemas of two bundles differ, so that a question or an entity of one may be none of the other.
#[derive(Debug, thiserror::Error)]
#[error("the two sides have different schemas: {}", .0.join(", "))]
pub struct OtherSchema(Vec<String>);

/// What a change does in one request environment.
pub struct Comparison {
    pub environment: Environment,
    /// Something is allowed that was refused.
    pub allowed: Seen,
    /// Something is refused that was allowed.
    pub refused: Seen,
    /// What one core needed; nothing where the same conditions apply on both sides.
    pub seconds: f64,
}

/// Whether there is a difference in one direction.
pub enum Seen {
    Never,
    In(Box<Difference>),
    /// The solver gave up, or what it showed could not be seen again. Not `Never`.
    Unknown(String),
}

#[derive(Clone, Copy)]
enum Direction {
    Allowed,
    Refused,
}

impl<'a> Pair<'a> {
    /// # Errors
    /// What differs in the schemas. Annotations and comments do not matter.
    pub fn new(from: &'a Bundle, to: &'a Bundle) -> Result<Self, OtherSchema> {
        let found = differing(from, to);
        if found.is_empty() { Ok(Self { from, to }) } else { Err(OtherSchema(found)) }
    }

    /// Compares every request environment, in the worlds that the assumptions of `properties` leave.
    ///
    /// # Errors
    /// Policies that do not load; a solver's failure is no error but a direction that is not known.
    pub fn compare(&self, properties: &Properties, settings: &Settings) -> Result<Vec<Comparison>, Faults> {
        let from = Subject::new(self.from, &Properties::read(self.from, &[])?)?;
        let to = Subject::new(self.to, properties)?;
        let never = |environment: &Environment| Comparison {
            environment: environment.clone(),
            allowed: Seen::Never,
            refused: Seen::Never,
            seconds: 0.0,
        };
        let board: Vec<Mutex<Comparison>> = to.environments.iter().map(|env| Mutex::new(never(env))).collect();
        let tasks: Vec<(&Environment, &Mutex<Comparison>, Direction)> = to
            .environments
            .iter()
            .zip(&board)
            .filter(|(env, _)| !alike(&from, &to, env))
            .flat_map(|(env, place)| [Direction::Allowed, Direction::Refused].map(|way| (env, place, way)))
            .collect();
        on_all_cores(&tasks, settings, &|session, (env, place, way)| {
            let started = Instant::now();
            let seen = match session {
                Ok(session) => way.ask(session, &from, &to, env).unwrap_or_else(Seen::Unknown),
                Err(error) => Seen::Unknown(error.to_string()),
            };
            let mut place = place.lock();
            place.seconds += started.elapsed().as_secs_f64();
            match way {
                Direction::Allowed => place.allowed = seen,
                Direction::Refused => place.refused = seen,
            }
        });
        Ok(board.into_iter().map(Mutex::into_inner).collect())
    }
}

impl Direction {
    fn ask(self, session: &mut Session, from: &Subject, to: &Subject, env: &Environment) -> Result<Seen, String> {
        let (more, less) = match self {
            Self::Allowed => (to, from),
            Self::Refused => (from, to),
        };
        let Some(found) = query::allows_more(session, to, env, more, less)? else {
            let shared: BTreeSet<Decides> = more.candidates(env).map(decides).collect::<Result<_, _>>()?;
            for clause in less.candidates(env) {
                if !shared.contains(&decides(clause)?) && query::can_fail(session, to, env, clause)? {
                    let id = clause.policy.id();
                    return Err(format!("policy `{id}` can fail, and what it fails on is refused"));
                }
            }
            return Ok(Seen::Never);
        };
        let shown = World::read(to, Some(from), env, &found)
            .and_then(|world| world.difference(from.bundle, to.bundle))
            .map_err(|why| format!("the solver's counterexample cannot be replayed: {why}"))?;
        match self.shows(&shown.before, &shown.after) {
            true => Ok(Seen::In(Box::new(shown))),
            false => Err("the solver's counterexample shows nothing when it is replayed".to_owned()),
        }
    }

    fn shows(self, before: &Answer, after: &Answer) -> bool {
        match self {
            Self::Allowed => !before.allowed() && after.allowed(),
            Self::Refused => before.allowed() && !after.allowed(),
        }
    }
}

/// Whether the same conditions permit and forbid on both sides, whatever the policies are called.
fn alike(from: &Subject, to: &Subject, env: &Environment) -> bool {
    matches!((conditions(from, env), conditions(to, env)), (Ok(from), Ok(to)) if from == to)
}

fn conditions(subject: &Subject, env: &Environment) -> Result<BTreeSet<Decides>, String> {
    subject.candidates(env).map(decides).collect()
}

/// What decides of a policy: whether it permits, and when.
type Decides = (bool, String);

fn decides(clause: &Clause) -> Result<Decides, String> {
    let permits = clause.policy.effect() == cedar_policy::Effect::Permit;
    Ok((permits, form::condition(&clause.json)?.to_string()))
}

/// The parts of two schemas that are not alike.
fn differing(from: &Bundle, to: &Bundle) -> Vec<String> {
    let mut found = Vec::new();
    let (old, new) = (&from.schema.types, &to.schema.types);
    for name in old.keys().chain(new.keys()).collect::<BTreeSet<_>>() {
        let alike = match (old.get(name), new.get(name)) {
            (Some(a), Some(b)) => {
                (&a.attributes, &a.ancestors, &a.tags, &a.ids) == (&b.attributes, &b.ancestors, &b.tags, &b.ids)
            }
            _ => false,
        };
        if !alike {
            found.push(format!("entity type `{name}`"));
        }
    }
    let (old, new) = (&from.schema.actions, &to.schema.actions);
    let (old_groups, new_groups) = (groups(from), groups(to));
    for uid in old.keys().chain(new.keys()).collect::<BTreeSet<_>>() {
        let shape = match (old.get(uid), new.get(uid)) {
            (Some(a), Some(b)) => {
                (&a.principals, &a.resources, &a.context) == (&b.principals, &b.resources, &b.context)
            }
            _ => false,
        };
        let name = SmolStr::from(uid.to_string());
        if !shape || old_groups.get(&name) != new_groups.get(&name) {
            found.push(format!("action `{}`", uid.id()));
        }
    }
    if found.is_empty() && old_groups != new_groups {
        found.push("groups of actions".to_owned());
    }
    found
}

/// The groups that each action is in.
fn groups(bundle: &Bundle) -> BTreeMap<SmolStr, BTreeSet<EntityUid>> {
    let Ok(entities) = bundle.schema.engine.action_entities() else { return BTreeMap::new() };
    let of = |uid: &EntityUid| entities.ancestors(uid).into_iter().flatten().cloned().collect();
    entities.iter().map(|entity| (super::world::own_uid(&entity.uid()).to_string().into(), of(&entity.uid()))).collect()
}
