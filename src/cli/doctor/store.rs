//! What a store tells once it is open: records, policies, keys, tokens. Nothing is written.

use std::path::Path;
use std::sync::Arc;
use std::time::Instant;

use jiff::Timestamp;

use super::{DoctorArgs, Findings, shown};
use crate::cli::Setting;
use crate::cli::data::Missing;
use crate::cli::serve::GateSpec;
use crate::clock::{Clock, SystemClock};
use crate::hub::{KeyState, hygiene, key_state};
use crate::pdp::{Bundle, lint};
use crate::store::{ListQuery, Store};
use crate::warden::{self, ApiKey, Keys, Scope, stored_bundle};

/// Stores of at most so many entities are read whole without being asked for.
const QUICK: u64 = 200_000;
/// So many entities are held against the schema, and tokens looked at, when not all are.
const SAMPLE: usize = 10_000;
/// A key that is older wants to be replaced.
const OLD_KEY_DAYS: i64 = 365;

pub(super) fn look(dir: &Path, args: &DoctorArgs, setting: &Setting, findings: &mut Findings) {
    let started = Instant::now();
    let store = match args.data.open(setting, Missing::Refuse) {
        Ok(store) => store,
        Err(failure) => return unopened(&failure.to_string(), findings),
    };
    let stats = store.stats();
    findings.ok(
        "store",
        format!(
            "opens in {:.1} s: {} entities, {} deleted ids, revision {}",
            started.elapsed().as_secs_f64(),
            stats.entities,
            stats.tombstones,
            store.read().map_or(0, |reader| reader.revision().0),
        ),
    );
    records(store.as_ref(), args.full, findings);
    policies(store.as_ref(), args, setting, findings);
    gate(setting, findings);
    let now = SystemClock.now();
    keys(&store, now, setting, findings);
    tokens(dir, store.as_ref(), now, args, setting, findings);
    if let Err(error) = store.close() {
        findings.fail("store", format!("it does not close: {error}"), "look at the disk, and at the system's log");
    }
}

fn unopened(error: &str, findings: &mut Findings) {
    let what = error.strip_prefix("error: ").unwrap_or(error);
    match what.contains("held by another process") {
        true => findings.skip("store", what, "ask the server about the rest: `hubwarden doctor --server URL`"),
        false => findings.fail("store", what, "restore a backup into a new folder, and keep this one as it is"),
    }
}

/// Every record's checksum, or those of a part.
fn records(store: &dyn Store, full: bool, findings: &mut Findings) {
    let entities = store.stats().entities;
    if full || entities <= QUICK {
        match store.verify() {
            Ok(count) => findings.ok("records", format!("all {count} are whole")),
            Err(error) => {
                findings.fail("records", error.to_string(), "restore a backup; nothing is decided on this record")
            }
        }
        return;
    }
    let read = store.read().and_then(|reader| reader.list(&ListQuery::default(), None, SAMPLE));
    match read {
        Ok(sample) => findings.skip(
            "records",
            format!("the first {} of {entities} entities are whole", sample.len()),
            "`hubwarden doctor --full` reads all of them",
        ),
        Err(error) => {
            findings.fail("records", error.to_string(), "restore a backup; nothing is decided on this record")
        }
    }
}

/// The policies that would be served, and whether what is stored fits their schema.
fn policies(store: &dyn Store, args: &DoctorArgs, setting: &Setting, findings: &mut Findings) {
    let named = match args.bundle.paths(setting) {
        Ok(named) => named,
        Err(failure) => return findings.fail("policies", failure.to_string(), "name both or neither"),
    };
    let (source, whose) = match (&named, stored_bundle(store)) {
        (Some((policies, _)), _) => (args.bundle.source(setting), format!("in {}", shown(policies))),
        (None, Ok(Some(stored))) => (Ok(stored), "in the store".to_owned()),
        (None, Ok(None)) => (args.bundle.source(setting), "inside the program".to_owned()),
        (None, Err(error)) => return findings.fail("policies", error.to_string(), "restore a backup"),
    };
    let source = match source {
        Ok(source) => source,
        Err(failure) => return findings.fail("policies", failure.to_string(), "correct `policies` and `schema`"),
    };
    let bundle = match Bundle::build(source) {
        Ok(bundle) => bundle,
        Err(faults) => {
            return findings.fail("policies", faults.to_string(), "correct them; `hubwarden validate` shows all");
        }
    };
    let count = bundle.policies().count();
    let what = format!("{count} {whose}, valid, {}", bundle.hash());
    match lint(&bundle).map(|lints| lints.len()) {
        Ok(0) => findings.ok("policies", what),
        Ok(lints) => findings.warn("policies", format!("{what}; lint finds {lints}"), "`hubwarden lint` shows them"),
        Err(error) => findings.warn("policies", format!("{what}; lint gave up: {error}"), "`hubwarden lint`"),
    }
    conforming(store, &bundle, args.full, findings);
    properties(named.as_ref().map(|(policies, _)| policies.as_path()), findings);
}

