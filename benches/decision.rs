//! One decision, slice and evaluation, in a small and in a large store: it must cost the same.
//!
//! `cargo bench --bench decision`; the large store has a million entities, or `HUBWARDEN_BENCH_ENTITIES`. With
//! `HUBWARDEN_BENCH_DATA=DIR` it is one that stands there already, filled by `hubwarden import` with what `hubwarden
//! bench generate` wrote. What criterion measures one after the other is then asked by turns, all questions of the one
//! and of the other: only the ratio of these holds on a machine that changes its pace. `warm` asks the same questions in
//! both stores, about content through fine-grained and other tokens, with their entities in the cache. `spread` asks about
//! the whole store, so that a larger one has more to keep in the processor's caches. `cold` does so without the cache of
//! entities: each is read from the store. These three decide every question anew; `kept` asks the questions of `warm` with
//! the cache of answers.
#![allow(clippy::expect_used, reason = "a bench stops when its world is not as it should be")]

use std::hint::black_box;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Instant;

use criterion::{BatchSize, Criterion, criterion_group, criterion_main};
use hubwarden::bench::world::{Question, World};
use hubwarden::store::{SledOptions, SledStore, Store};
use hubwarden::warden::{Api, Asked, Ruling, Warden};
use tempfile::TempDir;

mod stored;

use stored::{populate, warden};

/// Questions in the working set.
const QUESTIONS: usize = 512;
/// How often each hub has its turn.
const TURNS: usize = 301;
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

    /// Who is asked what.
    fn asked(&self, name: &str) -> (&Warden, Vec<(Question, bool)>) {
        match name {
            "warm" => (&self.cached, self.same()),
            "spread" => (&self.cached, self.spread()),
            "cold" => (&self.uncached, self.spread()),
            _ => (&self.keeping, self.same()),
        }
    }

    fn spread(&self) -> Vec<(Question, bool)> {
        self.world.questions(QUESTIONS).collect()
    }
}

/// The median time of a decision in each hub, in microseconds, and the median ratio of a turn in the second to one in the
/// first.
fn by_turns(hubs: [(&Warden, &[(Question, bool)]); 2]) -> ([f64; 2], f64) {
    let (mut times, mut ratios) = ([const { Vec::new() }; 2], Vec::new());
    for _ in 0..TURNS {
        let took = hubs.map(|(warden, questions)| {
            let asked: Vec<Asked> = questions.iter().map(|(question, _)| question.to_asked()).collect();
            let started = Instant::now();
            asked.into_iter().for_each(|asked| drop(black_box(ask(warden, asked))));
            started.elapsed().as_secs_f64() * 1e6 / questions.len() as f64
        });
        times.iter_mut().zip(took).for_each(|(times, took)| times.push(took));
        let [first, second] = took;
        ratios.push(second / first);
    }
    let median = |values: &mut Vec<f64>| {
        values.sort_by(f64::total_cmp);
        values.get(values.len() / 2).copied().unwrap_or_default()
    };
    (times.each_mut().map(median), median(&mut ratios))
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
    let mut turns = Vec::new();
    for name in ["warm", "spread", "cold", "kept"] {
        let picked = hubs.each_ref().map(|hub| hub.asked(name));
        for (hub, (warden, questions)) in hubs.iter().zip(&picked) {
            for (question, expected) in questions {
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
        turns.push((name, by_turns(picked.each_ref().map(|(warden, questions)| (*warden, questions.as_slice())))));
    }
    group.finish();
    for (name, ([small, large], ratio)) in turns {
        println!("decision/{name} by turns: {small:.2} us, {large:.2} us, ratio {ratio:.2}");
    }
}

criterion_group!(benches, decisions);
criterion_main!(benches);
