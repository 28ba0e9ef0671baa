//! How the decision log is kept: flags, environment, and `audit:` of the configuration file.

use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use clap::{Args, ValueEnum};
use serde::Deserialize;

use crate::audit::{
    self, AuditKeyError, Collector, Damaged, Form, Headers, Log, Mask, Mode, OpenError, Settings, SinkSettings,
};
use crate::cli::Setting;
use crate::cli::config::strongest;
use crate::cli::exit::Failure;
use crate::clock::SystemClock;
use crate::http::percent_decode;
use crate::store::Store;

/// The file of the key, in the folder of the store, when nothing says otherwise.
const DEFAULT_KEY: &str = "audit.key";
const FILE_BYTES: u64 = 100 * 1024 * 1024;
const FILES: usize = 5;
/// Where collectors listen when nothing says otherwise, and how long one may take, in milliseconds.
const DEFAULT_COLLECTOR: &str = "http://localhost:4318/v1/logs";
const COLLECTOR_TIMEOUT: u64 = 10_000;

#[derive(Debug, Args)]
pub(in crate::cli) struct LogKeepingArgs {
    /// What an answer waits for: its durable record, or room in memory, or nothing; or keep no decision log
    /// [env: HUBWARDEN_AUDIT_MODE=] [default: spill]
    #[arg(long, value_enum)]
    audit_mode: Option<LogMode>,
    /// File that holds the key of the log's signatures; made when there is none
    /// [env: HUBWARDEN_AUDIT_KEY_FILE=] [default: audit.key in the folder of the store]
    #[arg(long, value_name = "FILE")]
    audit_key_file: Option<PathBuf>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum, Deserialize)]
#[serde(rename_all = "lowercase")]
pub(in crate::cli) enum LogMode {
    /// No answer without a durable record
    Block,
    /// Answers go at once, records follow within moments; none is lost but to a crash
    Spill,
    /// As spill, but records that there is no room for are lost, and counted
    Drop,
    /// No decision log
    Off,
}

/// `audit:` of the configuration file. What is not named keeps its default.
#[derive(Debug, Default, Deserialize)]
#[serde(deny_unknown_fields, rename_all = "kebab-case", default)]
pub(in crate::cli) struct AuditConfig {
    mode: Option<LogMode>,
    key_file: Option<PathBuf>,
    max_age_days: Option<u64>,
    max_bytes: Option<u64>,
    segment_bytes: Option<u64>,
    queue_bytes: Option<usize>,
    mask: Vec<String>,
    file: Option<FileConfig>,
    stdout: Option<Form>,
    otlp: Option<OtlpConfig>,
}

/// An OpenTelemetry collector. What is not named is as `OTEL_EXPORTER_OTLP_…` says.
#[derive(Debug, Default, Deserialize)]
#[serde(deny_unknown_fields, rename_all = "kebab-case", default)]
struct OtlpConfig {
    /// The address of the collector's logs, e.g. `http://127.0.0.1:4318/v1/logs`.
    endpoint: Option<String>,
    format: Form,
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields, rename_all = "kebab-case")]
struct FileConfig {
    path: PathBuf,
    #[serde(default)]
    format: Form,
    max_bytes: Option<u64>,
    keep: Option<usize>,
}

impl AuditConfig {
    /// The paths in it, which start at the file's folder.
    pub fn paths(&mut self) -> (&mut Option<PathBuf>, Option<&mut PathBuf>) {
        (&mut self.key_file, self.file.as_mut().map(|file| &mut file.path))
    }

    /// The collector, if one is named here or `OTEL_LOGS_EXPORTER` is `otlp`. Only a server lasts long enough for one.
    fn otlp(&self, process: Process) -> Result<Option<SinkSettings>, Failure> {
        let otel = |name: &str| std::env::var(name).ok().filter(|text| !text.is_empty());
        let exporter = otel("OTEL_LOGS_EXPORTER");
        let wanted = match exporter.as_deref() {
            Some("none") => false,
            Some("otlp") => true,
            _ => self.otlp.is_some(),
        };
        if !wanted || process != Process::Server {
            return Ok(None);
        }
        let named = self.otlp.as_ref().and_then(|config| config.endpoint.clone());
        let logs = || otel("OTEL_EXPORTER_OTLP_LOGS_ENDPOINT");
        let base = || otel("OTEL_EXPORTER_OTLP_ENDPOINT").map(|base| format!("{}/v1/logs", base.trim_end_matches('/')));
        let endpoint = named.or_else(logs).or_else(base).unwrap_or_else(|| DEFAULT_COLLECTOR.to_owned());
        if !endpoint.starts_with("http://") && !endpoint.starts_with("https://") {
            return Err(Failure::new(format!("the OTLP endpoint `{endpoint}` is no http or https URL")));
        }
        let one = |logs: &str, all: &str| otel(logs).or_else(|| otel(all));
        let headers = one("OTEL_EXPORTER_OTLP_LOGS_HEADERS", "OTEL_EXPORTER_OTLP_HEADERS").unwrap_or_default();
        let headers = list(&headers)
            .ok_or_else(|| Failure::new("the OTLP headers are no list of `name=value`, with commas between"))?;
        let timeout = one("OTEL_EXPORTER_OTLP_LOGS_TIMEOUT", "OTEL_EXPORTER_OTLP_TIMEOUT");
        let timeout = timeout.map_or(Ok(COLLECTOR_TIMEOUT), |text| text.parse());
        let timeout = timeout.map_err(|_| Failure::new("the OTLP timeout is no number of milliseconds"))?;
        let mut resource = otel("OTEL_RESOURCE_ATTRIBUTES").and_then(|text| list(&text)).unwrap_or_default();
        if let Some(name) = otel("OTEL_SERVICE_NAME") {
            resource.retain(|(key, _)| key != "service.name");
            resource.push(("service.name".to_owned(), name));
        }
        if !resource.iter().any(|(key, _)| key == "service.name") {
            resource.push(("service.name".to_owned(), "hubwarden".to_owned()));
        }
        resource.push(("service.version".to_owned(), env!("CARGO_PKG_VERSION").to_owned()));
        let timeout = Duration::from_millis(timeout);
        let collector = Collector { endpoint, headers: Headers(headers), timeout, resource };
        let form = self.otlp.as_ref().map(|config| config.format).unwrap_or_default();
        Ok(Some(SinkSettings::Otlp { collector, form }))
    }

