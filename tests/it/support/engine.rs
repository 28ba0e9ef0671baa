//! The engine alone, by its public interface and over every entity there is: what a decision is measured against.

use std::collections::BTreeSet;
use std::str::FromStr;

use cedar_policy::{Authorizer, Context, Decision, Entities, EntityUid, PolicyId, PolicySet, Request, Schema};
use hubwarden::entity::{Entity, Record, Uid, Value};
use hubwarden::pdp::{Answer, BundleSource};

pub struct Engine {
    schema: Schema,
    policies: PolicySet,
    entities: Entities,
}

/// What the engine says: the decision, the policies that made it, and those that failed.
#[derive(Debug, PartialEq, Eq)]
pub struct Said {
    pub allow: bool,
    pub determining: BTreeSet<String>,
    pub errors: BTreeSet<String>,
}

impl Engine {
    pub fn new<'a>(source: &BundleSource, entities: impl IntoIterator<Item = &'a Entity>) -> Self {
        let schema = Schema::from_str(&source.schema.text).unwrap();
        let mut policies = PolicySet::new();
        for file in &source.policies {
            for policy in PolicySet::from_str(&file.text).unwrap().policies() {
                policies.add(policy.new_id(PolicyId::new(policy.annotation("id").unwrap()))).unwrap();
            }
        }
        let json = entities.into_iter().map(Entity::to_json).collect();
        let entities = Entities::from_json_value(json, Some(&schema)).unwrap();
        Self { schema, policies, entities }
    }

    pub fn ask(&self, principal: &Uid, action: &Uid, resource: &Uid, context: &Record) -> Said {
        let action = engine_uid(action);
        let json = Value::Record(context.clone()).to_json();
        let context = Context::from_json_value(json, Some((&self.schema, &action))).unwrap();
        let request =
            Request::new(engine_uid(principal), action, engine_uid(resource), context, Some(&self.schema)).unwrap();
        let response = Authorizer::new().is_authorized(&request, &self.policies, &self.entities);
        let failed = |error: &cedar_policy::AuthorizationError| match error {
            cedar_policy::AuthorizationError::PolicyEvaluationError(error) => error.policy_id().to_string(),
        };
        Said {
            allow: response.decision() == Decision::Allow,
            determining: response.diagnostics().reason().map(ToString::to_string).collect(),
            errors: response.diagnostics().errors().map(failed).collect(),
        }
    }
}

impl Said {
    /// What a decision point must make of it: an error denies, and a deny names no permits.
    pub fn denying_on_errors(self) -> Self {
        match self.allow && !self.errors.is_empty() {
            true => Self { allow: false, determining: BTreeSet::new(), ..self },
            false => self,
        }
    }
}

impl From<&Answer> for Said {
    fn from(answer: &Answer) -> Self {
        Self {
            allow: answer.allowed(),
            determining: answer.determining.iter().map(ToString::to_string).collect(),
            errors: answer.errors.iter().map(|error| error.policy.to_string()).collect(),
        }
    }
}

fn engine_uid(uid: &Uid) -> EntityUid {
    EntityUid::from_json(uid.to_json()).unwrap()
}
