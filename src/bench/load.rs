//! Load: as much as a number of connections can ask (closed loop), or a fixed number of requests a second whatever
//! becomes of them (open loop).
//!
//! In the open loop a request's time begins when it was due, not when it was sent: if the server stalls, all requests
//! that were due meanwhile waited, and their wait is counted (else a stall of a second would be one slow request:
//! "coordinated omission"). Any free connection takes the request that is due longest. In the closed loop a connection
//! asks again when it was answered; its throughput is the truth, its latencies are those of a server at its limit.

use std::cell::RefCell;
use std::collections::BTreeMap;
use std::rc::Rc;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::time::{Duration, Instant};

use hdrhistogram::Histogram;
use tokio::sync::Semaphore;
use tokio::task::LocalSet;

use super::BenchError;
use super::client::{Address, Connection, Prepared, Verdict};
use crate::process::cpu_seconds;

/// Nothing is measured more slowly than that.
const SLOWEST: Duration = Duration::from_secs(120);
/// How often an open loop looks which requests are due, where their latencies count: half of it is added to them.
pub const FINE: Duration = Duration::from_micros(200);
/// The same where only the rate counts: whoever wakes up takes a processor from somebody.
pub const COARSE: Duration = Duration::from_millis(4);
/// How long an open loop goes on when the server does not keep up.
const OVERTIME: Duration = Duration::from_secs(5);

/// What one connection asks, over and over.
#[derive(Clone)]
pub struct Script {
    pub requests: Arc<[Prepared]>,
    pub first: usize,
}

/// Requests to one server.
#[derive(Clone)]
pub struct Load {
    pub address: Address,
    /// One for each connection.
    pub scripts: Vec<Script>,
    pub warm_up: Duration,
    pub duration: Duration,
    /// The server's process, to tell the processor time that it took.
    pub process: Option<u32>,
}

/// What a load gave. Times are in nanoseconds.
#[derive(Clone)]
pub struct Outcome {
    /// Of each request: from when it was sent, or in an open loop from when it was due.
    pub latency: Histogram<u64>,
    /// In an open loop: the same from when it was sent.
    pub service: Option<Histogram<u64>>,
    pub requests: u64,
    pub questions: u64,
    pub wrong: u64,
    /// By status; 0 is a connection that broke.
    pub refused: BTreeMap<u16, u64>,
    /// Requests of an open loop that were due and not sent when time was up.
    pub unsent: u64,
    /// Until the last answer.
    pub seconds: f64,
    /// Processor seconds of the server, and of the client.
    pub server_cpu: Option<f64>,
    pub client_cpu: Option<f64>,
}

impl Script {
    /// Connections that ask the same questions, each from elsewhere on.
    pub fn spread(requests: &Arc<[Prepared]>, connections: usize) -> Vec<Self> {
        let first = |connection| connection * requests.len() / connections.max(1);
        (0..connections).map(|connection| Self { requests: Arc::clone(requests), first: first(connection) }).collect()
    }

    fn request(&self, number: usize) -> Option<&Prepared> {
        self.requests.get((self.first + number) % self.requests.len().max(1))
    }
}

impl Outcome {
    pub(super) fn new(is_open: bool) -> Self {
        Self {
            latency: histogram(),
            service: is_open.then(histogram),
            requests: 0,
            questions: 0,
            wrong: 0,
            refused: BTreeMap::new(),
            unsent: 0,
            seconds: 0.0,
            server_cpu: None,
            client_cpu: None,
        }
    }

    pub fn per_second(&self) -> f64 {
        self.requests as f64 / self.seconds
    }

    /// Joins what another round of the same load gave.
    pub fn add(&mut self, other: &Self) {
        // The bounds are the same, so nothing can be out of them.
        let _ = self.latency.add(&other.latency);
        if let (Some(service), Some(more)) = (&mut self.service, &other.service) {
            let _ = service.add(more);
        }
        self.requests += other.requests;
        self.questions += other.questions;
        self.wrong += other.wrong;
        other.refused.iter().for_each(|(status, count)| *self.refused.entry(*status).or_default() += count);
        self.unsent += other.unsent;
        self.seconds += other.seconds;
        let sum = |a: Option<f64>, b: Option<f64>| a.zip(b).map(|(a, b)| a + b);
        self.server_cpu = sum(self.server_cpu, other.server_cpu);
        self.client_cpu = sum(self.client_cpu, other.client_cpu);
    }

    fn note(&mut self, verdict: Verdict, questions: usize) {
        self.requests += 1;
        self.questions += questions as u64;
        match verdict {
            Verdict::Right => {}
            Verdict::Wrong => self.wrong += 1,
            Verdict::Refused(status) => *self.refused.entry(status).or_default() += 1,
        }
    }
}

