//! `GET /v1/who-can`: an access review, page by page. It tells of everybody, so it takes the right to see everything.

use serde::Serialize;
use utoipa::ToSchema;

use super::call::Call;
use super::failure::Failure;
use super::paging::Paging;
use super::question::EntityRef;
use super::reply::{Answered, Reply};
use crate::entity::Record;
use crate::pdp::GrantStep;
use crate::warden::{Api, Grant, Grantee, Grantees, WhoCan, resource_named};

/// Who may.
#[derive(Serialize, ToSchema)]
pub struct WhoCanReply {
    action: String,
    resource: EntityRef,
    /// Principals, then credentials; each type in byte order of the ids.
    grantees: Vec<GranteeBody>,
    /// Where the review goes on; `null` at its end.
    pub next_page_token: Option<String>,
    /// `index`, or `scan` when every entity of a type had to be looked at.
    way: &'static str,
    revision: u64,
    bundle: String,
}

/// One who may.
#[derive(Serialize, ToSchema)]
struct GranteeBody {
    #[serde(flatten)]
    who: EntityRef,
    /// Whom a credential acts for.
    acts_for: Option<EntityRef>,
    /// The permits that give it.
    grants: Vec<GrantBody>,
}

#[derive(Serialize, ToSchema)]
struct GrantBody {
    policy: String,
    /// What its authors say of it.
    comment: String,
    path: Vec<StepBody>,
}

/// A relation that the policy asked for, and the way on which it holds.
#[derive(Serialize, ToSchema)]
struct StepBody {
    relation: String,
    /// From the one that it is about, over its parents, to the one that it was found in.
    chain: Vec<EntityRef>,
}

pub async fn answer(call: Call) -> Answered {
    call.blocking(page).await
}

fn page(call: &Call) -> Answered {
    let session = call.warden().session(Api::Explain, call.at_least)?;
    let sent = |name: &str| {
        let missing = || Failure::invalid(name, format!("say `{name}` in the query"));
        call.query.get(name).ok_or_else(missing)
    };
    let (action, resource) = (sent("action")?, sent("resource")?);
    let bundle = session.bundle();
    let named = bundle.action(action).map_err(|fault| Failure::from(fault).at("action"))?;
    let uid = resource_named(bundle, &named, resource).map_err(|message| Failure::invalid("resource", message))?;
    let asked = WhoCan { action: named, resource: uid, context: Record::new() };
    let filters = [action, resource];
    let paging = Paging::read(call, &filters)?;
    let started_at = paging.started_at(session.revision())?;
    let limits = &call.app.limits;
    let found = session.who_can(&asked, paging.after(), paging.limit, limits.search_page.min(limits.deadline / 2))?;
    let next = found.next.clone().map(|next| paging.token(next, started_at));
    let (revision, bundle) = (found.revision, found.bundle.to_string());
    Ok(Reply::ok(&WhoCanReply::new(&asked, found, next)).at(revision).of_bundle(bundle))
}

impl WhoCanReply {
    pub fn new(asked: &WhoCan, found: Grantees, next_page_token: Option<String>) -> Self {
        Self {
            action: asked.action.id().to_string(),
            resource: (&asked.resource).into(),
            grantees: found.grantees.into_iter().map(grantee).collect(),
            next_page_token,
            way: found.way.name(),
            revision: found.revision.0,
            bundle: found.bundle.to_string(),
        }
    }
}

fn grantee(found: Grantee) -> GranteeBody {
    let step = |step: GrantStep| StepBody {
        relation: step.text.to_string(),
        chain: step.chain.iter().map(EntityRef::from).collect(),
    };
    let grant = |grant: Grant| GrantBody {
        policy: grant.policy.to_string(),
        comment: grant.comment,
        path: grant.steps.into_iter().map(step).collect(),
    };
    GranteeBody {
        who: (&found.uid).into(),
        acts_for: found.acts_for.as_ref().map(EntityRef::from),
        grants: found.grants.into_iter().map(grant).collect(),
    }
}
