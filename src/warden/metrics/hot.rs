//! What is counted for every question and every request: atomics only, so that counting never makes anybody wait.

use std::fmt;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, OnceLock};
use std::time::Duration;

use prometheus_client::encoding::{EncodeMetric, MetricEncoder, NoLabelSet};
use prometheus_client::metrics::MetricType;

use crate::warden::Api;

/// Upper bounds of times, in nanoseconds: from 1 us on, each twice the one before, up to 8 s.
const TIMES: [u64; 24] = doubled(1_000);
/// Upper bounds of sizes.
const SIZES: [u64; 24] = doubled(1);

const fn doubled(first: u64) -> [u64; 24] {
    let mut bounds = [first; 24];
    let mut at = 1;
    #[expect(clippy::indexing_slicing, reason = "evaluated when this is compiled")]
    while at < bounds.len() {
        bounds[at] = bounds[at - 1] * 2;
        at += 1;
    }
    bounds
}

/// A histogram.
pub struct Distribution {
    bounds: &'static [u64; 24],
    /// So many bounds are shown.
    shown: usize,
    /// What one of what is counted is in the metric's unit.
    unit: f64,
    counts: [AtomicU64; 25],
    sum: AtomicU64,
}

impl Distribution {
    /// Of times, shown in seconds.
    pub fn of_times() -> Self {
        Self::new(&TIMES, TIMES.len(), 1e-9)
    }

    /// Of sizes up to about a thousand.
    pub fn of_sizes() -> Self {
        Self::new(&SIZES, 11, 1.0)
    }

    fn new(bounds: &'static [u64; 24], shown: usize, unit: f64) -> Self {
        let counts = std::array::from_fn(|_| AtomicU64::new(0));
        Self { bounds, shown, unit, counts, sum: AtomicU64::new(0) }
    }

    pub fn time(&self, took: Duration) {
        self.observe(u64::try_from(took.as_nanos()).unwrap_or(u64::MAX));
    }

    pub fn observe(&self, value: u64) {
        let bucket = self.bounds.partition_point(|bound| *bound < value).min(self.shown);
        if let Some(count) = self.counts.get(bucket) {
            count.fetch_add(1, Ordering::Relaxed);
        }
        self.sum.fetch_add(value, Ordering::Relaxed);
    }

    fn write(&self, encoder: &mut MetricEncoder<'_>) -> fmt::Result {
        let bounds = self.bounds.iter().take(self.shown).map(|bound| *bound as f64 * self.unit);
        let buckets: Vec<(f64, u64)> = bounds
            .chain(std::iter::once(f64::MAX))
            .zip(&self.counts)
            .map(|(bound, count)| (bound, count.load(Ordering::Relaxed)))
            .collect();
        let count = buckets.iter().map(|(_, count)| count).sum();
        let sum = self.sum.load(Ordering::Relaxed) as f64 * self.unit;
        encoder.encode_histogram::<NoLabelSet>(sum, count, &buckets, None)
    }
}

impl fmt::Debug for Distribution {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Distribution").finish_non_exhaustive()
    }
}

/// A histogram of sizes. Clones count together.
#[derive(Clone, Debug)]
pub struct Sizes(Arc<Distribution>);

impl Default for Sizes {
    fn default() -> Self {
        Self(Arc::new(Distribution::of_sizes()))
    }
}

impl Sizes {
    pub fn observe(&self, size: u64) {
        self.0.observe(size);
    }
}

impl EncodeMetric for Sizes {
    fn encode(&self, mut encoder: MetricEncoder<'_>) -> fmt::Result {
        self.0.write(&mut encoder)
    }

    fn metric_type(&self) -> MetricType {
        MetricType::Histogram
    }
}

/// Answers through one API.
#[derive(Debug)]
pub struct Answers {
    /// Once one was given.
    api: OnceLock<&'static str>,
    allowed: AtomicU64,
    denied: AtomicU64,
    durations: Distribution,
}

/// Answers by API.
#[derive(Debug)]
pub struct ByApi([Answers; Self::APIS]);

impl ByApi {
    /// More than there are.
    const APIS: usize = 24;

    fn of(&self, api: Api) -> Option<&Answers> {
        let answers = self.0.get(api as usize)?;
        answers.api.get_or_init(|| api.name());
        Some(answers)
    }

