//! One decision, slice and evaluation, in a small and in a large store: it must cost the same.
//!
//! `cargo bench --bench decision`; the large store has a million entities, or `HUBWARDEN_BENCH_ENTITIES`. With
//! `HUBWARDEN_BENCH_DATA=DIR` it is one that stands there already, filled by `hubwarden import` with what `hubwarden
//! bench generate` wrote. Each is measured in the small store and right after it in the large one, so that a machine
//! that changes its pace changes both. `warm` asks the same questions in both stores, about content through fine-grained
//! and other tokens, with their entities in the cache. `spread` asks about the whole store, so that a larger one has more
//! to keep in the processor's caches. `cold` does so without the cache of entities: each is read from the store. These
//! three decide every question anew; `kept` asks the questions of `warm` with the cache of answers.
#![allow(clippy::expect_used, reason = "a bench stops when its world is not as it should be")]

use std::hint::black_box;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use criterion::{BatchSize, Criterion, criterion_group, criterion_main};
use hubwarden::bench::world::{Question, World};
use hubwarden::store::{SledOptions, SledStore, Store};
use hubwarden::warden::{Api, Asked, Ruling, Warden};
use tempfile::TempDir;

mod stored;

use stored::{populate, warden};

/// Questions in the working set.
const QUESTIONS: usize = 512;
/// Entities of the small store, all of which `warm` asks about.
const SMALL: u64 = 10_000;

/// A world in a store, and who decides about it.
struct Hub {
    world: World,
    /// With the entities of what was asked in memory.
    cached: Warden,
    uncached: Warden,
    /// With answers in memory.
    keeping: Warden,
    /// Goes with the hub.
    _dir: Option<TempDir>,
}

impl Hub {
    /// A new store that is filled, or one that was filled before.
    fn open(size: u64, filled: Option<&Path>) -> Self {
        let dir = filled.is_none().then(|| tempfile::tempdir().expect("a temporary folder"));
        let path = filled.or(dir.as_ref().map(TempDir::path)).expect("one of them");
        let store = Arc::new(SledStore::open(path, SledOptions::default()).expect("a store"));
        let world = World::new(size, 1);
        let cached = warden(&store, 1 << 29, 0);
        if filled.is_none() {
            populate(&cached, world);
        }
        assert_eq!(store.stats().entities, world.entities(), "the store holds another world");
        let (uncached, keeping) = (warden(&store, 0, 0), warden(&store, 1 << 29, 1 << 26));
        Self { world, cached, uncached, keeping, _dir: dir }
    }

    /// About the part that is as large as the small store.
    fn same(&self) -> Vec<(Question, bool)> {
        let swept: Vec<_> = self.world.sweep(SMALL).collect();
        swept.iter().step_by(swept.len().div_ceil(QUESTIONS)).copied().collect()
    }

    fn spread(&self) -> Vec<(Question, bool)> {
        self.world.questions(QUESTIONS).collect()
    }
}

fn ask(warden: &Warden, asked: Asked) -> Ruling {
    warden.session(Api::Cli, None).expect("open").ask(asked).expect("answered")
}

fn decisions(criterion: &mut Criterion) {
    let large = std::env::var("HUBWARDEN_BENCH_ENTITIES").map_or(1_000_000, |text| text.parse().expect("a number"));
    let filled = std::env::var_os("HUBWARDEN_BENCH_DATA").map(PathBuf::from);
    // The large one first, so that what its filling left behind is over.
    let large = Hub::open(large, filled.as_deref());
    let hubs = [Hub::open(SMALL, None), large];
    let mut group = criterion.benchmark_group("decision");
    for name in ["warm", "spread", "cold", "kept"] {
        for hub in &hubs {
            let (warden, questions) = match name {
                "warm" => (&hub.cached, hub.same()),
                "spread" => (&hub.cached, hub.spread()),
                "cold" => (&hub.uncached, hub.spread()),
                _ => (&hub.keeping, hub.same()),
            };
            for (question, expected) in &questions {
                assert_eq!(ask(warden, question.to_asked()).answer.allowed(), *expected, "{question:?}");
            }
            let mut next = questions.iter().cycle();
            group.bench_function(format!("{name}/{}", hub.world.entities()), |bencher| {
                bencher.iter_batched(
                    || next.next().map(|(question, _)| question.to_asked()).expect("the questions repeat"),
                    |asked| black_box(ask(warden, asked)),
                    BatchSize::SmallInput,
                );
            });
        }
    }
    group.finish();
}

criterion_group!(benches, decisions);
criterion_main!(benches);
