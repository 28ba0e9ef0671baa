//! Which entities a set of policies can read, as paths from the request's variables.
//!
//! A policy reads an entity where it takes an attribute or tag of it, tests for one, or asks what it is `in`. Walking
//! the policies' expressions gives a tree of such paths per variable (`resource` → `organization` → loaded); following
//! the tree over real values (`slice.rs`) gives the entities to load. Members of sets are never read by Cedar, and a
//! literal that is read is a root of its own. The tree may name too much, never too little: an expression whose value
//! may come from several places stands for all of them.

use std::collections::{BTreeMap, BTreeSet};

use serde_json::Value as Json;
use smol_str::SmolStr;

use crate::entity::{Uid, uid_from_json};

/// A place in the tree; an index of [`Reach::nodes`].
pub(super) type NodeId = usize;

/// What is read at one place.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct Node {
    /// The value's own attributes or tags are read: if it is an entity, load it.
    pub load: bool,
    /// The value is asked what it is `in`: its ancestors are needed.
    pub ancestors: bool,
    /// Attributes of the entity or record that are read.
    pub attributes: BTreeMap<SmolStr, NodeId>,
    /// Values of tags, whatever their key.
    pub tags: Option<NodeId>,
}

/// The paths that a set of policies reads.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Reach {
    nodes: Vec<Node>,
    literals: BTreeMap<Uid, NodeId>,
}

pub(super) const PRINCIPAL: NodeId = 0;
pub(super) const RESOURCE: NodeId = 1;
pub(super) const CONTEXT: NodeId = 2;
const ACTION: NodeId = 3;

impl Default for Reach {
    fn default() -> Self {
        Self { nodes: vec![Node::default(); 4], literals: BTreeMap::new() }
    }
}

impl Reach {
    pub fn node(&self, id: NodeId) -> Option<&Node> {
        self.nodes.get(id)
    }

    /// Literals that a policy reads.
    pub fn literals(&self) -> impl Iterator<Item = (&Uid, NodeId)> {
        self.literals.iter().map(|(uid, node)| (uid, *node))
    }

    /// Adds what one policy reads, given in the engine's JSON form of policies.
    ///
    /// # Errors
    /// The name of an expression that this walk does not know: better no bundle than a slice with a hole.
    pub fn add_policy(&mut self, policy: &Json) -> Result<(), String> {
        for (variable, node) in [("principal", PRINCIPAL), ("resource", RESOURCE)] {
            let scope = policy.get(variable).ok_or_else(|| format!("no {variable} in the scope"))?;
            if scope.get("op").and_then(Json::as_str) == Some("in") || scope.get("in").is_some() {
                self.mark(&Places::at(node), |node| node.ancestors = true);
            }
        }
        let conditions = policy.get("conditions").and_then(Json::as_array);
        for condition in conditions.into_iter().flatten() {
            let body = condition.get("body").ok_or("a condition without a body")?;
            self.expression(body)?;
        }
        Ok(())
    }

    fn mark(&mut self, places: &Places, change: impl Fn(&mut Node)) {
        for id in &places.nodes {
            if let Some(node) = self.nodes.get_mut(*id) {
                change(node);
            }
        }
    }

    fn fresh(&mut self) -> NodeId {
        self.nodes.push(Node::default());
        self.nodes.len() - 1
    }

