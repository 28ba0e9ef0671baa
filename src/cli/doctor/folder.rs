//! What can be told of a store's folder without opening it: files, rights, room, the log, settings.

use std::fs;
use std::path::Path;

use super::{DoctorArgs, Findings, bytes, shown};
use crate::audit::{Filter, newest_first, verify};
use crate::cli::Setting;
use crate::cli::audit;
use crate::clock::{Clock, SystemClock};
use crate::process;

/// Below this there is hardly room for another minute.
const LITTLE: u64 = 512 * 1024 * 1024;
/// A log of at most this size is verified whole without being asked for.
const QUICK: u64 = 256 * 1024 * 1024;
/// Clocks of machines may differ by so many seconds.
const DRIFT: i64 = 120;

/// Looks at a folder; whether there is one to go on with.
pub(super) fn look(dir: &Path, args: &DoctorArgs, setting: &Setting, findings: &mut Findings) -> bool {
    let Ok(mut entries) = fs::read_dir(dir) else {
        findings.fail(
            "folder",
            format!("there is no folder {}", shown(dir)),
            "name the store's folder with `--data DIR`, or a running server with `--server URL`",
        );
        return false;
    };
    if entries.next().is_none() {
        findings.fail(
            "folder",
            format!("{} is empty", shown(dir)),
            "make a store with `hubwarden import --data DIR FILE`",
        );
        return false;
    }
    rights(dir, findings);
    secrets(dir, args, setting, findings);
    room(dir, findings);
    log(dir, args.full, setting, findings);
    clock(dir, findings);
    true
}

/// Whether others than the owner may enter the folder, or write to it.
#[cfg(unix)]
fn rights(dir: &Path, findings: &mut Findings) {
    use std::os::unix::fs::PermissionsExt;
    match fs::metadata(dir).map(|about| about.permissions().mode() & 0o777) {
        Ok(mode) if mode & 0o022 != 0 => findings.fail(
            "folder",
            format!("others may write to {} (mode {mode:o})", shown(dir)),
            "`chmod 700` it: who can write there can replace the store",
        ),
        Ok(mode) if mode & 0o055 != 0 => findings.warn(
            "folder",
            format!("others may look into {} (mode {mode:o})", shown(dir)),
            "`chmod 700` it: the log and the store name users and repositories",
        ),
        Ok(mode) => findings.ok("folder", format!("{} (mode {mode:o})", shown(dir))),
        Err(error) => findings.fail("folder", format!("{}: {error}", shown(dir)), "run this as the server's user"),
    }
}

#[cfg(not(unix))]
fn rights(dir: &Path, findings: &mut Findings) {
    findings.ok("folder", shown(dir).to_string());
}

/// The files that hold keys: there, readable by their owner alone, and of the form that they must have.
fn secrets(dir: &Path, args: &DoctorArgs, setting: &Setting, findings: &mut Findings) {
    match args.hub.key(dir, setting) {
        Ok((path, Some(_))) => findings.ok("token key", shown(&path).to_string()),
        // Whether it is needed, the store knows.
        Ok((_, None)) => {}
        Err(error) => findings.fail("token key", plain(&error), "without it no token works"),
    }
    let path = audit::key_path(dir, None, setting);
    match crate::audit::read_key(&path) {
        Ok(Some(_)) => findings.ok("audit key", shown(&path).to_string()),
        Ok(None) if crate::audit::folder(dir).is_dir() => findings.fail(
            "audit key",
            format!("there is a decision log, and no key of its signatures in {}", shown(&path)),
            "restore it, or name it with `--audit-key-file`; a new one cannot vouch for what the old one signed",
        ),
        Ok(None) => {}
        Err(error) => findings.fail("audit key", error.to_string(), "who can read it can forge the log"),
    }
}

/// The files that hold keys for servers, as flags, environment and configuration name them.
pub(super) fn key_files(args: &DoctorArgs, setting: &Setting, findings: &mut Findings) {
    for path in args.server.key_files(setting) {
        match crate::secret_file::read(&path) {
            Ok(Some(_)) => findings.ok("key file", shown(&path).to_string()),
            Ok(None) => findings.warn("key file", format!("{} is not there", shown(&path)), "correct `key-file`"),
            Err(error) => findings.fail("key file", error.to_string(), "who can read it can do what the key may"),
        }
    }
}

fn plain(failure: &impl ToString) -> String {
    let text = failure.to_string();
    text.strip_prefix("error: ").map_or(text.clone(), str::to_owned)
}

