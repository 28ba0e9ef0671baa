//! The command line: arguments, environment and configuration in, library calls, text or JSON out.
//!
//! Every command is an `XArgs` struct and a function that runs it. What was asked for goes to stdout, everything said
//! about it to stderr, so that pipes stay clean; `--format json` makes both machine-readable. Precedence: flags, then
//! `HUBWARDEN_*`, then the configuration file, then defaults. Nothing here decides anything.

mod audit;
mod authorize;
mod bench;
mod bundle;
mod client;
mod completions;
mod config;
mod data;
mod diff;
mod doctor;
mod entities;
mod exit;
mod explain;
mod export;
mod findings;
mod fmt;
mod hub;
mod import;
mod key;
mod lint;
mod matrix;
mod new;
mod prove;
mod question;
mod replay;
mod report;
mod search;
mod serve;
mod solver;
mod terminal;
mod test;
mod token;
mod validate;
mod verify_search;
mod version;
mod who_can;
mod world;

use std::process::ExitCode;

use clap::{CommandFactory, Parser, Subcommand};

use audit::AuditArgs;
use authorize::AuthorizeArgs;
use bench::BenchArgs;
use completions::CompletionsArgs;
use config::{CommonArgs, Config};
use diff::DiffArgs;
use doctor::DoctorArgs;
use exit::{Exit, Failure};
use explain::ExplainArgs;
use export::ExportArgs;
use fmt::FmtArgs;
use import::ImportArgs;
use key::KeyArgs;
use lint::LintArgs;
use matrix::MatrixArgs;
use new::NewArgs;
use prove::ProveArgs;
use replay::ReplayArgs;
use search::SearchArgs;
use serve::ServeArgs;
use terminal::{Format, Terminal};
use test::TestArgs;
use token::TokenArgs;
use validate::ValidateArgs;
use verify_search::VerifySearchArgs;
use who_can::WhoCanArgs;

/// Answers who may do what on a model hub.
///
/// Exit codes:
///   0  done; for `authorize`: allowed
///   1  failure
///   2  for `authorize`: denied; else: wrong usage
///   3  policies, schema or entities are not valid; `doctor`: something is to be mended
///   4  `authorize`, `search`: the schema does not know what was asked about; `test`, `matrix`: not as expected;
///      `prove`: not all is proven; `diff`, `replay`: widened (5 narrowed, 6 both); `bench`: an answer was wrong;
///      `verify-search`: the index is wrong
#[derive(Debug, Parser)]
#[command(name = "hubwarden", version, verbatim_doc_comment)]
struct Cli {
    #[command(flatten)]
    common: CommonArgs,
    #[command(subcommand)]
    command: Command,
}

#[derive(Debug, Subcommand)]
enum Command {
    /// Serve decisions over HTTP.
    Serve(ServeArgs),
    /// Check policies and schema, and optionally entities, strictly.
    Validate(ValidateArgs),
    /// Start a new policy.
    New(NewArgs),
    /// Look for what is valid and yet probably not what was meant.
    Lint(LintArgs),
    /// Prove properties of the policies for every possible question, with an SMT solver.
    Prove(ProveArgs),
    /// Format policy files, keeping what they mean.
    Fmt(FmtArgs),
    /// Run policy tests.
    Test(TestArgs),
    /// Show who gets which answer, and compare it with what was committed.
    Matrix(MatrixArgs),
    /// Show which answers differ between two sets of policies.
    Diff(DiffArgs),
    /// Ask recorded questions again, of other policies, and show which answers would flip.
    Replay(ReplayArgs),
    /// Answer one question: may this principal do this action on this resource?
    Authorize(AuthorizeArgs),
    /// Say why: every policy with its clauses, and what would turn a no.
    Explain(ExplainArgs),
    /// Ask in reverse: who may, on what, and how.
    Search(SearchArgs),
    /// Review access: the users and tokens that may do something to a resource, each with what gives it.
    WhoCan(WhoCanArgs),
    /// Compare searches by the index with deciding about everything, on a store.
    VerifySearch(VerifySearchArgs),
    /// Store entities from a file, all of them or none.
    Import(ImportArgs),
    /// Write all entities, one a line, in byte order.
    Export(ExportArgs),
    /// Create, list and delete API keys.
    Key(KeyArgs),
    /// Create, inspect, refresh and delete access tokens, and review them for an organization.
    Token(TokenArgs),
    /// Read and verify the decision log of a store's folder, whether a server holds it or not.
    Audit(AuditArgs),
    /// Look at a deployment, and say what to mend.
    Doctor(DoctorArgs),
    /// Measure speed: worlds made from a seed, load, and decisions that are checked while they are timed.
    Bench(BenchArgs),
    /// Write a shell's completion script to stdout.
    Completions(CompletionsArgs),
    /// Show the version of the program and of the policies inside it.
    Version,
}

