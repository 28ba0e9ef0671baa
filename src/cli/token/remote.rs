//! Tokens through a running server.

use serde_json::{Value as Json, json};

use super::{Done, TokenCommand, edit, new_token, value};
use crate::cli::client::Client;
use crate::cli::exit::Failure;
use crate::clock::rfc3339;
use crate::http::percent_encode;
use crate::hub::{GrantsSpec, Review};

pub fn run(client: &Client, command: &TokenCommand) -> Result<Done, Failure> {
    Ok(match command {
        TokenCommand::Create { user, name, role, expires, grants } => {
            let new = new_token(name, *role, *expires, grants);
            let mut body = json!({"name": new.name, "role": new.role.name(), "expiresAt": new.expires_at.map(rfc3339)});
            merge(&mut body, &new.grants);
            client.post(&tokens(user), &body)?
        }
        TokenCommand::List { user } => client.get(&tokens(user), &[])?,
        TokenCommand::Inspect(args) => client.get(&one(&args.user, &args.id), &[])?,
        TokenCommand::Edit { one: args, name, grants, no_grants } => {
            let edit = edit(name.as_ref(), grants, *no_grants)?;
            let mut body = json!({"name": edit.name});
            if let Some(grants) = &edit.grants {
                merge(&mut body, grants);
            }
            client.patch(&one(&args.user, &args.id), &body)?
        }
        TokenCommand::Refresh(args) => {
            client.post(&format!("{}/refresh", one(&args.user, &args.id)), &Json::Object(serde_json::Map::new()))?
        }
        TokenCommand::Delete(args) => client.delete(&one(&args.user, &args.id))?,
        TokenCommand::Introspect => client.post_form("/v1/introspect", "token", &value()?)?,
        TokenCommand::Review { org } => reviewable(client, org)?,
        TokenCommand::Approve(_) | TokenCommand::Deny(_) | TokenCommand::Revoke(_) => {
            let Some((args, review)) = command.review() else { return Ok(Json::Null) };
            let verb = match review {
                Review::Approve => "approve",
                Review::Deny => "deny",
                Review::Revoke => "revoke",
            };
            let path = format!("{}/{}/{verb}", of_organization(&args.org), percent_encode(&args.id));
            client.post(&path, &Json::Object(serde_json::Map::new()))?
        }
    })
}

/// All pages.
fn reviewable(client: &Client, org: &str) -> Result<Done, Failure> {
    let mut tokens: Vec<Json> = Vec::new();
    let mut next: Option<String> = None;
    loop {
        let query: Vec<(&str, &str)> = next.iter().map(|token| ("page_token", token.as_str())).collect();
        let mut page = client.get(&of_organization(org), &query)?;
        if let Some(Json::Array(found)) = page.get_mut("tokens").map(Json::take) {
            tokens.extend(found);
        }
        next = page.get("next_page_token").and_then(Json::as_str).map(str::to_owned);
        if next.is_none() {
            return Ok(json!({"tokens": tokens}));
        }
    }
}

fn tokens(user: &str) -> String {
    format!("/v1/users/{}/tokens", percent_encode(user))
}

fn one(user: &str, id: &str) -> String {
    format!("{}/{}", tokens(user), percent_encode(id))
}

fn of_organization(org: &str) -> String {
    format!("/v1/organizations/{}/tokens", percent_encode(org))
}

/// Adds grants to a body; for other roles than fine-grained there are none, and they are not said.
fn merge(body: &mut Json, grants: &GrantsSpec) {
    let Some(body) = body.as_object_mut() else { return };
    body.insert("gatedRepos".to_owned(), json!(grants.gated_repos));
    body.insert("global".to_owned(), json!(grants.global));
    let grant = |grant: &crate::hub::GrantSpec| json!({"entity": {"type": grant.kind, "name": grant.name}, "permissions": grant.permissions});
    body.insert("grants".to_owned(), grants.grants.iter().map(grant).collect());
}
