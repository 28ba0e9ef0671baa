//! What an organization says of tokens: approve, deny, revoke. Revoked is for good.

use smol_str::SmolStr;

use super::Hub;
use super::actor::Actor;
use super::error::HubError;
use super::lifecycle::{Rewrite, Stored, difference, record_credential};
use super::memberships::{self, stored};
use crate::entity::Uid;
use crate::store::{Batch, Expect, Table};
use crate::tokens::{Role, names};
use crate::warden::{Api, Session};

/// How many tokens one page looks at.
const SCANNED: usize = 5_000;

/// What an organization does to a token.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Review {
    Approve,
    Deny,
    Revoke,
}

/// Where a token stands with an organization.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ReviewState {
    Pending,
    Approved,
    Denied,
    Revoked,
}

impl ReviewState {
    pub fn name(self) -> &'static str {
        match self {
            Self::Pending => "pending",
            Self::Approved => "approved",
            Self::Denied => "denied",
            Self::Revoked => "revoked",
        }
    }
}

impl Stored {
    /// Where it stands with an organization.
    pub fn state_in(&self, organization: &str) -> ReviewState {
        if self.token.revoked_by.contains(organization) {
            ReviewState::Revoked
        } else if self.token.approved_by.contains(organization) {
            ReviewState::Approved
        } else if self.credential.denied_by.contains(organization) {
            ReviewState::Denied
        } else {
            ReviewState::Pending
        }
    }
}

/// Some of the tokens that concern an organization.
#[derive(Clone, Debug, Default)]
pub struct Page {
    pub tokens: Vec<Stored>,
    /// Where the next page starts; a page can be empty and not the last.
    pub next: Option<SmolStr>,
}

impl Hub {
    /// Approves, denies or revokes a token for an organization. Denying takes an approval back.
    ///
    /// # Errors
    /// [`HubError::Denied`] when the actor may not, [`HubError::NotFound`] for an unknown token,
    /// [`HubError::Conflict`] for one that was revoked.
    pub fn review(&self, actor: &Actor, organization: &str, id: &str, review: Review) -> Result<Stored, HubError> {
        self.rewrite(Expect::Anything, |hub| {
            let session = hub.reviewing(actor, organization)?;
            let unknown = || HubError::NotFound(format!("there is no token `{id}`"));
            let mut stored = hub.stored(&session, id)?.ok_or_else(unknown)?;
            let before = stored.token.clone();
            let organization = SmolStr::from(organization);
            if stored.state_in(&organization) == ReviewState::Revoked && review != Review::Revoke {
                return Err(HubError::Conflict(format!("{organization} revoked this token, and that is for good")));
            }
            let (token, credential) = (&mut stored.token, &mut stored.credential);
            token.approved_by.remove(&organization);
            credential.denied_by.remove(&organization);
            match review {
                Review::Approve => token.approved_by.insert(organization),
                Review::Deny => credential.denied_by.insert(organization),
                Review::Revoke => token.revoked_by.insert(organization),
            };
            let mut records = Batch::new();
            record_credential(&mut records, id, &stored.credential)?;
            Ok(Rewrite { patch: Some(difference(&before, &stored.token)), records, stored })
        })
    }

    /// The tokens that concern an organization, by id, after `after`: those of its members that are not fine-grained,
    /// and those that are granted something there. Only so many tokens are looked at for a page.
    ///
    /// # Errors
    /// [`HubError::Denied`] when the actor may not.
    pub fn reviewable(
        &self,
        actor: &Actor,
        organization: &str,
        after: Option<&str>,
        limit: usize,
    ) -> Result<Page, HubError> {
        let session = self.reviewing(actor, organization)?;
        let records = session.records(Table::Token, b"", after.map(str::as_bytes), SCANNED)?;
        let mut page = Page::default();
        let last = records.last().map(|(id, _)| id.clone()).filter(|_| records.len() == SCANNED);
        for (id, _) in records {
            let id = SmolStr::from(String::from_utf8_lossy(&id));
            // One that cannot be read is not shown; it must not hide the others.
            let Ok(Some(stored)) = self.stored(&session, &id) else { continue };
            if concerns(&session, &stored, organization)? {
                page.tokens.push(stored);
            }
            if page.tokens.len() == limit {
                page.next = Some(id);
                return Ok(page);
            }
        }
        page.next = last.map(|id| SmolStr::from(String::from_utf8_lossy(&id)));
        Ok(page)
    }

    /// A session in which the actor may review tokens for an organization.
    fn reviewing(&self, actor: &Actor, organization: &str) -> Result<Session<'_>, HubError> {
        let session = self.warden().session(Api::Tokens, None)?;
        let vocabulary = self.vocabulary(session.bundle())?;
        self.demand(&session, actor, &vocabulary.review, Uid::new(names::ORGANIZATION, organization))?;
        Ok(session)
    }
}

fn concerns(session: &Session, token: &Stored, organization: &str) -> Result<bool, HubError> {
    if token.state_in(organization) != ReviewState::Pending {
        return Ok(true);
    }
    if token.token.role == Role::FineGrained {
        return Ok(token.token.grants.scoped.keys().any(|target| target.namespace() == organization));
    }
    let Some(owner) = stored(session, &Uid::new(names::USER, token.token.owner.clone()))? else {
        return Ok(false);
    };
    let memberships = memberships::of(session, &owner)?;
    Ok(memberships.iter().any(|membership| membership.id() == organization))
}
