//! The built program, run as its users run it.

use std::io::{BufRead, BufReader, Write};
use std::path::{Path, PathBuf};
use std::process::{Child, ChildStdout, Command, Output, Stdio};

/// A finished run.
pub struct Run {
    pub code: i32,
    pub stdout: String,
    pub stderr: String,
}

impl Run {
    pub fn json(&self) -> serde_json::Value {
        serde_json::from_str(&self.stdout).unwrap_or_else(|error| panic!("{error}: {}", self.stdout))
    }
}

impl From<Output> for Run {
    fn from(output: Output) -> Self {
        Self {
            code: output.status.code().expect("it was not killed"),
            stdout: String::from_utf8(output.stdout).unwrap(),
            stderr: String::from_utf8(output.stderr).unwrap(),
        }
    }
}

/// The program, without anything of the environment that would configure it, in a folder of its own.
pub fn hubwarden(folder: &Path) -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_hubwarden"));
    command.current_dir(folder).stdin(Stdio::null());
    for (name, _) in std::env::vars_os().filter(|(name, _)| name.to_string_lossy().starts_with("HUBWARDEN_")) {
        command.env_remove(name);
    }
    command
}

pub fn run(folder: &Path, args: &[&str]) -> Run {
    hubwarden(folder).args(args).output().unwrap().into()
}

/// Runs with a text on stdin.
pub fn run_with(folder: &Path, args: &[&str], stdin: &str) -> Run {
    let mut command = hubwarden(folder);
    command.args(args).stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped());
    let mut child = command.spawn().unwrap();
    child.stdin.take().unwrap().write_all(stdin.as_bytes()).unwrap();
    child.wait_with_output().unwrap().into()
}

/// A folder of this repository.
pub fn repository(path: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join(path)
}

/// A started server; stopped when dropped.
pub struct Serving {
    child: Child,
    /// Where a demonstration puts its folder: it is killed here, and cannot remove it.
    _temporary: tempfile::TempDir,
    /// What it said on stdout after where it listens.
    stdout: BufReader<ChildStdout>,
    pub url: String,
}

impl Serving {
    /// `serve --demo`, on a free port.
    pub fn demo() -> Self {
        Self::start(Path::new("."), &["--demo"])
    }

    pub fn start(folder: &Path, args: &[&str]) -> Self {
        let mut command = hubwarden(folder);
        command.args(["serve", "--listen", "127.0.0.1:0"]).args(args).stderr(Stdio::null());
        Self::spawn(command)
    }

    /// The same with variables of the environment.
    pub fn start_with(folder: &Path, args: &[&str], variables: &[(&str, &str)]) -> Self {
        let mut command = hubwarden(folder);
        command.args(["serve", "--listen", "127.0.0.1:0"]).args(args).stderr(Stdio::null());
        command.envs(variables.iter().copied());
        Self::spawn(command)
    }

    /// The same with everything logged to a file.
    pub fn start_logged(folder: &Path, args: &[&str], log: &Path) -> Self {
        let mut command = hubwarden(folder);
        command.args(["serve", "--listen", "127.0.0.1:0", "--log", "trace"]).args(args);
        command.stderr(std::fs::File::create(log).unwrap());
        Self::spawn(command)
    }

    fn spawn(mut command: Command) -> Self {
        let temporary = tempfile::tempdir().unwrap();
        let mut child = command.env("TMPDIR", temporary.path()).stdout(Stdio::piped()).spawn().unwrap();
        let mut stdout = BufReader::new(child.stdout.take().unwrap());
        let mut line = String::new();
        stdout.read_line(&mut line).unwrap();
        let url = line.trim().strip_prefix("listening on ").unwrap_or_else(|| panic!("it did not start: {line}"));
        Self { url: url.to_owned(), child, stdout, _temporary: temporary }
    }

    /// Lines of stdout up to one that `last` recognises.
    pub fn lines_until(&mut self, last: impl Fn(&str) -> bool) -> Vec<String> {
        let mut lines = Vec::new();
        loop {
            let mut line = String::new();
            assert_ne!(self.stdout.read_line(&mut line).unwrap(), 0, "stdout ended: {lines:?}");
            let found = last(&line);
            lines.push(line.trim_end().to_owned());
            if found {
                return lines;
            }
        }
    }

    /// Asks it to stop, and waits until it has.
    #[cfg(unix)]
    pub fn stop(mut self) -> std::process::ExitStatus {
        let kill = Command::new("kill").arg(self.child.id().to_string()).status().unwrap();
        assert!(kill.success());
        self.child.wait().unwrap()
    }
}

impl Drop for Serving {
    fn drop(&mut self) {
        // It may have stopped by itself.
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}
