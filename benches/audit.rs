//! What the decision log costs: a decision in each mode, alone and with many at once.
//!
//! `cargo bench --bench audit`. `alone` is one thread that waits for each answer; `together` is 256 threads, so that
//! `block` shows what a group commit is worth. Compare with `off`, not with other machines.
#![allow(clippy::expect_used, reason = "a bench stops when its world is not as it should be")]

use std::hint::black_box;
use std::sync::Arc;
use std::time::Instant;

use criterion::{Criterion, Throughput, criterion_group, criterion_main};
use hubwarden::audit::{AuditKey, Log, Mode, Settings};
use hubwarden::clock::SystemClock;
use hubwarden::entity::{Record, Uid};
use hubwarden::pdp::Bundle;
use hubwarden::store::{Batch, MemoryStore};
use hubwarden::warden::{Api, Asked, BundleOrigin, Warden, WardenOptions, embedded};
use serde_json::json;

/// As many requests as a server works on at once.
const THREADS: usize = 256;

fn warden(dir: &std::path::Path, mode: Option<Mode>) -> Warden {
    let audit = match mode {
        None => Log::off(),
        Some(mode) => {
            let key = AuditKey::random().expect("randomness");
            let settings = Settings { mode, ..Settings::default() };
            Log::open(dir, key, "bench", settings, Arc::new(SystemClock)).expect("a new log")
        }
    };
    let store = Arc::new(MemoryStore::new().expect("a new store"));
    let bundle = Bundle::build(embedded()).expect("the hub's bundle");
    let (origin, clock) = (BundleOrigin::Embedded, Arc::new(SystemClock));
    let options = WardenOptions { audit: Arc::new(audit), ..WardenOptions::default() };
    let warden = Warden::with(store, bundle, origin, clock, options).expect("a new store fits any schema");
    let bundle = warden.bundle();
    let mut batch = Batch::new();
    let user = json!({"uid": {"type": "Hub::User", "id": "alice"}, "attrs": {}, "parents": []});
    let repo = json!({"uid": {"type": "Hub::Repo", "id": "models/alice/m"}, "attrs": {
        "kind": {"type": "Hub::RepoKind", "id": "model"}, "user": {"type": "Hub::User", "id": "alice"},
        "creator": {"type": "Hub::User", "id": "alice"}, "visibility": {"type": "Hub::Visibility", "id": "private"},
        "disabled": false, "discussions": true}, "parents": [{"type": "Hub::User", "id": "alice"}]});
    for entity in [user, repo] {
        batch.put(&bundle.admission().entity(&entity).expect("it fits the schema"));
    }
    warden.load(batch, bundle.schema_hash()).expect("the store takes them");
    warden
}

fn ask(warden: &Warden) {
    let asked = Asked {
        principal: Uid::new("Hub::User", "alice"),
        action: Uid::new("Hub::Action", "repo.content.read"),
        resource: Uid::new("Hub::Repo", "models/alice/m"),
        context: Record::new(),
        entities: Vec::new(),
    };
    let ruling = warden.session(Api::Cli, None).expect("open").ask(asked).expect("answered");
    assert!(black_box(ruling).answer.allowed());
}

fn modes(criterion: &mut Criterion) {
    let modes = [("off", None), ("drop", Some(Mode::Drop)), ("spill", Some(Mode::Spill)), ("block", Some(Mode::Block))];
    for (name, mode) in modes {
        let dir = tempfile::tempdir().expect("a temporary folder");
        let warden = warden(dir.path(), mode);
        let mut group = criterion.benchmark_group("audit");
        group.throughput(Throughput::Elements(1));
        group.bench_function(format!("alone/{name}"), |bencher| bencher.iter(|| ask(&warden)));
        group.bench_function(format!("together/{name}"), |bencher| {
            bencher.iter_custom(|rounds| {
                let started = Instant::now();
                std::thread::scope(|scope| {
                    for thread in 0..THREADS {
                        let own = rounds as usize / THREADS + usize::from(thread < rounds as usize % THREADS);
                        let warden = &warden;
                        scope.spawn(move || (0..own).for_each(|_| ask(warden)));
                    }
                });
                started.elapsed()
            });
        });
        group.finish();
    }
}

criterion_group!(benches, modes);
criterion_main!(benches);
