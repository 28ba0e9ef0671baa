//! Where a record lies in the one ordered keyspace of an engine.
//!
//! A key is one byte for the table, then the name. An entity's name is its type, a terminator, and its id as it is:
//! keys sort by the bytes of the type, then of the id, and no id can be mistaken for another, whatever bytes it holds.
//! A NUL inside a type name is written `00 FF`; `00 01` ends the type. Changing this orphans every stored record.

use crate::entity::Uid;

use super::{Revision, Table};

/// The store's own facts: head revision and counts. One record.
pub const HEAD: &[u8] = &[0x00];
/// The first byte of every entity's key.
pub const ENTITIES: u8 = 0x01;
/// The first byte of what dates revisions.
pub const REVISIONS: u8 = 0x07;
/// The first byte of records as they were before a revision replaced or removed them.
pub const PAST: u8 = 0x08;

const NUL: u8 = 0x00;
const TYPE_END: u8 = 0x01;
const PAST_TYPE_END: u8 = 0x02;
const ESCAPED_NUL: u8 = 0xFF;

/// The first byte of the keys of a table.
pub fn table(table: Table) -> u8 {
    match table {
        Table::ApiKey => 0x10,
        Table::Meta => 0x11,
        Table::Token => 0x12,
        Table::TokenHash => 0x13,
        Table::TokenOwner => 0x14,
        Table::TokenUse => 0x15,
    }
}

pub fn record(of: Table, name: &[u8]) -> Vec<u8> {
    let mut key = Vec::with_capacity(1 + name.len());
    key.push(table(of));
    key.extend_from_slice(name);
    key
}

pub fn entity(uid: &Uid) -> Vec<u8> {
    prefix(uid.type_name(), uid.id())
}

/// What the keys of all entities of a type whose id starts with `id_prefix` start with.
pub fn prefix(type_name: &str, id_prefix: &str) -> Vec<u8> {
    let mut key = of_type(type_name, id_prefix.len());
    key.push(TYPE_END);
    key.extend_from_slice(id_prefix.as_bytes());
    key
}

/// The smallest key above those of all entities of a type.
pub fn past_type(type_name: &str) -> Vec<u8> {
    let mut key = of_type(type_name, 0);
    key.push(PAST_TYPE_END);
    key
}

/// Table byte, escaped type name and the first byte of the terminator.
fn of_type(type_name: &str, room: usize) -> Vec<u8> {
    let mut key = Vec::with_capacity(3 + type_name.len() + room);
    key.push(ENTITIES);
    for &byte in type_name.as_bytes() {
        key.push(byte);
        if byte == NUL {
            key.push(ESCAPED_NUL);
        }
    }
    key.push(NUL);
    key
}

/// One part of what is remembered of revisions that became durable at once, the last of which is this one.
pub fn revision(revision: Revision, part: u32) -> Vec<u8> {
    [&[REVISIONS], revision.0.to_be_bytes().as_slice(), part.to_be_bytes().as_slice()].concat()
}

/// What the keys of all earlier records of `key` start with. It holds the whole key, with an end that no key contains.
pub fn past(key: &[u8]) -> Vec<u8> {
    let mut past = Vec::with_capacity(key.len() + 16);
    past.push(PAST);
    for &byte in key {
        past.push(byte);
        if byte == NUL {
            past.push(ESCAPED_NUL);
        }
    }
    past.extend([NUL, TYPE_END]);
    past
}

/// The record of `key` as it was before this revision replaced it.
pub fn before(key: &[u8], replaced: Revision) -> Vec<u8> {
    let mut past = past(key);
    past.extend(replaced.0.to_be_bytes());
    past
}

/// What the key of a record of the past starts with ([`past`]), and the revision that replaced the record.
pub fn replaced(key: &[u8]) -> Option<(&[u8], Revision)> {
    let (past, replaced) = key.split_last_chunk()?;
    Some((past, Revision(u64::from_be_bytes(*replaced))))
}

