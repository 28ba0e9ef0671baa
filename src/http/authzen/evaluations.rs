//! `POST /access/v1/evaluations`: a batch of questions, all answered at one revision and by one bundle.
//!
//! An item that is no question is a `false` with an `error`, so that the others are still answered. Items are never
//! merged, however alike they are.

use axum::http::StatusCode;
use serde_json::Value as Json;

use super::asking::Asking;
use super::evaluation::top_level;
use super::plain::Plain;
use super::verdict::decide;
use super::{DecisionContext, DecisionReply, EvaluationsReply, ItemError};
use crate::http::call::Call;
use crate::http::failure::Failure;
use crate::http::fields::Fields;
use crate::http::reply::{Answered, Reply};
use crate::warden::Api;

/// When to stop.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Semantic {
    ExecuteAll,
    DenyOnFirstDeny,
    PermitOnFirstPermit,
}

pub async fn answer(call: Call) -> Answered {
    call.check_type()?;
    // A hundred questions take milliseconds: not on a thread that serves connections.
    call.blocking(body).await
}

fn body(call: &Call) -> Answered {
    match Plain::list(&call.body) {
        Some(plain) => each(call, Semantic::ExecuteAll, plain.iter().map(|plain| Ok(plain.asking()))),
        None => careful(call, &call.json()?),
    }
}

fn careful(call: &Call, json: &Json) -> Answered {
    let fields = Fields::of_body(json)?;
    let items = fields.array("evaluations")?.unwrap_or_default();
    let semantic = semantic(&fields)?;
    if items.is_empty() {
        return top_level(call, json);
    }
    for name in ["subject", "action", "resource", "context"] {
        fields.object(name)?;
    }
    let read = |(index, item)| Asking::read(&Fields::at(item, format!("evaluations[{index}]"))?, &fields);
    each(call, semantic, items.iter().enumerate().map(read))
}

fn each<'a>(
    call: &Call,
    semantic: Semantic,
    items: impl ExactSizeIterator<Item = Result<Asking<'a>, Failure>>,
) -> Answered {
    let (count, limit) = (items.len(), call.app.limits.evaluations);
    if count > limit {
        let message = format!("`evaluations` has at most {limit} items, not {count}");
        return Err(Failure::new(StatusCode::BAD_REQUEST, "too_many_evaluations", message).at("evaluations"));
    }
    let explain = call.query.flag("explain")?;
    call.warden().metrics().batch(count);
    let session = call.session(Api::Authzen)?;
    let mut evaluations = Vec::with_capacity(count);
    for item in items {
        let decision = match item.and_then(|asking| decide(call, &session, &asking, explain)) {
            Err(failure) if failure.status.is_server_error() => return Err(failure),
            Err(failure) => failed(failure),
            Ok(decision) => decision,
        };
        let stop = match semantic {
            Semantic::ExecuteAll => false,
            Semantic::DenyOnFirstDeny => !decision.decision,
            Semantic::PermitOnFirstPermit => decision.decision,
        };
        evaluations.push(decision);
        if stop {
            break;
        }
    }
    Ok(Reply::ok(&EvaluationsReply { evaluations }).at(session.revision()).of_bundle(session.bundle().hash()))
}

fn failed(failure: Failure) -> DecisionReply {
    let error = ItemError { status: failure.status.as_u16(), message: failure.message };
    DecisionReply { decision: false, context: Some(DecisionContext { error: Some(error), ..Default::default() }) }
}

fn semantic(fields: &Fields) -> Result<Semantic, Failure> {
    let Some(options) = fields.object("options")? else {
        return Ok(Semantic::ExecuteAll);
    };
    if options.get("evaluations_semantic").is_none() {
        return Ok(Semantic::ExecuteAll);
    }
    match options.text("evaluations_semantic")? {
        "execute_all" => Ok(Semantic::ExecuteAll),
        "deny_on_first_deny" => Ok(Semantic::DenyOnFirstDeny),
        "permit_on_first_permit" => Ok(Semantic::PermitOnFirstPermit),
        other => {
            let message = format!(
                "there is no semantic `{other}`; known: execute_all, deny_on_first_deny, permit_on_first_permit"
            );
            Err(Failure::invalid(options.path("evaluations_semantic"), message))
        }
    }
}
