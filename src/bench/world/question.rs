//! Questions about a world, each with its answer.

use super::{Draw, MEMBERS, MOVERS, Member, REPOSITORIES, Repository, World, below};
use crate::entity::{Record, Uid, Value};
use crate::warden::Asked;

/// What is asked for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Action {
    See,
    ReadContent,
    Write,
}

impl Action {
    fn name(self) -> &'static str {
        match self {
            Self::See => "repo.read",
            Self::ReadContent => "repo.content.read",
            Self::Write => "repo.write",
        }
    }
}

/// May this member, signed in or through their token, do this to that repository?
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Question {
    pub(super) member: Member,
    pub(super) action: Action,
    pub(super) repository: Repository,
    pub(super) through_token: bool,
}

impl Question {
    /// The question as AuthZEN has it.
    pub fn to_authzen(&self) -> String {
        let (kind, id) = match self.through_token {
            true => ("access_token", self.member.token()),
            false => ("user", self.member.user()),
        };
        format!(
            r#"{{"subject":{{"type":"{kind}","id":"{id}"}},"action":{{"name":"{}"}},"resource":{{"type":"repo","id":"{}"}}}}"#,
            self.action.name(),
            self.repository.id()
        )
    }

    /// The question as the program has it.
    pub fn to_asked(&self) -> Asked {
        let mut context = Record::new();
        if self.through_token {
            context.insert("token".into(), Value::from(Uid::new("Hub::AccessToken", self.member.token())));
        }
        Asked {
            principal: Uid::new("Hub::User", self.member.user()),
            action: Uid::new("Hub::Action", self.action.name()),
            resource: Uid::new("Hub::Repo", self.repository.id()),
            context,
            entities: Vec::new(),
        }
    }
}

/// A membership that can be given and taken back: whoever has it may see one repository, and else may not.
pub struct Move {
    /// Where the member is changed, below `/v1/entities/`.
    pub path: String,
    /// The bodies of the changes, and the question with its answer before, and after giving.
    pub give: String,
    pub take: String,
    pub question: String,
}

impl World {
    /// Questions spread evenly over the world, half of them through a token, each with its answer.
    pub fn questions(&self, count: usize) -> impl Iterator<Item = (Question, bool)> + '_ {
        (0..count as u64).map(move |number| {
            let question = self.question(number);
            (question, self.allows(&question))
        })
    }

    /// Questions that touch every member, token and repository of a part of the world of so many entities.
    pub fn sweep(&self, entities: u64) -> impl Iterator<Item = (Question, bool)> + '_ {
        let organizations = Self::new(entities, self.seed).organizations.min(self.organizations);
        (0..organizations).flat_map(move |organization| {
            (0..REPOSITORIES).map(move |index| {
                let question = Question {
                    member: Member { organization, index: index % (MEMBERS - MOVERS) },
                    action: Action::ReadContent,
                    repository: Repository { organization, index },
                    through_token: true,
                };
                (question, self.allows(&question))
            })
        })
    }

    fn question(&self, number: u64) -> Question {
        let organizations = self.organizations;
        let draw = |index| self.draw(Draw::Question, number, index);
        let member = Member { organization: below(draw(0), organizations), index: below(draw(1), MEMBERS - MOVERS) };
        let anywhere = Repository { organization: below(draw(2), organizations), index: below(draw(3), REPOSITORIES) };
        let at_home = Repository { organization: member.organization, ..anywhere };
        let repository = match draw(4) % 20 {
            0..=14 => at_home,
            15 | 16 => self.token_entry(member),
            17 => self.request(member).map_or(at_home, |(repository, _)| repository),
            18 => self.guest(member).map_or(at_home, |(organization, _)| Repository { organization, ..anywhere }),
            _ => anywhere,
        };
        let action = match draw(5) % 4 {
            0 => Action::See,
            1 => Action::Write,
            _ => Action::ReadContent,
        };
        Question { member, action, repository, through_token: draw(6) % 2 == 0 }
    }

    /// A membership of a member about whom nobody else asks.
    pub fn membership(&self, number: u64) -> Move {
        let member = self.mover(number);
        let organization = member.organization;
        let private = |index: &u32| {
            let repository = Repository { organization, index: *index };
            !self.is_public(repository) && self.group(repository).is_none()
        };
        // Private ones outside groups are half of them all: the first is as good as any.
        let index = (0..REPOSITORIES).find(private).unwrap_or(REPOSITORIES - 1);
        let question = Question {
            member,
            action: Action::See,
            repository: Repository { organization, index },
            through_token: false,
        };
        let parent =
            format!(r#"[{{"type":"Hub::OrgRole","id":"{}/read"}}]"#, super::entities::organization(organization));
        Move {
            path: format!("user/{}", member.user()),
            give: format!(r#"{{"parents":{{"add":{parent}}}}}"#),
            take: format!(r#"{{"parents":{{"remove":{parent}}}}}"#),
            question: question.to_authzen(),
        }
    }
}
