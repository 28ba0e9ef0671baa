//! What is proven something of: the bundle's policies, by request environment.

use std::collections::BTreeSet;

use cedar_policy::{EntityUid, Policy, PolicyId, PolicySet, RequestEnv, Schema as EngineSchema};
use serde_json::Value as Json;

use super::form;
use super::property::{Other, Properties, json};
use super::query::Environment;
use super::world::own_uid;
use crate::entity::Uid;
use crate::pdp::bundle::Bundle;
use crate::pdp::fault::Faults;
use crate::pdp::index::{applies, as_static};
use crate::pdp::{links, policies};

/// A policy without slots, beside its form as data.
pub(super) struct Clause {
    pub policy: Policy,
    pub json: Json,
}

pub(super) struct Subject<'a> {
    pub bundle: &'a Bundle,
    pub clauses: Vec<Clause>,
    assumptions: Vec<Clause>,
    /// Every way in which the schema lets a question be asked.
    pub environments: Vec<Environment>,
}

impl<'a> Subject<'a> {
    /// # Errors
    /// None for a bundle that was built; the engine's word for it is not taken on trust.
    pub fn new(bundle: &'a Bundle, properties: &Properties) -> Result<Self, Faults> {
        let source = bundle.source();
        let mut loaded = policies::load(&source.policies)?;
        if let Some(file) = &source.links {
            links::link(&mut loaded.policies, &bundle.schema, file)?;
        }
        let refuse = |message: String| Faults(vec![crate::pdp::Fault::of_file(&source.schema.path, message)]);
        let clause = |policy: &Policy| {
            let json = form::right_nested(&json(&as_static(policy)?)?);
            Ok(Clause { policy: renamed(&json, AsRef::<str>::as_ref(policy.id()))?, json })
        };
        let mut clauses: Vec<Clause> =
            loaded.policies.policies().map(clause).collect::<Result<_, String>>().map_err(refuse)?;
        clauses.sort_by(|a, b| a.policy.id().cmp(b.policy.id()));
        let assumptions = properties.assumptions.iter().map(clause).collect::<Result<_, String>>().map_err(refuse)?;
        let entities = bundle.schema.engine.action_entities().map_err(|error| refuse(error.to_string()))?;
        let groups = |action: &EntityUid| entities.ancestors(action).into_iter().flatten().cloned().collect();
        let mut environments: Vec<Environment> = bundle
            .schema
            .engine
            .request_envs()
            .map(|env| Environment::new(&env, groups(env.action()), env.clone()))
            .collect();
        environments.sort_by(|a, b| a.key().cmp(&b.key()));
        environments.dedup_by(|a, b| a.key() == b.key());
        Ok(Self { bundle, clauses, assumptions, environments })
    }

    pub fn schema(&self) -> &EngineSchema {
        &self.bundle.schema.engine
    }

    /// Everything that was written about: policies and assumptions.
    pub fn written(&self) -> impl Iterator<Item = &Clause> {
        self.clauses.iter().chain(&self.assumptions)
    }

    /// The policies whose scope can match in an environment; the others are neither satisfied nor errors there.
    pub fn candidates<'s>(&'s self, env: &'s Environment) -> impl Iterator<Item = &'s Clause> {
        self.clauses.iter().filter(move |clause| env.admits(&clause.policy))
    }

    /// The assumptions about an environment, under ids that no policy has.
    pub fn assumptions(&self, env: &Environment) -> Result<Vec<Policy>, String> {
        let about = self.assumptions.iter().filter(|clause| env.admits(&clause.policy));
        about.map(|clause| renamed(&clause.json, &format!("assumption {}", clause.policy.id()))).collect()
    }

    /// The policies as they answer the other question, stated about the first one's environment.
    pub fn compared(&self, env: &Environment, other: &Other) -> Result<PolicySet, String> {
        let mut set = PolicySet::new();
        if let Some(principal) = &other.principal
            && !self.environments.iter().any(|it| it.answers(principal, env))
        {
            // The schema has no such question: it is never allowed.
            return Ok(set);
        }
        for clause in &self.clauses {
            let asks = match &other.principal {
                Some(principal) => env.admits_for(&clause.policy, principal.type_name()),
                None => env.admits(&clause.policy),
            };
            if !asks {
                continue;
            }
            let id = clause.policy.id().to_string();
            let changed =
                form::without(&clause.json, &other.without).map_err(|what| format!("policy `{id}`: {what}"))?;
            let changed = match &other.principal {
                Some(principal) => form::asked_by(&changed, principal)?,
                None => Some(changed),
            };
            if let Some(json) = changed {
                set.add(renamed(&json, &id)?).map_err(|error| error.to_string())?;
            }
        }
        Ok(set)
    }
}

/// A policy from data, under an id.
pub(super) fn renamed(json: &Json, id: &str) -> Result<Policy, String> {
    Policy::from_json(Some(PolicyId::new(id)), json.clone()).map_err(|error| format!("policy `{id}`: {error}"))
}

/// Policies as a set.
pub(super) fn set(policies: impl IntoIterator<Item = Policy>) -> Result<PolicySet, String> {
    PolicySet::from_policies(policies).map_err(|error| error.to_string())
}

impl Environment {
    fn new(env: &RequestEnv, groups: BTreeSet<EntityUid>, engine: RequestEnv) -> Self {
        Self {
            principal: env.principal().to_string().into(),
            action: own_uid(env.action()),
            resource: env.resource().to_string().into(),
            groups,
            engine,
        }
    }

    fn key(&self) -> (&Uid, &str, &str) {
        (&self.action, &self.principal, &self.resource)
    }

    pub(super) fn admits(&self, policy: &Policy) -> bool {
        self.admits_for(policy, &self.principal)
    }

    fn admits_for(&self, policy: &Policy, principal: &str) -> bool {
        applies(policy, principal, self.engine.action(), &self.groups, &self.resource)
    }

    /// Whether this is the environment of the same question asked by `principal`.
    fn answers(&self, principal: &Uid, question: &Self) -> bool {
        self.principal == *principal.type_name() && self.action == question.action && self.resource == question.resource
    }
}
