//! `PUT /v1/entities/{type}/{*id}`: creates or replaces an entity.

use axum::http::StatusCode;
use serde_json::Value as Json;

use super::{changed, dead, named};
use crate::entity::{Uid, uid_from_json};
use crate::http::call::Call;
use crate::http::failure::Failure;
use crate::http::record;
use crate::http::reply::Answered;
use crate::store::Lookup;
use crate::warden::{Api, Change};

pub async fn answer(call: Call) -> Answered {
    let uid = named(&call)?;
    let entity = with_uid(call.json()?, &uid)?;
    let expect = call.conditions()?.expect()?;
    let dead = dead(&call)?;
    call.uninterrupted(move |call| async move {
        // For the status alone: what must hold is checked in the same step as the change.
        let before = call.warden().session(Api::Native, None)?.entity(&uid)?;
        let status = match before {
            Lookup::Present(_) => StatusCode::OK,
            Lookup::Absent | Lookup::Deleted(_) => StatusCode::CREATED,
        };
        let revision = call.warden().change_async(vec![Change::Put { entity, expect, dead }]).await?;
        record::changed(&call, &uid.to_string(), 1, revision);
        Ok(changed(status, revision).tagged(revision))
    })
    .await
}

/// The body with the uid that the path names; a uid of its own must be the same.
fn with_uid(mut entity: Json, uid: &Uid) -> Result<Json, Failure> {
    let Some(map) = entity.as_object_mut() else {
        return Err(Failure::invalid("body", "the body must be an entity, a JSON object"));
    };
    if let Some(own) = map.get("uid")
        && uid_from_json(own, "uid")? != *uid
    {
        return Err(Failure::invalid("uid", format!("the path names {uid}, the body another entity")));
    }
    map.insert("uid".to_owned(), uid.to_json());
    Ok(entity)
}
