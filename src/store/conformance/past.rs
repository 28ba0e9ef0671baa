//! Earlier revisions, read again.

use std::sync::Arc;
use std::time::Duration;

use jiff::Timestamp;

use super::{Past, number, numbered, put, user};
use crate::clock::FixedClock;
use crate::entity::Uid;
use crate::store::{Batch, History, ListQuery, Lookup, Moment, Op, Revision, Store, StoreError, Table};

fn at(revision: u64) -> Moment {
    Moment::Revision(Revision(revision))
}

fn time(seconds: i64) -> Timestamp {
    Timestamp::from_second(1_800_000_000 + seconds).unwrap()
}

/// A store whose clock is wound before each of these commits of one user's number.
fn with_numbers(past: Past, history: History, seconds: &[i64]) -> (super::Fresh, Arc<FixedClock>) {
    let clock = FixedClock::new(time(0));
    let fresh = past(history, Arc::clone(&clock));
    for (n, second) in (1..).zip(seconds) {
        clock.set(time(*second));
        fresh.store.commit(put(&[numbered("anna", n)])).unwrap();
    }
    (fresh, clock)
}

fn number_at(store: &dyn Store, moment: Moment) -> Option<i64> {
    number(&*store.read_at(moment).unwrap(), "anna")
}

fn is_out_of_reach(store: &dyn Store, moment: Moment) -> bool {
    matches!(store.read_at(moment).err(), Some(StoreError::OutOfReach { .. }))
}

pub fn an_earlier_revision_reads_as_it_was(open: Past) {
    let (fresh, _) = with_numbers(open, History::default(), &[10, 20]);
    let store = &*fresh.store;
    store.commit(Batch::new().delete(&user("anna")).clone()).unwrap();
    let back = Op::Put { entity: numbered("anna", 4), expect: Default::default(), revive: true };
    store.commit(back.into()).unwrap();
    store.commit(put(&[numbered("ben", 5)])).unwrap();
    let seen: Vec<_> = (0..=5).map(|revision| number_at(store, at(revision))).collect();
    assert_eq!(seen, [None, Some(1), Some(2), None, Some(4), Some(4)]);
    assert_eq!(store.read_at(at(0)).unwrap().get(&user("anna")).unwrap(), Lookup::Absent);
    assert_eq!(store.read_at(at(3)).unwrap().get(&user("anna")).unwrap(), Lookup::Deleted(Revision(3)));
    let reader = store.read_at(at(4)).unwrap();
    assert_eq!(reader.revision(), Revision(4));
    let listed = |revision| -> Vec<Uid> {
        let reader = store.read_at(at(revision)).unwrap();
        let found = reader.list(&ListQuery::default(), None, 10).unwrap();
        found.into_iter().map(|stored| stored.entity.uid).collect()
    };
    assert_eq!(listed(0), []);
    assert_eq!(listed(2), [user("anna")]);
    assert_eq!(listed(3), []);
    assert_eq!(listed(5), [user("anna"), user("ben")]);
    assert!(is_out_of_reach(store, at(6)), "the future");
}

pub fn a_time_finds_the_revision_that_was_the_head_then(open: Past) {
    let (fresh, clock) = with_numbers(open, History::default(), &[10, 10, 30, 25]);
    let store = &*fresh.store;
    let revision = |seconds| store.read_at(Moment::Time(time(seconds))).unwrap().revision().0;
    assert_eq!([0, 9, 10, 29, 30, 31, 99].map(revision), [0, 0, 2, 2, 4, 4, 4]);
    assert!(is_out_of_reach(store, Moment::Time(time(-1))));
    // The clock ran backwards before the last one: its time is that of the one before it.
    assert_eq!(store.read_at(at(4)).unwrap().committed_at().unwrap(), Some(time(30)));
    assert_eq!(store.read_at(at(2)).unwrap().committed_at().unwrap(), Some(time(10)));
    assert_eq!(store.read().unwrap().committed_at().unwrap(), Some(time(30)));
    clock.set(time(0));
}

pub fn what_is_older_than_its_time_is_forgotten_and_said_to_be(open: Past) {
    let history = History { max_age: Some(Duration::from_secs(100)), ..History::default() };
    let (fresh, clock) = with_numbers(open, history, &[10, 20, 30]);
    let store = &*fresh.store;
    clock.set(time(121));
    store.commit(put(&[numbered("ben", 1)])).unwrap();
    assert!(is_out_of_reach(store, at(1)));
    assert!(is_out_of_reach(store, Moment::Time(time(19))));
    let seen: Vec<_> = (2..=4).map(|revision| number_at(store, at(revision))).collect();
    assert_eq!(seen, [Some(2), Some(3), Some(3)]);
    assert_eq!(number_at(store, Moment::Time(time(20))), Some(2));
    let error = store.read_at(at(1)).err().unwrap().to_string();
    assert!(error.contains("revision 1 is out of reach: revisions 2 to 4 can be asked about"), "{error}");
    store.verify().unwrap();
}

