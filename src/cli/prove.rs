//! `hubwarden prove`: what holds of the policies for every possible question and store.

mod report;

use std::path::PathBuf;

use clap::Args;

use super::Setting;
use super::bundle::BundleArgs;
use super::exit::{Exit, Failure};
use super::solver::SolverArgs;
use super::terminal::Format;
use crate::pdp::{Bundle, Finding, Properties, prove};
use crate::warden;
use report::Report;

/// Where the properties of a folder of policies are.
pub(super) const FOLDER: &str = "properties";

/// Exit codes: 0 all proven, 1 failure (as when there is no solver), 3 the policies or properties are not valid,
/// 4 a property is violated or could not be proven.
#[derive(Debug, Args)]
pub(super) struct ProveArgs {
    #[command(flatten)]
    bundle: BundleArgs,
    /// Properties: a `*.cedar` file, or a folder of them [default: `properties` in the folder of policies]
    #[arg(long, value_name = "PATH")]
    properties: Option<PathBuf>,
    /// Properties to prove, by id or by the part before its `/` [default: all]
    #[arg(value_name = "ID")]
    only: Vec<String>,
    /// Show the properties, and prove nothing
    #[arg(long)]
    list: bool,
    #[command(flatten)]
    solver: SolverArgs,
}

pub(super) fn run(args: &ProveArgs, setting: &Setting) -> Result<Exit, Failure> {
    let bundle = Bundle::build(args.bundle.source(setting)?)?;
    let files = match (&args.properties, args.bundle.paths(setting)?) {
        (Some(path), _) => warden::properties(path)?,
        (None, Some((policies, _))) if policies.join(FOLDER).is_dir() => warden::properties(&policies.join(FOLDER))?,
        (None, Some((policies, _))) => {
            setting
                .terminal
                .note(format!("there is no {}: the laws of every policy alone", policies.join(FOLDER).display()));
            Vec::new()
        }
        (None, None) => warden::embedded_properties(),
    };
    let mut properties = Properties::read(&bundle, &files)?;
    if !args.only.is_empty() {
        properties.keep(&args.only).map_err(Failure::new)?;
    }
    if args.list {
        return report::list(&properties, setting);
    }
    let settings = args.solver.settings()?;
    setting.terminal.note(format!("{} properties, {}", properties.all().len(), settings.solver.version));
    let told = |finding: &Finding| {
        if setting.terminal.format == Format::Text {
            // A reader that went away is noticed when the report ends.
            let _ = setting.terminal.line(report::line(finding));
        }
    };
    let started = std::time::Instant::now();
    let findings = prove(&bundle, &properties, &settings, &told)?;
    let mut report = Report::new(bundle.hash(), &settings.solver.version, started.elapsed(), findings);
    if let Some(folder) = &args.solver.counterexamples {
        report.write(folder)?;
    }
    setting.terminal.print(&report, &report)?;
    Ok(if report.proven() { Exit::Success } else { Exit::NotProven })
}
