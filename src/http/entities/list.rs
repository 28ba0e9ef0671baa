//! `GET /v1/entities`: a list by pages.
//!
//! A page is complete up to its last entity, never cut silently. Pages are read at the head of their time; `started_at`
//! tells the head of the first one, so a reader that needs one consistent list starts again when the two differ.

use serde::Serialize;
use serde_json::Value as Json;
use utoipa::ToSchema;

use crate::http::call::Call;
use crate::http::failure::Failure;
use crate::http::paging::Paging;
use crate::http::reply::{Answered, Reply};
use crate::store::ListQuery;
use crate::warden::Api;

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
    let filters = [type_name.as_deref().unwrap_or_default(), prefix];
    let paging = Paging::read(call, &filters)?;
    let limit = paging.limit;
    let started_at = paging.started_at(session.revision())?;
    let query = ListQuery { type_name: type_name.as_ref().map(ToString::to_string), id_prefix: prefix.to_owned() };
    let mut found = session.list(&query, paging.after(), limit.saturating_add(1))?;
    let more = found.len() > limit;
    found.truncate(limit);
    let last = found.last().filter(|_| more).map(|stored| stored.entity.uid.clone());
    let next = last.map(|after| paging.token(after, started_at));
    let reply = ListReply {
        entities: found.iter().map(|stored| stored.entity.to_json()).collect(),
        next_page_token: next,
        revision: session.revision().0,
        started_at: started_at.0,
    };
    Ok(Reply::ok(&reply).at(session.revision()).of_bundle(session.bundle().hash()))
}
