//! The solver as flags, and the worlds that it finds as files that `authorize` takes.

use std::num::NonZeroUsize;
use std::path::{Path, PathBuf};
use std::time::Duration;

use clap::Args;
use serde_json::Value as Json;

use super::exit::Failure;
use crate::pdp::{ProofSettings, Solver, SolverError};

const SECONDS: u64 = 60;
const MAX_SECONDS: u64 = 24 * 60 * 60;

#[derive(Debug, Args)]
pub(super) struct SolverArgs {
    /// The cvc5 program [default: cvc5 from the PATH]
    #[arg(long, value_name = "FILE", env = "CVC5", hide_env_values = true)]
    solver: Option<PathBuf>,
    /// How long the solver may think about one question [default: 60]
    #[arg(long, value_name = "SECONDS", value_parser = clap::value_parser!(u64).range(1..=MAX_SECONDS))]
    timeout: Option<u64>,
    /// How many solvers at a time [default: one for each core]
    #[arg(long, value_name = "N")]
    jobs: Option<NonZeroUsize>,
    /// A folder for the counterexamples, each as a question and its entities, as `hubwarden authorize` takes them
    #[arg(long, value_name = "DIR")]
    pub counterexamples: Option<PathBuf>,
}

impl SolverArgs {
    /// Whether flags ask for something that only a solver does. Which one it is may also come from the environment.
    pub fn is_flagged(&self) -> bool {
        self.timeout.is_some() || self.jobs.is_some() || self.counterexamples.is_some()
    }

    /// Finds the solver.
    pub fn settings(&self) -> Result<ProofSettings, Failure> {
        let solver = Solver::find(self.solver.as_deref().unwrap_or("cvc5".as_ref()))?;
        let jobs = self.jobs.or_else(|| std::thread::available_parallelism().ok()).unwrap_or(NonZeroUsize::MIN);
        Ok(ProofSettings { solver, limit: Duration::from_secs(self.timeout.unwrap_or(SECONDS)), jobs })
    }
}

/// Writes a world as `NAME.entities.json` and `NAME.request.json`; answers their paths.
pub(super) fn write_world(folder: &Path, name: &str, entities: &Json, request: &Json) -> Result<[String; 2], Failure> {
    let at = |path: &Path, error: std::io::Error| Failure::new(format!("{}: {error}", path.display()));
    std::fs::create_dir_all(folder).map_err(|error| at(folder, error))?;
    let name = name.replace(|c: char| !(c.is_ascii_alphanumeric() || c == '-' || c == '_'), ".");
    let write = |part: &str, json: &Json| {
        let path = folder.join(format!("{name}.{part}.json"));
        std::fs::write(&path, format!("{json:#}\n")).map_err(|error| at(&path, error))?;
        Ok::<_, Failure>(path.display().to_string())
    };
    Ok([write("entities", entities)?, write("request", request)?])
}

impl From<SolverError> for Failure {
    fn from(error: SolverError) -> Self {
        Self::new(format!(
            "{error}\nnothing is proven without it; Debian has it as the package `cvc5`, and `--solver FILE` or CVC5 name another"
        ))
    }
}
