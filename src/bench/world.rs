//! A hub of any size, made from a seed: organizations with their levels, members, tokens, groups and repositories.
//!
//! Nothing of a world is ever held: each fact about it is a function of the seed and of where it stands, so a world of
//! ten million entities is written as a stream, and a question about any corner of it costs nothing to make. Every
//! organization takes the same 250 entities, and ids are of one width, so that counting up is the byte order in which a
//! store keeps them. This is the only place in `bench` that may use the hub's words.

mod entities;
mod expected;
mod question;

pub use question::{Action, Question};

/// Entities of one organization: itself, its levels, members and their tokens, groups, lists of gates, repositories.
const PER_ORGANIZATION: u64 = 250;

const MEMBERS: u32 = 60;
/// The last members of an organization are nobody's question, so that changes of them change no expected answer.
const MOVERS: u32 = 4;
const GROUPS: u32 = 2;
const DATASETS: u32 = 34;
const MODELS: u32 = 68;
const REPOSITORIES: u32 = DATASETS + MODELS;
/// The first so many of each kind are gated, and have three lists each.
const GATED_OF_A_KIND: u32 = 2;

const _: () =
    assert!(PER_ORGANIZATION == 1 + 5 + (GROUPS * 5 + 2 * MEMBERS + REPOSITORIES + 2 * GATED_OF_A_KIND * 3) as u64);

/// A generated hub.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct World {
    seed: u64,
    organizations: u32,
}

/// How far a membership goes. The order is the meaning: each contains those before it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
enum Level {
    NoAccess,
    Read,
    Contributor,
    Write,
    Admin,
}

/// The answer to a request for access to a gated repository.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Asked {
    Never,
    Pending,
    Accepted,
    Rejected,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum TokenRole {
    Read,
    Write,
    FineGrained,
}

/// A user, by the organization where they are at home.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Member {
    organization: u32,
    index: u32,
}

/// A repository of an organization; datasets come first.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Repository {
    organization: u32,
    index: u32,
}

/// What a number is drawn for, so that no two draws are the same.
#[derive(Clone, Copy)]
enum Draw {
    Level = 1,
    GroupLevel,
    Guest,
    GuestLevel,
    Request,
    RequestTarget,
    TokenRole,
    TokenGrants,
    TokenEntry,
    Visibility,
    Group,
    Creator,
    Disabled,
    TokenPolicy,
    Question,
}

impl World {
    /// A world of that many entities, rounded up to whole organizations.
    pub fn new(entities: u64, seed: u64) -> Self {
        let organizations = entities.div_ceil(PER_ORGANIZATION).clamp(1, 9_999_999);
        Self { seed, organizations: u32::try_from(organizations).unwrap_or(9_999_999) }
    }

    pub fn entities(&self) -> u64 {
        u64::from(self.organizations) * PER_ORGANIZATION
    }

    pub fn seed(&self) -> u64 {
        self.seed
    }

    /// The draw for one thing: uniform, and the same each time.
    fn draw(&self, what: Draw, at: u64, index: u32) -> u64 {
        let mut x = self.seed;
        for part in [what as u64, at, u64::from(index)] {
            x = splitmix(x ^ part.wrapping_mul(0x9E37_79B9_7F4A_7C15));
        }
        x
    }

    /// How many memberships can be changed at once without two changes of one member.
    pub fn memberships(&self) -> u64 {
        u64::from(self.organizations) * u64::from(MOVERS)
    }

    /// One of the members of an organization that changes may move about.
    fn mover(&self, number: u64) -> Member {
        let organization = u32::try_from(number % u64::from(self.organizations)).unwrap_or_default();
        let round = u32::try_from(number / u64::from(self.organizations) % u64::from(MOVERS)).unwrap_or_default();
        Member { organization, index: MEMBERS - MOVERS + round }
    }

    // ---- people

    fn level(&self, member: Member) -> Level {
        if member.index >= MEMBERS - MOVERS {
            return Level::NoAccess;
        }
        match self.draw(Draw::Level, member.organization.into(), member.index) % 10 {
            0 => Level::NoAccess,
            1..=4 => Level::Read,
            5 | 6 => Level::Contributor,
            7 | 8 => Level::Write,
            _ => Level::Admin,
        }
    }

    fn group_level(&self, member: Member, group: u32) -> Option<Level> {
        if member.index >= MEMBERS - MOVERS {
            return None;
        }
        match self.draw(Draw::GroupLevel, member.organization.into(), member.index * GROUPS + group) % 8 {
            0 => Some(Level::Read),
            1 => Some(Level::Contributor),
            2 => Some(Level::Write),
            3 => Some(Level::Admin),
            _ => None,
        }
    }

