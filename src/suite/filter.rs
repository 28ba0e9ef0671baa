//! Which cells are run: `suite=levels`, `action=repo.*`, `policy=gates/pending`, or a part of a test's name.

use std::str::FromStr;

use super::definition::{Cell, Suite, Test};
use super::expectation::Expectation;
use crate::pdp::Answer;

/// One `--run`. Filters of one kind add up, those of different kinds all have to hold.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Filter {
    kind: Kind,
    pattern: String,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Kind {
    Suite,
    Test,
    Principal,
    Action,
    Resource,
    Policy,
}

const KINDS: [(&str, Kind); 6] = [
    ("suite", Kind::Suite),
    ("test", Kind::Test),
    ("principal", Kind::Principal),
    ("action", Kind::Action),
    ("resource", Kind::Resource),
    ("policy", Kind::Policy),
];

impl FromStr for Filter {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let Some((key, pattern)) = text.split_once('=') else {
            return Ok(Self { kind: Kind::Test, pattern: format!("*{text}*") });
        };
        match KINDS.iter().find(|(name, _)| *name == key) {
            Some((_, kind)) => Ok(Self { kind: *kind, pattern: pattern.to_owned() }),
            None => {
                let known: Vec<&str> = KINDS.iter().map(|(name, _)| *name).collect();
                Err(format!("`{key}` is no filter; there are {}", known.join(", ")))
            }
        }
    }
}

impl Filter {
    /// Whether a cell is run.
    pub(super) fn keep(filters: &[Self], suite: &Suite, test: &Test, cell: &Cell) -> bool {
        let found = |kind: Kind, text: &str| holds(filters, kind, |pattern| matches(pattern, text));
        found(Kind::Suite, &suite.name)
            && found(Kind::Test, &test.name)
            && found(Kind::Principal, &cell.principal)
            && found(Kind::Action, &cell.action)
            && found(Kind::Resource, &cell.resource)
    }

    /// Whether an answer has to do with the policies that are asked for: they determined it, or were expected to.
    pub(super) fn keep_answer(filters: &[Self], answer: &Answer, expected: Option<&Expectation>) -> bool {
        holds(filters, Kind::Policy, |pattern| {
            let mut expected = expected.and_then(|expected| expected.reason.as_ref()).into_iter().flatten();
            answer.determining.iter().any(|id| matches(pattern, id)) || expected.any(|id| matches(pattern, id))
        })
    }
}

fn holds(filters: &[Filter], kind: Kind, holds: impl Fn(&str) -> bool) -> bool {
    let mut of_kind = filters.iter().filter(|filter| filter.kind == kind).peekable();
    of_kind.peek().is_none() || of_kind.any(|filter| holds(&filter.pattern))
}

/// `*` stands for any characters.
pub(super) fn matches(pattern: &str, text: &str) -> bool {
    let mut parts = pattern.split('*');
    let Some(mut rest) = text.strip_prefix(parts.next().unwrap_or_default()) else { return false };
    let mut last = None;
    for part in parts {
        match rest.find(part) {
            Some(at) => rest = rest.get(at + part.len()..).unwrap_or_default(),
            None => return false,
        }
        last = Some(part);
    }
    match last {
        None => rest.is_empty(),
        Some(last) => rest.is_empty() || last.is_empty() || text.ends_with(last),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_star_stands_for_any_characters() {
        for (pattern, text) in [("repo.*", "repo.read"), ("*read", "repo.read"), ("r*d", "repo.read"), ("*", "")] {
            assert!(matches(pattern, text), "{pattern} {text}");
        }
        for (pattern, text) in [("repo", "repo.read"), ("*write", "repo.read"), ("a*b", "ab c")] {
            assert!(!matches(pattern, text), "{pattern} {text}");
        }
    }

    #[test]
    fn a_filter_without_a_key_is_a_part_of_a_tests_name() {
        assert_eq!("gate".parse::<Filter>().unwrap(), "test=*gate*".parse().unwrap());
        assert!("colour=red".parse::<Filter>().unwrap_err().contains("no filter"));
    }
}
