//! The bodies that describe tokens to be.

use jiff::Timestamp;
use serde_json::Value as Json;
use utoipa::ToSchema;

use crate::http::failure::Failure;
use crate::http::fields::Fields;
use crate::hub::{Edit, GrantSpec, GrantsSpec, NewToken};
use crate::tokens::Role;

/// A token to create.
#[derive(ToSchema)]
#[expect(dead_code, non_snake_case, reason = "the form of a body; it is read field by field")]
pub struct NewTokenRequest {
    /// 1 to 100 characters, for people.
    name: String,
    /// `read`, `write` or `fineGrained`.
    role: String,
    /// RFC 3339; without it the token lives until it is deleted.
    expiresAt: Option<String>,
    /// Of a fine-grained token: the content of public gated repositories that its owner was accepted to.
    gatedRepos: Option<bool>,
    /// Of a fine-grained token: permissions outside every target.
    global: Option<Vec<String>>,
    /// Of a fine-grained token: `{"entity": {"type", "name"}, "permissions": […]}`, a target each.
    #[schema(value_type = Option<Vec<Object>>)]
    grants: Option<Vec<Json>>,
}

/// What to change of a token. Its grants are replaced as a whole when any part of them is sent.
#[derive(ToSchema)]
#[expect(dead_code, non_snake_case, reason = "as NewTokenRequest")]
pub struct EditRequest {
    name: Option<String>,
    gatedRepos: Option<bool>,
    global: Option<Vec<String>>,
    #[schema(value_type = Option<Vec<Object>>)]
    grants: Option<Vec<Json>>,
}

const GRANTS: [&str; 3] = ["gatedRepos", "global", "grants"];

/// # Errors
/// 400 with the field.
pub fn new_token(json: &Json) -> Result<NewToken, Failure> {
    let fields = Fields::of_body(json)?;
    fields.only(&["name", "role", "expiresAt", "gatedRepos", "global", "grants"])?;
    let role: Role = fields.text("role")?.parse().map_err(|message: String| Failure::invalid("role", message))?;
    let expires_at = match fields.get("expiresAt") {
        None => None,
        Some(_) => Some(
            fields
                .text("expiresAt")?
                .parse::<Timestamp>()
                .map_err(|_| Failure::invalid("expiresAt", "`expiresAt` is a time such as `2027-01-01T00:00:00Z`"))?,
        ),
    };
    Ok(NewToken { name: fields.text("name")?.to_owned(), role, expires_at, grants: grants(&fields)? })
}

/// # Errors
/// 400 with the field.
pub fn edit(json: &Json) -> Result<Edit, Failure> {
    let fields = Fields::of_body(json)?;
    fields.only(&["name", "gatedRepos", "global", "grants"])?;
    let name = fields.get("name").map(|_| fields.text("name").map(str::to_owned)).transpose()?;
    let changes_grants = GRANTS.iter().any(|name| fields.get(name).is_some());
    Ok(Edit { name, grants: changes_grants.then(|| grants(&fields)).transpose()? })
}

fn grants(fields: &Fields) -> Result<GrantsSpec, Failure> {
    let gated_repos = match fields.get("gatedRepos") {
        None => false,
        Some(Json::Bool(value)) => *value,
        Some(_) => return Err(Failure::invalid("gatedRepos", "`gatedRepos` is `true` or `false`")),
    };
    let grants = fields.array("grants")?.unwrap_or_default().iter().enumerate();
    Ok(GrantsSpec {
        gated_repos,
        global: texts(fields, "global")?,
        grants: grants.map(|(index, json)| grant(json, &format!("grants[{index}]"))).collect::<Result<_, _>>()?,
    })
}

fn grant(json: &Json, path: &str) -> Result<GrantSpec, Failure> {
    let fields = Fields::at(json, path)?;
    fields.only(&["entity", "permissions"])?;
    fields.need("entity")?;
    let entity = fields.object("entity")?.unwrap_or_else(|| fields.clone());
    // What whoami tells of a target can be sent back as it is.
    entity.only(&["_id", "type", "name"])?;
    fields.need("permissions")?;
    Ok(GrantSpec {
        kind: entity.text("type")?.to_owned(),
        name: entity.text("name")?.to_owned(),
        permissions: texts(&fields, "permissions")?,
    })
}

fn texts(fields: &Fields, name: &str) -> Result<Vec<String>, Failure> {
    let text = |(index, json): (usize, &Json)| match json {
        Json::String(text) => Ok(text.clone()),
        _ => {
            let path = format!("{}[{index}]", fields.path(name));
            let message = format!("`{path}` must be a string");
            Err(Failure::invalid(path, message))
        }
    };
    fields.array(name)?.unwrap_or_default().iter().enumerate().map(text).collect()
}