    pub fn decided(&self, api: Api, allowed: bool, took: Option<Duration>) {
        let Some(answers) = self.of(api) else {
            return;
        };
        let count = if allowed { &answers.allowed } else { &answers.denied };
        count.fetch_add(1, Ordering::Relaxed);
        if let Some(took) = took {
            answers.durations.time(took);
        }
    }

    fn each(&self) -> impl Iterator<Item = (&'static str, &Answers)> {
        self.0.iter().filter_map(|answers| Some((*answers.api.get()?, answers)))
    }
}

impl Default for ByApi {
    fn default() -> Self {
        Self(std::array::from_fn(|_| Answers {
            api: OnceLock::new(),
            allowed: AtomicU64::new(0),
            denied: AtomicU64::new(0),
            durations: Distribution::of_times(),
        }))
    }
}

/// How many answers there were, by API and decision.
#[derive(Debug)]
pub struct Decisions(pub Arc<ByApi>);

impl EncodeMetric for Decisions {
    fn encode(&self, mut encoder: MetricEncoder<'_>) -> fmt::Result {
        for (api, answers) in self.0.each() {
            for (decision, count) in [("allow", &answers.allowed), ("deny", &answers.denied)] {
                let labels = [("api", api), ("decision", decision)];
                let count = count.load(Ordering::Relaxed);
                encoder.encode_family(&labels)?.encode_counter::<NoLabelSet, _, u64>(&count, None)?;
            }
        }
        Ok(())
    }

    fn metric_type(&self) -> MetricType {
        MetricType::Counter
    }
}

/// How long answers took, by API.
#[derive(Debug)]
pub struct DecisionDurations(pub Arc<ByApi>);

impl EncodeMetric for DecisionDurations {
    fn encode(&self, mut encoder: MetricEncoder<'_>) -> fmt::Result {
        self.0
            .each()
            .try_for_each(|(api, answers)| answers.durations.write(&mut encoder.encode_family(&[("api", api)])?))
    }

    fn metric_type(&self) -> MetricType {
        MetricType::Histogram
    }
}

/// Requests of one route.
#[derive(Debug)]
pub struct RouteMeter {
    method: &'static str,
    /// As in the table of routes.
    route: &'static str,
    /// By the first digit of the status.
    classes: [AtomicU64; 6],
    durations: Distribution,
}

impl RouteMeter {
    pub fn new(method: &'static str, route: &'static str) -> Self {
        let classes = std::array::from_fn(|_| AtomicU64::new(0));
        Self { method, route, classes, durations: Distribution::of_times() }
    }

    pub fn served(&self, status: u16, took: Duration) {
        if let Some(count) = self.classes.get(usize::from(status / 100)) {
            count.fetch_add(1, Ordering::Relaxed);
        }
        self.durations.time(took);
    }
}

/// All routes that are served.
pub type Routes = Arc<parking_lot::RwLock<Vec<Arc<RouteMeter>>>>;

/// How many requests there were, by route, method and class of the status.
#[derive(Debug)]
pub struct Requests(pub Routes);

impl EncodeMetric for Requests {
    fn encode(&self, mut encoder: MetricEncoder<'_>) -> fmt::Result {
        const CLASSES: [&str; 6] = ["0xx", "1xx", "2xx", "3xx", "4xx", "5xx"];
        for meter in self.0.read().iter() {
            for (status, count) in CLASSES.into_iter().zip(&meter.classes) {
                let count = count.load(Ordering::Relaxed);
                if count > 0 {
                    let labels = [("route", meter.route), ("method", meter.method), ("status", status)];
                    encoder.encode_family(&labels)?.encode_counter::<NoLabelSet, _, u64>(&count, None)?;
                }
            }
        }
        Ok(())
    }

    fn metric_type(&self) -> MetricType {
        MetricType::Counter
    }
}

/// How long requests took, by route and method: those that were asked for at all.
#[derive(Debug)]
pub struct RequestDurations(pub Routes);

impl EncodeMetric for RequestDurations {
    fn encode(&self, mut encoder: MetricEncoder<'_>) -> fmt::Result {
        let asked = |meter: &RouteMeter| meter.classes.iter().any(|count| count.load(Ordering::Relaxed) > 0);
        self.0.read().iter().filter(|meter| asked(meter)).try_for_each(|meter| {
            let labels = [("route", meter.route), ("method", meter.method)];
            meter.durations.write(&mut encoder.encode_family(&labels)?)
        })
    }

    fn metric_type(&self) -> MetricType {
        MetricType::Histogram
    }
}
