//! Running again when a file was saved.

use std::path::{Path, PathBuf};
use std::sync::mpsc::{Receiver, RecvTimeoutError, channel};
use std::time::Duration;

use notify::{RecursiveMode, Watcher};

use crate::cli::exit::{Exit, Failure};

/// Quiet time after the last event before the files are read.
const SETTLE: Duration = Duration::from_millis(100);

/// Runs, and runs again after each change below the paths, until the process is stopped.
pub(super) fn run(paths: &[PathBuf], again: impl Fn()) -> Result<Exit, Failure> {
    let (wake, woken) = channel();
    let on_event = move |event: notify::Result<notify::Event>| {
        // Reading a file is an event too, and so is writing a page of coverage: taken for a change, either would make it
        // run for ever.
        if event.is_ok_and(|event| !event.kind.is_access() && event.paths.iter().any(|path| matters(path))) {
            let _ = wake.send(());
        }
    };
    let fail = |error: notify::Error| Failure::new(format!("cannot watch the files: {error}"));
    let mut watcher = notify::recommended_watcher(on_event).map_err(fail)?;
    for path in paths {
        // A file is watched through its folder: editors replace files, and a watch on a replaced file is dead.
        let folder = if path.is_dir() { path } else { path.parent().unwrap_or(Path::new(".")) };
        let folder = if folder.as_os_str().is_empty() { Path::new(".") } else { folder };
        watcher.watch(folder, RecursiveMode::Recursive).map_err(fail)?;
    }
    loop {
        again();
        if woken.recv().is_err() || !settle(&woken) {
            return Ok(Exit::Success);
        }
    }
}

/// Whether a file can be a policy, a schema or a suite, by its name.
fn matters(path: &Path) -> bool {
    let known = ["cedar", "cedarschema", "yaml", "yml", "json"];
    path.extension().is_some_and(|extension| known.iter().any(|known| extension == *known))
}

/// Waits until nothing was saved for a while. False when nothing more can come.
fn settle(woken: &Receiver<()>) -> bool {
    loop {
        match woken.recv_timeout(SETTLE) {
            Ok(()) => {}
            Err(RecvTimeoutError::Timeout) => return true,
            Err(RecvTimeoutError::Disconnected) => return false,
        }
    }
}