pub(super) fn histogram() -> Histogram<u64> {
    let slowest = u64::try_from(SLOWEST.as_nanos()).unwrap_or(u64::MAX);
    #[expect(clippy::expect_used, reason = "constant bounds: fails in every test or never")]
    Histogram::new_with_bounds(1, slowest, 3).expect("the bounds are in order")
}

pub(super) fn nanos(duration: Duration) -> u64 {
    u64::try_from(duration.as_nanos()).unwrap_or(u64::MAX)
}

/// A load, and how it is asked.
#[derive(Clone, Copy)]
pub struct Play<'a> {
    pub load: &'a Load,
    /// So many requests a second; none: as fast as the connections are answered.
    pub rate: Option<Rate>,
}

/// Requests that are due at even distances.
#[derive(Clone, Copy)]
pub struct Rate {
    pub per_second: f64,
    /// How often it is looked which are due.
    pub tick: Duration,
}

/// Asks as fast as the connections are answered.
///
/// # Errors
/// A server that cannot be reached.
pub fn closed(load: &Load) -> Result<Outcome, BenchError> {
    at_once([Play { load, rate: None }]).map(|[outcome]| outcome)
}

/// Asks at a rate.
///
/// # Errors
/// A server that cannot be reached.
pub fn open(load: &Load, rate: Rate) -> Result<Outcome, BenchError> {
    at_once([Play { load, rate: Some(rate) }]).map(|[outcome]| outcome)
}

/// When the connections of a load ask.
#[derive(Clone)]
enum Pace {
    Closed { from: Instant, until: Instant },
    Open { schedule: Arc<Schedule>, until: Instant },
}

impl Pace {
    fn of(play: Play<'_>) -> Self {
        let Load { warm_up, duration, .. } = play.load;
        let Some(Rate { per_second, .. }) = play.rate else {
            let from = Instant::now() + *warm_up;
            return Self::Closed { from, until: from + *duration };
        };
        let interval = 1.0 / per_second.max(1.0);
        let warm_up = warm_up.as_secs_f64();
        let schedule = Schedule {
            start: Instant::now() + Duration::from_millis(50),
            interval,
            first: (warm_up / interval) as u64,
            count: ((warm_up + duration.as_secs_f64()) / interval) as u64,
            next: AtomicU64::new(0),
            due: Semaphore::new(0),
            ended: AtomicBool::new(false),
        };
        let until = schedule.due_at(schedule.first) + *duration;
        Self::Open { schedule: Arc::new(schedule), until }
    }

    /// Where measuring begins.
    fn from(&self) -> Instant {
        match self {
            Self::Closed { from, .. } => *from,
            Self::Open { schedule, .. } => schedule.due_at(schedule.first),
        }
    }

    async fn connection(self, address: Address, script: Script, outcome: Rc<RefCell<Outcome>>) -> std::io::Result<()> {
        match self {
            Self::Closed { from, until } => closed_connection(address, script, from, until, outcome).await,
            Self::Open { schedule, until } => open_connection(address, script, schedule, until, outcome).await,
        }
    }
}

async fn closed_connection(
    address: Address,
    script: Script,
    from: Instant,
    until: Instant,
    outcome: Rc<RefCell<Outcome>>,
) -> std::io::Result<()> {
    let mut connection = Connection::open(&address).await?;
    for number in 0.. {
        let Some(request) = script.request(number) else { break };
        let sent = Instant::now();
        if sent >= until {
            break;
        }
        let verdict = connection.ask_or_reopen(&address, request).await?;
        let now = Instant::now();
        if sent >= from {
            let mut outcome = outcome.borrow_mut();
            outcome.note(verdict, request.questions);
            outcome.seconds = outcome.seconds.max((now - from).as_secs_f64());
            outcome.latency.saturating_record(nanos(now - sent));
        } else if verdict == Verdict::Wrong {
            // Wrong is wrong, measured or not.
            outcome.borrow_mut().wrong += 1;
        }
    }
    Ok(())
}

/// When the requests of an open loop are due.
struct Schedule {
    start: Instant,
    interval: f64,
    /// Requests before this one warm up.
    first: u64,
    count: u64,
    next: AtomicU64,
    /// One permit for each request that is due.
    due: Semaphore,
    ended: AtomicBool,
}

impl Schedule {
    fn due_at(&self, number: u64) -> Instant {
        self.start + Duration::from_secs_f64(number as f64 * self.interval)
    }

    /// Nothing more is due.
    fn end(&self) {
        self.ended.store(true, Ordering::Relaxed);
    }

    /// Hands out permits when they are due. A thread of its own: timers of the runtime are a thousand times too coarse.
    fn pace(&self, connections: usize, tick: Duration) {
        let mut released = 0;
        while released < self.count && !self.ended.load(Ordering::Relaxed) {
            let elapsed = self.start.elapsed().as_secs_f64();
            let due = ((elapsed / self.interval) as u64 + 1).min(self.count);
            self.due.add_permits(usize::try_from(due - released).unwrap_or_default());
            released = due;
            // Waking up for each request would take as much of the processor as sending it.
            std::thread::sleep(self.due_at(released).saturating_duration_since(Instant::now()).max(tick));
        }
        // And one for each connection, to see that there is nothing more.
        self.due.add_permits(connections);
    }
}

