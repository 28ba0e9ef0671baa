//! Who manages tokens: somebody that a service vouches for, or a credential that it passes on.

use smol_str::SmolStr;

use super::Hub;
use super::error::HubError;
use super::identify::Caller;
use super::vocabulary::Vocabulary;
use crate::entity::{Record, Uid};
use crate::tokens::{Presented, names};
use crate::warden::{Asked, Session, Unasked};

/// The one who acts.
#[derive(Clone, Debug)]
pub enum Actor {
    /// Signed in, says the service that asks; with two factors or not.
    User { id: SmolStr, mfa: bool },
    /// Came with a credential, whatever that is worth.
    Credential(Presented),
}

impl Hub {
    /// Asks the policies whether an actor may do something, and says who that is.
    ///
    /// # Errors
    /// [`HubError::Denied`], or what kept the question from being asked.
    pub(super) fn demand(&self, session: &Session, actor: &Actor, action: &Uid, resource: Uid) -> Result<(), HubError> {
        let vocabulary = self.vocabulary(session.bundle())?;
        let caller = match actor {
            Actor::User { id, .. } => Caller::User(Uid::new(names::USER, id.clone())),
            Actor::Credential(presented) => self.identify(session, presented)?,
        };
        if let Some(user) = caller.user() {
            session.acted_by(user);
        }
        let mfa = matches!(actor, Actor::User { mfa: true, .. });
        match self.decide(session, &vocabulary, &caller, action, resource, mfa)? {
            None => Ok(()),
            Some(reason) => Err(HubError::Denied(reason)),
        }
    }

    /// Whether a user may do something in a session of their own.
    pub(super) fn may(
        &self,
        session: &Session,
        user: &str,
        mfa: bool,
        action: &Uid,
        resource: Uid,
    ) -> Result<bool, HubError> {
        let vocabulary = self.vocabulary(session.bundle())?;
        let caller = Caller::User(Uid::new(names::USER, user));
        Ok(self.decide(session, &vocabulary, &caller, action, resource, mfa)?.is_none())
    }

    /// Why not, if not.
    fn decide(
        &self,
        session: &Session,
        vocabulary: &Vocabulary,
        caller: &Caller,
        action: &Uid,
        resource: Uid,
        mfa: bool,
    ) -> Result<Option<crate::pdp::Reason>, HubError> {
        if let Caller::Dead(dead) = caller {
            let reason = dead.reason(session.bundle());
            let (action, resource) = (Some(action.clone()), Some(resource));
            session.deny_unasked(&Unasked { action, resource, ..Unasked::of(&reason) })?;
            return Ok(Some(reason));
        }
        let mut context = caller.context();
        context.insert("mfa".into(), mfa.into());
        let asked = Asked {
            principal: caller.principal(&vocabulary.anonymous),
            action: action.clone(),
            resource,
            context,
            entities: Vec::new(),
        };
        Ok(session.ask(asked)?.answer.reason.clone())
    }
}

impl Caller {
    /// Who asks.
    pub(super) fn principal(&self, anonymous: &Uid) -> Uid {
        match self {
            Self::Anonymous | Self::Dead(_) => anonymous.clone(),
            Self::User(user) => user.clone(),
            Self::Token { owner, .. } => owner.clone(),
        }
    }

    /// What of the context says by what means.
    pub(super) fn context(&self) -> Record {
        match self {
            Self::Token { token, .. } => Record::from_iter([("token".into(), token.clone().into())]),
            Self::Anonymous | Self::User(_) | Self::Dead(_) => Record::new(),
        }
    }
}
