//! What the tests cover: asked for, written to files, held to a minimum.

use std::path::{Path, PathBuf};

use super::TestArgs;
use crate::cli::Setting;
use crate::cli::exit::Failure;
use crate::pdp::{Bundle, Faults};
use crate::suite::{self, Coverage, Exemptions, Run};
use crate::warden;

/// Beside the suites, unless another file is named.
const DEFAULT_EXEMPTIONS: &str = "exemptions.yaml";

pub(super) fn of(args: &TestArgs, paths: &[PathBuf], bundle: &Bundle, run: &Run) -> Result<Coverage, Failure> {
    let beside = || {
        let candidates = paths.iter().filter(|path| path.is_dir()).map(|path| path.join(DEFAULT_EXEMPTIONS));
        candidates.into_iter().find(|path| path.is_file())
    };
    let exemptions = match args.exemptions.clone().or_else(beside) {
        Some(path) => Exemptions::parse(warden::read(&path)?).map_err(|fault| Failure::Faults(Faults(vec![fault])))?,
        None => Exemptions::default(),
    };
    Coverage::of(bundle, run, &exemptions).map_err(|stale| Failure::invalid(stale.join("\n")))
}

pub(super) fn write(args: &TestArgs, coverage: &Coverage, bundle: &Bundle) -> Result<(), Failure> {
    if let Some(path) = &args.coverage_html {
        save(path, &suite::html(coverage, &bundle.source().policies))?;
    }
    if let Some(path) = &args.coverage_lcov {
        save(path, &suite::lcov(coverage))?;
    }
    Ok(())
}

/// Whether the minima are reached; says which one is not.
pub(super) fn suffices(args: &TestArgs, coverage: &Coverage, setting: &Setting) -> bool {
    let minima = [
        (args.min_coverage, coverage.outcomes.percent(), "coverage"),
        (args.min_mutation_score, coverage.mutation.percent(), "mutation score"),
    ];
    let mut suffices = true;
    for (minimum, found, what) in minima {
        if let Some(minimum) = minimum.filter(|minimum| found < *minimum) {
            setting.terminal.note(format!("error: the {what} is {found:.1} %, and must be {minimum:.1} %"));
            suffices = false;
        }
    }
    suffices
}

fn save(path: &Path, text: &str) -> Result<(), Failure> {
    std::fs::write(path, text).map_err(|error| Failure::new(format!("cannot write {}: {error}", path.display())))
}
