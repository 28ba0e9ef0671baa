//! `GET` and `PUT /v1/bundle`: schema and policies as one, replaced whole or not at all.

use axum::http::StatusCode;
use serde::Serialize;
use serde_json::{Value as Json, json};
use utoipa::ToSchema;

use super::call::Call;
use super::conditions::Tag;
use super::failure::Failure;
use super::policies::tagged;
use super::record;
use super::reply::{Answered, Reply};
use crate::pdp::BundleSource;
use crate::warden::{BundleError, Flips};

/// The files of a bundle.
#[derive(Serialize, ToSchema)]
pub struct BundleBody {
    schema: FileBody,
    policies: Vec<FileBody>,
    links: Option<FileBody>,
    reasons: Option<FileBody>,
    gateway: Option<FileBody>,
}

#[derive(Serialize, ToSchema)]
struct FileBody {
    path: String,
    text: String,
}

/// The bundle in force.
#[derive(Serialize, ToSchema)]
pub struct BundleReply {
    /// `sha256:…` of all files.
    hash: String,
    schema_hash: String,
    /// Where it comes from, how many policies it has, since when, and the last failure to replace it.
    #[schema(value_type = Object)]
    status: Json,
    #[schema(value_type = BundleBody)]
    source: Json,
}

/// A bundle that took over.
#[derive(Serialize, ToSchema)]
pub struct BundleChangeReply {
    hash: String,
    revision: u64,
}

pub async fn get(call: Call) -> Answered {
    let bundle = call.warden().bundle();
    tagged(&call, bundle.hash(), || {
        let json = |value: Result<Json, serde_json::Error>| value.map_err(|_| Failure::internal());
        Ok(Reply::ok(&BundleReply {
            hash: bundle.hash().to_owned(),
            schema_hash: bundle.schema_hash().to_owned(),
            status: json(serde_json::to_value(call.warden().bundle_status()))?,
            source: json(serde_json::to_value(bundle.source()))?,
        }))
    })
}

pub async fn put(call: Call) -> Answered {
    let source: BundleSource = serde_json::from_value(call.json()?)
        .map_err(|error| Failure::invalid("body", format!("the body is no bundle: {error}")))?;
    let conditions = call.conditions()?;
    if conditions.if_none_match.is_some() {
        return Err(Failure::invalid("If-None-Match", "there is always a bundle: use `If-Match`"));
    }
    let expect = match conditions.if_match {
        None | Some(Tag::Any) => None,
        Some(Tag::Is(hash)) => Some(hash),
        Some(Tag::Weak(_)) => return Err(Failure::precondition("a weak tag never matches for a change")),
    };
    let flips = if call.query.flag("accept_flips")? { Flips::Accept } else { Flips::Refuse };
    call.blocking(move |call| {
        let bundle = call.warden().put_bundle(source, expect.as_deref(), flips).map_err(refused)?;
        let revision = call.warden().revision()?;
        record::changed(call, bundle.hash(), bundle.policies().count(), revision);
        let reply = BundleChangeReply { hash: bundle.hash().to_owned(), revision: revision.0 };
        Ok(Reply::ok(&reply).tagged(bundle.hash()).of_bundle(bundle.hash()).at(revision))
    })
    .await
}

fn refused(error: BundleError) -> Failure {
    let message = error.to_string();
    let conflict = |code| Failure::new(StatusCode::CONFLICT, code, message.clone());
    match error {
        BundleError::Faults(faults) => {
            let summary = match faults.0.as_slice() {
                [one] => format!("the bundle has a fault: {}", one.message),
                several => format!("the bundle has {} faults", several.len()),
            };
            Failure::new(StatusCode::BAD_REQUEST, "invalid_bundle", summary).detailed(json!({"faults": faults.0}))
        }
        BundleError::NotConforming { count, .. } => {
            conflict("entities_do_not_conform").detailed(json!({"entities": count}))
        }
        BundleError::Gate(_) => Failure::new(StatusCode::BAD_REQUEST, "tests_failed", message),
        BundleError::Flips(_) => conflict("decisions_flip"),
        BundleError::ReadOnly(_) => conflict("read_only"),
        BundleError::Conflict(hash) => Failure::precondition(message).detailed(json!({"bundle": hash})),
        BundleError::Store(error) => error.into(),
        BundleError::Commit(error) => error.into(),
        BundleError::Audit(error) => error.into(),
        BundleError::Source(_) => Failure::internal(),
    }
}
