//! Files that suites name: always inside the suite's own folder.
//!
//! A suite may come from somebody else. What it names is neither absolute nor above its folder, also not through a
//! symbolic link; it is a regular file (a pipe would wait for ever) of bounded size.

use std::io::Read;
use std::path::{Component, Path, PathBuf};
use std::sync::Arc;

use crate::pdp::SourceFile;

/// The largest file that is read.
const MAX_FILE: u64 = 4 * 1024 * 1024;

/// A suite's folder.
pub(super) struct Folder {
    /// As it was named, for messages.
    shown: PathBuf,
    /// Without symbolic links.
    real: PathBuf,
}

impl Folder {
    /// The folder of a file.
    pub fn of(file: &Path) -> Result<Self, String> {
        let shown = file.parent().unwrap_or(Path::new("")).to_owned();
        let named = if shown.as_os_str().is_empty() { Path::new(".") } else { &shown };
        let real = named.canonicalize().map_err(|error| format!("{}: {error}", named.display()))?;
        Ok(Self { shown, real })
    }

    /// Reads a file that a suite names.
    pub fn read(&self, name: &str) -> Result<Arc<SourceFile>, String> {
        let relative = Path::new(name);
        let plain = |part: Component| matches!(part, Component::Normal(_) | Component::CurDir);
        if name.is_empty() || name.contains('\\') || !relative.components().all(plain) {
            return Err(format!("`{name}` does not stay inside the suite's folder"));
        }
        let fail = |error: std::io::Error| format!("cannot read `{name}`: {error}");
        let real = self.real.join(relative).canonicalize().map_err(fail)?;
        if !real.starts_with(&self.real) {
            return Err(format!("`{name}` leads outside the suite's folder"));
        }
        read(&real, &self.shown.join(relative)).map_err(|message| format!("`{name}` {message}"))
    }
}

/// Reads one file. Its path in messages is `shown`.
pub(super) fn read(path: &Path, shown: &Path) -> Result<Arc<SourceFile>, String> {
    let fail = |error: std::io::Error| format!("cannot be read: {error}");
    if !std::fs::metadata(path).map_err(fail)?.is_file() {
        return Err("is not a regular file".to_owned());
    }
    let mut text = String::new();
    let file = std::fs::File::open(path).map_err(fail)?;
    file.take(MAX_FILE + 1).read_to_string(&mut text).map_err(fail)?;
    if text.len() as u64 > MAX_FILE {
        return Err(format!("has more than {MAX_FILE} bytes"));
    }
    Ok(Arc::new(SourceFile::new(shown.display().to_string(), text)))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn folder() -> (tempfile::TempDir, Folder) {
        let outside = tempfile::tempdir().unwrap();
        std::fs::write(outside.path().join("secret.yaml"), "x").unwrap();
        let suite = outside.path().join("suite");
        std::fs::create_dir_all(suite.join("testdata")).unwrap();
        std::fs::write(suite.join("testdata/a.yaml"), "a: 1").unwrap();
        let folder = Folder::of(&suite.join("x_test.yaml")).unwrap();
        (outside, folder)
    }

    #[test]
    fn a_file_inside_is_read() {
        let (_keep, folder) = folder();
        assert_eq!(folder.read("testdata/a.yaml").unwrap().text, "a: 1");
        assert_eq!(folder.read("./testdata/a.yaml").unwrap().text, "a: 1");
    }

    #[test]
    fn what_leads_outside_is_refused_before_it_is_opened() {
        let (_keep, folder) = folder();
        for name in ["../secret.yaml", "testdata/../../secret.yaml", "/etc/passwd", "", "\\\\host\\share\\x"] {
            let message = folder.read(name).unwrap_err();
            assert!(message.contains("does not stay inside"), "{name}: {message}");
        }
    }

    #[cfg(unix)]
    #[test]
    fn a_link_out_and_what_is_no_file_are_refused() {
        let (keep, folder) = folder();
        std::os::unix::fs::symlink(keep.path().join("secret.yaml"), keep.path().join("suite/link.yaml")).unwrap();
        assert!(folder.read("link.yaml").unwrap_err().contains("leads outside"));
        assert!(folder.read("testdata").unwrap_err().contains("not a regular file"));
        let pipe = keep.path().join("suite/pipe");
        assert!(std::process::Command::new("mkfifo").arg(&pipe).status().unwrap().success());
        assert!(folder.read("pipe").unwrap_err().contains("not a regular file"));
    }

    #[test]
    fn a_file_that_is_too_large_is_refused() {
        let (keep, folder) = folder();
        std::fs::write(keep.path().join("suite/big.yaml"), vec![b' '; MAX_FILE as usize + 1]).unwrap();
        assert!(folder.read("big.yaml").unwrap_err().contains("more than"));
    }
}
