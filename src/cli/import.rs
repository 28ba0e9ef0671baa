//! `hubwarden import`: entities from a file into a store, all of them or none.
//!
//! The file is read in groups; the entities of a group are read under the schema on all cores. Memory holds a few
//! groups, and without `--continue` also what is to be committed, in its encoded form. With `--server` the server reads
//! them under its schema, and the whole file is one request.

mod local;
mod progress;
mod read;
mod remote;

use std::path::PathBuf;
use std::sync::Arc;
use std::time::Instant;

use clap::Args;
use serde_json::json;

use super::Setting;
use super::bundle::BundleArgs;
use super::client::ServerArgs;
use super::data::{self, DataArgs, Missing};
use super::entities::{EntityFault, Source};
use super::exit::{Exit, Failure};
use crate::clock::SystemClock;
use crate::warden::DeadId;
use local::Local;
use progress::Progress;
use remote::Remote;

/// So many faults are shown before an import that stores nothing gives up.
const SHOWN: usize = 20;

#[derive(Debug, Args)]
pub(super) struct ImportArgs {
    #[command(flatten)]
    data: DataArgs,
    #[command(flatten)]
    server: ServerArgs,
    #[command(flatten)]
    bundle: BundleArgs,
    /// Skip and report what cannot be stored, instead of storing nothing; the exit code is 3 when something was skipped
    #[arg(long = "continue")]
    keep_going: bool,
    /// Also store entities whose ids were deleted before
    #[arg(long)]
    revive: bool,
    /// A JSON array of entities, or one JSON object a line; `-` reads stdin
    #[arg(value_name = "FILE")]
    file: PathBuf,
}

/// What became of a file.
struct Outcome {
    imported: usize,
    skipped: Vec<EntityFault>,
    revision: u64,
}

/// Whether a file is stored whole or as far as it can be.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Mode {
    Whole,
    Each,
}

pub(super) fn run(args: &ImportArgs, setting: &Setting) -> Result<Exit, Failure> {
    let started = Instant::now();
    let progress = Progress::new(&args.file, setting.terminal);
    let source = Source::watched(&args.file, |reader| progress.watch(reader))?;
    let mode = if args.keep_going { Mode::Each } else { Mode::Whole };
    let dead = if args.revive { DeadId::Revive } else { DeadId::Refuse };
    let outcome = match args.server.client(&args.data, &args.bundle, setting)? {
        Some(client) => Remote { client: &client, dead, progress: &progress }.import(source, mode)?,
        None => {
            let store = args.data.open(setting, Missing::Create)?;
            let log = args.data.log(store.as_ref(), setting)?;
            let warden = data::warden(store, &args.bundle, setting, Arc::new(SystemClock), log)?;
            let bundle = warden.bundle();
            let outcome = Local { warden: &warden, bundle: &bundle, dead, progress: &progress }.import(source, mode)?;
            warden.close()?;
            outcome
        }
    };
    progress.finish();
    report(&outcome, started.elapsed().as_secs_f64(), setting)
}

fn report(outcome: &Outcome, seconds: f64, setting: &Setting) -> Result<Exit, Failure> {
    for fault in &outcome.skipped {
        setting.terminal.note(format!("skipped {fault}"));
    }
    let speed = outcome.imported as f64 / seconds.max(0.001);
    setting.terminal.note(format!("{seconds:.1} s, {speed:.0} entities a second"));
    let skipped = match outcome.skipped.len() {
        0 => String::new(),
        count => format!(", skipped {count}"),
    };
    setting.terminal.print(
        format!("imported {}{skipped}, revision {}", outcome.imported, outcome.revision),
        &json!({"imported": outcome.imported, "skipped": outcome.skipped, "revision": outcome.revision}),
    )?;
    Ok(if outcome.skipped.is_empty() { Exit::Success } else { Exit::Invalid })
}

fn refused(faults: &[EntityFault]) -> Failure {
    let mut lines: Vec<String> = faults.iter().take(SHOWN).map(EntityFault::to_string).collect();
    if faults.len() > SHOWN {
        lines.push("and more".to_owned());
    }
    lines.push("nothing was imported; `--continue` skips what cannot be".to_owned());
    Failure::invalid(lines.join("\n"))
}
