//! Reverse questions: who may do this, on what may they do it.
//!
//! A question with one side unknown is evaluated as far as it goes, and what is left of the policies is turned into
//! [`Candidates`]: where to look for entities that could be allowed. There may be too many among them, never too few, so
//! whoever searches decides about each one. An answer is an allow only when a permit holds, no forbid does, and nothing
//! failed; so each permit gives candidates, and every forbid can only narrow them: what must be false for it not to hold.
//! Where no link leads to the entities that a condition means, all of the type are candidates: right, and slow.
//!
//! Pure, as all of this module: looking candidates up is for those who have a store.

mod chain;
mod plan;
mod types;

use std::collections::BTreeSet;

use cedar_policy::{Entities, Policy, PrincipalConstraint, Request, ResourceConstraint};
use smol_str::SmolStr;

use super::bundle::Bundle;
use super::decide::DecideError;
use super::engine;
use super::engine::partial::Unknown;
use super::environments::{CompiledAction, Env};
use super::reach::{CONTEXT, PRINCIPAL, RESOURCE};
use super::schema::CLOCK;
use super::slice::{Fact, Facts, Slice};
use crate::entity::{Link, Record, Uid, Value};
use plan::Planner;

/// The side of a question that is sought.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Side {
    Principal,
    Resource,
}

/// A question with one side unknown.
#[derive(Clone, Debug)]
pub struct Sought {
    pub side: Side,
    /// The type of what is sought; for a credential type, credentials are sought whose owners may.
    pub type_name: SmolStr,
    /// The other side.
    pub known: Uid,
    pub action: Uid,
    /// Read under the schema.
    pub context: Record,
    /// The clock (RFC 3339).
    pub now: SmolStr,
}

/// Where to look for entities of one type.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Candidates {
    /// Every entity of the type.
    All,
    Ids(BTreeSet<Uid>),
    /// Those whose link leads to one of these.
    Leading {
        link: Link,
        to: Box<Candidates>,
    },
    /// Those that are one of `roots` or have one as an ancestor. `through` are the types that can lie between.
    Below {
        type_name: SmolStr,
        roots: BTreeSet<Uid>,
        through: BTreeSet<SmolStr>,
    },
    Any(Vec<Candidates>),
    Every(Vec<Candidates>),
}

impl Candidates {
    pub fn none() -> Self {
        Self::Ids(BTreeSet::new())
    }

    pub fn is_none(&self) -> bool {
        matches!(self, Self::Ids(ids) if ids.is_empty())
    }

    /// Those that are in one of these.
    pub(super) fn any(parts: impl IntoIterator<Item = Self>) -> Self {
        let mut kept = Vec::new();
        let mut ids = BTreeSet::new();
        for part in parts {
            match part {
                Self::All => return Self::All,
                Self::Ids(more) => ids.extend(more),
                Self::Any(more) => kept.extend(more),
                part if kept.contains(&part) => {}
                part => kept.push(part),
            }
        }
        if !ids.is_empty() || kept.is_empty() {
            kept.push(Self::Ids(ids));
        }
        only(kept).unwrap_or_else(Self::Any)
    }

    /// Those that are in all of these.
    pub(super) fn every(parts: impl IntoIterator<Item = Self>) -> Self {
        let mut kept = Vec::new();
        for part in parts {
            match part {
                Self::All => {}
                part if part.is_none() => return part,
                Self::Every(more) => kept.extend(more),
                part if kept.contains(&part) => {}
                part => kept.push(part),
            }
        }
        if kept.is_empty() {
            return Self::All;
        }
        only(kept).unwrap_or_else(Self::Every)
    }
}

/// The only part, or all of them back.
fn only(mut parts: Vec<Candidates>) -> Result<Candidates, Vec<Candidates>> {
    match parts.pop() {
        Some(one) if parts.is_empty() => Ok(one),
        last => {
            parts.extend(last);
            Err(parts)
        }
    }
}

