//! The thread that writes: whatever has gathered goes in one write, and in `block` mode becomes durable in one sync, so
//! that many answers wait for one.

use std::sync::Arc;
use std::time::{Duration, Instant};

use super::bodies::Bodies;
use super::counters::Counters;
use super::queue::{Queue, Settled, Taken};
use super::record::Own;
use super::settings::Mode;
use super::sink::Sinks;
use super::tail::{Sync, Tail};

/// How long records gather where nobody waits for them.
const GATHER: Duration = Duration::from_millis(20);
/// How long records may lie in the system's memory where nobody waits for them.
const SYNC: Duration = Duration::from_secs(1);
/// How long nothing is tried after a write failed.
const RETRY: Duration = Duration::from_secs(1);
/// How this log is called among the sinks.
pub const LOG: &str = "log";

pub struct Writer {
    pub mode: Mode,
    pub tail: Tail,
    pub queue: Arc<Queue>,
    pub counters: Counters,
    pub sinks: Sinks,
    pub checkpoint_records: u64,
    pub checkpoint_every: Duration,
    pub now: Box<dyn Fn() -> String + Send>,
}

impl Writer {
    /// Writes until the queue is closed and empty.
    pub fn run(mut self) {
        let mut synced = Instant::now();
        let mut signed = Instant::now();
        let mut state = Settled::default();
        let mut empty = Bodies::default();
        loop {
            if state.fault.is_some() {
                self.queue.rest(RETRY);
            }
            let taken = self.queue.take(empty, SYNC, GATHER);
            let closing = taken.closing;
            empty = self.write(taken, &mut state);
            if state.fault.is_none() {
                let due = self.tail.unsigned() >= self.checkpoint_records || signed.elapsed() >= self.checkpoint_every;
                let result = if self.tail.unsigned() > 0 && (due || closing) {
                    (signed, synced) = (Instant::now(), Instant::now());
                    self.tail.checkpoint()
                } else if synced.elapsed() >= SYNC {
                    synced = Instant::now();
                    self.tail.sync()
                } else {
                    Ok(())
                };
                if let Err(error) = result {
                    self.failed(&error, &mut state);
                    self.queue.settle(state.clone());
                }
            }
            if closing {
                break;
            }
        }
        self.sinks.close();
        self.queue.closed();
    }

    /// Writes what was taken, and gives back what it was in, empty.
    fn write(&mut self, taken: Taken, state: &mut Settled) -> Bodies {
        let Taken { mut bodies, ticket, refused, closing } = taken;
        let records = bodies.len() as u64;
        if refused > 0 {
            self.counters.dropped(LOG, "queue_full", refused);
            // The log itself says what it lacks.
            let note = Own::Dropped { timestamp: (self.now)(), count: refused };
            note.body().iter().for_each(|note| bodies.push(note));
        }
        // After a fault an empty write finds out whether it is over.
        if bodies.is_empty() && state.fault.is_none() {
            state.ticket = ticket;
            return bodies;
        }
        let sync = if self.mode == Mode::Block { Sync::Now } else { Sync::Later };
        match self.tail.append(&bodies, sync) {
            Ok(lines) => {
                if state.fault.take().is_some() {
                    tracing::info!("the decision log can write again");
                }
                self.counters.written(LOG, records);
                self.sinks.send(lines);
            }
            Err(error) => {
                self.failed(&error, state);
                if self.mode == Mode::Block || closing {
                    self.counters.dropped(LOG, "write_failed", records);
                    state.lost = ticket;
                } else {
                    bodies.truncate(usize::try_from(records).unwrap_or(usize::MAX));
                    let lost = self.queue.give_back(std::mem::take(&mut bodies), refused);
                    self.counters.dropped(LOG, "write_failed", lost);
                }
            }
        }
        state.ticket = ticket;
        self.queue.settle(state.clone());
        bodies.clear();
        bodies
    }

    fn failed(&self, error: &std::io::Error, state: &mut Settled) {
        if state.fault.is_none() {
            let folder = self.tail.dir().display();
            tracing::error!(%folder, %error, mode = self.mode.name(), "the decision log cannot write");
        }
        state.fault = Some(error.to_string().into());
    }
}
