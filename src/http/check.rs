//! `POST /v1/check`: a service passes on the credential that it received, and learns what to answer.
//!
//! The credential is in the body and nowhere else: neither the log nor an error repeats it.

use axum::http::header;
use serde::Serialize;
use serde_json::{Map, Value as Json};
use std::collections::BTreeMap;
use utoipa::ToSchema;

use super::call::Call;
use super::client;
use super::failure::Failure;
use super::fields::Fields;
use super::question::{self, ReasonBody};
use super::reply::{Answered, Reply};
use crate::hub::{Check, Checked};
use crate::pdp::{Bundle, ContextRules};
use crate::store::Revision;
use crate::tokens::Presented;
use crate::warden::Api;

const FIELDS: &[&str] = &["authorization", "action", "resource", "context", "at_least"];

/// A question with a credential.
#[derive(ToSchema)]
#[expect(dead_code, reason = "the form of a body; it is read field by field, for errors that name the field")]
pub struct CheckRequest {
    /// The value of the client's `Authorization` header; left out, or `null`, when it sent none.
    authorization: Option<String>,
    /// `repo.write` or `Hub::Action::"repo.write"`.
    action: String,
    /// `{"type", "id"}` or `Hub::Repo::"models/acme/m1"`.
    #[schema(value_type = Object)]
    resource: Json,
    /// What else is known, e.g. `{"mfa": true}`.
    #[schema(value_type = Option<Object>)]
    context: Option<Json>,
    /// A revision that the answer must have seen.
    at_least: Option<u64>,
}

/// An answer.
#[derive(Serialize, ToSchema)]
pub struct CheckReply {
    /// `allow` or `deny`.
    decision: &'static str,
    /// The user's id; `null` for an anonymous caller and a dead credential.
    user: Option<String>,
    /// The token's id.
    token: Option<String>,
    /// Why not.
    reason: Option<ReasonBody>,
    /// What to answer the client.
    response: Option<ResponseBody>,
    /// The policies that decided.
    determining: Vec<String>,
    revision: u64,
    bundle: String,
    decision_id: String,
}

/// An answer to a client of the hub.
#[derive(Serialize, ToSchema)]
struct ResponseBody {
    status: u16,
    /// Each name with its values, e.g. `X-Error-Code`, `X-Error-Message`, `WWW-Authenticate`.
    headers: BTreeMap<String, Vec<String>>,
    /// `{"error": "…"}`.
    #[schema(value_type = Object)]
    body: Json,
}

pub async fn answer(call: Call) -> Answered {
    let json = call.json()?;
    let fields = Fields::of_body(&json)?;
    fields.only(FIELDS)?;
    if let Some(revision) = fields.number("at_least")? {
        call.app.reach(Revision(revision)).await?;
    }
    let presented = presented(&call, &fields)?;
    let session = call.warden().session(Api::Check, call.at_least)?;
    let check = check(session.bundle(), &fields)?;
    let checked = call.hub().check(&session, &presented, check)?;
    let reply = CheckReply::new(&checked, session.revision(), session.bundle().hash());
    Ok(Reply::ok(&reply).at(session.revision()).of_bundle(session.bundle().hash()))
}

fn presented(call: &Call, fields: &Fields) -> Result<Presented, Failure> {
    match fields.get("authorization") {
        None => Ok(Presented::Nothing),
        Some(Json::String(text)) => Ok(call.hub().presented(Some(text.as_bytes()))),
        Some(_) => Err(Failure::invalid("authorization", "`authorization` must be a string or null")),
    }
}

fn check(bundle: &Bundle, fields: &Fields) -> Result<Check, Failure> {
    let action = question::named_action(bundle, fields, "action")?;
    let resource = question::named(bundle, fields, "resource")?;
    let empty = Json::Object(Map::new());
    let context = fields.get("context").unwrap_or(&empty);
    // Who asks is said by the credential alone.
    let context = bundle.admission().context(&action, context, ContextRules::Open)?;
    Ok(Check { action, resource, context })
}

impl CheckReply {
    fn new(checked: &Checked, revision: Revision, bundle: &str) -> Self {
        Self {
            decision: if checked.allowed() { "allow" } else { "deny" },
            user: checked.caller.user().map(ToString::to_string),
            token: checked.caller.token().map(ToString::to_string),
            reason: checked.refusal.as_ref().map(|(reason, _)| ReasonBody {
                code: reason.code.to_string(),
                message: reason.message.clone(),
                status: reason.status,
            }),
            response: checked.refusal.as_ref().map(|(_, refusal)| {
                let mut headers: BTreeMap<String, Vec<String>> = BTreeMap::new();
                for (name, value) in client::headers(refusal) {
                    let value = value.to_str().unwrap_or_default().to_owned();
                    headers.entry(spelled(name.as_str())).or_default().push(value);
                }
                ResponseBody { status: refusal.status, headers, body: serde_json::json!({"error": refusal.message}) }
            }),
            determining: checked
                .ruling
                .as_ref()
                .map(|ruling| question::determining(&ruling.answer))
                .unwrap_or_default(),
            revision: revision.0,
            bundle: bundle.to_owned(),
            decision_id: checked.id.to_string(),
        }
    }
}

/// A header's name as people write it.
fn spelled(name: &str) -> String {
    match name {
        name if name == header::WWW_AUTHENTICATE.as_str() => "WWW-Authenticate".to_owned(),
        "x-error-code" => "X-Error-Code".to_owned(),
        "x-error-message" => "X-Error-Message".to_owned(),
        name => name.to_owned(),
    }
}
