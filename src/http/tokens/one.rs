//! `/v1/users/{user}/tokens/{id}`: one token of a user.

use serde::Serialize;
use utoipa::ToSchema;

use super::{NewTokenReply, TokenBody, actor, shown, spec};
use crate::http::call::Call;
use crate::http::record;
use crate::http::reply::{Answered, Reply};
use crate::hub::Stored;

/// A token, and what it lets through in words.
#[derive(Serialize, ToSchema)]
pub struct TokenReply {
    token: TokenBody,
    /// A sentence each.
    sentences: Vec<String>,
}

#[derive(Serialize, ToSchema)]
pub struct TokenDeletedReply {
    id: String,
}

pub async fn show(call: Call) -> Answered {
    let actor = actor(&call)?;
    call.blocking(move |call| {
        let stored = call.hub().show(&actor, call.params.get("user"), call.params.get("id"))?;
        told(call, &stored)
    })
    .await
}

pub async fn edit(call: Call) -> Answered {
    let actor = actor(&call)?;
    let edit = spec::edit(&call.json()?)?;
    let expect = call.conditions()?.expect()?;
    call.blocking(move |call| {
        let stored = call.hub().edit(&actor, call.params.get("user"), call.params.get("id"), &edit, expect)?;
        changed(call, &stored);
        told(call, &stored)
    })
    .await
}

pub async fn refresh(call: Call) -> Answered {
    let actor = actor(&call)?;
    let expect = call.conditions()?.expect()?;
    call.blocking(move |call| {
        let (stored, value) = call.hub().refresh(&actor, call.params.get("user"), call.params.get("id"), expect)?;
        changed(call, &stored);
        let reply = NewTokenReply::new(&stored, &value, call.warden().clock().now());
        Ok(Reply::ok(&reply).at(stored.revision).tagged(stored.revision).secret())
    })
    .await
}

pub async fn delete(call: Call) -> Answered {
    let actor = actor(&call)?;
    let expect = call.conditions()?.expect()?;
    call.blocking(move |call| {
        let stored = call.hub().delete(&actor, call.params.get("user"), call.params.get("id"), expect)?;
        changed(call, &stored);
        Ok(Reply::ok(&TokenDeletedReply { id: stored.token.id.to_string() }).at(stored.revision))
    })
    .await
}

pub(super) fn changed(call: &Call, stored: &Stored) {
    record::changed(call, &format!("token {}", stored.token.id), 1, stored.revision);
}

fn told(call: &Call, stored: &Stored) -> Answered {
    let reply = TokenReply { token: shown(call, stored), sentences: call.hub().sentences(stored)? };
    Ok(Reply::ok(&reply).tagged(stored.revision))
}