    fn expression(&mut self, json: &Json) -> Result<Places, String> {
        let object = json.as_object().ok_or("an expression that is no object")?;
        let (operator, operands) = object.iter().next().ok_or("an empty expression")?;
        let operand = |key: &str| operands.get(key).ok_or_else(|| format!("`{operator}` without {key}"));
        match operator.as_str() {
            "Value" => Ok(self.literal(operands)),
            "Var" => variable(operands),
            "." => {
                let base = self.expression(operand("left")?)?;
                self.attribute(&base, operand("attr")?)
            }
            "has" => {
                let mut base = self.expression(operand("left")?)?;
                let path = match operand("attr")? {
                    Json::Array(path) => path.clone(),
                    name => vec![name.clone()],
                };
                for name in &path {
                    base = self.attribute(&base, name)?;
                }
                Ok(Places::default())
            }
            "getTag" | "hasTag" => {
                let base = self.expression(operand("left")?)?;
                self.expression(operand("right")?)?;
                Ok(self.tags(&base))
            }
            "in" => {
                let left = self.expression(operand("left")?)?;
                self.mark(&left, |node| node.ancestors = true);
                self.expression(operand("right")?)?;
                Ok(Places::default())
            }
            "is" => {
                let left = self.expression(operand("left")?)?;
                if let Some(within) = operands.get("in") {
                    self.mark(&left, |node| node.ancestors = true);
                    self.expression(within)?;
                }
                Ok(Places::default())
            }
            "like" => self.scalar([operand("left")?]),
            "!" | "neg" | "isEmpty" => self.scalar([operand("arg")?]),
            "==" | "!=" | "<" | "<=" | ">" | ">=" | "&&" | "||" | "+" | "-" | "*" | "contains" | "containsAll"
            | "containsAny" => self.scalar([operand("left")?, operand("right")?]),
            "if-then-else" => {
                self.expression(operand("if")?)?;
                let mut places = self.expression(operand("then")?)?;
                places.merge(self.expression(operand("else")?)?);
                Ok(places)
            }
            "Set" => self.scalar(operands.as_array().into_iter().flatten()),
            "Record" => {
                let mut places = Places::default();
                for (name, value) in operands.as_object().ok_or("a record that is no object")? {
                    let value = self.expression(value)?;
                    places.record.insert(name.as_str().into(), value);
                }
                Ok(places)
            }
            // The remaining one-key forms are calls of extension functions, whose values hold no entities.
            _ if operands.is_array() => self.scalar(operands.as_array().into_iter().flatten()),
            _ => Err(format!("the expression `{operator}`")),
        }
    }

    /// An expression whose value is no entity or record that can be read further.
    fn scalar<'a>(&mut self, parts: impl IntoIterator<Item = &'a Json>) -> Result<Places, String> {
        for part in parts {
            self.expression(part)?;
        }
        Ok(Places::default())
    }

    fn literal(&mut self, value: &Json) -> Places {
        let Some(uid) = value.get("__entity").and_then(|_| uid_from_json(value, "").ok()) else {
            return Places::default();
        };
        let node = match self.literals.get(&uid) {
            Some(node) => *node,
            None => {
                let node = self.fresh();
                self.literals.insert(uid, node);
                node
            }
        };
        Places::at(node)
    }

    fn attribute(&mut self, base: &Places, name: &Json) -> Result<Places, String> {
        let name: SmolStr = name.as_str().ok_or("an attribute name that is no string")?.into();
        let mut found = base.record.get(&name).cloned().unwrap_or_default();
        self.mark(base, |node| node.load = true);
        for id in &base.nodes {
            let known = self.nodes.get(*id).and_then(|node| node.attributes.get(&name).copied());
            let child = known.unwrap_or_else(|| self.fresh());
            if let Some(node) = self.nodes.get_mut(*id) {
                node.attributes.insert(name.clone(), child);
            }
            found.nodes.insert(child);
        }
        Ok(found)
    }

    fn tags(&mut self, base: &Places) -> Places {
        let mut found = Places::default();
        self.mark(base, |node| node.load = true);
        for id in &base.nodes {
            let known = self.nodes.get(*id).and_then(|node| node.tags);
            let child = known.unwrap_or_else(|| self.fresh());
            if let Some(node) = self.nodes.get_mut(*id) {
                node.tags = Some(child);
            }
            found.nodes.insert(child);
        }
        found
    }
}

/// The places that an expression's value may come from.
#[derive(Clone, Debug, Default)]
struct Places {
    nodes: BTreeSet<NodeId>,
    /// A record built in the policy itself.
    record: BTreeMap<SmolStr, Places>,
}

impl Places {
    fn at(node: NodeId) -> Self {
        Self { nodes: BTreeSet::from([node]), record: BTreeMap::new() }
    }

    fn merge(&mut self, other: Self) {
        self.nodes.extend(other.nodes);
        for (name, places) in other.record {
            self.record.entry(name).or_default().merge(places);
        }
    }
}

