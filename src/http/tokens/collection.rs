//! `/v1/users/{user}/tokens`: all tokens of a user.

use axum::http::StatusCode;
use serde::Serialize;
use utoipa::ToSchema;

use super::{NewTokenReply, TokenBody, actor, shown, spec};
use crate::http::call::Call;
use crate::http::record;
use crate::http::reply::{Answered, Reply};

#[derive(Serialize, ToSchema)]
pub struct TokensReply {
    /// The newest first.
    tokens: Vec<TokenBody>,
}

pub async fn list(call: Call) -> Answered {
    let actor = actor(&call)?;
    call.blocking(move |call| {
        let tokens = call.hub().list(&actor, call.params.get("user"))?;
        Ok(Reply::ok(&TokensReply { tokens: tokens.iter().map(|stored| shown(call, stored)).collect() }))
    })
    .await
}

pub async fn create(call: Call) -> Answered {
    let actor = actor(&call)?;
    let new = spec::new_token(&call.json()?)?;
    call.blocking(move |call| {
        let (stored, value) = call.hub().create(&actor, call.params.get("user"), &new)?;
        record::changed(call, &format!("token {}", stored.token.id), 1, stored.revision);
        let reply = NewTokenReply::new(&stored, &value, call.warden().clock().now());
        Ok(Reply::json(StatusCode::CREATED, &reply).at(stored.revision).tagged(stored.revision).secret())
    })
    .await
}
