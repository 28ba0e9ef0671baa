//! Counters in Prometheus' form. Labels name APIs and outcomes, never principals or resources.

mod hot;
mod standing;

use std::sync::Arc;
use std::sync::atomic::AtomicU64;

use jiff::Timestamp;
use prometheus_client::encoding::text::{encode_eof, encode_registry};
use prometheus_client::metrics::counter::Counter;
use prometheus_client::metrics::family::Family;
use prometheus_client::metrics::gauge::Gauge;
use prometheus_client::metrics::histogram::{Histogram, exponential_buckets};
use prometheus_client::registry::{Registry, Unit};

use super::search::FoundPage;
use super::session::{Api, Ruling};
use crate::pdp::Bundle;
use crate::store::{Revision, Stats};
pub use hot::RouteMeter;
use hot::{ByApi, DecisionDurations, Decisions, RequestDurations, Requests, Routes, Sizes};
use standing::OwnProcess;
pub(super) use standing::Standing;

type Labels<const N: usize> = [(&'static str, &'static str); N];

/// The process's metrics, all named `hubwarden_…`.
pub struct Metrics {
    registry: Registry,
    /// Metrics without our prefix.
    process: Registry,
    answers: Arc<ByApi>,
    slices: Sizes,
    routes: Routes,
    in_flight: Gauge,
    errors: Family<Labels<1>, Counter>,
    changes: Counter,
    reloads: Family<Labels<1>, Counter>,
    reload_success: Gauge<f64, AtomicU64>,
    bundles: Family<Vec<(&'static str, String)>, Gauge>,
    policies: Gauge,
    entities: Gauge,
    revision: Gauge,
    past: Gauge,
    credentials: Family<Labels<1>, Counter>,
    auth_failures: Family<Labels<1>, Counter>,
    rejected: Family<Labels<1>, Counter>,
    shadow: Family<Labels<1>, Counter>,
    batch_size: Sizes,
    searches: Family<Labels<2>, Counter>,
    search_durations: Family<Labels<1>, Histogram, fn() -> Histogram>,
    search_results: Sizes,
    search_decided: Counter,
    search_cut: Counter,
}

fn search_durations() -> Histogram {
    Histogram::new(exponential_buckets(0.000_005, 2.0, 20))
}

impl Metrics {
    pub(super) fn new(bundle: &Bundle, now: Timestamp, standing: Standing) -> Self {
        let metrics = Self {
            registry: Registry::with_prefix("hubwarden"),
            process: Registry::default(),
            answers: Arc::default(),
            slices: Sizes::default(),
            routes: Routes::default(),
            in_flight: Gauge::default(),
            errors: Family::default(),
            changes: Counter::default(),
            reloads: Family::default(),
            reload_success: Gauge::default(),
            bundles: Family::default(),
            policies: Gauge::default(),
            entities: Gauge::default(),
            revision: Gauge::default(),
            past: Gauge::default(),
            credentials: Family::default(),
            auth_failures: Family::default(),
            rejected: Family::default(),
            shadow: Family::default(),
            batch_size: Sizes::default(),
            searches: Family::default(),
            search_durations: Family::new_with_constructor(search_durations),
            search_results: Sizes::default(),
            search_decided: Counter::default(),
            search_cut: Counter::default(),
        };
        metrics.in_force(bundle, now);
        metrics.registered(standing, now)
    }

