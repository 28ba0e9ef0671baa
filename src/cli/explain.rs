//! `hubwarden explain`: why a question is answered as it is, and what would turn a no.

mod html;
mod text;

use clap::{Args, ValueEnum};
use serde_json::Value as Json;

use super::Setting;
use super::exit::{Exit, Failure};
use super::question::QuestionArgs;
use super::report::{list_of, text_of};
use super::terminal::Format;
use crate::http::ExplainReply;

/// Exit codes as of `authorize`: 0 allow, 2 deny, 1 failure, 3 invalid input, 4 the schema does not know it.
#[derive(Debug, Args)]
pub(super) struct ExplainArgs {
    #[command(flatten)]
    question: QuestionArgs,
    /// How it is written; `--format json` makes it data
    #[arg(long, short, value_enum, default_value_t = Output::Text)]
    output: Output,
    /// Tell of every policy, also of forbids that did not apply and of those whose scope names others
    #[arg(long)]
    all: bool,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
enum Output {
    Text,
    Json,
    Html,
}

pub(super) fn run(args: &ExplainArgs, setting: &Setting) -> Result<Exit, Failure> {
    let explanation = match args.question.client(setting)? {
        Some(client) => client.post(&args.question.path("/v1/explain"), &args.question.request()?)?,
        None => here(&args.question, setting)?,
    };
    let terminal = &setting.terminal;
    match (args.output, terminal.format) {
        (Output::Html, _) => terminal.line(html::page(&explanation, args.all))?,
        (Output::Json, _) | (_, Format::Json | Format::Ocsf) => terminal.line(&explanation)?,
        (Output::Text, Format::Text) => terminal.line(text::lines(&explanation, args.all))?,
    }
    Ok(if explanation.get("decision").and_then(Json::as_str) == Some("allow") { Exit::Success } else { Exit::Deny })
}

fn here(question: &QuestionArgs, setting: &Setting) -> Result<Json, Failure> {
    let warden = question.warden(setting)?;
    let session = question.session(&warden, setting)?;
    let explained = session.explain(question.asked(&session)?);
    let as_of = session.as_of().map(str::to_owned);
    drop(session);
    warden.close()?;
    serde_json::to_value(ExplainReply::of(explained?, as_of)).map_err(|error| Failure::new(error.to_string()))
}

/// The policies worth telling, those that decided first. A forbid that did not apply says little, and there are many.
fn told<'a>(explanation: &'a Json, name: &str, all: bool) -> Vec<&'a Json> {
    let rank = |policy: &&Json| match text_of(policy, "outcome") {
        "determining" => 0,
        "error" => 1,
        "satisfied" => 2,
        "condition_false" => 3,
        _ => 4,
    };
    let telling = |policy: &&Json| rank(policy) < 3 || rank(policy) == 3 && text_of(policy, "effect") == "permit";
    let mut policies: Vec<&Json> = list_of(explanation, name).iter().filter(|policy| all || telling(policy)).collect();
    policies.sort_by_key(rank);
    policies
}
