//! The law of code: where it answers, the engine answers the same.

use std::cell::Cell;
use std::collections::{BTreeSet, HashMap};
use std::sync::Arc;

use cedar_policy::{Policy, PolicyId};
use proptest::prelude::*;
use proptest::test_runner::{Config, TestRunner};
use serde_json::{Value as Json, json};

use super::*;
use crate::entity::Entity;
use crate::pdp::bundle::{Bundle, BundleSource, SourceFile};
use crate::pdp::compiled::{Places, Reading};
use crate::pdp::engine::Prepared;
use crate::pdp::reach::Reach;

const SCHEMA: &str = r#"
  entity Team in [Team];
  entity Color enum ["red", "blue"];
  entity User in [Team] = {
    level: Long, name: String, boss?: User, color: Color, born: datetime, peers: Set<User>,
    words: Set<String>, seat?: { room: Long, team?: Team }, free: Bool,
  } tags Set<String>;
  action read appliesTo {
    principal: [User], resource: [User], context: { now: datetime, friend?: User, free?: Bool },
  };
"#;

fn bundle() -> Bundle {
    let source = BundleSource {
        schema: SourceFile::new("test.cedarschema", SCHEMA),
        policies: vec![SourceFile::new("test.cedar", "@id(\"any\") permit (principal, action, resource);")],
        links: None,
        reasons: None,
        gateway: None,
    };
    Bundle::build(source).unwrap()
}

struct World(HashMap<Uid, Arc<Prepared>>);

impl Facts for World {
    fn fact(&self, uid: &Uid) -> Result<Fact, FactsError> {
        Ok(self.0.get(uid).map_or(Fact::Absent, |prepared| Fact::Present(Arc::clone(prepared))))
    }
}

fn user(id: &str) -> Json {
    json!({"type": "User", "id": id})
}

/// Three users and their teams; the boss of one is not stored.
fn world(bundle: &Bundle) -> World {
    let entities = [
        json!({"uid": user("ann"), "parents": [{"type": "Team", "id": "core"}], "tags": {"eats": ["figs"]}, "attrs": {
            "level": 3, "name": "Ann", "boss": user("bea"), "color": {"type": "Color", "id": "red"},
            "born": "2000-01-02T03:04:05Z", "peers": [user("bea")], "words": ["a", "b"],
            "seat": {"room": 7, "team": {"type": "Team", "id": "core"}}, "free": true}}),
        json!({"uid": user("bea"), "parents": [{"type": "Team", "id": "all"}], "attrs": {
            "level": -1, "name": "", "boss": user("gone"), "color": {"type": "Color", "id": "blue"},
            "born": "2000-01-02", "peers": [], "words": ["b"], "seat": {"room": 0}, "free": false}}),
        json!({"uid": user("cat"), "attrs": {
            "level": i64::MAX, "name": "Ann", "color": {"type": "Color", "id": "red"},
            "born": "2000-01-02T00:00:00.000Z", "peers": [user("ann"), user("gone")], "words": [], "free": true}}),
        json!({"uid": {"type": "Team", "id": "core"}, "parents": [{"type": "Team", "id": "all"}]}),
        json!({"uid": {"type": "Team", "id": "all"}}),
    ];
    let prepared = entities.iter().map(|json| bundle.admission().entity(json).unwrap());
    World(prepared.map(|entity: Entity| (entity.uid.clone(), Arc::new(Prepared::new(entity).unwrap()))).collect())
}

fn uid(ty: &str, ids: &'static [&'static str]) -> BoxedStrategy<Json> {
    let ty = ty.to_owned();
    prop::sample::select(ids).prop_map(move |id| json!({"Value": {"__entity": {"type": ty.clone(), "id": id}}})).boxed()
}

fn get(of: BoxedStrategy<Json>, attribute: &'static str) -> BoxedStrategy<Json> {
    of.prop_map(move |of| json!({".": {"left": of, "attr": attribute}})).boxed()
}