    fn registered(mut self, standing: Standing, now: Timestamp) -> Self {
        let build: Family<Labels<1>, Gauge> = Family::default();
        build.get_or_create(&[("version", env!("CARGO_PKG_VERSION"))]).set(1);
        // A counter that appears with its first count has no increase to be alarmed by.
        ["dangling", "evaluation"].iter().for_each(|kind| drop(self.errors.get_or_create(&[("kind", kind)])));
        ["success", "failure"].iter().for_each(|result| drop(self.reloads.get_or_create(&[("result", result)])));
        ["missing", "unknown", "scope"]
            .iter()
            .for_each(|why| drop(self.auth_failures.get_or_create(&[("reason", why)])));
        ["same", "widened", "narrowed", "other_reason", "error", "dropped"]
            .iter()
            .for_each(|result| drop(self.shadow.get_or_create(&[("result", result)])));
        drop(self.rejected.get_or_create(&[("reason", "overloaded")]));
        let r = &mut self.registry;
        r.register("decisions", "Answered questions", Decisions(Arc::clone(&self.answers)));
        let durations = DecisionDurations(Arc::clone(&self.answers));
        r.register_with_unit("decision_duration", "Time to answer", Unit::Seconds, durations);
        r.register("slice_entities", "Entities that one question needed that was decided anew", self.slices.clone());
        r.register("http_requests", "Requests", Requests(Arc::clone(&self.routes)));
        let durations = RequestDurations(Arc::clone(&self.routes));
        r.register_with_unit("http_request_duration", "Time from head to answer", Unit::Seconds, durations);
        r.register("requests_in_flight", "Requests that are worked on", self.in_flight.clone());
        r.register("evaluation_errors", "Policies that could not be evaluated", self.errors.clone());
        r.register("entity_changes", "Entities created, replaced or deleted", self.changes.clone());
        r.register("policy_reload", "Attempts to take over a bundle", self.reloads.clone());
        r.register_with_unit(
            "policy_last_reload_success_timestamp",
            "When the bundle in force took over",
            Unit::Seconds,
            self.reload_success.clone(),
        );
        r.register("revision_info", "The bundle in force", self.bundles.clone());
        r.register("policies", "Policies in force", self.policies.clone());
        r.register("entities", "Stored entities", self.entities.clone());
        r.register("history_records", "Records of the store's past", self.past.clone());
        r.register("store_revision", "The store's head revision", self.revision.clone());
        r.register("auth_failures", "Requests without a valid key for their route", self.auth_failures.clone());
        r.register("credentials", "Credentials that clients presented", self.credentials.clone());
        r.register("requests_rejected", "Requests over a limit or malformed", self.rejected.clone());
        r.register("shadow_decisions", "What shadow policies would have answered", self.shadow.clone());
        r.register("batch_size", "Questions in one batch", self.batch_size.clone());
        r.register("searches", "Pages of searches, by how candidates were found", self.searches.clone());
        r.register_with_unit(
            "search_duration",
            "Time to answer a page of a search",
            Unit::Seconds,
            self.search_durations.clone(),
        );
        r.register("search_results", "Results on one page", self.search_results.clone());
        r.register("search_candidates", "Candidates that were decided", self.search_decided.clone());
        r.register("search_truncated", "Pages that ended before they were full", self.search_cut.clone());
        r.register("build_info", "This program", build);
        let audit = standing.audit.counters();
        r.register("decision_log_records", "Records written", audit.records.clone());
        r.register("decision_log_dropped", "Records lost", audit.dropped.clone());
        if let Some(meter) = standing.store.meter() {
            let (commit, flush) = (meter.commit_seconds.clone(), meter.flush_seconds.clone());
            r.register_with_unit("store_commit_duration", "Time until a change is durable", Unit::Seconds, commit);
            r.register_with_unit("store_flush_duration", "Time of a sync to the disk", Unit::Seconds, flush);
            r.register("store_commit_group_size", "Changes that shared a sync", meter.group.clone());
            r.register("store_commits_waiting", "Changes that are not durable yet", meter.waiting.clone());
        }
        r.register_collector(Box::new(standing));
        self.process.register_collector(Box::new(OwnProcess { started: seconds(now) }));
        self
    }

    pub(super) fn decided(&self, api: Api, ruling: &Ruling) {
        self.answers.decided(api, ruling.answer.allowed(), Some(ruling.took));
        for error in &ruling.answer.errors {
            let kind = if error.dangling { "dangling" } else { "evaluation" };
            self.errors.get_or_create(&[("kind", kind)]).inc();
        }
    }

