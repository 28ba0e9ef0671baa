//! Copies of the records for others: files that rotate, stdout, and a collector.
//!
//! A sink has a thread and a queue of its own: one that is slow or stuck loses records, which is counted, and holds up
//! neither the log nor the answers.

use std::fs::{self, File, OpenOptions};
use std::io::{self, Write};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::mpsc::{Receiver, Sender, SyncSender, TrySendError, channel, sync_channel};
use std::thread::JoinHandle;

use super::counters::Counters;
use super::export::Form;
use super::otlp::Exporter;
use super::settings::SinkSettings;

/// Groups of records that wait for a sink.
const GROUPS: usize = 256;

/// All sinks of a log.
pub struct Sinks {
    sinks: Vec<Sink>,
    counters: Counters,
}

struct Sink {
    name: &'static str,
    groups: SyncSender<Arc<[u8]>>,
    thread: JoinHandle<()>,
    /// Dropped when the log ends, for a target that waits for something else.
    end: Option<Sender<()>>,
}

pub(super) trait Target: Send + 'static {
    /// Writes lines; answers how many of them were lost.
    fn write(&mut self, lines: &str) -> io::Result<u64>;
}

impl Sinks {
    /// # Errors
    /// A file that cannot be opened.
    pub fn open(settings: &[SinkSettings], counters: &Counters) -> io::Result<Self> {
        let sinks = settings.iter().map(|settings| match settings {
            SinkSettings::File { path, form, max_bytes, keep } => {
                let target = Rotating::open(path, *max_bytes, *keep)
                    .map_err(|error| io::Error::new(error.kind(), format!("{}: {error}", path.display())))?;
                start("file", *form, target, counters)
            }
            SinkSettings::Stdout { form } => start("stdout", *form, Stdout, counters),
            SinkSettings::Otlp { collector, form } => {
                let (end, ended) = channel();
                let sink = start("otlp", *form, Exporter::new(collector.clone(), ended), counters)?;
                Ok(Sink { end: Some(end), ..sink })
            }
        });
        Ok(Self { sinks: sinks.collect::<io::Result<_>>()?, counters: counters.clone() })
    }

    /// Hands lines of the log to each sink; waits for none.
    pub fn send(&self, lines: &[u8]) {
        if self.sinks.is_empty() || lines.is_empty() {
            return;
        }
        let group: Arc<[u8]> = lines.into();
        for sink in &self.sinks {
            if let Err(TrySendError::Full(group) | TrySendError::Disconnected(group)) =
                sink.groups.try_send(Arc::clone(&group))
            {
                self.counters.dropped(sink.name, "queue_full", count(&group));
            }
        }
    }

    /// Waits until everything that was handed over is written.
    pub fn close(self) {
        for Sink { groups, thread, name, end } in self.sinks {
            drop(end);
            drop(groups);
            if thread.join().is_err() {
                tracing::error!(sink = name, "a sink of the decision log ended badly");
            }
        }
    }
}

fn count(lines: &[u8]) -> u64 {
    lines.iter().filter(|byte| **byte == b'\n').count() as u64
}

fn start(name: &'static str, form: Form, target: impl Target, counters: &Counters) -> io::Result<Sink> {
    let (groups, received) = sync_channel(GROUPS);
    let counters = counters.clone();
    let thread = std::thread::Builder::new()
        .name(format!("audit-{name}"))
        .spawn(move || run(name, form, target, &received, &counters))?;
    Ok(Sink { name, groups, thread, end: None })
}

