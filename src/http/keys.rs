//! `/v1/keys`: who may call. A key's value is shown once, when it is created.

use axum::http::StatusCode;
use serde::Serialize;
use serde_json::Value as Json;
use utoipa::ToSchema;

use super::call::Call;
use super::failure::Failure;
use super::fields::Fields;
use super::record;
use super::reply::{Answered, Reply};
use crate::clock::rfc3339;
use crate::warden::{ApiKey, KeyError, Scope, Scopes};

/// A key without its secret.
#[derive(Serialize, ToSchema)]
pub struct KeyBody {
    id: String,
    name: String,
    scopes: Vec<&'static str>,
    created_at: String,
}

#[derive(Serialize, ToSchema)]
pub struct KeysReply {
    keys: Vec<KeyBody>,
}

/// A key to create.
#[derive(ToSchema)]
#[expect(dead_code, reason = "the form of a body; it is read field by field, for errors that name the field")]
pub struct KeyRequest {
    /// For people: who uses it.
    name: String,
    /// Of `evaluate`, `read`, `write`, `admin`, `audit`, `tokens`.
    scopes: Vec<String>,
}

/// A new key.
#[derive(Serialize, ToSchema)]
pub struct NewKeyReply {
    key: KeyBody,
    /// The value to send as `Authorization: Bearer …`. It is not kept and cannot be shown again.
    value: String,
}

#[derive(Serialize, ToSchema)]
pub struct KeyDeletedReply {
    id: String,
}

impl From<ApiKey> for KeyBody {
    fn from(key: ApiKey) -> Self {
        Self {
            scopes: key.scopes.iter().map(|scope| scope.name()).collect(),
            created_at: rfc3339(key.created_at),
            id: key.id,
            name: key.name,
        }
    }
}

pub async fn list(call: Call) -> Answered {
    let keys = call.warden().keys().list().into_iter().map(Into::into).collect();
    Ok(Reply::ok(&KeysReply { keys }))
}

pub async fn create(call: Call) -> Answered {
    let json = call.json()?;
    let fields = Fields::of_body(&json)?;
    fields.only(&["name", "scopes"])?;
    let name = fields.text("name")?.to_owned();
    let scopes = scopes(fields.array("scopes")?.unwrap_or_default())?;
    call.blocking(move |call| {
        let (key, value) = call.warden().keys().create(&name, scopes).map_err(refused)?;
        record::changed(call, &format!("key {}", key.id), 1, call.warden().revision()?);
        let reply = NewKeyReply { key: key.into(), value: value.reveal().to_owned() };
        Ok(Reply::json(StatusCode::CREATED, &reply).secret())
    })
    .await
}

pub async fn delete(call: Call) -> Answered {
    let id = call.params.get("id").to_owned();
    call.blocking(move |call| {
        call.warden().keys().delete(&id).map_err(refused)?;
        record::changed(call, &format!("key {id}"), 1, call.warden().revision()?);
        Ok(Reply::ok(&KeyDeletedReply { id }))
    })
    .await
}

fn scopes(items: &[Json]) -> Result<Scopes, Failure> {
    let scope = |(index, item): (usize, &Json)| {
        let refuse = |message: String| Failure::invalid(format!("scopes[{index}]"), message);
        let name = item.as_str().ok_or_else(|| refuse("a scope is a string".to_owned()))?;
        name.parse::<Scope>().map_err(refuse)
    };
    items.iter().enumerate().map(scope).collect()
}

fn refused(error: KeyError) -> Failure {
    let message = error.to_string();
    match error {
        KeyError::Name => Failure::invalid("name", message),
        KeyError::NoScope => Failure::invalid("scopes", message),
        KeyError::Unknown(_) => Failure::not_found(message),
        KeyError::Encoding(_) => Failure::internal(),
        KeyError::Randomness(_) => Failure::unavailable("no_randomness", message),
        KeyError::Store(error) => error.into(),
        KeyError::Commit(error) => error.into(),
        KeyError::Audit(error) => error.into(),
    }
}
