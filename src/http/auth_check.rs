//! `GET /api/{models|datasets|spaces}/{namespace}/{name}/auth-check[/write]`: may this client download, or push?

use serde_json::{Map, Value as Json};

use super::call::Call;
use super::client;
use super::failure::Failure;
use super::reply::{Answered, Reply};
use crate::entity::Uid;
use crate::hub::Check;
use crate::pdp::{Bundle, ContextRules};
use crate::warden::Api;

/// Whether the client may download the content.
pub async fn read(call: Call) -> Answered {
    answer(&call, "repo.content.read")
}

/// Whether the client may push.
pub async fn write(call: Call) -> Answered {
    answer(&call, "repo.write")
}

fn answer(call: &Call, action: &str) -> Answered {
    let session = call.warden().session(Api::Face, None)?;
    let check = Check { resource: repo(call), ..plain(session.bundle(), action)? };
    let checked = call.hub().check(&session, &client::presented(call), check)?;
    Ok(match &checked.refusal {
        None => Reply::text("text/plain; charset=utf-8", "OK".to_owned()),
        Some((reason, refusal)) => client::refused(refusal).with(client::REASON, client::header_text(&reason.code)),
    })
}

/// The repository that the path names: `/api/models/acme/m1/auth-check` is about `models/acme/m1`.
fn repo(call: &Call) -> Uid {
    let kind = call.route.path.split('/').nth(2).unwrap_or_default();
    let id = format!("{kind}/{}/{}", call.params.get("namespace"), call.params.get("name"));
    Uid::new(crate::tokens::names::REPO, id)
}

/// A question about an action that the hub's schema has, with nothing but the clock in its context.
fn plain(bundle: &Bundle, action: &str) -> Result<Check, Failure> {
    let not_a_hub = |fault: crate::pdp::NameFault| Failure::not_found(fault.to_string());
    let action = bundle.action(action).map_err(not_a_hub)?;
    let context = bundle.admission().context(&action, &Json::Object(Map::new()), ContextRules::Native)?;
    Ok(Check { resource: action.clone(), action, context })
}
