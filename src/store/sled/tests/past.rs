//! The past as the engine keeps it: records of one key packed into one, whenever the engine takes over.

use std::ops::ControlFlow;

use jiff::Timestamp;
use proptest::prelude::*;
use proptest::test_runner::{Config, TestRunner};

use super::*;
use crate::clock::FixedClock;
use crate::entity::{Entity, Value};
use crate::store::{History, MemoryStore, Moment, Op, Table, key};

/// What is done to one of few things, again and again.
#[derive(Clone, Debug)]
enum Step {
    Put(&'static str, i64),
    Large(&'static str, usize),
    Delete(&'static str),
    Record(Option<u8>),
    /// The engine takes over.
    Reopen,
}

fn any_step() -> impl Strategy<Value = Step> {
    let id = || prop::sample::select(vec!["anna", "ben", "ben\0"]);
    prop_oneof![
        8 => (id(), 0..9_i64).prop_map(|(id, n)| Step::Put(id, n)),
        1 => (id(), 2_000..9_000_usize).prop_map(|(id, size)| Step::Large(id, size)),
        1 => id().prop_map(Step::Delete),
        2 => any::<Option<u8>>().prop_map(Step::Record),
        1 => Just(Step::Reopen),
    ]
}

fn put_again(entity: Entity) -> Batch {
    Op::Put { entity, expect: Default::default(), revive: true }.into()
}

fn batch(step: &Step) -> Option<Batch> {
    Some(match step {
        Step::Put(id, n) => put_again(numbered(id, *n)),
        Step::Large(id, size) => {
            let mut large = numbered(id, 0);
            large.attrs.insert("text".into(), Value::String("x".repeat(*size).into()));
            put_again(large)
        }
        Step::Delete(id) => Batch::new().delete(&user(id)).clone(),
        Step::Record(value) => {
            Op::Record { table: Table::Meta, key: b"k".to_vec(), value: value.map(|n| vec![n]) }.into()
        }
        Step::Reopen => return None,
    })
}

/// Everything that can be told of a revision.
fn told(store: &dyn Store, revision: u64) -> impl PartialEq + std::fmt::Debug + use<> {
    let reader = store.read_at(Moment::Revision(Revision(revision))).ok()?;
    let lookups = ["anna", "ben", "ben\0"].map(|id| reader.get(&user(id)).unwrap());
    Some((lookups, reader.list(&Default::default(), None, 9).unwrap(), reader.record(Table::Meta, b"k").unwrap()))
}

/// Plays the same on this engine and in memory, where nothing is packed.
fn is_told_as_in_memory(steps: &[Step], history: History) -> Result<(), TestCaseError> {
    let dir = TempDir::new().unwrap();
    let open = || SledStore::open(dir.path(), SledOptions { history: Some(history), ..options() }).unwrap();
    let (mut store, memory) = (open(), MemoryStore::with(history, FixedClock::new(Timestamp::UNIX_EPOCH)).unwrap());
    for step in steps {
        match batch(step) {
            Some(batch) => prop_assert_eq!(store.commit(batch.clone()).unwrap(), memory.commit(batch).unwrap()),
            None => {
                store.close().unwrap();
                store = open();
            }
        }
    }
    store.close().unwrap();
    store = open();
    for revision in 0..=memory.read().unwrap().revision().0 {
        prop_assert_eq!(told(&store, revision), told(&memory, revision), "at {}", revision);
    }
    prop_assert_eq!(store.stats().past, memory.stats().past);
    store.verify().unwrap();
    Ok(())
}

fn runner() -> TestRunner {
    TestRunner::new(Config { cases: 40, failure_persistence: None, ..Config::default() })
}

#[test]
fn whatever_was_packed_reads_as_it_was() {
    runner()
        .run(&prop::collection::vec(any_step(), 1..80), |steps| is_told_as_in_memory(&steps, History::default()))
        .unwrap();
}

#[test]
fn what_of_it_is_due_is_out_of_reach_and_the_rest_reads_as_it_was() {
    let history = History { max_age: None, max_records: 15 };
    runner().run(&prop::collection::vec(any_step(), 1..80), |steps| is_told_as_in_memory(&steps, history)).unwrap();
}

#[test]
fn what_changes_often_takes_few_records_of_the_engine_and_none_when_it_is_due() {
    let dir = TempDir::new().unwrap();
    let history = History { max_age: None, max_records: 1_000 };
    let with = |history| SledStore::open(dir.path(), SledOptions { history: Some(history), ..options() }).unwrap();
    let past_of = |store: &SledStore, id: &str| {
        let prefix = key::past(&key::entity(&user(id)));
        let mut records = 0;
        let view = store.view().unwrap();
        let mut count = |key: &[u8], _: &[u8]| {
            records += u64::from(key.starts_with(&prefix));
            Ok(ControlFlow::Continue(()))
        };
        view.0.engine().unwrap().scan(&[key::PAST], &mut count).unwrap();
        records
    };
    let store = with(history);
    for n in 0..200 {
        store.commit(put(&[numbered("anna", n)])).unwrap();
    }
    store.close().unwrap();
    let store = with(history);
    assert_eq!(store.stats().past, 199 + 200);
    // The engine also takes over when nobody has written for a moment.
    assert!((1..=20).contains(&past_of(&store, "anna")), "{}", past_of(&store, "anna"));
    store.close().unwrap();
    let store = with(History { max_records: 20, ..history });
    for n in 0..50 {
        store.commit(put(&[numbered("ben", n)])).unwrap();
    }
    store.close().unwrap();
    let store = with(history);
    assert!(store.stats().past <= 20);
    assert_eq!(past_of(&store, "anna"), 0);
    assert!((1..=10).contains(&past_of(&store, "ben")), "{}", past_of(&store, "ben"));
}
