//! Two servers under the same load, by turns: their ratio holds on any machine, and a noisy one disturbs both alike.
//!
//! `http`: the evaluator against a server that parses the same body and always says yes, then the evaluator alone at a
//! fixed rate, then batches. `log`: the evaluator with its decision log in a mode, against itself without the log.

use std::sync::Arc;
use std::time::Duration;

use hdrhistogram::Histogram;

use super::BenchError;
use super::client::{Endpoint, Prepared};
use super::load::{FINE, Load, Outcome, Rate, Script, closed, open};
use super::process::Running;
use super::report::Report;
use super::site::{Say, Site};
use super::stalls::Stalls;
use super::world::World;

/// Questions that are made before the clock runs, and asked again and again.
const QUESTIONS: usize = 20_000;
/// Of the batches: so many are made.
const BATCHES: usize = 500;
/// The part of the highest throughput at which latencies are measured.
const PART: f64 = 0.85;
/// How many times as many requests are due as came through in the closed loop, to find the limit of the open one.
const OVERLOAD: f64 = 1.3;

/// How much is asked, and for how long.
#[derive(Clone, Copy, Debug)]
pub struct Effort {
    pub connections: usize,
    pub duration: Duration,
    pub warm_up: Duration,
    /// How often each server has its turn.
    pub rounds: usize,
}

/// Who is measured.
pub struct Contender {
    pub name: String,
    pub endpoint: Endpoint,
    pub process: Option<u32>,
    /// Whether its answers are decisions, and not always yes.
    pub decides: bool,
}

impl Contender {
    pub fn of(name: &str, site: &Site, server: &Running) -> Self {
        Self { name: name.to_owned(), endpoint: site.endpoint(server), process: Some(server.id()), decides: true }
    }

    pub(super) fn load(&self, requests: &Arc<[Prepared]>, effort: Effort, connections: usize) -> Load {
        Load {
            address: self.endpoint.address.clone(),
            scripts: Script::spread(requests, connections),
            warm_up: effort.warm_up,
            duration: effort.duration,
            process: self.process,
        }
    }

    pub(super) fn questions(&self, world: World) -> Arc<[Prepared]> {
        let questions = world.questions(QUESTIONS);
        questions
            .map(|(question, yes)| self.endpoint.evaluation(&question.to_authzen(), yes || !self.decides))
            .collect()
    }

    /// Batches of different questions.
    pub fn batches(&self, world: World, size: usize) -> Arc<[Prepared]> {
        let questions: Vec<(String, bool)> = world
            .questions(size.max(1) * BATCHES.min(QUESTIONS / size.max(1)).max(1))
            .map(|(question, yes)| (question.to_authzen(), yes))
            .collect();
        questions.chunks(size.max(1)).map(|batch| self.endpoint.evaluations(batch)).collect()
    }
}

/// Single questions against constant answers, a fixed rate, and batches.
///
/// # Errors
/// A server that cannot be asked.
pub fn http(
    world: World,
    contenders: &[Contender; 2],
    effort: Effort,
    batch: usize,
    say: Say<'_>,
) -> Result<Report, BenchError> {
    let mut report = Report::new("http", Some(world));
    let outcomes = take_turns(world, contenders, effort, say)?;
    compare(&mut report, contenders, &outcomes, effort, Some(0.80));
    say("the machine: how long it stops a thread that only looks at the clock");
    let Stalls { per_second, share, longest } = Stalls::measure(3 * effort.duration);
    report.number("the machine: stops of a busy thread, 0.5 ms and more", per_second, "a second");
    report.number("the machine: the longest of them", longest.as_micros() as f64, "us");
    report.number("the machine: what they take of the time", share * 100.0, "%");
    steady(&mut report, world, contenders, &outcomes, effort, say)?;
    let [_, evaluator] = contenders;

    let batches = evaluator.batches(world, batch);
    say(&format!("{}: batches of {batch}", evaluator.name));
    let alone = closed(&evaluator.load(&batches, effort, 1))?;
    let many = closed(&evaluator.load(&batches, effort, effort.connections))?;
    report.load(format!("batch of {batch}"), 1, None, &alone);
    report.load(format!("batch of {batch}"), effort.connections, None, &many);
    let of = |outcome: &Outcome| outcome.seconds * 1e6 / outcome.questions.max(1) as f64;
    report.number("one evaluation of a batch, end to end, one connection", of(&alone), "us");
    report.number(format!("the same, {} connections", effort.connections), of(&many), "us");
    let single = outcomes.get(1).map(|rounds| rounds.iter().map(of).sum::<f64>() / rounds.len() as f64);
    report.number(
        format!("one single evaluation, {} connections", effort.connections),
        single.unwrap_or_default(),
        "us",
    );
    settings(&mut report, effort);
    Ok(report)
}

