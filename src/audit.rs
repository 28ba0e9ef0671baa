//! The decision log: a record of every decision and of every change, in the order in which they were made.
//!
//! Records are lines of JSON in append-only segment files of the store's folder (`segment.rs`). Each line carries the
//! hash of itself and of all before it (`chain.rs`), and signed checkpoints say how far the chain went (`checkpoint.rs`),
//! so that a record that was changed, removed, moved or cut off is found (`verify.rs`).
//!
//! A record is handed over in memory (`queue.rs`); one thread writes what has gathered and makes it durable at once
//! (`writer.rs`): a group commit. What waits for that is said by the [`Mode`]. The log never decides anything, and holds
//! no secret: who asks is named by ids. Never write into a segment but through the one writer, and never repair one:
//! what is damaged is evidence.

mod bodies;
mod chain;
mod checkpoint;
mod counters;
mod end;
mod export;
mod key_file;
mod log;
mod mask;
mod object;
mod ocsf;
mod otlp;
mod query;
mod queue;
mod record;
mod request;
mod segment;
mod settings;
mod sink;
mod tail;
#[cfg(test)]
mod tests;
mod verify;
mod writer;

pub use chain::Digest;
pub use checkpoint::Head;
pub use counters::Counters;
pub use export::Form;
pub use key_file::{AuditKey, AuditKeyError, PublicKey, create_key, read_key};
pub use log::{Log, LogStatus, OpenError, Unavailable};
pub use mask::{Mask, MaskError};
pub use otlp::{Collector, Headers};
pub use query::{Damage, Filter, Found, Page, each_oldest_first, newest_first, oldest_first};
pub use record::{ChangeRecord, ChangedThing, DecisionRecord, PolicyFault, ReasonCode, SearchRecord, Verdict};
pub use request::{Request, Trace};
pub use settings::{Damaged, Mode, Settings, SinkSettings};
pub use verify::{Fault, FaultKind, Verified, verify};

use std::path::{Path, PathBuf};

/// Where the log of a store lies.
pub fn folder(store: &Path) -> PathBuf {
    store.join("audit")
}
