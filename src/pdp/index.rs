//! Policies by what their scope asks for, so that a question evaluates only candidates.
//!
//! Exact, not approximate: a scope cannot fail, and a policy whose scope does not match is neither satisfied nor an
//! error. Policies are split by request environment (principal type, action, resource type), and inside one by the
//! entities that their scope names. Permits and forbids stay apart: a deny asks whether any permit was there.

use std::collections::{BTreeSet, HashMap};

use cedar_policy::{
    ActionConstraint, Authorizer, Effect, Entities, EntityUid, Policy, PolicySet, PrincipalConstraint, Request,
    ResourceConstraint,
};
use smol_str::SmolStr;

use super::answer::EvaluationError;
use super::compiled::Code;
use crate::entity::Uid;

/// Policies of one effect and one request environment.
#[derive(Default)]
pub(super) struct Indexed {
    any: Vec<Rule>,
    by_principal: HashMap<Uid, Vec<Rule>>,
    by_resource: HashMap<Uid, Vec<Rule>>,
    by_both: HashMap<Uid, HashMap<Uid, Vec<Rule>>>,
}

/// One policy in one request environment.
pub(super) struct Rule {
    pub id: SmolStr,
    pub policy: Policy,
    /// The policy for the engine.
    alone: PolicySet,
    /// The policy without the engine, where it has nothing that only the engine evaluates.
    pub code: Option<Code>,
}

/// What came of evaluating some policies.
#[derive(Default)]
pub(super) struct Outcome {
    /// Ids of the policies whose conditions held.
    pub satisfied: BTreeSet<SmolStr>,
    pub errors: Vec<EvaluationError>,
}

impl Indexed {
    pub fn is_empty(&self) -> bool {
        self.any.is_empty() && self.by_principal.is_empty() && self.by_resource.is_empty() && self.by_both.is_empty()
    }

    /// # Errors
    /// When the policy cannot stand alone.
    pub fn add(&mut self, policy: &Policy, code: Option<Code>) -> Result<(), String> {
        let principal = match policy.principal_constraint() {
            PrincipalConstraint::Eq(uid) | PrincipalConstraint::In(uid) | PrincipalConstraint::IsIn(_, uid) => {
                Some(named(&uid))
            }
            PrincipalConstraint::Any | PrincipalConstraint::Is(_) => None,
        };
        let resource = match policy.resource_constraint() {
            ResourceConstraint::Eq(uid) | ResourceConstraint::In(uid) | ResourceConstraint::IsIn(_, uid) => {
                Some(named(&uid))
            }
            ResourceConstraint::Any | ResourceConstraint::Is(_) => None,
        };
        let rules = match (principal, resource) {
            (None, None) => &mut self.any,
            (Some(principal), None) => self.by_principal.entry(principal).or_default(),
            (None, Some(resource)) => self.by_resource.entry(resource).or_default(),
            (Some(principal), Some(resource)) => {
                self.by_both.entry(principal).or_default().entry(resource).or_default()
            }
        };
        let id: &str = policy.id().as_ref();
        let policy = as_static(policy)?;
        let alone = PolicySet::from_policies([policy.clone()]).map_err(|error| error.to_string())?;
        rules.push(Rule { id: id.into(), policy, alone, code });
        Ok(())
    }

    /// Every policy, whatever entities its scope names.
    pub fn all(&self) -> impl Iterator<Item = &Policy> {
        let nested = self.by_both.values().flat_map(HashMap::values);
        let lists = self.by_principal.values().chain(self.by_resource.values()).chain(nested);
        std::iter::once(&self.any).chain(lists).flatten().map(|rule| &rule.policy)
    }

    /// Whether a scope names a principal; whether one names a resource.
    pub fn names(&self) -> (bool, bool) {
        let both = !self.by_both.is_empty();
        (both || !self.by_principal.is_empty(), both || !self.by_resource.is_empty())
    }

