//! What became of the records, for the metrics.

use prometheus_client::metrics::counter::Counter;
use prometheus_client::metrics::family::Family;

use super::writer::LOG;

/// Counters of a log and its sinks. Clones count together.
#[derive(Clone)]
pub struct Counters {
    /// `decision_log_records_total{sink}`.
    pub records: Family<[(&'static str, &'static str); 1], Counter>,
    /// `decision_log_dropped_total{sink,reason}`.
    pub dropped: Family<[(&'static str, &'static str); 2], Counter>,
}

impl Default for Counters {
    fn default() -> Self {
        let counters = Self { records: Family::default(), dropped: Family::default() };
        // A counter that appears with its first count has no increase to be alarmed by.
        counters.written(LOG, 0);
        counters.dropped(LOG, "queue_full", 0);
        counters.dropped(LOG, "write_failed", 0);
        counters
    }
}

impl Counters {
    pub(super) fn written(&self, sink: &'static str, count: u64) {
        self.records.get_or_create(&[("sink", sink)]).inc_by(count);
    }

    pub(super) fn dropped(&self, sink: &'static str, reason: &'static str, count: u64) {
        self.dropped.get_or_create(&[("sink", sink), ("reason", reason)]).inc_by(count);
    }

    /// How many records a sink lost.
    pub fn lost(&self, sink: &'static str) -> u64 {
        let of = |reason| self.dropped.get_or_create(&[("sink", sink), ("reason", reason)]).get();
        of("queue_full") + of("write_failed")
    }
}