/// The key that a record of the past was stored at.
pub fn present(past: &[u8]) -> Option<Vec<u8>> {
    let (&PAST, name) = past.split_first()? else {
        return None;
    };
    let mut key = Vec::with_capacity(name.len());
    let mut bytes = name.iter();
    loop {
        match *bytes.next()? {
            NUL => match *bytes.next()? {
                ESCAPED_NUL => key.push(NUL),
                TYPE_END => break,
                _ => return None,
            },
            byte => key.push(byte),
        }
    }
    (bytes.len() == size_of::<u64>()).then_some(key)
}

/// Whether a key is that of an entity, or sorts before those of all of them.
pub fn is_entity(key: &[u8]) -> bool {
    key.first().is_none_or(|table| *table <= ENTITIES)
}

/// The uid an entity's key was made of, or nothing when it is no such key.
pub fn uid(key: &[u8]) -> Option<Uid> {
    let (&ENTITIES, name) = key.split_first()? else {
        return None;
    };
    let mut type_name = Vec::with_capacity(name.len());
    let mut bytes = name.iter();
    loop {
        match *bytes.next()? {
            NUL => match *bytes.next()? {
                ESCAPED_NUL => type_name.push(NUL),
                TYPE_END => break,
                _ => return None,
            },
            byte => type_name.push(byte),
        }
    }
    let type_name = std::str::from_utf8(&type_name).ok()?;
    let id = std::str::from_utf8(bytes.as_slice()).ok()?;
    Some(Uid::new(type_name, id))
}

/// How an error message names the record at `key`.
pub fn describe(key: &[u8]) -> String {
    match (uid(key), key.split_first()) {
        (Some(uid), _) => uid.to_string(),
        (None, Some((tag, name))) if *tag == table(Table::ApiKey) => {
            format!("the API key record `{}`", name.escape_ascii())
        }
        (None, Some((tag, name))) if *tag == table(Table::Meta) => {
            format!("the meta record `{}`", name.escape_ascii())
        }
        (None, Some((tag, id))) if *tag == table(Table::Token) => {
            format!("the credential of the access token `{}`", id.escape_ascii())
        }
        (None, Some((tag, _))) if *tag == table(Table::TokenHash) => "the hash of an access token".to_owned(),
        (None, Some((tag, _))) if super::links::KEY == [*tag] => "a part of the index".to_owned(),
        (None, Some(_)) if key == HEAD => "the head record".to_owned(),
        (None, Some((tag, _))) if *tag == REVISIONS => "the date of a revision".to_owned(),
        (None, Some((tag, _))) if *tag == PAST => match present(key) {
            Some(present) => format!("the past of {}", describe(&present)),
            None => format!("the record at `{}`", key.escape_ascii()),
        },
        _ => format!("the record at `{}`", key.escape_ascii()),
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    proptest! {
        #[test]
        fn any_uid_reads_back_from_its_key(type_name in ".{0,12}", id in ".{0,12}") {
            let it = Uid::new(type_name, id);
            prop_assert_eq!(uid(&entity(&it)), Some(it));
        }

        #[test]
        fn keys_sort_as_uids_do(a in "[\0\u{1}\u{2}ab\u{7ff}]{0,4}", b in "[\0\u{1}ab]{0,3}",
                                c in "[\0\u{1}\u{2}ab\u{7ff}]{0,4}", d in "[\0\u{1}ab]{0,3}") {
            let (left, right) = (Uid::new(a, b), Uid::new(c, d));
            prop_assert_eq!(entity(&left).cmp(&entity(&right)), left.cmp(&right));
        }
    }

    proptest! {
        #[test]
        fn any_key_reads_back_from_its_past_and_is_no_prefix_of_another(
            a in prop::collection::vec(prop_oneof![0..3_u8, 0xFE..=0xFF_u8], 0..6),
            b in prop::collection::vec(prop_oneof![0..3_u8, 0xFE..=0xFF_u8], 0..6),
        ) {
            prop_assert_eq!(present(&before(&a, Revision(7))), Some(a.clone()));
            prop_assert_eq!(past(&a).starts_with(&past(&b)), a == b);
        }
    }

    #[test]
    fn the_end_of_a_type_lies_above_its_entities_and_below_longer_types() {
        let end = past_type("A");
        assert!(entity(&Uid::new("A", "\u{10ffff}\u{10ffff}")) < end);
        assert!(end < entity(&Uid::new("A\0", "")));
        assert!(end < entity(&Uid::new("A\u{1}", "")));
    }
}
