//! Random hubs: three users, two organizations with a group each, a few repositories and tokens, everything that can be
//! said of them by chance. Small on purpose, so that things meet: a token's target is often a repository's owner.
//!
//! They are whole: what refers to something refers to what is stored. Half-written transfers do occur.

use proptest::collection::vec;
use proptest::option::{of as maybe, weighted};
use proptest::prelude::*;
use proptest::sample::{Index, select, subsequence};

use hubwarden::entity::Uid;

use super::dsl::{Build, LEVELS, LISTS, collection, endpoint, group, org, repo, token, uid, user};
use super::tokens::Token;
use super::world::{CELLS, Caller, World};

pub const USERS: [&str; 3] = ["u0", "u1", "u2"];
pub const ORGS: [&str; 2] = ["o0", "o1"];
const GROUPS: [&str; 2] = ["o0/g", "o1/g"];

const PERMISSIONS: [&str; 10] = [
    "repo.content.read",
    "repo.write",
    "repo.access.read",
    "discussion.write",
    "collection.read",
    "collection.write",
    "inference.endpoints.infer.write",
    "job.write",
    "org.read",
    "user.billing.read",
];

/// A hub that can be built, and built again with a change.
#[derive(Clone, Debug)]
pub struct Hub {
    orgs: Vec<(&'static str, bool)>,
    users: Vec<Member>,
    pub repos: Vec<Repository>,
    private: (bool, bool),
    pub tokens: Vec<Credential>,
    /// Which fifth of the questions is asked.
    fifth: usize,
}

#[derive(Clone, Debug)]
struct Member {
    levels: Vec<Option<&'static str>>,
    groups: Vec<Option<&'static str>>,
    lists: Vec<(Index, &'static str)>,
}

#[derive(Clone, Debug)]
pub struct Repository {
    user: Option<&'static str>,
    org: Option<&'static str>,
    group: Option<&'static str>,
    creator: Option<&'static str>,
    private: bool,
    gate: Option<bool>,
    disabled: bool,
    discussions: bool,
}

#[derive(Clone, Debug)]
pub struct Credential {
    pub owner: &'static str,
    pub roles: Vec<&'static str>,
    pub gated_repos: bool,
    pub global: Vec<&'static str>,
    pub grants: Vec<Grant>,
    pub approved_by: Vec<&'static str>,
    pub revoked_by: Vec<&'static str>,
    pub expires: Option<&'static str>,
}

#[derive(Clone, Debug)]
pub enum Grant {
    User(&'static str, Vec<&'static str>),
    Org(&'static str, Vec<&'static str>),
    /// An entry of its own.
    Repo(Index, Vec<&'static str>),
}

pub fn hub() -> impl Strategy<Value = Hub> {
    let org = (select(vec!["allowAll", "allowAll", "fineGrainedOnly", "requireApproval"]), any::<bool>());
    (vec(org, 2), vec(member(), 3), vec(repository(), 4), any::<(bool, bool)>(), vec(credential(), 3), 0..5usize)
        .prop_map(|(orgs, users, repos, private, tokens, fifth)| Hub { orgs, users, repos, private, tokens, fifth })
}

fn member() -> impl Strategy<Value = Member> {
    let level = |levels: &'static [&'static str]| maybe(select(levels));
    let lists = vec((any::<Index>(), select(&LISTS[..])), 0..3);
    (vec(level(&LEVELS), 2), vec(level(&LEVELS[1..]), 2), lists).prop_map(|(levels, groups, lists)| Member {
        levels,
        groups,
        lists,
    })
}

fn repository() -> impl Strategy<Value = Repository> {
    let owners = prop_oneof![
        2 => select(&USERS[..]).prop_map(|user| (Some(user), None)),
        6 => select(&ORGS[..]).prop_map(|org| (None, Some(org))),
        1 => (select(&USERS[..]), select(&ORGS[..])).prop_map(|(user, org)| (Some(user), Some(org))),
    ];
    let flags = (any::<bool>(), maybe(any::<bool>()), prop::bool::weighted(0.1), prop::bool::weighted(0.8));
    (owners, weighted(0.4, prop::bool::weighted(0.9)), maybe(select(&USERS[..])), flags).prop_map(
        |((user, org), group, creator, (private, gate, disabled, discussions))| {
            let in_group = |own: bool| if (org == Some("o0")) == own { GROUPS[0] } else { GROUPS[1] };
            let group = group.filter(|_| org.is_some()).map(in_group);
            Repository { user, org, group, creator, private, gate, disabled, discussions }
        },
    )
}

pub fn credential() -> impl Strategy<Value = Credential> {
    let roles = select(vec![
        vec!["read"],
        vec!["write"],
        vec!["fineGrained"],
        vec!["fineGrained"],
        vec!["read", "fineGrained"],
    ]);
    let global = subsequence(vec!["discussion.write", "post.write"], 0..=2);
    let some_orgs = || subsequence(ORGS.to_vec(), 0..=2);
    let revoked = prop_oneof![4 => Just(Vec::new()), 1 => some_orgs()];
    let expires =
        prop_oneof![6 => Just(None), 1 => Just(Some("2026-05-31T23:59:59Z")), 1 => Just(Some("2026-06-02T00:00:00Z"))];
    (select(&USERS[..]), roles, any::<bool>(), global, vec(grant(), 0..4), some_orgs(), revoked, expires).prop_map(
        |(owner, roles, gated_repos, global, grants, approved_by, revoked_by, expires)| Credential {
            owner,
            roles,
            gated_repos,
            global,
            grants,
            approved_by,
            revoked_by,
            expires,
        },
    )
}

pub fn grant() -> impl Strategy<Value = Grant> {
    let some = || subsequence(PERMISSIONS.to_vec(), 0..=PERMISSIONS.len());
    prop_oneof![
        (select(&USERS[..]), some()).prop_map(|(user, permissions)| Grant::User(user, permissions)),
        (select(&ORGS[..]), some()).prop_map(|(org, permissions)| Grant::Org(org, permissions)),
        (any::<Index>(), some()).prop_map(|(repo, permissions)| Grant::Repo(repo, permissions)),
    ]
}

impl Hub {
    pub fn repo_id(&self, index: usize) -> String {
        let repo = &self.repos[index];
        format!("models/{}/r{index}", repo.org.or(repo.user).unwrap())
    }

