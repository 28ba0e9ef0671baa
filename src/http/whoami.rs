//! `GET /api/whoami-v2`: who a token speaks for, in the form that the hub's clients read.

use std::collections::BTreeSet;

use serde::Serialize;
use utoipa::ToSchema;

use super::call::Call;
use super::client;
use super::reply::{Answered, Reply};
use crate::clock::rfc3339;
use crate::entity::{SmolStr, Uid};
use crate::hub::{GroupMembership, Refusal, WhoAmI, WhoAmIOrg, opaque_id, text};
use crate::tokens::{Role, Target, Token};
use crate::warden::Api;

/// The user of a token.
#[derive(Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct WhoAmIReply {
    r#type: &'static str,
    /// 24 hex digits.
    id: String,
    name: String,
    fullname: String,
    email: Option<String>,
    email_verified: bool,
    avatar_url: String,
    is_pro: bool,
    can_pay: bool,
    /// In seconds since 1970.
    period_end: Option<i64>,
    orgs: Vec<OrgBody>,
    auth: AuthBody,
}

#[derive(Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
struct OrgBody {
    r#type: &'static str,
    id: String,
    name: String,
    fullname: String,
    avatar_url: String,
    role_in_org: &'static str,
    /// What keeps this token out: `mfa`, `token-policy`, `token-revoked`.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    security_restrictions: Vec<&'static str>,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    resource_groups: Vec<GroupBody>,
}

#[derive(Serialize, ToSchema)]
struct GroupBody {
    id: String,
    name: String,
    role: &'static str,
}

#[derive(Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
struct AuthBody {
    r#type: &'static str,
    access_token: AccessTokenBody,
}

#[derive(Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
struct AccessTokenBody {
    display_name: String,
    /// `read`, `write` or `fineGrained`.
    role: &'static str,
    created_at: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    fine_grained: Option<FineGrainedBody>,
}

#[derive(Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
struct FineGrainedBody {
    can_read_gated_repos: bool,
    global: Vec<String>,
    scoped: Vec<ScopedBody>,
}

#[derive(Serialize, ToSchema)]
struct ScopedBody {
    entity: ScopedEntityBody,
    permissions: Vec<String>,
}

#[derive(Serialize, ToSchema)]
struct ScopedEntityBody {
    _id: String,
    r#type: &'static str,
    name: String,
}

pub async fn answer(call: Call) -> Answered {
    let who = {
        let session = call.warden().session(Api::Face, None)?;
        call.hub().whoami(&session, &client::presented(&call))?
    };
    let refusal = match who {
        Ok(who) => return Ok(Reply::ok(&WhoAmIReply::from(&who)).secret()),
        Err(Some(reason)) => Refusal { status: reason.status, error_code: None, message: reason.message },
        Err(None) => Refusal { status: 401, error_code: None, message: "Invalid username or password.".to_owned() },
    };
    Ok(client::refused(&refusal))
}

impl From<&WhoAmI> for WhoAmIReply {
    fn from(who: &WhoAmI) -> Self {
        let name = who.user.uid.id();
        Self {
            r#type: "user",
            id: opaque_id(&who.user.uid),
            name: name.to_string(),
            fullname: who.text("fullname").unwrap_or(name).to_string(),
            email: who.text("email").map(ToString::to_string),
            email_verified: who.flag("emailVerified"),
            avatar_url: who.text("avatarUrl").map(ToString::to_string).unwrap_or_default(),
            is_pro: who.flag("isPro"),
            can_pay: who.flag("canPay"),
            period_end: who.number("periodEnd"),
            orgs: who.orgs.iter().map(OrgBody::from).collect(),
            auth: AuthBody { r#type: "access_token", access_token: (&who.token.token).into() },
        }
    }
}

impl From<&WhoAmIOrg> for OrgBody {
    fn from(org: &WhoAmIOrg) -> Self {
        let organization = &org.membership.organization;
        let name = organization.uid.id();
        Self {
            r#type: "org",
            id: opaque_id(&organization.uid),
            name: name.to_string(),
            fullname: text(organization, "fullname").unwrap_or(name).to_string(),
            avatar_url: text(organization, "avatarUrl").map(ToString::to_string).unwrap_or_default(),
            role_in_org: org.membership.level,
            security_restrictions: org.restrictions.clone(),
            resource_groups: org.membership.groups.iter().map(GroupBody::from).collect(),
        }
    }
}

impl From<&GroupMembership> for GroupBody {
    fn from(group: &GroupMembership) -> Self {
        let name = group.id.rsplit('/').next().unwrap_or_default();
        Self {
            id: opaque_id(&Uid::new("Hub::ResourceGroup", group.id.clone())),
            name: name.to_owned(),
            role: group.level,
        }
    }
}

impl From<&Token> for AccessTokenBody {
    fn from(token: &Token) -> Self {
        let fine_grained = (token.role == Role::FineGrained).then(|| FineGrainedBody {
            can_read_gated_repos: token.grants.gated_repos,
            global: token.grants.global.iter().map(ToString::to_string).collect(),
            scoped: token.grants.scoped.iter().map(ScopedBody::from).collect(),
        });
        Self {
            display_name: token.name.clone(),
            role: token.role.name(),
            created_at: rfc3339(token.created_at),
            fine_grained,
        }
    }
}

impl<'a> From<(&'a Target, &'a BTreeSet<SmolStr>)> for ScopedBody {
    fn from((target, permissions): (&'a Target, &'a BTreeSet<SmolStr>)) -> Self {
        let entity = ScopedEntityBody {
            _id: opaque_id(&target.uid()),
            r#type: target.kind.name(),
            name: target.name.to_string(),
        };
        Self { entity, permissions: permissions.iter().map(ToString::to_string).collect() }
    }
}
