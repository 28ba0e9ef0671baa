//! `GET /v1/policies`, `/v1/policies/{*id}` and `/v1/schema`: what is in force, to read.

use std::collections::BTreeMap;

use serde::Serialize;
use utoipa::ToSchema;

use super::call::Call;
use super::failure::Failure;
use super::reply::{Answered, Reply};
use crate::pdp::PolicyInfo;

/// A policy, template or link.
#[derive(Serialize, ToSchema)]
pub struct PolicyBody {
    id: String,
    /// `permit` or `forbid`.
    effect: &'static str,
    #[serde(skip_serializing_if = "Option::is_none")]
    template: Option<String>,
    file: String,
    line: usize,
    annotations: BTreeMap<String, String>,
    text: String,
}

/// Every policy in force, by id.
#[derive(Serialize, ToSchema)]
pub struct PoliciesReply {
    policies: Vec<PolicyBody>,
}

/// The schema in force.
#[derive(Serialize, ToSchema)]
pub struct SchemaReply {
    /// `sha256:…` of the schema alone.
    hash: String,
    path: String,
    /// In Cedar's schema language.
    text: String,
}

impl From<&PolicyInfo> for PolicyBody {
    fn from(info: &PolicyInfo) -> Self {
        Self {
            id: info.id.to_string(),
            effect: info.effect,
            template: info.template.as_ref().map(ToString::to_string),
            file: info.file.clone(),
            line: info.line,
            annotations: info.annotations.iter().map(|(key, value)| (key.to_string(), value.to_string())).collect(),
            text: info.text.clone(),
        }
    }
}

pub async fn list(call: Call) -> Answered {
    let bundle = call.warden().bundle();
    tagged(&call, bundle.hash(), || {
        Ok(Reply::ok(&PoliciesReply { policies: bundle.policies().map(Into::into).collect() }))
    })
}

pub async fn one(call: Call) -> Answered {
    let bundle = call.warden().bundle();
    let id = call.params.get("id");
    tagged(&call, bundle.hash(), || match bundle.policies().find(|info| info.id == id) {
        Some(info) => Ok(Reply::ok(&PolicyBody::from(info))),
        None => Err(Failure::not_found(format!("there is no policy `{id}`"))),
    })
}

pub async fn schema(call: Call) -> Answered {
    let bundle = call.warden().bundle();
    let file = &bundle.source().schema;
    tagged(&call, bundle.hash(), || {
        let hash = bundle.schema_hash().to_owned();
        Ok(Reply::ok(&SchemaReply { hash, path: file.path.clone(), text: file.text.clone() }))
    })
}

/// An answer tagged with the bundle's hash; an empty one for who has it already.
pub(super) fn tagged(call: &Call, hash: &str, reply: impl FnOnce() -> Answered) -> Answered {
    let reply = match call.conditions()?.has(hash) {
        true => Reply::not_modified(),
        false => reply()?,
    };
    Ok(reply.tagged(hash).of_bundle(hash))
}
