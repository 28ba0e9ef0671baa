//! A token as the policies see it, written and read as the `Hub::AccessToken` entity of the schema.

use std::collections::{BTreeMap, BTreeSet};
use std::str::FromStr;

use jiff::Timestamp;
use jiff::civil::Date;
use smol_str::{SmolStr, format_smolstr};

use crate::clock::rfc3339;
use crate::entity::{Entity, Record, Uid, Value};

/// The schema's names.
pub mod names {
    pub const TOKEN: &str = "Hub::AccessToken";
    pub const ROLE: &str = "Hub::TokenRole";
    pub const USER: &str = "Hub::User";
    pub const ORGANIZATION: &str = "Hub::Organization";
    pub const REPO: &str = "Hub::Repo";
}

/// The role of a token, from the narrowest to the widest.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Role {
    FineGrained,
    Read,
    Write,
}

impl Role {
    pub const ALL: [Self; 3] = [Self::FineGrained, Self::Read, Self::Write];

    /// As clients know it.
    pub fn name(self) -> &'static str {
        match self {
            Self::FineGrained => "fineGrained",
            Self::Read => "read",
            Self::Write => "write",
        }
    }
}

impl FromStr for Role {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let found = Self::ALL.into_iter().find(|role| role.name() == text);
        found.ok_or_else(|| format!("`{text}` is no role; a role is `read`, `write` or `fineGrained`"))
    }
}

/// What kind of thing a grant is for.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum TargetKind {
    User,
    Org,
    Model,
    Dataset,
    Space,
}

impl TargetKind {
    pub const ALL: [Self; 5] = [Self::User, Self::Org, Self::Model, Self::Dataset, Self::Space];

    /// As clients know it.
    pub fn name(self) -> &'static str {
        match self {
            Self::User => "user",
            Self::Org => "org",
            Self::Model => "model",
            Self::Dataset => "dataset",
            Self::Space => "space",
        }
    }

    /// What the ids of its repositories start with.
    fn folder(self) -> Option<&'static str> {
        match self {
            Self::User | Self::Org => None,
            Self::Model => Some("models"),
            Self::Dataset => Some("datasets"),
            Self::Space => Some("spaces"),
        }
    }

    pub fn is_repo(self) -> bool {
        self.folder().is_some()
    }
}

impl FromStr for TargetKind {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let found = Self::ALL.into_iter().find(|kind| kind.name() == text);
        found.ok_or_else(|| {
            format!("`{text}` is no kind of target; one is `user`, `org`, `model`, `dataset` or `space`")
        })
    }
}

/// What a grant is for: `user alice`, `org acme`, `model acme/m1`.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Target {
    pub kind: TargetKind,
    /// Without the folder of a repository's id.
    pub name: SmolStr,
}

impl Target {
    pub fn new(kind: TargetKind, name: impl Into<SmolStr>) -> Self {
        Self { kind, name: name.into() }
    }

    /// The entity it is.
    pub fn uid(&self) -> Uid {
        match (self.kind, self.kind.folder()) {
            (TargetKind::User, _) => Uid::new(names::USER, self.name.clone()),
            (_, Some(folder)) => Uid::new(names::REPO, format_smolstr!("{folder}/{}", self.name)),
            (_, None) => Uid::new(names::ORGANIZATION, self.name.clone()),
        }
    }

    /// The target that an entity is, if it can be one.
    pub fn of(uid: &Uid) -> Option<Self> {
        match uid.type_name().as_str() {
            names::USER => Some(Self::new(TargetKind::User, uid.id().clone())),
            names::ORGANIZATION => Some(Self::new(TargetKind::Org, uid.id().clone())),
            names::REPO => {
                let (folder, name) = uid.id().split_once('/')?;
                let kind = TargetKind::ALL.into_iter().find(|kind| kind.folder() == Some(folder))?;
                Some(Self::new(kind, name))
            }
            _ => None,
        }
    }

    /// The namespace it is or lies in.
    pub fn namespace(&self) -> &str {
        match self.kind.is_repo() {
            true => self.name.split('/').next().unwrap_or_default(),
            false => &self.name,
        }
    }
}

/// What a fine-grained token was granted.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Grants {
    /// The content of public gated repositories, wherever they are.
    pub gated_repos: bool,
    /// Permissions outside every target.
    pub global: BTreeSet<SmolStr>,
    /// A repository may have an entry without permissions: it governs that repository all the same.
    pub scoped: BTreeMap<Target, BTreeSet<SmolStr>>,
}

/// A token, without its value.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Token {
    pub id: SmolStr,
    /// The user's id.
    pub owner: SmolStr,
    pub name: String,
    pub role: Role,
    pub created_at: Timestamp,
    pub expires_at: Option<Timestamp>,
    pub grants: Grants,
    /// Ids of organizations.
    pub approved_by: BTreeSet<SmolStr>,
    pub revoked_by: BTreeSet<SmolStr>,
}