    pub(super) fn denied_unasked(&self, api: Api) {
        self.answers.decided(api, false, None);
    }

    pub(super) fn searched(&self, api: Api, found: &FoundPage) {
        self.searches.get_or_create(&[("api", api.name()), ("way", found.way.name())]).inc();
        self.search_durations.get_or_create(&[("way", found.way.name())]).observe(found.took.as_secs_f64());
        self.search_results.observe(found.results.len() as u64);
        self.search_decided.inc_by(found.decided);
        self.search_cut.inc_by(u64::from(found.cut));
    }

    pub(super) fn changed(&self, count: usize) {
        self.changes.inc_by(count as u64);
    }

    pub(super) fn reloaded(&self, success: bool, bundle: &Bundle, now: Timestamp) {
        let result = if success { "success" } else { "failure" };
        self.reloads.get_or_create(&[("result", result)]).inc();
        if success {
            self.in_force(bundle, now);
        }
    }

    fn in_force(&self, bundle: &Bundle, now: Timestamp) {
        self.reload_success.set(seconds(now));
        self.bundles.clear();
        self.bundles.get_or_create(&vec![("revision", bundle.hash().to_owned())]).set(1);
        self.policies.set(i64::try_from(bundle.policies().count()).unwrap_or(i64::MAX));
    }

    /// A request without a valid key: `reason` is `missing`, `unknown` or `scope`.
    pub fn auth_failed(&self, reason: &'static str) {
        self.auth_failures.get_or_create(&[("reason", reason)]).inc();
    }

    /// What a client presented turned out to be: `token`, `nothing` or `dead`.
    pub fn presented(&self, result: &'static str) {
        self.credentials.get_or_create(&[("result", result)]).inc();
    }

    /// A request that was refused before it was answered, e.g. `body_too_large`.
    pub fn rejected(&self, reason: &'static str) {
        self.rejected.get_or_create(&[("reason", reason)]).inc();
    }

    /// What shadow policies would have answered: `same`, `widened`, `narrowed`, …
    pub(super) fn shadowed(&self, result: &'static str) {
        self.shadow.get_or_create(&[("result", result)]).inc();
    }

    /// The number of questions in a batch.
    pub fn batch(&self, size: usize) {
        self.batch_size.observe(size as u64);
    }

    /// The number of entities that one question needed.
    pub(super) fn sliced(&self, entities: u64) {
        self.slices.observe(entities);
    }

    /// The meter of a route that is going to be served.
    pub fn route(&self, method: &'static str, route: &'static str) -> Arc<RouteMeter> {
        let meter = Arc::new(RouteMeter::new(method, route));
        self.routes.write().push(Arc::clone(&meter));
        meter
    }

    /// How many requests are worked on, as far as the one who serves knows.
    pub fn in_flight(&self, count: usize) {
        self.in_flight.set(i64::try_from(count).unwrap_or(i64::MAX));
    }

    /// The text that Prometheus scrapes.
    pub fn scrape(&self, stats: Stats, revision: Revision) -> String {
        self.entities.set(i64::try_from(stats.entities).unwrap_or(i64::MAX));
        self.past.set(i64::try_from(stats.past).unwrap_or(i64::MAX));
        self.revision.set(i64::try_from(revision.0).unwrap_or(i64::MAX));
        let mut text = String::new();
        let registries = [&self.registry, &self.process];
        let written = registries.iter().try_for_each(|registry| encode_registry(&mut text, registry));
        match written.and_then(|()| encode_eof(&mut text)) {
            Ok(()) => text,
            Err(error) => format!("# metrics could not be written: {error}\n"),
        }
    }
}

fn seconds(at: Timestamp) -> f64 {
    at.as_millisecond() as f64 / 1_000.0
}
