//! One question under evaluation: the values at its places, found when they are first asked for.

use std::cell::{Cell, OnceCell};
use std::sync::Arc;

use super::value::{Found, is_plain};
use super::{CONTEXT, Code, PRINCIPAL, Place, Places, RESOURCE, Step, Watch};
use crate::entity::{Uid, Value};
use crate::pdp::decide::Question;
use crate::pdp::schema::{CLOCK, Schema};
use crate::pdp::slice::{Ancestors, Fact, Facts, FactsError, known};

/// Why code has no answer.
#[derive(Debug)]
pub(in crate::pdp) enum Stop {
    /// The engine must evaluate this policy.
    Engine,
    Facts(FactsError),
}

impl From<FactsError> for Stop {
    fn from(error: FactsError) -> Self {
        Self::Facts(error)
    }
}

/// The entities that were read for a question, by the place they were read at.
pub(in crate::pdp) struct Loaded {
    facts: Vec<OnceCell<Fact>>,
    ancestors: Vec<OnceCell<Arc<Ancestors>>>,
}

impl Loaded {
    pub fn new(places: &Places) -> Self {
        Self { facts: vec![OnceCell::new(); places.len()], ancestors: vec![OnceCell::new(); places.len()] }
    }

    /// What is known already of the entity at a place.
    pub fn seed(&self, place: Place, fact: Fact) {
        if let Some(cell) = self.facts.get(place) {
            let _ = cell.set(fact);
        }
    }
}

/// What is at a place.
#[derive(Clone, Copy)]
enum There<'s> {
    Value(Found<'s>),
    /// The entity or record before it has no such attribute or tag, or the entity is not there.
    Nothing,
}

pub(in crate::pdp) struct Scene<'s> {
    schema: &'s Schema,
    facts: &'s dyn Facts,
    places: &'s Places,
    question: &'s Question,
    watch: &'s Watch,
    loaded: &'s Loaded,
    values: Vec<Cell<Option<There<'s>>>>,
}

impl<'s> Scene<'s> {
    pub fn new(
        schema: &'s Schema,
        facts: &'s dyn Facts,
        places: &'s Places,
        (question, watch): (&'s Question, &'s Watch),
        loaded: &'s Loaded,
    ) -> Self {
        Self { schema, facts, places, question, watch, loaded, values: vec![Cell::new(None); places.len()] }
    }

    /// Whether a policy's code holds.
    pub fn holds(&self, code: &'s Code) -> Result<bool, Stop> {
        match code {
            Code::Bool(value) => Ok(*value),
            Code::Has(place) => Ok(matches!(self.there(*place)?, There::Value(_))),
            Code::Not(code) => Ok(!self.holds(code)?),
            Code::All(parts) => {
                for part in parts {
                    if !self.holds(part)? {
                        return Ok(false);
                    }
                }
                Ok(true)
            }
            Code::Any(parts) => {
                for part in parts {
                    if self.holds(part)? {
                        return Ok(true);
                    }
                }
                Ok(false)
            }
            Code::Equal(parts) => {
                let [left, right] = parts.as_ref();
                self.value(left)?.equals(self.value(right)?)
            }
            Code::Less(parts) => self.ordered(parts).map(|(left, right)| left < right),
            Code::LessOrEqual(parts) => self.ordered(parts).map(|(left, right)| left <= right),
            Code::In(place, right) => self.within(*place, right),
            Code::Is(place, ty) => Ok(self.at(*place)?.entity()?.type_name() == ty),
            Code::Contains(parts) => {
                let [set, member] = parts.as_ref();
                self.contains(set, member)
            }
            Code::ContainsAll(parts) => {
                let [set, members] = self.sets(parts)?;
                Ok(members.iter().all(|member| set.contains(member)))
            }
            Code::ContainsAny(parts) => {
                let [set, members] = self.sets(parts)?;
                Ok(members.iter().any(|member| set.contains(member)))
            }
            Code::IsEmpty(set) => match self.value(set)? {
                Found::Set(set) => Ok(set.is_empty()),
                _ => Err(Stop::Engine),
            },
            Code::If(parts) => {
                let [test, then, otherwise] = parts.as_ref();
                if self.holds(test)? { self.holds(then) } else { self.holds(otherwise) }
            }
            Code::At(place) => self.at(*place)?.bool(),
            Code::Constant(_) | Code::Set(_) => Err(Stop::Engine),
        }
    }

