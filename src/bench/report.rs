//! What a run gave: a table for people, one JSON object for programs.

use std::collections::BTreeMap;
use std::fmt::{self, Write as _};

use hdrhistogram::Histogram;
use serde::Serialize;

use super::load::Outcome;
use super::world::World;

/// Everything that a run measured, and on what.
#[derive(Debug, Serialize)]
pub struct Report {
    pub bench: &'static str,
    pub machine: Machine,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub world: Option<WorldOf>,
    /// What was asked for: connections, seconds, arguments of the server.
    pub settings: BTreeMap<&'static str, String>,
    pub loads: Vec<Row>,
    pub numbers: Vec<Number>,
    pub ratios: Vec<Ratio>,
    /// Answers that were not as expected, in all loads.
    pub wrong: u64,
    /// Requests without an answer, in all loads.
    pub failed: u64,
}

#[derive(Debug, Serialize)]
pub struct Machine {
    pub processors: usize,
    pub system: String,
    pub version: &'static str,
    /// `release`, or `debug`: numbers of a debug build say nothing about speed.
    pub build: &'static str,
}

#[derive(Debug, Serialize)]
pub struct WorldOf {
    pub entities: u64,
    pub seed: u64,
}

/// One load.
#[derive(Debug, Serialize)]
pub struct Row {
    pub name: String,
    pub connections: usize,
    /// Requests a second that were to be sent, in an open loop.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub rate: Option<f64>,
    pub requests: u64,
    pub requests_per_second: f64,
    pub questions_per_second: f64,
    pub latency_us: Latency,
    /// From sending on; `latency_us` of an open loop counts from when a request was due.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub service_us: Option<Latency>,
    pub wrong: u64,
    pub refused: BTreeMap<u16, u64>,
    pub unsent: u64,
    /// Processor time of the server for one request, and how much of one processor the client took.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub server_cpu_us: Option<f64>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub client_processors: Option<f64>,
}

#[derive(Debug, Serialize)]
pub struct Latency {
    pub p50: f64,
    pub p90: f64,
    pub p99: f64,
    pub p999: f64,
    pub max: f64,
}

#[derive(Debug, Serialize)]
pub struct Number {
    pub name: String,
    pub value: f64,
    pub unit: &'static str,
}

/// A number that does not depend on the machine, and what it should be.
#[derive(Debug, Serialize)]
pub struct Ratio {
    pub name: String,
    pub value: f64,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub at_least: Option<f64>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub at_most: Option<f64>,
}

impl Latency {
    fn of(histogram: &Histogram<u64>) -> Self {
        let at = |quantile| histogram.value_at_quantile(quantile) as f64 / 1_000.0;
        Self { p50: at(0.5), p90: at(0.9), p99: at(0.99), p999: at(0.999), max: histogram.max() as f64 / 1_000.0 }
    }
}

impl Row {
    pub fn new(name: impl Into<String>, connections: usize, rate: Option<f64>, outcome: &Outcome) -> Self {
        let requests = outcome.requests.max(1) as f64;
        Self {
            name: name.into(),
            connections,
            rate,
            requests: outcome.requests,
            requests_per_second: outcome.per_second(),
            questions_per_second: outcome.questions as f64 / outcome.seconds,
            latency_us: Latency::of(&outcome.latency),
            service_us: outcome.service.as_ref().map(Latency::of),
            wrong: outcome.wrong,
            refused: outcome.refused.clone(),
            unsent: outcome.unsent,
            server_cpu_us: outcome.server_cpu.map(|seconds| seconds * 1e6 / requests),
            client_processors: outcome.client_cpu.map(|seconds| seconds / outcome.seconds),
        }
    }
}

impl Report {
    pub fn new(bench: &'static str, world: Option<World>) -> Self {
        let machine = Machine {
            processors: std::thread::available_parallelism().map_or(1, usize::from),
            system: format!("{} {}", std::env::consts::OS, std::env::consts::ARCH),
            version: env!("CARGO_PKG_VERSION"),
            build: if cfg!(debug_assertions) { "debug" } else { "release" },
        };
        Self {
            bench,
            machine,
            world: world.map(|world| WorldOf { entities: world.entities(), seed: world.seed() }),
            settings: BTreeMap::new(),
            loads: Vec::new(),
            numbers: Vec::new(),
            ratios: Vec::new(),
            wrong: 0,
            failed: 0,
        }
    }

    pub fn set(&mut self, name: &'static str, value: impl fmt::Display) {
        self.settings.insert(name, value.to_string());
    }

    pub fn load(&mut self, name: impl Into<String>, connections: usize, rate: Option<f64>, outcome: &Outcome) {
        let row = Row::new(name, connections, rate, outcome);
        self.wrong += row.wrong;
        self.failed += row.refused.values().sum::<u64>() + row.unsent;
        self.loads.push(row);
    }

    pub fn number(&mut self, name: impl Into<String>, value: f64, unit: &'static str) {
        self.numbers.push(Number { name: name.into(), value, unit });
    }

    pub fn ratio_at_least(&mut self, name: impl Into<String>, value: f64, bound: f64) {
        self.ratios.push(Ratio { name: name.into(), value, at_least: Some(bound), at_most: None });
    }

