//! `hubwarden replay`: recorded questions, asked again of other policies.

use std::fs::File;
use std::io::{BufRead, BufReader};
use std::ops::ControlFlow;
use std::path::{Path, PathBuf};

use clap::{Args, ValueEnum};
use serde_json::json;

use super::Setting;
use super::bundle::BundleArgs;
use super::client::{Client, ServerArgs};
use super::data::{self, DataArgs, Missing};
use super::diff::exit;
use super::exit::{Exit, Failure};
use crate::audit::{self, Filter, each_oldest_first};
use crate::clock::{Clock, SystemClock, rfc3339};
use crate::pdp::{Bundle, BundleSource};
use crate::store::SledOptions;
use crate::warden::{self, Baseline, Questions, Replay, ReplayFacts, replay};

/// Exit codes as of `diff`: 0 the same decisions, 4 widened, 5 narrowed, 6 both; 1 failure, 2 wrong usage, 3 something is
/// not valid.
#[derive(Debug, Args)]
pub(super) struct ReplayArgs {
    /// Folder of the other policies
    #[arg(long, value_name = "DIR")]
    policies: PathBuf,
    /// Their schema file
    #[arg(long, value_name = "FILE")]
    schema: PathBuf,
    /// Folder of a store or of its log, or a file that `audit export` wrote [default: the log of `--data`]
    #[arg(long, value_name = "PATH")]
    log: Option<PathBuf>,
    #[command(flatten)]
    data: DataArgs,
    #[command(flatten)]
    server: ServerArgs,
    /// Decide on the facts of the revision that each was answered at, or on those of now
    #[arg(long, value_enum, default_value = "recorded")]
    facts: Facts,
    /// How many of the last decisions, of a server's log
    #[arg(long, value_name = "N")]
    last: Option<u64>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
enum Facts {
    Recorded,
    Head,
}

pub(super) fn run(args: &ReplayArgs, setting: &Setting) -> Result<Exit, Failure> {
    let source = warden::folder(&args.policies, &args.schema)?;
    let client = match args.log {
        Some(_) => None,
        None => args.server.client(&args.data, &BundleArgs::default(), setting)?,
    };
    let found = match client {
        Some(client) => remote(args, &client, &source)?,
        None => local(args, source, setting)?,
    };
    if found.records == 0 {
        return Err(Failure::new("there is nothing to ask again: the log has no decision"));
    }
    setting.terminal.print(&found, &found)?;
    Ok(exit(found.widened(), found.narrowed()))
}

fn remote(args: &ReplayArgs, client: &Client, source: &BundleSource) -> Result<Replay, Failure> {
    let facts = if args.facts == Facts::Head { "head" } else { "recorded" };
    let mut body = json!({"bundle": source, "facts": facts});
    if let (Some(last), Some(body)) = (args.last, body.as_object_mut()) {
        body.insert("last".to_owned(), last.into());
    }
    let answer = client.post("/v1/replay", &body)?;
    serde_json::from_value(answer)
        .map_err(|error| Failure::new(format!("the server's answer is not understood: {error}")))
}

fn local(args: &ReplayArgs, source: BundleSource, setting: &Setting) -> Result<Replay, Failure> {
    if args.last.is_some() {
        return Err(Failure::usage("`--last` goes with `--server`; of files, `audit export --since` takes a part"));
    }
    let bundle = Bundle::build(source)?;
    let named = args.data.named(setting).map(|(_, dir)| dir);
    let log = args.log.clone().unwrap_or_else(|| args.data.folder(setting));
    let of_store = audit::folder(&log);
    // The store whose log it is, unless another one is named.
    let dir = match named {
        Some(dir) => dir,
        None if of_store.is_dir() => log.clone(),
        None => args.data.folder(setting),
    };
    let mut questions = Questions::default();
    match (log.is_file(), of_store.is_dir()) {
        (true, _) => read_file(&log, &mut questions)?,
        (false, true) => read_log(&of_store, &mut questions, setting)?,
        (false, false) => read_log(&log, &mut questions, setting)?,
    }
    let options = SledOptions { history: None, ..setting.config.limits.store() };
    let store = data::open(&dir, Missing::Refuse, options)?;
    let facts = if args.facts == Facts::Head { ReplayFacts::Head } else { ReplayFacts::Recorded };
    let now = rfc3339(SystemClock.now());
    let found = replay(store.as_ref(), &bundle, Baseline::Recorded, facts, &now, questions)?;
    store.close()?;
    Ok(found)
}

fn read_file(path: &Path, questions: &mut Questions) -> Result<(), Failure> {
    let unreadable = |error: std::io::Error| Failure::new(format!("cannot read {}: {error}", path.display()));
    for line in BufReader::new(File::open(path).map_err(unreadable)?).lines() {
        questions.read(&line.map_err(unreadable)?);
    }
    Ok(())
}

fn read_log(dir: &Path, questions: &mut Questions, setting: &Setting) -> Result<(), Failure> {
    let filter = Filter { kind: Some("decision".to_owned()), ..Filter::default() };
    let damage = each_oldest_first(dir, &filter, |line| {
        questions.read(line);
        ControlFlow::Continue(())
    });
    let damage =
        damage.map_err(|error| Failure::new(format!("the log in {} cannot be read: {error}", dir.display())))?;
    for audit::Damage { segment, what } in damage {
        setting.terminal.warn(format!("warning: {segment}: {what}"));
    }
    Ok(())
}
