//! `hubwarden search`: questions with a part left open, answered from files, a store, or a running server.
//!
//! Results go to stdout as they are found, one a line, in the form that other commands take them.

mod local;
mod remote;

use clap::{Args, Subcommand};
use serde_json::{Map, Value as Json, json};

use super::Setting;
use super::exit::{Exit, Failure};
use super::question::{context_of, entity_of};
use super::terminal::Format;
use super::world::WorldArgs;
use crate::entity::Uid;

/// Exit codes: 0 done, also when nothing is found; 1 failure, 3 invalid input, 4 the schema does not know what was asked
/// about.
#[derive(Debug, Args)]
pub(super) struct SearchArgs {
    #[command(flatten)]
    world: WorldArgs,
    #[command(subcommand)]
    what: What,
}

#[derive(Debug, Subcommand)]
enum What {
    /// Who may do this?
    Subject {
        /// The type of those sought: `user`, or `access_token` for tokens whose owners may, through them
        #[arg(long = "type", value_name = "TYPE")]
        type_name: String,
        /// To do what
        #[arg(long)]
        action: String,
        /// On what: `repo:models/acme/m1`
        #[arg(long, value_name = "ENTITY")]
        resource: String,
        #[command(flatten)]
        common: Common,
    },
    /// On what may they do this?
    Resource {
        /// Who: `user:alice`, `access_token:alice-ci`
        #[arg(long, value_name = "ENTITY")]
        principal: String,
        /// To do what
        #[arg(long)]
        action: String,
        /// The type of what is sought: `repo`
        #[arg(long = "type", value_name = "TYPE")]
        type_name: String,
        #[command(flatten)]
        common: Common,
    },
    /// What may they do there?
    Action {
        /// Who: `user:alice`, `access_token:alice-ci`
        #[arg(long, value_name = "ENTITY")]
        principal: String,
        /// On what: `repo:models/acme/m1`
        #[arg(long, value_name = "ENTITY")]
        resource: String,
        #[command(flatten)]
        common: Common,
    },
}

#[derive(Debug, Args)]
struct Common {
    /// The context as JSON, or `@FILE` that holds it
    #[arg(long, value_name = "JSON|@FILE")]
    context: Option<String>,
    /// How many results at most [default: all]
    #[arg(long, value_name = "COUNT")]
    limit: Option<usize>,
}

/// What is asked, its names not yet resolved.
struct Asked {
    what: Kind,
    context: Map<String, Json>,
    limit: usize,
}

enum Kind {
    Subject { type_name: String, action: String, resource: Uid },
    Resource { principal: Uid, action: String, type_name: String },
    Action { principal: Uid, resource: Uid },
}

/// What was found on one page.
struct Page {
    results: Vec<Found>,
    more: bool,
    scan: bool,
    revision: u64,
    bundle: String,
    decided: u64,
}

enum Found {
    Entity { type_name: String, id: String },
    Action(String),
}

pub(super) fn run(args: &SearchArgs, setting: &Setting) -> Result<Exit, Failure> {
    let asked = args.what.asked()?;
    let mut told = Told { setting, found: Vec::new(), count: 0, last: None, decided: 0, scan: false };
    match args.world.client(setting)? {
        Some(client) => remote::search(&client, &asked, &mut |page| told.page(page))?,
        None => {
            let warden = args.world.warden(setting)?;
            local::search(&warden, &asked, &mut |page| told.page(page))?;
            warden.close()?;
        }
    }
    told.end()?;
    Ok(Exit::Success)
}

impl What {
    fn asked(&self) -> Result<Asked, Failure> {
        let (what, common) = match self {
            Self::Subject { type_name, action, resource, common } => {
                let resource = entity_of(resource, "--resource")?;
                (Kind::Subject { type_name: type_name.clone(), action: action.clone(), resource }, common)
            }
            Self::Resource { principal, action, type_name, common } => {
                let principal = entity_of(principal, "--principal")?;
                (Kind::Resource { principal, action: action.clone(), type_name: type_name.clone() }, common)
            }
            Self::Action { principal, resource, common } => {
                let (principal, resource) = (entity_of(principal, "--principal")?, entity_of(resource, "--resource")?);
                (Kind::Action { principal, resource }, common)
            }
        };
        let context = context_of(common.context.as_deref())?;
        Ok(Asked { what, context, limit: common.limit.unwrap_or(usize::MAX) })
    }
}

/// Prints pages as they come; as JSON all at once.
struct Told<'s> {
    setting: &'s Setting,
    found: Vec<Json>,
    count: usize,
    decided: u64,
    scan: bool,
    last: Option<Page>,
}

impl Told<'_> {
    fn page(&mut self, mut page: Page) -> Result<(), Failure> {
        let text = self.setting.terminal.format == Format::Text;
        for found in page.results.drain(..) {
            self.count += 1;
            match found {
                Found::Entity { type_name, id } if text => self.setting.terminal.line(format!("{type_name}:{id}"))?,
                Found::Action(name) if text => self.setting.terminal.line(name)?,
                Found::Entity { type_name, id } => self.found.push(json!({"type": type_name, "id": id})),
                Found::Action(name) => self.found.push(json!({"name": name})),
            }
        }
        self.decided += page.decided;
        self.scan |= page.scan;
        self.last = Some(page);
        Ok(())
    }

    fn end(self) -> Result<(), Failure> {
        let Some(last) = self.last else { return Ok(()) };
        let terminal = &self.setting.terminal;
        if terminal.format != Format::Text {
            return terminal.line(json!({
                "results": self.found, "more": last.more, "way": if self.scan { "scan" } else { "index" },
                "decided": self.decided, "revision": last.revision, "bundle": last.bundle,
            }));
        }
        let more = if last.more { ", and there are more" } else { "" };
        let how = match self.scan {
            true => "all of the type looked at: no index leads there",
            false => "by index",
        };
        terminal
            .note(format!("{} found{more}; revision {}, {how}, {} decided", self.count, last.revision, self.decided));
        Ok(())
    }
}
