//! `/v1/entities`: what is stored, one endpoint per file.

pub mod batch;
pub mod delete;
pub mod get;
pub mod list;
pub mod patch;
pub mod put;

use axum::http::StatusCode;
use serde::Serialize;
use serde_json::Value as Json;
use utoipa::ToSchema;

use super::call::Call;
use super::failure::Failure;
use super::reply::Reply;
use crate::entity::Uid;
use crate::store::{CommitError, Expect, Revision};
use crate::warden::{ChangeError, DeadId, Scope};

/// An entity in Cedar's JSON format.
#[derive(ToSchema)]
#[expect(dead_code, reason = "the form of a body; it is read under the schema")]
pub struct EntityBody {
    /// `{"type", "id"}`; where the path names the entity it may be left out.
    #[schema(value_type = Object)]
    uid: Json,
    #[schema(value_type = Object)]
    attrs: Json,
    #[schema(value_type = Vec<Object>)]
    parents: Vec<Json>,
    #[schema(value_type = Option<Object>)]
    tags: Option<Json>,
}

/// Parts of an entity to change.
#[derive(ToSchema)]
#[expect(dead_code, reason = "as EntityBody")]
pub struct PatchBody {
    /// Attributes to set; `null` removes.
    #[schema(value_type = Option<Object>)]
    attrs: Option<Json>,
    /// Tags to set; `null` removes.
    #[schema(value_type = Option<Object>)]
    tags: Option<Json>,
    /// `{"add": […], "remove": […]}`.
    #[schema(value_type = Option<Object>)]
    parents: Option<Json>,
}

/// A change that is durable.
#[derive(Serialize, ToSchema)]
pub struct ChangeReply {
    /// The revision of the store with it; also the entity's tag.
    revision: u64,
}

/// The entity that the path names.
///
/// # Errors
/// 404 for a type that the schema does not have.
fn named(call: &Call) -> Result<Uid, Failure> {
    let type_name = call.params.get("type");
    let full = call
        .warden()
        .bundle()
        .entity_type(type_name)
        .map_err(|fault| Failure::from(fault).with_status(StatusCode::NOT_FOUND).at("type"))?;
    Ok(Uid::new(full, call.params.get("id")))
}

/// What putting an id that was deleted before does: whoever takes a dead name inherits its grants, so it needs `admin`.
fn dead(call: &Call) -> Result<DeadId, Failure> {
    if !call.query.flag("revive")? {
        return Ok(DeadId::Refuse);
    }
    call.caller.need(Scope::Admin, "`revive`")?;
    Ok(DeadId::Revive)
}

pub fn not_stored(uid: &Uid) -> Failure {
    Failure::not_found(format!("{uid} is not stored"))
}

fn changed(status: StatusCode, revision: Revision) -> Reply {
    Reply::json(status, &ChangeReply { revision: revision.0 }).at(revision)
}

/// A refused change of one entity; `expect` tells "not there" from "not as expected".
fn refused(error: ChangeError, uid: &Uid, expect: Expect) -> Failure {
    match error {
        ChangeError::Commit(CommitError::Conflict { .. }) if expect == Expect::Anything => not_stored(uid),
        error => error.into(),
    }
}
