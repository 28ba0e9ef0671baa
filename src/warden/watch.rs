//! Hot reload: when the folder changes and has settled, its bundle is tried.
//!
//! File events only wake this up; what counts is the content. A slow check on top finds what events miss (network
//! file systems, folders that were replaced).

use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::mpsc::{Receiver, RecvTimeoutError, Sender, channel};
use std::thread::JoinHandle;
use std::time::Duration;

use notify::{RecommendedWatcher, RecursiveMode, Watcher};

use super::{BundleOrigin, Warden};

/// Quiet time after the last event before the folder is read.
const SETTLE: Duration = Duration::from_millis(150);
/// How often the folder is read without any event.
const CHECK: Duration = Duration::from_secs(5);

enum Wake {
    Changed,
    Stop,
}

/// Why the folder is read.
#[derive(Clone, Copy)]
enum Woken {
    /// Something changed, and has settled.
    Changed,
    /// It is time to look again.
    Time,
}

/// Watches a warden's folder until it is dropped.
pub struct Watch {
    wake: Sender<Wake>,
    thread: Option<JoinHandle<()>>,
    _watcher: Option<RecommendedWatcher>,
}

impl Watch {
    /// Starts watching, if the warden's bundle comes from a folder.
    pub fn start(warden: Arc<Warden>) -> Self {
        let BundleOrigin::Folder { policies, schema } = warden.bundle_status().origin else {
            return Self::nothing();
        };
        Self::of("bundle-watch", &[policies, schema], move |woken| match woken {
            Woken::Changed => drop(warden.reload()),
            Woken::Time => drop(warden.reload_new()),
        })
    }

    /// Starts watching the folder of the shadow policies, if there are any.
    pub fn shadow(warden: Arc<Warden>) -> Self {
        match warden.shadow_paths() {
            Some(paths) => Self::of("shadow-watch", &paths, move |_| warden.reload_shadow()),
            None => Self::nothing(),
        }
    }

    fn nothing() -> Self {
        Self { wake: channel().0, thread: None, _watcher: None }
    }

    fn of(name: &str, paths: &[PathBuf], reload: impl Fn(Woken) + Send + 'static) -> Self {
        let (wake, woken) = channel();
        let watcher = watcher(paths, wake.clone());
        let thread = std::thread::Builder::new().name(name.to_owned()).spawn(move || run(&reload, &woken));
        if let Err(error) = &thread {
            tracing::error!(%error, "no thread for watching the policies: they are not reloaded");
        }
        Self { wake, thread: thread.ok(), _watcher: watcher }
    }
}

impl Drop for Watch {
    fn drop(&mut self) {
        // The receiver is gone only when the thread has ended already.
        let _ = self.wake.send(Wake::Stop);
        if let Some(thread) = self.thread.take() {
            let _ = thread.join();
        }
    }
}

fn watcher(paths: &[PathBuf], wake: Sender<Wake>) -> Option<RecommendedWatcher> {
    let on_event = move |event: notify::Result<notify::Event>| {
        // Reading the folder is an event too: taken for a change, it would be read for ever.
        if !event.is_ok_and(|event| event.kind.is_access()) {
            let _ = wake.send(Wake::Changed);
        }
    };
    let mut watcher = match notify::recommended_watcher(on_event) {
        Ok(watcher) => watcher,
        Err(error) => {
            tracing::warn!(%error, "no file events: the policies are checked every {CHECK:?} only");
            return None;
        }
    };
    for path in paths {
        // A file is watched through its folder: editors replace files, and a watch on a replaced file is dead.
        let folder = if path.is_dir() { path } else { path.parent().unwrap_or(Path::new(".")) };
        let folder = if folder.as_os_str().is_empty() { Path::new(".") } else { folder };
        if let Err(error) = watcher.watch(folder, RecursiveMode::NonRecursive) {
            tracing::warn!(%error, folder = %folder.display(), "no file events for this folder");
        }
    }
    Some(watcher)
}

fn run(reload: &dyn Fn(Woken), woken: &Receiver<Wake>) {
    loop {
        match woken.recv_timeout(CHECK) {
            Ok(Wake::Changed) if settle(woken) => reload(Woken::Changed),
            Err(RecvTimeoutError::Timeout) => reload(Woken::Time),
            Ok(_) | Err(RecvTimeoutError::Disconnected) => return,
        }
    }
}

/// Waits until no event came for a while. False when it is time to stop.
fn settle(woken: &Receiver<Wake>) -> bool {
    loop {
        match woken.recv_timeout(SETTLE) {
            Ok(Wake::Changed) => {}
            Err(RecvTimeoutError::Timeout) => return true,
            Ok(Wake::Stop) | Err(RecvTimeoutError::Disconnected) => return false,
        }
    }
}
