//! Changes: what one costs, that the next question sees it, and what many at once do to decisions.

use std::time::{Duration, Instant};

use hdrhistogram::Histogram;

use super::BenchError;
use super::client::{Connection, Verdict};
use super::contest::{Contender, Effort, joined, median};
use super::load::{COARSE, Load, Outcome, Play, Rate, Script, at_once, closed, histogram, nanos};
use super::report::Report;
use super::site::Say;
use super::world::World;
use crate::process::cpu_seconds;

/// So many changes a second must be possible, and leave decisions most of their throughput.
const RATE: f64 = 5_000.0;

/// How often it is looked whether a server is at rest, and how many times.
const LOOK: Duration = Duration::from_millis(500);
const LOOKS: usize = 30;
/// It is when it takes no more of a processor than this.
const AT_REST: f64 = 0.05;

/// A change and the question after it, times of each in nanoseconds.
struct Seen {
    change: Histogram<u64>,
    next: Histogram<u64>,
    right: u64,
    wrong: u64,
    refused: u64,
}

/// Measures one server with one world.
///
/// # Errors
/// A server that cannot be asked.
pub fn changes(
    report: &mut Report,
    world: World,
    server: &Contender,
    effort: Effort,
    writers: usize,
    say: Say<'_>,
) -> Result<(), BenchError> {
    let size = world.entities();
    if writers as u64 > world.memberships() {
        let room = world.memberships();
        return Err(BenchError::Failed(format!("a world of {size} entities has room for {room} writers")));
    }
    say(&format!("{size} entities: one change after another, each followed by a question"));
    let seen = one_by_one(world, server, effort.duration)?;
    report.wrong += seen.wrong;
    report.failed += seen.refused;
    let at = |histogram: &Histogram<u64>, quantile| histogram.value_at_quantile(quantile) as f64 / 1_000.0;
    report.number(format!("{size} entities: changes seen by the next question"), seen.right as f64, "of them");
    report.number(format!("{size} entities: one durable change, p50"), at(&seen.change, 0.5), "us");
    report.number(format!("{size} entities: one durable change, p99"), at(&seen.change, 0.99), "us");
    report.number(format!("{size} entities: the question after it, p50"), at(&seen.next, 0.5), "us");

    let decisions = server.load(&server.questions(world), effort, effort.connections);
    let writing = writers_load(world, server, effort, writers);
    let mut alone = Vec::new();
    let mut beside = [(Some(RATE), Vec::new(), Vec::new()), (None, Vec::new(), Vec::new())];
    for round in 1..=effort.rounds.max(1) {
        let of = format!("round {round} of {}", effort.rounds.max(1));
        say(&format!("{size} entities: decisions alone, {of}"));
        rest(server);
        alone.push(closed(&decisions)?);
        for (rate, decided, written) in &mut beside {
            let how = rate.map_or("as fast as they are answered".into(), |rate| format!("{rate:.0} changes a second"));
            say(&format!("{size} entities: decisions beside {writers} writers, {how}, {of}"));
            let rate = rate.map(|per_second| Rate { per_second, tick: COARSE });
            rest(server);
            let [beside, changes] = at_once([Play { load: &decisions, rate: None }, Play { load: &writing, rate }])?;
            decided.push(beside);
            written.push(changes);
        }
    }
    report.load(format!("{size}: decisions alone"), effort.connections, None, &joined(&alone));
    for (rate, decided, written) in &beside {
        report.load(format!("{size}: decisions beside changes"), effort.connections, None, &joined(decided));
        report.load(format!("{size}: changes"), writers, *rate, &without_cpu(joined(written)));
        let part = decided.iter().zip(&alone).map(|(beside, alone)| beside.per_second() / alone.per_second());
        match rate {
            None => {
                let speed = median(written.iter().map(|written| written.per_second() / RATE));
                report.ratio_at_least(format!("{size} entities: changes a second / {RATE}"), speed, 1.0);
                report.ratio(format!("{size} entities: decisions beside them / alone"), median(part));
            }
            Some(rate) => {
                let name = format!("{size} entities: decisions beside {rate} changes a second / alone");
                report.ratio_at_least(name, median(part), 0.7);
            }
        }
    }
    Ok(())
}

/// Waits until the server has done what an earlier load left to be done, as the tidying up of what it wrote.
fn rest(server: &Contender) {
    let cpu = || server.process.and_then(cpu_seconds);
    for _ in 0..LOOKS {
        let before = cpu();
        std::thread::sleep(LOOK);
        let took = cpu().zip(before).map_or(0.0, |(now, before)| now - before);
        if took < LOOK.as_secs_f64() * AT_REST {
            return;
        }
    }
}

/// Both loads run at once, so the processor time is no single one's.
fn without_cpu(mut outcome: Outcome) -> Outcome {
    (outcome.server_cpu, outcome.client_cpu) = (None, None);
    outcome
}

fn writers_load(world: World, server: &Contender, effort: Effort, writers: usize) -> Load {
    let script = |number| {
        let moved = world.membership(number as u64);
        let change = |body: &str| server.endpoint.change(&moved.path, body);
        Script { requests: [change(&moved.give), change(&moved.take)].into(), first: 0 }
    };
    Load {
        address: server.endpoint.address.clone(),
        scripts: (0..writers).map(script).collect(),
        warm_up: effort.warm_up,
        duration: effort.duration,
        process: None,
    }
}

/// Gives and takes memberships one after the other, and asks after each.
fn one_by_one(world: World, server: &Contender, duration: Duration) -> Result<Seen, BenchError> {
    let failed = || BenchError::io(format!("asking {}", server.endpoint.address));
    let runtime = tokio::runtime::Builder::new_current_thread().enable_io().build().map_err(failed())?;
    runtime.block_on(async {
        let mut connection = Connection::open(&server.endpoint.address).await.map_err(failed())?;
        let mut seen = Seen { change: histogram(), next: histogram(), right: 0, wrong: 0, refused: 0 };
        let end = Instant::now() + duration;
        for number in 0.. {
            if Instant::now() >= end {
                break;
            }
            // Those who hold it from before are left as they were found.
            let moved = world.membership(number);
            for (body, after) in [(&moved.give, true), (&moved.take, false)] {
                let change = server.endpoint.change(&moved.path, body);
                let question = server.endpoint.evaluation(&moved.question, after);
                let started = Instant::now();
                let changed = connection.ask(&change).await.map_err(failed())?;
                let between = Instant::now();
                let answered = connection.ask(&question).await.map_err(failed())?;
                seen.change.saturating_record(nanos(between - started));
                seen.next.saturating_record(nanos(between.elapsed()));
                match (changed, answered) {
                    (Verdict::Right, Verdict::Right) => seen.right += 1,
                    (Verdict::Right, Verdict::Wrong) => seen.wrong += 1,
                    _ => seen.refused += 1,
                }
            }
        }
        Ok(seen)
    })
}
