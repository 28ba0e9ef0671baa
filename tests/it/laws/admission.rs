//! Admission takes what the engine's own reader takes, and makes the same of it.
//!
//! Valid entities of the cast are damaged at random, and both readers asked. They differ on purpose in two ways, and in
//! no other: admission takes an entity without `attrs` or `parents` for one that has none, and it refuses what the engine
//! drops in silence ([`STRICTER`]).

use std::str::FromStr;
use std::sync::LazyLock;

use proptest::prelude::*;
use proptest::sample::{Index, select};
use serde_json::{Value as Json, json};

use hubwarden::entity::Entity;
use hubwarden::pdp::Prepared;

use crate::support::cases;
use crate::support::cast::CAST;
use crate::support::world::HUB;

/// How the faults begin that only admission finds.
const STRICTER: [&str; 3] = [
    // A name that is none of an entity's parts, or of a uid's: likely a typo, and then a right or a limit is lost.
    "an entity has ",
    // Both `arg` and `args`.
    "`__extn` needs",
    "an entity cannot be its own parent",
];

/// What is done to a place of an entity.
#[derive(Clone, Debug)]
enum Damage {
    Remove,
    Rename,
    Replace(Json),
    Insert(&'static str, Json),
    Swap(Index),
}

fn damage() -> impl Strategy<Value = Damage> {
    let key = select(vec![
        "extra", "__entity", "__extn", "__expr", "type", "id", "fn", "arg", "args", "email", "user", "tags",
    ]);
    prop_oneof![
        2 => Just(Damage::Remove),
        1 => Just(Damage::Rename),
        4 => value().prop_map(Damage::Replace),
        2 => (key, value()).prop_map(|(key, value)| Damage::Insert(key, value)),
        2 => any::<Index>().prop_map(Damage::Swap),
    ]
}

fn value() -> impl Strategy<Value = Json> {
    let datetime = |text: &str| json!({"__extn": {"fn": "datetime", "arg": text}});
    select(vec![
        Json::Null,
        json!(true),
        json!(1),
        json!(1.5),
        json!(9_223_372_036_854_775_808_u64),
        json!(""),
        json!("x"),
        json!("Hub::User"),
        json!("2026-01-01"),
        json!("2026-01-01T00:00:00.000+0100"),
        json!("2026-01-01T00:00:00+01:00"),
        json!("2026-02-30"),
        json!([]),
        json!([1, "x"]),
        json!(["x", "x"]),
        json!({}),
        json!({"type": "Hub::User", "id": "x"}),
        json!({"type": "Hub::User", "id": "x", "more": 1}),
        json!({"type": "Hub::Usher", "id": "x"}),
        json!({"type": "Hub:: User", "id": "x"}),
        json!({"type": "User", "id": "x"}),
        json!({"type": "Hub::TokenRole", "id": "read"}),
        json!({"type": "Hub::TokenRole", "id": "admin"}),
        json!({"type": "Hub::Visibility", "id": "secret"}),
        json!({"type": "Hub::OrgRole", "id": "acme/read"}),
        json!({"type": "Hub::Organization", "id": "acme"}),
        json!({"type": "Hub::Action", "id": "repo.read"}),
        json!({"__entity": {"type": "Hub::User", "id": "x"}}),
        json!({"__entity": {"type": "Hub::OrgRole", "id": "acme/read"}}),
        json!({"__entity": {"type": "Hub::Visibility", "id": "public"}}),
        json!({"__entity": {"type": "Hub::Visibility", "id": "secret"}}),
        json!({"__entity": {"type": "Hub::Visibility", "id": "public"}, "more": 1}),
        json!({"__entity": "Hub::User::\"x\""}),
        json!({"__expr": "Hub::User::\"x\""}),
        json!({"__extn": {"fn": "ip", "arg": "10.0.0.1"}}),
        json!({"fn": "datetime", "arg": "2026-01-01"}),
        json!({"__extn": {"fn": "datetime", "args": ["2026-01-01"]}}),
        json!({"__extn": {"fn": "toDate", "arg": datetime("2026-01-01T10:00:00Z")}}),
        json!({"__extn": {"fn": "offset", "args": [datetime("2026-01-01"), {"__extn": {"fn": "duration", "arg": "1h"}}]}}),
        datetime("2026-01-01"),
        datetime("soon"),
    ])
}

/// The places of a document, as JSON pointers.
fn places(json: &Json, here: &str, found: &mut Vec<String>) {
    found.push(here.to_owned());
    match json {
        Json::Object(map) => {
            let escaped = |key: &str| key.replace('~', "~0").replace('/', "~1");
            map.iter().for_each(|(key, value)| places(value, &format!("{here}/{}", escaped(key)), found));
        }
        Json::Array(items) => {
            items.iter().enumerate().for_each(|(index, value)| places(value, &format!("{here}/{index}"), found));
        }
        _ => {}
    }
}

fn apply(json: &mut Json, at: Index, damage: &Damage) {
    let mut found = Vec::new();
    places(json, "", &mut found);
    let place = found[at.index(found.len())].clone();
    match damage {
        Damage::Replace(value) => *json.pointer_mut(&place).unwrap() = value.clone(),
        Damage::Insert(key, value) => match json.pointer_mut(&place) {
            Some(Json::Object(map)) => drop(map.insert((*key).to_owned(), value.clone())),
            Some(Json::Array(items)) => items.push(value.clone()),
            _ => {}
        },
        Damage::Swap(other) => {
            let value = json.pointer(&found[other.index(found.len())]).unwrap().clone();
            *json.pointer_mut(&place).unwrap() = value;
        }
        Damage::Remove | Damage::Rename => {
            let Some((parent, key)) = place.rsplit_once('/') else { return };
            match json.pointer_mut(parent) {
                Some(Json::Object(map)) => {
                    let value = map.remove(key);
                    if let (Damage::Rename, Some(value)) = (damage, value) {
                        map.insert(format!("{key}2"), value);
                    }
                }
                Some(Json::Array(items)) => drop(items.remove(key.parse().unwrap())),
                _ => {}
            }
        }
    }
}

/// The engine's reading. What is left out is empty: the first of the differences on purpose.
fn engine(json: &Json) -> Result<cedar_policy::Entity, String> {
    static SCHEMA: LazyLock<cedar_policy::Schema> =
        LazyLock::new(|| cedar_policy::Schema::from_str(&HUB.source().schema.text).unwrap());
    let mut json = json.clone();
    if let Some(map) = json.as_object_mut() {
        map.entry("attrs").or_insert_with(|| json!({}));
        map.entry("parents").or_insert_with(|| json!([]));
    }
    cedar_policy::Entity::from_json_value(json, Some(&SCHEMA)).map_err(|error| error.to_string())
}

/// An entity of the cast as JSON, damaged.
fn damaged() -> impl Strategy<Value = Json> {
    (any::<Index>(), prop::collection::vec((any::<Index>(), damage()), 0..3)).prop_map(|(which, damages)| {
        let cast: Vec<&Entity> = CAST.entities.values().collect();
        let mut json = which.get(&cast).to_json();
        damages.iter().for_each(|(at, damage)| apply(&mut json, *at, damage));
        json
    })
}

proptest! {
    #![proptest_config(ProptestConfig { max_shrink_iters: 2000, ..cases(2000) })]

    #[test]
    fn an_entity_that_is_held_is_admitted_as_its_json_is(json in damaged()) {
        // What no entity can be read from is not held.
        if let Ok(entity) = Entity::from_json(&json) {
            let read = HUB.admission().entity(&entity.to_json());
            prop_assert_eq!(HUB.admission().check(&entity), read.clone().map(drop));
            prop_assert_eq!(HUB.admission().held(entity), read);
        }
    }

    #[test]
    fn admission_takes_what_the_engine_takes(json in damaged()) {
        let ours = HUB.admission().entity(&json);
        let theirs = engine(&json);
        match (ours, theirs) {
            (Ok(ours), Ok(theirs)) => {
                prop_assert!(engine(&ours.to_json()).unwrap().deep_eq(&theirs), "{json:#}");
                prop_assert!(Prepared::new(ours).is_ok());
            }
            (Ok(_), Err(theirs)) => prop_assert!(false, "admitted {json:#}\nalthough {theirs}"),
            (Err(ours), Ok(_)) => {
                // Something beside an escape: two readers could take different halves.
                let beside = ours.message.contains(" stands beside `__");
                let stricter = beside || STRICTER.iter().any(|start| ours.message.starts_with(start));
                prop_assert!(stricter, "refused {json:#}\nfor {ours}");
            }
            (Err(_), Err(_)) => {}
        }
    }
}
