//! One decision, slice and evaluation, at two sizes of the store: it must cost the same.
//!
//! `cargo bench --bench decision`. Questions come from a working set that is spread over the whole generated store, each
//! with its answer; `warm` has it in the cache of built entities, `cold` has that cache switched off, so that every
//! entity is read from the store and built.
#![allow(clippy::expect_used, reason = "a bench stops when its world is not as it should be")]

use std::hint::black_box;
use std::sync::Arc;

use criterion::{BatchSize, Criterion, criterion_group, criterion_main};
use hubwarden::bench::world::World;
use hubwarden::clock::SystemClock;
use hubwarden::json;
use hubwarden::pdp::Bundle;
use hubwarden::store::{Batch, SledOptions, SledStore};
use hubwarden::warden::{Api, Asked, BundleOrigin, Warden, embedded};

/// Questions in the working set.
const QUESTIONS: usize = 512;

fn populate(warden: &Warden, world: World) {
    let bundle = warden.bundle();
    let mut lines = Vec::new();
    world.write(&mut lines).expect("memory takes it");
    let mut batch = Batch::new();
    for line in lines.split(|byte| *byte == b'\n').filter(|line| !line.is_empty()) {
        let entity = json::parse(line).expect("the generated lines are JSON");
        batch.put(&bundle.admission().entity(&entity).expect("the generated entities fit the schema"));
    }
    warden.load(batch, bundle.schema_hash()).expect("the store takes them");
}

fn decisions(criterion: &mut Criterion) {
    let mut group = criterion.benchmark_group("decision");
    for (size, cache_bytes, name) in
        [(1_000, 1 << 29, "warm"), (1_000_000, 1 << 29, "warm"), (1_000, 0, "cold"), (1_000_000, 0, "cold")]
    {
        let dir = tempfile::tempdir().expect("a temporary folder");
        let store = SledStore::open(dir.path(), SledOptions::default()).expect("a new store");
        let bundle = Bundle::build(embedded()).expect("the hub's bundle");
        let warden =
            Warden::with_cache(Arc::new(store), bundle, BundleOrigin::Embedded, Arc::new(SystemClock), cache_bytes)
                .expect("a new store fits any schema");
        let world = World::new(size, 1);
        populate(&warden, world);
        let ask = |asked: Asked| warden.session(Api::Cli, None).expect("open").ask(asked).expect("answered");
        let questions: Vec<(Asked, bool)> =
            world.questions(QUESTIONS).map(|(question, expected)| (question.to_asked(), expected)).collect();
        for (asked, expected) in &questions {
            assert_eq!(ask(asked.clone()).answer.allowed(), *expected, "{asked:?}");
        }
        let mut next = questions.iter().cycle();
        group.bench_function(format!("{name}/{size}"), |bencher| {
            bencher.iter_batched(
                || next.next().cloned().expect("the questions repeat").0,
                |asked| black_box(ask(asked)),
                BatchSize::SmallInput,
            );
        });
    }
    group.finish();
}

criterion_group!(benches, decisions);
criterion_main!(benches);