pub fn no_more_is_remembered_than_allowed(open: Past) {
    let history = History { max_age: None, max_records: 10 };
    let seconds: Vec<i64> = (1..=40).collect();
    let (fresh, _) = with_numbers(open, history, &seconds);
    let store = &*fresh.store;
    assert!(store.stats().past <= 10, "{}", store.stats().past);
    assert_eq!(number_at(store, at(38)), Some(38));
    assert!(is_out_of_reach(store, at(30)));
    // A batch that replaces more than that begins anew, and writes none of it.
    let crowd: Vec<_> = (0..30).map(|n| numbered(&format!("u{n}"), n)).collect();
    store.commit(put(&crowd)).unwrap();
    store.commit(put(&crowd)).unwrap();
    assert!(store.stats().past <= 10);
    assert!(is_out_of_reach(store, at(41)));
    assert_eq!(number_at(store, at(42)), Some(40));
    store.verify().unwrap();
}

pub fn a_long_past_is_forgotten_with_the_commits_that_follow(open: Past) {
    let history = History { max_age: Some(Duration::from_secs(1_000)), ..History::default() };
    let seconds: Vec<i64> = (1..=300).collect();
    let (fresh, clock) = with_numbers(open, history, &seconds);
    let store = &*fresh.store;
    let crowd = |number| -> Vec<_> { (0..150).map(|n| numbered(&format!("u{n}"), number)).collect() };
    store.commit(put(&crowd(1))).unwrap();
    assert_eq!(store.stats().past, 300 + 299 + 1);
    clock.set(time(5_000));
    // The more is written, the more goes: here more than goes at once.
    store.commit(put(&crowd(2))).unwrap();
    let replaced = 150 + 1;
    assert!(store.stats().past <= 600 - 500 + replaced, "{}", store.stats().past);
    store.verify().unwrap();
    for n in 0..5 {
        store.commit(put(&[numbered("ben", n)])).unwrap();
    }
    assert_eq!(store.stats().past, replaced + 5 + 4);
    assert!(is_out_of_reach(store, at(300)));
    assert_eq!(number_at(store, at(302)), Some(300));
    store.verify().unwrap();
}

pub fn without_a_history_only_the_head_is_told(open: Past) {
    let (fresh, _) = with_numbers(open, History::OFF, &[10, 20]);
    let store = &*fresh.store;
    assert_eq!(store.stats().past, 0);
    assert!(is_out_of_reach(store, at(1)) && is_out_of_reach(store, Moment::Time(time(15))));
    assert_eq!(number_at(store, at(2)), Some(2));
}

pub fn an_import_into_an_empty_store_leaves_one_record_of_the_past(open: Past) {
    let (fresh, _) = with_numbers(open, History::default(), &[]);
    let crowd: Vec<_> = (0..500).map(|n| numbered(&format!("u{n}"), n)).collect();
    fresh.store.commit(put(&crowd)).unwrap();
    assert_eq!(fresh.store.stats().past, 1);
    // And a batch that replaces them is read back as it was, however it was written.
    let again: Vec<_> = (0..500).map(|n| numbered(&format!("u{n}"), n + 1000)).collect();
    fresh.store.commit(put(&again)).unwrap();
    let (first, second) = (fresh.store.read_at(at(1)).unwrap(), 499);
    assert_eq!(number(&*first, "u499"), Some(second));
    assert_eq!(fresh.store.stats().past, 1 + 500 + 4);
}

pub fn facts_about_the_store_have_a_past_and_credentials_have_none(open: Past) {
    let (fresh, _) = with_numbers(open, History::default(), &[]);
    let store = &*fresh.store;
    let set = |table, value: Option<&[u8]>| {
        let op = Op::Record { table, key: b"k".to_vec(), value: value.map(<[u8]>::to_vec) };
        store.commit(op.into()).unwrap();
    };
    set(Table::Meta, Some(b"one"));
    set(Table::Meta, None);
    set(Table::Meta, Some(b"three"));
    set(Table::Token, Some(b"secret"));
    set(Table::Token, Some(b"other"));
    let told = |revision| store.read_at(at(revision)).unwrap().record(Table::Meta, b"k").unwrap();
    assert_eq!(told(0), None);
    assert_eq!(told(1).unwrap(), b"one");
    assert_eq!(told(2), None);
    assert_eq!(told(5).unwrap(), b"three");
    let refused = store.read_at(at(4)).unwrap().record(Table::Token, b"k");
    assert!(matches!(refused, Err(StoreError::NoPast(Table::Token))));
    assert_eq!(store.stats().past, 5 + 1);
}