    pub fn ratio_at_most(&mut self, name: impl Into<String>, value: f64, bound: f64) {
        self.ratios.push(Ratio { name: name.into(), value, at_least: None, at_most: Some(bound) });
    }

    /// Whether every ratio is within its bound.
    pub fn meets_its_bounds(&self) -> bool {
        self.ratios.iter().all(Ratio::is_met)
    }

    pub fn ratio(&mut self, name: impl Into<String>, value: f64) {
        self.ratios.push(Ratio { name: name.into(), value, at_least: None, at_most: None });
    }
}

impl Ratio {
    fn is_met(&self) -> bool {
        self.at_least.is_none_or(|bound| self.value >= bound) && self.at_most.is_none_or(|bound| self.value <= bound)
    }
}

/// A time in a unit that reads well.
fn time(micros: f64) -> String {
    match micros {
        us if us < 1_000.0 => format!("{us:.0} us"),
        us if us < 1_000_000.0 => format!("{:.2} ms", us / 1_000.0),
        us => format!("{:.2} s", us / 1_000_000.0),
    }
}

impl fmt::Display for Report {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Machine { processors, system, version, build } = &self.machine;
        writeln!(f, "hubwarden {version}, {build} build, {processors} processors, {system}")?;
        if let Some(WorldOf { entities, seed }) = &self.world {
            writeln!(f, "world: {entities} entities, seed {seed}")?;
        }
        let settings: Vec<String> = self.settings.iter().map(|(name, value)| format!("{name}: {value}")).collect();
        writeln!(f, "{}", settings.join("; "))?;
        if !self.loads.is_empty() {
            writeln!(f)?;
            write!(f, "{}", table(&self.loads))?;
        }
        if !self.numbers.is_empty() {
            writeln!(f)?;
        }
        let width =
            self.numbers.iter().map(|number| number.name.len()).chain(self.ratios.iter().map(|ratio| ratio.name.len()));
        let width = width.max().unwrap_or_default();
        for Number { name, value, unit } in &self.numbers {
            match *unit {
                "us" => writeln!(f, "{name:width$}  {}", time(*value))?,
                unit => writeln!(f, "{name:width$}  {value:.1} {unit}")?,
            }
        }
        if !self.ratios.is_empty() {
            writeln!(f)?;
        }
        for ratio in &self.ratios {
            let bound = match (ratio.at_least, ratio.at_most) {
                (Some(bound), _) => format!("at least {bound:.2}: "),
                (None, Some(bound)) => format!("at most {bound:.2}: "),
                (None, None) => String::new(),
            };
            let met = match () {
                () if bound.is_empty() => "",
                () if ratio.is_met() => "met",
                () => "missed",
            };
            writeln!(f, "{:width$}  {:.3}  {bound}{met}", ratio.name, ratio.value)?;
        }
        writeln!(f)?;
        write!(f, "wrong answers: {}; without an answer: {}", self.wrong, self.failed)
    }
}

fn table(rows: &[Row]) -> String {
    let head = [
        "load",
        "conns",
        "req/s",
        "questions/s",
        "p50",
        "p90",
        "p99",
        "p99.9",
        "max",
        "server cpu",
        "client",
        "wrong",
        "failed",
    ];
    let mut lines: Vec<Vec<String>> = vec![head.iter().map(|&cell| cell.to_owned()).collect()];
    for row in rows {
        let latency = &row.latency_us;
        let failed = row.refused.values().sum::<u64>() + row.unsent;
        lines.push(vec![
            row.name.clone(),
            row.connections.to_string(),
            format!("{:.0}", row.requests_per_second),
            format!("{:.0}", row.questions_per_second),
            time(latency.p50),
            time(latency.p90),
            time(latency.p99),
            time(latency.p999),
            time(latency.max),
            row.server_cpu_us.map_or("-".to_owned(), time),
            row.client_processors.map_or("-".to_owned(), |share| format!("{share:.2}")),
            row.wrong.to_string(),
            failed.to_string(),
        ]);
    }
    let width =
        |column: usize| lines.iter().filter_map(|line| line.get(column)).map(String::len).max().unwrap_or_default();
    let widths: Vec<usize> = (0..head.len()).map(width).collect();
    let mut text = String::new();
    for line in &lines {
        for (column, (cell, width)) in line.iter().zip(&widths).enumerate() {
            // Writing to a `String` cannot fail.
            let _ = if column == 0 { write!(text, "{cell:width$}") } else { write!(text, "  {cell:>width$}") };
        }
        text.push('\n');
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_report_meets_its_bounds_when_every_ratio_does() {
        let mut report = Report::new("test", None);
        report.ratio("without a bound", 17.0);
        report.ratio_at_least("high enough", 0.8, 0.8);
        report.ratio_at_most("low enough", 2.9, 3.0);
        assert!(report.meets_its_bounds());
        report.ratio_at_least("too low", 0.79, 0.8);
        assert!(!report.meets_its_bounds());
        let text = report.to_string();
        assert!(text.contains("at least 0.80: met") && text.contains("at least 0.80: missed"), "{text}");
    }

    #[test]
    fn times_are_written_in_the_unit_that_fits() {
        assert_eq!([time(12.4), time(1_500.0), time(2.5e6)], ["12 us", "1.50 ms", "2.50 s"]);
    }
}
