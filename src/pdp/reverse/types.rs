//! What a schema lets be asked: which types and actions go together, and what it says of them for reports.

use std::collections::BTreeSet;

use smol_str::SmolStr;

use crate::entity::Uid;
use crate::pdp::bundle::Bundle;
use crate::pdp::environments::CompiledAction;
use crate::pdp::schema::{self, Type};

impl Bundle {
    /// How bad an action is in the wrong hands, 0 to 9, as the schema says.
    pub fn harm(&self, action: &Uid) -> u8 {
        self.schema.actions.get(action).map_or(0, schema::Action::harm)
    }

    /// The types of resources that actions are done to, each with its actions, for principals of a type; the owner's, for a
    /// credential type.
    pub fn reaches(&self, principal: &str) -> Vec<(Uid, SmolStr)> {
        let owner = self.owner_type(principal);
        let principal = owner.as_deref().unwrap_or(principal);
        let of = |(uid, action): (&Uid, &CompiledAction)| {
            let envs = action.envs.iter().filter(|env| env.principal == principal);
            envs.map(|env| (uid.clone(), env.resource.clone())).collect::<Vec<_>>()
        };
        let mut reaches: Vec<_> = self.actions.iter().flat_map(of).collect();
        reaches.sort();
        reaches
    }

    /// The types of principals that an action can be asked about for a type of resources, and the credentials of such.
    pub fn askers(&self, action: &Uid, resource: &str) -> Vec<SmolStr> {
        let envs = self.actions.get(action).map_or(&[][..], |action| &action.envs);
        let principals: BTreeSet<&SmolStr> =
            envs.iter().filter(|env| env.resource == resource).map(|env| &env.principal).collect();
        let acts_for = |name: &&SmolStr| self.owner_type(name).is_some_and(|owner| principals.contains(&owner));
        let credentials = self.schema.types.keys().filter(acts_for);
        principals.iter().copied().chain(credentials).cloned().collect()
    }

    /// The types of resources that an action can be asked about.
    pub fn resources_of(&self, action: &Uid) -> BTreeSet<SmolStr> {
        let envs = self.actions.get(action).map_or(&[][..], |action| &action.envs);
        envs.iter().map(|env| env.resource.clone()).collect()
    }

    /// Callers without an account: those types whose ids the schema lists and that it says so of.
    pub fn anonymous(&self) -> Vec<Uid> {
        let types = self.schema.types.iter().filter(|(_, ty)| ty.annotations.contains_key("anonymous"));
        types.flat_map(|(name, ty)| ty.ids.iter().flatten().map(|id| Uid::new(name.clone(), id.clone()))).collect()
    }

    /// Whether actions are done to entities of a type.
    pub fn is_resource(&self, type_name: &str) -> bool {
        self.actions.values().any(|action| action.envs.iter().any(|env| env.resource == type_name))
    }

    /// Every action that questions of these types can be asked with, by name. The owner's, for a credential type.
    pub fn actions_between(&self, principal: &str, resource: &str) -> Vec<Uid> {
        let owner = self.owner_type(principal);
        let principal = owner.as_deref().unwrap_or(principal);
        let mut actions: Vec<Uid> =
            self.actions.keys().filter(|action| self.applies(Some(principal), action, resource)).cloned().collect();
        actions.sort();
        actions
    }

    /// The type of those whom the credentials of a type act for.
    pub(super) fn owner_type(&self, credential: &str) -> Option<SmolStr> {
        let delegate = self.delegate(credential)?;
        match &self.schema.types.get(credential)?.attributes.get(&delegate.attribute)?.ty {
            Type::Entity(owner) => Some(owner.clone()),
            _ => None,
        }
    }

    /// The ids of a type whose ids the schema lists.
    pub fn listed(&self, type_name: &str) -> Option<BTreeSet<SmolStr>> {
        self.schema.types.get(type_name)?.ids.clone()
    }
}
