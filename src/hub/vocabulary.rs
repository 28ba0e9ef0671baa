//! Which permissions there are and what they can be granted for: the annotations `@targets` and `@grants` of the
//! schema's actions.

use std::collections::{BTreeMap, BTreeSet};

use smol_str::SmolStr;

use super::error::HubError;
use crate::entity::Uid;
use crate::pdp::Bundle;
use crate::tokens::{TargetKind, names};

/// What a permission can be granted for.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Scope {
    User,
    Org,
    Repo,
    /// Outside every target.
    Global,
}

impl Scope {
    const ALL: [Self; 4] = [Self::User, Self::Org, Self::Repo, Self::Global];

    pub fn name(self) -> &'static str {
        match self {
            Self::User => "user",
            Self::Org => "org",
            Self::Repo => "repo",
            Self::Global => "global",
        }
    }
}

impl From<TargetKind> for Scope {
    fn from(kind: TargetKind) -> Self {
        match kind {
            TargetKind::User => Self::User,
            TargetKind::Org => Self::Org,
            TargetKind::Model | TargetKind::Dataset | TargetKind::Space => Self::Repo,
        }
    }
}

/// One permission.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Permission {
    pub scopes: BTreeSet<Scope>,
    /// What it lets a token do, to be read after "may".
    pub grants: SmolStr,
}

/// The hub's names under one schema.
#[derive(Debug)]
pub struct Vocabulary {
    /// Hash of the schema it was read from.
    pub schema: String,
    pub permissions: BTreeMap<SmolStr, Permission>,
    pub manage: Uid,
    pub review: Uid,
    pub read_repo: Uid,
    pub read_org: Uid,
    pub anonymous: Uid,
}

impl Vocabulary {
    /// # Errors
    /// A schema that is no hub's.
    pub fn read(bundle: &Bundle) -> Result<Self, HubError> {
        for name in [names::TOKEN, names::ROLE, names::USER, names::ORGANIZATION, names::REPO] {
            if !bundle.has_entity_type(name) {
                return Err(HubError::NotAHub(name));
            }
        }
        let action = |id: &'static str| bundle.action(id).map_err(|_| HubError::NotAHub(id));
        let mut permissions = BTreeMap::new();
        for (uid, annotations) in bundle.actions() {
            if let Some(targets) = annotations.get("targets") {
                let named = |scope: &Scope| targets.split_ascii_whitespace().any(|word| word == scope.name());
                let permission = Permission {
                    scopes: Scope::ALL.into_iter().filter(named).collect(),
                    grants: annotations.get("grants").unwrap_or(uid.id()).clone(),
                };
                permissions.insert(uid.id().clone(), permission);
            }
        }
        Ok(Self {
            schema: bundle.schema_hash().to_owned(),
            permissions,
            manage: action("token.manage")?,
            review: action("token.review")?,
            read_repo: action("repo.read")?,
            read_org: action("org.read")?,
            anonymous: Uid::new("Hub::Anonymous", "anonymous"),
        })
    }

    /// What is wrong with granting a permission for something, if anything.
    pub fn fault(&self, permission: &str, scope: Scope) -> Option<String> {
        let Some(known) = self.permissions.get(permission) else {
            let all: Vec<&str> = self.permissions.keys().map(SmolStr::as_str).collect();
            return Some(format!("there is no permission `{permission}`; there are {}", all.join(", ")));
        };
        if known.scopes.contains(&scope) {
            return None;
        }
        let scopes: Vec<&str> = known.scopes.iter().map(|scope| scope.name()).collect();
        let what = match scope {
            Scope::Global => "globally".to_owned(),
            scope => format!("for a target of kind `{}`", scope.name()),
        };
        Some(format!("`{permission}` cannot be granted {what}; it can for {}", scopes.join(", ")))
    }
}