fn users(depth: u32) -> BoxedStrategy<Json> {
    let variables = prop_oneof![Just(json!({"Var": "principal"})), Just(json!({"Var": "resource"}))];
    let friend = get(Just(json!({"Var": "context"})).boxed(), "friend");
    if depth == 0 {
        return prop_oneof![4 => variables, 1 => friend, 1 => uid("User", &["ann", "gone"])].boxed();
    }
    let chosen = (bools(depth - 1), users(depth - 1), users(depth - 1));
    prop_oneof![
        4 => variables,
        1 => friend,
        2 => get(users(depth - 1), "boss"),
        1 => chosen.prop_map(|(test, then, otherwise)| json!({"if-then-else": {"if": test, "then": then, "else": otherwise}})),
    ]
    .boxed()
}

fn teams(depth: u32) -> BoxedStrategy<Json> {
    let seat = get(get(users(depth), "seat"), "team");
    let literal = || uid("Team", &["core", "all", "none"]);
    let set = prop::collection::vec(prop_oneof![literal(), seat.clone()], 0..3);
    prop_oneof![3 => literal(), 1 => seat, 1 => set.prop_map(|members| json!({"Set": members}))].boxed()
}

fn numbers(depth: u32) -> BoxedStrategy<Json> {
    let literal = prop::sample::select(&[-1i64, 0, 3, 7, i64::MAX]).prop_map(|value| json!({"Value": value}));
    let room = get(get(users(depth), "seat"), "room");
    let sum = (get(users(depth), "level"), literal.clone())
        .prop_map(|(left, right)| json!({"+": {"left": left, "right": right}}));
    prop_oneof![2 => literal, 3 => get(users(depth), "level"), 1 => room, 1 => sum].boxed()
}

fn texts(depth: u32) -> BoxedStrategy<Json> {
    let literal = prop::sample::select(&["Ann", "", "a"]).prop_map(|value| json!({"Value": value}));
    prop_oneof![literal, get(users(depth), "name")].boxed()
}

fn times(depth: u32) -> BoxedStrategy<Json> {
    let literal = prop::sample::select(&["2000-01-02", "2000-01-02T00:00:00Z", "2026-01-01T00:00:00.000+0000"]);
    prop_oneof![
        3 => get(users(depth), "born"),
        1 => get(Just(json!({"Var": "context"})).boxed(), "now"),
        1 => literal.prop_map(|text| json!({"datetime": [{"Value": text}]})),
    ]
    .boxed()
}

fn sets(depth: u32) -> BoxedStrategy<Json> {
    let literal = prop::collection::vec(texts(0), 0..3).prop_map(|members| json!({"Set": members}));
    let tag = (users(depth), texts(0)).prop_map(|(of, key)| json!({"getTag": {"left": of, "right": key}}));
    let eats = users(depth).prop_map(|of| json!({"getTag": {"left": of, "right": {"Value": "eats"}}}));
    prop_oneof![2 => get(users(depth), "words"), 2 => literal, 1 => tag, 1 => eats].boxed()
}

fn two(operator: &'static str, left: BoxedStrategy<Json>, right: BoxedStrategy<Json>) -> BoxedStrategy<Json> {
    (left, right).prop_map(move |(left, right)| json!({operator: {"left": left, "right": right}})).boxed()
}

fn compared(of: fn(u32) -> BoxedStrategy<Json>, depth: u32) -> BoxedStrategy<Json> {
    prop::sample::select(&["<", "<=", ">", ">=", "==", "!="])
        .prop_flat_map(move |operator| two(operator, of(depth), of(depth)))
        .boxed()
}

