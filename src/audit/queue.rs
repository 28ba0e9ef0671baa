//! Records on their way to the writer, and how far the writer has come.
//!
//! Each record gets a ticket; tickets are settled in order, all of a group at once. The lock is held for a push or a
//! swap, never while something is encoded or written.

use std::sync::Arc;
use std::time::{Duration, Instant};

use parking_lot::{Condvar, Mutex};
use tokio::sync::watch;

use super::bodies::Bodies;
use super::settings::Mode;

/// How far the writer has come.
#[derive(Clone, Debug, Default)]
pub struct Settled {
    /// Every ticket up to this one is settled.
    pub ticket: u64,
    /// The last ticket that was settled without its record being written.
    pub lost: u64,
    /// Why nothing can be written just now.
    pub fault: Option<Arc<str>>,
}

/// What waits to be written.
#[derive(Clone, Copy, Debug, Default)]
pub struct Waiting {
    pub records: u64,
    pub bytes: u64,
}

/// What the writer took.
pub struct Taken {
    pub bodies: Bodies,
    pub ticket: u64,
    /// Records that there was no room for, since the last time.
    pub refused: u64,
    pub closing: bool,
}

#[derive(Default)]
struct Inner {
    bodies: Bodies,
    ticket: u64,
    refused: u64,
    /// Somebody waits for what is in the queue.
    urgent: bool,
    closing: bool,
    closed: bool,
}

pub struct Queue {
    mode: Mode,
    /// Answers wait when more bytes than this wait to be written, and where they do not wait, records are refused.
    room: usize,
    inner: Mutex<Inner>,
    wake: Condvar,
    done: Condvar,
    settled: watch::Sender<Settled>,
}

/// A queue took no record.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Refused {
    /// There is no room.
    Full,
    Closed,
}

impl Queue {
    pub fn new(mode: Mode, room: usize) -> Self {
        let (settled, _) = watch::channel(Settled::default());
        Self { mode, room, inner: Mutex::default(), wake: Condvar::new(), done: Condvar::new(), settled }
    }

    /// Hands a record over and returns its ticket.
    pub fn push(&self, body: &[u8]) -> Result<u64, Refused> {
        let mut inner = self.inner.lock();
        if inner.closed || inner.closing {
            return Err(Refused::Closed);
        }
        // Where answers wait for room, one that is under way may still hand over what it has.
        let room = if self.mode == Mode::Drop { self.room } else { self.room.saturating_mul(2) };
        if inner.bodies.bytes().saturating_add(body.len()) > room {
            inner.refused += 1;
            return Err(Refused::Full);
        }
        inner.bodies.push(body);
        inner.ticket += 1;
        if inner.bodies.len() == 1 || self.is_pressing(&inner) {
            self.wake.notify_one();
        }
        Ok(inner.ticket)
    }

    /// What waits to be written.
    pub fn waiting(&self) -> Waiting {
        let inner = self.inner.lock();
        Waiting { records: inner.bodies.len() as u64, bytes: inner.bodies.bytes() as u64 }
    }

    /// Whether an answer must wait until there is room.
    pub fn is_crowded(&self) -> bool {
        self.inner.lock().bodies.bytes() > self.room && self.settled.borrow().fault.is_none()
    }

    /// Whether the writer must not let records gather any longer.
    fn is_pressing(&self, inner: &Inner) -> bool {
        let awaited = self.mode == Mode::Block && !inner.bodies.is_empty();
        inner.closing || inner.urgent || awaited || inner.bodies.bytes() > self.room / 2
    }

    /// Takes everything, after waiting up to `idle` for a first record, and up to `gather` for more. `empty` is what the
    /// next records gather in.
    pub fn take(&self, empty: Bodies, idle: Duration, gather: Duration) -> Taken {
        let mut inner = self.inner.lock();
        if inner.bodies.is_empty() && !self.is_pressing(&inner) {
            self.wake.wait_for(&mut inner, idle);
        }
        if !inner.bodies.is_empty() && !self.is_pressing(&inner) {
            self.wake.wait_for(&mut inner, gather);
        }
        inner.urgent = false;
        Taken {
            bodies: std::mem::replace(&mut inner.bodies, empty),
            ticket: inner.ticket,
            refused: std::mem::take(&mut inner.refused),
            closing: inner.closing,
        }
    }

    /// Waits, unless everything is about to end.
    pub fn rest(&self, time: Duration) {
        let mut inner = self.inner.lock();
        let end = Instant::now() + time;
        while !inner.closing && !self.wake.wait_until(&mut inner, end).timed_out() {}
    }

    /// Gives back what could not be written; it stands before what came meanwhile. Answers how many there was no room
    /// for.
    pub fn give_back(&self, mut bodies: Bodies, refused: u64) -> u64 {
        let mut inner = self.inner.lock();
        bodies.append(&inner.bodies);
        let kept = bodies.within(self.room);
        let lost = (bodies.len() - kept) as u64;
        bodies.truncate(kept);
        inner.bodies = bodies;
        inner.refused += refused;
        lost
    }

    /// Tells everybody how far it is.
    pub fn settle(&self, settled: Settled) {
        {
            // Under the lock, so that nobody falls asleep between looking and waiting.
            let _inner = self.inner.lock();
            self.settled.send_replace(settled);
        }
        self.done.notify_all();
    }

    pub fn settled(&self) -> Settled {
        self.settled.borrow().clone()
    }

    /// Blocks until a ticket is settled.
    pub fn wait(&self, ticket: u64) -> Settled {
        let mut inner = self.inner.lock();
        loop {
            let settled = self.settled();
            if settled.ticket >= ticket || inner.closed {
                return settled;
            }
            inner.urgent = true;
            self.wake.notify_one();
            self.done.wait(&mut inner);
        }
    }

    /// Waits until a ticket is settled.
    pub async fn reach(&self, ticket: u64) -> Settled {
        let mut settled = self.settled.subscribe();
        {
            let mut inner = self.inner.lock();
            if !inner.closed && self.settled.borrow().ticket < ticket {
                inner.urgent = true;
                self.wake.notify_one();
            }
        }
        let reached = settled.wait_for(|settled| settled.ticket >= ticket).await.map(|settled| settled.clone());
        // The sender lives as long as this value.
        reached.unwrap_or_default()
    }

    /// The last ticket that was given.
    pub fn last(&self) -> u64 {
        self.inner.lock().ticket
    }

    /// No more records; the writer finishes.
    pub fn close(&self) {
        self.inner.lock().closing = true;
        self.wake.notify_one();
    }

    /// The writer has ended.
    pub fn closed(&self) {
        self.inner.lock().closed = true;
        self.done.notify_all();
    }
}