/// Why an entity is no token that can be shown.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("the access token `{id}` is stored without a proper `{part}`")]
pub struct TokenFault {
    pub id: SmolStr,
    pub part: &'static str,
}

impl Token {
    pub fn uid(&self) -> Uid {
        Uid::new(names::TOKEN, self.id.clone())
    }

    /// The entity that the policies see.
    pub fn to_entity(&self) -> Entity {
        let mut attrs = Record::from_iter([
            ("owner".into(), Uid::new(names::USER, self.owner.clone()).into()),
            ("name".into(), self.name.as_str().into()),
            ("createdAt".into(), datetime(self.created_at)),
            ("gatedRepos".into(), self.grants.gated_repos.into()),
            ("global".into(), Value::Set(self.grants.global.iter().map(|name| name.as_str().into()).collect())),
            ("ownEntry".into(), uids(self.grants.scoped.keys().filter(|target| target.kind.is_repo()))),
            ("approvedBy".into(), organizations(&self.approved_by)),
            ("revokedBy".into(), organizations(&self.revoked_by)),
        ]);
        attrs.extend(self.expires_at.map(|at| ("expiresAt".into(), datetime(at))));
        let parents = BTreeSet::from([Uid::new(names::ROLE, self.role.name())]);
        Entity { uid: self.uid(), attrs, parents, tags: self.grants.tags() }
    }

    /// The token that an entity is.
    ///
    /// # Errors
    /// The part that is missing or of another form. Of several roles the narrowest is taken, as decisions are narrowed
    /// by all of them.
    pub fn from_entity(entity: &Entity) -> Result<Self, TokenFault> {
        let fault = |part: &'static str| TokenFault { id: entity.uid.id().clone(), part };
        let need = |part: &'static str| entity.attrs.get(part).ok_or_else(|| fault(part));
        let role = Role::ALL.into_iter().find(|role| {
            entity.parents.iter().any(|parent| parent.type_name() == names::ROLE && parent.id() == role.name())
        });
        let Value::String(name) = need("name")? else { return Err(fault("name")) };
        let expires_at = match entity.attrs.get("expiresAt") {
            Some(value) => Some(timestamp(value).ok_or_else(|| fault("expiresAt"))?),
            None => None,
        };
        Ok(Self {
            id: entity.uid.id().clone(),
            owner: need("owner")?.as_entity().ok_or_else(|| fault("owner"))?.id().clone(),
            name: name.to_string(),
            role: role.ok_or_else(|| fault("role"))?,
            created_at: timestamp(need("createdAt")?).ok_or_else(|| fault("createdAt"))?,
            expires_at,
            grants: Grants::from_entity(entity),
            approved_by: ids(entity.attrs.get("approvedBy")),
            revoked_by: ids(entity.attrs.get("revokedBy")),
        })
    }

    pub fn is_expired(&self, now: Timestamp) -> bool {
        self.expires_at.is_some_and(|at| at <= now)
    }
}

impl Grants {
    pub fn is_empty(&self) -> bool {
        *self == Self::default()
    }

    fn from_entity(entity: &Entity) -> Self {
        let mut scoped: BTreeMap<Target, BTreeSet<SmolStr>> = BTreeMap::new();
        for target in members(entity.attrs.get("ownEntry")).filter_map(Value::as_entity).filter_map(Target::of) {
            scoped.entry(target).or_default();
        }
        for (permission, targets) in &entity.tags {
            let Value::Record(targets) = targets else { continue };
            for target in targets.values().flat_map(|set| members(Some(set))) {
                if let Some(target) = target.as_entity().and_then(Target::of) {
                    scoped.entry(target).or_default().insert(permission.clone());
                }
            }
        }
        let text = |value: &Value| match value {
            Value::String(text) => Some(text.clone()),
            _ => None,
        };
        Self {
            gated_repos: entity.attrs.get("gatedRepos") == Some(&Value::Bool(true)),
            global: members(entity.attrs.get("global")).filter_map(text).collect(),
            scoped,
        }
    }

    /// The tags of the entity: from each permission to its targets.
    fn tags(&self) -> Record {
        let permissions: BTreeSet<&SmolStr> = self.scoped.values().flatten().collect();
        let targets = |permission: &SmolStr| {
            let of = |wanted: fn(TargetKind) -> bool| {
                let granted = self.scoped.iter().filter(|(_, granted)| granted.contains(permission));
                uids(granted.map(|(target, _)| target).filter(move |target| wanted(target.kind)))
            };
            Value::Record(Record::from_iter([
                ("users".into(), of(|kind| kind == TargetKind::User)),
                ("organizations".into(), of(|kind| kind == TargetKind::Org)),
                ("repos".into(), of(TargetKind::is_repo)),
            ]))
        };
        permissions.into_iter().map(|permission| (permission.clone(), targets(permission))).collect()
    }
}

