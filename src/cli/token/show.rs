//! Printing tokens. A value stands alone on stdout, so that it can be piped into where it is to be kept.

use serde_json::Value as Json;

use super::{Done, TokenCommand};
use crate::cli::Setting;
use crate::cli::exit::Failure;
use crate::cli::terminal::Format;

pub fn show(command: &TokenCommand, done: &Done, setting: &Setting) -> Result<(), Failure> {
    let terminal = &setting.terminal;
    let token = done.get("token").unwrap_or(&Json::Null);
    let text = match command {
        TokenCommand::Create { .. } | TokenCommand::Refresh(_) => {
            terminal.note(format!("token {}; keep its value, it is not shown again", part(token, "id")));
            part(done, "value").to_owned()
        }
        TokenCommand::List { .. } | TokenCommand::Review { .. } => {
            let tokens = done.get("tokens").and_then(Json::as_array).map(Vec::as_slice).unwrap_or_default();
            if tokens.is_empty() && terminal.format == Format::Text {
                terminal.note("there are no tokens");
                return Ok(());
            }
            tokens.iter().map(line).collect::<Vec<_>>().join("\n")
        }
        TokenCommand::Inspect(_) | TokenCommand::Edit { .. } => {
            let sentences = done.get("sentences").and_then(Json::as_array).into_iter().flatten();
            let sentences: Vec<&str> = sentences.filter_map(Json::as_str).collect();
            format!("{}\n{}", line(token), sentences.join("\n"))
        }
        TokenCommand::Delete(_) => format!("deleted {}", part(done, "id")),
        TokenCommand::Introspect => match done.get("active") {
            Some(Json::Bool(true)) => {
                format!("alive: {} of {}, role {}", part(done, "name"), part(done, "sub"), part(done, "scope"))
            }
            _ => "dead".to_owned(),
        },
        TokenCommand::Approve(args) | TokenCommand::Deny(args) | TokenCommand::Revoke(args) => {
            format!("{} {} in {}", part(token, "id"), part(token, "state"), args.org)
        }
    };
    terminal.print(text, done)
}

fn part<'a>(json: &'a Json, name: &str) -> &'a str {
    json.get(name).and_then(Json::as_str).unwrap_or_default()
}

/// One token on a line: what people tell it by first, what they choose last.
fn line(token: &Json) -> String {
    let used = token.get("lastUsedAt").and_then(Json::as_str).unwrap_or("never used");
    let mut parts = vec![part(token, "id").to_owned(), format!("…{}", part(token, "lastCharacters"))];
    parts.extend([part(token, "role").to_owned(), part(token, "createdAt").to_owned(), used.to_owned()]);
    if let Some(state) = token.get("state").and_then(Json::as_str) {
        parts.extend([part(token, "owner").to_owned(), state.to_owned()]);
    }
    if token.get("expired") == Some(&Json::Bool(true)) {
        parts.push("expired".to_owned());
    }
    parts.push(part(token, "name").to_owned());
    parts.join("  ")
}
