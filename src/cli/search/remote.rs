//! A search that a server is asked for, page by page.

use serde_json::{Value as Json, json};

use super::{Asked, Failure, Found, Kind, Page};
use crate::cli::client::Client;
use crate::entity::Uid;

const PAGE: usize = 1_000;

pub(super) fn search(
    client: &Client,
    asked: &Asked,
    each: &mut dyn FnMut(Page) -> Result<(), Failure>,
) -> Result<(), Failure> {
    let party = |uid: &Uid| json!({"type": uid.type_name(), "id": uid.id()});
    let (what, mut body) = match &asked.what {
        Kind::Subject { type_name, action, resource } => (
            "subject",
            json!({"subject": {"type": type_name}, "action": {"name": action}, "resource": party(resource)}),
        ),
        Kind::Resource { principal, action, type_name } => (
            "resource",
            json!({"subject": party(principal), "action": {"name": action}, "resource": {"type": type_name}}),
        ),
        Kind::Action { principal, resource } => {
            ("action", json!({"subject": party(principal), "resource": party(resource)}))
        }
    };
    let path = format!("/access/v1/search/{what}?explain=true");
    let mut page = json!({"limit": asked.limit.min(PAGE), "properties": {"any_revision": true}});
    let mut left = asked.limit;
    loop {
        if let Some(body) = body.as_object_mut() {
            body.insert("context".to_owned(), Json::Object(asked.context.clone()));
            body.insert("page".to_owned(), page);
        }
        let answer = client.post(&path, &body)?;
        let results = answer.get("results").and_then(Json::as_array).map_or(&[][..], Vec::as_slice);
        let next = answer.pointer("/page/next_token").and_then(Json::as_str).unwrap_or_default().to_owned();
        let shown = results.len().min(left);
        let number = |key: &str| answer.pointer(&format!("/context/{key}")).and_then(Json::as_u64).unwrap_or_default();
        let text = |key: &str| answer.pointer(&format!("/context/{key}")).and_then(Json::as_str).unwrap_or_default();
        each(Page {
            results: results.iter().take(left).map(found).collect(),
            more: !next.is_empty() || shown < results.len(),
            scan: text("way") == "scan",
            revision: number("revision"),
            bundle: text("bundle").to_owned(),
            decided: number("decided"),
        })?;
        left -= shown;
        if next.is_empty() || left == 0 {
            return Ok(());
        }
        page = json!({"token": next});
    }
}

fn found(result: &Json) -> Found {
    let text = |key: &str| result.get(key).and_then(Json::as_str).unwrap_or_default().to_owned();
    match result.get("name") {
        Some(_) => Found::Action(text("name")),
        None => Found::Entity { type_name: text("type"), id: text("id") },
    }
}
