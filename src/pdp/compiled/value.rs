//! Values on their way through an evaluation: borrowed, never copied.

use std::collections::BTreeSet;

use jiff::Timestamp;

use super::{Stop, Watch};
use crate::entity::{Record, Uid, Value};

/// A value that was found in the facts, the context or the policy.
#[derive(Clone, Copy)]
pub(super) enum Found<'s> {
    Bool(bool),
    Long(i64),
    String(&'s str),
    Entity(&'s Uid),
    Record(&'s Record),
    Set(&'s BTreeSet<Value>),
    /// The text of a `datetime`.
    Datetime(&'s str),
    /// The server's clock.
    Clock(&'s Watch),
    /// A value of another extension.
    Foreign,
}

impl<'s> Found<'s> {
    pub fn of(value: &'s Value) -> Self {
        match value {
            Value::Bool(value) => Self::Bool(*value),
            Value::Long(value) => Self::Long(*value),
            Value::String(text) => Self::String(text),
            Value::Entity(uid) => Self::Entity(uid),
            Value::Record(record) => Self::Record(record),
            Value::Set(members) => Self::Set(members),
            Value::Extension { function, args } => match args.as_slice() {
                [Value::String(text)] if function == "datetime" => Self::Datetime(text),
                _ => Self::Foreign,
            },
        }
    }

    pub fn bool(self) -> Result<bool, Stop> {
        match self {
            Self::Bool(value) => Ok(value),
            _ => Err(Stop::Engine),
        }
    }

    pub fn entity(self) -> Result<&'s Uid, Stop> {
        match self {
            Self::Entity(uid) => Ok(uid),
            _ => Err(Stop::Engine),
        }
    }

    pub fn equals(self, other: Self) -> Result<bool, Stop> {
        match (self, other) {
            (Self::Bool(left), Self::Bool(right)) => Ok(left == right),
            (Self::Long(left), Self::Long(right)) => Ok(left == right),
            (Self::String(left), Self::String(right)) => Ok(left == right),
            (Self::Entity(left), Self::Entity(right)) => Ok(left == right),
            (Self::Datetime(_) | Self::Clock(_), Self::Datetime(_) | Self::Clock(_)) => {
                times(self, other).map(|(left, right)| left == right)
            }
            (Self::Set(left), Self::Set(right)) if left.iter().chain(right).all(is_plain) => Ok(left == right),
            (Self::Record(left), Self::Record(right)) if left.values().chain(right.values()).all(is_plain) => {
                Ok(left == right)
            }
            _ => Err(Stop::Engine),
        }
    }

    /// Both as numbers that compare as they do.
    pub fn ordered(self, other: Self) -> Result<(i64, i64), Stop> {
        match (self, other) {
            (Self::Long(left), Self::Long(right)) => Ok((left, right)),
            (Self::Datetime(_) | Self::Clock(_), Self::Datetime(_) | Self::Clock(_)) => times(self, other),
            _ => Err(Stop::Engine),
        }
    }

    /// Whether this is a member of a set.
    pub fn is_in(self, set: &BTreeSet<Value>) -> Result<bool, Stop> {
        match self {
            Self::Bool(value) => Ok(set.contains(&Value::Bool(value))),
            Self::Long(value) => Ok(set.contains(&Value::Long(value))),
            Self::String(text) => Ok(set.contains(&Value::String(text.into()))),
            Self::Entity(uid) => Ok(!set.is_empty() && set.contains(&Value::Entity(uid.clone()))),
            _ => Err(Stop::Engine),
        }
    }
}

/// Two times, in milliseconds since 1970; the clock remembers what it was compared with.
fn times(left: Found, right: Found) -> Result<(i64, i64), Stop> {
    let time = |found: Found| match found {
        Found::Datetime(text) => millis(text),
        Found::Clock(watch) => watch.now().ok_or(Stop::Engine),
        _ => Err(Stop::Engine),
    };
    let times = (time(left)?, time(right)?);
    match (left, right) {
        (Found::Clock(watch), Found::Datetime(_)) => watch.compared(times.1),
        (Found::Datetime(_), Found::Clock(watch)) => watch.compared(times.0),
        _ => {}
    }
    Ok(times)
}

/// Whether two values are the same exactly when their data is: extension values can be written in several ways.
pub(super) fn is_plain(value: &Value) -> bool {
    match value {
        Value::Bool(_) | Value::Long(_) | Value::String(_) | Value::Entity(_) => true,
        Value::Set(members) => members.iter().all(is_plain),
        Value::Record(record) => record.values().all(is_plain),
        Value::Extension { .. } => false,
    }
}

/// A time as the clock and most people write it, `2026-01-02T03:04:05Z` or `….678Z`, in milliseconds since 1970.
/// Other forms are the engine's.
pub(in crate::pdp) fn millis(text: &str) -> Result<i64, Stop> {
    let common = matches!(text.len(), 20 | 24)
        && text.bytes().enumerate().all(|(at, byte)| match at {
            4 | 7 => byte == b'-',
            10 => byte == b'T',
            13 | 16 => byte == b':',
            19 if text.len() == 24 => byte == b'.',
            19 | 23 => byte == b'Z',
            _ => byte.is_ascii_digit(),
        })
        // A leap second is a time for the library and none for the engine.
        && text.get(17..19) != Some("60");
    let time = common.then(|| text.parse::<Timestamp>().ok()).flatten();
    time.map(Timestamp::as_millisecond).ok_or(Stop::Engine)
}
