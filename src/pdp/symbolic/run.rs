//! All properties, on all cores: what is asked of the solver, and what came of it.

use std::io;
use std::num::NonZeroUsize;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::{Duration, Instant};

use parking_lot::Mutex;
use serde::Serialize;
use smol_str::SmolStr;

use super::property::{Kind, Law, Other, Properties, Property};
use super::query::{self, Environment, Outcome};
use super::solver::{Session, Solver};
use super::subject::{Clause, Subject};
use super::world::{Counterexample, World};
use crate::pdp::bundle::Bundle;
use crate::pdp::fault::Faults;

/// How to prove.
#[derive(Clone, Debug)]
pub struct Settings {
    pub solver: Solver,
    /// For one question to the solver.
    pub limit: Duration,
    /// How many solvers at a time.
    pub jobs: NonZeroUsize,
}

/// What came of one property.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum Verdict {
    Proven,
    Violated,
    /// The solver gave up somewhere, and nothing else is violated. Not proven.
    Unknown,
}

/// What was found out about one property.
#[derive(Clone, Debug, Serialize)]
pub struct Finding {
    pub id: SmolStr,
    pub says: SmolStr,
    #[serde(skip_serializing_if = "String::is_empty")]
    pub file: String,
    #[serde(skip_serializing_if = "is_zero")]
    pub line: usize,
    pub verdict: Verdict,
    /// In how many request environments it was asked; for a law, of how many policies.
    pub checks: usize,
    /// What one core would have needed.
    pub seconds: f64,
    /// The place that took longest, and how many seconds.
    pub slowest: (String, f64),
    /// Where it does not hold, and where it could not be told.
    pub notes: Vec<Note>,
}

/// One place where a property is not proven.
#[derive(Clone, Debug, Serialize)]
pub struct Note {
    /// The environment or the policy.
    pub place: String,
    pub message: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub counterexample: Option<Counterexample>,
    #[serde(skip)]
    verdict: Option<Verdict>,
}