fn bools(depth: u32) -> BoxedStrategy<Json> {
    let literal = any::<bool>().prop_map(|value| json!({"Value": value}));
    let free = prop_oneof![get(users(0), "free"), get(Just(json!({"Var": "context"})).boxed(), "free")];
    if depth == 0 {
        return prop_oneof![1 => literal, 3 => free].boxed();
    }
    let d = depth - 1;
    let has = (users(d), prop::sample::select(&["boss", "seat", "level", "none"]))
        .prop_map(|(of, name)| json!({"has": {"left": of, "attr": name}}));
    let context_has = prop::sample::select(&["friend", "free"])
        .prop_map(|name| json!({"has": {"left": {"Var": "context"}, "attr": name}}));
    let tagged = two("hasTag", users(d), prop_oneof![texts(0), Just(json!({"Value": "eats"}))].boxed());
    let not = bools(d).prop_map(|arg| json!({"!": {"arg": arg}}));
    let like = texts(d).prop_map(|of| json!({"like": {"left": of, "pattern": [{"Literal": "A"}, "Wildcard"]}}));
    let chosen = (bools(d), bools(d), bools(d))
        .prop_map(|(test, then, otherwise)| json!({"if-then-else": {"if": test, "then": then, "else": otherwise}}));
    let is = users(d).prop_map(|of| json!({"is": {"left": of, "entity_type": "User"}}));
    let is_in =
        (users(d), teams(d)).prop_map(|(of, team)| json!({"is": {"left": of, "entity_type": "User", "in": team}}));
    let empty = sets(d).prop_map(|of| json!({"isEmpty": {"arg": of}}));
    let action = prop::sample::select(&["read", "write"]).prop_map(
        |id| json!({"==": {"left": {"Var": "action"}, "right": {"Value": {"__entity": {"type": "Action", "id": id}}}}}),
    );
    prop_oneof![
        1 => literal, 2 => free, 3 => has, 1 => context_has, 1 => tagged, 2 => not, 1 => like, 1 => chosen,
        1 => is, 1 => is_in, 1 => empty, 1 => action,
        4 => two("&&", bools(d), bools(d)),
        4 => two("||", bools(d), bools(d)),
        2 => compared(numbers, d),
        2 => compared(times, d),
        1 => two("==", texts(d), texts(d)),
        2 => two("==", users(d), users(d)),
        1 => two("==", sets(d), sets(d)),
        3 => two("in", users(d), teams(d)),
        1 => two("contains", sets(d), texts(d)),
        2 => two("contains", get(users(d), "peers"), users(d)),
        1 => two("containsAll", sets(d), sets(d)),
        1 => two("containsAny", sets(d), sets(d)),
    ]
    .boxed()
}

fn scopes(all: bool) -> BoxedStrategy<Json> {
    let uid = |ty: &str, id: &str| json!({"type": ty, "id": id});
    let narrow = prop_oneof![
        Just(json!({"op": "==", "entity": uid("User", "ann")})),
        Just(json!({"op": "in", "entity": uid("Team", "all")})),
        Just(json!({"op": "is", "entity_type": "User"})),
        Just(json!({"op": "is", "entity_type": "User", "in": {"entity": uid("Team", "core")}})),
    ];
    if all { prop_oneof![4 => Just(json!({"op": "All"})), 1 => narrow].boxed() } else { narrow.boxed() }
}

fn policies() -> impl Strategy<Value = Json> {
    let condition = (any::<bool>(), bools(3))
        .prop_map(|(when, body)| json!({"kind": if when { "when" } else { "unless" }, "body": body}));
    (scopes(true), scopes(true), prop::collection::vec(condition, 0..3)).prop_map(
        |(principal, resource, conditions)| {
            json!({"effect": "permit", "principal": principal, "action": {"op": "All"}, "resource": resource,
            "conditions": conditions})
        },
    )
}

fn questions() -> impl Strategy<Value = Question> {
    let id = || prop::sample::select(&["ann", "bea", "cat", "gone"]);
    (id(), id(), prop::option::of(id()), prop::option::of(any::<bool>())).prop_map(
        |(principal, resource, friend, free)| {
            let user = |id: &str| Uid::new("User", id);
            let mut context = Record::new();
            context.extend(friend.map(|id| ("friend".into(), user(id).into())));
            context.extend(free.map(|free| ("free".into(), free.into())));
            Question {
                principal: user(principal),
                action: Uid::new("Action", "read"),
                resource: user(resource),
                context,
                now: "2000-01-02T03:04:05.000Z".into(),
            }
        },
    )
}

