//! What is read when somebody scrapes: how things stand, in the cache, the store, the log and the process.

use std::fmt;
use std::sync::Arc;

use prometheus_client::collector::Collector;
use prometheus_client::encoding::{DescriptorEncoder, EncodeMetric};
use prometheus_client::metrics::counter::ConstCounter;
use prometheus_client::metrics::gauge::ConstGauge;
use prometheus_client::registry::Unit;

use crate::audit::Log;
use crate::process::{cpu_seconds, memory, open_files};
use crate::store::Store;
use crate::warden::cache::FactCache;
use crate::warden::decisions::DecisionCache;

/// What the parts of a warden hold.
pub struct Standing {
    pub store: Arc<dyn Store>,
    pub cache: Arc<FactCache>,
    pub decisions: Arc<DecisionCache>,
    pub audit: Arc<Log>,
}

impl fmt::Debug for Standing {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Standing").finish_non_exhaustive()
    }
}

fn write(
    encoder: &mut DescriptorEncoder<'_>,
    (name, help, unit): (&str, &str, Option<&Unit>),
    metric: &impl EncodeMetric,
) -> fmt::Result {
    metric.encode(encoder.encode_descriptor(name, help, unit, metric.metric_type())?)
}

impl Collector for Standing {
    fn encode(&self, mut encoder: DescriptorEncoder<'_>) -> fmt::Result {
        let e = &mut encoder;
        let (cache, stats, log) = (self.cache.stats(), self.store.stats(), self.audit.waiting());
        let bytes = Some(&Unit::Bytes);
        write(e, ("fact_cache_hits", "Entities found built", None), &ConstCounter::new(cache.hits))?;
        write(e, ("fact_cache_misses", "Entities read from the store", None), &ConstCounter::new(cache.misses))?;
        write(e, ("fact_cache_entries", "Built entities that are kept", None), &ConstGauge::new(cache.entries))?;
        write(e, ("fact_cache_size", "What they take, estimated", bytes), &ConstGauge::new(cache.bytes))?;
        write(e, ("fact_cache_limit", "What they may take", bytes), &ConstGauge::new(cache.limit))?;
        let kept = self.decisions.stats();
        write(e, ("decision_cache_hits", "Questions answered as before", None), &ConstCounter::new(kept.hits))?;
        write(e, ("decision_cache_misses", "Questions not asked before", None), &ConstCounter::new(kept.misses))?;
        write(e, ("decision_cache_stale", "Answers that held no longer", None), &ConstCounter::new(kept.stale))?;
        write(e, ("decision_cache_entries", "Answers that are kept", None), &ConstGauge::new(kept.entries))?;
        write(e, ("decision_cache_size", "What they take, estimated", bytes), &ConstGauge::new(kept.bytes))?;
        write(e, ("decision_cache_limit", "What they may take", bytes), &ConstGauge::new(kept.limit))?;
        write(e, ("store_tombstones", "Deleted ids, kept for good", None), &ConstGauge::new(stats.tombstones))?;
        write(e, ("store_size", "The store's files", bytes), &ConstGauge::new(stats.bytes))?;
        let (records, size) = (log.records, log.bytes);
        write(e, ("decision_log_queue_records", "Records that wait to be written", None), &ConstGauge::new(records))?;
        write(e, ("decision_log_queue_size", "What they take", bytes), &ConstGauge::new(size))?;
        let failing = u64::from(self.audit.status().is_some_and(|status| status.fault.is_some()));
        write(e, ("decision_log_failing", "1 while nothing can be written", None), &ConstGauge::new(failing))
    }
}

/// This process, by the names that every program uses for it.
#[derive(Debug)]
pub struct OwnProcess {
    /// In seconds since 1970.
    pub started: f64,
}

impl Collector for OwnProcess {
    fn encode(&self, mut encoder: DescriptorEncoder<'_>) -> fmt::Result {
        let e = &mut encoder;
        let own = std::process::id();
        let (bytes, seconds) = (Some(&Unit::Bytes), Some(&Unit::Seconds));
        write(e, ("process_start_time", "When it started", seconds), &ConstGauge::new(self.started))?;
        if let Some(memory) = memory(own) {
            write(e, ("process_resident_memory", "Memory that it holds", bytes), &ConstGauge::new(memory.now))?;
            let size = ConstGauge::new(memory.virtual_size);
            write(e, ("process_virtual_memory", "Memory that it has addresses for", bytes), &size)?;
        }
        if let Some(cpu) = cpu_seconds(own) {
            write(e, ("process_cpu", "Processor time", seconds), &ConstCounter::new(cpu))?;
        }
        if let Some(files) = open_files(own) {
            write(e, ("process_open_fds", "Files and connections that are open", None), &ConstGauge::new(files.now))?;
            write(e, ("process_max_fds", "How many may be", None), &ConstGauge::new(files.limit))?;
        }
        Ok(())
    }
}
