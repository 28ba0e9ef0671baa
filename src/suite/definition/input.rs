//! One test: its product of questions, and its expectations laid over them.

use serde_json::{Map, Value as Json};

use super::{Cell, MAX_CELLS, Options, applies, frozen, skip};
use crate::entity::{Record, Uid};
use crate::pdp::{Bundle, ContextRules, Fault, Question};
use crate::suite::expectation::{self, Expectation};
use crate::suite::fixture::{Actor, Fixture, Side};
use crate::suite::yaml::{Fields, Name, Node, Place, Value};

/// A test whose world is not finished yet.
pub(super) struct Product {
    pub name: String,
    pub place: Place,
    pub skip: Option<String>,
    pub cells: Vec<Cell>,
}

/// The three sides of a product.
struct Sides {
    principals: Vec<(String, Actor)>,
    actions: Vec<Uid>,
    resources: Vec<(String, Actor)>,
}

/// A rectangle of the product, by positions, and what is expected there.
struct Block {
    principals: Vec<usize>,
    actions: Vec<usize>,
    resources: Vec<usize>,
    expectation: Expectation,
}

impl Product {
    pub fn read(bundle: &Bundle, fixture: &Fixture, options: &Options, node: &Node) -> Result<Self, Vec<Fault>> {
        let one = |fault| vec![fault];
        let keys = ["name", "description", "skip", "skipReason", "now", "unlisted", "input", "expected"];
        let fields = node.fields(&keys).map_err(one)?;
        let Some(input) = fields.get("input") else {
            return Err(vec![node.fault("a test needs its `input`")]);
        };
        let name = fields.text("name").map_err(one)?.unwrap_or("unnamed").to_owned();
        let sides = Sides::read(fixture, input).map_err(one)?;
        let now = fields.get("now").map(frozen).transpose().map_err(one)?.or_else(|| options.now.clone());
        if now.is_none()
            && let Some(action) = sides.actions.iter().find(|action| bundle.reads_clock(action))
        {
            let message = format!(
                "the answers to `{}` depend on the clock: freeze it with `options: {{now: 2026-06-01T12:00:00Z}}`",
                action.id()
            );
            return Err(vec![input.fault(message)]);
        }
        let mut cells = sides.cells(bundle, input, &now.unwrap_or_default()).map_err(one)?;
        let mut faults = Vec::new();
        for node in fields.get("expected").map_or(Ok(&[][..]), Node::list).map_err(one)? {
            match sides.blocks(bundle, fixture, node) {
                Ok(blocks) => blocks.into_iter().for_each(|block| sides.lay(block, &mut cells, &mut faults)),
                Err(fault) => faults.push(fault),
            }
        }
        let own = fields.get("unlisted").map(|node| Ok((expectation::decision(node)?, node.place.clone())));
        let unlisted =
            own.transpose().map_err(one)?.or(options.unlisted.map(|decision| (decision, node.place.clone())));
        if let Some((decision, place)) = unlisted {
            for cell in cells.iter_mut().filter(|cell| cell.expectation.is_none()) {
                cell.expectation = Some(Expectation::unlisted(decision, &place));
            }
        }
        match faults.is_empty() {
            true => Ok(Self { name, place: node.place.clone(), skip: skip(&fields, node).map_err(one)?, cells }),
            false => Err(faults),
        }
    }
}

impl Sides {
    fn read(fixture: &Fixture, input: &Node) -> Result<Self, Fault> {
        let fields = input.fields(&["principals", "actions", "resources", "context"])?;
        let names = |key: &str| match fields.names(key)? {
            Some(names) if !names.is_empty() => Ok(names),
            _ => Err(input.fault(format!("an input needs its `{key}`"))),
        };
        Ok(Self {
            principals: fixture.actors(Side::Principal, &names("principals")?)?,
            actions: fixture.actions(&names("actions")?)?,
            resources: fixture.actors(Side::Resource, &names("resources")?)?,
        })
    }

    /// Every question, principals outermost, resources innermost.
    fn cells(&self, bundle: &Bundle, input: &Node, now: &str) -> Result<Vec<Cell>, Fault> {
        let fields = input.fields(&["principals", "actions", "resources", "context"])?;
        let shared = match fields.get("context").map(Node::to_json) {
            None => Map::new(),
            Some(Json::Object(map)) => map,
            Some(_) => return Err(input.fault("`context` is a map")),
        };
        let count = self.principals.len().saturating_mul(self.actions.len()).saturating_mul(self.resources.len());
        if count > MAX_CELLS {
            return Err(input.fault(format!("this product has {count} cells; a suite has at most {MAX_CELLS}")));
        }
        let mut cells = Vec::with_capacity(count);
        for (principal, actor) in &self.principals {
            for action in &self.actions {
                let context =
                    context(bundle, action, &shared, &actor.context).map_err(|message| input.fault(message))?;
                for (resource, target) in &self.resources {
                    if !applies(bundle, &actor.uid, action, &target.uid) {
                        let (of, by) = (target.uid.type_name(), actor.uid.type_name());
                        let message = format!(
                            "`{}` of `{resource}` (a {of}) by `{principal}` (a {by}) is no question that the schema has",
                            action.id()
                        );
                        return Err(input.fault(message));
                    }
                    cells.push(Cell {
                        principal: principal.clone(),
                        action: action.id().clone(),
                        resource: resource.clone(),
                        question: Question {
                            principal: actor.uid.clone(),
                            action: action.clone(),
                            resource: target.uid.clone(),
                            context: context.clone(),
                            now: now.into(),
                        },
                        expectation: None,
                    });
                }
            }
        }
        Ok(cells)
    }