/// What code says of a policy, and what the engine says.
fn both(bundle: &Bundle, facts: &World, policy: &Json, question: &Question) -> (Option<bool>, Result<bool, String>) {
    let read = Policy::from_json(Some(PolicyId::new("p")), policy.clone()).unwrap();
    let mut env = Env {
        principal: "User".into(),
        resource: "User".into(),
        permits: Indexed::default(),
        forbids: Indexed::default(),
        reach: Reach::default(),
        places: Places::default(),
    };
    env.reach.add_policy(policy).unwrap();
    let groups = BTreeSet::new();
    let mut reading = Reading {
        principal: "User",
        action: &question.action,
        groups: &groups,
        resource: "User",
        places: &mut env.places,
    };
    let code = reading.policy(policy);
    env.permits.add(&read, code).unwrap();
    let Understood::Posed(mut posed) = bundle.pose(question.clone(), facts).unwrap() else {
        panic!("no credentials here")
    };
    posed.env = &env;
    posed.loaded = Loaded::new(&env.places);
    let scene = Scene::new(&bundle.schema, facts, &env.places, (&posed.question, &posed.watch), &posed.loaded);
    // Whatever a scope names here.
    let uids = [Uid::new("User", "ann"), Uid::new("Team", "core"), Uid::new("Team", "all")];
    let rule = env.permits.candidates(&uids, &uids).next().unwrap();
    let by_code = rule.code.as_ref().and_then(|code| scene.holds(code).ok());
    let staged = Staged::new(&posed, &env).unwrap();
    let mut outcome = Outcome::default();
    rule.run(&staged.request, &staged.entities, &mut outcome);
    let by_engine = match outcome.errors.first() {
        Some(error) => Err(error.message.clone()),
        None => Ok(!outcome.satisfied.is_empty()),
    };
    (by_code, by_engine)
}

#[test]
fn where_code_answers_the_engine_answers_the_same() {
    let bundle = bundle();
    let facts = world(&bundle);
    let answered = Cell::new(0u32);
    let mut runner = TestRunner::new(Config { cases: 3_000, failure_persistence: None, ..Config::default() });
    runner
        .run(&(policies(), questions()), |(policy, question)| {
            let (code, engine) = both(&bundle, &facts, &policy, &question);
            if let Some(code) = code {
                answered.set(answered.get() + 1);
                prop_assert_eq!(Ok(code), engine, "{}", policy);
            }
            Ok(())
        })
        .unwrap();
    assert!(answered.get() > 1_000, "only {} of 3,000 policies were answered by code", answered.get());
}

#[test]
fn times_that_the_engine_writes_otherwise_are_left_to_it() {
    let bundle = bundle();
    let facts = world(&bundle);
    let born = |who: &str| json!({".": {"left": {"Var": who}, "attr": "born"}});
    let policy = json!({"effect": "permit", "principal": {"op": "All"}, "action": {"op": "All"},
        "resource": {"op": "All"}, "conditions": [{"kind": "when",
            "body": {"<": {"left": born("principal"), "right": born("resource")}}}]});
    let ask = |principal: &str, resource: &str| {
        let question = Question {
            principal: Uid::new("User", principal),
            action: Uid::new("Action", "read"),
            resource: Uid::new("User", resource),
            context: Record::new(),
            now: "2026-01-01T00:00:00.000Z".into(),
        };
        both(&bundle, &facts, &policy, &question)
    };
    assert_eq!(ask("cat", "ann"), (Some(true), Ok(true)));
    assert_eq!(ask("bea", "ann"), (None, Ok(true)));
}
