//! Where a user belongs: the levels that their entity says, checked against the organizations' own entities.

use smol_str::SmolStr;

use super::error::HubError;
use crate::entity::{Entity, Uid};
use crate::store::Lookup;
use crate::tokens::names;
use crate::warden::Session;

const ORG_ROLE: &str = "Hub::OrgRole";
const GROUP_ROLE: &str = "Hub::GroupRole";
const GROUP: &str = "Hub::ResourceGroup";
/// Each level, and the attribute of an organization or group that holds its role.
const LEVELS: [(&str, &str); 5] = [
    ("no_access", "members"),
    ("read", "readers"),
    ("contributor", "contributors"),
    ("write", "writers"),
    ("admin", "admins"),
];

/// A user's place in an organization.
#[derive(Clone, Debug)]
pub struct Membership {
    pub organization: Entity,
    /// `no_access`, `read`, `contributor`, `write` or `admin`.
    pub level: &'static str,
    pub groups: Vec<GroupMembership>,
}

/// A user's place in a resource group.
#[derive(Clone, Debug)]
pub struct GroupMembership {
    pub id: SmolStr,
    pub level: &'static str,
}

impl Membership {
    pub fn id(&self) -> &SmolStr {
        self.organization.uid.id()
    }
}

/// The memberships of a user, by organization. A role that is no organization's is none.
///
/// # Errors
/// An unreadable store.
pub fn of(session: &Session, user: &Entity) -> Result<Vec<Membership>, HubError> {
    let mut found: Vec<Membership> = Vec::new();
    for role in user.parents.iter().filter(|parent| parent.type_name() == ORG_ROLE) {
        if let Some((organization, level)) = holder(session, role, names::ORGANIZATION)? {
            found.push(Membership { organization, level, groups: Vec::new() });
        }
    }
    for role in user.parents.iter().filter(|parent| parent.type_name() == GROUP_ROLE) {
        let Some((group, level)) = holder(session, role, GROUP)? else { continue };
        let organization = group.attrs.get("organization").and_then(|value| value.as_entity());
        let of = found.iter_mut().find(|membership| Some(&membership.organization.uid) == organization);
        if let Some(membership) = of {
            membership.groups.push(GroupMembership { id: group.uid.id().clone(), level });
        }
    }
    Ok(found)
}

/// What `acme/write` is a role of, if that says so, too; and the level.
fn holder(session: &Session, role: &Uid, type_name: &str) -> Result<Option<(Entity, &'static str)>, HubError> {
    let Some((id, level)) = role.id().rsplit_once('/') else {
        return Ok(None);
    };
    let Some((level, attribute)) = LEVELS.into_iter().find(|(name, _)| *name == level) else {
        return Ok(None);
    };
    match stored(session, &Uid::new(type_name, id))? {
        Some(entity) if entity.attrs.get(attribute).and_then(|value| value.as_entity()) == Some(role) => {
            Ok(Some((entity, level)))
        }
        _ => Ok(None),
    }
}

/// An entity, if it is there.
///
/// # Errors
/// An unreadable store.
pub fn stored(session: &Session, uid: &Uid) -> Result<Option<Entity>, HubError> {
    match session.entity(uid)? {
        Lookup::Present(stored) => Ok(Some(stored.entity)),
        Lookup::Deleted(_) | Lookup::Absent => Ok(None),
    }
}
