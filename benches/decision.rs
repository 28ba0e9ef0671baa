//! One decision, slice and evaluation, in a small and in a large store: it must cost the same.
//!
//! `cargo bench --bench decision`; the large store has a million entities, or `HUBWARDEN_BENCH_ENTITIES`. `warm` asks the
//! same questions in both stores, about content through fine-grained and other tokens, with their entities in the
//! cache. `spread` asks about the whole store, so that a larger one has more to keep in the processor's caches. `cold`
//! does so without the cache of entities: each is read from the store. These three decide every question anew; `kept`
//! asks the questions of `warm` with the cache of answers.
#![allow(clippy::expect_used, reason = "a bench stops when its world is not as it should be")]

use std::hint::black_box;
use std::sync::Arc;

use criterion::{BatchSize, Criterion, criterion_group, criterion_main};
use hubwarden::bench::world::World;
use hubwarden::store::{SledOptions, SledStore};
use hubwarden::warden::{Api, Asked};

mod stored;

use stored::{populate, warden};

/// Questions in the working set.
const QUESTIONS: usize = 512;
/// Entities of the small store, all of which `warm` asks about.
const SMALL: u64 = 10_000;

fn decisions(criterion: &mut Criterion) {
    let mut group = criterion.benchmark_group("decision");
    let large = std::env::var("HUBWARDEN_BENCH_ENTITIES").map_or(1_000_000, |text| text.parse().expect("a number"));
    for size in [SMALL, large] {
        let dir = tempfile::tempdir().expect("a temporary folder");
        let store = Arc::new(SledStore::open(dir.path(), SledOptions::default()).expect("a new store"));
        let world = World::new(size, 1);
        let cached = warden(&store, 1 << 29, 0);
        populate(&cached, world);
        let swept: Vec<_> = world.sweep(SMALL).collect();
        let same: Vec<_> = swept.iter().step_by(swept.len().div_ceil(QUESTIONS)).copied().collect();
        let spread: Vec<_> = world.questions(QUESTIONS).collect();
        let (uncached, keeping) = (warden(&store, 0, 0), warden(&store, 1 << 29, 1 << 26));
        for (name, warden, questions) in [
            ("warm", &cached, same.clone()),
            ("spread", &cached, spread.clone()),
            ("cold", &uncached, spread),
            ("kept", &keeping, same),
        ] {
            let ask = |asked: Asked| warden.session(Api::Cli, None).expect("open").ask(asked).expect("answered");
            let questions: Vec<Asked> = questions
                .into_iter()
                .map(|(question, expected)| {
                    assert_eq!(ask(question.to_asked()).answer.allowed(), expected, "{question:?}");
                    question.to_asked()
                })
                .collect();
            let mut next = questions.iter().cycle();
            group.bench_function(format!("{name}/{size}"), |bencher| {
                bencher.iter_batched(
                    || next.next().cloned().expect("the questions repeat"),
                    |asked| black_box(ask(asked)),
                    BatchSize::SmallInput,
                );
            });
        }
    }
    group.finish();
}

criterion_group!(benches, decisions);
criterion_main!(benches);
