//! The table of routes: method, path, who may, what it takes, what it gives, what it changes, what it logs.
//!
//! The router, the check of keys, the description at `/openapi.json` and the tests are made from it. A path parameter
//! `{*id}` takes the rest of the path.

use std::borrow::Cow;
use std::future::Future;
use std::pin::Pin;

use utoipa::ToSchema;
use utoipa::openapi::{RefOr, Schema};

use super::call::{AS_OF_QUERY, Call};
use super::reply::Answered;
use super::{
    audit, auth_check, authorize, authzen, body, bundle, check, credentials, entities, explain, forward_auth, health,
    introspect, is_authorized, keys, metrics, openapi, policies, replay, shadow, tokens, who_can, whoami,
};
use crate::warden::Scope;

pub type Answering = Pin<Box<dyn Future<Output = Answered> + Send>>;

/// One route.
#[derive(Clone, Copy)]
pub struct Route {
    pub verb: Verb,
    pub path: &'static str,
    pub access: Access,
    pub effect: Effect,
    /// One line, for the description.
    pub about: &'static str,
    pub(super) body: Body,
    pub(super) query: &'static [(&'static str, &'static str)],
    pub(super) reply: Option<Shape>,
    pub(super) handler: fn(Call) -> Answering,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Verb {
    Get,
    Post,
    Put,
    Patch,
    Delete,
}

/// Who may use a route.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Access {
    /// Everybody, without a key.
    Public,
    /// The hub's own clients: `Authorization` is an access token, or nothing, and no key is looked for.
    Client,
    /// A key with one of these scopes, in `Authorization`.
    Scopes(&'static [Scope]),
    /// The same for gateways: the key is in `Hubwarden-Key`, because `Authorization` is their client's.
    Gateway(&'static [Scope]),
}

/// What a route does, and with it what is logged besides the access log.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Effect {
    /// Reads. `Quiet` routes are polled; their access log is at debug.
    Reads,
    Quiet,
    /// Answers questions.
    Decides,
    /// Changes something; every success leaves a change record.
    Changes,
}

/// What a route takes as its body.
#[derive(Clone, Copy)]
pub(super) enum Body {
    None,
    Small(&'static [&'static str], Shape),
    Bulk(&'static [&'static str], Shape),
}

/// A type's place in the description.
#[derive(Clone, Copy)]
pub(super) struct Shape {
    pub name: fn() -> Cow<'static, str>,
    pub schema: fn() -> RefOr<Schema>,
    pub parts: fn(&mut Vec<(String, RefOr<Schema>)>),
}

const EVALUATE: Access = Access::Scopes(&[Scope::Evaluate]);
const READ: Access = Access::Scopes(&[Scope::Read]);
const WRITE: Access = Access::Scopes(&[Scope::Write]);
const ADMIN: Access = Access::Scopes(&[Scope::Admin]);
const TOKENS: Access = Access::Scopes(&[Scope::Tokens]);
const AUDIT: Access = Access::Scopes(&[Scope::Audit]);
const INTROSPECT: Access = Access::Scopes(&[Scope::Evaluate, Scope::Tokens]);
const OBSERVE: Access = Access::Scopes(&[Scope::Read, Scope::Audit]);
const ANY: Access = Access::Scopes(&Scope::ALL);

/// Every route there is.
pub fn routes() -> &'static [Route] {
    ROUTES
}

