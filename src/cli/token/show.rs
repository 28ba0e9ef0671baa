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
            table(tokens)
        }
        TokenCommand::Inspect(_) | TokenCommand::Edit { .. } => {
            let sentences = done.get("sentences").and_then(Json::as_array).into_iter().flatten();
            let sentences: Vec<&str> = sentences.filter_map(Json::as_str).collect();
            format!("{}\n{}", table(std::slice::from_ref(token)), sentences.join("\n"))
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

/// A line for each token, in columns: what people tell it by first, what they choose last.
fn table(tokens: &[Json]) -> String {
    let rows: Vec<Vec<String>> = tokens.iter().map(columns).collect();
    let width = |column: usize| {
        let cells = rows.iter().filter_map(|row| row.get(column));
        cells.map(|cell| cell.chars().count()).max().unwrap_or_default()
    };
    let line = |row: &Vec<String>| {
        let (name, cells) = row.split_last()?;
        let cells = cells.iter().enumerate().map(|(column, cell)| format!("{cell:<0$}  ", width(column)));
        Some(cells.collect::<String>() + name)
    };
    rows.iter().filter_map(line).collect::<Vec<_>>().join("\n")
}

fn columns(token: &Json) -> Vec<String> {
    let time = |name: &str| token.get(name).and_then(Json::as_str).map(seconds);
    let mut columns = vec![part(token, "id").to_owned()];
    if token.get("state").is_some() {
        columns.extend([part(token, "state").to_owned(), part(token, "owner").to_owned()]);
    }
    let expired = token.get("expired") == Some(&Json::Bool(true));
    let verb = if expired { "expired" } else { "expires" };
    columns.extend([
        part(token, "role").to_owned(),
        format!("…{}", part(token, "lastCharacters")),
        format!("created {}", time("createdAt").unwrap_or_default()),
        time("lastUsedAt").map_or_else(|| "never used".to_owned(), |at| format!("used {at}")),
        time("expiresAt").map_or_else(|| "never expires".to_owned(), |at| format!("{verb} {at}")),
        part(token, "name").to_owned(),
    ]);
    columns
}

/// A time without its fraction, which says nothing to people.
fn seconds(time: &str) -> String {
    match time.split_once('.') {
        Some((whole, _)) => format!("{whole}Z"),
        None => time.to_owned(),
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn tokens_are_listed_in_columns() {
        let token = |id: &str, role: &str, used: Option<&str>, name: &str| {
            json!({"id": id, "role": role, "lastCharacters": "wxYZ", "createdAt": "2026-01-02T03:04:05.678Z",
                   "lastUsedAt": used, "expiresAt": null, "expired": false, "name": name})
        };
        let tokens =
            [token("0a", "read", None, "é b"), token("1b", "fineGrained", Some("2026-02-03T04:05:06.000Z"), "ci")];
        assert_eq!(
            table(&tokens),
            "0a  read         …wxYZ  created 2026-01-02T03:04:05Z  never used                 never expires  é b\n\
             1b  fineGrained  …wxYZ  created 2026-01-02T03:04:05Z  used 2026-02-03T04:05:06Z  never expires  ci"
        );
    }
}
