//! `hubwarden authorize`: one question, answered from files, a store, or a running server.

mod report;

use clap::Args;

use super::Setting;
use super::exit::{Exit, Failure};
use super::question::QuestionArgs;
use report::Report;

/// Exit codes: 0 allow, 2 deny, 1 failure, 3 invalid input, 4 the schema does not know what was asked about.
#[derive(Debug, Args)]
pub(super) struct AuthorizeArgs {
    #[command(flatten)]
    question: QuestionArgs,
}

pub(super) fn run(args: &AuthorizeArgs, setting: &Setting) -> Result<Exit, Failure> {
    let report = match args.question.client(setting)? {
        Some(client) => {
            serde_json::from_value(client.post(&args.question.path("/v1/authorize"), &args.question.request()?)?)
                .map_err(|error| Failure::new(format!("the server's answer is not understood: {error}")))?
        }
        None => ask(&args.question, setting)?,
    };
    setting.terminal.print(&report, &report)?;
    Ok(if report.allowed() { Exit::Success } else { Exit::Deny })
}

fn ask(question: &QuestionArgs, setting: &Setting) -> Result<Report, Failure> {
    let warden = question.warden(setting)?;
    let session = question.session(&warden, setting)?;
    let ruled = session.ask(question.asked(&session)?);
    let as_of = session.as_of().map(str::to_owned);
    drop(session);
    warden.close()?;
    Ok(Report::new(&ruled?, question.is_stored(setting), as_of))
}
