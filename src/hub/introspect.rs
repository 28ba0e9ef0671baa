//! Whether a token is alive, and whose (RFC 7662). Every dead one is answered alike.

use super::Hub;
use super::error::HubError;
use super::identify::Caller;
use super::lifecycle::Stored;
use crate::entity::Uid;
use crate::pdp::Reason;
use crate::tokens::{Presented, names};
use crate::warden::{Asked, Session, Unasked};

/// What is known of a presented value.
#[derive(Clone, Debug)]
pub enum Introspection {
    Inactive,
    Active(Box<Stored>),
}

impl Hub {
    /// Introspects a bare value.
    ///
    /// # Errors
    /// A store that cannot answer: that is not "inactive".
    pub fn introspect(&self, session: &Session, value: &str) -> Result<Introspection, HubError> {
        let caller = self.identify(session, &Presented::from_value(&self.prefix, value))?;
        Ok(match self.alive(session, &caller)? {
            Ok(Some(stored)) => Introspection::Active(Box::new(stored)),
            Ok(None) | Err(_) => Introspection::Inactive,
        })
    }

    /// The token that a caller came with, if any; or why it is dead.
    ///
    /// The policies say whether a token is alive: a dead one is refused whatever is asked. So something is asked that no
    /// living token may do, and the reason tells which it was.
    pub(super) fn alive(&self, session: &Session, caller: &Caller) -> Result<Result<Option<Stored>, Reason>, HubError> {
        let (token, owner) = match caller {
            Caller::Anonymous | Caller::User(_) => return Ok(Ok(None)),
            Caller::Dead(dead) => {
                let reason = dead.reason(session.bundle());
                session.deny_unasked(&Unasked::of(&reason))?;
                return Ok(Err(reason));
            }
            Caller::Token { token, owner } => (token, owner),
        };
        let vocabulary = self.vocabulary(session.bundle())?;
        let ruling = session.ask(Asked {
            principal: owner.clone(),
            action: vocabulary.manage.clone(),
            resource: Uid::new(names::USER, owner.id().clone()),
            context: caller.context(),
            entities: Vec::new(),
        })?;
        if let Some(reason) = ruling.answer.reason.as_ref().filter(|reason| reason.status == 401) {
            return Ok(Err(reason.clone()));
        }
        match self.stored(session, token.id())? {
            Some(stored) => Ok(Ok(Some(stored))),
            None => Ok(Err(super::identify::Dead::Unknown.reason(session.bundle()))),
        }
    }
}
