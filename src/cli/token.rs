//! `hubwarden token`: the life of access tokens, on a store in a folder or through a server; their credentials into and
//! out of a backup, on a folder alone.
//!
//! Whoever holds the folder, or a key with the scope `tokens`, says who acts; the policies say what that user may do. A
//! value goes to stdout once, when it is made, and comes in by stdin only: arguments can be read by everybody on the
//! machine.

mod backup;
mod grant;
mod local;
mod reach;
mod remote;
mod show;

use std::io::Read;

use clap::{Args, Subcommand};
use jiff::Timestamp;
use serde_json::Value as Json;

use super::Setting;
use super::bundle::BundleArgs;
use super::client::{Actor, ServerArgs};
use super::data::DataArgs;
use super::exit::{Exit, Failure};
use super::hub::HubArgs;
use crate::hub::{Edit, GrantSpec, GrantsSpec, NewToken, Review};
use crate::tokens::Role;
use backup::{ExportArgs, ImportArgs};
use reach::ReachArgs;

#[derive(Debug, Args)]
pub(super) struct TokenArgs {
    #[command(flatten, next_help_heading = PLACE)]
    data: DataArgs,
    #[command(flatten, next_help_heading = PLACE)]
    server: ServerArgs,
    #[command(flatten, next_help_heading = PLACE)]
    bundle: BundleArgs,
    #[command(flatten, next_help_heading = PLACE)]
    hub: HubArgs,
    /// Who acts [default: the user whose tokens they are; of an organization's reviews there is none]
    #[arg(long, global = true, value_name = "USER", help_heading = ACTOR)]
    actor: Option<String>,
    /// The one who acts signed in with two factors
    #[arg(long, global = true, help_heading = ACTOR)]
    mfa: bool,
    #[command(subcommand)]
    command: Command,
}

/// Headings of the options that all commands have, so that each command's own stand first.
const PLACE: &str = "Where the tokens are";
const ACTOR: &str = "Who acts";

#[derive(Debug, Subcommand)]
enum Command {
    #[command(flatten)]
    Life(TokenCommand),
    /// Tell everything that a token can do, the worst first: what is at stake when it leaks.
    Reach(ReachArgs),
    /// Write the credentials of all tokens, a line each, for a backup beside `hubwarden export`; never a value.
    Export(ExportArgs),
    /// Read credentials from a backup, all of them or none; after `hubwarden import`, and with the same key file.
    Import(ImportArgs),
}

#[derive(Debug, Args)]
struct GrantArgs {
    /// A target and its permissions: `org:acme=repo.content.read,repo.write`, `model:acme/m1=repo.write`; a repository
    /// without permissions gets none of its namespace's
    #[arg(long = "grant", value_name = "KIND:NAME=PERMISSIONS", value_parser = grant::parse)]
    grants: Vec<GrantSpec>,
    /// Allow the content of public gated repositories that the owner was accepted to
    #[arg(long)]
    gated_repos: bool,
    /// Permissions outside every target; several with commas
    #[arg(long, value_name = "PERMISSION", value_delimiter = ',')]
    global: Vec<String>,
}

#[derive(Debug, Args)]
struct OneArgs {
    /// Whose token it is
    #[arg(long)]
    user: String,
    /// The token's id, as `list` shows it
    id: String,
}

#[derive(Debug, Args)]
struct ReviewArgs {
    /// The organization
    #[arg(long)]
    org: String,
    /// The token's id, as `review` shows it
    id: String,
}

#[derive(Debug, Subcommand)]
enum TokenCommand {
    /// Create a token and write its value to stdout: the only time that it can be seen.
    Create {
        /// Whose token it will be
        #[arg(long)]
        user: String,
        /// What its owner will know it by
        #[arg(long)]
        name: String,
        /// `read`, `write` or `fineGrained`
        #[arg(long)]
        role: Role,
        /// When it stops working, e.g. 2027-01-01T00:00:00Z [default: never]
        #[arg(long, value_name = "TIME", value_parser = time)]
        expires: Option<Timestamp>,
        #[command(flatten)]
        grants: GrantArgs,
    },
    /// List a user's tokens, the newest first, without their values.
    List {
        /// Whose tokens
        #[arg(long)]
        user: String,
    },
    /// Say in sentences what a token lets through.
    Inspect(OneArgs),
    /// Change a token's name or grants. Grants are replaced as a whole.
    Edit {
        #[command(flatten)]
        one: OneArgs,
        /// What its owner will know it by
        #[arg(long)]
        name: Option<String>,
        #[command(flatten)]
        grants: GrantArgs,
        /// Take all grants away
        #[arg(long, conflicts_with_all = ["grants", "gated_repos", "global"])]
        no_grants: bool,
    },
    /// Give a token a new value, written to stdout; the old one is dead at once.
    Refresh(OneArgs),
    /// Delete a token.
    Delete(OneArgs),
    /// Read a token's value from stdin and say whether it is alive, and whose.
    Introspect,
    /// List the tokens that concern an organization.
    Review {
        /// The organization
        #[arg(long)]
        org: String,
    },
    /// Let a token into an organization that demands it.
    Approve(ReviewArgs),
    /// Say no to a token, or take an approval back.
    Deny(ReviewArgs),
    /// Shut a token out of an organization, for good.
    Revoke(ReviewArgs),
}

