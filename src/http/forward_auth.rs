//! `GET /v1/forward-auth`: a gateway asks whether to pass a request on.
//!
//! The rules of the bundle (`gateway.json`) say what the request means. Two forms, which are never mixed:
//! - the request in headers, as nginx (`X-Original-Method`, `X-Original-URI`), Traefik and Caddy (`X-Forwarded-Method`,
//!   `X-Forwarded-Uri`) send it. A client can send the pair that its gateway does not set: then the two must agree;
//! - the request behind the path, with its own method, as Envoy's `ext_authz` sends it. No header is looked at then.
//!
//! The client's `Authorization` comes along untouched; the gateway's own key is in `Hubwarden-Key`. Which rule spoke,
//! and no path, goes to the log.

use axum::http::{HeaderMap, HeaderName, HeaderValue, StatusCode};
use serde_json::{Map, Value as Json};

use super::access::only;
use super::call::Call;
use super::client;
use super::failure::Failure;
use super::path::percent_encode;
use super::reply::{Answered, Reply};
use crate::entity::Uid;
use crate::hub::{Caller, Check, Checked, Refusal};
use crate::pdp::{Bundle, ContextRules, HttpRequest, Reason, Routed, RoutedResource, Unrouted};
use crate::warden::{Api, Session, Unasked};

const ORIGINAL: [HeaderName; 2] =
    [HeaderName::from_static("x-original-method"), HeaderName::from_static("x-original-uri")];
const FORWARDED: [HeaderName; 2] =
    [HeaderName::from_static("x-forwarded-method"), HeaderName::from_static("x-forwarded-uri")];
const PREFIX: &str = "/v1/forward-auth";

const USER: HeaderName = HeaderName::from_static("hubwarden-user");
const TOKEN: HeaderName = HeaderName::from_static("hubwarden-token");
/// What the path was read as, so that no backend has to read it again, in another way.
const RESOURCE: HeaderName = HeaderName::from_static("hubwarden-resource");
const ALLOWED: HeaderName = HeaderName::from_static("hubwarden-allowed");
const DECISION: HeaderName = HeaderName::from_static("hubwarden-decision-id");
const STATUS: HeaderName = HeaderName::from_static("hubwarden-status");
const BODY: HeaderName = HeaderName::from_static("hubwarden-body");

/// What the gateway is told.
enum Verdict {
    Allow { checked: Box<Checked>, resource: Uid, allowed: Vec<Uid> },
    Deny { id: String, code: String, refusal: Refusal },
}

pub async fn answer(call: Call) -> Answered {
    let collapse = match call.query.get("deny") {
        None => false,
        Some("403") => true,
        Some(_) => return Err(Failure::invalid("deny", "`deny` can only be `403`")),
    };
    let (method, target) = original(&call)?;
    let session = call.warden().session(Api::Gateway, call.at_least)?;
    let (revision, bundle) = (session.revision(), session.bundle().hash().to_owned());
    let reply = match verdict(&call, &session, &method, &target)? {
        Verdict::Allow { checked, resource, allowed } => allow(&checked, &resource, &allowed),
        Verdict::Deny { id, code, refusal } => deny(&id, &code, &refusal, collapse),
    };
    Ok(reply.at(revision).of_bundle(bundle))
}

/// The method and the path of the request that is asked about, as its client sent them.
fn original(call: &Call) -> Result<(String, String), Failure> {
    if call.route.is_prefix() {
        let target = call.target.path_and_query().map(|target| target.as_str()).unwrap_or_default();
        let target = target.strip_prefix(PREFIX).unwrap_or_default();
        return Ok((call.method.to_string(), target.to_owned()));
    }
    let pair = |names: &[HeaderName; 2]| -> Result<Option<(String, String)>, Failure> {
        if !names.iter().any(|name| call.headers.contains_key(name)) {
            return Ok(None);
        }
        let value = |name: &HeaderName| {
            let message = format!("`{name}` must stand exactly once");
            only(&call.headers, name.clone()).map(str::to_owned).ok_or_else(|| Failure::invalid(name.as_str(), message))
        };
        let [method, target] = names;
        Ok(Some((value(method)?, value(target)?)))
    };
    match (pair(&ORIGINAL)?, pair(&FORWARDED)?) {
        (Some(original), Some(forwarded)) if original != forwarded => Err(Failure::invalid(
            "X-Forwarded-Uri",
            "`X-Original-…` and `X-Forwarded-…` tell of different requests; a gateway must clear the ones it does not set",
        )),
        (Some(pair), _) | (None, Some(pair)) => Ok(pair),
        (None, None) => Err(Failure::invalid(
            "X-Original-URI",
            "the request is missing: `X-Original-Method` and `X-Original-URI`, or `X-Forwarded-Method` and \
             `X-Forwarded-Uri`",
        )),
    }
}

