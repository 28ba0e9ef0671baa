//! The programs that are measured, each a process of its own, and what the operating system says of them.
//!
//! Nothing of the environment configures them: no `HUBWARDEN_…` variable, no configuration file.

use std::io::{BufRead, BufReader, Write};
use std::net::{SocketAddr, ToSocketAddrs};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use super::BenchError;
use super::client::Address;
use crate::process::memory;

const LOOK: Duration = Duration::from_millis(10);
/// How long a server may take to close its store.
const STOPPING: Duration = Duration::from_secs(60);

/// This program, started in a folder of its own.
#[derive(Clone, Debug)]
pub struct Program {
    path: PathBuf,
    folder: PathBuf,
}

/// What a command did that ended.
pub struct Finished {
    pub stdout: String,
    pub took: Duration,
    /// The most memory that it held, in bytes.
    pub peak_rss: Option<u64>,
}

/// A server that is running; stopped when dropped.
pub struct Running {
    child: Child,
    pub address: Address,
    /// From its start until it said that it listens.
    pub starting: Duration,
    pub started: Instant,
}

impl Program {
    /// # Errors
    /// When the program's own file is not known.
    pub fn own(folder: &Path) -> Result<Self, BenchError> {
        let path = std::env::current_exe().map_err(BenchError::io("finding this program"))?;
        Ok(Self { path, folder: folder.to_owned() })
    }

    fn command(&self, args: &[&str]) -> Command {
        let mut command = Command::new(&self.path);
        command.args(args).current_dir(&self.folder).stdin(Stdio::null()).stdout(Stdio::piped());
        let configured = |name: &str| name.starts_with("HUBWARDEN_") || name.starts_with("OTEL_") || name == "RUST_LOG";
        for (name, _) in std::env::vars_os().filter(|(name, _)| configured(&name.to_string_lossy())) {
            command.env_remove(name);
        }
        command
    }

    /// Runs a command to its end.
    ///
    /// # Errors
    /// A command that fails, with what it said.
    pub fn run(&self, args: &[&str]) -> Result<Finished, BenchError> {
        let what = || format!("`hubwarden {}`", args.join(" "));
        let started = Instant::now();
        let said = self.folder.join("command.log");
        let stderr = std::fs::File::create(&said).map_err(BenchError::io(said.display().to_string()))?;
        let mut child = self.command(args).stderr(stderr).spawn().map_err(BenchError::io(what()))?;
        let mut peak_rss = None;
        // What it prints on stdout is a line or two: it fits the pipe while nobody reads.
        while child.try_wait().map_err(BenchError::io(what()))?.is_none() {
            peak_rss = peak_rss.max(memory(child.id()).map(|memory| memory.peak));
            std::thread::sleep(LOOK);
        }
        let took = started.elapsed();
        let output = child.wait_with_output().map_err(BenchError::io(what()))?;
        if !output.status.success() {
            let said = std::fs::read_to_string(&said).unwrap_or_default();
            return Err(BenchError::Failed(format!("{} failed: {}", what(), said.trim())));
        }
        Ok(Finished { stdout: String::from_utf8_lossy(&output.stdout).trim().to_owned(), took, peak_rss })
    }

    /// Starts a server, and waits until it says where it listens. It is asked over `socket`, a file that is not there
    /// yet, where one is given.
    ///
    /// # Errors
    /// A server that does not start, with what it said.
    pub fn start(&self, args: &[&str], socket: Option<&Path>) -> Result<Running, BenchError> {
        let path = socket.map(|path| path.display().to_string());
        let args: Vec<&str> =
            args.iter().copied().chain(path.iter().flat_map(|path| ["--unix-socket", path.as_str()])).collect();
        let what = || format!("`hubwarden {}`", args.join(" "));
        let log = self.folder.join(format!("server-{}.log", uuid::Uuid::now_v7()));
        let stderr = std::fs::File::create(&log).map_err(BenchError::io(log.display().to_string()))?;
        let started = Instant::now();
        let mut child = self.command(&args).stderr(stderr).spawn().map_err(BenchError::io(what()))?;
        let mut line = String::new();
        let stdout = child.stdout.take();
        if let Some(stdout) = stdout {
            // What it writes later is nobody's; it is little.
            BufReader::new(stdout).read_line(&mut line).map_err(BenchError::io(what()))?;
        }
        let starting = started.elapsed();
        match line.trim().strip_prefix("listening on ").and_then(|url| address(url).ok()) {
            Some(address) => {
                let address = match socket {
                    #[cfg(unix)]
                    Some(path) => Address::Unix(path.to_owned()),
                    _ => Address::Tcp(address),
                };
                Ok(Running { child, address, starting, started })
            }
            None => {
                let _ = child.kill();
                let _ = child.wait();
                let said = std::fs::read_to_string(&log).unwrap_or_default();
                Err(BenchError::Failed(format!("{} did not start: {}", what(), said.trim())))
            }
        }
    }
}

impl Running {
    pub fn id(&self) -> u32 {
        self.child.id()
    }

    /// Asks it to stop, and waits until its store is closed.
    fn stop(&mut self) {
        let _ = std::io::stdout().flush();
        let asked = Command::new("kill").arg(self.child.id().to_string()).status();
        let end = Instant::now() + STOPPING;
        while asked.as_ref().is_ok_and(|status| status.success()) && Instant::now() < end {
            match self.child.try_wait() {
                Ok(None) => std::thread::sleep(LOOK),
                _ => return,
            }
        }
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

impl Drop for Running {
    fn drop(&mut self) {
        self.stop();
    }
}

/// Where a server's URL leads. Only plain HTTP: TLS would be measured with it.
///
/// # Errors
/// A URL that is none, or names nobody.
pub fn address(url: &str) -> Result<SocketAddr, BenchError> {
    let failed = |what: &str| BenchError::Failed(format!("`{url}` {what}"));
    let rest = url.strip_prefix("http://").ok_or_else(|| failed("is no http:// URL"))?;
    let host = rest.trim_end_matches('/');
    let with_port = if host.rsplit(']').next().is_some_and(|end| end.contains(':')) {
        host.to_owned()
    } else {
        format!("{host}:80")
    };
    let mut found = with_port.to_socket_addrs().map_err(BenchError::io(url))?;
    found.next().ok_or_else(|| failed("names no address"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_address_is_read_of_a_url() {
        assert_eq!(address("http://127.0.0.1:8180/").unwrap(), ([127, 0, 0, 1], 8180).into());
        assert_eq!(address("http://127.0.0.1").unwrap().port(), 80);
        assert!(address("http://[::1]:8180").is_ok());
        assert!(address("https://127.0.0.1").is_err());
    }
}
