//! Any history of changes, on the store and on a plain map that is easy to believe.

use std::collections::BTreeMap;

use proptest::prelude::*;
use proptest::test_runner::{Config, TestRunner};

use crate::entity::{Entity, Uid};
use crate::store::record::wire_tests::any_entity;
use crate::store::{Batch, CommitError, Expect, ListQuery, Lookup, Moment, Op, Reader, Revision, Stats, Store, Stored};

#[derive(Clone, Debug)]
enum Step {
    Put(Entity, Expect, bool),
    Delete(Uid, Expect),
}

#[derive(Clone, Debug, PartialEq)]
enum Cell {
    Present(Entity, u64),
    Deleted(u64),
}

type Model = BTreeMap<Uid, Cell>;

/// Few ids, so that histories meet.
fn few_uids() -> impl Strategy<Value = Uid> {
    ("[AB]", "[ab\0]{0,2}").prop_map(|(of, id)| Uid::new(of, id))
}

fn any_expect() -> impl Strategy<Value = Expect> {
    prop_oneof![
        6 => Just(Expect::Anything),
        1 => Just(Expect::Absent),
        1 => Just(Expect::Present),
        1 => (1..6_u64).prop_map(|revision| Expect::Revision(Revision(revision))),
    ]
}

fn any_step() -> impl Strategy<Value = Step> {
    prop_oneof![
        3 => (few_uids(), any_entity(), any_expect(), any::<bool>()).prop_map(|(uid, entity, expect, revive)| {
            Step::Put(Entity { uid, ..entity }, expect, revive)
        }),
        1 => (few_uids(), any_expect()).prop_map(|(uid, expect)| Step::Delete(uid, expect)),
    ]
}

/// Plays a batch on the model; nothing when it is refused, and then at which step.
fn play(model: &Model, steps: &[Step], next: u64) -> Result<Model, usize> {
    let mut model = model.clone();
    for (index, step) in steps.iter().enumerate() {
        let (uid, expect) = match step {
            Step::Put(entity, expect, _) => (&entity.uid, expect),
            Step::Delete(uid, expect) => (uid, expect),
        };
        let cell = model.get(uid).cloned();
        let holds = match (expect, &cell) {
            (Expect::Anything, _) => true,
            (Expect::Absent, cell) => !matches!(cell, Some(Cell::Present(..))),
            (Expect::Present, cell) => matches!(cell, Some(Cell::Present(..))),
            (Expect::Revision(wanted), Some(Cell::Present(_, at))) => wanted.0 == *at,
            (Expect::Revision(_), _) => false,
        };
        match (step, cell) {
            _ if !holds => return Err(index),
            (Step::Put(_, _, false), Some(Cell::Deleted(_))) => return Err(index),
            (Step::Put(entity, ..), _) => {
                model.insert(entity.uid.clone(), Cell::Present(entity.clone(), next));
            }
            (Step::Delete(uid, _), Some(Cell::Present(..))) => {
                model.insert(uid.clone(), Cell::Deleted(next));
            }
            (Step::Delete(..), _) => {}
        }
    }
    Ok(model)
}

fn batch(steps: &[Step]) -> Batch {
    let op = |step: &Step| match step.clone() {
        Step::Put(entity, expect, revive) => Op::Put { entity, expect, revive },
        Step::Delete(uid, expect) => Op::Delete { uid, expect },
    };
    steps.iter().map(op).collect()
}

/// The store tells what the model does; answers how many are present.
fn same(reader: &dyn Reader, model: &Model, revision: u64) -> usize {
    assert_eq!(reader.revision(), Revision(revision));
    let mut present = Vec::new();
    for (uid, cell) in model {
        let expected = match cell {
            Cell::Deleted(at) => Lookup::Deleted(Revision(*at)),
            Cell::Present(entity, at) => {
                let stored = Stored { entity: entity.clone(), revision: Revision(*at) };
                present.push(stored.clone());
                Lookup::Present(stored)
            }
        };
        assert_eq!(reader.get(uid).unwrap(), expected);
    }
    assert_eq!(reader.list(&ListQuery::default(), None, usize::MAX).unwrap(), present);
    present.len()
}

fn same_now(store: &dyn Store, model: &Model, head: u64) {
    let present = same(&*store.read().unwrap(), model, head);
    let Stats { entities, tombstones, .. } = store.stats();
    assert_eq!(entities as usize, present);
    assert_eq!(tombstones as usize, model.len() - present);
}

pub fn any_history_matches_the_model(store: &dyn Store) {
    let histories = prop::collection::vec(prop::collection::vec(any_step(), 0..6), 1..8);
    let mut runner = TestRunner::new(Config { cases: 24, failure_persistence: None, ..Config::default() });
    // One store for all histories: each goes on where the last one ended.
    let state = std::cell::RefCell::new((Model::new(), 0_u64, vec![Model::new()]));
    let result = runner.run(&histories, |history| {
        let mut state = state.borrow_mut();
        let (model, head, past) = &mut *state;
        for steps in history {
            match (play(model, &steps, *head + 1), store.commit(batch(&steps))) {
                (Ok(after), Ok(revision)) => {
                    *head += u64::from(after != *model);
                    *model = after;
                    assert_eq!(revision.0, *head);
                }
                (Err(at), Err(CommitError::Conflict { index, .. } | CommitError::Tombstone { index, .. })) => {
                    assert_eq!(at, index)
                }
                (model, store) => panic!("{model:?}\n{store:?}"),
            }
            past.resize(*head as usize + 1, model.clone());
            same_now(store, model, *head);
        }
        // Each revision is still what it was, the last ones and the first ones.
        let revisions = (0..past.len()).rev().take(8).chain(0..past.len().min(4));
        for revision in revisions {
            let reader = store.read_at(Moment::Revision(Revision(revision as u64))).unwrap();
            same(&*reader, &past[revision], revision as u64);
        }
        Ok(())
    });
    result.unwrap();
}