/// One piece of work.
enum Task<'a> {
    Matches(&'a Property),
    Property(&'a Property, &'a Environment),
    Law(Law, &'a Clause),
}

/// Proves all properties; `told` hears of each as soon as it is decided.
///
/// # Errors
/// Policies that do not load; a solver's failure is no error but a property that is not proven.
pub fn prove(
    bundle: &Bundle,
    properties: &Properties,
    settings: &Settings,
    told: &(dyn Fn(&Finding) + Sync),
) -> Result<Vec<Finding>, Faults> {
    let subject = Subject::new(bundle, properties)?;
    let (mut tasks, mut board) = (Vec::new(), Vec::new());
    for (index, property) in properties.properties.iter().enumerate() {
        let before = tasks.len();
        tasks.extend(work(property, &subject).into_iter().map(|task| (index, task)));
        board.push(Mutex::new(Progress::new(property, tasks.len() - before)));
    }
    on_all_cores(&tasks, settings, &|session, (index, task)| {
        let started = Instant::now();
        let note = match session {
            Ok(session) => task.run(session, &subject),
            Err(error) => Some(task.undecided(error.to_string())),
        };
        let Some(progress) = board.get(*index) else { return };
        if let Some(finding) = progress.lock().add(task, note, started.elapsed().as_secs_f64()) {
            told(finding);
        }
    });
    Ok(board.into_iter().map(|progress| progress.into_inner().finding).collect())
}

/// Does all tasks, in any order, with a solver for each thread.
pub(super) fn on_all_cores<T: Sync>(
    tasks: &[T],
    settings: &Settings,
    work: &(dyn Fn(&mut io::Result<Session>, &T) + Sync),
) {
    let next = AtomicUsize::new(0);
    std::thread::scope(|scope| {
        for _ in 0..settings.jobs.get().min(tasks.len()) {
            scope.spawn(|| {
                let mut session = Session::new(&settings.solver, settings.limit);
                while let Some(task) = tasks.get(next.fetch_add(1, Ordering::Relaxed)) {
                    work(&mut session, task);
                }
            });
        }
    });
}

fn work<'a>(property: &'a Property, subject: &'a Subject) -> Vec<Task<'a>> {
    match &property.kind {
        Kind::Law(law) => subject.clauses.iter().map(|clause| Task::Law(*law, clause)).collect(),
        Kind::Denied(policy, _) | Kind::Allowed(policy) => {
            let about = subject.environments.iter().filter(|env| env.admits(policy));
            std::iter::once(Task::Matches(property)).chain(about.map(|env| Task::Property(property, env))).collect()
        }
    }
}

struct Progress {
    finding: Finding,
    left: usize,
}

impl Progress {
    fn new(property: &Property, tasks: usize) -> Self {
        let asked = match property.kind {
            Kind::Law(_) => tasks,
            Kind::Denied(..) | Kind::Allowed(_) => tasks.saturating_sub(1),
        };
        let finding = Finding {
            id: property.id.clone(),
            says: property.says.clone(),
            file: property.file.clone(),
            line: property.line,
            verdict: Verdict::Proven,
            checks: asked,
            seconds: 0.0,
            slowest: (String::new(), 0.0),
            notes: Vec::new(),
        };
        Self { finding, left: tasks }
    }

    /// Takes what came of one piece of work; answers the finding when it was the last.
    fn add(&mut self, task: &Task, note: Option<Note>, seconds: f64) -> Option<&Finding> {
        let finding = &mut self.finding;
        finding.seconds += seconds;
        if seconds > finding.slowest.1 {
            finding.slowest = (task.place(), seconds);
        }
        if let Some(note) = note {
            finding.verdict = match (finding.verdict, note.verdict) {
                (Verdict::Violated, _) | (_, Some(Verdict::Violated)) => Verdict::Violated,
                _ => Verdict::Unknown,
            };
            finding.notes.push(note);
        }
        self.left -= 1;
        if self.left > 0 {
            return None;
        }
        finding.notes.sort_by(|a, b| a.place.cmp(&b.place));
        Some(finding)
    }
}

impl Task<'_> {
    /// Nothing when it holds.
    fn run(&self, session: &mut Session, subject: &Subject) -> Option<Note> {
        match self {
            Self::Matches(property) => {
                let (Kind::Denied(policy, _) | Kind::Allowed(policy)) = &property.kind else { return None };
                match query::can_match(session, subject, policy) {
                    Ok(true) => None,
                    Ok(false) => Some(self.violated("it says nothing: no input is meant by it".to_owned(), None)),
                    Err(why) => Some(self.undecided(why)),
                }
            }
            Self::Property(property, env) => match query::property(session, subject, env, &property.kind) {
                Ok(Outcome::Holds) => None,
                Ok(Outcome::Fails(None)) => Some(self.violated("it does not hold".to_owned(), None)),
                Ok(Outcome::Fails(Some(found))) => Some(self.shown(subject, env, &property.kind, &found)),
                Err(why) => Some(self.undecided(why)),
            },
            Self::Law(law, clause) => match query::law(session, subject, *law, clause) {
                Ok((Outcome::Holds, _)) => None,
                Ok((Outcome::Fails(Some(found)), Some(env))) => {
                    Some(self.shown(subject, env, &Kind::Law(*law), &found))
                }
                Ok((Outcome::Fails(_), _)) => Some(self.violated(law.broken().to_owned(), None)),
                Err(why) => Some(self.undecided(why)),
            },
        }
    }

    /// A world of the solver's, asked again before it is believed.
    fn shown(&self, subject: &Subject, env: &Environment, kind: &Kind, found: &cedar_policy_symcc::Env) -> Note {
        let other: Option<&Other> = match kind {
            Kind::Denied(_, other) => other.as_ref(),
            Kind::Allowed(_) | Kind::Law(_) => None,
        };
        let replayed = World::read(subject, None, env, found).and_then(|world| world.replay(env, other));
        match replayed {
            Err(why) => self.undecided(format!("the solver's counterexample cannot be replayed: {why}")),
            Ok(shown) => {
                let compared = shown.compared.as_ref().map(|compared| compared.decision);
                let shows = match kind {
                    Kind::Denied(..) => shown.decision == "allow" && compared != Some("allow"),
                    Kind::Allowed(_) => shown.decision == "deny",
                    Kind::Law(_) => !shown.errors.is_empty(),
                };
                let message = match kind {
                    Kind::Law(law) => law.broken().to_owned(),
                    Kind::Allowed(_) => "denied".to_owned(),
                    Kind::Denied(_, None) => "allowed".to_owned(),
                    Kind::Denied(_, Some(_)) => "allowed, and the question it is compared with is not".to_owned(),
                };
                match shows {
                    true => self.violated(message, Some(shown)),
                    false => Note {
                        counterexample: Some(shown),
                        ..self.undecided("the solver's counterexample shows nothing when it is replayed".to_owned())
                    },
                }
            }
        }
    }

    fn violated(&self, message: String, counterexample: Option<Counterexample>) -> Note {
        Note { place: self.place(), message, counterexample, verdict: Some(Verdict::Violated) }
    }

    fn undecided(&self, message: String) -> Note {
        Note { place: self.place(), message, counterexample: None, verdict: Some(Verdict::Unknown) }
    }

    fn place(&self) -> String {
        match self {
            Self::Matches(_) => "everywhere".to_owned(),
            Self::Property(_, env) => env.to_string(),
            Self::Law(_, clause) => clause.policy.id().to_string(),
        }
    }
}

#[expect(clippy::trivially_copy_pass_by_ref, reason = "serde asks for a reference")]
fn is_zero(line: &usize) -> bool {
    *line == 0
}