fn run(name: &'static str, form: Form, mut target: impl Target, groups: &Receiver<Arc<[u8]>>, counters: &Counters) {
    let mut failing = false;
    while let Ok(group) = groups.recv() {
        let mut text = String::with_capacity(group.len());
        let mut records = 0_u64;
        for line in group.split(|byte| *byte == b'\n').filter_map(|line| std::str::from_utf8(line).ok()) {
            if let Some(line) = form.line(line).filter(|line| !line.is_empty()) {
                text.push_str(&line);
                text.push('\n');
                records += 1;
            }
        }
        match target.write(&text) {
            Ok(lost) => {
                counters.written(name, records.saturating_sub(lost));
                if lost > 0 {
                    counters.dropped(name, "write_failed", lost);
                }
                failing = false;
            }
            Err(error) => {
                counters.dropped(name, "write_failed", records);
                if !failing {
                    tracing::error!(sink = name, %error, "a sink of the decision log cannot write");
                }
                failing = true;
            }
        }
    }
}

struct Stdout;

impl Target for Stdout {
    fn write(&mut self, lines: &str) -> io::Result<u64> {
        let mut out = io::stdout().lock();
        out.write_all(lines.as_bytes())?;
        out.flush().map(|()| 0)
    }
}

/// A file that becomes `FILE.1` when it is large.
struct Rotating {
    path: PathBuf,
    max_bytes: u64,
    keep: usize,
    file: File,
    bytes: u64,
}

impl Rotating {
    fn open(path: &Path, max_bytes: u64, keep: usize) -> io::Result<Self> {
        let (file, bytes) = append(path)?;
        Ok(Self { path: path.to_owned(), max_bytes, keep, file, bytes })
    }

    fn rotate(&mut self) -> io::Result<()> {
        let numbered = |number: usize| {
            let mut name = self.path.clone().into_os_string();
            name.push(format!(".{number}"));
            PathBuf::from(name)
        };
        let moved = |from: &Path, to: &Path| match fs::rename(from, to) {
            Err(error) if error.kind() != io::ErrorKind::NotFound => Err(error),
            _ => Ok(()),
        };
        for number in (1..self.keep).rev() {
            moved(&numbered(number), &numbered(number + 1))?;
        }
        match self.keep {
            0 => fs::remove_file(&self.path)?,
            _ => moved(&self.path, &numbered(1))?,
        }
        (self.file, self.bytes) = append(&self.path)?;
        Ok(())
    }
}

fn append(path: &Path) -> io::Result<(File, u64)> {
    let mut options = OpenOptions::new();
    options.append(true).create(true);
    #[cfg(unix)]
    std::os::unix::fs::OpenOptionsExt::mode(&mut options, 0o600);
    let file = options.open(path)?;
    let bytes = file.metadata()?.len();
    Ok((file, bytes))
}

impl Target for Rotating {
    fn write(&mut self, lines: &str) -> io::Result<u64> {
        if self.bytes > 0 && self.bytes + lines.len() as u64 > self.max_bytes {
            self.rotate()?;
        }
        self.file.write_all(lines.as_bytes())?;
        self.bytes += lines.len() as u64;
        Ok(0)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_full_file_becomes_the_first_of_as_many_as_are_kept() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("decisions.ndjson");
        let mut file = Rotating::open(&path, 10, 2).unwrap();
        for text in ["aaaaaaaa\n", "bbbbbbbb\n", "cccccccc\n", "dddddddd\n"] {
            file.write(text).unwrap();
        }
        let read = |name: &str| fs::read_to_string(folder.path().join(name)).unwrap_or_default();
        assert_eq!(read("decisions.ndjson"), "dddddddd\n");
        assert_eq!(
            (read("decisions.ndjson.1").as_str(), read("decisions.ndjson.2").as_str()),
            ("cccccccc\n", "bbbbbbbb\n")
        );
        assert!(!folder.path().join("decisions.ndjson.3").exists());
    }

    struct Failing;

    impl Target for Failing {
        fn write(&mut self, _: &str) -> io::Result<u64> {
            Err(io::Error::other("full"))
        }
    }

    #[test]
    fn what_a_sink_loses_is_counted() {
        let counters = Counters::default();
        let sink = start("file", Form::Native, Failing, &counters).unwrap();
        let sinks = Sinks { sinks: vec![sink], counters: counters.clone() };
        sinks.send(b"{}\n{}\n");
        sinks.close();
        assert_eq!(counters.lost("file"), 2);
    }
}
