//! The first page of a search, in a small and in a large store: it must cost the same.
//!
//! `cargo bench --bench search`; the large store has a million repositories, or `HUBWARDEN_BENCH_ENTITIES` entities.
//! `write`: on what may this token push; `read`: what may it see, of which there is more than fits on a page;
//! `who`: who may push to this repository; `scan`: the first without the index, for comparison, in the small store only.
#![allow(clippy::expect_used, reason = "a bench stops when its world is not as it should be")]

use std::hint::black_box;
use std::sync::Arc;
use std::time::Duration;

use criterion::{BatchSize, Criterion, criterion_group, criterion_main};
use hubwarden::bench::world::World;
use hubwarden::entity::{SmolStr, Uid};
use hubwarden::store::{SledOptions, SledStore};
use hubwarden::warden::{Api, Asked, FoundPage, Laid, Open, PageOf, Warden};

mod stored;

use stored::{populate, warden};

/// Searches in the working set.
const SEARCHES: usize = 128;
/// Searches without the index in the working set.
const FEW: usize = 8;
const SMALL: u64 = 25_000;
/// A hundred in two hundred and fifty entities are repositories: so many make a million of them.
const LARGE: u64 = 2_500_000;
const LIMIT: usize = 100;

fn page(warden: &Warden, open: &Open, scan: bool) -> FoundPage {
    let page =
        PageOf { from: SmolStr::default(), limit: LIMIT, time: Duration::from_secs(60), any_revision: true, scan };
    warden.session(Api::Cli, None).expect("open").search(open, &Laid::default(), &page).expect("searched")
}

/// On what may whoever asked do this.
fn on_what(asked: &Asked, action: &str) -> Open {
    Open::Resource {
        principal: asked.principal.clone(),
        action: Uid::new("Hub::Action", action),
        type_name: "Hub::Repo".into(),
        context: asked.context.clone(),
    }
}

fn who(asked: &Asked) -> Open {
    Open::Principal {
        type_name: "Hub::User".into(),
        action: Uid::new("Hub::Action", "repo.write"),
        resource: asked.resource.clone(),
        context: hubwarden::entity::Record::new(),
    }
}

fn searches(criterion: &mut Criterion) {
    let mut group = criterion.benchmark_group("search");
    let large = std::env::var("HUBWARDEN_BENCH_ENTITIES").map_or(LARGE, |text| text.parse().expect("a number"));
    for size in [SMALL, large] {
        let dir = tempfile::tempdir().expect("a temporary folder");
        let store = Arc::new(SledStore::open(dir.path(), SledOptions::default()).expect("a new store"));
        let world = World::new(size, 1);
        let warden = warden(&store, 1 << 29, 0);
        populate(&warden, world);
        let asked: Vec<Asked> = world.questions(SEARCHES).map(|(question, _)| question.to_asked()).collect();
        let sets: [(&str, Vec<Open>, bool); 4] = [
            ("write", asked.iter().map(|asked| on_what(asked, "repo.write")).collect(), false),
            ("read", asked.iter().map(|asked| on_what(asked, "repo.read")).collect(), false),
            ("who", asked.iter().map(who).collect(), false),
            ("scan", asked.iter().take(FEW).map(|asked| on_what(asked, "repo.write")).collect(), true),
        ];
        for (name, opens, scan) in sets {
            if scan && size != SMALL {
                continue;
            }
            let found: usize = opens.iter().map(|open| page(&warden, open, scan).results.len()).sum();
            assert!(scan || found > 0, "{name} finds nothing");
            let mut next = opens.iter().cycle();
            group.bench_function(format!("{name}/{size}"), |bencher| {
                bencher.iter_batched(
                    || next.next().cloned().expect("the searches repeat"),
                    |open| black_box(page(&warden, &open, scan)),
                    BatchSize::SmallInput,
                );
            });
        }
    }
    group.finish();
}

criterion_group!(benches, searches);
criterion_main!(benches);
