//! What readers get, and in which order.

use super::{numbered, put, user};
use crate::entity::{Entity, Uid, Value};
use crate::store::{Batch, ListQuery, Lookup, Revision, Store, Stored, Table};

/// Ids and types that a careless key would mix up or put in the wrong order.
fn nasty() -> Vec<Uid> {
    let types = ["A", "A::B", "AB", "A\0B", "A\u{1}", "B"];
    let ids = [
        "",
        "\0",
        "\0\0",
        "\0\u{1}",
        "\u{1}",
        "a",
        "a\0",
        "a\0b",
        "a/b",
        "ab",
        "b",
        "\u{7f}",
        "\u{80}",
        "\u{7ff}",
        "\u{ffff}",
        "\u{10ffff}",
        "\u{10ffff}\u{10ffff}",
        "é",
        "e\u{301}",
    ];
    let all = types.into_iter().flat_map(|of| ids.map(|id| Uid::new(of, id)));
    all.collect()
}

fn store_nasty(store: &dyn Store) -> Vec<Uid> {
    let mut uids = nasty();
    let entities: Vec<Entity> = uids.iter().rev().cloned().map(Entity::bare).collect();
    store.commit(put(&entities)).unwrap();
    uids.sort();
    uids
}

fn uids(stored: Vec<Stored>) -> Vec<Uid> {
    stored.into_iter().map(|stored| stored.entity.uid).collect()
}

fn list(store: &dyn Store, query: &ListQuery) -> Vec<Uid> {
    uids(store.read().unwrap().list(query, None, usize::MAX).unwrap())
}

pub fn an_entity_reads_back_with_its_revision(store: &dyn Store) {
    let mut entity = numbered("anna", -7);
    entity.parents.insert(Uid::new("Hub::OrgRole", "acme/write"));
    entity.tags.insert("t".into(), Value::Set([Value::Bool(true), user("x").into()].into()));
    store.commit(put(&[numbered("ben", 1)])).unwrap();
    store.commit(put(&[entity.clone()])).unwrap();
    let reader = store.read().unwrap();
    let expected = Stored { entity, revision: Revision(2) };
    assert_eq!(reader.get(&user("anna")).unwrap(), Lookup::Present(expected));
    assert_eq!(reader.get(&user("nobody")).unwrap(), Lookup::Absent);
    assert_eq!(reader.revision(), Revision(2));
}

pub fn a_list_comes_in_byte_order_of_type_and_id(store: &dyn Store) {
    let sorted = store_nasty(store);
    assert_eq!(list(store, &ListQuery::default()), sorted);
}

pub fn a_list_takes_only_its_type_and_prefix(store: &dyn Store) {
    let sorted = store_nasty(store);
    for of in ["A", "A\0B", "AB", "Z", ""] {
        for prefix in ["", "\0", "a", "a\0", "\u{10ffff}", "zz"] {
            let query = ListQuery { type_name: Some(of.to_owned()), id_prefix: prefix.to_owned() };
            let wanted = |uid: &&Uid| uid.type_name() == of && uid.id().starts_with(prefix);
            let expected: Vec<Uid> = sorted.iter().filter(wanted).cloned().collect();
            assert_eq!(list(store, &query), expected, "{query:?}");
        }
    }
}

pub fn pages_join_to_the_whole_list(store: &dyn Store) {
    store_nasty(store);
    let queries = [None, Some("A"), Some("A\0B")].into_iter().flat_map(|of| {
        ["", "a"].map(|prefix| ListQuery { type_name: of.map(str::to_owned), id_prefix: prefix.to_owned() })
    });
    for query in queries {
        let whole = list(store, &query);
        for limit in [1, 2, 7, whole.len()] {
            let mut joined: Vec<Uid> = Vec::new();
            loop {
                let reader = store.read().unwrap();
                let page = uids(reader.list(&query, joined.last(), limit).unwrap());
                assert!(page.len() <= limit);
                if page.is_empty() {
                    break;
                }
                joined.extend(page);
            }
            assert_eq!(joined, whole, "{query:?} by {limit}");
        }
    }
    let reader = store.read().unwrap();
    assert_eq!(reader.list(&ListQuery::default(), None, 0).unwrap(), []);
}

