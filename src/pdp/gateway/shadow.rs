//! Rules that stand in each other's way: one that is never reached, and a name that another path begins with.

use std::collections::BTreeSet;

use super::place::Place;
use super::template::{Kind, Part, Rest, Template};
use super::{Gateway, Route, Rule, Wanted};
use crate::pdp::fault::Fault;

/// The methods of rules that an earlier one always takes.
pub(super) fn unreached(gateway: &Gateway, places: &[&Place<'_>]) -> Vec<Fault> {
    let mut faults = Vec::new();
    for (index, (route, place)) in gateway.routes.iter().zip(places).enumerate() {
        for method in &route.methods {
            let mut own = gateway.rules.iter().filter(|rule| rule.route == index).peekable();
            let Some(first) = own.peek().and_then(|rule| gateway.cover(rule, method)) else { continue };
            if own.all(|rule| gateway.cover(rule, method).is_some()) {
                let message =
                    format!("this rule is never reached with `{method}`: the one in line {first} comes first");
                faults.push(place.fault(method, message));
            }
        }
    }
    faults
}

impl Gateway {
    /// The line of an earlier rule that takes all that a rule could.
    fn cover(&self, rule: &Rule, method: &str) -> Option<usize> {
        let route = self.routes.get(rule.route)?;
        self.rules.iter().take_while(|earlier| earlier.route < rule.route).find_map(|earlier| {
            let first = self.routes.get(earlier.route)?;
            let covers = first.methods.iter().any(|known| known == method)
                && first.asks_no_more_than(route)
                && earlier.template.covers(&rule.template);
            covers.then_some(first.line)
        })
    }
}

impl Route {
    fn asks_no_more_than(&self, other: &Self) -> bool {
        let query = self.query.iter().all(|(key, wanted)| {
            let theirs = other.query.iter().find(|(known, _)| known == key);
            theirs.is_some_and(|(_, theirs)| *wanted == Wanted::Present || wanted == theirs)
        });
        let headers = self
            .headers
            .iter()
            .all(|header| other.headers.iter().any(|theirs| theirs.name.eq_ignore_ascii_case(&header.name)));
        query && headers
    }
}

impl Template {
    /// Whether every path of another template is one of this.
    fn covers(&self, other: &Self) -> bool {
        let Some(more) = other.parts.get(self.parts.len()..) else { return false };
        let slashed = other.rest == Rest::Ref || more.iter().any(|part| part.kind().is_some_and(Kind::is_ref));
        let rest = match self.rest {
            Rest::None => more.is_empty() && other.rest == Rest::None,
            Rest::Plain | Rest::Ref if more.is_empty() && other.rest == Rest::None => false,
            Rest::Plain => !slashed,
            Rest::Ref => true,
        };
        rest && self.parts.iter().zip(&other.parts).all(|(part, other)| part.covers(other))
    }
}

impl Part {
    fn kind(&self) -> Option<&Kind> {
        match self {
            Self::Variable { kind, .. } => Some(kind),
            Self::Literal(_) => None,
        }
    }

    fn covers(&self, other: &Self) -> bool {
        match (self, other) {
            (Self::Literal(one), Self::Literal(other)) => one == other,
            (Self::Literal(_), Self::Variable { .. }) => false,
            (Self::Variable { kind: Kind::Ref, .. }, _) => true,
            (Self::Variable { kind, ending, .. }, Self::Literal(text)) => ending.is_none() && kind.accepts(text),
            (Self::Variable { kind, ending, .. }, Self::Variable { kind: theirs, ending: their_ending, .. }) => {
                ending == their_ending && kind.covers(theirs)
            }
        }
    }
}

impl Kind {
    fn is_ref(&self) -> bool {
        matches!(self, Self::Ref)
    }

    fn covers(&self, other: &Self) -> bool {
        match (self, other) {
            (Self::Ref, _) => true,
            (Self::Name(reserved), Self::Name(theirs)) => reserved.is_subset(theirs),
            (Self::Name(_) | Self::OneOf(_), Self::OneOf(words)) => words.iter().all(|word| self.accepts(word)),
            (Self::Name(_) | Self::OneOf(_), Self::Name(_) | Self::Ref) => false,
        }
    }
}

/// Words that some path begins with and that a variable at the beginning of another path could be. Rules in order would
/// tell the two apart only as long as every path of the first has its rule.
pub(super) fn misread(gateway: &Gateway, places: &[&Place<'_>]) -> Vec<Fault> {
    let first = |rule: &Rule| rule.template.parts.first().cloned();
    let words: BTreeSet<_> = gateway
        .rules
        .iter()
        .filter_map(first)
        .flat_map(|part| match part {
            Part::Literal(word) => vec![word],
            Part::Variable { kind: Kind::OneOf(words), .. } => words,
            Part::Variable { .. } => Vec::new(),
        })
        .collect();
    let (mut faults, mut told) = (Vec::new(), BTreeSet::new());
    for rule in &gateway.rules {
        let Some(Part::Variable { name, kind: kind @ (Kind::Name(_) | Kind::Ref), .. }) = first(rule) else { continue };
        for word in words.iter().filter(|word| kind.accepts(word)) {
            if told.insert((name.clone(), word.clone())) {
                let message =
                    format!("`{word}` begins another path: reserve it for `{{{name}}}`, or one is read as the other");
                faults.extend(places.get(rule.route).map(|place| place.fault("", message)));
            }
        }
    }
    faults
}
