//! Logs of a server: structured, on stderr, chosen by a filter. Traces go beside them, where they are wanted.

use clap::{Args, ValueEnum};
use serde::Deserialize;
use tracing::Level;
use tracing_subscriber::filter::Targets;
use tracing_subscriber::layer::SubscriberExt;
use tracing_subscriber::util::SubscriberInitExt;
use tracing_subscriber::{EnvFilter, Layer, fmt, registry};

use super::traces::Traces;
use crate::cli::Setting;
use crate::cli::exit::Failure;
use crate::http::TRACE_TARGET;

#[derive(Debug, Args)]
pub(super) struct LogArgs {
    /// What is logged: error, warn, info, debug, or a filter by module; without it and without `log` in the
    /// configuration, RUST_LOG says so [default: info]
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

/// Starts logs, and traces if there is a collector. What is returned sends the last of them when it is dropped.
pub(super) fn start(args: &LogArgs, setting: &Setting) -> Result<Option<Traces>, Failure> {
    let common = std::env::var("RUST_LOG").ok().filter(|filter| !filter.is_empty());
    let filter = args.log.as_ref().or(setting.config.log.as_ref()).or(common.as_ref()).map_or("info", String::as_str);
    let filter =
        EnvFilter::try_new(filter).map_err(|error| Failure::new(format!("`{filter}` is no log filter: {error}")))?;
    let lines = fmt::layer().with_writer(std::io::stderr);
    let lines = match args.log_format.or(setting.config.log_format).unwrap_or_default() {
        LogFormat::Text => lines.with_ansi(setting.terminal.color).with_filter(filter).boxed(),
        LogFormat::Json => lines.json().flatten_event(true).with_current_span(false).with_filter(filter).boxed(),
    };
    let traces = Traces::start()?;
    let spans = traces.as_ref().map(|traces| {
        tracing_opentelemetry::layer()
            .with_tracer(traces.tracer())
            .with_location(false)
            .with_threads(false)
            .with_tracked_inactivity(false)
            .with_filter(Targets::new().with_target(TRACE_TARGET, Level::TRACE))
    });
    let started = registry().with(lines).with(spans).try_init();
    started.map_err(|error| Failure::new(format!("cannot start logging: {error}")))?;
    Ok(traces)
}
