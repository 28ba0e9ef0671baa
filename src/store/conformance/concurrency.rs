//! What readers and writers see of each other.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread;

use parking_lot::Mutex;

use super::{number, numbered, put, user};
use crate::entity::{Entity, Uid};
use crate::store::{Batch, ListQuery, Revision, Store, Table};

const WRITERS: usize = 8;

pub fn revisions_have_no_gaps_under_many_writers(store: &dyn Store) {
    let given = Mutex::new(Vec::new());
    thread::scope(|scope| {
        for writer in 0..WRITERS {
            let given = &given;
            scope.spawn(move || {
                let mut last = Revision(0);
                for n in 0..25 {
                    let revision = store.commit(put(&[numbered(&format!("w{writer}"), n)])).unwrap();
                    assert!(last < revision);
                    last = revision;
                    // Read your own writes.
                    let reader = store.read().unwrap();
                    assert!(revision <= reader.revision());
                    assert_eq!(number(&*reader, &format!("w{writer}")), Some(n));
                    given.lock().push(revision.0);
                }
            });
        }
    });
    let mut given = given.into_inner();
    given.sort_unstable();
    assert_eq!(given, (1..=(WRITERS as u64 * 25)).collect::<Vec<_>>());
}

pub fn a_reader_never_sees_half_a_batch(store: &dyn Store) {
    // Small batches share an engine batch, large ones are written in pieces: both must appear at once.
    let pair = |n: i64, filler: usize| {
        let mut batch = put(&[numbered("a", n)]);
        for k in 0..filler {
            batch.put(&numbered(&format!("filler{k}"), n));
        }
        batch.put(&numbered("z", n));
        if n % 2 == 0 {
            batch.set_record(Table::Meta, b"even", b"");
        } else {
            batch.remove_record(Table::Meta, b"even");
        }
        batch
    };
    let done = AtomicBool::new(false);
    thread::scope(|scope| {
        for _ in 0..2 {
            scope.spawn(|| {
                let mut last = None;
                while !done.load(Ordering::Relaxed) {
                    let reader = store.read().unwrap();
                    let (a, z) = (number(&*reader, "a"), number(&*reader, "z"));
                    assert_eq!(a, z);
                    assert!(last <= a, "{last:?} then {a:?}");
                    last = a;
                    let listed = reader.list(&ListQuery::default(), None, usize::MAX).unwrap();
                    let mut numbers = listed.iter().map(|stored| &stored.entity.attrs["number"]);
                    let first = numbers.next();
                    if listed.len() > 200 {
                        assert!(numbers.filter(|other| Some(*other) != first).count() == 0);
                    }
                    let even = reader.record(Table::Meta, b"even").unwrap().is_some();
                    assert_eq!(even, a.is_some_and(|n| n % 2 == 0));
                    assert_eq!(even, (reader.records(Table::Meta, b"", None, 2).unwrap().len() == 1));
                }
            });
        }
        for n in 0..60 {
            store.commit(pair(n, if n < 40 { 1 } else { 500 })).unwrap();
        }
        done.store(true, Ordering::Relaxed);
    });
}

pub fn a_view_stays_at_its_revision(store: &dyn Store) {
    store.commit(put(&[numbered("anna", 1)])).unwrap();
    thread::scope(|scope| {
        let view = store.read().unwrap();
        let writer = scope.spawn(|| {
            let mut batch = put(&[numbered("anna", 2), numbered("ben", 2)]);
            batch.set_record(Table::Meta, b"k", b"v");
            store.commit(batch).unwrap()
        });
        for _ in 0..200 {
            assert_eq!(number(&*view, "anna"), Some(1));
            assert_eq!(number(&*view, "ben"), None);
            assert_eq!(view.record(Table::Meta, b"k").unwrap(), None);
            assert_eq!(view.revision(), Revision(1));
        }
        drop(view);
        assert_eq!(writer.join().unwrap(), Revision(2));
    });
    assert_eq!(number(&*store.read().unwrap(), "anna"), Some(2));
}

pub fn observers_hear_of_each_commit_before_it_is_visible(store: &dyn Store) {
    let heard: Arc<Mutex<Vec<(Revision, Vec<Uid>)>>> = Arc::default();
    let log = Arc::clone(&heard);
    store.observe(Box::new(move |revision, uids| log.lock().push((revision, uids.to_vec()))));
    let done = AtomicBool::new(false);
    thread::scope(|scope| {
        scope.spawn(|| {
            while !done.load(Ordering::Relaxed) {
                // Whatever is visible has been announced. The view is let go before the log is looked at.
                let seen = store.read().unwrap().revision();
                assert!(seen.0 <= heard.lock().len() as u64);
            }
        });
        for n in 0..20 {
            let mut batch = put(&[numbered("anna", n)]);
            batch.delete(&user("nobody")).set_record(Table::Meta, b"k", b"v");
            store.commit(batch).unwrap();
        }
        done.store(true, Ordering::Relaxed);
    });
    let many: Vec<Entity> = (0..150).map(|n| numbered(&format!("u{n:03}"), n)).collect();
    store.commit(put(&many)).unwrap();
    store.commit(Batch::new()).unwrap();
    let heard = heard.lock();
    let revisions: Vec<u64> = heard.iter().map(|(revision, _)| revision.0).collect();
    assert_eq!(revisions, (1..=21).collect::<Vec<_>>());
    assert_eq!(heard[0].1, [user("anna")]);
    let all: Vec<Uid> = many.into_iter().map(|entity| entity.uid).collect();
    assert_eq!(heard[20].1, all);
}
