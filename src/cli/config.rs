//! The configuration file, and the flags that every command has.
//!
//! Its keys are the flags' names. Relative paths in it start at its own folder, so that it works from anywhere.
//! Secrets never stand in it: it names files that hold them.

use std::ffi::OsString;
use std::net::SocketAddr;
use std::path::{Path, PathBuf};

use clap::Args;
use serde::Deserialize;

use super::audit::AuditConfig;
use super::exit::Failure;
use super::serve::{GateSpec, HistoryConfig, LimitsConfig, LogFormat, PoliciesFrom};
use super::terminal::{Color, Format};
use crate::suite::yaml_fault;

/// Read when it exists and no other file is named.
const DEFAULT_FILE: &str = "hubwarden.yaml";

#[derive(Debug, Args)]
pub(super) struct CommonArgs {
    /// Configuration file [default: hubwarden.yaml, if it exists]
    #[arg(long, global = true, value_name = "FILE", env = "HUBWARDEN_CONFIG", help_heading = "Common options")]
    config: Option<PathBuf>,
    /// How results are printed [default: text]
    #[arg(long, global = true, value_enum, env = "HUBWARDEN_FORMAT", help_heading = "Common options")]
    pub format: Option<Format>,
    /// When diagnostics are coloured [default: auto]
    #[arg(long, global = true, value_enum, env = "HUBWARDEN_COLOR", help_heading = "Common options")]
    pub color: Option<Color>,
}

/// Where a setting was made, weakest first.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Origin {
    File,
    Environment,
    Flag,
}

/// The strongest of a flag, a variable and a key of the file.
pub(super) fn strongest<T: Clone + From<OsString>>(
    flag: Option<&T>,
    variable: &str,
    file: Option<&T>,
) -> Option<(Origin, T)> {
    let environment = || std::env::var_os(variable).filter(|value| !value.is_empty()).map(T::from);
    let flag = flag.cloned().map(|value| (Origin::Flag, value));
    flag.or_else(|| environment().map(|value| (Origin::Environment, value)))
        .or_else(|| file.cloned().map(|value| (Origin::File, value)))
}

/// A configuration file. Every key is optional; an unknown one is refused.
#[derive(Debug, Default, Deserialize)]
#[serde(deny_unknown_fields, rename_all = "kebab-case", default)]
pub(super) struct Config {
    pub policies: Option<PathBuf>,
    pub schema: Option<PathBuf>,
    pub data: Option<PathBuf>,
    pub server: Option<String>,
    pub key_file: Option<PathBuf>,
    pub token_key_file: Option<PathBuf>,
    pub token_prefix: Option<String>,
    pub listen: Option<SocketAddr>,
    pub unix_socket: Option<PathBuf>,
    pub policies_from: Option<PoliciesFrom>,
    pub gate: Option<GateSpec>,
    pub shadow: Option<PathBuf>,
    pub shadow_schema: Option<PathBuf>,
    pub public_url: Option<String>,
    pub log: Option<String>,
    pub log_format: Option<LogFormat>,
    pub limits: LimitsConfig,
    pub audit: AuditConfig,
    pub history: HistoryConfig,
    pub format: Option<Format>,
    pub color: Option<Color>,
}

impl Config {
    /// # Errors
    /// A file that was named and cannot be read; one that has a fault, with its line.
    pub fn load(args: &CommonArgs) -> Result<Self, Failure> {
        match &args.config {
            Some(path) => Self::read(path),
            None if Path::new(DEFAULT_FILE).is_file() => Self::read(Path::new(DEFAULT_FILE)),
            None => Ok(Self::default()),
        }
    }

    fn read(path: &Path) -> Result<Self, Failure> {
        let text = std::fs::read_to_string(path)
            .map_err(|error| Failure::new(format!("cannot read the configuration {}: {error}", path.display())))?;
        Self::parse(&text, path)
    }

    fn parse(text: &str, path: &Path) -> Result<Self, Failure> {
        let mut config: Self = serde_saphyr::from_str(text).map_err(|error| Failure::new(fault(&error, text, path)))?;
        let folder = path.parent().unwrap_or(Path::new(""));
        let Self {
            policies,
            schema,
            data,
            unix_socket,
            gate,
            shadow,
            shadow_schema,
            key_file,
            token_key_file,
            audit,
            ..
        } = &mut config;
        let (audit_key, audit_file) = audit.paths();
        let tests = gate.as_mut().and_then(|gate| gate.tests.as_mut());
        let paths = [policies, schema, data, unix_socket, shadow, shadow_schema, key_file, token_key_file, audit_key];
        for relative in paths.into_iter().flatten().chain(tests).chain(audit_file) {
            *relative = folder.join(&*relative);
        }
        Ok(config)
    }
}

/// A fault of the file, as faults of policies are shown.
fn fault(error: &serde_saphyr::Error, text: &str, path: &Path) -> String {
    let shown = yaml_fault(error, text, &path.display().to_string()).to_string();
    shown.strip_prefix("error: ").unwrap_or(&shown).to_owned()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn parse(text: &str) -> Result<Config, String> {
        Config::parse(text, Path::new("etc/hubwarden.yaml")).map_err(|failure| failure.to_string())
    }

    #[test]
    fn paths_start_at_the_files_own_folder() {
        let config = parse("policies: rules\nschema: /srv/hub.cedarschema\nformat: json\n").unwrap();
        assert_eq!(config.policies.unwrap(), Path::new("etc/rules"));
        assert_eq!(config.schema.unwrap(), Path::new("/srv/hub.cedarschema"));
        assert_eq!(config.format, Some(Format::Json));
    }

    #[test]
    fn an_unknown_key_is_refused_with_its_line() {
        let message = parse("format: text\npolcies: rules\n").unwrap_err();
        assert!(message.starts_with("error: unknown field `polcies`, expected one of "), "{message}");
        assert!(message.ends_with("\n --> etc/hubwarden.yaml:2:1\n  |\n2 | polcies: rules\n  | ^"), "{message}");
    }

    #[test]
    fn an_empty_file_is_an_empty_configuration() {
        assert!(parse("").unwrap().policies.is_none());
        assert!(parse("# nothing yet\n").unwrap().policies.is_none());
    }
}
