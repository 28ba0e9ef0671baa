//! The limits of a server, and how long it remembers, as the configuration file names them.

use std::time::Duration;

use serde::Deserialize;

use crate::http::Limits;
use crate::store::{History, SledOptions};
use crate::warden::WardenOptions;

/// `limits:` of the configuration file. What is not named keeps its default; times are in seconds.
#[derive(Clone, Debug, Default, Deserialize)]
#[serde(deny_unknown_fields, rename_all = "kebab-case", default)]
pub(in crate::cli) struct LimitsConfig {
    body_bytes: Option<usize>,
    bulk_body_bytes: Option<usize>,
    evaluations: Option<usize>,
    request_entities: Option<usize>,
    page: Option<usize>,
    search_page: Option<u64>,
    concurrent_requests: Option<usize>,
    reports_per_minute: Option<u32>,
    connections: Option<usize>,
    deadline: Option<u64>,
    bulk_deadline: Option<u64>,
    header_timeout: Option<u64>,
    shutdown_grace: Option<u64>,
    /// What the store may cache of its files.
    store_cache_bytes: Option<u64>,
    /// What entities that are ready to be decided on may take.
    entity_cache_bytes: Option<u64>,
    /// What answers that are kept may take.
    decision_cache_bytes: Option<u64>,
}

impl LimitsConfig {
    /// How to open the store.
    pub fn store(&self) -> SledOptions {
        let default = SledOptions::default();
        SledOptions { cache_capacity: self.store_cache_bytes.unwrap_or(default.cache_capacity), ..default }
    }

    /// What a warden may keep; without a log.
    pub fn warden(&self) -> WardenOptions {
        let default = WardenOptions::default();
        WardenOptions {
            entity_cache_bytes: self.entity_cache_bytes.unwrap_or(default.entity_cache_bytes),
            decision_cache_bytes: self.decision_cache_bytes.unwrap_or(default.decision_cache_bytes),
            ..default
        }
    }

    /// The limits to serve with. That each makes sense is the server's to check.
    pub fn limits(&self) -> Limits {
        let default = Limits::default();
        let seconds = |named: Option<u64>, default: Duration| named.map_or(default, Duration::from_secs);
        Limits {
            body_bytes: self.body_bytes.unwrap_or(default.body_bytes),
            bulk_body_bytes: self.bulk_body_bytes.unwrap_or(default.bulk_body_bytes),
            evaluations: self.evaluations.unwrap_or(default.evaluations),
            request_entities: self.request_entities.unwrap_or(default.request_entities),
            page: self.page.unwrap_or(default.page),
            search_page: seconds(self.search_page, default.search_page),
            concurrent_requests: self.concurrent_requests.unwrap_or(default.concurrent_requests),
            reports_per_minute: self.reports_per_minute.unwrap_or(default.reports_per_minute),
            connections: self.connections.unwrap_or(default.connections),
            deadline: seconds(self.deadline, default.deadline),
            bulk_deadline: seconds(self.bulk_deadline, default.bulk_deadline),
            header_timeout: seconds(self.header_timeout, default.header_timeout),
            shutdown_grace: seconds(self.shutdown_grace, default.shutdown_grace),
            ..default
        }
    }
}

/// `history:` of the configuration file: how long the store's past is kept.
#[derive(Clone, Debug, Default, Deserialize)]
#[serde(deny_unknown_fields, rename_all = "kebab-case", default)]
pub(in crate::cli) struct HistoryConfig {
    max_age_days: Option<u64>,
    /// One for each revision, and one for each entity that it replaced or deleted. 0 keeps no past.
    max_records: Option<u64>,
}

impl HistoryConfig {
    pub fn history(&self) -> History {
        const DAY: u64 = 24 * 60 * 60;
        let default = History::default();
        let max_age = self.max_age_days.map(|days| Duration::from_secs(days.saturating_mul(DAY))).or(default.max_age);
        match self.max_age_days {
            Some(0) => History::OFF,
            _ => History { max_age, max_records: self.max_records.unwrap_or(default.max_records) },
        }
    }
}
