//! What a running server tells whoever has a key.

use std::collections::BTreeMap;

use serde_json::Value as Json;

use super::store::judge_keys;
use super::{Findings, bytes};
use crate::cli::client::{Client, Refusal};
use crate::clock::{Clock, SystemClock};
use crate::warden::ApiKey;

/// Clocks of machines may differ by so many seconds.
const DRIFT: i64 = 120;

pub(super) fn look(client: &Client, findings: &mut Findings) {
    if !client.is_private() {
        findings.warn(
            "transport",
            "keys go over plain HTTP to another machine",
            "put what ends TLS before the server, and name it with https://",
        );
    }
    match client.get("/health/ready", &[]) {
        Ok(ready) => health(&ready, findings),
        Err(refusal) if refusal.status == 503 => {
            findings.fail(
                "server",
                "it runs, and is not ready",
                "its log says why: a store or a decision log that fails",
            );
        }
        Err(refusal) => {
            return findings.fail("server", refusal.message, "is it running, and is this its address?");
        }
    }
    match client.get("/v1/keys", &[]) {
        Ok(answer) => match serde_json::from_value::<Vec<ApiKey>>(answer.get("keys").cloned().unwrap_or_default()) {
            Ok(keys) => judge_keys(&keys, SystemClock.now(), findings),
            Err(error) => {
                findings.fail("keys", format!("the answer is not understood: {error}"), "is it this version?")
            }
        },
        Err(refusal) => hidden("keys", "admin", &refusal, findings),
    }
    match client.text("/metrics") {
        Ok((text, date)) => {
            clock(date.as_deref(), findings);
            metrics(&Samples::of(&text), findings);
        }
        Err(refusal) => hidden("metrics", "read", &refusal, findings),
    }
}

fn hidden(check: &'static str, scope: &str, refusal: &Refusal, findings: &mut Findings) {
    match refusal.status {
        401 | 403 => {
            let mend = format!("a key with the scope `{scope}` lets it be looked at: `--key-file FILE`");
            findings.skip(check, refusal.message.clone(), &mend);
        }
        _ => findings.fail(check, refusal.message.clone(), "look at the server's log"),
    }
}

fn health(ready: &Json, findings: &mut Findings) {
    let text = |pointer: &str| ready.pointer(pointer).and_then(Json::as_str);
    let number = |pointer: &str| ready.pointer(pointer).and_then(Json::as_u64).unwrap_or_default();
    let Some(version) = text("/version") else {
        findings.ok("server", "ready");
        return findings.skip(
            "policies",
            "the server tells nothing to those without a key",
            "name one: `--key-file FILE`",
        );
    };
    findings.ok(
        "server",
        format!("hubwarden {version}, ready: {} entities, revision {}", number("/entities"), number("/revision")),
    );
    let origin = text("/bundle/origin/from").unwrap_or("-");
    let loaded = text("/bundle/loaded_at").unwrap_or("-");
    let what = format!("{} from {origin}, taken over at {loaded}", number("/bundle/policies"));
    match text("/bundle/failure/message") {
        None => findings.ok("policies", what),
        Some(failure) => findings.fail(
            "policies",
            format!("{what}; newer ones were refused at {}:\n{failure}", text("/bundle/failure/at").unwrap_or("-")),
            "correct them: the last good ones stay in force until then",
        ),
    }
    match (text("/audit/mode"), text("/audit/fault")) {
        (None, _) => findings.warn("log", "no decision is recorded", "`--audit-mode spill` costs an answer no disk"),
        (Some(mode), None) => findings.ok("log", format!("mode {mode}, writing")),
        (Some(mode), Some(fault)) => {
            findings.fail("log", format!("mode {mode}, and it cannot write: {fault}"), "is the disk full?");
        }
    }
}

/// The server's clock, by the header `Date`.
fn clock(date: Option<&str>, findings: &mut Findings) {
    let Some(date) = date.and_then(|date| jiff::fmt::rfc2822::parse(date).ok()) else {
        return findings.skip("clock", "the server does not tell its time", "compare by hand");
    };
    let apart = (SystemClock.now().as_second() - date.timestamp().as_second()).abs();
    match apart {
        apart if apart > DRIFT => findings.fail(
            "clock",
            format!("the server's clock and this one are {apart} seconds apart"),
            "set the one that is wrong: tokens expire by the server's",
        ),
        apart => findings.ok("clock", format!("{apart} seconds apart from this machine's")),
    }
}

/// The sums of samples by name.
struct Samples(BTreeMap<String, f64>);

impl Samples {
    fn of(text: &str) -> Self {
        let mut samples = BTreeMap::new();
        for line in text.lines().filter(|line| !line.starts_with('#')) {
            let name = line.split(['{', ' ']).next().unwrap_or_default();
            let value = line.rsplit(' ').next().and_then(|value| value.parse::<f64>().ok()).unwrap_or_default();
            *samples.entry(name.to_owned()).or_default() += value;
            // One reason has a meaning of its own.
            if line.contains("reason=\"overloaded\"") {
                samples.insert("overloaded".to_owned(), value);
            }
        }
        Self(samples)
    }

    fn get(&self, name: &str) -> f64 {
        self.0.get(name).copied().unwrap_or_default()
    }
}

fn metrics(samples: &Samples, findings: &mut Findings) {
    let get = |name: &str| samples.get(name);
    let whole = |name: &str| samples.get(name).max(0.0) as u64;
    let errors = whole("hubwarden_evaluation_errors_total");
    match errors {
        0 => findings.ok("decisions", format!("{} so far, none with an error", whole("hubwarden_decisions_total"))),
        errors => findings.fail(
            "decisions",
            format!("{errors} times a policy could not be evaluated since the server started; each was a deny"),
            "the server's log names policy and decision; `hubwarden prove` finds policies that can fail",
        ),
    }
    match whole("hubwarden_decision_log_dropped_total") {
        0 => {}
        lost => findings.fail(
            "log",
            format!("{lost} records were lost since the server started"),
            "mode `block` loses none; `audit: queue-bytes` gives the others more room",
        ),
    }
    match whole("overloaded") {
        0 => {}
        times => findings.warn(
            "load",
            format!("{times} requests were turned away since the server started: too many at once"),
            "raise `limits: concurrent-requests`, or share the load",
        ),
    }
    let (open, limit) = (get("process_open_fds"), get("process_max_fds"));
    if limit > 0.0 {
        let what = format!("{open} of {limit} are open");
        match open / limit > 0.8 {
            true => findings.warn("files", what, "raise `LimitNOFILE` of the server, or lower `limits: connections`"),
            false => findings.ok("files", what),
        }
    }
    let (hits, misses) = (get("hubwarden_fact_cache_hits_total"), get("hubwarden_fact_cache_misses_total"));
    let (held, room) = (get("hubwarden_fact_cache_size_bytes"), get("hubwarden_fact_cache_limit_bytes"));
    if hits + misses > 0.0 {
        let share = hits / (hits + misses);
        let what = format!("{:.0} % of the entities were found built; {} held", share * 100.0, bytes(held as u64));
        match share < 0.5 && held > room * 0.9 {
            true => findings.warn("cache", what, "raise `limits: entity-cache-bytes`, if there is memory"),
            false => findings.ok("cache", what),
        }
    }
    if whole("process_resident_memory_bytes") > 0 {
        findings.ok("memory", format!("{} held by the server", bytes(whole("process_resident_memory_bytes"))));
    }
}
