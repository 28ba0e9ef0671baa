//! `GET /v1/entities/{type}/{*id}`: one entity, tagged with the revision that last changed it.

use super::{named, not_stored};
use crate::http::call::Call;
use crate::http::failure::Failure;
use crate::http::reply::{Answered, Reply};
use crate::store::Lookup;
use crate::warden::Api;

pub async fn answer(call: Call) -> Answered {
    let uid = named(&call)?;
    let conditions = call.conditions()?;
    let session = call.warden().session(Api::Native, call.at_least)?;
    let reply = match session.entity(&uid)? {
        Lookup::Present(stored) if conditions.has(&stored.revision.to_string()) => {
            Reply::not_modified().tagged(stored.revision)
        }
        Lookup::Present(stored) => Reply::ok(&stored.entity.to_json()).tagged(stored.revision),
        Lookup::Deleted(revision) => {
            return Err(Failure::not_found(format!("{uid} was deleted at revision {revision}"))
                .detailed(serde_json::json!({"deleted_at_revision": revision.0})));
        }
        Lookup::Absent => return Err(not_stored(&uid)),
    };
    Ok(reply.at(session.revision()).of_bundle(session.bundle().hash()))
}
