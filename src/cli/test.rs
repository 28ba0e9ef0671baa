//! `hubwarden test`: the suites of a folder against policies, and what they cover.

mod coverage;
mod watch;

use std::path::{Path, PathBuf};

use clap::{Args, ValueEnum};

use super::Setting;
use super::bundle::BundleArgs;
use super::exit::{Exit, Failure};
use super::terminal::Format;
use crate::pdp::Bundle;
use crate::suite::{self, Filter, Report};

/// Where suites are when nothing else is said.
pub(super) const DEFAULT_FOLDER: &str = "tests/policy";

/// Exit codes: 0 all passed, 1 failure, 2 wrong usage, 3 policies, schema or a suite are not valid, 4 tests failed.
#[derive(Debug, Args)]
pub(super) struct TestArgs {
    /// Suites, or folders that are searched for `*_test.yaml` and `*_test.json` [default: tests/policy]
    paths: Vec<PathBuf>,
    #[command(flatten)]
    bundle: BundleArgs,
    /// How the result is written [default: pretty; with `--format json`: json]
    #[arg(long, short, value_enum)]
    output: Option<Output>,
    /// Run only what fits: `suite=NAME`, `test=`, `principal=`, `action=`, `resource=`, `policy=` with `*` for anything,
    /// or a part of a test's name; may be repeated
    #[arg(long = "run", visible_alias = "filter", value_name = "FILTER")]
    filters: Vec<Filter>,
    /// Show the tests that passed, too
    #[arg(long, short)]
    verbose: bool,
    /// Tell what the tests cover: policies, clauses, request environments; and which small changes of the policies
    /// nobody would notice
    #[arg(long)]
    coverage: bool,
    /// Write the coverage as a page, the policies' text in colours
    #[arg(long, value_name = "FILE")]
    coverage_html: Option<PathBuf>,
    /// Write the coverage for tools that read lcov
    #[arg(long, value_name = "FILE")]
    coverage_lcov: Option<PathBuf>,
    /// Fail when fewer outcomes of policies and clauses came up
    #[arg(long, value_name = "PERCENT")]
    min_coverage: Option<f64>,
    /// Fail when fewer of the small changes are noticed
    #[arg(long, value_name = "PERCENT")]
    min_mutation_score: Option<f64>,
    /// What need not be covered, with reasons [default: `exemptions.yaml` in the folder of the suites]
    #[arg(long, value_name = "FILE")]
    exemptions: Option<PathBuf>,
    /// Run again whenever policies, schema or suites are saved
    #[arg(long)]
    watch: bool,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
enum Output {
    Pretty,
    Json,
    Junit,
    Github,
    Tap,
}

pub(super) fn run(args: &TestArgs, setting: &Setting) -> Result<Exit, Failure> {
    let paths = args.paths()?;
    match args.watch {
        false => once(args, &paths, setting),
        true => watch::run(&args.watched(&paths, setting)?, || {
            if let Err(failure) = once(args, &paths, setting) {
                setting.terminal.fail(&failure);
            }
        }),
    }
}

fn once(args: &TestArgs, paths: &[PathBuf], setting: &Setting) -> Result<Exit, Failure> {
    let bundle = Bundle::build(args.bundle.source(setting)?)?;
    if args.bundle.paths(setting)?.is_none() {
        setting.terminal.note("testing the policies inside the program; `--policies DIR --schema FILE` names others");
    }
    let suites = suite::load(&bundle, paths)?;
    let run = suite::run(&bundle, &suites, &args.filters);
    let report = Report::of(bundle.hash(), &run);
    if report.totals.cells == 0 && report.totals.skipped_tests == 0 {
        let nothing = if args.filters.is_empty() { "there are no tests here" } else { "no cell fits `--run`" };
        return Err(Failure::usage(nothing));
    }
    let coverage = match args.covers() {
        true => Some(coverage::of(args, paths, &bundle, &run)?),
        false => None,
    };
    let mut passed = report.succeeded();
    match (args.output(setting), &coverage) {
        (Output::Json, coverage) => setting.terminal.line(suite::json(&report, coverage.as_ref()))?,
        (output, coverage) => {
            setting.terminal.line(written(args, output, &report)?)?;
            if let (Output::Pretty, Some(coverage)) = (output, coverage) {
                setting.terminal.line(suite::text(coverage, args.verbose))?;
            }
        }
    }
    if let Some(coverage) = &coverage {
        coverage::write(args, coverage, &bundle)?;
        passed &= coverage::suffices(args, coverage, setting);
    }
    Ok(if passed { Exit::Success } else { Exit::TestsFailed })
}

fn written(args: &TestArgs, output: Output, report: &Report) -> Result<String, Failure> {
    Ok(match output {
        Output::Pretty => suite::pretty(report, args.verbose),
        Output::Json => suite::json(report, None),
        Output::Junit => suite::junit(report).map_err(Failure::new)?,
        Output::Github => suite::github(report),
        Output::Tap => suite::tap(report),
    })
}

impl TestArgs {
    fn output(&self, setting: &Setting) -> Output {
        let default = if setting.terminal.format == Format::Json { Output::Json } else { Output::Pretty };
        self.output.unwrap_or(default)
    }

    fn covers(&self) -> bool {
        let files = self.coverage_html.is_some() || self.coverage_lcov.is_some();
        self.coverage || files || self.min_coverage.is_some() || self.min_mutation_score.is_some()
    }

    fn paths(&self) -> Result<Vec<PathBuf>, Failure> {
        existing(&self.paths)
    }

    /// What to watch: the suites, and the policies that were named.
    fn watched(&self, paths: &[PathBuf], setting: &Setting) -> Result<Vec<PathBuf>, Failure> {
        let named = self.bundle.paths(setting)?.into_iter().flat_map(|(policies, schema)| [policies, schema]);
        Ok(paths.iter().cloned().chain(named).collect())
    }
}

/// The paths that were named, or the default one; all of which there must be.
pub(super) fn existing(paths: &[PathBuf]) -> Result<Vec<PathBuf>, Failure> {
    if let Some(missing) = paths.iter().find(|path| !path.exists()) {
        return Err(Failure::usage(format!("there is no {}", missing.display())));
    }
    match paths.is_empty() {
        false => Ok(paths.to_vec()),
        true if Path::new(DEFAULT_FOLDER).is_dir() => Ok(vec![DEFAULT_FOLDER.into()]),
        true => {
            Err(Failure::usage(format!("there is no folder {DEFAULT_FOLDER} here: name the suites, or their folder")))
        }
    }
}
