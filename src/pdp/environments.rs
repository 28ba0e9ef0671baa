//! Request environments: for an action and a pair of types, the policies that can matter and what they read.

use std::collections::{BTreeMap, BTreeSet, HashMap};

use cedar_policy::{EntityUid, Policy, Schema as EngineSchema};
use smol_str::SmolStr;

use super::admit::is_clock;
use super::compiled::{Places, Reading};
use super::engine::{self, ActionEntity};
use super::index::{self, Indexed};
use super::policies::Loaded;
use super::reach::Reach;
use super::schema::{self, CLOCK, Schema};
use crate::entity::Uid;

/// Everything that can matter for questions with one action and one pair of types.
pub(super) struct Env {
    pub principal: SmolStr,
    pub resource: SmolStr,
    pub permits: Indexed,
    pub forbids: Indexed,
    pub reach: Reach,
    /// What the policies' code reads.
    pub places: Places,
}

/// An action and its request environments.
pub(super) struct CompiledAction {
    pub entity: ActionEntity,
    pub envs: Vec<Env>,
    /// The action that decides whether the caller may see the resource.
    pub visible_by: Option<Uid>,
    pub annotations: BTreeMap<SmolStr, SmolStr>,
    /// Whether the context carries the server's clock.
    pub clock: bool,
}

/// Every action of a schema with its environments.
pub(super) fn compile(schema: &Schema, loaded: &Loaded) -> Result<HashMap<Uid, CompiledAction>, String> {
    let entities = schema.engine.action_entities().map_err(|error| error.to_string())?;
    let mut read = HashMap::new();
    for policy in loaded.policies.policies() {
        read.insert(policy.id().clone(), policy.to_json().map_err(|error| error.to_string())?);
    }
    let compiler = Compiler { engine: &schema.engine, schema, policies: loaded.policies.policies().collect(), read };
    let compiled = schema.actions.iter().map(|(uid, action)| {
        let engine_uid = engine::uid(uid)?;
        let entity = entities.get(&engine_uid).ok_or_else(|| format!("{uid} is not in the schema"))?;
        let visible_by = action.annotations.get("visibleBy").map(|id| Uid::new(uid.type_name().clone(), id.clone()));
        let mut envs = Vec::new();
        for principal in &action.principals {
            for resource in &action.resources {
                envs.push(compiler.env(principal, uid, visible_by.as_ref(), resource)?);
            }
        }
        let compiled = CompiledAction {
            entity: ActionEntity::new(entity),
            envs,
            visible_by,
            annotations: action.annotations.clone(),
            clock: action.context.get(CLOCK).is_some_and(is_clock),
        };
        Ok((uid.clone(), compiled))
    });
    compiled.collect()
}

struct Compiler<'a> {
    engine: &'a EngineSchema,
    schema: &'a schema::Schema,
    policies: Vec<&'a Policy>,
    /// Each policy in the engine's JSON form.
    read: HashMap<cedar_policy::PolicyId, serde_json::Value>,
}

impl Compiler<'_> {
    /// What can matter for an action and a pair of types; reading also what the action of visibility reads, so that a
    /// deny finds everything it must tell already loaded.
    fn env(
        &self,
        principal: &SmolStr,
        action: &Uid,
        visible_by: Option<&Uid>,
        resource: &SmolStr,
    ) -> Result<Env, String> {
        let mut env = Env {
            principal: principal.clone(),
            resource: resource.clone(),
            permits: Indexed::default(),
            forbids: Indexed::default(),
            reach: Reach::default(),
            places: Places::default(),
        };
        let groups = self.groups(action)?;
        for policy in self.candidates(principal, action, resource)? {
            let mut reading = Reading { principal, action, groups: &groups, resource, places: &mut env.places };
            let code = self.read.get(policy.id()).and_then(|json| reading.policy(json));
            let side = if index::is_permit(policy) { &mut env.permits } else { &mut env.forbids };
            side.add(policy, code)?;
            self.read(&mut env.reach, policy)?;
        }
        let applies =
            |action: &schema::Action| action.principals.contains(principal) && action.resources.contains(resource);
        if let Some(visible) = visible_by.filter(|uid| self.schema.actions.get(*uid).is_some_and(applies)) {
            for policy in self.candidates(principal, visible, resource)? {
                self.read(&mut env.reach, policy)?;
            }
        }
        Ok(env)
    }

    fn read(&self, reach: &mut Reach, policy: &Policy) -> Result<(), String> {
        let json = self.read.get(policy.id()).ok_or("a policy without a form")?;
        reach
            .add_policy(json)
            .map_err(|what| format!("policy `{}` has something that is not understood: {what}", policy.id()))
    }

    /// The groups that an action is in.
    fn groups(&self, action: &Uid) -> Result<BTreeSet<Uid>, String> {
        let groups = self.engine.ancestors_of(&engine::uid(action)?);
        Ok(groups.iter().map(|group| Uid::new(group.type_name().to_string(), group.id().unescaped())).collect())
    }

    fn candidates(
        &self,
        principal: &str,
        action: &Uid,
        resource: &str,
    ) -> Result<impl Iterator<Item = &Policy>, String> {
        let action = engine::uid(action)?;
        let groups: BTreeSet<EntityUid> = self.engine.ancestors_of(&action);
        Ok(self
            .policies
            .iter()
            .copied()
            .filter(move |policy| index::applies(policy, principal, &action, &groups, resource)))
    }
}

/// The groups that an action is in.
trait ActionGroups {
    fn ancestors_of(&self, action: &EntityUid) -> BTreeSet<EntityUid>;
}

impl ActionGroups for EngineSchema {
    fn ancestors_of(&self, action: &EntityUid) -> BTreeSet<EntityUid> {
        let entities = self.action_entities().ok();
        let ancestors = entities.as_ref().and_then(|entities| entities.ancestors(action));
        ancestors.into_iter().flatten().cloned().collect()
    }
}