fn verdict(call: &Call, session: &Session, method: &str, target: &str) -> Result<Verdict, Failure> {
    let Some(gateway) = session.bundle().gateway() else {
        return Err(Failure::new(
            StatusCode::NOT_FOUND,
            "no_gateway_rules",
            "the bundle in force has no rules for gateways: no `gateway.json`",
        ));
    };
    let header = |name: &str| values(&call.headers, name);
    let routed = match gateway.route(&HttpRequest { method, target, header: &header }) {
        Ok(routed) => routed,
        Err(unrouted) => return refuse_unrouted(session, unrouted),
    };
    tracing::debug!(request_id = call.request_id.as_str(), rule = %routed.about, "gateway");
    let caller = call.hub().identify(session, &client::presented(call))?;
    let Some(resource) = resource(&routed, &caller) else {
        // What is the caller's own needs a caller.
        let reason = session.bundle().reason("not_found", true);
        let message = reason.as_ref().map_or("Invalid username or password.", |reason| &reason.message).to_owned();
        let code = reason.map_or("not_found".to_owned(), |reason| reason.code.to_string());
        let refusal = Refusal { status: 401, error_code: None, message };
        let unasked =
            Unasked { action: Some(routed.action), reason: code.as_str().into(), status: 401, ..Unasked::default() };
        return Ok(Verdict::Deny { id: session.deny_unasked(&unasked)?.to_string(), code, refusal });
    };
    let ask = |action: &Uid| -> Result<Checked, Failure> {
        let check = check(session.bundle(), action, &resource)?;
        Ok(call.hub().check_as(session, caller.clone(), check)?)
    };
    let checked = ask(&routed.action)?;
    if let Some((Reason { code, .. }, refusal)) = &checked.refusal {
        let (code, refusal) = (code.to_string(), refusal.clone());
        let challenge = routed.challenge && caller == Caller::Anonymous;
        let refusal = if challenge { refusal.challenging() } else { refusal };
        return Ok(Verdict::Deny { id: checked.id.to_string(), code, refusal });
    }
    let mut allowed = vec![routed.action.clone()];
    for action in &routed.also {
        if ask(action)?.allowed() {
            allowed.push(action.clone());
        }
    }
    Ok(Verdict::Allow { checked: Box::new(checked), resource, allowed })
}

/// A request that means nothing, or more than one thing.
fn refuse_unrouted(session: &Session, unrouted: Unrouted) -> Result<Verdict, Failure> {
    let (status, code) = match unrouted {
        Unrouted::Ambiguous(_) => (400, "ambiguous_request"),
        Unrouted::NoRule => (403, "no_rule"),
    };
    let refusal = Refusal { status, error_code: None, message: unrouted.to_string() };
    let id = session.deny_unasked(&Unasked { reason: code.into(), status, ..Unasked::default() })?;
    Ok(Verdict::Deny { id: id.to_string(), code: code.to_owned(), refusal })
}

/// What the question is about; nothing when it is the caller and there is none. A dead credential is refused whatever it
/// is about.
fn resource(routed: &Routed, caller: &Caller) -> Option<Uid> {
    match (&routed.resource, caller) {
        (RoutedResource::Entity(uid), _) => Some(uid.clone()),
        (RoutedResource::Caller, Caller::User(user) | Caller::Token { owner: user, .. }) => Some(user.clone()),
        (RoutedResource::Caller, Caller::Dead(_)) => Some(routed.action.clone()),
        (RoutedResource::Caller, Caller::Anonymous) => None,
    }
}

fn check(bundle: &Bundle, action: &Uid, resource: &Uid) -> Result<Check, Failure> {
    let context = bundle.admission().context(action, &Json::Object(Map::new()), ContextRules::Native)?;
    Ok(Check { action: action.clone(), resource: resource.clone(), context })
}

/// Every value of a header; one that is no text is an empty one, which no rule takes.
fn values(headers: &HeaderMap, name: &str) -> Vec<String> {
    headers.get_all(name).iter().map(|value| value.to_str().unwrap_or_default().to_owned()).collect()
}

fn allow(checked: &Checked, resource: &Uid, allowed: &[Uid]) -> Reply {
    let names: Vec<&str> = allowed.iter().map(|action| action.id().as_str()).collect();
    let mut reply = Reply::empty(StatusCode::OK)
        .with(RESOURCE, client::header_text(resource.id()))
        .with(ALLOWED, client::header_text(&names.join(" ")))
        .with(DECISION, client::header_text(&checked.id.to_string()));
    if let Some(user) = checked.caller.user() {
        reply = reply.with(USER, client::header_text(&percent_encode(user)));
    }
    if let Some(token) = checked.caller.token() {
        reply = reply.with(TOKEN, client::header_text(&percent_encode(token)));
    }
    reply
}

fn deny(id: &str, code: &str, refusal: &Refusal, collapse: bool) -> Reply {
    // The status that is sent decides about the challenge, and 401 is sent as it is.
    let body = ascii(&serde_json::json!({"error": refusal.message}).to_string());
    client::refused(refusal)
        .with(DECISION, client::header_text(id))
        .with(client::REASON, client::header_text(code))
        .with(STATUS, HeaderValue::from(refusal.status))
        .with(BODY, client::header_text(&body))
        .with_status(match refusal.status {
            401 => StatusCode::UNAUTHORIZED,
            _ if collapse => StatusCode::FORBIDDEN,
            status => StatusCode::from_u16(status).unwrap_or(StatusCode::FORBIDDEN),
        })
}

/// JSON in ASCII: what is beyond stands as escapes.
fn ascii(json: &str) -> String {
    let mut text = String::with_capacity(json.len());
    for unit in json.encode_utf16() {
        match u8::try_from(unit) {
            Ok(byte) if byte.is_ascii() => text.push(char::from(byte)),
            _ => text.push_str(&format!("\\u{unit:04x}")),
        }
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_body_in_a_header_is_the_same_json() {
        let body = serde_json::json!({"error": "the token `é😀\n\"` lacks it"});
        let text = ascii(&body.to_string());
        assert!(text.bytes().all(|byte| byte == b' ' || byte.is_ascii_graphic()), "{text}");
        assert_eq!(serde_json::from_str::<Json>(&text).unwrap(), body);
    }
}
