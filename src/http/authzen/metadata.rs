//! `GET /.well-known/authzen-configuration`: what there is, under the configured address.
//!
//! Public, and never made from what a request says of itself: a forged `Host` would send clients elsewhere.

use serde::Serialize;
use utoipa::ToSchema;

use crate::http::call::Call;
use crate::http::reply::{Answered, Reply};
use crate::http::routes::routes;

/// Metadata of the decision point.
#[derive(Serialize, ToSchema)]
pub struct MetadataReply {
    policy_decision_point: String,
    access_evaluation_endpoint: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    access_evaluations_endpoint: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    search_subject_endpoint: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    search_resource_endpoint: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    search_action_endpoint: Option<String>,
}

pub async fn answer(call: Call) -> Answered {
    let base = &call.app.base_url;
    let endpoint = |path: &str| routes().iter().any(|route| route.path == path).then(|| format!("{base}{path}"));
    let reply = MetadataReply {
        policy_decision_point: base.clone(),
        access_evaluation_endpoint: format!("{base}/access/v1/evaluation"),
        access_evaluations_endpoint: endpoint("/access/v1/evaluations"),
        search_subject_endpoint: endpoint("/access/v1/search/subject"),
        search_resource_endpoint: endpoint("/access/v1/search/resource"),
        search_action_endpoint: endpoint("/access/v1/search/action"),
    };
    Ok(Reply::ok(&reply))
}
