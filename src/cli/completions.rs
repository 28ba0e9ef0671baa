//! `hubwarden completions`.

use clap::Args;
use clap_complete::Shell;

use super::Setting;
use super::exit::{Exit, Failure};

#[derive(Debug, Args)]
pub(super) struct CompletionsArgs {
    #[arg(value_enum)]
    shell: Shell,
}

pub(super) fn run(args: &CompletionsArgs, command: &mut clap::Command, setting: &Setting) -> Result<Exit, Failure> {
    // Written to memory first: the generator panics on a pipe that was closed.
    let mut script = Vec::new();
    clap_complete::generate(args.shell, command, "hubwarden", &mut script);
    setting.terminal.line(String::from_utf8_lossy(&script).trim_end())?;
    Ok(Exit::Success)
}
