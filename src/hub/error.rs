//! Why something was not done.

use crate::pdp::Reason;
use crate::store::StoreError;
use crate::tokens::{SecretError, TokenFault};
use crate::warden::{AskError, ChangeError, SessionError};

/// Why a hub cannot be opened.
#[derive(Debug, thiserror::Error)]
pub enum OpenError {
    #[error(
        "the tokens of this store were hashed with another key: every one of them would be dead; name the file of \
         the key that this store was used with"
    )]
    OtherKey,
    #[error(transparent)]
    Session(#[from] SessionError),
    #[error(transparent)]
    Store(#[from] StoreError),
    #[error(transparent)]
    Change(#[from] ChangeError),
}

/// Why a request about tokens was not carried out. Nothing was changed.
#[derive(Debug, thiserror::Error)]
pub enum HubError {
    /// The schema in force lacks what this needs.
    #[error("the schema in force has no {0}: it is not a hub's")]
    NotAHub(&'static str),
    /// The policies said no.
    #[error("{}", .0.message)]
    Denied(Reason),
    /// A part of the request cannot be.
    #[error("{message}")]
    Invalid { field: String, message: String },
    #[error("{0}")]
    NotFound(String),
    /// It cannot be done in the state that things are in.
    #[error("{0}")]
    Conflict(String),
    #[error(transparent)]
    Fault(#[from] TokenFault),
    #[error(transparent)]
    Secret(#[from] SecretError),
    #[error("the credential of a token cannot be read: {0}")]
    Damaged(serde_json::Error),
    #[error(transparent)]
    Ask(#[from] AskError),
    #[error(transparent)]
    Session(#[from] SessionError),
    #[error(transparent)]
    Store(#[from] StoreError),
    #[error(transparent)]
    Change(#[from] ChangeError),
}

impl HubError {
    pub(super) fn invalid(field: impl Into<String>, message: impl Into<String>) -> Self {
        Self::Invalid { field: field.into(), message: message.into() }
    }
}