static ROUTES: &[Route] = &[
    // ---- the standard API
    decides("/access/v1/evaluation", |call| Box::pin(authzen::evaluation::answer(call)))
        .about("Answers one question (AuthZEN Access Evaluation).")
        .query(&[("explain", "`true` for the reason in `context`"), AS_OF_QUERY])
        .takes::<authzen::EvaluationRequest>()
        .gives::<authzen::DecisionReply>(),
    decides("/access/v1/evaluations", |call| Box::pin(authzen::evaluations::answer(call)))
        .about("Answers a batch of questions at one revision (AuthZEN Access Evaluations).")
        .query(&[("explain", "`true` for the reasons in `context`"), AS_OF_QUERY])
        .takes::<authzen::EvaluationsRequest>()
        .gives::<authzen::EvaluationsReply>(),
    // A search says what as many evaluations would say, so it takes what they take.
    decides("/access/v1/search/subject", |call| Box::pin(authzen::search::subject(call)))
        .about("Who may do this (AuthZEN Subject Search).")
        .query(&[("explain", "`true` for how it was found in `context`")])
        .takes::<authzen::search::SubjectSearchRequest>()
        .gives::<authzen::search::SearchReply>(),
    decides("/access/v1/search/resource", |call| Box::pin(authzen::search::resource(call)))
        .about("On what they may do this (AuthZEN Resource Search).")
        .query(&[("explain", "`true` for how it was found in `context`")])
        .takes::<authzen::search::ResourceSearchRequest>()
        .gives::<authzen::search::SearchReply>(),
    decides("/access/v1/search/action", |call| Box::pin(authzen::search::action(call)))
        .about("What they may do there (AuthZEN Action Search).")
        .query(&[("explain", "`true` for how it was found in `context`")])
        .takes::<authzen::search::ActionSearchRequest>()
        .gives::<authzen::search::SearchReply>(),
    reads("/.well-known/authzen-configuration", Access::Public, |call| Box::pin(authzen::metadata::answer(call)))
        .about("Which endpoints of the standard API there are.")
        .gives::<authzen::MetadataReply>(),
    // ---- questions in Cedar's terms
    decides("/v1/authorize", |call| Box::pin(authorize::answer(call)))
        .about("Answers one question, with the reason.")
        .query(&[AS_OF_QUERY])
        .takes::<authorize::AuthorizeRequest>()
        .gives::<authorize::AuthorizeReply>(),
    decides("/v1/is_authorized", |call| Box::pin(is_authorized::answer(call)))
        .about("Answers one question as cedar-agent does.")
        .takes::<is_authorized::IsAuthorizedRequest>()
        .gives::<is_authorized::IsAuthorizedReply>(),
    route(Verb::Post, "/v1/explain", AUDIT, Effect::Decides, |call| Box::pin(explain::answer(call)))
        .about("Answers one question and says why: every policy with its clauses, and what would turn a no.")
        .query(&[AS_OF_QUERY])
        .takes::<authorize::AuthorizeRequest>()
        .gives::<explain::ExplainReply>(),
    // ---- reports
    route(Verb::Get, "/v1/who-can", AUDIT, Effect::Decides, |call| Box::pin(who_can::answer(call)))
        .about("An access review: the users and tokens that may do something to a resource, each with what gives it.")
        .query(&[
            ("action", "the action's name"),
            ("resource", "`type:id`; the id alone where the action is for one type only"),
            ("limit", "grantees on a page"),
            ("page_token", "`next_page_token` of the page before"),
        ])
        .gives::<who_can::WhoCanReply>(),
    route(Verb::Get, "/v1/tokens/{id}/reach", AUDIT, Effect::Decides, |call| Box::pin(tokens::reach::answer(call)))
        .about("Everything that a leaked token can do: by where and what, counted, the worst first.")
        .query(&[("limit", "how many resources of a type are counted for an action")])
        .gives::<tokens::reach::ReachReply>(),
    // ---- credentials
    decides("/v1/check", |call| Box::pin(check::answer(call)))
        .about("Answers one question with the credential as it was received, and says what to send on a no.")
        .takes::<check::CheckRequest>()
        .gives::<check::CheckReply>(),
    route(Verb::Post, "/v1/introspect", INTROSPECT, Effect::Reads, |call| Box::pin(introspect::answer(call)))
        .about("Whether a token is alive, and whose (RFC 7662).")
        .takes_media::<introspect::IntrospectionRequest>(body::FORM)
        .gives::<introspect::IntrospectionReply>(),
    // ---- access tokens
    reads("/v1/users/{user}/tokens", TOKENS, |call| Box::pin(tokens::collection::list(call)))
        .about("The tokens of a user, the newest first.")
        .gives::<tokens::collection::TokensReply>(),
    route(Verb::Post, "/v1/users/{user}/tokens", TOKENS, Effect::Changes, |call| {
        Box::pin(tokens::collection::create(call))
    })
    .about("Creates a token; its value is shown this once.")
    .takes::<tokens::NewTokenRequest>()
    .gives::<tokens::NewTokenReply>(),
    reads("/v1/users/{user}/tokens/{id}", TOKENS, |call| Box::pin(tokens::one::show(call)))
        .about("One token, and what it lets through in sentences.")
        .gives::<tokens::one::TokenReply>(),
    route(Verb::Patch, "/v1/users/{user}/tokens/{id}", TOKENS, Effect::Changes, |call| {
        Box::pin(tokens::one::edit(call))
    })
    .about("Changes a token's name or grants; approvals of other organizations end with a change of grants.")
    .takes_media::<tokens::EditRequest>(body::JSON_PATCH)
    .gives::<tokens::one::TokenReply>(),
    route(Verb::Delete, "/v1/users/{user}/tokens/{id}", TOKENS, Effect::Changes, |call| {
        Box::pin(tokens::one::delete(call))
    })
    .about("Deletes a token; it is dead for the next question.")
    .gives::<tokens::one::TokenDeletedReply>(),
    route(Verb::Post, "/v1/users/{user}/tokens/{id}/refresh", TOKENS, Effect::Changes, |call| {
        Box::pin(tokens::one::refresh(call))
    })
    .about("Gives a token a new value, shown this once; the old one is dead for the next question.")
    .gives::<tokens::NewTokenReply>(),
    reads("/v1/organizations/{organization}/tokens", TOKENS, |call| Box::pin(tokens::review::list(call)))
        .about("The tokens that concern an organization, by id.")
        .query(&[("limit", "tokens on a page"), ("page_token", "`next_page_token` of the page before")])
        .gives::<tokens::review::ReviewsReply>(),
    route(Verb::Post, "/v1/organizations/{organization}/tokens/{id}/approve", TOKENS, Effect::Changes, |call| {
        Box::pin(tokens::review::approve(call))
    })
    .about("Lets a token into an organization that demands it.")
    .gives::<tokens::review::ReviewReply>(),
    route(Verb::Post, "/v1/organizations/{organization}/tokens/{id}/deny", TOKENS, Effect::Changes, |call| {
        Box::pin(tokens::review::deny(call))
    })
    .about("Says no to a token, or takes an approval back.")
    .gives::<tokens::review::ReviewReply>(),
    route(Verb::Post, "/v1/organizations/{organization}/tokens/{id}/revoke", TOKENS, Effect::Changes, |call| {
        Box::pin(tokens::review::revoke(call))
    })
    .about("Shuts a token out of an organization for good.")
    .gives::<tokens::review::ReviewReply>(),
    // ---- the hub's own clients
    reads("/api/whoami-v2", Access::Client, |call| Box::pin(whoami::answer(call)))
        .about("Who the presented token speaks for.")
        .gives::<whoami::WhoAmIReply>(),
    may_read("/api/models/{namespace}/{name}/auth-check"),
    may_read("/api/datasets/{namespace}/{name}/auth-check"),
    may_read("/api/spaces/{namespace}/{name}/auth-check"),
    may_write("/api/models/{namespace}/{name}/auth-check/write"),
    may_write("/api/datasets/{namespace}/{name}/auth-check/write"),
    may_write("/api/spaces/{namespace}/{name}/auth-check/write"),
    route(Verb::Post, "/api/credentials/revoke", Access::Client, Effect::Changes, |call| {
        Box::pin(credentials::revoke(call))
    })
    .about("Takes reports of leaked tokens, which die; the answer is 202 whatever they were.")
    .takes::<credentials::RevocationRequest>(),
    // ---- gateways
    forwarded(Verb::Get, "/v1/forward-auth")
        .query(&[("deny", "`403` to be told every refusal but a 401 as 403, as nginx's `auth_request` needs it")]),
    forwarded(Verb::Get, "/v1/forward-auth/{*target}"),
    forwarded(Verb::Post, "/v1/forward-auth/{*target}"),
    forwarded(Verb::Put, "/v1/forward-auth/{*target}"),
    forwarded(Verb::Patch, "/v1/forward-auth/{*target}"),
    forwarded(Verb::Delete, "/v1/forward-auth/{*target}"),
    // ---- entities
    reads("/v1/entities", READ, |call| Box::pin(entities::list::answer(call)))
        .about("Lists entities in byte order of type, then id.")
        .query(&[
            ("type", "entities of this type only"),
            ("prefix", "entities whose id starts with this only"),
            ("limit", "entities on a page"),
            ("page_token", "`next_page_token` of the page before"),
        ])
        .gives::<entities::list::ListReply>(),
    route(Verb::Post, "/v1/entities:batch", WRITE, Effect::Changes, |call| Box::pin(entities::batch::answer(call)))
        .about("Applies a batch of changes, one per line, whole or not at all.")
        .query(&[("revive", "`true` to take ids that were deleted before; needs `admin`")])
        .takes_bulk::<entities::EntityBody>(body::NDJSON)
        .gives::<entities::batch::BatchReply>(),
    reads("/v1/entities/{type}/{*id}", READ, |call| Box::pin(entities::get::answer(call)))
        .about("One entity in Cedar's JSON format.")
        .gives::<entities::EntityBody>(),
    route(Verb::Put, "/v1/entities/{type}/{*id}", WRITE, Effect::Changes, |call| Box::pin(entities::put::answer(call)))
        .about("Creates or replaces an entity.")
        .query(&[("revive", "`true` to take an id that was deleted before; needs `admin`")])
        .takes::<entities::EntityBody>()
        .gives::<entities::ChangeReply>(),
    route(Verb::Patch, "/v1/entities/{type}/{*id}", WRITE, Effect::Changes, |call| {
        Box::pin(entities::patch::answer(call))
    })
    .about("Changes parts of an entity; `null` removes an attribute or tag.")
    .takes_media::<entities::PatchBody>(body::JSON_PATCH)
    .gives::<entities::ChangeReply>(),
    route(Verb::Delete, "/v1/entities/{type}/{*id}", WRITE, Effect::Changes, |call| {
        Box::pin(entities::delete::answer(call))
    })
    .about("Deletes an entity; its id stays taken.")
    .gives::<entities::ChangeReply>(),
    // ---- policies
    reads("/v1/policies", READ, |call| Box::pin(policies::list(call)))
        .about("Every policy in force.")
        .gives::<policies::PoliciesReply>(),
    reads("/v1/policies/{*id}", READ, |call| Box::pin(policies::one(call)))
        .about("One policy in force.")
        .gives::<policies::PolicyBody>(),
    reads("/v1/schema", READ, |call| Box::pin(policies::schema(call)))
        .about("The schema in force.")
        .gives::<policies::SchemaReply>(),
    reads("/v1/bundle", READ, |call| Box::pin(bundle::get(call)))
        .about("The bundle in force: schema and policies.")
        .gives::<bundle::BundleReply>(),
    route(Verb::Put, "/v1/bundle", ADMIN, Effect::Changes, |call| Box::pin(bundle::put(call)))
        .about("Replaces the bundle, when the store owns it.")
        .query(&[(
            "accept_flips",
            "`true` to take it over although recorded decisions flip, where a replay is demanded",
        )])
        .takes_bulk::<bundle::BundleBody>(body::JSON)
        .gives::<bundle::BundleChangeReply>(),
    // ---- keys
    reads("/v1/keys", ADMIN, |call| Box::pin(keys::list(call))).about("All keys.").gives::<keys::KeysReply>(),
    route(Verb::Post, "/v1/keys", ADMIN, Effect::Changes, |call| Box::pin(keys::create(call)))
        .about("Creates a key; its value is shown this once.")
        .takes::<keys::KeyRequest>()
        .gives::<keys::NewKeyReply>(),
    route(Verb::Delete, "/v1/keys/{id}", ADMIN, Effect::Changes, |call| Box::pin(keys::delete(call)))
        .about("Deletes a key; it is refused from the next request on.")
        .gives::<keys::KeyDeletedReply>(),
    // ---- the decision log
    reads("/v1/audit", AUDIT, |call| Box::pin(audit::list(call)))
        .about("Records of decisions and changes, the newest first.")
        .query(audit::FILTERS)
        .gives::<audit::AuditReply>(),
    reads("/v1/audit/{decision_id}", AUDIT, |call| Box::pin(audit::one(call)))
        .about("The record of one decision.")
        .gives::<audit::AuditRecordReply>(),
    route(Verb::Post, "/v1/replay", AUDIT, Effect::Reads, |call| Box::pin(replay::answer(call)))
        .about("Asks recorded questions again, of other policies, and tells which answers would flip.")
        .takes_bulk::<replay::ReplayRequest>(body::JSON)
        .gives::<replay::ReplayReply>(),
    reads("/v1/shadow", AUDIT, |call| Box::pin(shadow::answer(call)))
        .about("How the shadow policies would have answered the questions since they were loaded.")
        .gives::<shadow::ShadowReply>(),
    // ---- running it
    quiet("/health/live", Access::Public, |call| Box::pin(health::live(call)))
        .about("Whether the process answers.")
        .gives::<health::LiveReply>(),
    quiet("/health/ready", Access::Public, |call| Box::pin(health::ready(call)))
        .about("Whether questions can be answered; with a key also the details.")
        .gives::<health::ReadyReply>(),
    quiet("/metrics", OBSERVE, |call| Box::pin(metrics::answer(call))).about("Metrics for Prometheus."),
    reads("/openapi.json", ANY, |call| Box::pin(openapi::answer(call))).about("This description."),
];