pub fn a_prefix_without_a_type_looks_into_every_type(store: &dyn Store) {
    let sorted = store_nasty(store);
    for prefix in ["a", "a\0", "\0", "\u{10ffff}", "zz"] {
        let query = ListQuery { type_name: None, id_prefix: prefix.to_owned() };
        let wanted = |uid: &&Uid| uid.id().starts_with(prefix);
        let expected: Vec<Uid> = sorted.iter().filter(wanted).cloned().collect();
        assert_eq!(list(store, &query), expected, "{query:?}");
    }
}

pub fn deleted_entities_are_not_listed(store: &dyn Store) {
    store.commit(put(&[numbered("a", 1), numbered("b", 1), numbered("c", 1)])).unwrap();
    let mut batch = Batch::new();
    batch.delete(&user("b"));
    store.commit(batch).unwrap();
    assert_eq!(list(store, &ListQuery::default()), [user("a"), user("c")]);
    let reader = store.read().unwrap();
    let page = reader.list(&ListQuery::default(), Some(&user("a")), 1).unwrap();
    assert_eq!(uids(page), [user("c")]);
}

pub fn tables_keep_records_apart(store: &dyn Store) {
    let mut batch = put(&[numbered("k", 1)]);
    batch.set_record(Table::ApiKey, b"k\xff", b"2").set_record(Table::ApiKey, b"k", b"1");
    batch.set_record(Table::ApiKey, b"", b"0").set_record(Table::Meta, b"k", b"");
    store.commit(batch).unwrap();
    let reader = store.read().unwrap();
    let pair = |key: &[u8], value: &[u8]| (key.to_vec(), value.to_vec());
    let all = |table| reader.records(table, b"", None, usize::MAX).unwrap();
    assert_eq!(all(Table::ApiKey), [pair(b"", b"0"), pair(b"k", b"1"), pair(b"k\xff", b"2")]);
    assert_eq!(all(Table::Meta), [pair(b"k", b"")]);
    assert_eq!(all(Table::Token), []);
    drop(reader);
    let mut batch = Batch::new();
    batch.remove_record(Table::ApiKey, b"k");
    store.commit(batch).unwrap();
    let reader = store.read().unwrap();
    assert_eq!(reader.record(Table::ApiKey, b"k").unwrap(), None);
    assert_eq!(reader.record(Table::Meta, b"k").unwrap(), Some(vec![]));
    assert_eq!(reader.records(Table::ApiKey, b"", None, usize::MAX).unwrap().len(), 2);
}

pub fn records_are_listed_by_prefix_page_by_page(store: &dyn Store) {
    let mut batch = Batch::new();
    for name in ["a", "ab", "ab\u{7f}", "abc", "b"] {
        batch.set_record(Table::TokenOwner, name.as_bytes(), b"");
    }
    batch.set_record(Table::TokenUse, b"ab", b"");
    store.commit(batch).unwrap();
    let reader = store.read().unwrap();
    let names = |prefix: &str, after: Option<&str>, limit| {
        let page = reader.records(Table::TokenOwner, prefix.as_bytes(), after.map(str::as_bytes), limit).unwrap();
        page.into_iter().map(|(name, _)| String::from_utf8(name).unwrap()).collect::<Vec<_>>()
    };
    assert_eq!(names("ab", None, 9), ["ab", "abc", "ab\u{7f}"]);
    assert_eq!(names("ab", None, 2), ["ab", "abc"]);
    assert_eq!(names("ab", Some("abc"), 2), ["ab\u{7f}"]);
    assert_eq!(names("ab", Some("a"), 1), ["ab"]);
    assert_eq!(names("ab", Some("b"), 1), Vec::<String>::new());
    assert_eq!(names("", None, 0), Vec::<String>::new());
    assert_eq!(names("c", None, 9), Vec::<String>::new());
}

pub fn verify_reads_every_record(store: &dyn Store) {
    let all: Vec<Entity> = (0..2_500).map(|n| numbered(&format!("u{n}"), n)).collect();
    store.commit(put(&all)).unwrap();
    let mut batch = Batch::new();
    batch.delete(&user("u1")).set_record(Table::Meta, b"k", b"v");
    store.commit(batch).unwrap();
    assert_eq!(store.verify().unwrap(), 2_501);
}
