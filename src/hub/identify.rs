//! From a presented credential to who that is: one hash, one lookup, at the revision of the question.

use serde::{Deserialize, Serialize};
use smol_str::SmolStr;

use super::Hub;
use super::error::HubError;
use crate::entity::Uid;
use crate::pdp::{Bundle, Reason};
use crate::store::Table;
use crate::tokens::{Presented, TokenHash, names};
use crate::warden::Session;

/// Who asks, and by what means.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Caller {
    Anonymous,
    /// Signed in, as a service vouches.
    User(Uid),
    /// Through a token that has a credential. Whether it is alive is the policies' word: it may be expired, its entity
    /// deleted, its owner gone.
    Token {
        token: Uid,
        owner: Uid,
    },
    Dead(Dead),
}

/// A credential that is none.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Dead {
    /// Malformed, never known, deleted, refreshed away: they are answered alike.
    Unknown,
    /// A token of an organization, of the deprecated kind.
    OrganizationToken,
}

/// What a hash leads to.
#[derive(Serialize, Deserialize)]
pub(super) struct Found {
    pub id: SmolStr,
    pub owner: SmolStr,
}

/// What a store knows of a value.
pub(super) enum Value {
    Alive(Found),
    /// It was refreshed away, or its token deleted. That is for good.
    Dead,
    NeverSeen,
}

impl Value {
    /// # Errors
    /// An unreadable store.
    pub fn of(session: &Session, hash: &TokenHash) -> Result<Self, HubError> {
        match session.record(Table::TokenHash, hash.as_bytes())? {
            None => Ok(Self::NeverSeen),
            Some(record) if record.is_empty() => Ok(Self::Dead),
            Some(record) => serde_json::from_slice(&record).map(Self::Alive).map_err(HubError::Damaged),
        }
    }

    pub fn alive(self) -> Option<Found> {
        match self {
            Self::Alive(found) => Some(found),
            Self::Dead | Self::NeverSeen => None,
        }
    }
}

impl Hub {
    /// Who presented this.
    ///
    /// # Errors
    /// An unreadable store: never "unknown".
    pub fn identify(&self, session: &Session, presented: &Presented) -> Result<Caller, HubError> {
        let caller = self.look_up(session, presented)?;
        self.warden.metrics().presented(match caller {
            Caller::Token { .. } => "token",
            Caller::Dead(_) => "dead",
            Caller::Anonymous | Caller::User(_) => "nothing",
        });
        Ok(caller)
    }

    fn look_up(&self, session: &Session, presented: &Presented) -> Result<Caller, HubError> {
        let value = match presented {
            Presented::Nothing => return Ok(Caller::Anonymous),
            Presented::Malformed => return Ok(Caller::Dead(Dead::Unknown)),
            Presented::OrganizationToken => return Ok(Caller::Dead(Dead::OrganizationToken)),
            Presented::Token(value) => value,
        };
        let Some(found) = Value::of(session, &self.key.hash(value))?.alive() else {
            return Ok(Caller::Dead(Dead::Unknown));
        };
        Ok(Caller::Token { token: Uid::new(names::TOKEN, found.id), owner: Uid::new(names::USER, found.owner) })
    }

    /// Notes that a token was used, for its owner to see.
    pub(super) fn used(&self, caller: &Caller) {
        if let Caller::Token { token, .. } = caller {
            self.last_use.note(token.id(), self.warden.clock().now());
        }
    }
}

impl Dead {
    /// Why it is refused. The bundle words it, where it knows the code.
    pub fn reason(self, bundle: &Bundle) -> Reason {
        let worded = bundle.reason("invalid_token", false);
        let mut reason = worded.unwrap_or_else(|| Reason {
            code: "invalid_token".into(),
            message: "Invalid credentials in Authorization header".to_owned(),
            status: 401,
        });
        if self == Self::OrganizationToken {
            reason.message =
                "Organization API tokens are deprecated and no longer work: use a user access token".to_owned();
        }
        reason
    }
}

impl Caller {
    /// The user's id, if there is one.
    pub fn user(&self) -> Option<&SmolStr> {
        match self {
            Self::User(user) | Self::Token { owner: user, .. } => Some(user.id()),
            Self::Anonymous | Self::Dead(_) => None,
        }
    }

    /// The token's id, if there is one.
    pub fn token(&self) -> Option<&SmolStr> {
        match self {
            Self::Token { token, .. } => Some(token.id()),
            Self::Anonymous | Self::User(_) | Self::Dead(_) => None,
        }
    }
}