fn variable(json: &Json) -> Result<Places, String> {
    let node = match json.as_str() {
        Some("principal") => PRINCIPAL,
        Some("resource") => RESOURCE,
        Some("context") => CONTEXT,
        Some("action") => ACTION,
        _ => return Err(format!("the variable {json}")),
    };
    Ok(Places::at(node))
}

#[cfg(test)]
mod tests {
    use std::str::FromStr;

    use cedar_policy::Policy;

    use super::*;

    fn reach(policy: &str) -> Reach {
        let policy = Policy::from_str(policy).unwrap();
        let mut reach = Reach::default();
        reach.add_policy(&policy.to_json().unwrap()).unwrap();
        reach
    }

    /// The path's node: attribute names, `#` for tags.
    fn at<'a>(reach: &'a Reach, root: NodeId, path: &[&str]) -> Option<&'a Node> {
        path.iter().try_fold(reach.node(root)?, |node, step| {
            let next = if *step == "#" { node.tags? } else { *node.attributes.get(*step)? };
            reach.node(next)
        })
    }

    #[test]
    fn a_chain_of_attributes_loads_every_entity_on_the_way_but_the_last() {
        let reach = reach("permit(principal, action, resource) when { principal in resource.organization.admins };");
        assert!(at(&reach, RESOURCE, &[]).unwrap().load);
        assert!(at(&reach, RESOURCE, &["organization"]).unwrap().load);
        let admins = at(&reach, RESOURCE, &["organization", "admins"]).unwrap();
        assert!(!admins.load && !admins.ancestors);
        let principal = at(&reach, PRINCIPAL, &[]).unwrap();
        assert!(principal.ancestors && !principal.load);
    }

    #[test]
    fn tags_are_read_whatever_their_key() {
        let reach = reach(
            r#"forbid(principal, action, resource) when { context.token.hasTag("w") && resource in context.token.getTag("w").repos };"#,
        );
        assert!(at(&reach, CONTEXT, &["token"]).unwrap().load);
        assert!(at(&reach, CONTEXT, &["token", "#", "repos"]).is_some());
        assert!(at(&reach, RESOURCE, &[]).unwrap().ancestors);
    }

    #[test]
    fn a_value_from_a_branch_stands_for_both_branches() {
        let reach =
            reach("permit(principal, action, resource) when { (if context.x then principal else resource).y.z == 1 };");
        for root in [PRINCIPAL, RESOURCE] {
            assert!(at(&reach, root, &["y"]).unwrap().load);
        }
    }

    #[test]
    fn a_record_built_in_the_policy_is_seen_through() {
        let reach = reach("permit(principal, action, resource) when { {a: principal, b: resource}.a.x == 1 };");
        assert!(at(&reach, PRINCIPAL, &[]).unwrap().load);
        assert!(!at(&reach, RESOURCE, &[]).unwrap().load);
    }

    #[test]
    fn the_scope_needs_ancestors_only_for_in() {
        let within = reach(r#"permit(principal in G::"a", action, resource is R in F::"x");"#);
        assert!(within.node(PRINCIPAL).unwrap().ancestors && within.node(RESOURCE).unwrap().ancestors);
        let equal = reach(r#"permit(principal == U::"a", action, resource is R);"#);
        assert!(!equal.node(PRINCIPAL).unwrap().ancestors && !equal.node(RESOURCE).unwrap().ancestors);
    }

    #[test]
    fn a_literal_that_is_read_is_a_root() {
        let reach = reach(r#"permit(principal, action, resource) when { U::"root".active && principal in [G::"a"] };"#);
        let read: Vec<_> = reach.literals().filter(|(_, node)| reach.node(*node).unwrap().load).collect();
        assert_eq!(read.len(), 1);
        assert_eq!(read[0].0, &Uid::new("U", "root"));
    }

    #[test]
    fn has_with_a_path_loads_what_it_passes() {
        let reach = reach("permit(principal, action, resource) when { resource has owner.manager.name };");
        assert!(at(&reach, RESOURCE, &["owner", "manager"]).unwrap().load);
    }
}
