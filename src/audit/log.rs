//! The log as the rest of the program sees it: records in, and a wait where the mode demands one.

use std::io;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::thread::JoinHandle;

use parking_lot::Mutex;

use super::counters::Counters;
use super::key_file::{AuditKey, PublicKey};
use super::mask::Mask;
use super::queue::{Queue, Refused, Waiting};
use super::record::{ChangeRecord, DecisionRecord, Origin, SearchRecord};
use super::request::Request;
use super::settings::{Damaged, Mode, Settings};
use super::sink::Sinks;
use super::tail::{Place, Tail, TailError};
use super::writer::{LOG, Writer};
use crate::clock::{Clock, rfc3339};

/// Why there is no log.
#[derive(Debug, thiserror::Error)]
pub enum OpenError {
    #[error("the decision log in {dir} cannot be opened: {source}")]
    Io { dir: PathBuf, source: io::Error },
    #[error("a sink of the decision log cannot be opened: {0}")]
    Sink(io::Error),
}

/// A record is not durable, and in `block` mode there must be no answer then.
#[derive(Clone, Debug, thiserror::Error)]
#[error("the decision log cannot write: {0}")]
pub struct Unavailable(pub Arc<str>);

/// How a log does.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct LogStatus {
    pub mode: &'static str,
    /// Why nothing can be written just now.
    pub fault: Option<String>,
}

/// A log, or none.
pub struct Log {
    state: State,
    counters: Counters,
}

enum State {
    Off,
    /// The log is damaged, and nobody allowed to go on behind it.
    Refusing {
        what: Arc<str>,
        dir: PathBuf,
        public: PublicKey,
    },
    On(On),
}

struct On {
    mode: Mode,
    dir: PathBuf,
    pdp_id: String,
    public: PublicKey,
    masks: Vec<Mask>,
    clock: Arc<dyn Clock>,
    queue: Arc<Queue>,
    thread: Mutex<Option<JoinHandle<()>>>,
}

impl Log {
    /// No log: nothing is recorded.
    pub fn off() -> Self {
        Self { state: State::Off, counters: Counters::default() }
    }

    /// Opens the log in a folder, which is made when there is none. Only one process may; whoever holds the store does.
    ///
    /// # Errors
    /// A folder or a sink that cannot be written. Damage is none: see [`Damaged`].
    pub fn open(
        dir: &Path,
        key: AuditKey,
        pdp_id: &str,
        settings: Settings,
        clock: Arc<dyn Clock>,
    ) -> Result<Self, OpenError> {
        let counters = Counters::default();
        let mode = settings.mode;
        let damaged = if mode == Mode::Block { settings.damaged } else { Damaged::GoOn };
        let settings = Settings { damaged, ..settings };
        let (public, masks, room) = (key.public(), settings.masks.clone(), settings.queue_bytes);
        let (checkpoint_records, checkpoint_every) = (settings.checkpoint_records, settings.checkpoint_every);
        let sinks = Sinks::open(&settings.sinks, &counters).map_err(OpenError::Sink)?;
        let opened = |source| OpenError::Io { dir: dir.to_owned(), source };
        let place = Place { dir: dir.to_owned(), key, pdp_id: pdp_id.to_owned(), settings, clock: Arc::clone(&clock) };
        let tail = match Tail::open(place) {
            Ok(tail) => tail,
            Err(TailError::Io(source)) => return Err(opened(source)),
            Err(TailError::Damaged(what)) => {
                let state = State::Refusing { what: what.into(), dir: dir.to_owned(), public };
                return Ok(Self { state, counters });
            }
        };
        let queue = Arc::new(Queue::new(mode, room));
        let own_clock = Arc::clone(&clock);
        let writer = Writer {
            mode,
            tail,
            queue: Arc::clone(&queue),
            counters: counters.clone(),
            sinks,
            checkpoint_records,
            checkpoint_every,
            now: Box::new(move || rfc3339(own_clock.now())),
        };
        let thread =
            std::thread::Builder::new().name("audit".to_owned()).spawn(move || writer.run()).map_err(opened)?;
        let (dir, pdp_id) = (dir.to_owned(), pdp_id.to_owned());
        let on = On { mode, dir, pdp_id, public, masks, clock, queue, thread: Mutex::new(Some(thread)) };
        Ok(Self { state: State::On(on), counters })
    }

    /// Whether anything is recorded.
    pub fn is_on(&self) -> bool {
        matches!(self.state, State::On(_))
    }

    pub fn counters(&self) -> &Counters {
        &self.counters
    }

    /// The folder and the key of its signatures, when there is a log.
    pub fn place(&self) -> Option<(&Path, PublicKey)> {
        match &self.state {
            State::On(on) => Some((&on.dir, on.public)),
            State::Refusing { dir, public, .. } => Some((dir, *public)),
            State::Off => None,
        }
    }

