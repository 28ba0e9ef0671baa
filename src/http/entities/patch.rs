//! `PATCH /v1/entities/{type}/{*id}`: sets and removes attributes and tags, adds and removes parents.

use axum::http::StatusCode;

use super::{changed, named};
use crate::http::call::Call;
use crate::http::record;
use crate::http::reply::Answered;
use crate::warden::{Change, Patch};

pub async fn answer(call: Call) -> Answered {
    let uid = named(&call)?;
    let patch = Patch::from_json(&call.json()?)?;
    let expect = call.conditions()?.expect()?;
    call.uninterrupted(move |call| async move {
        let change = Change::Patch { uid: uid.clone(), patch, expect };
        let revision = call.warden().change_async(vec![change]).await?;
        record::changed(&call, &uid.to_string(), 1, revision);
        Ok(changed(StatusCode::OK, revision).tagged(revision))
    })
    .await
}
