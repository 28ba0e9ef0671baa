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
        Self {
            per_second: found.len() as f64 / seconds,
            share: found.iter().sum::<Duration>().as_secs_f64() / seconds,
            longest: found.into_iter().max().unwrap_or_default(),
        }
    }
}

fn watch(duration: Duration) -> Vec<Duration> {
    let mut found = Vec::new();
    let start = Instant::now();
    let mut last = start;
    while last - start < duration {
        let now = Instant::now();
        if now - last >= SHORT {
            found.push(now - last);
        }
        last = now;
    }
    found
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn no_more_than_the_time_that_passed_is_lost() {
        let Stalls { per_second, share, longest } = Stalls::measure(Duration::from_millis(50));
        assert!(per_second >= 0.0 && share >= 0.0);
        // The last stop may outlast the time.
        assert!(share * 0.05 <= longest.as_secs_f64() + 0.05, "{share} {longest:?}");
    }
}
