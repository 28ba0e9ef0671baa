//! The clock, injected: the only place that asks the system what time it is.

use std::sync::Arc;

use jiff::Timestamp;
use jiff::fmt::temporal::DateTimePrinter;

const MILLISECONDS: DateTimePrinter = DateTimePrinter::new().precision(Some(3));

/// Tells the time.
pub trait Clock: Send + Sync + 'static {
    fn now(&self) -> Timestamp;
}

/// The system's clock.
#[derive(Clone, Copy, Debug, Default)]
pub struct SystemClock;

impl Clock for SystemClock {
    fn now(&self) -> Timestamp {
        Timestamp::now()
    }
}

/// A clock that stands still until it is set, for tests and offline questions.
#[derive(Debug)]
pub struct FixedClock(parking_lot::RwLock<Timestamp>);

impl FixedClock {
    pub fn new(now: Timestamp) -> Arc<Self> {
        Arc::new(Self(parking_lot::RwLock::new(now)))
    }

    pub fn set(&self, now: Timestamp) {
        *self.0.write() = now;
    }
}

impl Clock for FixedClock {
    fn now(&self) -> Timestamp {
        *self.0.read()
    }
}

impl Clock for Arc<FixedClock> {
    fn now(&self) -> Timestamp {
        FixedClock::now(self)
    }
}

/// RFC 3339 with milliseconds, the precision that the engine's `datetime` takes.
pub fn rfc3339(at: Timestamp) -> String {
    MILLISECONDS.timestamp_to_string(&at)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_time_is_written_with_milliseconds() {
        let at: Timestamp = "2026-01-02T03:04:05.6789Z".parse().unwrap();
        assert_eq!(rfc3339(at), "2026-01-02T03:04:05.678Z");
    }
}
