//! `/v1/users/{user}/tokens…` and `/v1/organizations/{organization}/tokens…`: the life of access tokens.
//!
//! A service with the scope `tokens` says who acts: a user who signed in with it (`Hubwarden-Actor`), or a credential
//! that it received and passes on (`Hubwarden-Actor-Authorization`). The policies say what they may do.

pub mod collection;
pub mod one;
pub mod reach;
pub mod review;
mod spec;

use axum::http::HeaderName;
use jiff::Timestamp;
use serde::Serialize;
use utoipa::ToSchema;

use super::access::only;
use super::call::Call;
use super::failure::Failure;
use super::path::percent_decode;
use crate::clock::rfc3339;
use crate::hub::{Actor, Stored};
use crate::tokens::{PlainToken, Target};

pub use review::ReviewBody;
pub use spec::{EditRequest, NewTokenRequest};

const ACTOR: HeaderName = HeaderName::from_static("hubwarden-actor");
const ACTOR_MFA: HeaderName = HeaderName::from_static("hubwarden-actor-mfa");
const ACTOR_AUTHORIZATION: HeaderName = HeaderName::from_static("hubwarden-actor-authorization");

/// A token without its value.
#[derive(Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct TokenBody {
    id: String,
    owner: String,
    name: String,
    /// `read`, `write` or `fineGrained`.
    role: &'static str,
    /// The last four of its value.
    last_characters: String,
    created_at: String,
    refreshed_at: Option<String>,
    last_used_at: Option<String>,
    expires_at: Option<String>,
    expired: bool,
    gated_repos: bool,
    global: Vec<String>,
    grants: Vec<GrantBody>,
    organizations: OrganizationsBody,
}

/// What a token was granted for one target.
#[derive(Serialize, ToSchema)]
pub struct GrantBody {
    entity: TargetBody,
    permissions: Vec<String>,
}

#[derive(Serialize, ToSchema)]
struct TargetBody {
    /// `user`, `org`, `model`, `dataset` or `space`.
    r#type: &'static str,
    /// `acme`, `acme/m1`.
    name: String,
}

/// What organizations said of a token.
#[derive(Serialize, ToSchema)]
struct OrganizationsBody {
    approved: Vec<String>,
    denied: Vec<String>,
    revoked: Vec<String>,
}

/// A token and its value, which is shown this once.
#[derive(Serialize, ToSchema)]
pub struct NewTokenReply {
    token: TokenBody,
    value: String,
}

impl NewTokenReply {
    pub fn new(stored: &Stored, value: &PlainToken, now: Timestamp) -> Self {
        Self { token: TokenBody::new(stored, now), value: value.reveal().to_owned() }
    }
}

impl TokenBody {
    pub fn new(stored: &Stored, now: Timestamp) -> Self {
        let token = &stored.token;
        let texts = |names: &std::collections::BTreeSet<_>| names.iter().map(ToString::to_string).collect();
        let grant = |(target, permissions): (&Target, &std::collections::BTreeSet<_>)| GrantBody {
            entity: TargetBody { r#type: target.kind.name(), name: target.name.to_string() },
            permissions: texts(permissions),
        };
        Self {
            id: token.id.to_string(),
            owner: token.owner.to_string(),
            name: token.name.clone(),
            role: token.role.name(),
            last_characters: stored.credential.last_characters.to_string(),
            created_at: rfc3339(token.created_at),
            refreshed_at: stored.credential.refreshed_at.map(rfc3339),
            last_used_at: stored.last_used_at.map(rfc3339),
            expires_at: token.expires_at.map(rfc3339),
            expired: token.is_expired(now),
            gated_repos: token.grants.gated_repos,
            global: texts(&token.grants.global),
            grants: token.grants.scoped.iter().map(grant).collect(),
            organizations: OrganizationsBody {
                approved: texts(&token.approved_by),
                denied: texts(&stored.credential.denied_by),
                revoked: texts(&token.revoked_by),
            },
        }
    }
}

/// A token as it is shown.
fn shown(call: &Call, stored: &Stored) -> TokenBody {
    TokenBody::new(stored, call.warden().clock().now())
}

/// Who acts.
///
/// # Errors
/// 400 when it is not said, or said twice.
fn actor(call: &Call) -> Result<Actor, Failure> {
    let sent = |name: &HeaderName| call.headers.contains_key(name);
    if sent(&ACTOR) == sent(&ACTOR_AUTHORIZATION) {
        let message = "say who acts: `Hubwarden-Actor` with the id of a user that you vouch for, or \
                       `Hubwarden-Actor-Authorization` with the credential that you received, and not both";
        return Err(Failure::invalid("Hubwarden-Actor", message));
    }
    if sent(&ACTOR_AUTHORIZATION) {
        let credential = only(&call.headers, ACTOR_AUTHORIZATION).map(str::as_bytes);
        return Ok(Actor::Credential(call.hub().presented(Some(credential.unwrap_or_default()))));
    }
    let id = only(&call.headers, ACTOR).and_then(percent_decode).filter(|id| !id.is_empty());
    let id = id.ok_or_else(|| {
        Failure::invalid("Hubwarden-Actor", "`Hubwarden-Actor` is the id of one user, percent-encoded")
    })?;
    let mfa = match (sent(&ACTOR_MFA), only(&call.headers, ACTOR_MFA)) {
        (false, _) | (true, Some("false")) => false,
        (true, Some("true")) => true,
        (true, _) => {
            return Err(Failure::invalid("Hubwarden-Actor-Mfa", "`Hubwarden-Actor-Mfa` is `true` or `false`"));
        }
    };
    Ok(Actor::User { id: id.into(), mfa })
}
