//! Logs of a server: structured, on stderr, chosen by a filter.

use clap::{Args, ValueEnum};
use serde::Deserialize;
use tracing_subscriber::EnvFilter;

use crate::cli::Setting;
use crate::cli::exit::Failure;

#[derive(Debug, Args)]
pub(super) struct LogArgs {
    /// What is logged: error, warn, info, debug, or a filter by module [default: info]
    #[arg(long, value_name = "FILTER", env = "HUBWARDEN_LOG")]
    log: Option<String>,
    /// How logs are written [default: text]
    #[arg(long, value_enum, env = "HUBWARDEN_LOG_FORMAT")]
    log_format: Option<LogFormat>,
}

/// How logs are written.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, ValueEnum, Deserialize)]
#[serde(rename_all = "lowercase")]
pub(in crate::cli) enum LogFormat {
    #[default]
    Text,
    /// One JSON object a line.
    Json,
}

pub(super) fn start(args: &LogArgs, setting: &Setting) -> Result<(), Failure> {
    let filter = args.log.as_ref().or(setting.config.log.as_ref()).map_or("info", String::as_str);
    let filter =
        EnvFilter::try_new(filter).map_err(|error| Failure::new(format!("`{filter}` is no log filter: {error}")))?;
    let builder = tracing_subscriber::fmt().with_env_filter(filter).with_writer(std::io::stderr);
    let started = match args.log_format.or(setting.config.log_format).unwrap_or_default() {
        LogFormat::Text => builder.with_ansi(setting.terminal.color).try_init(),
        LogFormat::Json => builder.json().flatten_event(true).with_current_span(false).try_init(),
    };
    started.map_err(|error| Failure::new(format!("cannot start logging: {error}")))
}
