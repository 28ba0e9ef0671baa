//! The domain once more, as plain code: a second opinion on every cell.
//!
//! Written from the description of the domain and not from the policies, without the engine: a user's level is a
//! number, a refusal is the first of the steps in [`Oracle::decide`] that says no. Where the two disagree, one of them
//! is wrong. It answers questions about entities that are stored or were deleted; what was never stored is for the
//! readable cases.

use std::collections::BTreeMap;

use hubwarden::entity::{Entity, Record, SmolStr, Uid, Value};

use super::dsl::{LEVELS, uid};
use super::world::{Caller, NOW, World};

/// Levels as numbers, 0 being none at all.
const READ: usize = 2;
const CONTRIBUTOR: usize = 3;
const WRITE: usize = 4;
const ADMIN: usize = 5;

/// The permissions for repositories: any of them shows that a private one exists.
const OF_REPOS: [&str; 4] = ["repo.content.read", "repo.write", "repo.access.read", "discussion.write"];

/// What the role `read` lets through.
const CEILING: [&str; 11] = [
    "repo.read",
    "repo.content.read",
    "repo.access.read",
    "collection.read",
    "discussion.write",
    "inference.serverless.write",
    "inference.endpoints.infer.write",
    "org.read",
    "user.billing.read",
    "user.webhooks.read",
    "user.notifications.read",
];

/// Whether an action is within the ceiling of the role `read`.
pub fn within_read_ceiling(action: &str) -> bool {
    CEILING.contains(&action)
}

/// `Ok`, or the code of the refusal.
type Verdict = Result<(), &'static str>;

pub struct Oracle<'a> {
    world: &'a World,
    entities: &'a BTreeMap<Uid, Entity>,
}

/// One question, with the token's owner in place of the token.
struct Case<'a> {
    oracle: &'a Oracle<'a>,
    /// `None` for who is not signed in.
    user: Option<Uid>,
    token: Option<Uid>,
    mfa: bool,
    action: &'a str,
    resource: &'a Uid,
}

impl<'a> Oracle<'a> {
    pub fn new(world: &'a World) -> Self {
        Self { world, entities: &world.entities }
    }

    /// `allow`, or the code of the refusal: the first of these steps that says no, where the caller may know it.
    pub fn decide(&self, caller: &Caller, action: &str, resource: &Uid) -> &'static str {
        let (principal, token) = match self.reference(&caller.principal, "owner") {
            Some(owner) => (owner.clone(), Some(caller.principal.clone())),
            None => (caller.principal.clone(), caller.token.clone()),
        };
        let user = (principal.type_name() == "Hub::User").then_some(principal);
        let case = Case { oracle: self, user, token, mfa: caller.mfa == Some(true), action, resource };
        let steps =
            [Case::organization, Case::enabled, Case::whole, Case::right, Case::gate, Case::role, Case::permission];
        let refused = || steps.iter().try_for_each(|step| step(&case)).map_err(|code| case.unless_hidden(code));
        case.alive().and_then(|()| refused()).err().unwrap_or("allow")
    }

    fn attribute(&self, of: &Uid, name: &str) -> Option<&'a Value> {
        self.entities.get(of)?.attrs.get(name)
    }

    fn reference(&self, of: &Uid, name: &str) -> Option<&'a Uid> {
        self.attribute(of, name)?.as_entity()
    }

    fn flag(&self, of: &Uid, name: &str) -> bool {
        self.attribute(of, name) == Some(&Value::Bool(true))
    }

    fn listed(&self, of: &Uid, name: &str, member: &Uid) -> bool {
        matches!(self.attribute(of, name), Some(Value::Set(members)) if members.contains(&member.clone().into()))
    }

    /// Whether something is another thing, or lies in it at any depth.
    fn under(&self, inner: &Uid, outer: &Uid) -> bool {
        let parents = || self.entities.get(inner).into_iter().flat_map(|entity| &entity.parents);
        inner == outer || parents().any(|parent| self.under(parent, outer))
    }

    fn public(&self, resource: &Uid) -> bool {
        self.reference(resource, "visibility").is_some_and(|visibility| visibility.id() == "public")
    }

    fn gate(&self, resource: &Uid) -> Option<&'a Record> {
        match self.attribute(resource, "gate")? {
            Value::Record(gate) => Some(gate),
            _ => None,
        }
    }

    /// The level that somebody has by the roles of a type, e.g. `OrgRole` in an organization.
    fn level(&self, user: &Uid, role: &str, of: &Uid) -> usize {
        let held = |name: &&str| self.under(user, &uid(role, format!("{}/{name}", of.id())));
        LEVELS.iter().rposition(held).map_or(0, |at| at + 1)
    }
}

