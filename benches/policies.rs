//! A thousand policies of which ten apply to a question, against those ten alone: it must cost the same.
//!
//! `cargo bench --bench policies`. The policies apply by their scope: to an action of ten, to a group, or to the
//! container of the resource; the question is in ten of those. Both sets answer it alike, and that is checked.
#![allow(clippy::expect_used, reason = "a bench stops when its world is not as it should be")]

use std::fmt::Write;
use std::hint::black_box;
use std::sync::Arc;

use criterion::{Criterion, criterion_group, criterion_main};
use hubwarden::clock::SystemClock;
use hubwarden::entity::{Record, Uid};
use hubwarden::pdp::{Bundle, BundleSource, SourceFile};
use hubwarden::store::{Batch, MemoryStore};
use hubwarden::warden::{Api, Asked, BundleOrigin, Warden, WardenOptions};
use serde_json::{Value as Json, json};

const POLICIES: usize = 1_000;
const APPLYING: usize = 10;

const SCHEMA: &str = r#"
entity Team;
entity User in [Team] = { level: Long };
entity Folder;
entity Document in [Folder] = { open: Bool };
action read, write appliesTo { principal: [User], resource: [Document], context: { now: datetime } };
"#;

/// A policy for one team, one folder or one action; number 0 to 9 are those that apply.
fn policy(number: usize) -> String {
    let (team, folder) = (format!("principal in Team::\"t{number}\""), format!("resource in Folder::\"f{number}\""));
    let (principal, action, resource) = match number % 3 {
        0 => (team.as_str(), "action", "resource is Document"),
        1 => ("principal is User", "action", folder.as_str()),
        _ => (team.as_str(), "action == Action::\"read\"", folder.as_str()),
    };
    format!(
        "@id(\"rule/{number}\")\npermit ({principal}, {action}, {resource})\nwhen {{ principal.level > {number} && \
         resource.open }};\n"
    )
}

fn warden(policies: usize) -> Warden {
    let mut text = String::new();
    for number in 0..policies {
        write!(text, "{}", policy(number)).expect("memory takes it");
    }
    let source = BundleSource {
        schema: SourceFile::new("schema.cedarschema", SCHEMA),
        policies: vec![SourceFile::new("rules.cedar", text)],
        links: None,
        reasons: None,
        gateway: None,
    };
    let bundle = Bundle::build(source).expect("the policies are valid");
    let store = Arc::new(MemoryStore::new().expect("a new store"));
    let options = WardenOptions { decision_cache_bytes: 0, ..WardenOptions::default() };
    let clock = Arc::new(SystemClock);
    let warden = Warden::with(store, bundle, BundleOrigin::Embedded, clock, options).expect("a new store");
    let bundle = warden.bundle();
    let parents = |kind: &str, letter: &str| -> Vec<Json> {
        (0..APPLYING).map(|number| json!({"type": kind, "id": format!("{letter}{number}")})).collect()
    };
    let mut batch = Batch::new();
    for entity in [
        json!({"uid": {"type": "User", "id": "ann"}, "attrs": {"level": 5}, "parents": parents("Team", "t")}),
        json!({"uid": {"type": "Document", "id": "d"}, "attrs": {"open": true}, "parents": parents("Folder", "f")}),
    ] {
        batch.put(&bundle.admission().entity(&entity).expect("it fits the schema"));
    }
    warden.load(batch, bundle.schema_hash()).expect("the store takes them");
    warden
}

fn ask(warden: &Warden) -> Vec<String> {
    let asked = Asked {
        principal: Uid::new("User", "ann"),
        action: Uid::new("Action", "read"),
        resource: Uid::new("Document", "d"),
        context: Record::new(),
        entities: Vec::new(),
    };
    let ruling = warden.session(Api::Cli, None).expect("open").ask(asked).expect("answered");
    ruling.answer.determining.iter().map(ToString::to_string).collect()
}

fn policies(criterion: &mut Criterion) {
    let mut group = criterion.benchmark_group("policies");
    let alone = ask(&warden(APPLYING));
    for count in [APPLYING, POLICIES] {
        let warden = warden(count);
        assert_eq!(ask(&warden), alone, "the other policies change nothing");
        assert_eq!(alone.len(), 5, "those below the level decide");
        group.bench_function(format!("{APPLYING} of {count} apply"), |bencher| {
            bencher.iter(|| black_box(ask(&warden)));
        });
    }
    group.finish();
}

criterion_group!(benches, policies);
criterion_main!(benches);
