//! How long the machine stops a thread that only looks at the clock: what no server on it can be better than.
//!
//! Virtual machines, and whatever else runs, take a processor away for milliseconds. At a high load each of these is in
//! the latencies of many times as long, for a queue has to be worked off.

use std::time::{Duration, Instant};

/// What does not count: interrupts, and the look at the clock.
const SHORT: Duration = Duration::from_micros(500);

/// Stops of at least half a millisecond.
#[derive(Clone, Copy, Debug, Default)]
pub struct Stalls {
    /// On each processor.
    pub per_second: f64,
    /// The part of the time that they took.
    pub share: f64,
    pub longest: Duration,
}

impl Stalls {
    /// Looks for so long, on all processors.
    pub fn measure(duration: Duration) -> Self {
        let processors = std::thread::available_parallelism().map_or(1, usize::from);
        let found: Vec<Duration> = std::thread::scope(|scope| {
            let threads: Vec<_> = (0..processors).map(|_| scope.spawn(|| watch(duration))).collect();
            threads.into_iter().flat_map(|thread| thread.join().unwrap_or_default()).collect()
        });
        let seconds = duration.as_secs_f64().max(f64::MIN_POSITIVE) * processors as f64;
        Self::of(&found, seconds)
    }

    /// Of what was found in so many seconds of processors.
    fn of(found: &[Duration], seconds: f64) -> Self {
        Self {
            per_second: found.len() as f64 / seconds,
            share: found.iter().sum::<Duration>().as_secs_f64() / seconds,
            longest: found.iter().max().copied().unwrap_or_default(),
        }
    }
}

fn watch(duration: Duration) -> Vec<Duration> {
    let (start, mut over) = (Instant::now(), false);
    // With the first look after the end: a stop may last until then.
    stops(std::iter::repeat_with(|| start.elapsed()).take_while(|now| !std::mem::replace(&mut over, *now >= duration)))
}

/// The times between looks at the clock that are too long.
fn stops(looks: impl Iterator<Item = Duration>) -> Vec<Duration> {
    let mut last = Duration::ZERO;
    let between = looks.map(|now| now - std::mem::replace(&mut last, now));
    between.filter(|time| *time >= SHORT).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_long_times_between_two_looks_are_stops() {
        let looks = [10, 480, 979, 1_479, 1_480, 9_480].map(Duration::from_micros);
        assert_eq!(stops(looks.into_iter()), [500, 8_000].map(Duration::from_micros));
    }

    #[test]
    fn what_is_found_is_told_of_one_second_of_one_processor() {
        let found = [2, 6].map(Duration::from_millis).to_vec();
        let Stalls { per_second, share, longest } = Stalls::of(&found, 4.0);
        assert_eq!((per_second, share, longest), (0.5, 0.002, Duration::from_millis(6)));
    }
}
