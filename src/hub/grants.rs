//! What a token is to be granted, checked before it is stored: every permission exists for its kind of target, and
//! every target is something that the owner can see. What the owner cannot see and what does not exist are refused
//! alike, or creating tokens would tell which private repositories there are.

use std::collections::BTreeSet;

use smol_str::SmolStr;

use super::Hub;
use super::error::HubError;
use super::memberships::{self, stored};
use super::vocabulary::{Scope, Vocabulary};
use crate::entity::Uid;
use crate::tokens::{Grants, Role, Target, TargetKind, names};
use crate::warden::Session;

/// How many targets one token can name. Its entity has to fit a record.
const MAX_TARGETS: usize = 200;

/// What is wanted, as it was written.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct GrantsSpec {
    pub gated_repos: bool,
    pub global: Vec<String>,
    pub grants: Vec<GrantSpec>,
}

/// One target and its permissions, as they were written.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct GrantSpec {
    /// `user`, `org`, `model`, `dataset` or `space`.
    pub kind: String,
    /// `acme`, `acme/m1`.
    pub name: String,
    pub permissions: Vec<String>,
}

impl Hub {
    /// The grants that a specification means, for a token of this owner.
    ///
    /// # Errors
    /// [`HubError::Invalid`] with the field.
    pub(super) fn granted(
        &self,
        session: &Session,
        owner: &str,
        role: Role,
        spec: &GrantsSpec,
    ) -> Result<Grants, HubError> {
        if role != Role::FineGrained {
            return match *spec == GrantsSpec::default() {
                true => Ok(Grants::default()),
                false => Err(HubError::invalid(
                    "grants",
                    format!("a token of the role `{}` has no grants: only `fineGrained` ones have", role.name()),
                )),
            };
        }
        let vocabulary = self.vocabulary(session.bundle())?;
        let mut grants = Grants { gated_repos: spec.gated_repos, ..Grants::default() };
        for (index, permission) in spec.global.iter().enumerate() {
            if let Some(fault) = vocabulary.fault(permission, Scope::Global) {
                return Err(HubError::invalid(format!("global[{index}]"), fault));
            }
            grants.global.insert(permission.into());
        }
        if spec.grants.len() > MAX_TARGETS {
            let message = format!("a token names at most {MAX_TARGETS} targets, not {}", spec.grants.len());
            return Err(HubError::invalid("grants", message));
        }
        for (index, grant) in spec.grants.iter().enumerate() {
            let path = format!("grants[{index}]");
            let (target, permissions) = self.grant(session, &vocabulary, owner, grant, &path)?;
            if grants.scoped.insert(target, permissions).is_some() {
                let message = format!("the {} `{}` stands twice", grant.kind, grant.name);
                return Err(HubError::invalid(format!("{path}.entity"), message));
            }
        }
        Ok(grants)
    }

    fn grant(
        &self,
        session: &Session,
        vocabulary: &Vocabulary,
        owner: &str,
        grant: &GrantSpec,
        path: &str,
    ) -> Result<(Target, BTreeSet<SmolStr>), HubError> {
        let kind: TargetKind =
            grant.kind.parse().map_err(|message: String| HubError::invalid(format!("{path}.entity.type"), message))?;
        let mut permissions = BTreeSet::new();
        for (index, permission) in grant.permissions.iter().enumerate() {
            if let Some(fault) = vocabulary.fault(permission, kind.into()) {
                return Err(HubError::invalid(format!("{path}.permissions[{index}]"), fault));
            }
            permissions.insert(permission.into());
        }
        // A repository's entry without permissions says something: nothing of its namespace's grants is for it.
        if permissions.is_empty() && !kind.is_repo() {
            let message = format!("the {} `{}` is granted no permission", grant.kind, grant.name);
            return Err(HubError::invalid(format!("{path}.permissions"), message));
        }
        let target = Target::new(kind, grant.name.as_str());
        match self.sees(session, vocabulary, owner, &target)? {
            true => Ok((target, permissions)),
            false => {
                let message = match kind {
                    TargetKind::User => format!("`{}` is not the token's owner: of users, only {owner}", target.name),
                    TargetKind::Org => format!("there is no organization `{}` that {owner} belongs to", target.name),
                    _ => format!("there is no {} `{}` that {owner} can see", kind.name(), target.name),
                };
                Err(HubError::invalid(format!("{path}.entity.name"), message))
            }
        }
    }

    fn sees(&self, session: &Session, vocabulary: &Vocabulary, owner: &str, target: &Target) -> Result<bool, HubError> {
        match target.kind {
            TargetKind::User => Ok(target.name == owner),
            TargetKind::Org => {
                let Some(user) = stored(session, &Uid::new(names::USER, owner))? else {
                    return Ok(false);
                };
                let memberships = memberships::of(session, &user)?;
                Ok(memberships.iter().any(|membership| *membership.id() == target.name))
            }
            // Two factors are a demand on use: whether the repository exists for its owner does not hang on them.
            _ => self.may(session, owner, true, &vocabulary.read_repo, target.uid()),
        }
    }
}
