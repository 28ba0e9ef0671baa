//! `POST /access/v1/evaluation`: one question.

use serde_json::Value as Json;

use super::asking::Asking;
use super::verdict::decide;
use crate::http::call::Call;
use crate::http::fields::Fields;
use crate::http::reply::{Answered, Reply};
use crate::warden::Api;

pub async fn answer(call: Call) -> Answered {
    let json = call.json()?;
    match call.asks_past() {
        true => call.blocking(move |call| single(call, &json)).await,
        false => single(&call, &json),
    }
}

/// Answers the question at the top level of a body.
pub(super) fn single(call: &Call, json: &Json) -> Answered {
    let fields = Fields::of_body(json)?;
    let asking = Asking::read(&fields, &fields)?;
    let explain = call.query.flag("explain")?;
    let session = call.session(Api::Authzen)?;
    let reply = decide(call, &session, &asking, explain)?;
    Ok(Reply::ok(&reply).at(session.revision()).of_bundle(session.bundle().hash()))
}