/// What is to be proven of the policies. Proving takes a solver and minutes: it is not done here.
fn properties(folder: Option<&Path>, findings: &mut Findings) {
    let files = match folder {
        None => Ok(warden::embedded_properties().len()),
        Some(folder) if folder.join("properties").is_dir() => {
            warden::properties(&folder.join("properties")).map(|files| files.len())
        }
        Some(_) => Ok(0),
    };
    match files {
        Ok(0) => findings.warn(
            "properties",
            "nothing is said of what must hold of the policies",
            "write it in `properties/` beside them, and let `hubwarden prove` check it for every question there is",
        ),
        Ok(files) => findings.ok("properties", format!("{files} files; `hubwarden prove` checks them")),
        Err(error) => findings.fail("properties", error.to_string(), "correct them"),
    }
}

fn conforming(store: &dyn Store, bundle: &Bundle, full: bool, findings: &mut Findings) {
    let admission = bundle.admission();
    let (mut looked, mut faults, mut first, mut after) = (0_usize, 0_usize, None, None);
    loop {
        let page = store.read().and_then(|reader| reader.list(&ListQuery::default(), after.as_ref(), 1_000));
        // Damage was told above.
        let Ok(page) = page else { return };
        let Some(last) = page.last() else { break };
        after = Some(last.entity.uid.clone());
        for stored in &page {
            looked += 1;
            if let Err(fault) = admission.check(&stored.entity) {
                faults += 1;
                first.get_or_insert_with(|| format!("{}: {fault}", stored.entity.uid));
            }
        }
        if !full && looked >= SAMPLE {
            break;
        }
    }
    match first {
        None => findings.ok("schema", format!("{looked} entities conform to it")),
        Some(first) => findings.fail(
            "schema",
            format!("{faults} of {looked} entities do not conform to it, first {first}"),
            "a server refuses this schema: correct the entities, or serve the policies that they were stored under",
        ),
    }
}

fn gate(setting: &Setting, findings: &mut Findings) {
    let named = std::env::var("HUBWARDEN_GATE").ok().filter(|text| !text.is_empty());
    let gate = match named.map(|text| text.parse::<GateSpec>()) {
        Some(Ok(gate)) => Some(gate),
        Some(Err(fault)) => return findings.fail("gate", format!("HUBWARDEN_GATE: {fault}"), "correct it"),
        None => setting.config.gate.clone(),
    };
    match gate.map(|gate| gate.tests) {
        Some(Some(suites)) if suites.is_dir() => findings.ok("gate", format!("policies must pass {}", shown(&suites))),
        Some(Some(suites)) => findings.fail("gate", format!("there is no folder {}", shown(&suites)), "correct `gate`"),
        Some(None) => findings.ok("gate", "policies must flip none of the recorded questions"),
        None => findings.warn(
            "gate",
            "policies take over untested",
            "`serve --gate DIR` names suites that they must pass; `hubwarden new test` starts one",
        ),
    }
}

fn keys(store: &Arc<dyn Store>, now: Timestamp, setting: &Setting, findings: &mut Findings) {
    let keys = match Keys::open(Arc::clone(store), Arc::new(SystemClock)) {
        Ok(keys) => keys.list(),
        Err(error) => return findings.fail("keys", error.to_string(), "restore a backup"),
    };
    if keys.is_empty() && setting.config.listen.is_some_and(|listen| !listen.ip().is_loopback()) {
        return findings.fail(
            "keys",
            "there is no API key, so a server will not listen where the configuration says",
            "`hubwarden key create --name NAME --scope SCOPE`",
        );
    }
    judge_keys(&keys, now, findings);
}

