//! A world as lines of JSON, in the byte order of a store's keys: by type, then by id.

use std::fmt::Write as _;
use std::io::{self, Write};

use super::{
    Asked, DATASETS, GATED_OF_A_KIND, GROUPS, Level, MEMBERS, MODELS, Member, REPOSITORIES, Repository, TokenRole,
    World,
};

/// In byte order.
const LEVELS: [Level; 5] = [Level::Admin, Level::Contributor, Level::NoAccess, Level::Read, Level::Write];

impl Level {
    fn name(self) -> &'static str {
        match self {
            Self::NoAccess => "no_access",
            Self::Read => "read",
            Self::Contributor => "contributor",
            Self::Write => "write",
            Self::Admin => "admin",
        }
    }

    fn below(self) -> Option<Self> {
        match self {
            Self::NoAccess => None,
            Self::Read => Some(Self::NoAccess),
            Self::Contributor => Some(Self::Read),
            Self::Write => Some(Self::Contributor),
            Self::Admin => Some(Self::Write),
        }
    }
}

pub(super) fn organization(number: u32) -> String {
    format!("org{number:07}")
}

fn group(organization: u32, number: u32) -> String {
    format!("org{organization:07}/g{number}")
}

impl Member {
    pub fn user(&self) -> String {
        format!("user{:07}-{:02}", self.organization, self.index)
    }

    pub fn token(&self) -> String {
        format!("token{:07}-{:02}", self.organization, self.index)
    }
}

impl Repository {
    pub fn id(&self) -> String {
        let organization = self.organization;
        match self.index.checked_sub(DATASETS) {
            None => format!("datasets/org{organization:07}/d{:02}", self.index),
            Some(index) => format!("models/org{organization:07}/m{index:02}"),
        }
    }
}

fn uid(kind: &str, id: &str) -> String {
    format!(r#"{{"type":"Hub::{kind}","id":"{id}"}}"#)
}

/// Makes lines in one buffer that is used again for each.
struct Lines<'a, W> {
    world: &'a World,
    line: String,
    out: W,
}

impl World {
    /// Writes all entities, one a line.
    ///
    /// # Errors
    /// What the writer says.
    pub fn write(&self, out: impl Write) -> io::Result<()> {
        let mut lines = Lines { world: self, line: String::with_capacity(1_024), out };
        let organizations = || 0..self.organizations;
        let kinds = [0..DATASETS, DATASETS..REPOSITORIES];
        for kind in &kinds {
            for organization in organizations() {
                for index in kind.clone().take(GATED_OF_A_KIND as usize) {
                    lines.lists(Repository { organization, index })?;
                }
            }
        }
        organizations().try_for_each(|organization| {
            (0..MEMBERS).try_for_each(|index| lines.token(Member { organization, index }))
        })?;
        for organization in organizations() {
            for number in 0..GROUPS {
                lines.levels("GroupRole", &group(organization, number), Some(Level::Read))?;
            }
        }
        organizations().try_for_each(|number| lines.levels("OrgRole", &organization(number), None))?;
        organizations().try_for_each(|number| lines.organization(number))?;
        for kind in &kinds {
            for organization in organizations() {
                kind.clone().try_for_each(|index| lines.repository(Repository { organization, index }))?;
            }
        }
        for organization in organizations() {
            (0..GROUPS).try_for_each(|number| lines.group(organization, number))?;
        }
        organizations().try_for_each(|organization| {
            (0..MEMBERS).try_for_each(|index| lines.user(Member { organization, index }))
        })?;
        lines.out.flush()
    }
}

