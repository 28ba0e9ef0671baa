//! `hubwarden fmt`: policy files as the formatter writes them. A file is only written when its meaning stays.

use std::path::{Path, PathBuf};

use clap::Args;
use serde_json::json;

use super::Setting;
use super::exit::{Exit, Failure};
use super::terminal::Format;
use crate::pdp::{Faults, SourceFile, format_policies};

#[derive(Debug, Args)]
pub(super) struct FmtArgs {
    /// Change nothing; list the files that are not formatted, and exit with 1 when there are any
    #[arg(long)]
    check: bool,
    /// Policy files, or folders that are searched for `*.cedar`
    #[arg(default_value = "policies")]
    paths: Vec<PathBuf>,
}

pub(super) fn run(args: &FmtArgs, setting: &Setting) -> Result<Exit, Failure> {
    let mut files = Vec::new();
    for path in &args.paths {
        collect(path, &mut files)?;
    }
    let mut changed = Vec::new();
    let mut faults = Vec::new();
    for path in &files {
        let text = std::fs::read_to_string(path).map_err(|error| at(path, &error))?;
        let file = SourceFile::new(path.display().to_string(), text);
        match format_policies(&file) {
            Err(found) => faults.extend(found.0),
            Ok(formatted) if formatted == file.text => {}
            Ok(formatted) => {
                if !args.check {
                    std::fs::write(path, formatted).map_err(|error| at(path, &error))?;
                }
                changed.push(file.path);
            }
        }
    }
    let (clean, unreadable) = (changed.is_empty(), faults.len());
    let json = json!({"files": files.len(), "changed": &changed, "written": !args.check, "faults": unreadable});
    if !clean || setting.terminal.format == Format::Json {
        setting.terminal.print(changed.join("\n"), &json)?;
    }
    let done = if args.check { "not formatted" } else { "formatted now" };
    setting.terminal.note(match changed.len() {
        0 if faults.is_empty() => format!("{} files, all formatted", files.len()),
        count => format!("{} files, {count} {done}", files.len()),
    });
    match faults.is_empty() {
        false => Err(Faults(faults).into()),
        true if args.check && !clean => Ok(Exit::Failure),
        true => Ok(Exit::Success),
    }
}

/// The files at a path: itself, or every `*.cedar` below it, in order.
fn collect(path: &Path, files: &mut Vec<PathBuf>) -> Result<(), Failure> {
    if !path.is_dir() {
        files.push(path.to_owned());
        return Ok(());
    }
    let entries = std::fs::read_dir(path).map_err(|error| at(path, &error))?;
    let mut inside: Vec<PathBuf> = entries
        .map(|entry| entry.map(|entry| entry.path()))
        .collect::<Result<_, _>>()
        .map_err(|error| at(path, &error))?;
    inside.sort();
    for path in inside {
        if path.is_dir() || path.extension().is_some_and(|extension| extension == "cedar") {
            collect(&path, files)?;
        }
    }
    Ok(())
}

fn at(path: &Path, error: &std::io::Error) -> Failure {
    Failure::new(format!("{}: {error}", path.display()))
}
