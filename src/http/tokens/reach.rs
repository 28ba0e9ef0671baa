//! `GET /v1/tokens/{id}/reach`: everything that a leaked token can do, the worst first.

use serde::Serialize;
use utoipa::ToSchema;

use crate::entity::Uid;
use crate::http::call::Call;
use crate::http::failure::Failure;
use crate::http::question::EntityRef;
use crate::http::reply::{Answered, Reply};
use crate::tokens::names;
use crate::warden::{Api, Doing, Reach, ReachLimits};

/// Results that are counted for one action and type, when nothing else is said.
const RESULTS: usize = 1_000;

/// What a token can do.
#[derive(Serialize, ToSchema)]
pub struct ReachReply {
    token: EntityRef,
    /// Whom it acts for; `null` for a token that is not stored, which can do nothing.
    acts_for: Option<EntityRef>,
    /// How many things it can do that not anybody may.
    total: usize,
    /// By where, the worst first.
    places: Vec<PlaceBody>,
    /// What anybody may do without an account.
    anyone: Vec<DoingBody>,
    /// Whether all was counted; if not, `cut` names what was not counted to its end.
    complete: bool,
    cut: Vec<CutBody>,
    /// `index`, or `scan` when every entity of a type had to be looked at.
    way: &'static str,
    /// The store when the report was begun, and when it ended.
    revision: u64,
    until: u64,
    bundle: String,
}

/// A resource, with all that lies in it.
#[derive(Serialize, ToSchema)]
struct PlaceBody {
    place: EntityRef,
    /// How bad the worst of it is, 0 to 9.
    harm: u8,
    actions: Vec<DoingBody>,
}

/// One action on so many resources of a type.
#[derive(Serialize, ToSchema)]
struct DoingBody {
    action: String,
    harm: u8,
    r#type: String,
    count: usize,
    /// The ids of the first of them.
    first: Vec<String>,
}

#[derive(Serialize, ToSchema)]
struct CutBody {
    action: String,
    r#type: String,
}

pub async fn answer(call: Call) -> Answered {
    call.blocking(report).await
}

fn report(call: &Call) -> Answered {
    let limits = &call.app.limits;
    let results = match call.query.number("limit")? {
        Some(0) => return Err(Failure::invalid("limit", "`limit` is at least 1")),
        Some(results) => results,
        None => RESULTS,
    };
    let token = Uid::new(names::TOKEN, call.params.get("id"));
    let reach = call.warden().reach(Api::Explain, &token, ReachLimits { results, time: limits.deadline / 2 })?;
    let (revision, bundle) = (reach.until, reach.bundle.to_string());
    Ok(Reply::ok(&ReachReply::from(reach)).at(revision).of_bundle(bundle))
}

impl From<Reach> for ReachReply {
    fn from(reach: Reach) -> Self {
        Self {
            token: (&reach.credential).into(),
            acts_for: reach.acts_for.as_ref().map(EntityRef::from),
            total: reach.total(),
            complete: reach.cut.is_empty(),
            cut: reach
                .cut
                .iter()
                .map(|(action, type_name)| CutBody { action: action.id().to_string(), r#type: type_name.to_string() })
                .collect(),
            way: reach.way.name(),
            revision: reach.revision.0,
            until: reach.until.0,
            bundle: reach.bundle.to_string(),
            anyone: reach.anyone.iter().map(doing).collect(),
            places: reach
                .places
                .iter()
                .map(|place| PlaceBody {
                    place: (&place.place).into(),
                    harm: place.harm,
                    actions: place.doings.iter().map(doing).collect(),
                })
                .collect(),
        }
    }
}

fn doing(doing: &Doing) -> DoingBody {
    DoingBody {
        action: doing.action.id().to_string(),
        harm: doing.harm,
        r#type: doing.type_name.to_string(),
        count: doing.count,
        first: doing.named.iter().map(|uid| uid.id().to_string()).collect(),
    }
}
