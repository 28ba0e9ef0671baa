//! `hubwarden audit`: the decision log in the folder of a store, read as files, which needs no server and disturbs none;
//! or that of a running server, through its API.

mod keeping;
mod print;
mod remote;

use std::io::Write;
use std::ops::ControlFlow;
use std::path::{Path, PathBuf};
use std::time::Duration;

use clap::{Args, Subcommand, ValueEnum};
use jiff::Timestamp;

use super::Setting;
use super::bundle::BundleArgs;
use super::client::ServerArgs;
use super::data::DataArgs;
use super::exit::{Exit, Failure};
use super::terminal::Format;
use crate::audit::{self, Damage, Digest, Filter, Form, PublicKey, each_oldest_first, newest_first, read_key, verify};
pub(super) use keeping::{AuditConfig, LogKeepingArgs, Process, key_path, open};
use print::Printed;

/// How often `tail --follow` looks.
const LOOK: Duration = Duration::from_millis(500);
/// Records that are read at once.
const PAGE: usize = 1_000;

#[derive(Debug, Args)]
pub(super) struct AuditArgs {
    #[command(flatten)]
    data: DataArgs,
    #[command(flatten)]
    server: ServerArgs,
    #[command(subcommand)]
    command: AuditCommand,
}

#[derive(Debug, Subcommand)]
enum AuditCommand {
    /// Check that every record is there, in its place and as it was written. Exit code 3 when one is not.
    Verify {
        /// The public key of the signatures, or a file that holds it [default: that of `audit.key`]
        #[arg(long, value_name = "HEX|FILE")]
        public_key: Option<String>,
        /// A record and its hash, as `verify` told them before
        #[arg(long, value_name = "SEQ:HASH")]
        expect: Option<String>,
    },
    /// The last records, the newest last.
    Tail {
        /// How many
        #[arg(long, short = 'n', default_value_t = 20)]
        lines: usize,
        /// Go on with what is written from now on
        #[arg(long)]
        follow: bool,
        #[command(flatten)]
        filter: FilterArgs,
    },
    /// Records that were asked for, the newest first.
    Query {
        /// How many at most
        #[arg(long, default_value_t = 100)]
        limit: usize,
        #[command(flatten)]
        filter: FilterArgs,
    },
    /// One decision, whole.
    Show {
        /// Its id, as answers and logs tell it
        id: String,
    },
    /// Records as lines, the oldest first; with `--format ocsf` as events.
    Export {
        /// File to write; stdout without it
        #[arg(long, short = 'o', value_name = "FILE")]
        output: Option<PathBuf>,
        #[command(flatten)]
        filter: FilterArgs,
    },
}

#[derive(Clone, Copy, Debug, ValueEnum)]
enum Decision {
    Allow,
    Deny,
}

/// What is asked for.
#[derive(Debug, Args)]
struct FilterArgs {
    /// At this time or later (RFC 3339)
    #[arg(long, value_name = "TIME")]
    since: Option<Timestamp>,
    /// Before this time
    #[arg(long, value_name = "TIME")]
    until: Option<Timestamp>,
    /// Who asked, or whom a credential acted for: `user:alice`, `Hub::User::"alice"`, or the id
    #[arg(long, value_name = "ENTITY")]
    principal: Option<String>,
    #[arg(long, value_name = "ENTITY")]
    resource: Option<String>,
    #[arg(long, value_name = "ACTION")]
    action: Option<String>,
    #[arg(long, value_enum)]
    decision: Option<Decision>,
    /// A policy that determined the decision
    #[arg(long, value_name = "ID")]
    policy: Option<String>,
    /// The id of an access token
    #[arg(long, value_name = "ID")]
    token: Option<String>,
    /// The code of a refusal
    #[arg(long, value_name = "CODE")]
    reason: Option<String>,
    /// The id of the API key that asked
    #[arg(long, value_name = "ID")]
    key: Option<String>,
    #[arg(long, value_name = "ID")]
    request_id: Option<String>,
    /// `decision`, `search` or `change`; `segment`, `checkpoint`, … for what the log says of itself
    #[arg(long)]
    kind: Option<String>,
}