pub(super) fn run(args: &TokenArgs, setting: &Setting) -> Result<Exit, Failure> {
    let command = match &args.command {
        Command::Life(command) => command,
        Command::Reach(reach) => return reach::run(args, reach, setting),
        Command::Export(export) => return backup::export(args, export, setting),
        Command::Import(import) => return backup::import(args, import, setting),
    };
    let actor = Actor { user: args.actor(command)?, mfa: args.mfa };
    let done = match args.server.client(&args.data, &args.bundle, setting)? {
        // What a folder and a server refuse alike exits alike.
        Some(client) => remote::run(&client.acting(actor), command).map_err(Failure::plain)?,
        None => local::run(args, command, &actor, setting)?,
    };
    show::show(command, &done, setting)?;
    Ok(Exit::Success)
}

impl TokenArgs {
    /// The user who acts.
    fn actor(&self, command: &TokenCommand) -> Result<String, Failure> {
        match (&self.actor, command.user()) {
            (Some(actor), _) => Ok(actor.clone()),
            (None, Some(user)) => Ok(user.to_owned()),
            (None, None) if matches!(command, TokenCommand::Introspect) => Ok(String::new()),
            (None, None) => Err(Failure::new("say which admin of the organization acts: `--actor USER`")),
        }
    }
}

impl TokenCommand {
    fn user(&self) -> Option<&str> {
        match self {
            Self::Create { user, .. } | Self::List { user } => Some(user),
            Self::Inspect(one) | Self::Edit { one, .. } | Self::Refresh(one) | Self::Delete(one) => Some(&one.user),
            Self::Introspect | Self::Review { .. } | Self::Approve(_) | Self::Deny(_) | Self::Revoke(_) => None,
        }
    }

    /// What is done to a token for an organization.
    fn review(&self) -> Option<(&ReviewArgs, Review)> {
        match self {
            Self::Approve(args) => Some((args, Review::Approve)),
            Self::Deny(args) => Some((args, Review::Deny)),
            Self::Revoke(args) => Some((args, Review::Revoke)),
            _ => None,
        }
    }
}

impl GrantArgs {
    fn spec(&self) -> GrantsSpec {
        GrantsSpec { gated_repos: self.gated_repos, global: self.global.clone(), grants: self.grants.clone() }
    }
}

fn new_token(name: &str, role: Role, expires: Option<Timestamp>, grants: &GrantArgs) -> NewToken {
    NewToken { name: name.to_owned(), role, expires_at: expires, grants: grants.spec() }
}

fn edit(name: Option<&String>, grants: &GrantArgs, no_grants: bool) -> Result<Edit, Failure> {
    let spec = grants.spec();
    let grants = (no_grants || spec != GrantsSpec::default()).then_some(spec);
    if name.is_none() && grants.is_none() {
        return Err(Failure::new("nothing to change: name a new `--name`, grants, or `--no-grants`"));
    }
    Ok(Edit { name: name.cloned(), grants })
}

/// A point in time.
fn time(text: &str) -> Result<Timestamp, String> {
    text.parse().map_err(|_| "a time is written as 2027-01-01T00:00:00Z".to_owned())
}

/// The value on stdin, without the end of its line.
fn value() -> Result<String, Failure> {
    let mut text = String::new();
    let read = std::io::stdin().take(8 * 1024).read_to_string(&mut text);
    read.map_err(|error| Failure::new(format!("cannot read the value from stdin: {error}")))?;
    Ok(text.trim_end_matches(['\r', '\n']).to_owned())
}

/// What a command did, in the form that the server answers.
type Done = Json;