    pub fn world(&self) -> World {
        let mut world = World::default();
        for (id, (policy, mfa)) in ORGS.iter().zip(&self.orgs) {
            let org = org(id).token_policy(policy);
            world.add(if *mfa { org.requires_mfa() } else { org }.build());
        }
        GROUPS.iter().for_each(|id| world.add(group(id).build()));
        for (id, member) in USERS.iter().zip(&self.users) {
            let levels = ORGS.iter().zip(&member.levels).filter_map(|(org, level)| Some((org, (*level)?)));
            let groups = GROUPS.iter().zip(&member.groups).filter_map(|(group, level)| Some((group, (*level)?)));
            let user = levels.fold(user(id), |user, (org, level)| user.level(org, level));
            let user = groups.fold(user, |user, (group, level)| user.in_group(group, level));
            let on = |user: super::dsl::User, (repo, list): &(Index, &str)| user.on(&self.repo_id(repo.index(4)), list);
            world.add(member.lists.iter().fold(user, on).build());
        }
        (0..self.repos.len()).for_each(|index| world.add(self.repository(index).build()));
        let (a, b) = self.private;
        let hide = |thing: super::dsl::Owned, private| if private { thing.private() } else { thing };
        world.add(hide(collection("o0/c").org("o0"), a).build());
        world.add(hide(collection("u0/c").user("u0"), b).build());
        world.add(endpoint("o0/e").org("o0").build());
        world.add(endpoint("u0/e").user("u0").build());
        for (index, token) in self.tokens.iter().enumerate() {
            world.add(self.token(&format!("t{index}"), token).build());
        }
        world
    }

    fn repository(&self, index: usize) -> super::dsl::Repo {
        let plan = &self.repos[index];
        let mut built = repo(&self.repo_id(index));
        built = plan.user.iter().fold(built, |repo, user| repo.user(user));
        built = plan.org.iter().fold(built, |repo, org| repo.org(org));
        built = plan.group.iter().fold(built, |repo, group| repo.group(group));
        built = plan.creator.iter().fold(built, |repo, user| repo.created_by(user));
        built = match plan.gate {
            None => built,
            Some(false) => built.gated(),
            Some(true) => built.gated_for_members(),
        };
        built = if plan.private { built.private() } else { built };
        built = if plan.disabled { built.disabled() } else { built };
        if plan.discussions { built } else { built.without_discussions() }
    }

    fn token(&self, id: &str, plan: &Credential) -> Token {
        let mut built = plan.roles.iter().fold(token(id, plan.owner), |token, role| token.role(role));
        built = if plan.gated_repos { built.gated_repos() } else { built };
        built = plan.global.iter().fold(built, |token, permission| token.global(permission));
        built = plan.approved_by.iter().fold(built, |token, org| token.approved_by(org));
        built = plan.revoked_by.iter().fold(built, |token, org| token.revoked_by(org));
        built = plan.expires.iter().fold(built, |token, at| token.expires(at));
        plan.grants.iter().fold(built, |token, grant| match grant {
            Grant::User(user, permissions) => token.on_user(user, permissions),
            Grant::Org(org, permissions) => token.on_org(org, permissions),
            Grant::Repo(repo, permissions) => token.on_repo(&self.repo_id(repo.index(4)), permissions),
        })
    }

    /// Questions about the hub's things: a fifth of them, because many hubs find more than many questions.
    pub fn cells(&self, world: &World) -> Vec<(&'static str, Uid)> {
        let of =
            |(action, ty): &'static (String, String)| world.of(ty).into_iter().map(move |it| (action.as_str(), it));
        CELLS.iter().flat_map(of).skip(self.fifth).step_by(5).collect()
    }

    /// Everybody, with and without tokens.
    pub fn callers(&self) -> Vec<Caller> {
        let users = USERS.iter().map(|id| Caller::user(id));
        let tokens = (0..self.tokens.len()).map(|index| Caller::token(&format!("t{index}")));
        let signed_in = users.chain(tokens).enumerate().map(|(index, caller)| match index % 2 {
            0 => caller.mfa(true),
            _ => caller,
        });
        std::iter::once(Caller::anonymous()).chain(signed_in).collect()
    }
}

/// The organization that something belongs to: its owner's, or itself.
pub fn belongs_to(world: &World, resource: &Uid, org: &str) -> bool {
    let org = uid("Organization", org);
    let owner = world.entities[resource].attrs.get("organization").and_then(|value| value.as_entity());
    *resource == org || owner == Some(&org)
}