impl Bundle {
    /// Where to look for what is sought. A question that no policy could ever answer has no candidates.
    ///
    /// # Errors
    /// An action that the schema does not have, or facts that cannot be had.
    pub fn candidates(&self, sought: &Sought, facts: &dyn Facts) -> Result<Candidates, DecideError> {
        let action =
            self.actions.get(&sought.action).ok_or_else(|| DecideError::UnknownAction(sought.action.clone()))?;
        let mut slice = Slice::new(&self.schema, facts);
        let mut context = sought.context.clone();
        if action.clock {
            let now = Value::Extension {
                function: SmolStr::new_static("datetime"),
                args: vec![Value::String(sought.now.clone())],
            };
            context.entry(SmolStr::new_static(CLOCK)).or_insert(now);
        }
        let nobody = |type_name: &SmolStr| Uid::new(type_name.clone(), "");
        let mut unknown = Unknown { principal: false, resource: false, context_key: None };
        // What the candidates are turned into in the end: the credentials of those found.
        let mut credentials: Option<Link> = None;
        let (principal, resource) = match sought.side {
            Side::Resource => {
                unknown.resource = true;
                let mut principal = sought.known.clone();
                if let Some(delegate) = self.delegate(principal.type_name()) {
                    let Fact::Present(prepared) = slice.fact(&principal)? else {
                        return Ok(Candidates::none());
                    };
                    if let Some(Value::Entity(owner)) = prepared.entity().attrs.get(&delegate.attribute) {
                        let credential = std::mem::replace(&mut principal, owner.clone());
                        context.insert(delegate.context_key, credential.into());
                    }
                }
                (principal, nobody(&sought.type_name))
            }
            Side::Principal => {
                unknown.principal = true;
                let principal = match self.delegate(&sought.type_name) {
                    Some(delegate) => {
                        let link = Link::attribute(sought.type_name.clone(), vec![delegate.attribute]);
                        let Some(owner) = self.owner_type(&sought.type_name) else {
                            return Ok(Candidates::All);
                        };
                        context.insert(delegate.context_key.clone(), nobody(&sought.type_name).into());
                        unknown.context_key = Some(delegate.context_key);
                        credentials = Some(link);
                        owner
                    }
                    None => sought.type_name.clone(),
                };
                (nobody(&principal), sought.known.clone())
            }
        };
        let fits = |env: &&Env| env.principal == *principal.type_name() && env.resource == *resource.type_name();
        let Some(env) = action.envs.iter().find(fits) else {
            return Ok(Candidates::none());
        };
        let known = Known::load(env, action, slice, (&principal, &sought.action, &resource), &context, sought.side)?;
        let found = self.planner(env, &unknown, sought.side, Some(&known)).candidates();
        Ok(match (credentials, found) {
            (_, Candidates::All) => Candidates::All,
            (_, none) if none.is_none() => none,
            (Some(link), found) => Candidates::Leading { link, to: Box::new(found) },
            (None, found) => found,
        })
    }

    /// Every link that candidates can be found by: what an index should hold.
    pub fn links(&self) -> &BTreeSet<Link> {
        &self.links
    }

    fn planner<'p>(
        &'p self,
        env: &'p Env,
        unknown: &'p Unknown,
        side: Side,
        known: Option<&'p Known<'p>>,
    ) -> Planner<'p> {
        let type_name = if side == Side::Principal { &env.principal } else { &env.resource };
        Planner { schema: &self.schema, links: &self.links, env, unknown, side, type_name, known }
    }

    /// Works out [`Bundle::links`]: the parents of every type, what credentials belong to, and what the permits' conditions
    /// follow. What only forbids follow is left out: they narrow by what is there.
    pub(super) fn find_links(&self) -> BTreeSet<Link> {
        let stored = self.schema.types.iter().filter(|(_, ty)| ty.ids.is_none());
        let mut links = BTreeSet::new();
        for (name, ty) in stored {
            if !ty.ancestors.is_empty() {
                links.insert(Link::parents(name.clone()));
            }
            links.extend(ty.delegate().map(|delegate| Link::attribute(name.clone(), vec![delegate.attribute])));
        }
        for env in self.actions.values().flat_map(|action| &action.envs) {
            for side in [Side::Principal, Side::Resource] {
                let unknown =
                    Unknown { principal: side == Side::Principal, resource: side == Side::Resource, context_key: None };
                links.extend(self.planner(env, &unknown, side, None).followed());
            }
        }
        links
    }
}

/// The known side of a question, loaded so that expressions about it can be evaluated.
struct Known<'a> {
    request: Request,
    entities: Entities,
    slice: std::cell::RefCell<Slice<'a>>,
    /// The known entity and all its ancestors.
    lineage: Vec<Uid>,
}

impl<'a> Known<'a> {
    fn load(
        env: &Env,
        action: &CompiledAction,
        mut slice: Slice<'a>,
        (principal, uid, resource): (&Uid, &Uid, &Uid),
        context: &Record,
        sought: Side,
    ) -> Result<Self, DecideError> {
        let reach = &env.reach;
        let (known, node) = match sought {
            Side::Principal => (resource, RESOURCE),
            Side::Resource => (principal, PRINCIPAL),
        };
        slice.follow(reach, node, &known.clone().into())?;
        slice.follow(reach, CONTEXT, &Value::Record(context.clone()))?;
        for (uid, node) in reach.literals() {
            slice.follow(reach, node, &uid.clone().into())?;
        }
        slice.close(known)?;
        let engine_uid = |uid: &Uid| engine::uid(uid).map_err(DecideError::Context);
        let engine_context = engine::context(context).map_err(DecideError::Context)?;
        let request =
            Request::new(engine_uid(principal)?, engine_uid(uid)?, engine_uid(resource)?, engine_context, None)
                .map_err(|error| DecideError::Context(error.to_string()))?;
        let entities = slice.entities(&action.entity)?;
        let lineage = slice.lineage(known);
        Ok(Self { request, entities, slice: std::cell::RefCell::new(slice), lineage })
    }
}
