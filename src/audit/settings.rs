//! How a log is kept.

use std::path::PathBuf;
use std::time::Duration;

use serde::{Deserialize, Serialize};

use super::export::Form;
use super::mask::Mask;
use super::otlp::Collector;

/// What an answer waits for.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Mode {
    /// No answer without a durable record. A log that cannot write stops the answers.
    Block,
    /// The answer goes at once, the record follows within moments. When too many wait to be written, answers wait as
    /// well: nothing is lost but what a crash takes from memory. A log that cannot write keeps records in memory as long
    /// as there is room, and counts what it then loses.
    #[default]
    Spill,
    /// As `spill`, but no answer ever waits: what there is no room for is lost, and counted.
    Drop,
}

impl Mode {
    pub fn name(self) -> &'static str {
        match self {
            Self::Block => "block",
            Self::Spill => "spill",
            Self::Drop => "drop",
        }
    }
}

/// What becomes of a log whose end is not as it was left.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Damaged {
    /// In `block` mode nothing is recorded, so nothing is answered, until somebody looked at it.
    Refuse,
    /// The log goes on behind the damage, which a record tells of.
    GoOn,
}

/// Where records go besides the log itself.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum SinkSettings {
    /// A file; at `max_bytes` it becomes `FILE.1`, that one `FILE.2`, and so on, `keep` of them.
    File {
        path: PathBuf,
        form: Form,
        max_bytes: u64,
        keep: usize,
    },
    Stdout {
        form: Form,
    },
    /// An OpenTelemetry collector.
    Otlp {
        collector: Collector,
        form: Form,
    },
}

/// How a log is kept.
#[derive(Clone, Debug)]
pub struct Settings {
    pub mode: Mode,
    pub damaged: Damaged,
    /// A segment that is larger is closed, and the next one begun.
    pub segment_bytes: u64,
    /// Closed segments go when their last record is older.
    pub max_age: Option<Duration>,
    /// Closed segments go, the oldest first, while all of them together take more.
    pub max_bytes: Option<u64>,
    /// Records in memory that wait to be written.
    pub queue_bytes: usize,
    /// A checkpoint is signed after so many records, or after this time when there are any.
    pub checkpoint_records: u64,
    pub checkpoint_every: Duration,
    pub masks: Vec<Mask>,
    pub sinks: Vec<SinkSettings>,
}

impl Default for Settings {
    fn default() -> Self {
        const DAY: u64 = 24 * 60 * 60;
        Self {
            mode: Mode::default(),
            damaged: Damaged::Refuse,
            segment_bytes: 32 * 1024 * 1024,
            max_age: Some(Duration::from_secs(90 * DAY)),
            max_bytes: Some(4 * 1024 * 1024 * 1024),
            queue_bytes: 32 * 1024 * 1024,
            checkpoint_records: 10_000,
            checkpoint_every: Duration::from_secs(10),
            masks: Vec::new(),
            sinks: Vec::new(),
        }
    }
}
