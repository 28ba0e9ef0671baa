//! User access tokens as sentences: `token("wanda-push", "wanda").fine_grained().on_org("acme", &["repo.write"])`.

use std::collections::{BTreeMap, BTreeSet};

use hubwarden::entity::{Entity, SmolStr, Value};

use super::dsl::{Build, entities_of, entity, uid};

/// A token of a user, in no role until told otherwise.
pub fn token(id: &str, owner: &str) -> Token {
    Token { id: id.to_owned(), owner: owner.to_owned(), ..Token::default() }
}

#[derive(Clone, Default)]
pub struct Token {
    id: String,
    owner: String,
    roles: BTreeSet<&'static str>,
    gated_repos: bool,
    global: BTreeSet<&'static str>,
    /// Permission to targets.
    grants: BTreeMap<&'static str, Targets>,
    own_entries: Vec<String>,
    approved_by: Vec<String>,
    revoked_by: Vec<String>,
    expires: Option<&'static str>,
}

#[derive(Clone, Default)]
struct Targets {
    users: Vec<String>,
    organizations: Vec<String>,
    repos: Vec<String>,
}

impl Token {
    pub fn role(mut self, role: &'static str) -> Self {
        self.roles.insert(role);
        self
    }

    pub fn read(self) -> Self {
        self.role("read")
    }

    pub fn write(self) -> Self {
        self.role("write")
    }

    pub fn fine_grained(self) -> Self {
        self.role("fineGrained")
    }

    /// The content of public gated repositories, wherever they are.
    pub fn gated_repos(mut self) -> Self {
        self.gated_repos = true;
        self
    }

    pub fn global(mut self, permission: &'static str) -> Self {
        self.global.insert(permission);
        self
    }

    /// Permissions on a user's namespace.
    pub fn on_user(mut self, id: &str, permissions: &[&'static str]) -> Self {
        permissions.iter().for_each(|name| self.grants.entry(name).or_default().users.push(id.to_owned()));
        self
    }

    /// Permissions on an organization's namespace.
    pub fn on_org(mut self, id: &str, permissions: &[&'static str]) -> Self {
        permissions.iter().for_each(|name| self.grants.entry(name).or_default().organizations.push(id.to_owned()));
        self
    }

    /// A repository's own entry, which alone governs it: with these permissions, or with none.
    pub fn on_repo(mut self, id: &str, permissions: &[&'static str]) -> Self {
        self.own_entries.push(id.to_owned());
        permissions.iter().for_each(|name| self.grants.entry(name).or_default().repos.push(id.to_owned()));
        self
    }

    pub fn approved_by(mut self, org: &str) -> Self {
        self.approved_by.push(org.to_owned());
        self
    }

    pub fn revoked_by(mut self, org: &str) -> Self {
        self.revoked_by.push(org.to_owned());
        self
    }

    /// An RFC 3339 time.
    pub fn expires(mut self, at: &'static str) -> Self {
        self.expires = Some(at);
        self
    }
}

impl Build for Token {
    fn build(self) -> Vec<Entity> {
        let mut attrs = vec![
            ("owner", uid("User", &self.owner).into()),
            ("name", self.id.as_str().into()),
            ("createdAt", datetime("2026-01-01T00:00:00Z")),
            ("gatedRepos", self.gated_repos.into()),
            ("global", Value::Set(self.global.iter().map(|name| Value::from(*name)).collect())),
            ("ownEntry", entities_of("Repo", &self.own_entries)),
            ("approvedBy", entities_of("Organization", &self.approved_by)),
            ("revokedBy", entities_of("Organization", &self.revoked_by)),
        ];
        attrs.extend(self.expires.map(|at| ("expiresAt", datetime(at))));
        let mut built =
            entity(uid("AccessToken", &self.id), attrs, self.roles.iter().map(|role| uid("TokenRole", role)));
        built.tags = self.grants.iter().map(|(name, targets)| (SmolStr::new_static(name), targets.value())).collect();
        vec![built]
    }
}

impl Targets {
    fn value(&self) -> Value {
        let parts = [
            ("users", entities_of("User", &self.users)),
            ("organizations", entities_of("Organization", &self.organizations)),
            ("repos", entities_of("Repo", &self.repos)),
        ];
        Value::Record(parts.into_iter().map(|(name, set)| (SmolStr::new_static(name), set)).collect())
    }
}

pub fn datetime(at: &str) -> Value {
    Value::Extension { function: "datetime".into(), args: vec![at.into()] }
}