const fn route(
    verb: Verb,
    path: &'static str,
    access: Access,
    effect: Effect,
    handler: fn(Call) -> Answering,
) -> Route {
    Route { verb, path, access, effect, about: "", body: Body::None, query: &[], reply: None, handler }
}

const fn decides(path: &'static str, handler: fn(Call) -> Answering) -> Route {
    route(Verb::Post, path, EVALUATE, Effect::Decides, handler)
}

const fn forwarded(verb: Verb, path: &'static str) -> Route {
    let gateway = Access::Gateway(&[Scope::Evaluate]);
    route(verb, path, gateway, Effect::Decides, |call| Box::pin(forward_auth::answer(call)))
        .about("Whether a gateway may pass a request on, by the rules in `gateway.json`.")
}

const fn may_read(path: &'static str) -> Route {
    route(Verb::Get, path, Access::Client, Effect::Decides, |call| Box::pin(auth_check::read(call)))
        .about("Whether the presented credential may download the repository's content.")
}

const fn may_write(path: &'static str) -> Route {
    route(Verb::Get, path, Access::Client, Effect::Decides, |call| Box::pin(auth_check::write(call)))
        .about("Whether the presented credential may push to the repository.")
}

const fn reads(path: &'static str, access: Access, handler: fn(Call) -> Answering) -> Route {
    route(Verb::Get, path, access, Effect::Reads, handler)
}

