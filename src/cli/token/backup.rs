//! `hubwarden token export` and `import`: the credentials of a store in a folder, so that a restore keeps tokens alive.

use std::fs::{File, OpenOptions};
use std::io::{self, BufWriter, Write};
use std::path::{Path, PathBuf};
use std::sync::Arc;

use clap::Args;
use serde::Serialize;
use serde_json::json;

use super::TokenArgs;
use crate::cli::Setting;
use crate::cli::data::{self, Missing};
use crate::cli::entities::{self, EntityFault, Source};
use crate::cli::exit::{Exit, Failure};
use crate::clock::SystemClock;
use crate::hub::{BackupError, Exported, Hub, HubError, Imported, LineFault, Standing};
use crate::tokens::{BackupFault, BackupHeader, BackupLine};
use crate::warden::Warden;

/// So many faults are shown.
const SHOWN: usize = 20;

#[derive(Debug, Args)]
pub(super) struct ExportArgs {
    /// A file to write to, for its owner's eyes only [default: stdout]
    #[arg(long, short, value_name = "FILE")]
    output: Option<PathBuf>,
}

#[derive(Debug, Args)]
pub(super) struct ImportArgs {
    /// Replace the values that tokens have in this store by those of the file; a value that died here stays dead
    #[arg(long)]
    replace: bool,
    /// What `token export` wrote; `-` reads stdin
    #[arg(value_name = "FILE")]
    file: PathBuf,
}

pub(super) fn export(args: &TokenArgs, export: &ExportArgs, setting: &Setting) -> Result<Exit, Failure> {
    let exported = at(args, setting, |warden| {
        let hub = args.hub.open(warden, &args.data.folder(setting), setting)?;
        export_from(&hub, export)
    })?;
    let left_out = match exported.left_out {
        0 => String::new(),
        count => format!(", left out {count} of tokens that are gone"),
    };
    setting.terminal.note(format!("exported {} credentials{left_out}", exported.written));
    Ok(Exit::Success)
}

fn export_from(hub: &Hub, export: &ExportArgs) -> Result<Exported, Failure> {
    Ok(match &export.output {
        Some(path) => {
            let fail = |error: io::Error| Failure::new(format!("cannot write {}: {error}", path.display()));
            let mut file = private(path).map_err(fail)?;
            let exported = write(hub, &mut file).map_err(|error| error.told(fail))?;
            file.sync_all().map_err(fail)?;
            exported
        }
        None => match write(hub, &mut io::stdout().lock()) {
            Err(WriteError::Io(error)) if error.kind() == io::ErrorKind::BrokenPipe => Exported::default(),
            written => {
                written.map_err(|error| error.told(|error| Failure::new(format!("cannot write to stdout: {error}"))))?
            }
        },
    })
}

pub(super) fn import(args: &TokenArgs, import: &ImportArgs, setting: &Setting) -> Result<Exit, Failure> {
    let imported = at(args, setting, |warden| import_into(warden, args, import, setting))?;
    let kept = match imported.kept {
        0 => String::new(),
        count => format!(", {count} were there already"),
    };
    setting.terminal.print(
        format!("imported {} credentials{kept}, revision {}", imported.imported, imported.revision),
        &json!({"imported": imported.imported, "kept": imported.kept, "revision": imported.revision.0}),
    )?;
    Ok(Exit::Success)
}

fn import_into(
    warden: Arc<Warden>,
    args: &TokenArgs,
    import: &ImportArgs,
    setting: &Setting,
) -> Result<Imported, Failure> {
    let (header, lines) = read(&import.file)?;
    let folder = args.data.folder(setting);
    // Looked at before the hub is opened: a new store would take whatever key it is opened with for its own.
    let (path, key) = args.hub.key(&folder, setting)?;
    let path = path.display();
    match key {
        None => {
            return Err(Failure::new(format!(
                "the key of these credentials is not in {path}: restore its file first, or name it with \
                 `--token-key-file`"
            )));
        }
        Some(key) if !header.is_of(&key) => return Err(Failure::new(format!("{path}: {}", BackupError::OtherKey))),
        Some(_) => {}
    }
    let hub = args.hub.open(warden, &folder, setting)?;
    let standing = if import.replace { Standing::Replace } else { Standing::Refuse };
    hub.import_credentials(&header, &lines, standing).map_err(|error| match error {
        BackupError::Lines(faults) => refused(&import.file, &faults),
        error => Failure::new(error.to_string()),
    })
}

