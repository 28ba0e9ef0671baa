//! Printing: data to stdout, the rest to stderr, legible without colour.

use std::fmt::Display;
use std::io::{self, IsTerminal, Write};

use clap::ValueEnum;
use serde::{Deserialize, Serialize};

use super::config::{CommonArgs, Config};
use super::exit::{Exit, Failure};

/// How results are written.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, ValueEnum, Deserialize)]
#[serde(rename_all = "lowercase")]
pub(super) enum Format {
    #[default]
    Text,
    Json,
    /// Records of the decision log as events of the Open Cybersecurity Schema Framework.
    Ocsf,
}

/// When diagnostics are coloured.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, ValueEnum, Deserialize)]
#[serde(rename_all = "lowercase")]
pub(super) enum Color {
    /// On a terminal, unless NO_COLOR is set.
    #[default]
    Auto,
    Always,
    Never,
}

/// Where a command prints.
#[derive(Clone, Copy, Debug)]
pub(super) struct Terminal {
    pub format: Format,
    /// Whether stderr is coloured.
    pub color: bool,
}

impl Terminal {
    pub fn new(args: &CommonArgs, config: &Config) -> Self {
        let color = match args.color.or(config.color).unwrap_or_default() {
            Color::Always => true,
            Color::Never => false,
            Color::Auto => {
                let refused = std::env::var_os("NO_COLOR").is_some_and(|value| !value.is_empty());
                !refused && io::stderr().is_terminal()
            }
        };
        Self { format: args.format.or(config.format).unwrap_or_default(), color }
    }

    /// Writes a result: as text, or as one line of JSON.
    pub fn print(&self, text: impl Display, json: &impl Serialize) -> Result<(), Failure> {
        match self.format {
            Format::Text => self.line(text),
            Format::Json | Format::Ocsf => {
                let json = serde_json::to_string(json).map_err(|error| Failure::new(error.to_string()))?;
                self.line(json)
            }
        }
    }

    /// Writes a line to stdout. A reader that went away is no failure: `hubwarden … | head` is fine.
    pub fn line(&self, text: impl Display) -> Result<(), Failure> {
        match writeln!(io::stdout().lock(), "{text}") {
            Err(error) if error.kind() != io::ErrorKind::BrokenPipe => {
                Err(Failure::new(format!("cannot write to stdout: {error}")))
            }
            _ => Ok(()),
        }
    }

    /// Says something to people, on stderr. Silent with `--format json`.
    pub fn note(&self, text: impl Display) {
        if self.format == Format::Text {
            let _ = writeln!(io::stderr().lock(), "{text}");
        }
    }

    /// Says on stderr what nobody must miss, whatever the format.
    pub fn warn(&self, text: impl Display) {
        let _ = writeln!(io::stderr().lock(), "{text}");
    }

    /// Tells why a command failed.
    pub fn fail(&self, failure: &Failure) -> Exit {
        let text = match self.format {
            Format::Text => self.paint(&failure.to_string()),
            Format::Json | Format::Ocsf => failure.to_json().to_string(),
        };
        // Nothing can be told when stderr is gone.
        let _ = writeln!(io::stderr().lock(), "{text}");
        failure.exit()
    }

    /// Colours the word `error:` at the start of lines.
    fn paint(&self, text: &str) -> String {
        if !self.color {
            return text.to_owned();
        }
        let lines = text.split('\n').map(|line| match line.strip_prefix("error:") {
            Some(rest) => format!("\u{1b}[1;31merror:\u{1b}[0m{rest}"),
            None => line.to_owned(),
        });
        lines.collect::<Vec<_>>().join("\n")
    }
}