/// What every command gets: the configuration file and where to print.
struct Setting {
    config: Config,
    terminal: Terminal,
}

/// Reads the process's arguments and runs what they ask for.
pub fn main() -> ExitCode {
    let cli = match Cli::try_parse() {
        Ok(cli) => cli,
        Err(error) => return refuse(&error).into(),
    };
    let config = match Config::load(&cli.common) {
        Ok(config) => config,
        Err(failure) => return Terminal::new(&cli.common, &Config::default()).fail(&failure).into(),
    };
    let setting = Setting { terminal: Terminal::new(&cli.common, &config), config };
    match run(&cli.command, &setting) {
        Ok(exit) => exit.into(),
        Err(failure) => setting.terminal.fail(&failure).into(),
    }
}

fn run(command: &Command, setting: &Setting) -> Result<Exit, Failure> {
    let is_log = matches!(command, Command::Audit(_));
    if setting.terminal.format == Format::Ocsf && !is_log {
        return Err(Failure::new(
            "`--format ocsf` is a form of the decision log's records: it goes with `hubwarden audit`",
        ));
    }
    match command {
        Command::Serve(args) => serve::run(args, setting),
        Command::Validate(args) => validate::run(args, setting),
        Command::New(args) => new::run(args, setting),
        Command::Lint(args) => lint::run(args, setting),
        Command::Prove(args) => prove::run(args, setting),
        Command::Fmt(args) => fmt::run(args, setting),
        Command::Test(args) => test::run(args, setting),
        Command::Matrix(args) => matrix::run(args, setting),
        Command::Diff(args) => diff::run(args, setting),
        Command::Replay(args) => replay::run(args, setting),
        Command::Authorize(args) => authorize::run(args, setting),
        Command::Explain(args) => explain::run(args, setting),
        Command::Search(args) => search::run(args, setting),
        Command::WhoCan(args) => who_can::run(args, setting),
        Command::VerifySearch(args) => verify_search::run(args, setting),
        Command::Import(args) => import::run(args, setting),
        Command::Export(args) => export::run(args, setting),
        Command::Key(args) => key::run(args, setting),
        Command::Token(args) => token::run(args, setting),
        Command::Audit(args) => audit::run(args, setting),
        Command::Doctor(args) => doctor::run(args, setting),
        Command::Bench(args) => bench::run(args, setting),
        Command::Completions(args) => completions::run(args, &mut Cli::command(), setting),
        Command::Version => version::run(setting),
    }
}

/// Prints help, the version, or what is wrong with the arguments.
fn refuse(error: &clap::Error) -> Exit {
    if error.print().is_err() {
        return Exit::Failure;
    }
    match error.use_stderr() {
        false => Exit::Success,
        // For `authorize`, 2 is an answer: a mistyped flag must not read as a deny.
        true if std::env::args_os().any(|arg| arg == "authorize") => Exit::Failure,
        true => Exit::Usage,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_arguments_are_consistent() {
        Cli::command().debug_assert();
    }
}
