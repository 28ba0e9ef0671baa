//! The slice, for any policies and any data: random policies over a random graph of entities, with references that lead
//! nowhere and cycles of attributes. What the walk over the policies' expressions forgets to load would show here.

use std::collections::BTreeSet;

use proptest::collection::vec;
use proptest::prelude::*;
use serde_json::{Value as Json, json};

use hubwarden::entity::{Entity, Uid};
use hubwarden::pdp::{Bundle, BundleSource, ContextRules, Question, SourceFile};

use crate::support::cases;
use crate::support::engine::{Engine, Said};
use crate::support::world::{NOW, World};

/// One type, so that everything may stand for everything.
const SCHEMA: &str = r#"
  type Inner = { node: Node, flag: Bool, opt?: Node };
  entity Node in [Node] = {
    next: Node, flag: Bool, level: Long, nodes: Set<Node>, inner: Inner, opt?: Node, when?: datetime
  } tags Node;
  action "all";
  action "some" in ["all"];
  action "look" in ["some"] appliesTo { principal: [Node], resource: [Node], context: Ctx };
  action "touch" in ["all"] appliesTo { principal: [Node], resource: [Node], context: Ctx };
  type Ctx = { now: datetime, node: Node, inner: Inner, opt?: Node };
"#;

/// Entities that are stored; references go a little further.
pub(super) const STORED: u8 = 7;
pub(super) const NAMED: u8 = 9;

/// Numbers that decide what is built; they run out into the simplest thing.
pub(super) struct Tape<'a>(pub std::slice::Iter<'a, u8>);

