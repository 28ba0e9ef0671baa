//! `hubwarden doctor`: looks at a deployment, and says what to mend and how.
//!
//! With a folder it looks at files and opens the store, as `serve` would, but changes nothing in it; with `--server` it
//! asks a running server what its key lets it ask. It goes on behind whatever it finds: the first fault is seldom the
//! only one. No finding ever repeats a secret.

mod folder;
mod server;
mod store;

use std::fmt;
use std::path::Path;

use clap::Args;
use serde::Serialize;
use serde_json::json;

use super::Setting;
use super::bundle::BundleArgs;
use super::client::ServerArgs;
use super::data::DataArgs;
use super::exit::{Exit, Failure};
use super::hub::HubArgs;
use super::terminal::Format;

#[derive(Debug, Args)]
pub(super) struct DoctorArgs {
    #[command(flatten)]
    data: DataArgs,
    #[command(flatten)]
    server: ServerArgs,
    #[command(flatten)]
    bundle: BundleArgs,
    #[command(flatten)]
    hub: HubArgs,
    /// Read every record of the store and of the decision log, however many there are
    #[arg(long)]
    full: bool,
    /// Fail for warnings, too
    #[arg(long)]
    fail_on_warn: bool,
}

/// How something does.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "lowercase")]
enum Status {
    Ok,
    /// Could not be looked at from here.
    Skipped,
    Warn,
    Fail,
}

/// What was found in one place.
#[derive(Debug, Serialize)]
struct Finding {
    /// What was looked at: a word that stays the same.
    check: &'static str,
    status: Status,
    what: String,
    /// What to do about it.
    #[serde(skip_serializing_if = "Option::is_none")]
    mend: Option<String>,
}

/// Everything that was found, in the order in which it was looked at.
#[derive(Debug, Default, Serialize)]
struct Findings(Vec<Finding>);

impl Findings {
    fn add(&mut self, check: &'static str, status: Status, what: impl Into<String>, mend: Option<&str>) {
        self.0.push(Finding { check, status, what: what.into(), mend: mend.map(str::to_owned) });
    }

    fn ok(&mut self, check: &'static str, what: impl Into<String>) {
        self.add(check, Status::Ok, what, None);
    }

    fn skip(&mut self, check: &'static str, what: impl Into<String>, mend: &str) {
        self.add(check, Status::Skipped, what, Some(mend));
    }

    fn warn(&mut self, check: &'static str, what: impl Into<String>, mend: &str) {
        self.add(check, Status::Warn, what, Some(mend));
    }

    fn fail(&mut self, check: &'static str, what: impl Into<String>, mend: &str) {
        self.add(check, Status::Fail, what, Some(mend));
    }

    fn count(&self, status: Status) -> usize {
        self.0.iter().filter(|finding| finding.status == status).count()
    }
}

impl Status {
    fn word(self) -> &'static str {
        match self {
            Self::Ok => "ok",
            Self::Skipped => "skipped",
            Self::Warn => "warn",
            Self::Fail => "FAIL",
        }
    }
}

impl fmt::Display for Findings {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for Finding { check, status, what, mend } in &self.0 {
            let mut lines = what.lines();
            writeln!(f, "{:<8} {check:<10} {}", status.word(), lines.next().unwrap_or_default())?;
            for line in lines {
                writeln!(f, "{:<20}{line}", "")?;
            }
            if let Some(mend) = mend {
                writeln!(f, "{:<20}-> {mend}", "")?;
            }
        }
        let (warnings, failures) = (self.count(Status::Warn), self.count(Status::Fail));
        match (failures, warnings) {
            (0, 0) => write!(f, "nothing to mend"),
            _ => write!(f, "to mend: {failures} failures, {warnings} warnings"),
        }
    }
}

pub(super) fn run(args: &DoctorArgs, setting: &Setting) -> Result<Exit, Failure> {
    let mut findings = Findings::default();
    folder::key_files(args, setting, &mut findings);
    match args.server.client(&args.data, &args.bundle, setting)? {
        Some(client) => server::look(&client, &mut findings),
        None => {
            let dir = args.data.folder(setting);
            if folder::look(&dir, args, setting, &mut findings) {
                store::look(&dir, args, setting, &mut findings);
            }
            folder::look_at_limits(setting, &mut findings);
        }
    }
    let json = json!({
        "findings": findings, "failures": findings.count(Status::Fail), "warnings": findings.count(Status::Warn),
    });
    match setting.terminal.format {
        Format::Text => setting.terminal.line(&findings)?,
        Format::Json | Format::Ocsf => setting.terminal.print("", &json)?,
    }
    let bad = findings.count(Status::Fail) > 0 || args.fail_on_warn && findings.count(Status::Warn) > 0;
    Ok(if bad { Exit::Invalid } else { Exit::Success })
}

/// Bytes as people read them.
fn bytes(count: u64) -> String {
    const UNITS: [&str; 5] = ["B", "KiB", "MiB", "GiB", "TiB"];
    let power = (count.max(1).ilog2() / 10).min(4);
    let unit = UNITS.get(power as usize).copied().unwrap_or_default();
    match power {
        0 => format!("{count} {unit}"),
        power => format!("{:.1} {unit}", count as f64 / 1_024_f64.powi(i32::try_from(power).unwrap_or_default())),
    }
}

fn shown(path: &Path) -> std::path::Display<'_> {
    path.display()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn bytes_are_written_in_the_unit_that_fits() {
        assert_eq!((bytes(0), bytes(512)), ("0 B".to_owned(), "512 B".to_owned()));
        assert_eq!((bytes(1_536), bytes(3 << 30)), ("1.5 KiB".to_owned(), "3.0 GiB".to_owned()));
    }
}
