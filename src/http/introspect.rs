//! `POST /v1/introspect`: whether a token is alive, and whose (RFC 7662).

use serde::Serialize;
use utoipa::ToSchema;

use super::body;
use super::call::Call;
use super::failure::Failure;
use super::path::percent_decode;
use super::reply::{Answered, Reply};
use crate::hub::Introspection;
use crate::warden::Api;

/// A token to look at, as a form.
#[derive(ToSchema)]
#[expect(dead_code, reason = "the form of a body; it is read field by field")]
pub struct IntrospectionRequest {
    /// The token's value.
    token: String,
    /// Ignored: there is one kind.
    token_type_hint: Option<String>,
}

/// What is known of it. Of a dead token nothing else is told.
#[derive(Default, Serialize, ToSchema)]
pub struct IntrospectionReply {
    active: bool,
    /// The user's id.
    #[serde(skip_serializing_if = "Option::is_none")]
    sub: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    username: Option<String>,
    /// The token's id.
    #[serde(skip_serializing_if = "Option::is_none")]
    jti: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    token_type: Option<&'static str>,
    /// The role of the token: `read`, `write` or `fineGrained`.
    #[serde(skip_serializing_if = "Option::is_none")]
    scope: Option<&'static str>,
    /// The token's name.
    #[serde(skip_serializing_if = "Option::is_none")]
    name: Option<String>,
    /// In seconds since 1970.
    #[serde(skip_serializing_if = "Option::is_none")]
    iat: Option<i64>,
    #[serde(skip_serializing_if = "Option::is_none")]
    exp: Option<i64>,
}

pub async fn answer(call: Call) -> Answered {
    body::check_type(&call.headers, body::FORM)?;
    let value = token(&call.body)?;
    let session = call.warden().session(Api::Tokens, call.at_least)?;
    let reply = introspected(&call.hub().introspect(&session, &value)?);
    Ok(Reply::ok(&reply).secret().at(session.revision()).of_bundle(session.bundle().hash()))
}

/// What is told of a token.
pub fn introspected(introspection: &Introspection) -> IntrospectionReply {
    match introspection {
        Introspection::Inactive => IntrospectionReply::default(),
        Introspection::Active(stored) => IntrospectionReply {
            active: true,
            sub: Some(stored.token.owner.to_string()),
            username: Some(stored.token.owner.to_string()),
            jti: Some(stored.token.id.to_string()),
            token_type: Some("Bearer"),
            scope: Some(stored.token.role.name()),
            name: Some(stored.token.name.clone()),
            iat: Some(stored.token.created_at.as_second()),
            exp: stored.token.expires_at.map(|at| at.as_second()),
        },
    }
}

/// The parameter `token` of a form, which stands exactly once. Errors never repeat the form.
fn token(form: &[u8]) -> Result<String, Failure> {
    let malformed = || Failure::invalid("body", "the form is not percent-encoded UTF-8");
    let text = std::str::from_utf8(form).map_err(|_| malformed())?;
    let mut found = None;
    for pair in text.split('&').filter(|pair| !pair.is_empty()) {
        let (name, value) = pair.split_once('=').unwrap_or((pair, ""));
        let decode = |part: &str| percent_decode(&part.replace('+', " ")).ok_or_else(malformed);
        if decode(name)? == "token" && found.replace(decode(value)?).is_some() {
            return Err(Failure::invalid("token", "`token` stands twice"));
        }
    }
    found.ok_or_else(|| Failure::invalid("token", "`token` is missing"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_form_has_one_token() {
        assert_eq!(token(b"token=a%20b&token_type_hint=access_token").unwrap(), "a b");
        for bad in [&b""[..], b"tok=a", b"token=a&token=b", b"token=%zz", b"token=\xff"] {
            assert!(token(bad).is_err(), "{bad:?}");
        }
    }
}
