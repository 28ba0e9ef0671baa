//! `hubwarden authorize`: one question, answered from files, a store, or a running server.

mod question;
mod report;

use std::path::{Path, PathBuf};
use std::sync::Arc;

use clap::Args;
use jiff::Timestamp;

use super::Setting;
use super::bundle::BundleArgs;
use super::client::{Client, ServerArgs};
use super::data::{self, DataArgs, Missing};
use super::entities::{self, Source};
use super::exit::{Exit, Failure};
use crate::clock::{Clock, FixedClock, SystemClock};
use crate::entity::Entity;
use crate::pdp::{Bundle, DecideError};
use crate::store::{MemoryStore, Store};
use crate::warden::{Api, AskError, Asked, SessionError, Warden};
use question::Written;
use report::Report;

/// Exit codes: 0 allow, 2 deny, 1 failure, 3 invalid input, 4 the schema does not know what was asked about.
#[derive(Debug, Args)]
pub(super) struct AuthorizeArgs {
    #[command(flatten)]
    bundle: BundleArgs,
    #[command(flatten)]
    data: DataArgs,
    #[command(flatten)]
    server: ServerArgs,
    /// Entities, before those of the store: a JSON array or one JSON object a line; `-` reads stdin
    #[arg(long, value_name = "FILE")]
    entities: Option<PathBuf>,
    /// Who asks: `Hub::User::"alice"`, or short: `user:alice`
    #[arg(long, value_name = "ENTITY", required_unless_present = "request_json")]
    principal: Option<String>,
    /// To do what: `Hub::Action::"repo.write"`, or short: `repo.write`
    #[arg(long, value_name = "ACTION", required_unless_present = "request_json")]
    action: Option<String>,
    /// On what: `Hub::Repo::"models/acme/m1"`, or short: `repo:models/acme/m1`
    #[arg(long, value_name = "ENTITY", required_unless_present = "request_json")]
    resource: Option<String>,
    /// The context as JSON, or `@FILE` that holds it
    #[arg(long, value_name = "JSON|@FILE")]
    context: Option<String>,
    /// The whole question: `{"principal": …, "action": …, "resource": …, "context": {…}}`
    #[arg(long, value_name = "FILE", conflicts_with_all = ["principal", "action", "resource", "context"])]
    request_json: Option<PathBuf>,
    /// The time to decide for [default: now]
    #[arg(long, value_name = "RFC3339")]
    now: Option<Timestamp>,
}

pub(super) fn run(args: &AuthorizeArgs, setting: &Setting) -> Result<Exit, Failure> {
    let written = written(args)?;
    let report = match args.server.client(&args.data, &args.bundle, setting)? {
        Some(client) => ask_server(args, &client, &written)?,
        None => ask(args, setting, written)?,
    };
    setting.terminal.print(&report, &report)?;
    Ok(if report.allowed() { Exit::Success } else { Exit::Deny })
}

fn ask(args: &AuthorizeArgs, setting: &Setting, written: Written) -> Result<Report, Failure> {
    let warden = open(args, setting)?;
    let session = warden.session(Api::Cli, None)?;
    let bundle = session.bundle();
    let entities = match &args.entities {
        Some(path) => admitted(path, bundle)?,
        None => Vec::new(),
    };
    let question = written.resolve(bundle)?;
    let ruling = session.ask(Asked {
        principal: question.principal,
        action: question.action,
        resource: question.resource,
        context: question.context,
        entities,
    })?;
    Ok(Report::new(&ruling, args.data.named(setting).is_some()))
}

fn ask_server(args: &AuthorizeArgs, client: &Client, written: &Written) -> Result<Report, Failure> {
    if args.now.is_some() {
        return Err(Failure::new("a server decides by its own clock: `--now` goes with files and `--data` only"));
    }
    let mut request = written.to_request()?;
    if let Some(path) = &args.entities {
        let source = Source::open(path)?;
        let name = source.name.clone();
        let entities = source.pieces.map(|piece| entities::parse(piece, &name)).collect::<Result<Vec<_>, _>>();
        request.insert("entities".to_owned(), entities.map_err(|fault| Failure::invalid(fault.to_string()))?.into());
    }
    let answer = client.post("/v1/authorize", &request.into())?;
    serde_json::from_value(answer)
        .map_err(|error| Failure::new(format!("the server's answer is not understood: {error}")))
}

fn written(args: &AuthorizeArgs) -> Result<Written, Failure> {
    match (args.request_json.as_ref(), &args.principal, &args.action, &args.resource) {
        (Some(path), ..) => Written::read(path),
        (None, Some(principal), Some(action), Some(resource)) => {
            Written::from_args(principal, action, resource, args.context.as_deref())
        }
        _ => Err(Failure::new("a question needs `--principal`, `--action` and `--resource`, or `--request-json`")),
    }
}

/// The store that was named, or an empty one in memory.
fn open(args: &AuthorizeArgs, setting: &Setting) -> Result<Warden, Failure> {
    let store: Arc<dyn Store> = match args.data.named(setting) {
        Some(_) => args.data.open(setting, Missing::Refuse)?,
        None => Arc::new(MemoryStore::new()?),
    };
    let clock: Arc<dyn Clock> = match args.now {
        Some(now) => FixedClock::new(now),
        None => Arc::new(SystemClock),
    };
    data::warden(store, &args.bundle, setting, clock)
}

fn admitted(path: &Path, bundle: &Bundle) -> Result<Vec<Entity>, Failure> {
    let read = Source::open(path)?.entities(bundle);
    read.collect::<Result<_, _>>().map_err(|fault| Failure::invalid(fault.to_string()))
}

impl From<SessionError> for Failure {
    fn from(error: SessionError) -> Self {
        Self::new(error.to_string())
    }
}

impl From<AskError> for Failure {
    fn from(error: AskError) -> Self {
        match &error {
            AskError::Decide(DecideError::Facts(_)) => Self::new(error.to_string()),
            AskError::Decide(DecideError::Context(_)) | AskError::Prepare(_) => Self::invalid(error.to_string()),
            AskError::Decide(_) => Self::unknown(error.to_string()),
        }
    }
}
