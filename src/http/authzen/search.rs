//! `POST /access/v1/search/…`: who may, on what, and how.
//!
//! What is malformed is a 400; what is well-formed and unknown (a type, an action, an id) has no results. The id of what is
//! sought is ignored. A result is what an evaluation would allow, so a search tells nobody of what they may not see.

mod paging;

use axum::http::{HeaderName, HeaderValue};
use serde::Serialize;
use serde_json::Value as Json;
use utoipa::ToSchema;

use super::asking::{Asking, Side, Sought};
use super::verdict::lay_over;
use crate::entity::{Record, Uid};
use crate::http::call::Call;
use crate::http::failure::Failure;
use crate::http::fields::Fields;
use crate::http::reply::{Answered, Reply};
use crate::pdp::{Bundle, ContextRules};
use crate::warden::{Api, Laid, Open, Scope, Session};
use paging::{PageReply, Pages};

/// How candidates were found: `index`, or `scan` when every entity of the type had to be looked at.
const WAY: HeaderName = HeaderName::from_static("hubwarden-search");

/// Which page is wanted.
#[derive(ToSchema)]
#[expect(dead_code, reason = "the form of a body; it is read field by field, for errors that name the field")]
pub struct PageBody {
    /// `next_token` of the page before.
    token: Option<String>,
    /// Results on a page; a token keeps it.
    limit: Option<u64>,
    /// `any_revision: true` on the first page lets the search go on when the store changes.
    #[schema(value_type = Option<Object>)]
    properties: Option<Json>,
}

/// What is sought: its type. Its id is ignored.
#[derive(ToSchema)]
#[expect(dead_code, reason = "as PageBody")]
pub struct SoughtBody {
    r#type: String,
    /// Laid over the stored attributes of every candidate for this search; need the scope `write`.
    #[schema(value_type = Option<Object>)]
    properties: Option<Json>,
}

/// Who may do this?
#[derive(ToSchema)]
#[expect(dead_code, reason = "as PageBody")]
pub struct SubjectSearchRequest {
    subject: SoughtBody,
    action: super::ActionBody,
    resource: super::PartyBody,
    #[schema(value_type = Option<Object>)]
    context: Option<Json>,
    page: Option<PageBody>,
}

/// On what may they do this?
#[derive(ToSchema)]
#[expect(dead_code, reason = "as PageBody")]
pub struct ResourceSearchRequest {
    subject: super::PartyBody,
    action: super::ActionBody,
    resource: SoughtBody,
    #[schema(value_type = Option<Object>)]
    context: Option<Json>,
    page: Option<PageBody>,
}

/// What may they do there?
#[derive(ToSchema)]
#[expect(dead_code, reason = "as PageBody")]
pub struct ActionSearchRequest {
    subject: super::PartyBody,
    resource: super::PartyBody,
    #[schema(value_type = Option<Object>)]
    context: Option<Json>,
    page: Option<PageBody>,
}

