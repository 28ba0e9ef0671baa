//! What a token lets through, in sentences: its role and its grants, without what its user may do at the moment.

use super::Hub;
use super::error::HubError;
use super::lifecycle::Stored;
use super::vocabulary::Vocabulary;
use crate::clock::rfc3339;
use crate::tokens::{Role, Target, TargetKind};
use crate::warden::Api;

impl Hub {
    /// What a token lets through, a sentence each. It says "at most": what its user may not do, no token can.
    ///
    /// # Errors
    /// A schema that is no hub's.
    pub fn sentences(&self, stored: &Stored) -> Result<Vec<String>, HubError> {
        let session = self.warden.session(Api::Tokens, None)?;
        let vocabulary = self.vocabulary(session.bundle())?;
        Ok(sentences(&vocabulary, stored, self.warden.clock().now()))
    }
}

fn sentences(vocabulary: &Vocabulary, stored: &Stored, now: jiff::Timestamp) -> Vec<String> {
    let token = &stored.token;
    let owner = &token.owner;
    let mut said = vec![match token.role {
        Role::Write => format!("It may do everything that {owner} may do."),
        Role::Read => format!(
            "It may see and download what {owner} may see, take part in discussions, and call inference; it changes \
             nothing else."
        ),
        Role::FineGrained => {
            format!("It may do what anybody may do without signing in, and of what {owner} may do only what follows.")
        }
    }];
    for (target, permissions) in &token.grants.scoped {
        let grants: Vec<&str> = permissions
            .iter()
            .map(|name| vocabulary.permissions.get(name).map_or(name.as_str(), |known| &known.grants))
            .collect();
        said.push(match (target.kind.is_repo(), grants.is_empty()) {
            (true, true) => format!("On {}, nothing: what is granted above it is not for it.", named(target)),
            (true, false) => format!("On {} alone, it may {}.", named(target), list(&grants)),
            (false, _) => format!(
                "On {} and everything in it that has no entry of its own, it may {}.",
                named(target),
                list(&grants)
            ),
        });
    }
    for name in &token.grants.global {
        let grants = vocabulary.permissions.get(name).map_or(name.as_str(), |known| &known.grants);
        said.push(format!("Outside all of these, it may {grants}."));
    }
    if token.grants.gated_repos {
        said.push(format!("It may download from every public gated repository that lets {owner} in."));
    }
    if let Some(at) = token.expires_at {
        let verb = if token.is_expired(now) { "expired" } else { "expires" };
        said.push(format!("It {verb} at {}.", rfc3339(at)));
    }
    for organization in &token.revoked_by {
        said.push(format!("{organization} revoked it: on what belongs to {organization} it is worth nothing."));
    }
    for organization in &token.approved_by {
        said.push(format!("{organization} approved it."));
    }
    for organization in &stored.credential.denied_by {
        said.push(format!("{organization} denied it; where that organization demands approval, it does not work."));
    }
    said
}

fn named(target: &Target) -> String {
    match target.kind {
        TargetKind::User => format!("the namespace {}", target.name),
        TargetKind::Org => format!("the organization {}", target.name),
        kind => format!("the {} {}", kind.name(), target.name),
    }
}

/// `a`, `a and b`, `a, b and c`.
fn list(items: &[&str]) -> String {
    match items {
        [] => String::new(),
        [one] => (*one).to_owned(),
        [first @ .., last] => format!("{} and {last}", first.join(", ")),
    }
}