    /// How it does; nothing when there is no log.
    pub fn status(&self) -> Option<LogStatus> {
        match &self.state {
            State::Off => None,
            State::Refusing { what, .. } => Some(LogStatus { mode: Mode::Block.name(), fault: Some(what.to_string()) }),
            State::On(on) => {
                let fault = on.queue.settled().fault.map(|fault| fault.to_string());
                Some(LogStatus { mode: on.mode.name(), fault })
            }
        }
    }

    /// What waits to be written.
    pub fn waiting(&self) -> Waiting {
        match &self.state {
            State::On(on) => on.queue.waiting(),
            State::Off | State::Refusing { .. } => Waiting::default(),
        }
    }

    /// Whether answers may be given at all.
    ///
    /// # Errors
    /// In `block` mode, a log that cannot write.
    pub fn ready(&self) -> Result<(), Unavailable> {
        match &self.state {
            State::Off => Ok(()),
            State::Refusing { what, .. } => Err(Unavailable(Arc::clone(what))),
            State::On(on) if on.mode == Mode::Block => match on.queue.settled().fault {
                Some(fault) => Err(Unavailable(fault)),
                None => Ok(()),
            },
            State::On(_) => Ok(()),
        }
    }

    /// Records a decision. Within a [`Request`] it returns at once, and the request waits at its end; without one it
    /// waits here, for what the mode demands.
    ///
    /// # Errors
    /// In `block` mode, when the record cannot be written.
    pub fn decision(&self, record: DecisionRecord) -> Result<(), Unavailable> {
        self.record(|on, origin| record.body(origin, &on.masks))
    }

    /// Records a page of a search. As [`Log::decision`].
    ///
    /// # Errors
    /// As [`Log::decision`].
    pub fn search(&self, record: SearchRecord) -> Result<(), Unavailable> {
        self.record(|on, origin| record.body(origin, &on.masks))
    }

    /// Records a change that is durable. As [`Log::decision`].
    ///
    /// # Errors
    /// As [`Log::decision`].
    pub fn change(&self, record: &ChangeRecord) -> Result<(), Unavailable> {
        self.record(|_, origin| record.body(origin))
    }

    fn record(&self, body: impl FnOnce(&On, &Origin) -> serde_json::Result<Vec<u8>>) -> Result<(), Unavailable> {
        self.ready()?;
        let State::On(on) = &self.state else {
            return Ok(());
        };
        let request = Request::current();
        let origin = Origin::new(rfc3339(on.clock.now()), &on.pdp_id, request.as_deref());
        let pushed = match body(on, &origin) {
            Ok(body) => on.queue.push(&body),
            Err(error) => {
                tracing::error!(%error, "a record cannot be written down");
                return Err(Unavailable(error.to_string().into()));
            }
        };
        match (pushed, request) {
            (Ok(ticket), Some(request)) => {
                request.note(ticket);
                Ok(())
            }
            (Ok(ticket), None) => on.wait(ticket),
            (Err(refused), _) if on.mode == Mode::Block => {
                let why = match refused {
                    Refused::Full => "too many records wait to be written",
                    Refused::Closed => "it is closed",
                };
                Err(Unavailable(why.into()))
            }
            // The writer counts it, and the log says so.
            (Err(Refused::Full), _) => Ok(()),
            (Err(Refused::Closed), _) => {
                self.counters.dropped(LOG, "closed", 1);
                Ok(())
            }
        }
    }

    /// Waits for what the mode demands before the answer to a request may go.
    ///
    /// # Errors
    /// In `block` mode, when a record of the request is not durable.
    pub async fn settle(&self, request: &Request) -> Result<(), Unavailable> {
        let (State::On(on), Some((first, last))) = (&self.state, request.tickets()) else {
            return Ok(());
        };
        if !on.must_wait() {
            return Ok(());
        }
        let settled = on.queue.reach(last).await;
        on.judge(&settled, first)
    }

    /// Waits until everything recorded so far is written.
    pub fn flush(&self) {
        if let State::On(on) = &self.state {
            on.queue.wait(on.queue.last());
        }
    }

    /// Writes everything out, signs it, and ends. Later records are refused.
    pub fn close(&self) {
        let State::On(on) = &self.state else { return };
        on.queue.close();
        let thread = on.thread.lock().take();
        if thread.is_some_and(|thread| thread.join().is_err()) {
            tracing::error!("the decision log ended badly");
        }
    }
}

impl Drop for Log {
    fn drop(&mut self) {
        self.close();
    }
}

impl On {
    fn must_wait(&self) -> bool {
        match self.mode {
            Mode::Block => true,
            Mode::Spill => self.queue.is_crowded(),
            Mode::Drop => false,
        }
    }

    fn wait(&self, ticket: u64) -> Result<(), Unavailable> {
        match self.must_wait() {
            true => self.judge(&self.queue.wait(ticket), ticket),
            false => Ok(()),
        }
    }

    fn judge(&self, settled: &super::queue::Settled, first: u64) -> Result<(), Unavailable> {
        match self.mode {
            Mode::Block if settled.lost >= first || settled.ticket < first => {
                let fault = settled.fault.clone().unwrap_or_else(|| "it was closed".into());
                Err(Unavailable(fault))
            }
            _ => Ok(()),
        }
    }
}