impl Case<'_> {
    fn is(&self, type_name: &str) -> bool {
        self.resource.type_name().strip_prefix("Hub::") == Some(type_name)
    }

    fn has_role(&self, role: &str) -> bool {
        let entity = self.token.as_ref().and_then(|token| self.oracle.entities.get(token));
        entity.is_some_and(|token| token.parents.contains(&uid("TokenRole", role)))
    }

    fn owns(&self) -> bool {
        self.user.is_some() && self.oracle.reference(self.resource, "user") == self.user.as_ref()
    }

    fn created(&self) -> bool {
        self.user.is_some() && self.oracle.reference(self.resource, "creator") == self.user.as_ref()
    }

    /// The level in the organization itself.
    fn org_level(&self, org: &Uid) -> usize {
        self.user.as_ref().map_or(0, |user| self.oracle.level(user, "OrgRole", org))
    }

    /// The level that counts for the resource: inside a group the one in the group, except for the organization's
    /// admins, and only for who is in the organization at all.
    fn level(&self) -> usize {
        let Some(org) = self.oracle.reference(self.resource, "organization") else { return 0 };
        match (self.org_level(org), self.oracle.reference(self.resource, "group"), &self.user) {
            (0, _, _) | (_, _, None) => 0,
            (ADMIN, _, _) => ADMIN,
            (level, None, _) => level,
            (_, Some(group), Some(user)) => self.oracle.level(user, "GroupRole", group),
        }
    }

    fn reads(&self) -> bool {
        self.oracle.public(self.resource) || self.owns() || self.level() >= READ
    }

    /// What an anonymous caller may do, and nothing that is said of credentials takes away.
    fn free(&self) -> bool {
        let gated = self.oracle.gate(self.resource).is_some();
        let free = match self.action {
            "repo.read" | "collection.read" => true,
            "repo.content.read" => !gated,
            _ => false,
        };
        free && self.oracle.public(self.resource)
    }

    fn alive(&self) -> Verdict {
        let dead = |uid: &Uid| self.oracle.world.deleted(uid);
        if self.user.as_ref().is_some_and(dead) || self.token.as_ref().is_some_and(dead) {
            return Err("invalid_token");
        }
        let Some(token) = &self.token else { return Ok(()) };
        let expired = match self.oracle.attribute(token, "expiresAt") {
            Some(Value::Extension { args, .. }) => instant(&args[0]) <= instant(&NOW.into()),
            _ => false,
        };
        let foreign = self.oracle.reference(token, "owner") != self.user.as_ref();
        let roles = ["read", "write", "fineGrained"].iter().any(|role| self.has_role(role));
        if expired || foreign || !roles { Err("invalid_token") } else { Ok(()) }
    }

    /// What a refusal is called: of what the caller may not see, nothing is said but that it is not found. Being hidden
    /// is never itself a refusal: a token with `collection.write` alone writes a private collection that it cannot read,
    /// since permissions do not imply each other.
    fn unless_hidden(&self, code: &'static str) -> &'static str {
        if self.seen() { code } else { "not_found" }
    }

    fn seen(&self) -> bool {
        let fine = self.has_role("fineGrained") && !self.oracle.public(self.resource);
        let level = || self.level() >= READ || self.owns();
        match self.resource.type_name().strip_prefix("Hub::") {
            _ if self.oracle.world.deleted(self.resource) => false,
            Some("Repo") => self.reads() && (!fine || self.granted_any()),
            Some("Collection") => self.reads() && (!fine || self.granted("collection.read")),
            Some("Endpoint") => level(),
            _ => true,
        }
    }

    fn organization(&self) -> Verdict {
        if self.free() {
            return Ok(());
        }
        let owner = self.oracle.reference(self.resource, "organization");
        let org = owner.or_else(|| self.is("Organization").then_some(self.resource));
        if let (Some(token), Some(org)) = (&self.token, org) {
            let policy = self.oracle.reference(org, "tokenPolicy").map(|policy| policy.id().as_str());
            if policy == Some("fineGrainedOnly") && (self.has_role("read") || self.has_role("write")) {
                return Err("token_policy");
            }
            if policy == Some("requireApproval") && !self.oracle.listed(token, "approvedBy", org) {
                return Err("token_policy");
            }
        }
        if self.revoked(org) {
            return Err("token_revoked");
        }
        let two_factors = org.is_some_and(|org| self.oracle.flag(org, "requiresMfa"));
        if self.user.is_some() && !self.mfa && two_factors { Err("mfa_required") } else { Ok(()) }
    }

    /// A token that an organization revoked is stopped at what it owns and at all that lies in it: the two differ only
    /// in a half-written transfer.
    fn revoked(&self, org: Option<&Uid>) -> bool {
        let by = self.token.as_ref().and_then(|token| self.oracle.attribute(token, "revokedBy"));
        let Some(Value::Set(by)) = by else { return false };
        let mut by = by.iter().filter_map(Value::as_entity);
        by.any(|by| org == Some(by) || self.oracle.under(self.resource, by))
    }

    fn enabled(&self) -> Verdict {
        if self.oracle.flag(self.resource, "disabled") && self.action != "repo.read" { Err("disabled") } else { Ok(()) }
    }

    /// Data that contradicts itself is nobody's.
    fn whole(&self) -> Verdict {
        let organization = self.oracle.reference(self.resource, "organization");
        let owners = self.oracle.reference(self.resource, "user").is_some() && organization.is_some();
        let group = self.oracle.reference(self.resource, "group");
        let foreign = group.is_some_and(|group| self.oracle.reference(group, "organization") != organization);
        if (owners || foreign) && !self.free() { Err("disabled") } else { Ok(()) }
    }

    fn right(&self) -> Verdict {
        let public = self.oracle.public(self.resource);
        let owns = self.owns();
        let level = self.level();
        let here = self.org_level(self.resource);
        let silent = self.oracle.attribute(self.resource, "discussions") == Some(&Value::Bool(false));
        let right = match self.action {
            "repo.read" | "repo.content.read" => self.reads(),
            "discussion.write" => self.user.is_some() && self.reads() && !silent,
            "repo.write"
            | "repo.settings.write"
            | "repo.delete"
            | "repo.access.write"
            | "repo.access.read"
            | "discussion.moderate" => owns || level >= WRITE || level >= CONTRIBUTOR && self.created(),
            "collection.read" => public || owns || level >= READ,
            "inference.endpoints.infer.write" => owns || level >= READ,
            "collection.write" | "inference.endpoints.write" => owns || level >= WRITE,
            _ if self.is("User") => self.user.as_ref() == Some(self.resource),
            "repo.create" if self.is("ResourceGroup") => self.creates_in_group(),
            "repo.create" => here >= CONTRIBUTOR,
            "org.read" | "inference.serverless.write" | "job.write" => here >= READ,
            "org.write" | "resourceGroup.write" | "token.review" => here >= ADMIN,
            action => panic!("the oracle was never told of {action}"),
        };
        if right { Ok(()) } else { Err("user_right") }
    }

    fn creates_in_group(&self) -> bool {
        let Some(org) = self.oracle.reference(self.resource, "organization") else { return false };
        let group = self.user.as_ref().map_or(0, |user| self.oracle.level(user, "GroupRole", self.resource));
        match self.org_level(org) {
            0 => false,
            ADMIN => true,
            _ => group >= CONTRIBUTOR,
        }
    }

    fn gate(&self) -> Verdict {
        let Some(gate) = self.oracle.gate(self.resource).filter(|_| self.action == "repo.content.read") else {
            return Ok(());
        };
        let Some(user) = &self.user else { return Err("gate_request") };
        let level = self.level();
        let org = self.oracle.reference(self.resource, "organization");
        let admin = org.is_some_and(|org| self.org_level(org) == ADMIN);
        let in_group = self.oracle.reference(self.resource, "group").is_some();
        let for_members = gate.get("members") == Some(&Value::Bool(true));
        let member = if for_members { level == ADMIN && in_group } else { level >= READ };
        if self.owns() || admin || level >= CONTRIBUTOR && self.created() || member {
            return Ok(());
        }
        let on =
            |list: &str| gate.get(list).and_then(Value::as_entity).is_some_and(|list| self.oracle.under(user, list));
        if on("rejected") {
            Err("gate_rejected")
        } else if on("pending") {
            Err("gate_pending")
        } else if on("accepted") {
            Ok(())
        } else {
            Err("gate_request")
        }
    }

    fn role(&self) -> Verdict {
        let session_only = self.token.is_some() && self.action.starts_with("token.");
        let above = self.has_role("read") && !within_read_ceiling(self.action);
        if session_only || above { Err("token_role") } else { Ok(()) }
    }

    fn permission(&self) -> Verdict {
        let Some(token) = self.token.as_ref().filter(|_| self.has_role("fineGrained") && !self.free()) else {
            return Ok(());
        };
        let global = |name: &str| match self.oracle.attribute(token, "global") {
            Some(Value::Set(names)) => names.contains(&name.into()),
            _ => false,
        };
        let public = self.oracle.public(self.resource);
        let granted = match self.action {
            "repo.read" => self.granted_any(),
            "post.write" => global("post.write"),
            "discussion.write" => {
                let outside = public && !self.own_entry() && !self.granted_any();
                self.granted("discussion.write") || outside && global("discussion.write")
            }
            "repo.content.read" if public && !self.own_entry() => {
                if self.granted("repo.content.read") || self.oracle.flag(token, "gatedRepos") {
                    return Ok(());
                }
                return Err("token_gated_repos");
            }
            "repo.settings.write" | "repo.delete" | "repo.create" | "repo.access.write" | "discussion.moderate" => {
                self.granted("repo.write")
            }
            action => self.granted(action),
        };
        if granted { Ok(()) } else { Err("token_permission") }
    }

    /// Whether the resource is a repository that an entry of its own governs.
    fn own_entry(&self) -> bool {
        self.token.as_ref().is_some_and(|token| self.oracle.listed(token, "ownEntry", self.resource))
    }

    fn granted_any(&self) -> bool {
        OF_REPOS.iter().any(|permission| self.granted(permission))
    }

    /// Whether the token has a permission for a target covering the resource.
    fn granted(&self, permission: &str) -> bool {
        let token = self.token.as_ref().and_then(|token| self.oracle.entities.get(token));
        let Some(Value::Record(targets)) = token.and_then(|token| token.tags.get(&SmolStr::new(permission))) else {
            return false;
        };
        let any = |name: &str, covers: &dyn Fn(&Uid) -> bool| match targets.get(name) {
            Some(Value::Set(members)) => members.iter().filter_map(Value::as_entity).any(covers),
            _ => false,
        };
        let itself = |target: &Uid| target == self.resource;
        let above = |target: &Uid| self.oracle.under(self.resource, target);
        any("repos", &itself) || !self.own_entry() && (any("users", &above) || any("organizations", &above))
    }
}

/// A time as a number that can be compared.
fn instant(time: &Value) -> jiff::Timestamp {
    let Value::String(text) = time else { panic!("{time:?} is no time") };
    text.parse().unwrap()
}
