//! One question with the credential as it was received, answered with what to say on a no.

use uuid::Uuid;

use super::Hub;
use super::error::HubError;
use super::identify::Caller;
use super::refusal::Refusal;
use crate::entity::{Record, Uid};
use crate::pdp::Reason;
use crate::tokens::Presented;
use crate::warden::{Asked, Ruling, Session, Unasked};

/// A question.
#[derive(Clone, Debug)]
pub struct Check {
    pub action: Uid,
    pub resource: Uid,
    /// Read under the schema of the session's bundle; without the token.
    pub context: Record,
}

/// An answer.
#[derive(Clone, Debug)]
pub struct Checked {
    pub id: Uuid,
    pub caller: Caller,
    /// `None` when the credential is none: then nothing was asked.
    pub ruling: Option<Ruling>,
    /// Why not, and how to say it; `None` for an allow.
    pub refusal: Option<(Reason, Refusal)>,
}

impl Checked {
    pub fn allowed(&self) -> bool {
        self.refusal.is_none()
    }
}

impl Hub {
    /// Answers a question of whoever presented this.
    ///
    /// # Errors
    /// A question that the schema does not know, or a store that cannot answer.
    pub fn check(&self, session: &Session, presented: &Presented, check: Check) -> Result<Checked, HubError> {
        let caller = self.identify(session, presented)?;
        self.check_as(session, caller, check)
    }

    /// Answers a question of a caller who was identified in the same session.
    ///
    /// # Errors
    /// As [`Hub::check`].
    pub fn check_as(&self, session: &Session, caller: Caller, check: Check) -> Result<Checked, HubError> {
        if let Caller::Dead(dead) = caller {
            let reason = dead.reason(session.bundle());
            let refusal = Refusal::of(&reason, &check.resource);
            let id = session.deny_unasked(&Unasked {
                action: Some(check.action),
                resource: Some(check.resource),
                ..Unasked::of(&reason)
            })?;
            return Ok(Checked { id, caller, ruling: None, refusal: Some((reason, refusal)) });
        }
        let vocabulary = self.vocabulary(session.bundle())?;
        let mut context = check.context;
        context.extend(caller.context());
        let ruling = session.ask(Asked {
            principal: caller.principal(&vocabulary.anonymous),
            action: check.action,
            resource: check.resource.clone(),
            context,
            entities: Vec::new(),
        })?;
        let reason = ruling.answer.reason.clone();
        if reason.as_ref().is_none_or(|reason| reason.status != 401) {
            self.used(&caller);
        }
        let refusal = reason.map(|reason| {
            let refusal = Refusal::of(&reason, &check.resource);
            (reason, refusal)
        });
        Ok(Checked { id: ruling.id, caller, ruling: Some(ruling), refusal })
    }
}