/// Latencies at a fixed rate that a server has room for. Those of one that only says yes are what the machine gives.
///
/// The rate is a part of what came through just before: a machine whose pace changes within a minute has another limit
/// in each round, and above it nothing but the length of the queue would be measured.
fn steady(
    report: &mut Report,
    world: World,
    contenders: &[Contender; 2],
    closed: &[Vec<Outcome>],
    effort: Effort,
    say: Say<'_>,
) -> Result<(), BenchError> {
    let per_second = |rounds: &[Outcome]| median(rounds.iter().map(Outcome::per_second));
    let loads = contenders.each_ref().map(|one| one.load(&one.questions(world), effort, effort.connections));
    let mut rounds = contenders.each_ref().map(|_| Steady::default());
    for round in 1..=effort.rounds.max(1) {
        for (((contender, load), closed), steady) in contenders.iter().zip(&loads).zip(closed).zip(&mut rounds) {
            let name = &contender.name;
            say(&format!("{name}: at {:.0} percent, round {round} of {}", PART * 100.0, effort.rounds.max(1)));
            // Requests that are due cost the client more than those that follow an answer: its own limit counts here.
            let overload = Rate { per_second: per_second(closed) * OVERLOAD, tick: FINE };
            let limit = open(&Load { duration: effort.duration / 3, ..load.clone() }, overload)?;
            let rate = Rate { per_second: limit.per_second() * PART, tick: FINE };
            steady.at_part.push(open(load, rate)?);
            steady.limits.push(limit);
        }
    }
    for (contender, steady) in contenders.iter().zip(&rounds) {
        let name = &contender.name;
        let limit = per_second(&steady.limits);
        let at_part = joined(&steady.at_part);
        report.number(format!("{name}: most requests of an open loop"), limit, "a second");
        report.load(format!("{name} at {:.0} %", PART * 100.0), effort.connections, Some(limit * PART), &at_part);
        let tail = |histogram: &Histogram<u64>| {
            let at = |quantile| histogram.value_at_quantile(quantile) as f64;
            at(0.99) / at(0.5).max(1.0)
        };
        // A stall of the machine is in the latencies of a hundred times as long: the median is of many short rounds.
        let due = median(steady.at_part.iter().map(|outcome| tail(&outcome.latency)));
        let ratio = format!("{name}: p99 / p50 at a fixed rate, from when a request was due");
        match contender.decides {
            true => report.ratio_at_most(ratio, due, 3.0),
            false => report.ratio(ratio, due),
        }
        let sent = median(steady.at_part.iter().filter_map(|outcome| outcome.service.as_ref()).map(tail));
        report.ratio(format!("{name}: the same, from when it was sent"), sent);
    }
    Ok(())
}

/// The rounds of one server.
#[derive(Default)]
struct Steady {
    /// When more was due than can be answered.
    limits: Vec<Outcome>,
    /// At a part of what came through then.
    at_part: Vec<Outcome>,
}

