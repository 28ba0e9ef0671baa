//! How commits do, for the metrics. Only the committer's thread and those who wait for it write here: a commit takes a
//! disk's time, so a lock costs nothing.

use prometheus_client::metrics::gauge::Gauge;
use prometheus_client::metrics::histogram::{Histogram, exponential_buckets};

/// Counts and times of commits. Clones count together.
#[derive(Clone, Debug)]
pub struct Meter {
    /// From handing a batch over until it is durable, in seconds.
    pub commit_seconds: Histogram,
    /// One sync to the disk, in seconds.
    pub flush_seconds: Histogram,
    /// Batches that shared one sync.
    pub group: Histogram,
    /// Batches that wait or are being written. The committer goes by it when it waits for more of them.
    pub waiting: Gauge,
}

impl Default for Meter {
    fn default() -> Self {
        let seconds = || Histogram::new(exponential_buckets(0.000_1, 2.0, 16));
        Self {
            commit_seconds: seconds(),
            flush_seconds: seconds(),
            group: Histogram::new(exponential_buckets(1.0, 2.0, 9)),
            waiting: Gauge::default(),
        }
    }
}
