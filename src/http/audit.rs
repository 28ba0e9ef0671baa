//! `GET /v1/audit`, `/v1/audit/{decision_id}`: the decision log, the newest records first, or the oldest.
//!
//! A page is bound in what it reads as well as in what it tells: it may be short, or empty, and not be the last.

use jiff::Timestamp;
use serde::Serialize;
use serde_json::Value as Json;
use utoipa::ToSchema;

use super::call::Call;
use super::failure::Failure;
use super::paging::Paging;
use super::reply::{Answered, Reply};
use crate::audit::{Filter, newest_first, oldest_first};
use crate::entity::Uid;
use crate::store::Revision;

/// Bytes of segments that one page reads.
const BUDGET: u64 = 128 * 1024 * 1024;

/// What can be asked for, beside a page's size and place.
pub const FILTERS: &[(&str, &str)] = &[
    ("since", "records at this time or later (RFC 3339)"),
    ("until", "records before this time"),
    (
        "principal",
        "`user:alice`, `Hub::User::\"alice\"`, or an id; also whom a credential acted for, and who changed something",
    ),
    ("resource", "as `principal`; also what a change was about"),
    ("action", "as `principal`"),
    ("decision", "`allow` or `deny`"),
    ("policy", "the id of a policy that determined the decision"),
    ("token", "the id of an access token"),
    ("reason", "the code of a refusal"),
    ("key", "the id of the API key that asked"),
    ("request_id", "`X-Request-ID`"),
    ("kind", "`decision`, `search` or `change`; `segment`, `checkpoint`, … for what the log says of itself"),
    ("after", "records behind this one, by its `seq`"),
    ("order", "`newest` first, or `oldest`"),
    ("limit", "records on a page"),
    ("page_token", "`next_page_token` of the page before"),
];

/// A page of records.
#[derive(Serialize, ToSchema)]
pub struct AuditReply {
    /// As they stand in the log.
    #[schema(value_type = Vec<Object>)]
    records: Vec<Json>,
    /// Where the list goes on; `null` at its end.
    next_page_token: Option<String>,
    /// Parts of the log that could not be read.
    damage: Vec<DamageBody>,
}

#[derive(Serialize, ToSchema)]
pub struct DamageBody {
    segment: String,
    what: String,
}

/// One record.
#[derive(Serialize, ToSchema)]
pub struct AuditRecordReply {
    #[schema(value_type = Object)]
    record: Json,
}

pub async fn list(call: Call) -> Answered {
    call.blocking(page).await
}

pub async fn one(call: Call) -> Answered {
    call.blocking(|call| {
        let id = call.params.get("decision_id");
        let filter = Filter { decision_id: Some(id.to_owned()), ..Filter::default() };
        let dir = folder(call)?;
        // An id is found once: all of the log may be read for it.
        let page = newest_first(&dir, &filter, None, 1, u64::MAX).map_err(unreadable)?;
        let record = page.found.first().and_then(|found| serde_json::from_str(&found.line).ok());
        let record = record.ok_or_else(|| Failure::not_found(format!("the log has no decision `{id}`")))?;
        Ok(Reply::ok(&AuditRecordReply { record }))
    })
    .await
}

/// The log's folder, with everything in it that was decided before this request.
fn folder(call: &Call) -> Result<std::path::PathBuf, Failure> {
    let log = call.warden().audit();
    log.flush();
    let place = log.place().map(|(dir, _)| dir.to_owned());
    place.ok_or_else(|| Failure::not_found("this server keeps no decision log"))
}

fn page(call: &Call) -> Answered {
    let dir = folder(call)?;
    let filter = filter(call)?;
    let of = |name: &str| call.query.get(name).unwrap_or_default();
    let filters: Vec<&str> =
        FILTERS.iter().map(|(name, _)| *name).filter(|name| !PLACE.contains(name)).map(of).collect();
    let paging = Paging::read(call, &filters)?;
    let place = paging.after().map(place).transpose()?;
    let page = match call.query.get("order") {
        None | Some("newest") => newest_first(&dir, &filter, place, paging.limit, BUDGET),
        Some("oldest") => {
            let filter = Filter { after: place.or(filter.after), ..filter };
            oldest_first(&dir, &filter, paging.limit, BUDGET)
        }
        Some(_) => return Err(Failure::invalid("order", "`order` is `newest` or `oldest`")),
    };
    let page = page.map_err(unreadable)?;
    let next = page.next.map(|next| paging.token(Uid::new("", next.to_string()), Revision::default()));
    let records: Result<Vec<Json>, _> = page.found.iter().map(|found| serde_json::from_str(&found.line)).collect();
    let reply = AuditReply {
        records: records.map_err(|error| unreadable(error.into()))?,
        next_page_token: next,
        damage: page
            .damage
            .into_iter()
            .map(|damage| DamageBody { segment: damage.segment, what: damage.what })
            .collect(),
    };
    Ok(Reply::ok(&reply))
}

/// What says where a list goes on, and not what it is of.
const PLACE: &[&str] = &["limit", "page_token"];

/// A page token's place: the number of a record.
fn place(after: &Uid) -> Result<u64, Failure> {
    after.id().parse().map_err(|_| Failure::invalid("page_token", "this page token is of another list"))
}

fn filter(call: &Call) -> Result<Filter, Failure> {
    let text = |name: &str| call.query.get(name).map(str::to_owned);
    let time = |name: &str| match call.query.get(name) {
        None => Ok(None),
        Some(text) => match text.parse::<Timestamp>() {
            Ok(at) => Ok(Some(at)),
            Err(_) => Err(Failure::invalid(name, format!("`{name}` is a time such as 2026-08-01T12:00:00Z"))),
        },
    };
    let decision = text("decision");
    if decision.as_deref().is_some_and(|decision| !matches!(decision, "allow" | "deny")) {
        return Err(Failure::invalid("decision", "`decision` is `allow` or `deny`"));
    }
    Ok(Filter {
        since: time("since")?,
        until: time("until")?,
        principal: text("principal"),
        resource: text("resource"),
        action: text("action"),
        decision,
        policy: text("policy"),
        token: text("token"),
        reason: text("reason"),
        key: text("key"),
        request_id: text("request_id"),
        kind: text("kind"),
        after: call.query.number("after")?.map(|seq| seq as u64),
        ..Filter::default()
    })
}

fn unreadable(error: std::io::Error) -> Failure {
    tracing::error!(%error, "the decision log cannot be read");
    Failure::unavailable("audit_unreadable", "the decision log cannot be read; the server's log says why")
}