    /// The policies whose scope can match. `principals` and `resources` are the question's entity and all its
    /// ancestors; where no scope names any, they are not looked at.
    pub fn candidates<'r, 'q>(
        &'r self,
        principals: &'q [Uid],
        resources: &'q [Uid],
    ) -> impl Iterator<Item = &'r Rule> + use<'r, 'q> {
        let by_resource = resources.iter().filter_map(|uid| self.by_resource.get(uid));
        let by_principal = principals.iter().flat_map(|principal| {
            let both = self.by_both.get(principal).into_iter();
            let both = both.flat_map(|both| resources.iter().filter_map(|uid| both.get(uid)));
            self.by_principal.get(principal).into_iter().chain(both)
        });
        self.any.iter().chain(by_resource.chain(by_principal).flatten())
    }
}

/// The engine's uid as data.
pub(super) fn named(uid: &EntityUid) -> Uid {
    Uid::new(uid.type_name().to_string(), uid.id().unescaped())
}

/// Whether the entities that a policy's scope names are those of a question, each given with all its ancestors.
pub(super) fn scope_matches(policy: &Policy, principals: &[Uid], resources: &[Uid]) -> bool {
    let principal = match policy.principal_constraint() {
        PrincipalConstraint::Any | PrincipalConstraint::Is(_) => true,
        PrincipalConstraint::Eq(uid) => principals.first() == Some(&named(&uid)),
        PrincipalConstraint::In(uid) | PrincipalConstraint::IsIn(_, uid) => principals.contains(&named(&uid)),
    };
    let resource = match policy.resource_constraint() {
        ResourceConstraint::Any | ResourceConstraint::Is(_) => true,
        ResourceConstraint::Eq(uid) => resources.first() == Some(&named(&uid)),
        ResourceConstraint::In(uid) | ResourceConstraint::IsIn(_, uid) => resources.contains(&named(&uid)),
    };
    principal && resource
}

impl Rule {
    /// What the engine says of this policy.
    pub fn run(&self, request: &Request, entities: &Entities, outcome: &mut Outcome) {
        let response = Authorizer::new().is_authorized(request, &self.alone, entities);
        let diagnostics = response.diagnostics();
        outcome.satisfied.extend(diagnostics.reason().map(|_| self.id.clone()));
        outcome.errors.extend(diagnostics.errors().map(|error| {
            let cedar_policy::AuthorizationError::PolicyEvaluationError(error) = error;
            EvaluationError {
                policy: self.id.clone(),
                message: error.inner().to_string(),
                dangling: matches!(error.inner(), cedar_policy::EvaluationError::EntityDoesNotExist(_)),
            }
        }));
    }
}

/// A linked policy with its slots filled in, so that it can stand in a set without its template.
pub(super) fn as_static(policy: &Policy) -> Result<Policy, String> {
    if policy.is_static() {
        return Ok(policy.clone());
    }
    let json = policy.to_json().map_err(|error| error.to_string())?;
    Policy::from_json(Some(policy.id().clone()), json).map_err(|error| error.to_string())
}

/// Whether a policy's scope can match in a request environment, as far as types tell.
pub(super) fn applies(
    policy: &Policy,
    principal: &str,
    action: &EntityUid,
    groups: &BTreeSet<EntityUid>,
    resource: &str,
) -> bool {
    let is = |ty: &cedar_policy::EntityTypeName, name: &str| ty.to_string() == name;
    let principal_fits = match policy.principal_constraint() {
        PrincipalConstraint::Any | PrincipalConstraint::In(_) => true,
        PrincipalConstraint::Is(ty) | PrincipalConstraint::IsIn(ty, _) => is(&ty, principal),
        PrincipalConstraint::Eq(uid) => is(uid.type_name(), principal),
    };
    let resource_fits = match policy.resource_constraint() {
        ResourceConstraint::Any | ResourceConstraint::In(_) => true,
        ResourceConstraint::Is(ty) | ResourceConstraint::IsIn(ty, _) => is(&ty, resource),
        ResourceConstraint::Eq(uid) => is(uid.type_name(), resource),
    };
    let action_fits = match policy.action_constraint() {
        ActionConstraint::Any => true,
        ActionConstraint::Eq(uid) => uid == *action,
        ActionConstraint::In(uids) => uids.iter().any(|uid| uid == action || groups.contains(uid)),
    };
    principal_fits && resource_fits && action_fits
}

pub(super) fn is_permit(policy: &Policy) -> bool {
    policy.effect() == Effect::Permit
}
