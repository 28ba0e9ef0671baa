//! `/v1/organizations/{organization}/tokens…`: which tokens an organization lets in.

use jiff::Timestamp;
use serde::Serialize;
use utoipa::ToSchema;

use super::{GrantBody, TokenBody, actor, one::changed};
use crate::entity::Uid;
use crate::http::call::Call;
use crate::http::paging::Paging;
use crate::http::reply::{Answered, Reply};
use crate::hub::{Review, Stored};
use crate::tokens::names;

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
        let filters = [organization];
        let paging = Paging::read(call, &filters)?;
        let started_at = paging.started_at(call.warden().revision()?)?;
        let after = paging.after().map(|after| after.id().as_str());
        let page = call.hub().reviewable(&actor, organization, after, paging.limit)?;
        let next = page.next.map(|id| paging.token(Uid::new(names::TOKEN, id), started_at));
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