/// How many keys there are, how old, and how far they reach.
pub(super) fn judge_keys(keys: &[ApiKey], now: Timestamp, findings: &mut Findings) {
    if keys.is_empty() {
        return findings.warn(
            "keys",
            "there is no API key: whoever is on the server's machine may do everything",
            "`hubwarden key create --name NAME --scope SCOPE`, one for each service",
        );
    }
    let named = |keys: &[&ApiKey]| -> String {
        let names: Vec<String> = keys.iter().take(5).map(|key| format!("{} ({})", key.name, key.id)).collect();
        names.join(", ") + if keys.len() > 5 { ", …" } else { "" }
    };
    let age = |key: &ApiKey| (now.as_second() - key.created_at.as_second()) / 86_400;
    let oldest = keys.iter().map(age).max().unwrap_or_default();
    findings.ok("keys", format!("{}; the oldest is {oldest} days old", keys.len()));
    let old: Vec<&ApiKey> = keys.iter().filter(|key| age(key) > OLD_KEY_DAYS).collect();
    if !old.is_empty() {
        let what = format!("older than a year: {}", named(&old));
        findings.warn("keys", what, "create another, hand it out, and delete the old one");
    }
    // Asking all day with a key that may also change the rules: one leak, and everything is open.
    let wide = |key: &&ApiKey| key.scopes.contains(&Scope::Evaluate) && key.scopes.contains(&Scope::Admin);
    let wide: Vec<&ApiKey> = keys.iter().filter(wide).collect();
    if !wide.is_empty() {
        findings.warn(
            "keys",
            format!("may ask and administer at once: {}", named(&wide)),
            "services that ask need `evaluate` alone; keep `admin` for people, in a key of its own",
        );
    }
    let future: Vec<&ApiKey> = keys.iter().filter(|key| age(key) < -1).collect();
    if !future.is_empty() {
        findings.fail("clock", format!("keys were made in the future: {}", named(&future)), "set the clock");
    }
}

fn tokens(
    dir: &Path,
    store: &dyn Store,
    now: Timestamp,
    args: &DoctorArgs,
    setting: &Setting,
    findings: &mut Findings,
) {
    // A key that cannot be read was told before.
    if let Ok((path, key)) = args.hub.key(dir, setting) {
        let path = shown(&path);
        match key_state(store, key.as_ref()) {
            Ok(KeyState::NotNeeded | KeyState::Right) => {}
            Ok(KeyState::Missing) => findings.fail(
                "token key",
                format!("the key of this store's tokens is not in {path}: every token is dead"),
                "restore it, or name its file with `--token-key-file`",
            ),
            Ok(KeyState::Other) => findings.fail(
                "token key",
                format!("{path} is not the key of this store's tokens: every token is dead"),
                "restore the one that the store was made with",
            ),
            Err(error) => findings.fail("token key", error.to_string(), "restore a backup"),
        }
    }
    let limit = if args.full { u64::MAX } else { SAMPLE as u64 };
    let found = match hygiene(store, now, limit) {
        Ok(found) => found,
        Err(error) => return findings.fail("tokens", error.to_string(), "restore a backup"),
    };
    let looked = format!("of {}{} tokens", if found.more { "the first " } else { "" }, found.tokens);
    let quiet = found.without_end + found.unused + found.from_the_future + found.unreadable == 0;
    if quiet {
        let what = format!("{looked}: all end, none is forgotten, {} have ended", found.expired);
        return findings.ok("tokens", what);
    }
    if found.without_end > 0 {
        let what = format!(
            "{looked}: {} never expire, {} of these may write everything",
            found.without_end, found.without_end_and_write
        );
        findings.warn("tokens", what, "make them with `--expires`, or let an organization ask for approval");
    }
    if found.unused > 0 {
        let what = format!("{looked}: {} were not used for half a year", found.unused);
        findings.warn("tokens", what, "ask their owners to delete them");
    }
    if found.from_the_future > 0 {
        findings.fail("clock", format!("{looked}: {} were made in the future", found.from_the_future), "set the clock");
    }
    if found.unreadable > 0 {
        let what = format!("{looked}: {} are not as this version writes them", found.unreadable);
        findings.warn("tokens", what, "they authorize by what the policies see; put them again");
    }
}