    fn value(&self, code: &'s Code) -> Result<Found<'s>, Stop> {
        match code {
            Code::Constant(value) => Ok(Found::of(value)),
            Code::At(place) => self.at(*place),
            Code::If(parts) => {
                let [test, then, otherwise] = parts.as_ref();
                if self.holds(test)? { self.value(then) } else { self.value(otherwise) }
            }
            // A set of what the question gives is used where it stands, or by the engine.
            Code::Set(_) => Err(Stop::Engine),
            code => self.holds(code).map(Found::Bool),
        }
    }

    fn ordered(&self, parts: &'s [Code; 2]) -> Result<(i64, i64), Stop> {
        let [left, right] = parts;
        self.value(left)?.ordered(self.value(right)?)
    }

    fn sets(&self, parts: &'s [Code; 2]) -> Result<[&'s std::collections::BTreeSet<Value>; 2], Stop> {
        let [left, right] = parts;
        match [self.value(left)?, self.value(right)?] {
            [Found::Set(left), Found::Set(right)] if left.iter().chain(right).all(is_plain) => Ok([left, right]),
            _ => Err(Stop::Engine),
        }
    }

    fn contains(&self, set: &'s Code, member: &'s Code) -> Result<bool, Stop> {
        let Code::Set(members) = set else {
            let Found::Set(set) = self.value(set)? else { return Err(Stop::Engine) };
            return self.value(member)?.is_in(set);
        };
        let members: Vec<Found> = members.iter().map(|member| self.value(member)).collect::<Result<_, _>>()?;
        let member = self.value(member)?;
        let mut found = false;
        for other in members {
            found |= member.equals(other)?;
        }
        Ok(found)
    }

    fn within(&self, place: Place, right: &'s Code) -> Result<bool, Stop> {
        let uid = self.at(place)?.entity()?;
        let mut groups: Vec<&Uid> = Vec::new();
        match right {
            Code::Set(members) => {
                for member in members {
                    groups.push(self.value(member)?.entity()?);
                }
            }
            right => match self.value(right)? {
                Found::Entity(group) => return Ok(uid == group || self.ancestors(place)?.contains(group)),
                Found::Set(members) => {
                    for member in members {
                        groups.push(member.as_entity().ok_or(Stop::Engine)?);
                    }
                }
                _ => return Err(Stop::Engine),
            },
        }
        if groups.is_empty() || groups.contains(&uid) {
            return Ok(!groups.is_empty());
        }
        let ancestors = self.ancestors(place)?;
        Ok(groups.into_iter().any(|group| ancestors.contains(group)))
    }

    fn at(&self, place: Place) -> Result<Found<'s>, Stop> {
        match self.there(place)? {
            There::Value(value) => Ok(value),
            There::Nothing => Err(Stop::Engine),
        }
    }

    fn there(&self, place: Place) -> Result<There<'s>, Stop> {
        let cell = self.values.get(place).ok_or(Stop::Engine)?;
        if let Some(there) = cell.get() {
            return Ok(there);
        }
        let there = self.look(place)?;
        cell.set(Some(there));
        Ok(there)
    }

    fn look(&self, place: Place) -> Result<There<'s>, Stop> {
        let value = match place {
            PRINCIPAL => Found::Entity(&self.question.principal),
            RESOURCE => Found::Entity(&self.question.resource),
            CONTEXT => Found::Record(&self.question.context),
            place => {
                let (from, step) = self.places.steps.get(place - Places::VARIABLES).ok_or(Stop::Engine)?;
                let value = match (self.at(*from)?, step) {
                    (Found::Record(_), Step::Attribute(name))
                        if *from == CONTEXT && name == CLOCK && self.watch.now().is_some() =>
                    {
                        return Ok(There::Value(Found::Clock(self.watch)));
                    }
                    (Found::Record(record), Step::Attribute(name)) => record.get(name),
                    (Found::Entity(uid), step) => match (self.fact(*from, uid)?, step) {
                        (Fact::Present(prepared), Step::Attribute(name)) => prepared.entity().attrs.get(name),
                        (Fact::Present(prepared), Step::Tag(key)) => prepared.entity().tags.get(key),
                        (Fact::Deleted | Fact::Absent, _) => None,
                    },
                    _ => return Err(Stop::Engine),
                };
                match value {
                    Some(value) => Found::of(value),
                    None => return Ok(There::Nothing),
                }
            }
        };
        Ok(There::Value(value))
    }

    /// What is known of the entity at a place.
    fn fact(&self, place: Place, uid: &Uid) -> Result<&'s Fact, Stop> {
        let cell = self.loaded.facts.get(place).ok_or(Stop::Engine)?;
        match cell.get() {
            Some(fact) => Ok(fact),
            None => {
                let fact = known(self.schema, self.facts, uid)?;
                Ok(cell.get_or_init(|| fact))
            }
        }
    }

    /// All ancestors of the entity at a place.
    pub fn ancestors(&self, place: Place) -> Result<&'s Ancestors, Stop> {
        let cell = self.loaded.ancestors.get(place).ok_or(Stop::Engine)?;
        if let Some(ancestors) = cell.get() {
            return Ok(ancestors);
        }
        let uid = self.at(place)?.entity()?;
        let ancestors = match self.schema.is_enumerated(uid.type_name()) {
            true => Arc::default(),
            false => self.facts.ancestors(uid, &mut || Ancestors::find(self.schema, self.facts, uid))?,
        };
        Ok(cell.get_or_init(|| ancestors))
    }
}
