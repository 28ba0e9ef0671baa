//! What benches of stored worlds share.

use std::io::{BufRead, BufReader, BufWriter, Seek};
use std::sync::Arc;

use hubwarden::bench::world::World;
use hubwarden::clock::SystemClock;
use hubwarden::json;
use hubwarden::pdp::Bundle;
use hubwarden::store::{Batch, SledStore};
use hubwarden::warden::{BundleOrigin, Warden, WardenOptions, embedded};

/// As the program has it: where things lie in memory is a part of what they cost.
#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

/// Entities that are committed at once.
const PER_LOAD: usize = 200_000;

/// Stores a generated world.
pub fn populate(warden: &Warden, world: World) {
    let bundle = warden.bundle();
    let mut file = tempfile::tempfile().expect("a temporary file");
    world.write(&mut BufWriter::new(&file)).expect("the disk takes it");
    file.rewind().expect("it is a file");
    let mut lines = BufReader::new(file).lines().map(|line| line.expect("it is text")).peekable();
    while lines.peek().is_some() {
        let mut batch = Batch::new();
        for line in lines.by_ref().take(PER_LOAD) {
            let entity = json::parse(line.as_bytes()).expect("the generated lines are JSON");
            batch.put(&bundle.admission().entity(&entity).expect("the generated entities fit the schema"));
        }
        warden.load(batch, bundle.schema_hash()).expect("the store takes them");
    }
}

/// The hub's policies over a store, with caches of these bounds.
pub fn warden(store: &Arc<SledStore>, entity_cache_bytes: u64, decision_cache_bytes: u64) -> Warden {
    let bundle = Bundle::build(embedded()).expect("the hub's bundle");
    let store = Arc::clone(store);
    let options = WardenOptions { entity_cache_bytes, decision_cache_bytes, ..WardenOptions::default() };
    Warden::with(store, bundle, BundleOrigin::Embedded, Arc::new(SystemClock), options)
        .expect("the store fits the schema")
}
