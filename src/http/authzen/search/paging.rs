//! Pages of a search, in the words of the standard.
//!
//! A token is bound to all that was asked and to the size of the pages; and, unless the first page was asked for with
//! `any_revision`, to the bundle and the revision that the first page was made at: results of two states of the store
//! are not to be taken for one list unawares.

use std::time::Duration;

use axum::http::StatusCode;
use serde::Serialize;
use serde_json::Value as Json;
use smol_str::SmolStr;
use utoipa::ToSchema;

use crate::entity::Uid;
use crate::http::authzen::asking::{Asking, Side};
use crate::http::call::Call;
use crate::http::failure::Failure;
use crate::http::fields::Fields;
use crate::http::page_token::{Listing, Position};
use crate::warden::{FoundPage, PageOf, Session};

const DEFAULT_LIMIT: usize = 100;

/// A page of results.
#[derive(Serialize, ToSchema)]
pub struct PageReply {
    /// Where the search goes on; empty at its end.
    next_token: String,
    count: usize,
}

/// The pages of one search.
pub struct Pages<'c> {
    call: &'c Call,
    /// All that was asked.
    query: Vec<String>,
    limit: usize,
    any_revision: bool,
    from: SmolStr,
    /// Whether the request spoke of pages.
    asked: bool,
}

impl<'c> Pages<'c> {
    /// Reads `page`.
    ///
    /// # Errors
    /// 400 for a token that is forged, goes on with another search, or is from a state of the store that is gone.
    pub fn read(call: &'c Call, session: &Session, fields: &Fields, asking: &Asking) -> Result<Self, Failure> {
        let query = query(asking);
        let page = fields.object("page")?;
        let (mut token, mut sent, mut any_revision) = (None, None, None);
        if let Some(page) = &page {
            token = page.get("token").map(|_| page.text("token")).transpose()?.filter(|token| !token.is_empty());
            sent = page.number("limit")?;
            if let Some(properties) = page.object("properties")? {
                any_revision = properties.flag("any_revision")?;
            }
        }
        let max = call.app.limits.page;
        let sent = sent.map(|sent| usize::try_from(sent).unwrap_or(max).min(max));
        let mut pages = Self {
            call,
            query,
            limit: sent.unwrap_or(DEFAULT_LIMIT.min(max)),
            any_revision: any_revision.unwrap_or(false),
            from: SmolStr::default(),
            asked: page.is_some(),
        };
        let Some(token) = token else {
            return Ok(pages);
        };
        let filters: Vec<&str> = pages.query.iter().map(String::as_str).collect();
        let at =
            call.app.page_tokens.read(&pages.listing(&filters), token).map_err(|failure| failure.at("page.token"))?;
        pages.limit = usize::try_from(at.limit).unwrap_or(max).min(max);
        if sent.is_some_and(|sent| sent != pages.limit) {
            let message = format!("this search goes by pages of {}", pages.limit);
            return Err(Failure::invalid("page.limit", message));
        }
        // A token without a bundle is one that goes on whatever becomes of the store.
        let bound = at.after.type_name();
        pages.any_revision = bound.is_empty();
        if any_revision.is_some_and(|sent| sent != pages.any_revision) {
            let message = "`any_revision` is said once, with the first page";
            return Err(Failure::invalid("page.properties.any_revision", message));
        }
        if !bound.is_empty() && (at.started_at != session.revision() || bound != session.bundle().hash()) {
            let message = format!(
                "this search was begun at revision {}, and the store or the policies have changed since: begin again, or \
                 begin with `page.properties.any_revision: true`",
                at.started_at
            );
            return Err(Failure::new(StatusCode::BAD_REQUEST, "stale_page_token", message).at("page.token"));
        }
        pages.from = at.after.id().clone();
        Ok(pages)
    }

    fn listing<'l>(&'l self, filters: &'l [&'l str]) -> Listing<'l> {
        Listing { store: self.call.warden().store_id(), route: self.call.route.path, filters }
    }

    /// The page to look for.
    pub fn wanted(&self) -> PageOf {
        PageOf {
            from: self.from.clone(),
            limit: self.limit,
            time: self.time(),
            any_revision: self.any_revision,
            scan: false,
        }
    }

    /// Well below the deadline of the request, which would lose what was found.
    fn time(&self) -> Duration {
        self.call.app.limits.search_page.min(self.call.app.limits.deadline / 2)
    }

    /// What is said of the page that was found: nothing, when nobody asked and it is all.
    pub fn reply(&self, found: &FoundPage) -> Option<PageReply> {
        let bound = if self.any_revision { "" } else { &*found.bundle };
        let token = |from: &SmolStr| {
            let filters: Vec<&str> = self.query.iter().map(String::as_str).collect();
            let position = Position {
                limit: u32::try_from(self.limit).unwrap_or(u32::MAX),
                started_at: found.revision,
                after: Uid::new(bound, from.clone()),
            };
            self.call.app.page_tokens.write(&self.listing(&filters), &position)
        };
        let next_token = found.next.as_ref().map(token).unwrap_or_default();
        (self.asked || found.next.is_some()).then_some(PageReply { next_token, count: found.results.len() })
    }
}

/// All that decides about the results, each part for itself.
fn query(asking: &Asking) -> Vec<String> {
    let mut query = Vec::new();
    let mut side = |side: &Side| {
        query.extend([side.type_name.to_owned(), side.id.to_owned(), canonical(side.properties)]);
    };
    side(&asking.subject);
    side(&asking.resource);
    query.extend([asking.action.to_owned(), canonical(asking.action_properties), canonical(asking.context)]);
    query
}

/// JSON with its keys in order: the same search may be written in two ways.
fn canonical(json: Option<&Json>) -> String {
    match json {
        None => String::new(),
        Some(Json::Object(map)) => {
            let mut fields: Vec<String> = map
                .iter()
                .map(|(key, value)| format!("{}:{}", Json::from(key.as_str()), canonical(Some(value))))
                .collect();
            fields.sort();
            format!("{{{}}}", fields.join(","))
        }
        Some(Json::Array(items)) => {
            let items: Vec<String> = items.iter().map(|item| canonical(Some(item))).collect();
            format!("[{}]", items.join(","))
        }
        Some(plain) => plain.to_string(),
    }
}
