//! What a question about a world must be answered: the hub's rules once more, in plain code over how the world was made.
//!
//! Written from what the rules mean, not from the policies; nothing of the evaluator is used.

use super::question::{Action, Question};
use super::{Asked, Level, Member, Repository, TokenRole, World};

impl World {
    pub(super) fn allows(&self, question: &Question) -> bool {
        let Question { member, action, repository, through_token } = *question;
        self.user_may(member, action, repository) && (!through_token || self.token_lets(member, action, repository))
    }

    fn user_may(&self, member: Member, action: Action, repository: Repository) -> bool {
        let public = self.is_public(repository);
        let level = self.level_on(member, repository);
        let reads = level >= Some(Level::Read);
        let enabled = !self.is_disabled(repository);
        match action {
            Action::See => public || reads,
            Action::ReadContent => enabled && (public || reads) && self.passes_gate(member, repository, reads),
            Action::Write => {
                let creates = self.creator(repository) == member && level >= Some(Level::Contributor);
                enabled && (level >= Some(Level::Write) || creates)
            }
        }
    }

    /// The level that counts on a repository: in a group it is the group's, except for the organization's admins.
    fn level_on(&self, member: Member, repository: Repository) -> Option<Level> {
        let at_home = member.organization == repository.organization;
        let level = match self.guest(member) {
            _ if at_home => Some(self.level(member)),
            Some((organization, level)) if organization == repository.organization => Some(level),
            _ => None,
        }?;
        match self.group(repository) {
            Some(group) if level < Level::Admin => at_home.then(|| self.group_level(member, group)).flatten(),
            _ => Some(level),
        }
    }

    fn passes_gate(&self, member: Member, repository: Repository, reads: bool) -> bool {
        !Self::is_gated(repository) || reads || self.request(member) == Some((repository, Asked::Accepted))
    }

    fn token_lets(&self, member: Member, action: Action, repository: Repository) -> bool {
        let gated = Self::is_gated(repository);
        let open_to_all = self.is_public(repository)
            && match action {
                Action::See => true,
                Action::ReadContent => !gated,
                Action::Write => false,
            };
        let role = self.token_role(member);
        if role != TokenRole::FineGrained && self.takes_fine_grained_only(repository.organization) && !open_to_all {
            return false;
        }
        match role {
            TokenRole::Write => true,
            TokenRole::Read => action != Action::Write,
            TokenRole::FineGrained => open_to_all || self.grants(member, action, repository),
        }
    }

    fn grants(&self, member: Member, action: Action, repository: Repository) -> bool {
        let (content, write, gated_anywhere) = self.token_grants(member);
        if self.token_entry(member) == repository {
            return action != Action::Write;
        }
        let at_home = member.organization == repository.organization;
        match action {
            Action::See => at_home && (content || write),
            Action::ReadContent => {
                at_home && content || gated_anywhere && self.is_public(repository) && Self::is_gated(repository)
            }
            Action::Write => at_home && write,
        }
    }
}
