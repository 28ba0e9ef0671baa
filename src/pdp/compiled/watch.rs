//! The server's clock in one question, and between which times it may stand without changing the answer.
//!
//! Policies compare the clock with times that stand in the facts. Until it passes the next of those, the same facts
//! give the same answer.

use std::cell::Cell;
use std::ops::Range;

/// What a question saw of the clock. Times are milliseconds since 1970.
#[derive(Debug)]
pub(in crate::pdp) struct Watch {
    /// `None`: the question has no clock of the server's.
    now: Option<i64>,
    from: Cell<i64>,
    until: Cell<i64>,
    /// Somebody saw more of it than how it compares.
    seen: Cell<bool>,
}

impl Watch {
    pub fn none() -> Self {
        Self { now: None, from: Cell::new(i64::MIN), until: Cell::new(i64::MAX), seen: Cell::new(false) }
    }

    pub fn at(now: i64) -> Self {
        Self { now: Some(now), ..Self::none() }
    }

    /// A clock whose time is not known here.
    pub fn unknown() -> Self {
        let watch = Self::none();
        watch.seen.set(true);
        watch
    }

    pub fn now(&self) -> Option<i64> {
        self.now
    }

    /// Notes that the clock was compared with a time.
    pub fn compared(&self, with: i64) {
        let Some(now) = self.now else { return };
        if with > now {
            self.until.set(self.until.get().min(with));
        } else if with < now {
            self.from.set(self.from.get().max(with.saturating_add(1)));
        } else {
            self.from.set(now);
            self.until.set(now.saturating_add(1));
        }
    }

    /// Notes that the time itself may have been read.
    pub fn read(&self) {
        self.seen.set(self.seen.get() || self.now.is_some());
    }

    /// When the answer holds; `None` when that is not known.
    pub fn holds(&self) -> Option<Range<i64>> {
        (!self.seen.get()).then(|| self.from.get()..self.until.get())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_answer_holds_between_the_nearest_times_it_was_compared_with() {
        let watch = Watch::at(100);
        [50, 70, 130, 200].into_iter().for_each(|time| watch.compared(time));
        assert_eq!(watch.holds(), Some(71..130));
        watch.compared(100);
        assert_eq!(watch.holds(), Some(100..101));
    }

    #[test]
    fn an_answer_that_shows_the_time_holds_for_nobody_knows_how_long() {
        let watch = Watch::at(100);
        watch.read();
        assert_eq!(watch.holds(), None);
        assert_eq!(Watch::unknown().holds(), None);
    }

    #[test]
    fn an_answer_without_a_clock_holds_at_any_time() {
        assert_eq!(Watch::none().holds(), Some(i64::MIN..i64::MAX));
    }
}
