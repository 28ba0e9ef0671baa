//! Candidates on live traffic: policies that are asked every question too, and whose answers nobody gets.
//!
//! A question is offered after it was answered, and decided by one thread of its own on the facts of the same revision.
//! What there is no room for is dropped and counted: no answer ever waits, and none is touched. What it decides leaves
//! no record; mismatches are counted, and the last of them kept to be looked at.

use std::collections::{HashMap, VecDeque};
use std::path::PathBuf;
use std::sync::Arc;
use std::sync::mpsc::{Receiver, SyncSender, sync_channel};
use std::thread::JoinHandle;

use arc_swap::ArcSwap;
use jiff::Timestamp;
use parking_lot::Mutex;
use serde::Serialize;
use uuid::Uuid;

use super::Warden;
use super::bundle::{BundleError, Failure};
use super::decisions::Decided;
use super::facts::{Given, SessionFacts};
use super::metrics::Metrics;
use super::session::Ruling;
use super::source::folder;
use crate::clock::Clock;
use crate::entity::Uid;
use crate::pdp::{Answer, Bundle, Decision, Fact, Flip, Question, between};
use crate::store::{Moment, Revision, Store};

/// Questions that wait for the candidate.
const ROOM: usize = 4_096;
/// Mismatches that are kept.
const SAMPLES: usize = 100;

/// A candidate beside the policies in force.
pub(super) struct Shadow {
    candidate: Arc<Candidate>,
    offers: Mutex<Option<SyncSender<Offer>>>,
    thread: Mutex<Option<JoinHandle<()>>>,
    metrics: Arc<Metrics>,
}

struct Candidate {
    policies: PathBuf,
    schema: PathBuf,
    bundle: ArcSwap<Bundle>,
    state: Mutex<State>,
}

struct State {
    loaded_at: Timestamp,
    failure: Option<Failure>,
    counts: Counts,
    samples: VecDeque<Sample>,
}

/// A question that was answered.
struct Offer {
    id: Uuid,
    question: Question,
    extra: HashMap<Uid, Fact>,
    given: Given,
    revision: Revision,
    answer: Arc<Decided>,
}

/// What the candidate's answers came to, since it was loaded.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize)]
pub struct Counts {
    pub same: u64,
    /// It allows what was refused.
    pub widened: u64,
    /// It refuses what was allowed.
    pub narrowed: u64,
    pub other_reason: u64,
    /// It cannot decide.
    pub error: u64,
    /// It was not asked: too many waited.
    pub dropped: u64,
}

/// A question that the candidate decides in another way.
#[derive(Clone, Debug, Serialize)]
pub struct Sample {
    pub decision_id: String,
    pub flip: Flip,
    pub by: String,
    pub principal: String,
    pub action: String,
    pub resource: String,
    pub revision: u64,
    pub decided: Side,
    pub candidate: Side,
}

/// One of two answers.
#[derive(Clone, Debug, Serialize)]
pub struct Side {
    /// `allow` or `deny`.
    pub decision: Decision,
    pub determining: Vec<String>,
    pub reason: Option<String>,
}

/// How a candidate does.
#[derive(Clone, Debug, Serialize)]
pub struct ShadowReport {
    /// The candidate's hash.
    pub bundle: String,
    pub policies: PathBuf,
    pub schema: PathBuf,
    pub loaded_at: Timestamp,
    /// The last attempt to read its folder again, if that failed.
    pub failure: Option<Failure>,
    pub counts: Counts,
    /// The last mismatches, the newest first.
    pub samples: Vec<Sample>,
}

impl Side {
    fn of(answer: &Answer) -> Self {
        Self {
            decision: answer.decision,
            determining: answer.determining.iter().map(ToString::to_string).collect(),
            reason: answer.reason.as_ref().map(|reason| reason.code.to_string()),
        }
    }
}

impl Warden {
    /// Asks the policies in a folder every question, too, from now on.
    ///
    /// # Errors
    /// Files that cannot be read, or that are not valid.
    pub fn shadow(&self, policies: PathBuf, schema: PathBuf) -> Result<(), BundleError> {
        let bundle = Bundle::build(folder(&policies, &schema)?)?;
        let state =
            State { loaded_at: self.clock.now(), failure: None, counts: Counts::default(), samples: VecDeque::new() };
        let candidate =
            Arc::new(Candidate { policies, schema, bundle: ArcSwap::from_pointee(bundle), state: Mutex::new(state) });
        let (offers, offered) = sync_channel(ROOM);
        let thread = {
            let (candidate, store, metrics) =
                (Arc::clone(&candidate), Arc::clone(&self.store), Arc::clone(&self.metrics));
            std::thread::Builder::new()
                .name("shadow".to_owned())
                .spawn(move || candidate.run(&offered, store.as_ref(), &metrics))
                .map_err(|source| crate::store::StoreError::Io {
                    what: "cannot start the thread of the shadow policies".to_owned(),
                    source,
                })?
        };
        let shadow = Shadow {
            candidate,
            offers: Mutex::new(Some(offers)),
            thread: Mutex::new(Some(thread)),
            metrics: Arc::clone(&self.metrics),
        };
        // There is one for the life of a process; a second one would be asked nothing.
        let _ = self.shadow.set(shadow);
        Ok(())
    }

