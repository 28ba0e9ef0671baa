//! `hubwarden key`: API keys. A key's value is shown once, when it is created.

use std::sync::Arc;

use clap::{Args, Subcommand};
use serde::Deserialize;
use serde_json::json;

use super::Setting;
use super::bundle::BundleArgs;
use super::client::{Client, ServerArgs};
use super::data::{DataArgs, Missing};
use super::exit::{Exit, Failure};
use super::terminal::Format;
use crate::clock::{SystemClock, rfc3339};
use crate::warden::{ApiKey, KeyError, Keys, Scope};

#[derive(Debug, Args)]
pub(super) struct KeyArgs {
    #[command(flatten)]
    data: DataArgs,
    #[command(flatten)]
    server: ServerArgs,
    #[command(subcommand)]
    command: KeyCommand,
}

#[derive(Debug, Subcommand)]
enum KeyCommand {
    /// Create a key and write its value to stdout: the only time that it can be seen.
    Create {
        /// Who or what it is for
        #[arg(long)]
        name: String,
        /// What it may be used for: evaluate, read, write, admin, audit, tokens; several with commas
        #[arg(long = "scope", value_name = "SCOPE", value_delimiter = ',', required = true)]
        scopes: Vec<Scope>,
    },
    /// List keys, without their values.
    List,
    /// Delete a key.
    Delete {
        /// The key's id, as `list` shows it
        id: String,
    },
}

pub(super) fn run(args: &KeyArgs, setting: &Setting) -> Result<Exit, Failure> {
    let done = match args.server.client(&args.data, &BundleArgs::default(), setting)? {
        Some(client) => through(&client, &args.command)?,
        None => here(args, setting)?,
    };
    show(&done, setting)
}

/// What a command did.
enum Done {
    /// The value is shown to whoever asked for it, and nowhere else.
    Created {
        key: ApiKey,
        value: String,
    },
    Listed(Vec<ApiKey>),
    Deleted(String),
}

/// Works on a store in a folder.
fn here(args: &KeyArgs, setting: &Setting) -> Result<Done, Failure> {
    let missing = match &args.command {
        KeyCommand::Create { .. } => Missing::Create,
        KeyCommand::List | KeyCommand::Delete { .. } => Missing::Refuse,
    };
    let store = args.data.open(setting, missing)?;
    let log = args.data.log(store.as_ref(), setting)?;
    let keys = Keys::recorded(Arc::clone(&store), Arc::new(SystemClock), Arc::clone(&log))?;
    let done = match &args.command {
        KeyCommand::Create { name, scopes } => {
            let (key, value) = keys.create(name, scopes.iter().copied().collect())?;
            Done::Created { key, value: value.reveal().to_owned() }
        }
        KeyCommand::List => Done::Listed(keys.list()),
        KeyCommand::Delete { id } => {
            keys.delete(id)?;
            Done::Deleted(id.clone())
        }
    };
    log.close();
    store.close()?;
    Ok(done)
}

/// Works through a running server.
fn through(client: &Client, command: &KeyCommand) -> Result<Done, Failure> {
    let malformed = |error: serde_json::Error| Failure::new(format!("the server's answer is not understood: {error}"));
    Ok(match command {
        KeyCommand::Create { name, scopes } => {
            let answer = client.post("/v1/keys", &json!({"name": name, "scopes": scopes}))?;
            let NewKey { key, value } = serde_json::from_value(answer).map_err(malformed)?;
            Done::Created { key, value }
        }
        KeyCommand::List => {
            let answer = client.get("/v1/keys", &[])?;
            let KeyList { keys } = serde_json::from_value(answer).map_err(malformed)?;
            Done::Listed(keys)
        }
        KeyCommand::Delete { id } => {
            // The id becomes part of a path.
            if !id.chars().all(|c| c.is_ascii_alphanumeric()) {
                return Err(KeyError::Unknown(id.clone()).into());
            }
            client.delete(&format!("/v1/keys/{id}"))?;
            Done::Deleted(id.clone())
        }
    })
}

#[derive(Deserialize)]
struct NewKey {
    key: ApiKey,
    value: String,
}

#[derive(Deserialize)]
struct KeyList {
    keys: Vec<ApiKey>,
}

fn show(done: &Done, setting: &Setting) -> Result<Exit, Failure> {
    let terminal = &setting.terminal;
    match done {
        Done::Created { key, value } => {
            terminal.note(format!("key {} may {}; keep its value, it is not shown again", key.id, words(key)));
            terminal.print(value, &json!({"key": key, "value": value}))?;
        }
        Done::Listed(keys) if keys.is_empty() && terminal.format == Format::Text => terminal.note("there are no keys"),
        Done::Listed(keys) => {
            let line = |key: &ApiKey| format!("{}  {}  {}  {}", key.id, rfc3339(key.created_at), words(key), key.name);
            let lines: Vec<String> = keys.iter().map(line).collect();
            terminal.print(lines.join("\n"), &json!({"keys": keys}))?;
        }
        Done::Deleted(id) => terminal.print(format!("deleted {id}"), &json!({"deleted": id}))?,
    }
    Ok(Exit::Success)
}

fn words(key: &ApiKey) -> String {
    let names: Vec<&str> = key.scopes.iter().map(|scope| scope.name()).collect();
    names.join(",")
}

impl From<KeyError> for Failure {
    fn from(error: KeyError) -> Self {
        Self::new(error.to_string())
    }
}