fn uids<'a>(targets: impl Iterator<Item = &'a Target>) -> Value {
    Value::Set(targets.map(|target| target.uid().into()).collect())
}

fn organizations(ids: &BTreeSet<SmolStr>) -> Value {
    Value::Set(ids.iter().map(|id| Uid::new(names::ORGANIZATION, id.clone()).into()).collect())
}

fn members(set: Option<&Value>) -> impl Iterator<Item = &Value> {
    let members = match set {
        Some(Value::Set(members)) => Some(members),
        _ => None,
    };
    members.into_iter().flatten()
}

fn ids(set: Option<&Value>) -> BTreeSet<SmolStr> {
    members(set).filter_map(Value::as_entity).map(|uid| uid.id().clone()).collect()
}

fn datetime(at: Timestamp) -> Value {
    Value::Extension { function: "datetime".into(), args: vec![rfc3339(at).as_str().into()] }
}

/// The time of a `datetime`: a point in time, or a day, which starts at midnight in UTC.
fn timestamp(value: &Value) -> Option<Timestamp> {
    let Value::Extension { function, args } = value else { return None };
    let [Value::String(text)] = args.as_slice() else { return None };
    if function != "datetime" {
        return None;
    }
    let day = || text.parse::<Date>().ok()?.in_tz("UTC").ok().map(|day| day.timestamp());
    text.parse().ok().or_else(day)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn token() -> Token {
        let grant = |names: &[&str]| names.iter().map(|name| SmolStr::from(*name)).collect::<BTreeSet<_>>();
        Token {
            id: "0123".into(),
            owner: "alice".into(),
            name: "ci \"é\"".to_owned(),
            role: Role::FineGrained,
            created_at: "2026-01-02T03:04:05.678Z".parse().unwrap(),
            expires_at: Some("2027-01-01T00:00:00Z".parse().unwrap()),
            grants: Grants {
                gated_repos: true,
                global: grant(&["discussion.write"]),
                scoped: BTreeMap::from([
                    (Target::new(TargetKind::User, "alice"), grant(&["repo.write", "user.billing.read"])),
                    (Target::new(TargetKind::Org, "acme"), grant(&["repo.write"])),
                    (Target::new(TargetKind::Model, "acme/m1"), grant(&["repo.content.read"])),
                    (Target::new(TargetKind::Dataset, "acme/d"), grant(&[])),
                ]),
            },
            approved_by: grant(&["acme"]),
            revoked_by: grant(&["evil"]),
        }
    }

    #[test]
    fn a_token_reads_back_from_its_entity() {
        assert_eq!(Token::from_entity(&token().to_entity()), Ok(token()));
        let bare = Token { role: Role::Read, expires_at: None, grants: Grants::default(), ..token() };
        assert_eq!(Token::from_entity(&bare.to_entity()), Ok(bare));
    }

    #[test]
    fn a_repository_with_an_entry_is_its_own_even_without_permissions() {
        let entity = token().to_entity();
        let own: Vec<SmolStr> = ids(entity.attrs.get("ownEntry")).into_iter().collect();
        assert_eq!(own, ["datasets/acme/d", "models/acme/m1"]);
    }

    #[test]
    fn a_token_of_several_roles_is_shown_as_the_narrowest() {
        let mut entity = token().to_entity();
        entity.parents.insert(Uid::new(names::ROLE, "write"));
        assert_eq!(Token::from_entity(&entity).unwrap().role, Role::FineGrained);
        entity.parents.clear();
        assert_eq!(Token::from_entity(&entity).unwrap_err().part, "role");
    }

    #[test]
    fn a_target_is_an_entity_and_back() {
        for (kind, name, uid) in [
            (TargetKind::User, "alice", Uid::new(names::USER, "alice")),
            (TargetKind::Org, "acme", Uid::new(names::ORGANIZATION, "acme")),
            (TargetKind::Space, "acme/s", Uid::new(names::REPO, "spaces/acme/s")),
        ] {
            let target = Target::new(kind, name);
            assert_eq!((target.uid(), Target::of(&uid)), (uid, Some(target)));
        }
        assert_eq!(Target::of(&Uid::new(names::REPO, "attic/acme/s")), None);
        assert_eq!(Target::new(TargetKind::Model, "acme/m1").namespace(), "acme");
    }

    #[test]
    fn a_day_is_a_time_too() {
        let value = Value::Extension { function: "datetime".into(), args: vec!["2026-01-02".into()] };
        assert_eq!(timestamp(&value), Some("2026-01-02T00:00:00Z".parse().unwrap()));
    }
}
