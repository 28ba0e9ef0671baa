//! The hub's entities as sentences: `repo("models/acme/priv").org("acme").private().created_by("wanda")`.
//!
//! A builder names what matters to a test and fills in the rest the way the hub does: an organization comes with its
//! levels, a gate with its lists, an owned thing lies in its owner. Builders do not judge: what they build is admitted
//! under the schema by `World`, so a builder that drifts from the schema fails every test at once.

use hubwarden::entity::{Entity, Record, SmolStr, Uid, Value};

pub use super::tokens::token;

/// Membership levels, each containing the ones before it.
pub const LEVELS: [&str; 5] = ["no_access", "read", "contributor", "write", "admin"];

/// The states of an access request, each with its list.
pub const LISTS: [&str; 3] = ["accepted", "pending", "rejected"];

/// Something of the hub, as the entities that stand for it.
pub trait Build {
    fn build(self) -> Vec<Entity>;
}

/// A uid of the hub: `uid("Repo", "models/acme/m1")`.
pub fn uid(type_name: &str, id: impl AsRef<str>) -> Uid {
    Uid::new(format!("Hub::{type_name}"), id.as_ref())
}

pub(super) fn entity(
    uid: Uid,
    attrs: impl IntoIterator<Item = (&'static str, Value)>,
    parents: impl IntoIterator<Item = Uid>,
) -> Entity {
    let attrs = attrs.into_iter().map(|(name, value)| (SmolStr::new_static(name), value)).collect();
    Entity { uid, attrs, parents: parents.into_iter().collect(), tags: Record::new() }
}

pub(super) fn entities_of(type_name: &str, ids: &[String]) -> Value {
    Value::Set(ids.iter().map(|id| uid(type_name, id).into()).collect())
}

/// Levels as entities, each in the one below it.
fn chain(type_name: &str, of: &str, levels: &[&str]) -> Vec<Entity> {
    let level = |name: &str| uid(type_name, format!("{of}/{name}"));
    let below = std::iter::once(None).chain(levels.iter().map(Some));
    levels.iter().zip(below).map(|(name, below)| entity(level(name), [], below.map(|name| level(name)))).collect()
}

/// An organization with its levels. Allows all tokens, unless told otherwise.
pub fn org(id: &str) -> Org {
    Org { id: id.to_owned(), token_policy: "allowAll", requires_mfa: false }
}

pub struct Org {
    id: String,
    token_policy: &'static str,
    requires_mfa: bool,
}

impl Org {
    pub fn token_policy(mut self, policy: &'static str) -> Self {
        self.token_policy = policy;
        self
    }

    pub fn fine_grained_only(self) -> Self {
        self.token_policy("fineGrainedOnly")
    }

    pub fn require_approval(self) -> Self {
        self.token_policy("requireApproval")
    }

    pub fn requires_mfa(mut self) -> Self {
        self.requires_mfa = true;
        self
    }
}

impl Build for Org {
    fn build(self) -> Vec<Entity> {
        let level = |name: &str| Value::from(uid("OrgRole", format!("{}/{name}", self.id)));
        let attrs = [
            ("fullname", self.id.as_str().into()),
            ("members", level("no_access")),
            ("readers", level("read")),
            ("contributors", level("contributor")),
            ("writers", level("write")),
            ("admins", level("admin")),
            ("tokenPolicy", uid("TokenPolicy", self.token_policy).into()),
            ("requiresMfa", self.requires_mfa.into()),
        ];
        let mut built = chain("OrgRole", &self.id, &LEVELS);
        built.push(entity(uid("Organization", &self.id), attrs, []));
        built
    }
}

/// A resource group with its levels: `group("acme/red-team")`.
pub fn group(id: &str) -> Group {
    Group { id: id.to_owned() }
}

pub struct Group {
    id: String,
}

impl Build for Group {
    fn build(self) -> Vec<Entity> {
        let organization = uid("Organization", self.id.split('/').next().unwrap());
        let level = |name: &str| Value::from(uid("GroupRole", format!("{}/{name}", self.id)));
        let attrs = [
            ("organization", organization.clone().into()),
            ("readers", level("read")),
            ("contributors", level("contributor")),
            ("writers", level("write")),
            ("admins", level("admin")),
        ];
        let mut built = chain("GroupRole", &self.id, &LEVELS[1..]);
        built.push(entity(uid("ResourceGroup", &self.id), attrs, [organization]));
        built
    }
}

/// A user, a member of nothing until told otherwise.
pub fn user(id: &str) -> User {
    User { id: id.to_owned(), parents: Vec::new() }
}

pub struct User {
    id: String,
    parents: Vec<Uid>,
}

impl User {
    /// A level in an organization.
    pub fn level(mut self, org: &str, level: &str) -> Self {
        self.parents.push(uid("OrgRole", format!("{org}/{level}")));
        self
    }

    /// A level in a resource group: `.in_group("acme/red-team", "write")`.
    pub fn in_group(mut self, group: &str, level: &str) -> Self {
        self.parents.push(uid("GroupRole", format!("{group}/{level}")));
        self
    }

    /// On a list of a gated repository: `.on("models/acme/gated", "pending")`.
    pub fn on(mut self, repo: &str, list: &str) -> Self {
        self.parents.push(uid("AccessList", format!("{repo}/{list}")));
        self
    }

    pub fn no_access_to(self, org: &str) -> Self {
        self.level(org, "no_access")
    }

    pub fn reader_of(self, org: &str) -> Self {
        self.level(org, "read")
    }

    pub fn contributor_of(self, org: &str) -> Self {
        self.level(org, "contributor")
    }

    pub fn writer_of(self, org: &str) -> Self {
        self.level(org, "write")
    }

    pub fn admin_of(self, org: &str) -> Self {
        self.level(org, "admin")
    }
}

impl Build for User {
    fn build(self) -> Vec<Entity> {
        vec![entity(uid("User", self.id), [], self.parents)]
    }
}

/// A repository: public, ungated, enabled, with discussions, and nobody's until told otherwise.
pub fn repo(id: &str) -> Repo {
    Repo {
        id: id.to_owned(),
        owners: Owners::default(),
        group: None,
        creator: None,
        private: false,
        gate: None,
        disabled: false,
        discussions: true,
        under: None,
    }
}

pub struct Repo {
    id: String,
    owners: Owners,
    group: Option<String>,
    creator: Option<String>,
    private: bool,
    gate: Option<bool>,
    disabled: bool,
    discussions: bool,
    under: Option<Vec<Uid>>,
}

impl Repo {
    pub fn user(mut self, id: &str) -> Self {
        self.owners.user = Some(id.to_owned());
        self
    }

    pub fn org(mut self, id: &str) -> Self {
        self.owners.organization = Some(id.to_owned());
        self
    }

    pub fn group(mut self, id: &str) -> Self {
        self.group = Some(id.to_owned());
        self
    }

    pub fn created_by(mut self, id: &str) -> Self {
        self.creator = Some(id.to_owned());
        self
    }

    pub fn private(mut self) -> Self {
        self.private = true;
        self
    }

    /// Outsiders have to ask for the content.
    pub fn gated(mut self) -> Self {
        self.gate = Some(false);
        self
    }

    /// Most members have to ask, too.
    pub fn gated_for_members(mut self) -> Self {
        self.gate = Some(true);
        self
    }

    pub fn disabled(mut self) -> Self {
        self.disabled = true;
        self
    }

    pub fn without_discussions(mut self) -> Self {
        self.discussions = false;
        self
    }

    /// Lies in these and nowhere else, whatever its attributes say: for data that contradicts itself.
    pub fn only_in(mut self, parents: impl IntoIterator<Item = Uid>) -> Self {
        self.under = Some(parents.into_iter().collect());
        self
    }
}

impl Build for Repo {
    fn build(self) -> Vec<Entity> {
        let kind = self.id.split('/').next().unwrap().trim_end_matches('s');
        let mut attrs = vec![
            ("kind", uid("RepoKind", kind).into()),
            ("visibility", visibility(self.private)),
            ("disabled", self.disabled.into()),
            ("discussions", self.discussions.into()),
        ];
        attrs.extend(self.owners.attrs());
        attrs.extend(self.group.iter().map(|id| ("group", uid("ResourceGroup", id).into())));
        attrs.extend(self.creator.iter().map(|id| ("creator", uid("User", id).into())));
        let list = |name: &str| uid("AccessList", format!("{}/{name}", self.id));
        let mut built = Vec::new();
        if let Some(members) = self.gate {
            let lists = LISTS.map(|name| (SmolStr::new_static(name), list(name).into()));
            let rest = [("mode".into(), "manual".into()), ("members".into(), members.into())];
            attrs.push(("gate", Value::Record(lists.into_iter().chain(rest).collect())));
            built.extend(LISTS.map(|name| Entity::bare(list(name))));
        }
        let group = self.group.iter().map(|id| uid("ResourceGroup", id));
        let parents = self.under.unwrap_or_else(|| self.owners.uids().into_iter().chain(group).collect());
        built.push(entity(uid("Repo", &self.id), attrs, parents));
        built
    }
}

/// A collection, public until told otherwise.
pub fn collection(id: &str) -> Owned {
    Owned { type_name: "Collection", id: id.to_owned(), owners: Owners::default(), private: false }
}

/// An inference endpoint.
pub fn endpoint(id: &str) -> Owned {
    Owned { type_name: "Endpoint", id: id.to_owned(), owners: Owners::default(), private: false }
}

pub struct Owned {
    type_name: &'static str,
    id: String,
    owners: Owners,
    private: bool,
}

impl Owned {
    pub fn user(mut self, id: &str) -> Self {
        self.owners.user = Some(id.to_owned());
        self
    }

    pub fn org(mut self, id: &str) -> Self {
        self.owners.organization = Some(id.to_owned());
        self
    }

    pub fn private(mut self) -> Self {
        self.private = true;
        self
    }
}

impl Build for Owned {
    fn build(self) -> Vec<Entity> {
        let seen = (self.type_name == "Collection").then(|| ("visibility", visibility(self.private)));
        vec![entity(uid(self.type_name, &self.id), self.owners.attrs().into_iter().chain(seen), self.owners.uids())]
    }
}

/// Whose something is: exactly one of the two, in a hub that is whole.
#[derive(Default)]
struct Owners {
    user: Option<String>,
    organization: Option<String>,
}

impl Owners {
    fn attrs(&self) -> Vec<(&'static str, Value)> {
        let user = self.user.iter().map(|id| ("user", uid("User", id).into()));
        let organization = self.organization.iter().map(|id| ("organization", uid("Organization", id).into()));
        user.chain(organization).collect()
    }

    fn uids(&self) -> Vec<Uid> {
        self.attrs().iter().filter_map(|(_, value)| value.as_entity().cloned()).collect()
    }
}

fn visibility(private: bool) -> Value {
    uid("Visibility", if private { "private" } else { "public" }).into()
}
