//! Policies as code of our own: what a policy of one request environment comes to, without the engine.
//!
//! The engine interprets: per policy and question it builds values, sets and errors anew, which costs more than
//! everything else in a decision. Here a policy is read once, for one action and one pair of types, so that scopes,
//! `is` and `action in` fold away, and each path (`resource.organization.writers`) is looked up once per question,
//! however many policies share it.
//!
//! INVARIANT: code answers true or false only where the engine answers the same. Whatever would be an error there, and
//! every form that is not read here (`like`, extension functions, records built in a policy), stops with
//! [`Stop::Engine`], and the engine decides about that policy, in its words. A build with debug assertions decides
//! every question both ways and compares.

mod read;
mod scene;
mod value;
mod watch;

use std::collections::HashMap;

use smol_str::SmolStr;

pub(super) use read::Reading;
pub(super) use scene::{Loaded, Scene, Stop};
pub(super) use value::millis;
pub(super) use watch::Watch;

use crate::entity::Value;

/// A place whose value a question gives, e.g. `resource.organization`; an index of [`Places`].
pub(super) type Place = usize;

pub(super) const PRINCIPAL: Place = 0;
pub(super) const RESOURCE: Place = 1;
pub(super) const CONTEXT: Place = 2;

/// An expression over places.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Code {
    Bool(bool),
    Constant(Value),
    Set(Vec<Code>),
    At(Place),
    /// Whether there is something at a place.
    Has(Place),
    Not(Box<Code>),
    /// In order, up to the first that is false.
    All(Vec<Code>),
    /// In order, up to the first that is true.
    Any(Vec<Code>),
    If(Box<[Code; 3]>),
    Equal(Box<[Code; 2]>),
    Less(Box<[Code; 2]>),
    LessOrEqual(Box<[Code; 2]>),
    In(Place, Box<Code>),
    Is(Place, SmolStr),
    /// A set and what may be in it.
    Contains(Box<[Code; 2]>),
    ContainsAll(Box<[Code; 2]>),
    ContainsAny(Box<[Code; 2]>),
    IsEmpty(Box<Code>),
}

/// How a place is reached from another one.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
enum Step {
    Attribute(SmolStr),
    Tag(SmolStr),
}

/// The places that the policies of one request environment read. Those of the variables come first.
#[derive(Debug, Default)]
pub(super) struct Places {
    /// Behind the variables.
    steps: Vec<(Place, Step)>,
    known: HashMap<(Place, Step), Place>,
}

impl Places {
    const VARIABLES: usize = 3;

    fn step(&mut self, from: Place, step: Step) -> Place {
        let next = Self::VARIABLES + self.steps.len();
        let place = *self.known.entry((from, step.clone())).or_insert(next);
        if place == next {
            self.steps.push((from, step));
        }
        place
    }

    fn len(&self) -> usize {
        Self::VARIABLES + self.steps.len()
    }

    /// The place of an entity in the context, if policies read it.
    pub fn in_context(&self, key: &SmolStr) -> Option<Place> {
        self.known.get(&(CONTEXT, Step::Attribute(key.clone()))).copied()
    }
}