async fn open_connection(
    address: Address,
    script: Script,
    schedule: Arc<Schedule>,
    until: Instant,
    outcome: Rc<RefCell<Outcome>>,
) -> std::io::Result<()> {
    let mut connection = Connection::open(&address).await?;
    for number in 0.. {
        // Never closed, so there is no error to see.
        let Ok(permit) = schedule.due.acquire().await else { break };
        permit.forget();
        let turn = schedule.next.fetch_add(1, Ordering::Relaxed);
        let (due, sent) = (schedule.due_at(turn), Instant::now());
        let Some(request) = script.request(number) else { break };
        if turn >= schedule.count || sent > until + OVERTIME {
            break;
        }
        let verdict = connection.ask_or_reopen(&address, request).await?;
        let now = Instant::now();
        let mut outcome = outcome.borrow_mut();
        if turn >= schedule.first {
            outcome.note(verdict, request.questions);
            let from = schedule.due_at(schedule.first);
            outcome.seconds = outcome.seconds.max(now.saturating_duration_since(from).as_secs_f64());
            outcome.latency.saturating_record(nanos(now.saturating_duration_since(due)));
            if let Some(service) = &mut outcome.service {
                service.saturating_record(nanos(now - sent));
            }
        } else if verdict == Verdict::Wrong {
            outcome.wrong += 1;
        }
    }
    Ok(())
}

/// Asks several loads at once, on one thread: a client that shares the processors with what it measures must not wake up
/// more often than it has to. The processor time is told with the first of them.
///
/// # Errors
/// A server that cannot be reached.
pub fn at_once<const COUNT: usize>(plays: [Play<'_>; COUNT]) -> Result<[Outcome; COUNT], BenchError> {
    let paces = plays.map(Pace::of);
    let cpu = || {
        let server = plays.first().and_then(|play| play.load.process);
        (server.and_then(cpu_seconds), cpu_seconds(std::process::id()))
    };
    let outcomes = std::thread::scope(|scope| {
        for (play, pace) in plays.iter().zip(&paces) {
            if let (Some(Rate { tick, .. }), Pace::Open { schedule, .. }) = (play.rate, pace) {
                let connections = play.load.scripts.len();
                scope.spawn(move || schedule.pace(connections, tick));
            }
        }
        let client = scope.spawn(|| ask(&plays, &paces));
        let from = paces.first().map_or_else(Instant::now, Pace::from);
        std::thread::sleep(from.saturating_duration_since(Instant::now()));
        let before = cpu();
        let outcomes = client.join().unwrap_or_else(|_| Err(std::io::Error::other("the client stopped")));
        let after = cpu();
        for pace in &paces {
            if let Pace::Open { schedule, .. } = pace {
                schedule.end();
            }
        }
        outcomes.map(|outcomes| (outcomes, before, after))
    });
    let address = plays.first().map(|play| play.load.address.to_string()).unwrap_or_default();
    let (mut outcomes, before, after) = outcomes.map_err(BenchError::io(format!("asking {address}")))?;
    let took = |before: Option<f64>, after: Option<f64>| after.zip(before).map(|(after, before)| after - before);
    if let Some(first) = outcomes.first_mut() {
        first.server_cpu = took(before.0, after.0);
        first.client_cpu = took(before.1, after.1);
    }
    Ok(outcomes)
}

/// Runs the connections of all loads to their end.
fn ask<const COUNT: usize>(plays: &[Play<'_>; COUNT], paces: &[Pace; COUNT]) -> std::io::Result<[Outcome; COUNT]> {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_io().build()?;
    let outcomes = plays.map(|play| Rc::new(RefCell::new(Outcome::new(play.rate.is_some()))));
    let local = LocalSet::new();
    let mut tasks = Vec::new();
    for ((play, pace), outcome) in plays.iter().zip(paces).zip(&outcomes) {
        for script in &play.load.scripts {
            let connection = pace.clone().connection(play.load.address.clone(), script.clone(), Rc::clone(outcome));
            tasks.push(local.spawn_local(connection));
        }
    }
    local.block_on(&runtime, async {
        for task in tasks {
            task.await.map_err(std::io::Error::other)??;
        }
        Ok::<_, std::io::Error>(())
    })?;
    for (pace, outcome) in paces.iter().zip(&outcomes) {
        if let Pace::Open { schedule, .. } = pace {
            let mut outcome = outcome.borrow_mut();
            outcome.unsent = (schedule.count - schedule.first).saturating_sub(outcome.requests);
        }
    }
    Ok(outcomes.map(|outcome| outcome.replace(Outcome::new(false))))
}