/// Room on the disk, against what the folder takes: a backup or an import needs as much again.
fn room(dir: &Path, findings: &mut Findings) {
    let size = folder_bytes(dir);
    let Some(free) = process::free_bytes(dir) else {
        findings.skip("disk", "the system does not tell how much room there is", "look with `df`");
        return;
    };
    let what = format!("{} free; the folder takes {}", bytes(free), bytes(size));
    match free {
        free if free < LITTLE => {
            findings.fail(
                "disk",
                what,
                "make room: a store that cannot write stops, and in `block` mode so do answers",
            );
        }
        free if free < size => findings.warn("disk", what, "make room for an export or a second store beside this one"),
        _ => findings.ok("disk", what),
    }
}

fn folder_bytes(dir: &Path) -> u64 {
    let entries = fs::read_dir(dir).into_iter().flatten().flatten();
    let size = |entry: &fs::DirEntry| match entry.metadata() {
        Ok(about) if about.is_dir() => folder_bytes(&entry.path()),
        Ok(about) => about.len(),
        Err(_) => 0,
    };
    entries.map(|entry| size(&entry)).sum()
}

/// The decision log: there, and as it was written.
fn log(dir: &Path, full: bool, setting: &Setting, findings: &mut Findings) {
    let log = crate::audit::folder(dir);
    if !log.is_dir() {
        findings.warn("log", "there is no decision log", "`--audit-mode spill` keeps one, and costs an answer no disk");
        return;
    }
    let size = folder_bytes(&log);
    if !full && size > QUICK {
        let what = format!("{} of records were not verified", bytes(size));
        findings.skip("log", what, "`hubwarden doctor --full`, or `hubwarden audit verify`, reads all of them");
        return;
    }
    let path = audit::key_path(dir, None, setting);
    let Ok(Some(key)) = crate::audit::read_key(&path) else {
        return;
    };
    match verify(&log, &key.public(), None) {
        Ok(verified) if verified.faults.is_empty() => {
            let signed = if Some(verified.signed_through) >= verified.last { ", signed to the end" } else { "" };
            findings.ok("log", format!("{} records, {}, whole{signed}", verified.records, bytes(size)));
        }
        Ok(verified) => {
            let first = verified.faults.first().map(ToString::to_string).unwrap_or_default();
            let what = format!("{} faults, first {first}", verified.faults.len());
            findings.fail(
                "log",
                what,
                "`hubwarden audit verify` shows all; keep the files as they are: they are evidence",
            );
        }
        Err(error) => findings.fail("log", format!("it cannot be read: {error}"), "run this as the server's user"),
    }
}

/// The system's clock against the last record of the log: expiry of tokens is decided by it.
fn clock(dir: &Path, findings: &mut Findings) {
    let now = SystemClock.now();
    let last = newest_first(&crate::audit::folder(dir), &Filter::default(), None, 1, u64::MAX).ok();
    let last = last.and_then(|page| page.found.into_iter().next()).and_then(|found| {
        let record: serde_json::Value = serde_json::from_str(&found.line).ok()?;
        record.get("timestamp")?.as_str()?.parse::<jiff::Timestamp>().ok()
    });
    match last {
        Some(last) if last.as_second() > now.as_second() + DRIFT => findings.fail(
            "clock",
            format!("the log's last record is of {last}, and the clock says {now}"),
            "set the clock: tokens expire by it. Is time synchronised (`timedatectl`)?",
        ),
        Some(last) => findings.ok("clock", format!("{now:.0}; the log's last record is of {last:.0}")),
        None => findings.ok("clock", format!("{now:.0}")),
    }
}

/// Limits of the system against those of the configuration.
pub(super) fn look_at_limits(setting: &Setting, findings: &mut Findings) {
    let limits = setting.config.limits.limits();
    match process::open_files(std::process::id()) {
        // Files of the store and of the log are some tens.
        Some(files) if files.limit < limits.connections as u64 + 64 => findings.warn(
            "files",
            format!("{} files may be open here, and {} connections", files.limit, limits.connections),
            "raise `LimitNOFILE` (or `ulimit -n`) of the server, or lower `limits: connections`",
        ),
        Some(files) => {
            findings.ok("files", format!("{} may be open here, for {} connections", files.limit, limits.connections));
        }
        None => findings.skip("files", "the system does not tell how many may be open", "look with `ulimit -n`"),
    }
    let store = setting.config.limits.store().cache_capacity;
    let kept = setting.config.limits.warden();
    let wanted = store.saturating_mul(4).saturating_add(kept.entity_cache_bytes + kept.decision_cache_bytes);
    match process::machine_memory() {
        Some(memory) if wanted > memory / 4 * 3 => findings.warn(
            "memory",
            format!("the caches may take about {} of {}", bytes(wanted), bytes(memory)),
            "lower `limits: store-cache-bytes` (it takes up to four times as much) or `entity-cache-bytes`",
        ),
        Some(memory) => findings.ok("memory", format!("caches may take about {} of {}", bytes(wanted), bytes(memory))),
        None => {
            findings.skip("memory", "the system does not tell how much there is", "the caches' limits are in bytes")
        }
    }
}
