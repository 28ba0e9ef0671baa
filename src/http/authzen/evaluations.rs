//! `POST /access/v1/evaluations`: a batch of questions, all answered at one revision and by one bundle.
//!
//! An item that is no question is a `false` with an `error`, so that the others are still answered. Items are never
//! merged, however alike they are.

use axum::http::StatusCode;
use serde_json::Value as Json;

use super::asking::Asking;
use super::evaluation::single;
use super::verdict::decide;
use super::{DecisionContext, DecisionReply, EvaluationsReply, ItemError};
use crate::http::call::Call;
use crate::http::failure::Failure;
use crate::http::fields::Fields;
use crate::http::reply::{Answered, Reply};
use crate::warden::{Api, Session};

/// When to stop.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Semantic {
    ExecuteAll,
    DenyOnFirstDeny,
    PermitOnFirstPermit,
}

pub async fn answer(call: Call) -> Answered {
    let json = call.json()?;
    // A hundred questions take milliseconds: not on a thread that serves connections.
    call.blocking(move |call| batch(call, &json)).await
}

fn batch(call: &Call, json: &Json) -> Answered {
    let fields = Fields::of_body(json)?;
    let items = fields.array("evaluations")?.unwrap_or_default();
    let semantic = semantic(&fields)?;
    if items.is_empty() {
        return single(call, json);
    }
    let limit = call.app.limits.evaluations;
    if items.len() > limit {
        let message = format!("`evaluations` has at most {limit} items, not {}", items.len());
        return Err(Failure::new(StatusCode::BAD_REQUEST, "too_many_evaluations", message).at("evaluations"));
    }
    for name in ["subject", "action", "resource", "context"] {
        fields.object(name)?;
    }
    let explain = call.query.flag("explain")?;
    call.warden().metrics().batch(items.len());
    let session = call.session(Api::Authzen)?;
    let mut evaluations = Vec::with_capacity(items.len());
    for (index, item) in items.iter().enumerate() {
        let decision = match item_decision(call, &session, &fields, (index, item), explain) {
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

fn item_decision(
    call: &Call,
    session: &Session,
    defaults: &Fields,
    (index, item): (usize, &Json),
    explain: bool,
) -> Result<DecisionReply, Failure> {
    let own = Fields::at(item, format!("evaluations[{index}]"))?;
    let asking = Asking::read(&own, defaults)?;
    decide(call, session, &asking, explain)
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