impl Tape<'_> {
    fn below(&mut self, end: u8) -> u8 {
        self.0.next().map_or(0, |byte| byte % end)
    }

    fn literal(&mut self) -> String {
        format!("Node::\"n{}\"", self.below(NAMED))
    }

    /// An expression whose value is a node.
    fn node(&mut self, depth: u8) -> String {
        let Some(depth) = depth.checked_sub(1) else {
            return ["principal", "resource", "context.node"][usize::from(self.below(3))].to_owned();
        };
        match self.below(12) {
            0 => "resource".to_owned(),
            1 => "principal".to_owned(),
            2 => "context.inner.node".to_owned(),
            3 => self.literal(),
            4 => format!("{}.next", self.node(depth)),
            5 => format!("{}.inner.node", self.node(depth)),
            6 => format!("(if {} then {} else {})", self.truth(depth), self.node(depth), self.node(depth)),
            7 => format!("{{a: {}, b: {}}}.a", self.node(depth), self.node(depth)),
            8 => format!("(if context has opt then context.opt else {})", self.node(depth)),
            9 => {
                let (node, key) = (self.node(depth), self.key());
                format!("(if {node}.hasTag({key}) then {node}.getTag({key}) else {})", self.node(depth))
            }
            10 => {
                let node = self.node(depth);
                format!("(if {node} has opt then {node}.opt else {})", self.node(depth))
            }
            _ => {
                let node = self.node(depth);
                format!("(if {node} has inner.opt then {node}.inner.opt else {})", self.node(depth))
            }
        }
    }

    fn key(&mut self) -> &'static str {
        ["\"k\"", "\"l\""][usize::from(self.below(2))]
    }

    /// An expression that is true or false.
    fn truth(&mut self, depth: u8) -> String {
        let Some(depth) = depth.checked_sub(1) else {
            return format!("{}.flag", self.node(0));
        };
        match self.below(16) {
            0 => format!("{}.flag", self.node(depth)),
            1 => format!("{} == {}", self.node(depth), self.node(depth)),
            2 => format!("{} in {}", self.node(depth), self.node(depth)),
            3 => format!("{} in [{}, {}]", self.node(depth), self.node(depth), self.node(depth)),
            4 => format!("{} in {}.nodes", self.node(depth), self.node(depth)),
            5 => format!("{} is Node in {}", self.node(depth), self.node(depth)),
            6 => format!("{}.nodes.contains({})", self.node(depth), self.node(depth)),
            7 => format!("{}.nodes.containsAny({}.nodes)", self.node(depth), self.node(depth)),
            8 => format!("{}.level + {}.level > 7", self.node(depth), self.node(depth)),
            9 => format!("!({})", self.truth(depth)),
            10 => format!("({} && {})", self.truth(depth), self.truth(depth)),
            11 => format!("({} || {})", self.truth(depth), self.truth(depth)),
            12 => format!("{} has opt", self.node(depth)),
            13 => format!("{}.hasTag({})", self.node(depth), self.key()),
            14 => {
                let node = self.node(depth);
                format!("({node} has when && {node}.when.offset(duration(\"1h\")) < context.now)")
            }
            _ => format!("{{a: {}, b: {}}}.b.inner.flag", self.node(depth), self.node(depth)),
        }
    }

    fn scope(&mut self, variable: &str) -> String {
        match self.below(8) {
            0 => format!("{variable} == {}", self.literal()),
            1 | 2 => format!("{variable} in {}", self.literal()),
            3 => format!("{variable} is Node in {}", self.literal()),
            4 => format!("{variable} is Node"),
            _ => variable.to_owned(),
        }
    }

    fn policy(&mut self, id: usize) -> String {
        let effect = ["permit", "forbid"][usize::from(self.below(2))];
        let action = match self.below(5) {
            0 => "action == Action::\"look\"",
            1 => "action in Action::\"all\"",
            2 => "action in [Action::\"some\", Action::\"touch\"]",
            _ => "action",
        };
        let (principal, resource) = (self.scope("principal"), self.scope("resource"));
        let (when, unless) = (self.truth(4), self.truth(2));
        let unless = if self.below(2) == 0 { String::new() } else { format!("unless {{ {unless} }}") };
        format!("@id(\"p{id}\") {effect} ({principal}, {action}, {resource}) when {{ {when} }} {unless};\n")
    }

    pub(super) fn uid(&mut self) -> Json {
        json!({"type": "Node", "id": format!("n{}", self.below(NAMED))})
    }

    pub(super) fn inner(&mut self) -> Json {
        let mut inner = json!({"node": self.uid(), "flag": self.below(2) == 0});
        if self.below(2) == 0 {
            inner["opt"] = self.uid();
        }
        inner
    }

    /// A stored entity. Parents are later ones only: the engine alone takes no cycle of those.
    pub(super) fn entity(&mut self, index: u8) -> Json {
        let level = [0, 5, 9, i64::MAX][usize::from(self.below(4))];
        let nodes: Vec<Json> = (0..self.below(3)).map(|_| self.uid()).collect();
        let mut attrs = json!({
            "next": self.uid(), "flag": self.below(2) == 0, "level": level, "nodes": nodes, "inner": self.inner(),
        });
        if self.below(2) == 0 {
            attrs["opt"] = self.uid();
        }
        if self.below(2) == 0 {
            attrs["when"] = json!(["2026-01-01", "2027-01-01"][usize::from(self.below(2))]);
        }
        let parents: Vec<Json> = (0..self.below(3))
            .map(|_| json!({"type": "Node", "id": format!("n{}", index + 1 + self.below(NAMED - index))}))
            .collect();
        let mut tags = json!({});
        for key in ["k", "l"] {
            if self.below(2) == 0 {
                tags[key] = self.uid();
            }
        }
        json!({"uid": {"type": "Node", "id": format!("n{index}")}, "attrs": attrs, "parents": parents, "tags": tags})
    }
}

pub(super) fn bundle(tapes: &[Vec<u8>]) -> Option<Bundle> {
    let policies: String = tapes.iter().enumerate().map(|(id, tape)| Tape(tape.iter()).policy(id)).collect();
    let source = BundleSource {
        schema: SourceFile::new("schema/nodes.cedarschema", SCHEMA),
        policies: vec![SourceFile::new("policies/nodes.cedar", policies)],
        links: None,
        reasons: None,
        gateway: None,
    };
    // The validator sees through some contradictions, and a policy that can never apply is no policy.
    Bundle::build(source).ok()
}

