//! `hubwarden key`: API keys. A key's value is shown once, when it is created.

use std::sync::Arc;

use clap::{Args, Subcommand};
use serde_json::json;

use super::Setting;
use super::bundle::BundleArgs;
use super::data::{self, DataArgs, Missing};
use super::exit::{Exit, Failure};
use crate::clock::{SystemClock, rfc3339};
use crate::warden::{ApiKey, KeyError, Scope, Warden};

#[derive(Debug, Args)]
pub(super) struct KeyArgs {
    #[command(flatten)]
    data: DataArgs,
    #[command(flatten)]
    bundle: BundleArgs,
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
        /// What it may be used for: evaluate, read, write, admin, audit; several with commas
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
    let missing = match &args.command {
        KeyCommand::Create { .. } => Missing::Create,
        KeyCommand::List | KeyCommand::Delete { .. } => Missing::Refuse,
    };
    let store = args.data.open(setting, missing)?;
    let warden = data::warden(store, &args.bundle, setting, Arc::new(SystemClock))?;
    match &args.command {
        KeyCommand::Create { name, scopes } => create(&warden, name, scopes, setting),
        KeyCommand::List => list(&warden.keys(), setting),
        KeyCommand::Delete { id } => {
            warden.delete_key(id)?;
            setting.terminal.print(format!("deleted {id}"), &json!({"deleted": id}))?;
            Ok(Exit::Success)
        }
    }
}

fn create(warden: &Warden, name: &str, scopes: &[Scope], setting: &Setting) -> Result<Exit, Failure> {
    let (key, plain) = warden.create_key(name, scopes.iter().copied().collect())?;
    setting.terminal.note(format!("key {} may {}; keep its value, it is not shown again", key.id, words(&key)));
    setting.terminal.print(plain.reveal(), &json!({"key": key, "value": plain.reveal()}))?;
    Ok(Exit::Success)
}

fn list(keys: &[ApiKey], setting: &Setting) -> Result<Exit, Failure> {
    let line = |key: &ApiKey| format!("{}  {}  {}  {}", key.id, rfc3339(key.created_at), words(key), key.name);
    let lines: Vec<String> = keys.iter().map(line).collect();
    if lines.is_empty() && setting.terminal.format == super::terminal::Format::Text {
        setting.terminal.note("there are no keys");
        return Ok(Exit::Success);
    }
    setting.terminal.print(lines.join("\n"), &json!({"keys": keys}))?;
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
