//! `POST /access/v1/evaluation`: one question.

use serde_json::Value as Json;

use super::asking::Asking;
use super::plain::Plain;
use super::verdict::decide;
use crate::http::call::Call;
use crate::http::fields::Fields;
use crate::http::reply::{Answered, Reply};
use crate::warden::Api;

pub async fn answer(call: Call) -> Answered {
    call.check_type()?;
    match call.asks_past() {
        true => call.blocking(body).await,
        false => body(&call),
    }
}

fn body(call: &Call) -> Answered {
    match Plain::read(&call.body) {
        Some(plain) => single(call, &plain.asking()),
        None => top_level(call, &call.json()?),
    }
}

/// Answers the question at the top level of a body.
pub(super) fn top_level(call: &Call, json: &Json) -> Answered {
    let fields = Fields::of_body(json)?;
    single(call, &Asking::read(&fields, &fields)?)
}

fn single(call: &Call, asking: &Asking) -> Answered {
    let explain = call.query.flag("explain")?;
    let session = call.session(Api::Authzen)?;
    let reply = decide(call, &session, asking, explain)?;
    Ok(Reply::ok(&reply).at(session.revision()).of_bundle(session.bundle().hash()))
}