    fn settings(&self, mode: Mode, process: Process, damaged: Damaged) -> Result<Settings, Failure> {
        const DAY: u64 = 24 * 60 * 60;
        let default = Settings::default();
        let masks: Result<Vec<Mask>, _> = self.mask.iter().map(|mask| mask.parse()).collect();
        let file = self.file.as_ref().map(|file| SinkSettings::File {
            path: file.path.clone(),
            form: file.format,
            max_bytes: file.max_bytes.unwrap_or(FILE_BYTES),
            keep: file.keep.unwrap_or(FILES),
        });
        // What other commands print on stdout is what they were asked for.
        let stdout = self.stdout.filter(|_| process == Process::Server).map(|form| SinkSettings::Stdout { form });
        Ok(Settings {
            mode,
            damaged,
            segment_bytes: self.segment_bytes.unwrap_or(default.segment_bytes),
            max_age: self.max_age_days.map(|days| Duration::from_secs(days.saturating_mul(DAY))).or(default.max_age),
            max_bytes: self.max_bytes.or(default.max_bytes),
            queue_bytes: self.queue_bytes.unwrap_or(default.queue_bytes),
            masks: masks.map_err(|error| Failure::new(format!("`audit.mask`: {error}")))?,
            sinks: file.into_iter().chain(stdout).chain(self.otlp(process)?).collect(),
            ..default
        })
    }
}

/// `name=value,name=value`, percent-encoded, as OpenTelemetry's variables have it.
fn list(text: &str) -> Option<Vec<(String, String)>> {
    let parts = text.split(',').map(str::trim).filter(|part| !part.is_empty());
    parts
        .map(|part| {
            let (name, value) = part.split_once('=')?;
            Some((name.trim().to_owned(), percent_decode(value.trim())?))
        })
        .collect()
}

/// What opens a log.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(in crate::cli) enum Process {
    Server,
    /// Works on a store and ends.
    Command,
}

/// Opens the decision log of the store in a folder, unless it is switched off.
pub(in crate::cli) fn open(
    folder: &Path,
    store: &dyn Store,
    process: Process,
    damaged: Damaged,
    args: Option<&LogKeepingArgs>,
    setting: &Setting,
) -> Result<Arc<Log>, Failure> {
    let mode = match mode(args, setting)? {
        LogMode::Off => return Ok(Arc::new(Log::off())),
        LogMode::Block => Mode::Block,
        LogMode::Spill => Mode::Spill,
        LogMode::Drop => Mode::Drop,
    };
    let path = key_path(folder, args, setting);
    let key = match audit::read_key(&path)? {
        Some(key) => key,
        None => audit::create_key(&path)?,
    };
    let settings = setting.config.audit.settings(mode, process, damaged)?;
    let log = Log::open(&audit::folder(folder), key, store.id(), settings, Arc::new(SystemClock))?;
    Ok(Arc::new(log))
}

fn mode(args: Option<&LogKeepingArgs>, setting: &Setting) -> Result<LogMode, Failure> {
    if let Some(mode) = args.and_then(|args| args.audit_mode) {
        return Ok(mode);
    }
    let variable = std::env::var("HUBWARDEN_AUDIT_MODE").ok().filter(|text| !text.is_empty());
    match variable {
        Some(text) => LogMode::from_str(&text, false).map_err(|_| {
            Failure::new(format!("HUBWARDEN_AUDIT_MODE: `{text}` is no mode; a mode is block, spill, drop or off"))
        }),
        None => Ok(setting.config.audit.mode.unwrap_or(LogMode::Spill)),
    }
}

/// The file of the signatures' key.
pub(in crate::cli) fn key_path(folder: &Path, args: Option<&LogKeepingArgs>, setting: &Setting) -> PathBuf {
    let flag = args.and_then(|args| args.audit_key_file.as_ref());
    let named = strongest(flag, "HUBWARDEN_AUDIT_KEY_FILE", setting.config.audit.key_file.as_ref());
    named.map_or_else(|| folder.join(DEFAULT_KEY), |(_, path)| path)
}

impl From<AuditKeyError> for Failure {
    fn from(error: AuditKeyError) -> Self {
        Self::new(error.to_string())
    }
}

impl From<OpenError> for Failure {
    fn from(error: OpenError) -> Self {
        Self::new(error.to_string())
    }
}