    /// Three in ten are members of one more organization.
    fn guest(&self, member: Member) -> Option<(u32, Level)> {
        let drawn = self.draw(Draw::Guest, member.organization.into(), member.index);
        let other = self.other_organization(member.organization, drawn >> 8)?;
        let level = match self.draw(Draw::GuestLevel, member.organization.into(), member.index) % 3 {
            0 => Level::Read,
            1 => Level::Contributor,
            _ => Level::Write,
        };
        (drawn % 10 < 3 && member.index < MEMBERS - MOVERS).then_some((other, level))
    }

    fn other_organization(&self, own: u32, drawn: u64) -> Option<u32> {
        let others = u64::from(self.organizations) - 1;
        (others > 0).then(|| {
            let step = u32::try_from(drawn % others.max(1)).unwrap_or_default() + 1;
            (own + step) % self.organizations
        })
    }

    /// The one gated repository elsewhere that a member asked for, and what came of it.
    fn request(&self, member: Member) -> Option<(Repository, Asked)> {
        let drawn = self.draw(Draw::RequestTarget, member.organization.into(), member.index);
        let organization = self.other_organization(member.organization, drawn >> 8)?;
        let gated = u32::try_from(drawn % u64::from(2 * GATED_OF_A_KIND)).unwrap_or_default();
        let index = if gated < GATED_OF_A_KIND { gated } else { DATASETS + gated - GATED_OF_A_KIND };
        let state = match self.draw(Draw::Request, member.organization.into(), member.index) % 6 {
            0 | 1 => Asked::Accepted,
            2 => Asked::Pending,
            3 => Asked::Rejected,
            _ => Asked::Never,
        };
        (state != Asked::Never).then_some((Repository { organization, index }, state))
    }

    // ---- tokens: one for each member

    fn token_role(&self, member: Member) -> TokenRole {
        match self.draw(Draw::TokenRole, member.organization.into(), member.index) % 4 {
            0 => TokenRole::Read,
            1 => TokenRole::Write,
            _ => TokenRole::FineGrained,
        }
    }

    /// Of a fine-grained token: content and writing on the whole organization, and gated repositories anywhere.
    fn token_grants(&self, member: Member) -> (bool, bool, bool) {
        let drawn = self.draw(Draw::TokenGrants, member.organization.into(), member.index);
        (!one_in(5, drawn), one_in(2, drawn >> 8), one_in(2, drawn >> 16))
    }

    /// The repository that has an entry of its own in a fine-grained token, for its content alone.
    fn token_entry(&self, member: Member) -> Repository {
        let drawn = self.draw(Draw::TokenEntry, member.organization.into(), member.index);
        Repository { organization: member.organization, index: below(drawn, REPOSITORIES) }
    }

    // ---- repositories

    fn is_public(&self, repository: Repository) -> bool {
        let drawn = self.draw(Draw::Visibility, repository.organization.into(), repository.index);
        Self::is_gated(repository) || drawn % 10 < 3
    }

    fn is_gated(repository: Repository) -> bool {
        repository.index < GATED_OF_A_KIND || (DATASETS..DATASETS + GATED_OF_A_KIND).contains(&repository.index)
    }

    fn group(&self, repository: Repository) -> Option<u32> {
        let drawn = self.draw(Draw::Group, repository.organization.into(), repository.index);
        one_in(4, drawn).then(|| below(drawn >> 8, GROUPS))
    }

    fn creator(&self, repository: Repository) -> Member {
        let drawn = self.draw(Draw::Creator, repository.organization.into(), repository.index);
        Member { organization: repository.organization, index: below(drawn, MEMBERS - MOVERS) }
    }

    fn is_disabled(&self, repository: Repository) -> bool {
        one_in(50, self.draw(Draw::Disabled, repository.organization.into(), repository.index))
    }

    fn takes_fine_grained_only(&self, organization: u32) -> bool {
        one_in(5, self.draw(Draw::TokenPolicy, organization.into(), 0))
    }
}

fn below(drawn: u64, bound: u32) -> u32 {
    u32::try_from(drawn % u64::from(bound)).unwrap_or_default()
}

fn one_in(of: u32, drawn: u64) -> bool {
    below(drawn, of) == 0
}

fn splitmix(x: u64) -> u64 {
    let mut z = x.wrapping_add(0x9E37_79B9_7F4A_7C15);
    z = (z ^ (z >> 30)).wrapping_mul(0xBF58_476D_1CE4_E5B9);
    z = (z ^ (z >> 27)).wrapping_mul(0x94D0_49BB_1331_11EB);
    z ^ (z >> 31)
}

#[cfg(test)]
mod tests;