/// Decisions under one setting against another: the first contender is what the second is compared with.
///
/// # Errors
/// A server that cannot be asked.
pub fn duel(
    bench: &'static str,
    world: World,
    contenders: &[Contender; 2],
    effort: Effort,
    say: Say<'_>,
) -> Result<Report, BenchError> {
    let mut report = Report::new(bench, Some(world));
    let outcomes = take_turns(world, contenders, effort, say)?;
    compare(&mut report, contenders, &outcomes, effort, None);
    settings(&mut report, effort);
    Ok(report)
}

fn settings(report: &mut Report, effort: Effort) {
    report.set("seconds", effort.duration.as_secs_f64());
    report.set("rounds", effort.rounds);
    report.set("distinct questions", QUESTIONS);
}

/// Each contender's rounds, in the order of the contenders.
fn take_turns(
    world: World,
    contenders: &[Contender; 2],
    effort: Effort,
    say: Say<'_>,
) -> Result<Vec<Vec<Outcome>>, BenchError> {
    let loads =
        contenders.each_ref().map(|contender| contender.load(&contender.questions(world), effort, effort.connections));
    let mut outcomes = vec![Vec::new(), Vec::new()];
    for round in 1..=effort.rounds.max(1) {
        for ((contender, load), outcomes) in contenders.iter().zip(&loads).zip(&mut outcomes) {
            say(&format!("{}: round {round} of {}", contender.name, effort.rounds.max(1)));
            outcomes.push(closed(load)?);
        }
    }
    Ok(outcomes)
}

fn compare(
    report: &mut Report,
    contenders: &[Contender; 2],
    outcomes: &[Vec<Outcome>],
    effort: Effort,
    bound: Option<f64>,
) {
    for (contender, rounds) in contenders.iter().zip(outcomes) {
        report.load(&contender.name, effort.connections, None, &joined(rounds));
    }
    let [base, other] = contenders;
    if let [bases, others] = outcomes {
        let each = bases.iter().zip(others);
        let speed = each.clone().map(|(base, other)| other.per_second() / base.per_second());
        let name = format!("throughput, {} / {}", other.name, base.name);
        match bound {
            Some(bound) => report.ratio_at_least(name, median(speed), bound),
            None => report.ratio(name, median(speed)),
        }
        let cpu = |outcome: &Outcome| outcome.server_cpu.map(|seconds| seconds / outcome.requests.max(1) as f64);
        let costs: Option<Vec<f64>> = each.map(|(base, other)| Some(cpu(other)? / cpu(base)?)).collect();
        if let Some(costs) = costs.filter(|costs| costs.iter().all(|cost| cost.is_finite())) {
            report.ratio(
                format!("processor time of a request, {} / {}", other.name, base.name),
                median(costs.into_iter()),
            );
        }
    }
}

/// What rounds of the same load gave together.
pub(super) fn joined(rounds: &[Outcome]) -> Outcome {
    let mut all = Outcome::new(rounds.iter().any(|round| round.service.is_some()));
    (all.server_cpu, all.client_cpu) = (Some(0.0), Some(0.0));
    rounds.iter().for_each(|round| all.add(round));
    all
}

/// The middle one, or the mean of the two in the middle.
pub(super) fn median(values: impl Iterator<Item = f64>) -> f64 {
    let mut values: Vec<f64> = values.collect();
    values.sort_by(f64::total_cmp);
    let at = |index: usize| values.get(index).copied();
    let middle = values.len() / 2;
    match values.len() % 2 {
        0 => at(middle).zip(at(middle.wrapping_sub(1))).map_or(0.0, |(a, b)| f64::midpoint(a, b)),
        _ => at(middle).unwrap_or_default(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_median_is_in_the_middle() {
        assert_eq!(median([3.0, 1.0, 2.0].into_iter()), 2.0);
        assert_eq!(median([4.0, 1.0].into_iter()), 2.5);
        assert_eq!(median(std::iter::empty()), 0.0);
    }
}