/// One result: an entity, or an action by its name.
#[derive(Serialize, ToSchema)]
#[serde(untagged)]
pub enum ResultBody {
    Entity { r#type: String, id: String },
    Action { name: String },
}

/// A page of results, in byte order.
#[derive(Serialize, ToSchema)]
pub struct SearchReply {
    /// Stands there when a page was asked for, or there is more.
    #[serde(skip_serializing_if = "Option::is_none")]
    page: Option<PageReply>,
    /// With `?explain=true`.
    #[serde(skip_serializing_if = "Option::is_none")]
    context: Option<SearchContext>,
    results: Vec<ResultBody>,
}

#[derive(Serialize, ToSchema)]
pub struct SearchContext {
    revision: u64,
    bundle: String,
    search_id: String,
    /// `index` or `scan`.
    way: &'static str,
    /// How many candidates were decided for this page.
    decided: u64,
}

pub async fn subject(call: Call) -> Answered {
    answer(call, Sought::Subject).await
}

pub async fn resource(call: Call) -> Answered {
    answer(call, Sought::Resource).await
}

pub async fn action(call: Call) -> Answered {
    answer(call, Sought::Action).await
}

async fn answer(call: Call, sought: Sought) -> Answered {
    let json = call.json()?;
    // A page may take long.
    call.blocking(move |call| page(call, &json, sought)).await
}

fn page(call: &Call, json: &Json, sought: Sought) -> Answered {
    let fields = Fields::of_body(json)?;
    let asking = Asking::searching(&fields, sought)?;
    let explain = call.query.flag("explain")? || asking.wants_reason();
    let session = call.warden().session(Api::Authzen, call.at_least)?;
    let pages = Pages::read(call, &session, &fields, &asking)?;
    let open = open(session.bundle(), &asking, sought)?;
    let laid = laid(call, &session, &asking, sought)?;
    let found = session.search(&open, &laid, &pages.wanted())?;
    let results = found.results.iter().map(|uid| result(&asking, sought, uid));
    let reply = SearchReply {
        page: pages.reply(&found),
        context: explain.then(|| SearchContext {
            revision: found.revision.0,
            bundle: found.bundle.to_string(),
            search_id: found.id.to_string(),
            way: found.way.name(),
            decided: found.decided,
        }),
        results: results.collect(),
    };
    let way = HeaderValue::from_static(found.way.name());
    Ok(Reply::ok(&reply).at(found.revision).of_bundle(&*found.bundle).with(WAY, way))
}

/// The search in the schema's words. What the schema does not know keeps its name, and nothing is found.
fn open(bundle: &Bundle, asking: &Asking, sought: Sought) -> Result<Open, Failure> {
    let type_of = |side: &Side| bundle.entity_type(side.type_name).unwrap_or_else(|_| side.type_name.into());
    let uid = |side: &Side| Uid::new(type_of(side), side.id);
    let action = || bundle.action(asking.action).unwrap_or_else(|_| Uid::new("", asking.action));
    let read = |action: &Uid| -> Result<Record, Failure> {
        if !bundle.knows_action(action) {
            return Ok(Record::new());
        }
        let context = asking.context(bundle, action);
        Ok(bundle.admission().context(action, &context, ContextRules::Open)?)
    };
    Ok(match sought {
        Sought::Subject => {
            let action = action();
            let context = read(&action)?;
            Open::Principal { type_name: type_of(&asking.subject), action, resource: uid(&asking.resource), context }
        }
        Sought::Resource => {
            let action = action();
            let context = read(&action)?;
            Open::Resource { principal: uid(&asking.subject), action, type_name: type_of(&asking.resource), context }
        }
        Sought::Action => {
            let (principal, resource) = (uid(&asking.subject), uid(&asking.resource));
            let actions = bundle.actions_between(principal.type_name(), resource.type_name());
            // One that demands more of the context than was sent cannot be asked about; if none can, that is the fault.
            let mut fault = None;
            let mut contexts = Vec::new();
            for action in actions {
                match read(&action) {
                    Ok(context) => contexts.push((action, context)),
                    Err(failure) => fault = Some(failure),
                }
            }
            match fault.filter(|_| contexts.is_empty()) {
                Some(failure) => return Err(failure),
                None => Open::Action { principal, resource, contexts },
            }
        }
    })
}

/// What the properties of the request lay over what is stored.
fn laid(call: &Call, session: &Session, asking: &Asking, sought: Sought) -> Result<Laid, Failure> {
    let bundle = session.bundle();
    let mut laid = Laid::default();
    for (side, is_sought) in
        [(&asking.subject, sought == Sought::Subject), (&asking.resource, sought == Sought::Resource)]
    {
        let Ok(type_name) = bundle.entity_type(side.type_name) else { continue };
        if !is_sought {
            lay_over(call, session, side, &Uid::new(type_name, side.id), &mut laid.known)?;
            continue;
        }
        let Some(properties) = side.properties else { continue };
        laid.sought = bundle.admission().properties(&type_name, properties, &side.path)?;
        if !laid.sought.is_empty() {
            call.caller.need(Scope::Write, &format!("`{}`, which stands over what is stored,", side.path))?;
        }
    }
    Ok(laid)
}

/// A result as it was asked for: types have the name that the request gave them.
fn result(asking: &Asking, sought: Sought, uid: &Uid) -> ResultBody {
    let entity = |side: &Side| ResultBody::Entity { r#type: side.type_name.to_owned(), id: uid.id().to_string() };
    match sought {
        Sought::Subject => entity(&asking.subject),
        Sought::Resource => entity(&asking.resource),
        Sought::Action => ResultBody::Action { name: uid.id().to_string() },
    }
}