    /// What one entry of `expected` says: a block, or one for each action of a map of actions.
    fn blocks(&self, bundle: &Bundle, fixture: &Fixture, node: &Node) -> Result<Vec<Block>, Fault> {
        let own = ["principals", "actions", "resources"];
        let keys: Vec<&str> = own.into_iter().chain(expectation::KEYS).collect();
        let fields = node.fields(&keys)?;
        let principals = match fields.names("principals")? {
            None => (0..self.principals.len()).collect(),
            Some(names) => positions(&self.principals, fixture, Side::Principal, &names)?,
        };
        let resources = match fields.names("resources")? {
            None => (0..self.resources.len()).collect(),
            Some(names) => positions(&self.resources, fixture, Side::Resource, &names)?,
        };
        let block = |actions: Vec<usize>, expectation: Expectation| Block {
            principals: principals.clone(),
            actions,
            resources: resources.clone(),
            expectation,
        };
        let said = read(bundle, &fields, &node.place)?;
        match fields.get("actions") {
            Some(Node { value: Value::Map(entries), .. }) => {
                let entry = |(name, what): &(Name, Node)| {
                    let expected = match &what.value {
                        Value::Text(_) => word(bundle, &what.name()?)?,
                        _ => read(bundle, &what.fields(&expectation::KEYS)?, &what.place)?,
                    };
                    let expected = expected.and(&said).map_err(|what| {
                        name.place.fault(format!("`{}` and the entry that it is in differ in `{what}`", name.text))
                    })?;
                    Ok(block(self.actions_of(fixture, std::slice::from_ref(name))?, expected))
                };
                entries.iter().map(entry).collect()
            }
            _ if said.is_empty() => Err(node.fault("this entry expects nothing: say `decision` or `code`")),
            Some(names) => Ok(vec![block(self.actions_of(fixture, &names.names()?)?, said)]),
            None => Ok(vec![block((0..self.actions.len()).collect(), said)]),
        }
    }

    fn actions_of(&self, fixture: &Fixture, names: &[Name]) -> Result<Vec<usize>, Fault> {
        let mut found = Vec::new();
        for name in names {
            for action in fixture.actions(std::slice::from_ref(name))? {
                let position = self.actions.iter().position(|known| *known == action);
                found.push(position.ok_or_else(|| not_asked(name, action.id()))?);
            }
        }
        Ok(found)
    }

    fn lay(&self, block: Block, cells: &mut [Cell], faults: &mut Vec<Fault>) {
        let (actions, resources) = (self.actions.len(), self.resources.len());
        let Block { principals, actions: asked, resources: targets, expectation } = block;
        for principal in principals {
            for action in &asked {
                for resource in &targets {
                    let Some(cell) = cells.get_mut((principal * actions + action) * resources + resource) else {
                        continue;
                    };
                    let merged = match cell.expectation.take() {
                        None => Ok(expectation.clone()),
                        Some(before) => {
                            let earlier = before.place.clone();
                            expectation.clone().and(&before).map_err(|what| {
                                let Cell { principal, action, resource, .. } = &*cell;
                                (earlier, format!("{principal} {action} {resource}: differs in `{what}` from what"))
                            })
                        }
                    };
                    match merged {
                        Ok(merged) => cell.expectation = Some(merged),
                        Err((earlier, message)) => {
                            // One contradiction of a block is told, not each of its cells.
                            faults.push(expectation.place.fault(format!("{message} line {} expects", earlier.line)));
                            return;
                        }
                    }
                }
            }
        }
    }
}

fn positions(known: &[(String, Actor)], fixture: &Fixture, side: Side, names: &[Name]) -> Result<Vec<usize>, Fault> {
    let mut found = Vec::new();
    for name in names {
        for (shown, _) in fixture.actors(side, std::slice::from_ref(name))? {
            let position = known.iter().position(|(known, _)| *known == shown);
            found.push(position.ok_or_else(|| not_asked(name, &shown))?);
        }
    }
    Ok(found)
}

fn not_asked(name: &Name, shown: &str) -> Fault {
    name.place.fault(format!("`{shown}` is not in this test's input"))
}

/// What an entry expects, with codes and policies that there are.
fn read(bundle: &Bundle, fields: &Fields, place: &Place) -> Result<Expectation, Fault> {
    let expectation = Expectation::read(fields, place)?;
    if let Some(node) = fields.get("code") {
        code(bundle, &node.name()?)?;
    }
    for name in fields.names("reason")?.unwrap_or_default() {
        if !bundle.policies().any(|policy| policy.id == name.text.as_str()) {
            return Err(name.place.fault(format!("there is no policy `{}`", name.text)));
        }
    }
    Ok(expectation)
}

fn word(bundle: &Bundle, name: &Name) -> Result<Expectation, Fault> {
    if !matches!(name.text.as_str(), "allow" | "deny") {
        code(bundle, name)?;
    }
    Ok(Expectation::of_word(name))
}

fn code(bundle: &Bundle, name: &Name) -> Result<(), Fault> {
    match bundle.knows_reason(&name.text) {
        true => Ok(()),
        false => Err(name.place.fault(format!("there is no reason code `{}`", name.text))),
    }
}

fn context(
    bundle: &Bundle,
    action: &Uid,
    shared: &Map<String, Json>,
    own: &Map<String, Json>,
) -> Result<Record, String> {
    let mut whole = shared.clone();
    for (key, value) in own {
        if whole.insert(key.clone(), value.clone()).is_some_and(|other| other != *value) {
            return Err(format!("the input and a principal differ in `context.{key}`"));
        }
    }
    let admission = bundle.admission();
    admission.context(action, &Json::Object(whole), ContextRules::Offline).map_err(|fault| fault.to_string())
}
