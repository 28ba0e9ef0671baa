//! `GET /v1/entities`: a list by pages.
//!
//! A page is complete up to its last entity, never cut silently. Pages are read at the head of their time; `started_at`
//! tells the head of the first one, so a reader that needs one consistent list starts again when the two differ.

use serde::Serialize;
use serde_json::Value as Json;
use utoipa::ToSchema;

use crate::http::call::Call;
use crate::http::failure::Failure;
use crate::http::page_token::{Listing, Position};
use crate::http::reply::{Answered, Reply};
use crate::store::{ListQuery, Revision};
use crate::warden::Api;

const DEFAULT_LIMIT: usize = 100;

/// A page of entities.
#[derive(Serialize, ToSchema)]
pub struct ListReply {
    #[schema(value_type = Vec<Object>)]
    entities: Vec<Json>,
    /// Where the list goes on; `null` at its end.
    next_page_token: Option<String>,
    /// The revision of this page.
    revision: u64,
    /// The revision of the first page.
    started_at: u64,
}

pub async fn answer(call: Call) -> Answered {
    call.blocking(page).await
}

fn page(call: &Call) -> Answered {
    let session = call.warden().session(Api::Native, call.at_least)?;
    let type_name = match call.query.get("type") {
        Some(name) => Some(session.bundle().entity_type(name).map_err(|fault| Failure::from(fault).at("type"))?),
        None => None,
    };
    let prefix = call.query.get("prefix").unwrap_or_default();
    let listing = Listing {
        store: call.warden().store_id(),
        route: call.route.path,
        filters: &[type_name.as_deref().unwrap_or_default(), prefix],
    };
    let from = match call.query.get("page_token") {
        Some(token) => Some(call.app.page_tokens.read(&listing, token)?),
        None => None,
    };
    let limit = limit(call, from.as_ref())?;
    let started_at = started_at(from.as_ref(), session.revision())?;
    let query = ListQuery { type_name: type_name.as_ref().map(ToString::to_string), id_prefix: prefix.to_owned() };
    let mut found = session.list(&query, from.as_ref().map(|from| &from.after), limit.saturating_add(1))?;
    let more = found.len() > limit;
    found.truncate(limit);
    let last = found.last().filter(|_| more).map(|stored| stored.entity.uid.clone());
    let next = last.map(|after| {
        let limit = u32::try_from(limit).unwrap_or(u32::MAX);
        call.app.page_tokens.write(&listing, &Position { limit, started_at, after })
    });
    let reply = ListReply {
        entities: found.iter().map(|stored| stored.entity.to_json()).collect(),
        next_page_token: next,
        revision: session.revision().0,
        started_at: started_at.0,
    };
    Ok(Reply::ok(&reply).at(session.revision()).of_bundle(session.bundle().hash()))
}

/// The size of a page: a token keeps it, and sending another one beside a token is a mistake.
fn limit(call: &Call, from: Option<&Position>) -> Result<usize, Failure> {
    let max = call.app.limits.page;
    let sent = call.query.number("limit")?;
    if let Some(sent) = sent.filter(|sent| !(1..=max).contains(sent)) {
        return Err(Failure::invalid("limit", format!("`limit` is 1 to {max}, not {sent}")));
    }
    let Some(from) = from else {
        return Ok(sent.unwrap_or(DEFAULT_LIMIT.min(max)));
    };
    let bound = usize::try_from(from.limit).unwrap_or(max).min(max);
    match sent.filter(|sent| *sent != bound) {
        Some(sent) => Err(Failure::invalid("limit", format!("this list goes by pages of {bound}, not of {sent}"))),
        None => Ok(bound),
    }
}

/// A token from a later revision than the head is from a store that was set back since.
fn started_at(from: Option<&Position>, head: Revision) -> Result<Revision, Failure> {
    match from.map(|from| from.started_at) {
        Some(started) if started > head => {
            Err(Failure::invalid("page_token", format!("this list was started at revision {started}, after {head}")))
        }
        started => Ok(started.unwrap_or(head)),
    }
}
