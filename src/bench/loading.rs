//! A large store: what it takes to fill it, to start on it, and to serve a part of it and all of it.

use std::time::{Duration, Instant};

use super::BenchError;
use super::client::{Connection, Verdict};
use super::contest::Contender;
use super::process::Running;
use super::report::Report;
use super::site::{Loading, Say, Site};
use super::world::World;
use crate::process::memory;

/// Questions in one request, while everything is asked about once.
const BATCH: usize = 100;
const MEGABYTE: f64 = 1_048_576.0;

/// Measures a store from its making on: `working_set` is so many entities that are asked about before all are.
///
/// # Errors
/// A server that does not start or cannot be asked.
pub fn loading(site: &Site, args: &[String], working_set: u64, say: Say<'_>) -> Result<Report, BenchError> {
    let world = site.world;
    let mut report = Report::new("load", Some(world));
    report.set("working set", working_set);
    if let Some(Loading { generating, file_bytes, importing, peak_rss }) = site.loading {
        report.number("generating the world", generating.as_micros() as f64, "us");
        report.number("its file", file_bytes as f64 / MEGABYTE, "MiB");
        report.number("importing it", importing.as_micros() as f64, "us");
        report.number("importing it", world.entities() as f64 / importing.as_secs_f64(), "entities a second");
        if let Some(peak) = peak_rss {
            report.number("importing it, most memory", peak as f64 / MEGABYTE, "MiB");
        }
    }
    report.number("the store's files", site.bytes()? as f64 / MEGABYTE, "MiB");
    say("starting");
    let server = site.serve(args)?;
    let contender = Contender::of("hubwarden", site, &server);
    report.number("start until it listens", server.starting.as_micros() as f64, "us");
    let first = sweep(&contender, world, 1, Some(1))?;
    report.number("start until the first right answer", (first.ended - server.started).as_micros() as f64, "us");
    first.count(&mut report);
    resident(&mut report, &server, "after the first answer");

    say(&format!("asking about {working_set} entities"));
    for (round, name) in ["first time", "again"].into_iter().enumerate() {
        let swept = sweep(&contender, world, working_set, None)?;
        swept.count(&mut report);
        report.number(format!("working set, {name}: one evaluation"), swept.micros(), "us");
        if round == 1 {
            resident(&mut report, &server, "serving the working set");
        }
    }
    if working_set < world.entities() {
        say("asking about all of them");
        let swept = sweep(&contender, world, world.entities(), None)?;
        swept.count(&mut report);
        report.number("all entities, once: one evaluation", swept.micros(), "us");
        resident(&mut report, &server, "having served all");
    }
    if let Some(memory) = memory(server.id()) {
        report.number("most memory of the server", memory.peak as f64 / MEGABYTE, "MiB");
    }
    Ok(report)
}

fn resident(report: &mut Report, server: &Running, when: &str) {
    if let Some(memory) = memory(server.id()) {
        report.number(format!("memory {when}"), memory.now as f64 / MEGABYTE, "MiB");
    }
}

/// What asking about everything once gave.
struct Swept {
    questions: u64,
    wrong: u64,
    refused: u64,
    took: Duration,
    ended: Instant,
}

impl Swept {
    fn micros(&self) -> f64 {
        self.took.as_micros() as f64 / self.questions.max(1) as f64
    }

    fn count(&self, report: &mut Report) {
        report.wrong += self.wrong;
        report.failed += self.refused;
    }
}

/// Asks about every member, token and repository of a part of a world, in batches on one connection.
fn sweep(server: &Contender, world: World, entities: u64, at_most: Option<usize>) -> Result<Swept, BenchError> {
    let failed = || BenchError::io(format!("asking {}", server.endpoint.address));
    let runtime = tokio::runtime::Builder::new_current_thread().enable_io().build().map_err(failed())?;
    runtime.block_on(async {
        let mut connection = Connection::open(&server.endpoint.address).await.map_err(failed())?;
        let mut swept = Swept { questions: 0, wrong: 0, refused: 0, took: Duration::ZERO, ended: Instant::now() };
        let mut questions = world.sweep(entities).take(at_most.unwrap_or(usize::MAX));
        loop {
            let batch: Vec<(String, bool)> =
                questions.by_ref().take(BATCH).map(|(question, yes)| (question.to_authzen(), yes)).collect();
            if batch.is_empty() {
                return Ok(swept);
            }
            let request = server.endpoint.evaluations(&batch);
            let sent = Instant::now();
            let verdict = connection.ask(&request).await.map_err(failed())?;
            swept.ended = Instant::now();
            swept.took += swept.ended - sent;
            swept.questions += batch.len() as u64;
            match verdict {
                Verdict::Right => {}
                Verdict::Wrong => swept.wrong += 1,
                Verdict::Refused(_) => swept.refused += 1,
            }
        }
    })
}