pub(super) fn node(index: u8) -> Uid {
    Uid::new("Node", format!("n{index}"))
}

proptest! {
    #![proptest_config(ProptestConfig { max_global_rejects: 20_000, ..cases(96) })]

    #[test]
    fn a_decision_over_its_slice_is_the_engines_over_every_entity(
        policies in vec(vec(any::<u8>(), 8..60), 1..7),
        entities in vec(vec(any::<u8>(), 32), usize::from(STORED)),
        context in vec(any::<u8>(), 8),
    ) {
        let bundle = bundle(&policies);
        prop_assume!(bundle.is_some());
        let bundle = bundle.unwrap();
        let entities = entities.iter().zip(0..).map(|(tape, index)| Tape(tape.iter()).entity(index));
        let entities: Vec<Entity> = entities.map(|json| bundle.admission().entity(&json).unwrap()).collect();
        let engine = Engine::new(bundle.source(), &entities);
        let mut world = World::default();
        world.add_under(&bundle, entities);

        let mut tape = Tape(context.iter());
        let json = json!({"node": tape.uid(), "inner": tape.inner(), "opt": tape.uid(), "now": NOW});
        for action in ["look", "touch"] {
            let action = Uid::new("Action", action);
            let context = bundle.admission().context(&action, &json, ContextRules::Offline).unwrap();
            for (principal, resource) in [(0, 0), (0, 1), (1, 0), (2, 3), (NAMED - 1, 0), (1, NAMED - 1)] {
                let (principal, resource) = (node(principal), node(resource));
                let said = engine.ask(&principal, &action, &resource, &context).denying_on_errors();
                let question = Question {
                    principal: principal.clone(),
                    action: action.clone(),
                    resource: resource.clone(),
                    context: context.clone(),
                    now: NOW.into(),
                };
                let answer = bundle.decide(&question, &world).unwrap();
                let text = &bundle.source().policies[0].text;
                prop_assert_eq!(Said::from(&answer), said, "{} {} {}\n{}", principal, action, resource, text);
            }
        }
    }
}

/// The law above would hold of policies that never decide anything.
#[test]
fn the_random_policies_come_to_every_kind_of_answer() {
    use proptest::strategy::ValueTree;
    use proptest::test_runner::TestRunner;

    let mut runner = TestRunner::deterministic();
    let tapes = (vec(vec(any::<u8>(), 8..60), 1..7), vec(vec(any::<u8>(), 32), usize::from(STORED)));
    let mut kinds = BTreeSet::new();
    for _ in 0..150 {
        let (policies, entities) = tapes.new_tree(&mut runner).unwrap().current();
        let Some(bundle) = bundle(&policies) else { continue };
        let entities = entities.iter().zip(0..).map(|(tape, index)| Tape(tape.iter()).entity(index));
        let entities = entities.map(|json| bundle.admission().entity(&json).unwrap()).collect();
        let mut world = World::default();
        world.add_under(&bundle, entities);
        let context = json!({"node": {"type": "Node", "id": "n3"}, "inner": {"node": {"type": "Node", "id": "n4"}, "flag": true}});
        let action = Uid::new("Action", "look");
        let context = bundle.admission().context(&action, &context, ContextRules::Offline).unwrap();
        let question = Question { principal: node(0), action, resource: node(1), context, now: NOW.into() };
        let answer = bundle.decide(&question, &world).unwrap();
        kinds.insert((answer.allowed(), !answer.determining.is_empty(), !answer.errors.is_empty()));
    }
    let every =
        [(true, true, false), (false, true, false), (false, false, false), (false, false, true), (false, true, true)];
    assert_eq!(kinds, BTreeSet::from(every));
}
