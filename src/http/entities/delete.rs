//! `DELETE /v1/entities/{type}/{*id}`: deletes an entity and leaves a tombstone.

use axum::http::StatusCode;

use super::{changed, named, refused};
use crate::http::call::Call;
use crate::http::record;
use crate::http::reply::Answered;
use crate::store::Expect;
use crate::warden::Change;

pub async fn answer(call: Call) -> Answered {
    let uid = named(&call)?;
    let asked = call.conditions()?.expect()?;
    call.uninterrupted(move |call| async move {
        // Without a condition still: deleting what is not there is a 404, not a change.
        let expect = if asked == Expect::Anything { Expect::Present } else { asked };
        let change = Change::Delete { uid: uid.clone(), expect };
        let revision = call.warden().change_async(vec![change]).await.map_err(|error| refused(error, &uid, asked))?;
        record::changed(&call, &uid.to_string(), 1, revision);
        Ok(changed(StatusCode::OK, revision))
    })
    .await
}
