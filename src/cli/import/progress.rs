//! A progress bar on stderr, when that is a terminal and a person reads it.

use std::io::{self, IsTerminal, Read};
use std::path::Path;

use indicatif::{ProgressBar, ProgressStyle};

use crate::cli::terminal::{Format, Terminal};

/// How far an import is.
pub(super) struct Progress {
    bar: ProgressBar,
}

impl Progress {
    pub fn new(file: &Path, terminal: Terminal) -> Self {
        let bar = if terminal.format == Format::Text && io::stderr().is_terminal() {
            match std::fs::metadata(file).map(|about| about.len()) {
                Ok(bytes) if bytes > 0 => ProgressBar::new(bytes).with_style(style(
                    "{bar:30} {decimal_bytes}/{decimal_total_bytes} {decimal_bytes_per_sec}, {eta} left {msg}",
                )),
                _ => ProgressBar::new_spinner().with_style(style("{spinner} {decimal_bytes} {msg}")),
            }
        } else {
            ProgressBar::hidden()
        };
        Self { bar }
    }

    /// Counts the bytes that are read.
    pub fn watch(&self, reader: Box<dyn Read + Send>) -> Box<dyn Read + Send> {
        Box::new(self.bar.wrap_read(reader))
    }

    pub fn read(&self, entities: usize) {
        self.bar.set_message(format!("{entities} entities"));
    }

    pub fn writing(&self) {
        self.bar.set_message("writing");
    }

    pub fn finish(&self) {
        self.bar.finish_and_clear();
    }
}

/// The bar as the template says; were it malformed, as the library draws it.
fn style(template: &str) -> ProgressStyle {
    ProgressStyle::with_template(template).unwrap_or_else(|_| ProgressStyle::default_bar())
}
