//! `/v1/organizations/{organization}/tokens…`: which tokens an organization lets in.

use jiff::Timestamp;
use serde::Serialize;
use utoipa::ToSchema;

use super::{GrantBody, TokenBody, actor, one::changed};
use crate::entity::Uid;
use crate::http::call::Call;
use crate::http::failure::Failure;
use crate::http::page_token::{Listing, Position};
use crate::http::reply::{Answered, Reply};
use crate::hub::{Review, Stored};
use crate::tokens::names;

const DEFAULT_LIMIT: usize = 100;

/// A token as an organization sees it: what it was granted elsewhere is not told.
#[derive(Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct ReviewBody {
    id: String,
    owner: String,
    name: String,
    /// `read`, `write` or `fineGrained`.
    role: &'static str,
    last_characters: String,
    created_at: String,
    last_used_at: Option<String>,
    expires_at: Option<String>,
    expired: bool,
    /// On the organization and what is in it.
    grants: Vec<GrantBody>,
    /// `pending`, `approved`, `denied` or `revoked`.
    state: &'static str,
}

/// A page of tokens. It can hold less than was asked for, or nothing, and not be the last.
#[derive(Serialize, ToSchema)]
pub struct ReviewsReply {
    tokens: Vec<ReviewBody>,
    next_page_token: Option<String>,
}

#[derive(Serialize, ToSchema)]
pub struct ReviewReply {
    token: ReviewBody,
}

pub async fn list(call: Call) -> Answered {
    let actor = actor(&call)?;
    call.blocking(move |call| {
        let organization = call.params.get("organization");
        let listing = Listing { store: call.warden().store_id(), route: call.route.path, filters: &[organization] };
        let from = match call.query.get("page_token") {
            Some(token) => Some(call.app.page_tokens.read(&listing, token)?),
            None => None,
        };
        let max = call.app.limits.page;
        let limit = call.query.number("limit")?.unwrap_or(DEFAULT_LIMIT.min(max));
        if !(1..=max).contains(&limit) {
            return Err(Failure::invalid("limit", format!("`limit` is 1 to {max}, not {limit}")));
        }
        let after = from.as_ref().map(|from| from.after.id().as_str());
        let page = call.hub().reviewable(&actor, organization, after, limit)?;
        let started_at = match from {
            Some(from) => from.started_at,
            None => call.warden().revision()?,
        };
        let next = page.next.map(|id| {
            let limit = u32::try_from(limit).unwrap_or(u32::MAX);
            let after = Uid::new(names::TOKEN, id);
            call.app.page_tokens.write(&listing, &Position { limit, started_at, after })
        });
        let now = call.warden().clock().now();
        let tokens = page.tokens.iter().map(|stored| ReviewBody::new(stored, organization, now)).collect();
        Ok(Reply::ok(&ReviewsReply { tokens, next_page_token: next }))
    })
    .await
}

pub async fn approve(call: Call) -> Answered {
    review(call, Review::Approve).await
}

pub async fn deny(call: Call) -> Answered {
    review(call, Review::Deny).await
}

pub async fn revoke(call: Call) -> Answered {
    review(call, Review::Revoke).await
}

async fn review(call: Call, review: Review) -> Answered {
    let actor = actor(&call)?;
    call.blocking(move |call| {
        let organization = call.params.get("organization");
        let stored = call.hub().review(&actor, organization, call.params.get("id"), review)?;
        changed(call, &stored);
        let token = ReviewBody::new(&stored, organization, call.warden().clock().now());
        Ok(Reply::ok(&ReviewReply { token }).at(stored.revision))
    })
    .await
}

impl ReviewBody {
    pub fn new(stored: &Stored, organization: &str, now: Timestamp) -> Self {
        let all = TokenBody::new(stored, now);
        let here = stored.token.grants.scoped.keys().map(|target| target.namespace() == organization);
        let grants = all.grants.into_iter().zip(here).filter(|(_, here)| *here).map(|(grant, _)| grant);
        Self {
            grants: grants.collect(),
            id: all.id,
            owner: all.owner,
            name: all.name,
            role: all.role,
            last_characters: all.last_characters,
            created_at: all.created_at,
            last_used_at: all.last_used_at,
            expires_at: all.expires_at,
            expired: all.expired,
            state: stored.state_in(organization).name(),
        }
    }
}