impl FilterArgs {
    fn filter(&self) -> Filter {
        let decision = self.decision.map(|decision| match decision {
            Decision::Allow => "allow".to_owned(),
            Decision::Deny => "deny".to_owned(),
        });
        Filter {
            since: self.since,
            until: self.until,
            principal: self.principal.clone(),
            resource: self.resource.clone(),
            action: self.action.clone(),
            decision,
            policy: self.policy.clone(),
            token: self.token.clone(),
            reason: self.reason.clone(),
            key: self.key.clone(),
            request_id: self.request_id.clone(),
            kind: self.kind.clone(),
            ..Filter::default()
        }
    }
}

pub(super) fn run(args: &AuditArgs, setting: &Setting) -> Result<Exit, Failure> {
    // Only a folder can be verified, so that is what is meant unless a server is named.
    let local = matches!(args.command, AuditCommand::Verify { .. }) && !args.server.is_flagged();
    let client = if local { None } else { args.server.client(&args.data, &BundleArgs::default(), setting)? };
    if let Some(client) = client {
        return remote::run(&args.command, &client, setting);
    }
    let store = args.data.folder(setting);
    let dir = audit::folder(&store);
    if !dir.is_dir() {
        return Err(Failure::new(format!(
            "there is no decision log in {}: name the store's folder with `--data DIR`",
            dir.display()
        )));
    }
    match &args.command {
        AuditCommand::Verify { public_key, expect } => {
            check(&dir, public_key.as_deref(), expect.as_deref(), &store, setting)
        }
        AuditCommand::Tail { lines, follow, filter } => tail(&dir, *lines, *follow, &filter.filter(), setting),
        AuditCommand::Query { limit, filter } => {
            for line in newest(&dir, &filter.filter(), *limit, setting)? {
                print::line(&line, setting)?;
            }
            Ok(Exit::Success)
        }
        AuditCommand::Show { id } => show(&dir, id, setting),
        AuditCommand::Export { output, filter } => export(&dir, output.as_deref(), &filter.filter(), setting),
    }
}

fn unreadable(error: std::io::Error) -> Failure {
    Failure::new(format!("the decision log cannot be read: {error}"))
}

fn check(
    dir: &Path,
    public_key: Option<&str>,
    expect: Option<&str>,
    store: &Path,
    setting: &Setting,
) -> Result<Exit, Failure> {
    let key = match public_key {
        Some(named) if Path::new(named).is_file() => {
            let text = std::fs::read_to_string(named)
                .map_err(|error| Failure::new(format!("cannot read the public key in {named}: {error}")))?;
            text.trim().parse::<PublicKey>()?
        }
        Some(named) => named.parse::<PublicKey>()?,
        None => {
            let path = key_path(store, None, setting);
            let missing = || {
                Failure::new(format!(
                    "there is no audit key in {}: name the public key with `--public-key`",
                    path.display()
                ))
            };
            read_key(&path)?.ok_or_else(missing)?.public()
        }
    };
    let expected = expect.map(expected).transpose()?;
    let verified = verify(dir, &key, expected).map_err(unreadable)?;
    setting.terminal.print(print::Told(&verified, &key), &print::told_json(&verified, &key))?;
    Ok(if verified.faults.is_empty() { Exit::Success } else { Exit::Invalid })
}

fn expected(text: &str) -> Result<(u64, Digest), Failure> {
    let parts = text.split_once(':').and_then(|(seq, hash)| Some((seq.parse().ok()?, Digest::from_hex(hash)?)));
    parts.ok_or_else(|| Failure::new(format!("`{text}` is no record and its hash: expected SEQ:HASH")))
}

