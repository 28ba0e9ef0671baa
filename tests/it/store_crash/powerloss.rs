//! What is left of a folder after the power went.
//!
//! A library under the writing process (`tests/powerloss/shadow.c`) remembers each file as it was when it was last
//! synced, and the names as of the last sync of anything. Afterwards the folder is put together from that, and from a
//! random part of what was written since, for a disk may have got to that too.

use std::collections::HashMap;
use std::fs;
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::OnceLock;
use std::time::UNIX_EPOCH;

use tempfile::TempDir;

use super::Dice;

const PAGE: usize = 4096;

/// How much of what was not synced is lost.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Loss {
    AllUnsynced,
    /// Each page that was not synced is there or not by chance, and so are the names.
    SomeUnsynced,
}

/// The durable state of a folder.
pub struct Shadow {
    root: PathBuf,
    state: TempDir,
}

/// A line of the list of names.
struct Name {
    folder: bool,
    identity: String,
    path: PathBuf,
}

impl Shadow {
    /// Starts with what is in the folder now.
    pub fn of(root: &Path) -> Self {
        let shadow = Self { root: root.to_owned(), state: TempDir::new().unwrap() };
        fs::create_dir(shadow.state.path().join("files")).unwrap();
        let names = live(root);
        let mut list = String::new();
        for Name { folder, identity, path } in &names {
            let sort = if *folder { 'd' } else { 'f' };
            list += &format!("{sort}\t{identity}\t{}\n", path.display());
            if !folder {
                fs::copy(path, shadow.file(identity)).unwrap();
            }
        }
        fs::write(shadow.state.path().join("names"), list).unwrap();
        shadow
    }

    fn file(&self, identity: &str) -> PathBuf {
        self.state.path().join("files").join(identity)
    }

    /// Puts the library under a process to come.
    pub fn preload(&self, command: &mut Command) {
        command.env("LD_PRELOAD", library()).env("SHADOW_ROOT", &self.root).env("SHADOW_DIR", self.state.path());
    }

    /// Leaves in the folder what the power left.
    pub fn cut_power(self, loss: Loss, dice: &mut Dice) {
        let live = live(&self.root);
        let by_identity: HashMap<&str, &Path> =
            live.iter().map(|name| (name.identity.as_str(), name.path.as_path())).collect();
        let durable = self.durable_names();
        let names = match loss {
            Loss::SomeUnsynced if dice.below(2) == 0 => &live,
            _ => &durable,
        };
        let left = self.root.with_extension("left");
        fs::create_dir_all(&left).unwrap();
        for Name { folder, identity, path } in names {
            let to = left.join(path.strip_prefix(&self.root).unwrap());
            if *folder {
                fs::create_dir_all(to).unwrap();
                continue;
            }
            let synced = fs::read(self.file(identity)).unwrap_or_default();
            let content = match (loss, by_identity.get(identity.as_str())) {
                (Loss::SomeUnsynced, Some(path)) => mix(synced, fs::read(path).unwrap(), dice),
                _ => synced,
            };
            fs::write(to, content).unwrap();
        }
        if self.root.exists() {
            fs::remove_dir_all(&self.root).unwrap();
        }
        fs::rename(left, &self.root).unwrap();
    }

    fn durable_names(&self) -> Vec<Name> {
        let list = fs::read_to_string(self.state.path().join("names")).unwrap();
        let line = |line: &str| {
            let parts: Vec<&str> = line.split('\t').collect();
            let [sort, identity, path] = parts[..] else { panic!("{line}") };
            Name { folder: sort == "d", identity: identity.to_owned(), path: path.into() }
        };
        list.lines().map(line).collect()
    }
}

/// The names under a folder now, each folder before what it holds.
fn live(folder: &Path) -> Vec<Name> {
    let mut names = Vec::new();
    let Ok(entries) = fs::read_dir(folder) else {
        return names;
    };
    for entry in entries {
        let path = entry.unwrap().path();
        let about = fs::symlink_metadata(&path).unwrap();
        // As shadow.c names it.
        let born = about.created().unwrap().duration_since(UNIX_EPOCH).unwrap();
        let identity = format!("{}.{}{:09}", about.ino(), born.as_secs(), born.subsec_nanos());
        let below = if about.is_dir() { live(&path) } else { Vec::new() };
        names.push(Name { folder: about.is_dir(), identity, path });
        names.extend(below);
    }
    names
}

/// A file of which each page written since the last sync is there or not.
fn mix(synced: Vec<u8>, written: Vec<u8>, dice: &mut Dice) -> Vec<u8> {
    if synced == written {
        return synced;
    }
    let size = match dice.below(3) {
        0 => synced.len(),
        1 => written.len(),
        _ => synced.len().max(written.len()),
    };
    let page = |of: &[u8], at: usize| {
        let mut page = [0; PAGE];
        let there = of.get(at..).unwrap_or_default();
        let length = there.len().min(PAGE);
        page[..length].copy_from_slice(&there[..length]);
        page
    };
    let mut left = Vec::with_capacity(size + PAGE);
    for at in (0..size).step_by(PAGE) {
        let from = if dice.below(2) == 0 { &synced } else { &written };
        left.extend(page(from, at));
    }
    left.truncate(size);
    left
}

/// The compiled library.
fn library() -> &'static Path {
    static LIBRARY: OnceLock<(TempDir, PathBuf)> = OnceLock::new();
    let (_, path) = LIBRARY.get_or_init(|| {
        let dir = TempDir::new().unwrap();
        let library = dir.path().join("shadow.so");
        let source = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/powerloss/shadow.c");
        let cc = std::env::var("CC").unwrap_or_else(|_| "cc".to_owned());
        let status = Command::new(&cc)
            .args(["-shared", "-fPIC", "-O2", "-Wall", "-Werror", "-o"])
            .arg(&library)
            .args([source, "-lpthread"])
            .status();
        match status {
            Ok(status) if status.success() => (dir, library),
            other => panic!("the power loss tests need a C compiler, `{cc}` said {other:?}: install one or set CC"),
        }
    });
    path
}