/// Works on the store in the folder, and closes it. The hashes are no server's to hand out or to take, and nobody else
/// may write meanwhile.
fn at<T>(
    args: &TokenArgs,
    setting: &Setting,
    work: impl FnOnce(Arc<Warden>) -> Result<T, Failure>,
) -> Result<T, Failure> {
    if args.server.client(&args.data, &args.bundle, setting)?.is_some() {
        return Err(Failure::new(
            "credentials are exported and imported where the store is: stop its server and name its folder with \
             `--data DIR`",
        ));
    }
    let store = args.data.open(setting, Missing::Refuse)?;
    let log = args.data.log(store.as_ref(), setting)?;
    let warden = Arc::new(data::warden(store, &args.bundle, setting, Arc::new(SystemClock), log)?);
    let done = work(Arc::clone(&warden));
    warden.close()?;
    done
}

/// A file that only its owner can read, also when it was there before.
fn private(path: &Path) -> io::Result<File> {
    let mut options = OpenOptions::new();
    options.write(true).create(true).truncate(true);
    #[cfg(unix)]
    std::os::unix::fs::OpenOptionsExt::mode(&mut options, 0o600);
    let file = options.open(path)?;
    #[cfg(unix)]
    if file.metadata()?.is_file() {
        file.set_permissions(std::os::unix::fs::PermissionsExt::from_mode(0o600))?;
    }
    Ok(file)
}

enum WriteError {
    Io(io::Error),
    Hub(HubError),
}

impl WriteError {
    fn told(self, io: impl FnOnce(io::Error) -> Failure) -> Failure {
        match self {
            Self::Io(error) => io(error),
            Self::Hub(error) => error.into(),
        }
    }
}

impl From<HubError> for WriteError {
    fn from(error: HubError) -> Self {
        Self::Hub(error)
    }
}

fn write(hub: &Hub, out: &mut dyn Write) -> Result<Exported, WriteError> {
    let mut out = BufWriter::with_capacity(256 * 1024, out);
    line(&mut out, &hub.backup_header())?;
    let exported = hub.export_credentials(|credential: &BackupLine| line(&mut out, credential))?;
    out.flush().map_err(WriteError::Io)?;
    Ok(exported)
}

fn line(out: &mut dyn Write, json: &impl Serialize) -> Result<(), WriteError> {
    let text = serde_json::to_string(json).map_err(|error| WriteError::Io(error.into()))?;
    writeln!(out, "{text}").map_err(WriteError::Io)
}

/// The whole file: its first line, and the others with their numbers.
fn read(path: &Path) -> Result<(BackupHeader, Vec<(usize, BackupLine)>), Failure> {
    let Source { name, mut pieces } = Source::open(path)?;
    let first = pieces.next().ok_or_else(|| Failure::invalid(format!("{name}: {}", BackupFault::Format)))?;
    let header = entities::parse(first, &name).ok().map(|json| BackupHeader::read(&json));
    let header =
        header.unwrap_or(Err(BackupFault::Format)).map_err(|fault| Failure::invalid(format!("{name}: {fault}")))?;
    let (mut lines, mut faults) = (Vec::new(), Vec::new());
    for piece in pieces {
        let line = piece.as_ref().map_or(0, |piece| piece.line);
        let fault = |fault: BackupFault| EntityFault { file: name.clone(), line, message: fault.to_string() };
        match entities::parse(piece, &name).and_then(|json| BackupLine::read(&json).map_err(fault)) {
            Ok(read) => lines.push((line, read)),
            Err(EntityFault { line, message, .. }) => faults.push(LineFault { line, message }),
        }
    }
    if faults.is_empty() { Ok((header, lines)) } else { Err(refused(path, &faults)) }
}

fn refused(file: &Path, faults: &[LineFault]) -> Failure {
    let file = if file == Path::new("-") { "stdin".into() } else { file.display().to_string() };
    let shown = faults.iter().take(SHOWN).map(|LineFault { line, message }| format!("{file}:{line}: {message}"));
    let mut lines: Vec<String> = shown.collect();
    if faults.len() > SHOWN {
        lines.push(format!("and {} more", faults.len() - SHOWN));
    }
    lines.push("nothing was imported".to_owned());
    Failure::invalid(lines.join("\n"))
}