/// Up to `limit` records, the newest first.
fn newest(dir: &Path, filter: &Filter, limit: usize, setting: &Setting) -> Result<Vec<String>, Failure> {
    let mut lines = Vec::new();
    let mut before = None;
    while lines.len() < limit {
        let page = newest_first(dir, filter, before, (limit - lines.len()).min(PAGE), u64::MAX).map_err(unreadable)?;
        tell(&page.damage, setting);
        lines.extend(page.found.into_iter().map(|found| found.line));
        match page.next {
            Some(next) => before = Some(next),
            None => break,
        }
    }
    Ok(lines)
}

fn tail(dir: &Path, lines: usize, follow: bool, filter: &Filter, setting: &Setting) -> Result<Exit, Failure> {
    let mut last = 0;
    for line in newest(dir, filter, lines, setting)?.iter().rev() {
        print::line(line, setting)?;
        last = Printed::of(line).seq;
    }
    if !follow {
        return Ok(Exit::Success);
    }
    loop {
        std::thread::sleep(LOOK);
        let new = Filter { after: Some(last), ..filter.clone() };
        for line in newest(dir, &new, usize::MAX, setting)?.iter().rev() {
            print::line(line, setting)?;
            last = Printed::of(line).seq;
        }
    }
}

fn show(dir: &Path, id: &str, setting: &Setting) -> Result<Exit, Failure> {
    let filter = Filter { decision_id: Some(id.to_owned()), ..Filter::default() };
    match newest(dir, &filter, 1, setting)?.first() {
        Some(line) => {
            print::whole(line, setting)?;
            Ok(Exit::Success)
        }
        None => Err(Failure::new(format!("the log has no decision `{id}`"))),
    }
}

fn export(dir: &Path, output: Option<&Path>, filter: &Filter, setting: &Setting) -> Result<Exit, Failure> {
    let form = if setting.terminal.format == Format::Ocsf { Form::Ocsf } else { Form::Native };
    written(output, setting, |out| {
        let (mut failed, mut count) = (None, 0_u64);
        let damage = each_oldest_first(dir, filter, |line| {
            let Some(line) = form.line(line) else { return ControlFlow::Continue(()) };
            match writeln!(out, "{line}") {
                Ok(()) => {
                    count += 1;
                    ControlFlow::Continue(())
                }
                Err(error) => {
                    failed = Some(error);
                    ControlFlow::Break(())
                }
            }
        });
        tell(&damage.map_err(unreadable)?, setting);
        failed.map_or(Ok(count), |error| Err(unwritten(error)))
    })
}

/// Writes records to a file or to stdout; `write` answers how many.
fn written(
    output: Option<&Path>,
    setting: &Setting,
    write: impl FnOnce(&mut dyn Write) -> Result<u64, Failure>,
) -> Result<Exit, Failure> {
    let mut out: Box<dyn Write> = match output {
        Some(path) => {
            let file = std::fs::File::create(path)
                .map_err(|error| Failure::new(format!("cannot write {}: {error}", path.display())))?;
            Box::new(std::io::BufWriter::new(file))
        }
        None => Box::new(std::io::stdout().lock()),
    };
    let count = match write(&mut out).and_then(|count| out.flush().map(|()| count).map_err(unwritten)) {
        // A reader that went away is no failure.
        Err(Failure::Message { exit: Exit::Success, .. }) => return Ok(Exit::Success),
        written => written?,
    };
    if let Some(path) = output {
        setting.terminal.note(format!("exported {count} to {}", path.display()));
    }
    Ok(Exit::Success)
}

/// A record that could not be written: no failure when it is the reader who went away.
fn unwritten(error: std::io::Error) -> Failure {
    let gone = error.kind() == std::io::ErrorKind::BrokenPipe;
    let exit = if gone { Exit::Success } else { Exit::Failure };
    Failure::Message { exit, message: format!("cannot write the records: {error}") }
}

/// Says what could not be read. On stderr in every format: it is no record, and nobody must miss it.
fn tell(damage: &[Damage], setting: &Setting) {
    for Damage { segment, what } in damage {
        setting.terminal.warn(format!("warning: {segment}: {what}"));
    }
}