impl<W: Write> Lines<'_, W> {
    fn entity(&mut self, kind: &str, id: &str, attrs: &str, parents: &str, tags: &str) -> io::Result<()> {
        self.line.clear();
        let tags = if tags.is_empty() { String::new() } else { format!(r#","tags":{{{tags}}}"#) };
        // Writing to a `String` cannot fail.
        let _ = writeln!(
            self.line,
            r#"{{"uid":{{"type":"Hub::{kind}","id":"{id}"}},"attrs":{{{attrs}}},"parents":[{parents}]{tags}}}"#
        );
        self.out.write_all(self.line.as_bytes())
    }

    fn lists(&mut self, repository: Repository) -> io::Result<()> {
        let id = repository.id();
        ["accepted", "pending", "rejected"]
            .iter()
            .try_for_each(|state| self.entity("AccessList", &format!("{id}/{state}"), "", "", ""))
    }

    /// The levels of an organization or a group, each in the one below it, down to `lowest`.
    fn levels(&mut self, kind: &str, id: &str, lowest: Option<Level>) -> io::Result<()> {
        for level in LEVELS.into_iter().filter(|level| Some(*level) >= lowest) {
            let below = level.below().filter(|below| Some(*below) >= lowest);
            let parents = below.map(|below| uid(kind, &format!("{id}/{}", below.name()))).unwrap_or_default();
            self.entity(kind, &format!("{id}/{}", level.name()), "", &parents, "")?;
        }
        Ok(())
    }

    fn organization(&mut self, number: u32) -> io::Result<()> {
        let id = organization(number);
        let role = |level: Level| uid("OrgRole", &format!("{id}/{}", level.name()));
        let policy = if self.world.takes_fine_grained_only(number) { "fineGrainedOnly" } else { "allowAll" };
        let attrs = format!(
            r#""members":{},"readers":{},"contributors":{},"writers":{},"admins":{},"tokenPolicy":{},"requiresMfa":false"#,
            role(Level::NoAccess),
            role(Level::Read),
            role(Level::Contributor),
            role(Level::Write),
            role(Level::Admin),
            uid("TokenPolicy", policy)
        );
        self.entity("Organization", &id, &attrs, "", "")
    }

    fn group(&mut self, of: u32, number: u32) -> io::Result<()> {
        let id = group(of, number);
        let role = |level: Level| uid("GroupRole", &format!("{id}/{}", level.name()));
        let owner = uid("Organization", &organization(of));
        let attrs = format!(
            r#""organization":{owner},"readers":{},"contributors":{},"writers":{},"admins":{}"#,
            role(Level::Read),
            role(Level::Contributor),
            role(Level::Write),
            role(Level::Admin)
        );
        self.entity("ResourceGroup", &id, &attrs, &owner, "")
    }

    fn user(&mut self, member: Member) -> io::Result<()> {
        let id = member.user();
        let role = |of: u32, level: Level| uid("OrgRole", &format!("{}/{}", organization(of), level.name()));
        let mut parents = vec![role(member.organization, self.world.level(member))];
        parents.extend(self.world.guest(member).map(|(of, level)| role(of, level)));
        for number in 0..GROUPS {
            let level = self.world.group_level(member, number);
            let of = group(member.organization, number);
            parents.extend(level.map(|level| uid("GroupRole", &format!("{of}/{}", level.name()))));
        }
        let state = |asked| match asked {
            Asked::Accepted => "accepted",
            Asked::Rejected => "rejected",
            Asked::Pending | Asked::Never => "pending",
        };
        let request = self.world.request(member);
        parents.extend(request.map(|(repo, asked)| uid("AccessList", &format!("{}/{}", repo.id(), state(asked)))));
        self.entity("User", &id, &format!(r#""email":"{id}@example.org""#), &parents.join(","), "")
    }

    fn token(&mut self, member: Member) -> io::Result<()> {
        let role = self.world.token_role(member);
        let entry = uid("Repo", &self.world.token_entry(member).id());
        let (content, write, gated) = self.world.token_grants(member);
        let fine = role == TokenRole::FineGrained;
        let attrs = format!(
            r#""owner":{},"name":"ci","createdAt":"2026-01-01T00:00:00Z","expiresAt":"2099-01-01T00:00:00Z","gatedRepos":{},"global":[],"ownEntry":[{}],"approvedBy":[],"revokedBy":[]"#,
            uid("User", &member.user()),
            fine && gated,
            if fine { entry.as_str() } else { "" }
        );
        let own = uid("Organization", &organization(member.organization));
        let targets = |whole: bool, repos: &str| {
            let organizations = if whole { own.as_str() } else { "" };
            format!(r#"{{"users":[],"organizations":[{organizations}],"repos":[{repos}]}}"#)
        };
        let mut tags = Vec::new();
        if fine {
            tags.push(format!(r#""repo.content.read":{}"#, targets(content, &entry)));
            tags.extend(write.then(|| format!(r#""repo.write":{}"#, targets(true, ""))));
        }
        let role = match role {
            TokenRole::Read => "read",
            TokenRole::Write => "write",
            TokenRole::FineGrained => "fineGrained",
        };
        self.entity("AccessToken", &member.token(), &attrs, &uid("TokenRole", role), &tags.join(","))
    }

    fn repository(&mut self, repository: Repository) -> io::Result<()> {
        let world = self.world;
        let id = repository.id();
        let owner = uid("Organization", &organization(repository.organization));
        let in_group =
            world.group(repository).map(|number| uid("ResourceGroup", &group(repository.organization, number)));
        let kind = if repository.index < DATASETS { "dataset" } else { "model" };
        let visibility = if world.is_public(repository) { "public" } else { "private" };
        let mut attrs = format!(
            r#""kind":{},"organization":{owner},"creator":{},"visibility":{},"disabled":{},"discussions":true"#,
            uid("RepoKind", kind),
            uid("User", &world.creator(repository).user()),
            uid("Visibility", visibility),
            world.is_disabled(repository)
        );
        if let Some(group) = &in_group {
            let _ = write!(attrs, r#","group":{group}"#);
        }
        if World::is_gated(repository) {
            let list = |state: &str| uid("AccessList", &format!("{id}/{state}"));
            let (accepted, pending, rejected) = (list("accepted"), list("pending"), list("rejected"));
            let _ = write!(
                attrs,
                r#","gate":{{"mode":"manual","accepted":{accepted},"pending":{pending},"rejected":{rejected},"members":false}}"#
            );
        }
        self.entity("Repo", &id, &attrs, in_group.as_deref().unwrap_or(&owner), "")
    }
}

const _: () = assert!(MODELS <= 100 && DATASETS <= 100 && MEMBERS <= 100 && GROUPS <= 10);
