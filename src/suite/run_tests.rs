//! The file format of `cedar run-tests`, read unchanged: a JSON list of requests, each with its own entities.
//!
//! As there, `reason` is the least that must have determined the answer, and keys that nobody knows are passed over. One
//! difference is meant: here any policy that fails makes a deny, where the engine alone would have gone on.

use std::collections::BTreeSet;
use std::sync::Arc;

use super::definition::{Cell, Suite, Test};
use super::expectation::{self, Expectation};
use super::fixture::World;
use super::folder::Folder;
use super::yaml::{self, Node, Value};
use crate::clock::rfc3339;
use crate::entity::{Entity, Uid, uid_from_json};
use crate::pdp::{Bundle, ContextRules, Fault, Question, SourceFile};

pub(super) fn read(
    bundle: &Bundle,
    folder: &Folder,
    source: &Arc<SourceFile>,
    root: &Node,
) -> Result<Suite, Vec<Fault>> {
    let (mut tests, mut faults) = (Vec::new(), Vec::new());
    for (index, node) in root.list().map_err(|fault| vec![fault])?.iter().enumerate() {
        match test(bundle, folder, node, index) {
            Ok(test) => tests.push(test),
            Err(fault) => faults.push(fault),
        }
    }
    let file = source.path.rsplit('/').next().unwrap_or_default();
    match faults.is_empty() {
        true => Ok(Suite { name: file.to_owned(), path: source.path.clone(), tests }),
        false => Err(faults),
    }
}

fn test(bundle: &Bundle, folder: &Folder, node: &Node, index: usize) -> Result<Test, Fault> {
    let field = |key: &str| {
        let entries = node.entries()?;
        let found = entries.iter().find(|(name, _)| name.text == key).map(|(_, value)| value);
        found.ok_or_else(|| node.fault(format!("missing `{key}`")))
    };
    let request = field("request")?;
    let part = |key: &str| {
        let entries = request.entries()?;
        let found = entries.iter().find(|(name, _)| name.text == key).map(|(_, value)| value);
        found.ok_or_else(|| request.fault(format!("missing `{key}`")))
    };
    let action = bundle.action(part("action")?.text()?).map_err(|fault| request.fault(fault.to_string()))?;
    let context = part("context").map_or_else(|_| serde_json::json!({}), Node::to_json);
    let context = bundle.admission().context(&action, &context, ContextRules::Offline);
    let question = Question {
        principal: uid(part("principal")?)?,
        resource: uid(part("resource")?)?,
        context: context.map_err(|fault| request.fault(fault.to_string()))?,
        action,
        // What the engine has there: no clock but the one in the context.
        now: rfc3339(jiff::Timestamp::UNIX_EPOCH).into(),
    };
    if bundle.reads_clock(&question.action) && !question.context.contains_key(crate::pdp::CLOCK) {
        return Err(request.fault(format!("`{}` depends on the clock: `context` needs `now`", question.action.id())));
    }
    let reason: BTreeSet<String> = field("reason")?.names()?.into_iter().map(|id| id.text).collect();
    let num_errors = field("num_errors")?.count()?;
    let decision = expectation::decision(field("decision")?)?;
    let world = World::of(entities(bundle, folder, field("entities")?)?).map_err(|message| node.fault(message))?;
    let name = field("name").and_then(Node::text).map_or_else(|_| format!("test {}", index + 1), str::to_owned);
    let cell = Cell {
        principal: question.principal.to_string(),
        action: question.action.id().clone(),
        resource: question.resource.to_string(),
        expectation: Some(Expectation::of_run_tests(&node.place, decision, reason, num_errors)),
        question,
    };
    Ok(Test { name, place: node.place.clone(), skip: None, cells: vec![cell], world: Arc::new(world) })
}

/// A list of entities, or the name of a file that holds one. Actions stand in the schema and are passed over.
fn entities(bundle: &Bundle, folder: &Folder, node: &Node) -> Result<Vec<Entity>, Fault> {
    if let Value::Text(name) = &node.value {
        let file = folder.read(name).map_err(|message| node.fault(message))?;
        return entities(bundle, folder, &yaml::parse(&file)?);
    }
    let mut found = Vec::new();
    for item in node.list()? {
        let json = item.to_json();
        let uid = json.get("uid").and_then(|uid| uid_from_json(uid, "uid").ok());
        if uid.is_some_and(|uid| bundle.action(&uid.to_string()).is_ok()) {
            continue;
        }
        found.push(bundle.admission().entity(&json).map_err(|fault| item.fault(fault.to_string()))?);
    }
    Ok(found)
}

fn uid(node: &Node) -> Result<Uid, Fault> {
    match &node.value {
        Value::Text(text) => Uid::parse(text).map_err(|error| node.fault(error.to_string())),
        _ => uid_from_json(&node.to_json(), "entity").map_err(|fault| node.fault(fault.to_string())),
    }
}