    /// Where the candidate comes from, if there is one.
    pub(super) fn shadow_paths(&self) -> Option<[PathBuf; 2]> {
        self.shadow.get().map(|shadow| [shadow.candidate.policies.clone(), shadow.candidate.schema.clone()])
    }

    /// Reads the candidate's folder again; counts begin anew when it is another one. What fails is kept in its report,
    /// and the candidate stays.
    pub fn reload_shadow(&self) {
        if let Some(shadow) = self.shadow.get() {
            shadow.candidate.reload(self.clock.as_ref());
        }
    }

    /// How the candidate does, if there is one.
    pub fn shadow_report(&self) -> Option<ShadowReport> {
        let candidate = &self.shadow.get()?.candidate;
        let state = candidate.state.lock();
        Some(ShadowReport {
            bundle: candidate.bundle.load().hash().to_owned(),
            policies: candidate.policies.clone(),
            schema: candidate.schema.clone(),
            loaded_at: state.loaded_at,
            failure: state.failure.clone(),
            counts: state.counts,
            samples: state.samples.iter().rev().cloned().collect(),
        })
    }
}

impl Shadow {
    /// Hands an answered question over, if there is room.
    pub fn offer(&self, ruling: &Ruling, question: Question, (extra, given): (&HashMap<Uid, Fact>, Given)) {
        let offer = Offer {
            id: ruling.id,
            question,
            extra: extra.clone(),
            given,
            revision: ruling.revision,
            answer: Arc::clone(&ruling.answer),
        };
        let taken = self.offers.lock().as_ref().is_some_and(|offers| offers.try_send(offer).is_ok());
        if !taken {
            self.candidate.state.lock().counts.dropped += 1;
            self.metrics.shadowed("dropped");
        }
    }

    /// Ends its thread, after what was handed over.
    pub fn close(&self) {
        drop(self.offers.lock().take());
        if self.thread.lock().take().is_some_and(|thread| thread.join().is_err()) {
            tracing::error!("the shadow policies ended badly");
        }
    }
}

impl Candidate {
    fn run(&self, offered: &Receiver<Offer>, store: &dyn Store, metrics: &Metrics) {
        while let Ok(offer) = offered.recv() {
            let bundle = self.bundle.load_full();
            let outcome = decide(&bundle, store, &offer);
            let mut state = self.state.lock();
            // A candidate that was replaced meanwhile is not counted for the new one.
            if bundle.hash() != self.bundle.load().hash() {
                continue;
            }
            let counts = &mut state.counts;
            let (result, count) = match &outcome {
                Err(()) => ("error", &mut counts.error),
                Ok((_, None)) => ("same", &mut counts.same),
                Ok((_, Some((Flip::Allowed, _)))) => ("widened", &mut counts.widened),
                Ok((_, Some((Flip::Refused, _)))) => ("narrowed", &mut counts.narrowed),
                Ok((_, Some((Flip::OtherReason, _)))) => ("other_reason", &mut counts.other_reason),
            };
            *count += 1;
            metrics.shadowed(result);
            if let Ok((answer, Some((flip, by)))) = outcome {
                if state.samples.len() == SAMPLES {
                    state.samples.pop_front();
                }
                state.samples.push_back(sample(&offer, &answer, flip, by));
            }
        }
    }

    fn reload(&self, clock: &dyn Clock) {
        let read = folder(&self.policies, &self.schema).map_err(BundleError::from);
        let built = read.and_then(|source| Ok(Bundle::build(source)?));
        let mut state = self.state.lock();
        match built {
            Ok(bundle) => {
                state.failure = None;
                if bundle.hash() != self.bundle.load().hash() {
                    tracing::info!(bundle = bundle.hash(), "other shadow policies are asked");
                    self.bundle.store(Arc::new(bundle));
                    state.loaded_at = clock.now();
                    state.counts = Counts::default();
                    state.samples.clear();
                }
            }
            Err(error) => {
                let message = error.to_string();
                if state.failure.as_ref().is_none_or(|failure| failure.message != message) {
                    tracing::error!("the shadow policies were not reloaded:\n{message}");
                    state.failure = Some(Failure::new(clock.now(), message));
                }
            }
        }
    }
}

type Difference = Option<(Flip, String)>;

fn decide(bundle: &Bundle, store: &dyn Store, offer: &Offer) -> Result<(Answer, Difference), ()> {
    let head = store.read().map_err(drop)?;
    let reader = match head.revision() == offer.revision {
        true => head,
        false => {
            drop(head);
            store.read_at(Moment::Revision(offer.revision)).map_err(drop)?
        }
    };
    let facts = SessionFacts::new(&*reader, None, offer.extra.clone(), offer.given);
    let answer = bundle.decide(&offer.question, &facts).map_err(drop)?;
    let difference = between(&offer.answer, &answer);
    Ok((answer, difference))
}

fn sample(offer: &Offer, answer: &Answer, flip: Flip, by: String) -> Sample {
    Sample {
        decision_id: offer.id.to_string(),
        flip,
        by,
        principal: offer.question.principal.to_string(),
        action: offer.question.action.to_string(),
        resource: offer.question.resource.to_string(),
        revision: offer.revision.0,
        decided: Side::of(&offer.answer),
        candidate: Side::of(answer),
    }
}