const fn quiet(path: &'static str, access: Access, handler: fn(Call) -> Answering) -> Route {
    route(Verb::Get, path, access, Effect::Quiet, handler)
}

impl Route {
    const fn about(mut self, about: &'static str) -> Self {
        self.about = about;
        self
    }

    const fn query(mut self, query: &'static [(&'static str, &'static str)]) -> Self {
        self.query = query;
        self
    }

    const fn takes<T: ToSchema>(self) -> Self {
        self.takes_media::<T>(body::JSON)
    }

    const fn takes_media<T: ToSchema>(mut self, media: &'static [&'static str]) -> Self {
        self.body = Body::Small(media, shape::<T>());
        self
    }

    const fn takes_bulk<T: ToSchema>(mut self, media: &'static [&'static str]) -> Self {
        self.body = Body::Bulk(media, shape::<T>());
        self
    }

    const fn gives<T: ToSchema>(mut self) -> Self {
        self.reply = Some(shape::<T>());
        self
    }

    /// Whether the rest of the path, and the query, are those of another request.
    pub(super) fn is_prefix(&self) -> bool {
        matches!(self.access, Access::Gateway(_)) && self.path.ends_with("/{*target}")
    }

    /// Whether unknown parts of a request must be ignored, as the standard API demands, and as gateways need it.
    pub fn is_open_ended(&self) -> bool {
        // Gateways append the query of the request that they ask about.
        let forwards = matches!(self.access, Access::Gateway(_));
        forwards || self.path.starts_with("/access/") || self.path.starts_with("/.well-known/")
    }
}

const fn shape<T: ToSchema>() -> Shape {
    Shape { name: T::name, schema: T::schema, parts: T::schemas }
}

impl Body {
    pub fn media_types(&self) -> &'static [&'static str] {
        match self {
            Self::None => &[],
            Self::Small(media, _) | Self::Bulk(media, _) => media,
        }
    }
}

impl Verb {
    pub fn name(self) -> &'static str {
        match self {
            Self::Get => "GET",
            Self::Post => "POST",
            Self::Put => "PUT",
            Self::Patch => "PATCH",
            Self::Delete => "DELETE",
        }
    }
}
