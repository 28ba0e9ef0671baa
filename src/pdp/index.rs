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

/// Policies of one effect and one request environment.
#[derive(Default)]
pub(super) struct Indexed {
    any: PolicySet,
    by_principal: HashMap<EntityUid, PolicySet>,
    by_resource: HashMap<EntityUid, PolicySet>,
    by_both: HashMap<EntityUid, HashMap<EntityUid, PolicySet>>,
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
    /// When the policy's id is taken.
    pub fn add(&mut self, policy: &Policy) -> Result<(), String> {
        let principal = match policy.principal_constraint() {
            PrincipalConstraint::Eq(uid) | PrincipalConstraint::In(uid) | PrincipalConstraint::IsIn(_, uid) => {
                Some(uid)
            }
            PrincipalConstraint::Any | PrincipalConstraint::Is(_) => None,
        };
        let resource = match policy.resource_constraint() {
            ResourceConstraint::Eq(uid) | ResourceConstraint::In(uid) | ResourceConstraint::IsIn(_, uid) => Some(uid),
            ResourceConstraint::Any | ResourceConstraint::Is(_) => None,
        };
        let set = match (principal, resource) {
            (None, None) => &mut self.any,
            (Some(principal), None) => self.by_principal.entry(principal).or_default(),
            (None, Some(resource)) => self.by_resource.entry(resource).or_default(),
            (Some(principal), Some(resource)) => {
                self.by_both.entry(principal).or_default().entry(resource).or_default()
            }
        };
        set.add(as_static(policy)?).map_err(|error| error.to_string())
    }

    /// Every policy, whatever entities its scope names.
    pub fn all(&self) -> impl Iterator<Item = &Policy> {
        let nested = self.by_both.values().flat_map(HashMap::values);
        let sets = self.by_principal.values().chain(self.by_resource.values()).chain(nested);
        std::iter::once(&self.any).chain(sets).flat_map(PolicySet::policies)
    }

    /// The sets in which a policy's scope can match.
    fn candidates(&self, principals: &[EntityUid], resources: &[EntityUid]) -> Vec<&PolicySet> {
        let mut sets = Vec::new();
        if !self.any.is_empty() {
            sets.push(&self.any);
        }
        if !self.by_resource.is_empty() {
            sets.extend(resources.iter().filter_map(|uid| self.by_resource.get(uid)));
        }
        if !self.by_principal.is_empty() || !self.by_both.is_empty() {
            for principal in principals {
                sets.extend(self.by_principal.get(principal));
                if let Some(both) = self.by_both.get(principal) {
                    sets.extend(resources.iter().filter_map(|uid| both.get(uid)));
                }
            }
        }
        sets
    }

    /// Evaluates the candidates. `principals` and `resources` are the question's entity and all its ancestors.
    pub fn evaluate(
        &self,
        request: &Request,
        entities: &Entities,
        principals: &[EntityUid],
        resources: &[EntityUid],
    ) -> Outcome {
        let mut outcome = Outcome::default();
        self.candidates(principals, resources).into_iter().for_each(|set| outcome.run(request, set, entities));
        outcome
    }
}

/// Whether the entities that a policy's scope names are those of a question, each given with all its ancestors.
pub(super) fn scope_matches(policy: &Policy, principals: &[EntityUid], resources: &[EntityUid]) -> bool {
    let principal = match policy.principal_constraint() {
        PrincipalConstraint::Any | PrincipalConstraint::Is(_) => true,
        PrincipalConstraint::Eq(uid) => principals.first() == Some(&uid),
        PrincipalConstraint::In(uid) | PrincipalConstraint::IsIn(_, uid) => principals.contains(&uid),
    };
    let resource = match policy.resource_constraint() {
        ResourceConstraint::Any | ResourceConstraint::Is(_) => true,
        ResourceConstraint::Eq(uid) => resources.first() == Some(&uid),
        ResourceConstraint::In(uid) | ResourceConstraint::IsIn(_, uid) => resources.contains(&uid),
    };
    principal && resource
}

impl Outcome {
    fn run(&mut self, request: &Request, policies: &PolicySet, entities: &Entities) {
        let response = Authorizer::new().is_authorized(request, policies, entities);
        let diagnostics = response.diagnostics();
        let satisfied = diagnostics.reason().map(|id| SmolStr::new(AsRef::<str>::as_ref(id)));
        self.satisfied.extend(satisfied);
        self.errors.extend(diagnostics.errors().map(|error| {
            let cedar_policy::AuthorizationError::PolicyEvaluationError(error) = error;
            EvaluationError {
                policy: SmolStr::new(AsRef::<str>::as_ref(error.policy_id())),
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
