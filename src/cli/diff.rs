//! `hubwarden diff`: which answers a change of policies changes.

mod revision;
mod symbolic;

use std::path::{Path, PathBuf};

use clap::Args;
use jiff::Timestamp;

use super::Setting;
use super::entities::Source;
use super::exit::{Exit, Failure};
use super::solver::SolverArgs;
use super::test::existing;
use crate::clock::{Clock, SystemClock, rfc3339};
use crate::pdp::Bundle;
use crate::suite::{Diff, asked, asked_of};
use crate::warden;

/// Exit codes: 0 the same decisions, 4 widened, 5 narrowed, 6 both; 1 failure, 2 wrong usage, 3 something is not valid.
///
/// With `--symbolic` also 1 when there is no solver, or when it gave up on something that would matter.
#[derive(Debug, Args)]
pub(super) struct DiffArgs {
    /// Folder of policies before the change, or a revision of the git repository that `--to` lies in, e.g. `HEAD`
    #[arg(long, value_name = "REV|DIR")]
    from: String,
    /// Folder of policies after it
    #[arg(long, value_name = "DIR")]
    to: PathBuf,
    /// Schema file, of both [env: HUBWARDEN_SCHEMA=]
    #[arg(long, value_name = "FILE", env = "HUBWARDEN_SCHEMA", hide_env = true)]
    schema: PathBuf,
    /// Schema file of `--from`, if it is another one
    #[arg(long, value_name = "FILE")]
    from_schema: Option<PathBuf>,
    /// Ask everything that these entities can ask about each other, too, e.g. what `export` wrote
    #[arg(long, value_name = "FILE")]
    entities: Option<PathBuf>,
    /// The time to decide for, with `--entities` [default: now]
    #[arg(long, value_name = "RFC3339")]
    now: Option<Timestamp>,
    /// Compare the answers to all questions in all stores, with an SMT solver
    #[arg(long, conflicts_with_all = ["entities", "now", "paths"])]
    symbolic: bool,
    /// What is taken for granted: a `*.cedar` file with assumptions, or a folder of them [default: `properties` in `--to`]
    #[arg(long, value_name = "PATH", requires = "symbolic")]
    properties: Option<PathBuf>,
    #[command(flatten, next_help_heading = "With --symbolic")]
    solver: SolverArgs,
    /// Suites and matrices whose questions are asked [default: tests/policy, unless `--entities` is given]
    paths: Vec<PathBuf>,
}

pub(super) fn run(args: &DiffArgs, setting: &Setting) -> Result<Exit, Failure> {
    if args.solver.is_flagged() && !args.symbolic {
        return Err(Failure::usage("only `--symbolic` asks a solver"));
    }
    let from_schema = args.from_schema.as_ref().unwrap_or(&args.schema);
    let folder = Path::new(&args.from);
    let from = Bundle::build(match folder.is_dir() {
        true => warden::folder(folder, from_schema)?,
        false => revision::bundle(&args.from, &args.to, from_schema)?,
    })?;
    let to = Bundle::build(warden::folder(&args.to, &args.schema)?)?;
    if args.symbolic {
        return symbolic::run(args, &from, &to, setting);
    }
    let mut questions = match (&args.entities, args.paths.is_empty()) {
        (Some(_), true) => Vec::new(),
        _ => asked(&to, &existing(&args.paths)?)?,
    };
    if let Some(path) = &args.entities {
        let read = Source::open(path)?.entities(&to).collect::<Result<Vec<_>, _>>();
        let entities = read.map_err(|fault| Failure::invalid(fault.to_string()))?;
        let now = rfc3339(args.now.unwrap_or_else(|| SystemClock.now()));
        questions.extend(asked_of(&to, entities, &now).map_err(Failure::invalid)?);
    }
    if questions.is_empty() {
        return Err(Failure::usage("there is nothing to ask: name suites, or `--entities`"));
    }
    let diff = Diff::of(&from, &to, &questions);
    setting.terminal.print(&diff, &diff)?;
    Ok(exit(diff.widened(), diff.narrowed()))
}

pub(super) fn exit(widened: bool, narrowed: bool) -> Exit {
    match (widened, narrowed) {
        (false, false) => Exit::Success,
        (true, false) => Exit::Widened,
        (false, true) => Exit::Narrowed,
        (true, true) => Exit::WidenedAndNarrowed,
    }
}
