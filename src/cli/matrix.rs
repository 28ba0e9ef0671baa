//! `hubwarden matrix`: who gets which answer, as tables; and whether they are still those that were committed.

use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};

use clap::{Args, ValueEnum};

use super::Setting;
use super::bundle::BundleArgs;
use super::exit::{Exit, Failure};
use super::test::existing;
use crate::pdp::Bundle;
use crate::suite::{Matrix, matrices, matrix_csv, matrix_html, matrix_markdown, matrix_text};

/// Where snapshots are, beside the file that defines a matrix.
const SNAPSHOTS: &str = "matrix";

/// Exit codes: 0 done, 1 failure, 2 wrong usage, 3 policies, schema or a matrix are not valid, 4 `--check` found changes.
#[derive(Debug, Args)]
pub(super) struct MatrixArgs {
    /// Matrices, or folders that are searched for `*_matrix.yaml` [default: tests/policy]
    paths: Vec<PathBuf>,
    #[command(flatten)]
    bundle: BundleArgs,
    /// How it is written
    #[arg(long, short, value_enum, default_value_t = Output::Text)]
    output: Output,
    /// Compare with the snapshots in the folder `matrix` beside each definition, and print what differs
    #[arg(long)]
    check: bool,
    /// Write the snapshots anew
    #[arg(long, conflicts_with = "check")]
    bless: bool,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
enum Output {
    Text,
    Markdown,
    Csv,
    Html,
}

pub(super) fn run(args: &MatrixArgs, setting: &Setting) -> Result<Exit, Failure> {
    let bundle = Bundle::build(args.bundle.source(setting)?)?;
    let found = matrices(&bundle, &existing(&args.paths)?)?;
    if found.is_empty() {
        return Err(Failure::usage("there is no `*_matrix.yaml` here"));
    }
    match (args.check, args.bless) {
        (true, _) => check(&found, setting),
        (_, true) => bless(&found, setting),
        _ => {
            let screens = || found.iter().flat_map(|matrix| &matrix.screens);
            let text = match args.output {
                Output::Text => screens().map(matrix_text).collect::<Vec<_>>().join("\n"),
                Output::Markdown => screens().map(matrix_markdown).collect::<Vec<_>>().join("\n"),
                Output::Csv => matrix_csv(&found),
                Output::Html => matrix_html(&found),
            };
            setting.terminal.line(text.trim_end())?;
            Ok(Exit::Success)
        }
    }
}

/// The files of a matrix's snapshots, and what is in them now.
fn snapshots(matrix: &Matrix) -> Result<(PathBuf, BTreeMap<PathBuf, String>), Failure> {
    let folder = matrix.path.parent().unwrap_or(Path::new("")).join(SNAPSHOTS).join(plain(&matrix.name)?);
    let mut files = BTreeMap::new();
    for screen in &matrix.screens {
        let path = folder.join(format!("{}.txt", screen.slug()));
        if files.insert(path, matrix_text(screen)).is_some() {
            return Err(Failure::invalid(format!(
                "two screens of `{}` would have the file {}.txt",
                matrix.name,
                screen.slug()
            )));
        }
    }
    Ok((folder, files))
}

/// A matrix's name as the name of a folder.
fn plain(name: &str) -> Result<&str, Failure> {
    let letter = |c: char| c.is_ascii_alphanumeric() || matches!(c, '-' | '_');
    match !name.is_empty() && name.chars().all(letter) {
        true => Ok(name),
        false => {
            Err(Failure::invalid(format!("`{name}` names a folder of snapshots: letters, digits, `-` and `_` only")))
        }
    }
}

/// The snapshots that are there, whether they are still needed or not.
fn present(folder: &Path) -> Result<BTreeSet<PathBuf>, Failure> {
    if !folder.exists() {
        return Ok(BTreeSet::new());
    }
    let fail = |error: std::io::Error| Failure::new(format!("{}: {error}", folder.display()));
    let paths = std::fs::read_dir(folder).map_err(fail)?.map(|entry| entry.map(|entry| entry.path()));
    let paths: Vec<PathBuf> = paths.collect::<Result<_, _>>().map_err(fail)?;
    Ok(paths.into_iter().filter(|path| path.extension().is_some_and(|extension| extension == "txt")).collect())
}

fn check(found: &[Matrix], setting: &Setting) -> Result<Exit, Failure> {
    let (mut differ, mut checked) = (0, 0);
    for matrix in found {
        let (folder, files) = snapshots(matrix)?;
        for path in present(&folder)?.iter().filter(|path| !files.contains_key(*path)) {
            setting.terminal.line(format!("{}: no screen any more", path.display()))?;
            differ += 1;
        }
        for (path, now) in &files {
            checked += 1;
            let before = std::fs::read_to_string(path).unwrap_or_default();
            if before != *now {
                setting.terminal.line(changes(path, &before, now))?;
                differ += 1;
            }
        }
    }
    if differ == 0 {
        setting.terminal.line(format!("{checked} screens, as committed"))?;
        return Ok(Exit::Success);
    }
    setting.terminal.note(format!("error: {differ} snapshots differ; `--bless` writes them anew"));
    Ok(Exit::TestsFailed)
}

/// The lines that are gone, and those that are new.
fn changes(path: &Path, before: &str, now: &str) -> String {
    let (old, new): (BTreeSet<&str>, BTreeSet<&str>) = (before.lines().collect(), now.lines().collect());
    let gone = before.lines().filter(|line| !new.contains(line)).map(|line| format!("- {line}"));
    let come = now.lines().filter(|line| !old.contains(line)).map(|line| format!("+ {line}"));
    let lines: Vec<String> = gone.chain(come).collect();
    format!("{}:\n{}\n", path.display(), lines.join("\n"))
}

fn bless(found: &[Matrix], setting: &Setting) -> Result<Exit, Failure> {
    let mut written = 0;
    for matrix in found {
        let (folder, files) = snapshots(matrix)?;
        let fail = |path: &Path, error: std::io::Error| Failure::new(format!("{}: {error}", path.display()));
        std::fs::create_dir_all(&folder).map_err(|error| fail(&folder, error))?;
        for path in present(&folder)?.iter().filter(|path| !files.contains_key(*path)) {
            std::fs::remove_file(path).map_err(|error| fail(path, error))?;
        }
        for (path, text) in &files {
            std::fs::write(path, text).map_err(|error| fail(path, error))?;
            written += 1;
        }
    }
    setting.terminal.note(format!("{written} snapshots written"));
    Ok(Exit::Success)
}
