//! The solver: cvc5, a program of its own that speaks SMT-LIB on its standard streams.

use std::io;
use std::path::{Path, PathBuf};
use std::process::Stdio;
use std::time::Duration;

use cedar_policy_symcc::CedarSymCompiler;
use cedar_policy_symcc::solver::LocalSolver;
use tokio::process::Command;
use tokio::runtime::{Builder, Runtime};

/// A solver that was found and answered.
#[derive(Clone, Debug)]
pub struct Solver {
    path: PathBuf,
    /// What it calls itself, e.g. `cvc5 1.0.3`.
    pub version: String,
}

/// There is no solver. Never a proof.
#[derive(Debug, thiserror::Error)]
pub enum SolverError {
    #[error("cannot run the solver `{path}`: {source}")]
    Missing { path: PathBuf, source: io::Error },
    #[error("`{0}` is not cvc5: it answers `--version` with something else")]
    NotCvc5(PathBuf),
}

impl Solver {
    /// Asks the program at `path` (or of that name on the `PATH`) what it is.
    ///
    /// # Errors
    /// A program that does not run, or is not cvc5.
    pub fn find(path: &Path) -> Result<Self, SolverError> {
        let output = std::process::Command::new(path)
            .arg("--version")
            .stdin(Stdio::null())
            .output()
            .map_err(|source| SolverError::Missing { path: path.to_owned(), source })?;
        let text = String::from_utf8_lossy(&output.stdout);
        let words = text.lines().next().unwrap_or_default();
        match words.find("cvc5") {
            Some(at) if output.status.success() => {
                let words: Vec<&str> =
                    words.get(at..).unwrap_or_default().split(' ').filter(|word| *word != "version").collect();
                Ok(Self { path: path.to_owned(), version: words.iter().take(2).copied().collect::<Vec<_>>().join(" ") })
            }
            _ => Err(SolverError::NotCvc5(path.to_owned())),
        }
    }
}

/// One solver process, for one thread.
pub(super) struct Session<'a> {
    solver: &'a Solver,
    limit: Duration,
    runtime: Runtime,
    compiler: Option<CedarSymCompiler<LocalSolver>>,
}

impl<'a> Session<'a> {
    pub fn new(solver: &'a Solver, limit: Duration) -> io::Result<Self> {
        let runtime = Builder::new_current_thread().enable_all().build()?;
        Ok(Self { solver, limit, runtime, compiler: None })
    }

    /// Asks one question. After a failure the next question gets a new process: the old one may be in any state.
    pub fn ask<T>(
        &mut self,
        question: impl AsyncFnOnce(&mut CedarSymCompiler<LocalSolver>) -> Result<T, cedar_policy_symcc::err::Error>,
    ) -> Result<T, String> {
        let mut compiler = match self.compiler.take() {
            Some(compiler) => compiler,
            None => self.start()?,
        };
        // The solver keeps to its own limit; this one is for a process that does not answer at all.
        let patience = self.limit * 2 + Duration::from_secs(10);
        let answer = self.runtime.block_on(async { tokio::time::timeout(patience, question(&mut compiler)).await });
        match answer {
            Err(_) => Err("the solver does not answer".to_owned()),
            Ok(Err(error)) => Err(explain(&error, self.limit)),
            Ok(Ok(answer)) => {
                self.compiler = Some(compiler);
                Ok(answer)
            }
        }
    }

    fn start(&self) -> Result<CedarSymCompiler<LocalSolver>, String> {
        let _context = self.runtime.enter();
        let mut command = Command::new(&self.solver.path);
        command.args(["--lang", "smt"]).arg(format!("--tlimit-per={}", self.limit.as_millis())).kill_on_drop(true);
        let solver = LocalSolver::from_command(&mut command).map_err(|error| error.to_string())?;
        CedarSymCompiler::new(solver).map_err(|error| error.to_string())
    }
}

fn explain(error: &cedar_policy_symcc::err::Error, limit: Duration) -> String {
    use cedar_policy_symcc::err::Error;
    match error {
        Error::SolverUnknown => format!("the solver gave up, or needs more than {} s", limit.as_secs()),
        Error::PolicyNotWellTyped { errs } => {
            let errors: Vec<String> = errs.iter().map(ToString::to_string).collect();
            format!("{error}: {}", errors.join("; "))
        }
        error => {
            let mut text = error.to_string();
            let mut source = std::error::Error::source(error);
            while let Some(cause) = source {
                text = format!("{text}: {cause}");
                source = cause.source();
            }
            text
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_solver_that_is_not_there_is_an_error_with_its_path() {
        let error = Solver::find(Path::new("/nowhere/cvc5")).unwrap_err();
        assert!(error.to_string().contains("`/nowhere/cvc5`"), "{error}");
    }

    #[test]
    fn another_program_is_no_solver() {
        assert!(matches!(Solver::find(Path::new("cargo")), Err(SolverError::NotCvc5(_))));
    }
}
