//! `hubwarden authorize`: one question, answered from files.

mod facts;
mod question;
mod report;

use std::path::PathBuf;

use clap::Args;
use jiff::Timestamp;

use super::Setting;
use super::bundle::BundleArgs;
use super::exit::{Exit, Failure};
use crate::clock::{Clock, SystemClock, rfc3339};
use crate::pdp::{DecideError, Question};
use facts::FileFacts;
use question::Written;
use report::Report;

/// Exit codes: 0 allow, 2 deny, 1 failure, 3 invalid input, 4 the schema does not know what was asked about.
#[derive(Debug, Args)]
pub(super) struct AuthorizeArgs {
    #[command(flatten)]
    bundle: BundleArgs,
    /// Entities: a JSON array or one JSON object a line; `-` reads stdin
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
    let bundle = args.bundle.build(setting)?;
    let asked = written.resolve(&bundle)?;
    let facts = match &args.entities {
        Some(path) => FileFacts::read(path, &bundle)?,
        None => FileFacts::default(),
    };
    let now = args.now.unwrap_or_else(|| SystemClock.now());
    let question = Question {
        principal: asked.principal,
        action: asked.action,
        resource: asked.resource,
        context: asked.context,
        now: rfc3339(now).into(),
    };
    let answer = bundle.decide(&question, &facts).map_err(|error| match error {
        DecideError::UnknownAction(_) | DecideError::NotApplicable { .. } | DecideError::NotEnumerated(_) => {
            Failure::unknown(error.to_string())
        }
        DecideError::Context(_) => Failure::invalid(error.to_string()),
        DecideError::Facts(_) => Failure::new(error.to_string()),
    })?;
    let report = Report::new(&answer, bundle.hash());
    setting.terminal.print(&report, &report)?;
    Ok(if answer.allowed() { Exit::Success } else { Exit::Deny })
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
