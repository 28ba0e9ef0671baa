//! One decision, slice and evaluation, at two sizes of the store: it must cost the same.
//!
//! `cargo bench --bench decision`; with `HUBWARDEN_BENCH_ENTITIES=10000000` the large store has as many. The world is
//! generated: organizations of 50 members and 100 repositories each, so that a million entities are many organizations
//! and not large ones. Questions come from a working set that is the same size in every store, spread over all of it:
//! 48 organizations, and for `spread` 512, which do not fit into the processor's caches. `warm` has it in the cache of
//! entities, `cold` has that cache switched off, so that every entity is read from the store.
#![allow(clippy::expect_used, clippy::indexing_slicing, reason = "a bench stops when its world is not as it should be")]

use std::hint::black_box;
use std::sync::Arc;

use criterion::{BatchSize, Criterion, criterion_group, criterion_main};
use hubwarden::clock::SystemClock;
use hubwarden::entity::{Record, Uid, Value};
use hubwarden::pdp::Bundle;
use hubwarden::store::{Batch, SledOptions, SledStore};
use hubwarden::warden::{Api, Asked, BundleOrigin, Warden, embedded};
use serde_json::{Value as Json, json};

const MEMBERS: usize = 50;
const REPOS: usize = 100;
/// Entities of one organization: itself, its five levels, members, their tokens, repositories.
const PER_ORG: usize = 1 + 5 + 2 * MEMBERS + REPOS;
/// Questions in the working set.
const QUESTIONS: usize = 512;
/// Organizations that the questions are about; a store of 10,000 entities has no more.
const ORGANIZATIONS: usize = 48;
/// Organizations for one load.
const PER_LOAD: usize = 2_000;

fn populate(warden: &Warden, entities: usize) -> usize {
    let bundle = warden.bundle();
    let organizations = entities.div_ceil(PER_ORG);
    for first in (0..organizations).step_by(PER_LOAD) {
        let mut batch = Batch::new();
        for org in first..organizations.min(first + PER_LOAD) {
            for json in organization(org) {
                batch.put(&bundle.admission().entity(&json).expect("the generated entities fit the schema"));
            }
        }
        warden.load(batch, bundle.schema_hash()).expect("the store takes them");
    }
    organizations
}

fn reference(kind: &str, id: impl Into<String>) -> Json {
    json!({"type": format!("Hub::{kind}"), "id": id.into()})
}

fn organization(org: usize) -> Vec<Json> {
    let name = format!("org{org}");
    let role = |level: &str| reference("OrgRole", format!("{name}/{level}"));
    let mut entities = vec![json!({"uid": reference("Organization", &name), "attrs": {
        "members": role("no_access"), "readers": role("read"), "contributors": role("contributor"),
        "writers": role("write"), "admins": role("admin"),
        "tokenPolicy": reference("TokenPolicy", "allowAll"), "requiresMfa": false}})];
    let levels = ["no_access", "read", "contributor", "write", "admin"];
    for (level, below) in levels.iter().zip([None].into_iter().chain(levels.iter().map(Some))) {
        let parents: Vec<Json> = below.map(|below| role(below)).into_iter().collect();
        entities.push(json!({"uid": role(level), "parents": parents}));
    }
    for member in 0..MEMBERS {
        let user = format!("user{org}-{member}");
        let level = levels[member % 4 + 1];
        entities.push(json!({"uid": reference("User", &user), "attrs": {"email": format!("{user}@example.org")},
            "parents": [role(level)]}));
        let targets = json!({"users": [], "organizations": [reference("Organization", &name)], "repos": []});
        entities.push(json!({"uid": reference("AccessToken", format!("token{org}-{member}")), "attrs": {
            "owner": reference("User", &user), "name": "ci", "createdAt": "2026-01-01T00:00:00Z",
            "expiresAt": "2099-01-01T00:00:00Z", "gatedRepos": false, "global": [], "ownEntry": [], "approvedBy": [],
            "revokedBy": []}, "parents": [reference("TokenRole", "fineGrained")],
            "tags": {"repo.content.read": targets, "repo.write": targets}}));
    }
    for repo in 0..REPOS {
        entities.push(json!({"uid": reference("Repo", format!("models/{name}/m{repo}")), "attrs": {
            "kind": reference("RepoKind", "model"), "organization": reference("Organization", &name),
            "creator": reference("User", format!("user{org}-{}", repo % MEMBERS)),
            "visibility": reference("Visibility", "private"), "disabled": false, "discussions": true},
            "parents": [reference("Organization", &name)]}));
    }
    entities
}

/// Questions about `asked` of the organizations: a member's fine-grained token on a repository of the same organization.
fn questions(organizations: usize, asked: usize) -> Vec<Asked> {
    let question = |index: usize| {
        let org = index % asked * (organizations / asked);
        let token = Uid::new("Hub::AccessToken", format!("token{org}-{}", index % MEMBERS));
        Asked {
            principal: Uid::new("Hub::User", format!("user{org}-{}", index % MEMBERS)),
            action: Uid::new("Hub::Action", "repo.content.read"),
            resource: Uid::new("Hub::Repo", format!("models/org{org}/m{}", index % REPOS)),
            context: Record::from([("token".into(), Value::from(token))]),
            entities: Vec::new(),
        }
    };
    (0..QUESTIONS).map(question).collect()
}

fn decisions(criterion: &mut Criterion) {
    let mut group = criterion.benchmark_group("decision");
    let large = std::env::var("HUBWARDEN_BENCH_ENTITIES").map_or(1_000_000, |text| text.parse().expect("a number"));
    for (size, cache_bytes, asked, name) in [
        (10_000, 1 << 29, ORGANIZATIONS, "warm"),
        (large, 1 << 29, ORGANIZATIONS, "warm"),
        (large, 1 << 29, QUESTIONS, "spread"),
        (10_000, 0, ORGANIZATIONS, "cold"),
        (large, 0, ORGANIZATIONS, "cold"),
    ] {
        let dir = tempfile::tempdir().expect("a temporary folder");
        let store = SledStore::open(dir.path(), SledOptions::default()).expect("a new store");
        let bundle = Bundle::build(embedded()).expect("the hub's bundle");
        let warden =
            Warden::with_cache(Arc::new(store), bundle, BundleOrigin::Embedded, Arc::new(SystemClock), cache_bytes)
                .expect("a new store fits any schema");
        let questions = questions(populate(&warden, size), asked);
        let ask = |asked: Asked| warden.session(Api::Cli, None).expect("open").ask(asked).expect("answered");
        for asked in &questions {
            assert!(ask(asked.clone()).answer.allowed(), "{asked:?}");
        }
        let mut next = questions.iter().cycle();
        group.bench_function(format!("{name}/{size}"), |bencher| {
            bencher.iter_batched(
                || next.next().cloned().expect("the questions repeat"),
                |asked| black_box(ask(asked)),
                BatchSize::SmallInput,
            );
        });
    }
    group.finish();
}

criterion_group!(benches, decisions);
criterion_main!(benches);
