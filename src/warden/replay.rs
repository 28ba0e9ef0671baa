//! Recorded questions, asked again of other policies: what would flip.
//!
//! A record of the decision log holds its question whole, and the store remembers the facts of its revision, so the
//! same question can be put to any policies. What cannot be asked as it was asked (a masked part, facts that are no more
//! remembered) is counted, never guessed. Nothing is recorded here, and nothing that is read is kept for the present.

mod question;
mod recent;

use std::collections::{BTreeMap, HashMap};
use std::fmt;
use std::sync::Arc;

use rayon::prelude::*;
use serde::{Deserialize, Serialize};

use super::facts::{Given, SessionFacts};
use crate::pdp::{Answer, Bundle, DecideError, Fact, Facts, Flip, Prepared, between};
use crate::store::{Moment, Store, StoreError};
use question::{Recorded, Skipped, recorded};
pub use recent::ReplayError;

/// How many ids of decisions are told of each group of flips.
const IDS: usize = 5;

/// Which facts recorded questions are decided on.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum ReplayFacts {
    /// Those of the revision that each was answered at.
    #[default]
    Recorded,
    /// Those of now.
    Head,
}

/// What new answers are compared with.
#[derive(Clone, Copy)]
pub enum Baseline<'b> {
    /// The answers in the records.
    Recorded,
    /// Those that these policies give to the same questions on the same facts.
    Policies(&'b Bundle),
}

/// How an answer flips, and what made it; nothing when it does not.
type Difference = Option<(Flip, String)>;

/// What flips.
#[derive(Debug, Default, Serialize, Deserialize)]
pub struct Replay {
    /// Records of decisions that were read.
    pub records: u64,
    /// Those that were decided again.
    pub replayed: u64,
    /// Different questions among them: each was decided once.
    pub questions: u64,
    /// Records that were not decided again, by the reason.
    pub skipped: BTreeMap<String, u64>,
    /// Newly allowed first, then newly refused, then refused for another reason.
    pub changes: Vec<Group>,
}

/// Questions that flip alike.
#[derive(Debug, Serialize, Deserialize)]
pub struct Group {
    pub flip: Flip,
    /// What made it, e.g. `now permitted by documents/readers`.
    pub by: String,
    pub questions: Vec<Flipped>,
}

/// A question that flips.
#[derive(Debug, Serialize, Deserialize)]
pub struct Flipped {
    /// `principal action resource`, and the context.
    pub question: String,
    /// How often it was recorded.
    pub records: u64,
    /// The first of those decisions.
    pub decisions: Vec<String>,
}

/// Questions to ask again, gathered from records.
#[derive(Default)]
pub struct Questions {
    found: HashMap<String, Recorded>,
    records: u64,
    skipped: BTreeMap<String, u64>,
}

impl Questions {
    /// Takes a line of the log in; what is no decision is no question.
    pub fn read(&mut self, line: &str) {
        match recorded(line) {
            Err(Skipped::NoDecision) => {}
            Err(skipped) => {
                self.records += 1;
                *self.skipped.entry(skipped.name().to_owned()).or_default() += 1;
            }
            Ok(recorded) => {
                self.records += 1;
                match self.found.get_mut(&recorded.key) {
                    Some(known) => known.again(recorded),
                    None => drop(self.found.insert(recorded.key.clone(), recorded)),
                }
            }
        }
    }

    pub fn is_empty(&self) -> bool {
        self.records == 0
    }
}

/// Asks recorded questions again of `policies`, on all cores. Each looks at the store for as long as it takes alone, so
/// that changes and other questions are not held up. `now` is the time for those that are asked about the head.
///
/// # Errors
/// A store that cannot answer.
pub fn replay(
    store: &dyn Store,
    policies: &Bundle,
    baseline: Baseline<'_>,
    facts: ReplayFacts,
    now: &str,
    questions: Questions,
) -> Result<Replay, StoreError> {
    let Questions { found, records, skipped } = questions;
    let mut replay = Replay { records, skipped, ..Replay::default() };
    let asked: Vec<Recorded> = found.into_values().collect();
    let outcomes: Vec<(Recorded, Result<Difference, Skipped>)> = asked
        .into_par_iter()
        .map(|recorded| {
            let now = if facts == ReplayFacts::Head { now } else { recorded.now.as_str() };
            let outcome = again(store, policies, baseline, (facts, now), &recorded);
            (recorded, outcome)
        })
        .collect();
    let mut groups: BTreeMap<(Flip, String), Vec<Flipped>> = BTreeMap::new();
    for (recorded, outcome) in outcomes {
        let outcome = match outcome {
            Err(Skipped::Store(error)) => return Err(error),
            Err(skipped) => {
                *replay.skipped.entry(skipped.name().to_owned()).or_default() += recorded.count;
                continue;
            }
            Ok(outcome) => outcome,
        };
        replay.questions += 1;
        replay.replayed += recorded.count;
        if let Some(group) = outcome {
            groups.entry(group).or_default().push(recorded.flipped(IDS));
        }
    }
    let group = |((flip, by), mut questions): ((Flip, String), Vec<Flipped>)| {
        questions.sort_by(|a, b| b.records.cmp(&a.records).then_with(|| a.question.cmp(&b.question)));
        Group { flip, by, questions }
    };
    replay.changes = groups.into_iter().map(group).collect();
    Ok(replay)
}

/// How the answer to one question flips.
fn again(
    store: &dyn Store,
    policies: &Bundle,
    baseline: Baseline<'_>,
    (facts, now): (ReplayFacts, &str),
    recorded: &Recorded,
) -> Result<Difference, Skipped> {
    let reader = match facts {
        ReplayFacts::Recorded => store.read_at(Moment::Revision(recorded.revision)),
        ReplayFacts::Head => store.read(),
    };
    let reader = reader.map_err(|error| match error {
        StoreError::OutOfReach { .. } => Skipped::OutOfReach,
        error => Skipped::Store(error),
    })?;
    let given = if recorded.alone { Given::InsteadOfStored } else { Given::BesideStored };
    let decide = |bundle: &Bundle| -> Result<Option<Answer>, Skipped> {
        let Ok((question, entities)) = recorded.question(bundle, now) else {
            // What the schema does not have is refused.
            return Ok(None);
        };
        let mut extra = HashMap::new();
        for entity in entities {
            let uid = entity.uid.clone();
            let prepared = Prepared::new(entity).map_err(|_| Skipped::Malformed)?;
            extra.insert(uid, Fact::Present(Arc::new(prepared)));
        }
        let facts = SessionFacts::new(&*reader, None, extra, given);
        decided(bundle.decide(&question, &facts as &dyn Facts))
    };
    let after = decide(policies)?;
    let before = match baseline {
        Baseline::Recorded => Some(recorded.answer(after.as_ref())),
        Baseline::Policies(bundle) => decide(bundle)?,
    };
    Ok(match (before, after) {
        (Some(before), Some(after)) => between(&before, &after),
        (None, Some(after)) if after.allowed() => Some((Flip::Allowed, "a question that there was not before".into())),
        (Some(before), None) if before.allowed() => Some((Flip::Refused, "a question that there is no more".into())),
        _ => None,
    })
}

/// An answer; nothing when the schema does not have the question.
fn decided(result: Result<Answer, DecideError>) -> Result<Option<Answer>, Skipped> {
    match result {
        Ok(answer) => Ok(Some(answer)),
        Err(DecideError::Facts(_)) => Err(Skipped::Unreadable),
        Err(_) => Ok(None),
    }
}

impl Replay {
    fn count(&self, flip: Flip) -> u64 {
        let of_kind = self.changes.iter().filter(|group| group.flip == flip);
        of_kind.flat_map(|group| &group.questions).map(|flipped| flipped.records).sum()
    }

    /// Whether somebody is allowed what was refused.
    pub fn widened(&self) -> bool {
        self.count(Flip::Allowed) > 0
    }

    /// Whether somebody is refused what was allowed.
    pub fn narrowed(&self) -> bool {
        self.count(Flip::Refused) > 0
    }

    /// In one line.
    pub fn summary(&self) -> String {
        let not = self.skipped.values().sum::<u64>();
        let why: Vec<String> = self.skipped.iter().map(|(why, count)| format!("{count} {why}")).collect();
        let why = if not == 0 { String::new() } else { format!(" ({})", why.join(", ")) };
        format!(
            "{} recorded decisions: {} newly allowed, {} newly refused, {} refused for another reason; {not} not \
             replayable{why}",
            self.records,
            self.count(Flip::Allowed),
            self.count(Flip::Refused),
            self.count(Flip::OtherReason),
        )
    }
}

impl fmt::Display for Replay {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for Group { flip, by, questions } in &self.changes {
            let what = match flip {
                Flip::Allowed => "NEWLY ALLOWED",
                Flip::Refused => "NEWLY REFUSED",
                Flip::OtherReason => "REFUSED FOR ANOTHER REASON",
            };
            writeln!(f, "{what}: {by}")?;
            for Flipped { question, records, decisions } in questions {
                writeln!(f, "  {question}  ({records}x, {})", decisions.first().map_or("-", String::as_str))?;
            }
            writeln!(f)?;
        }
        f.write_str(&self.summary())
    }
}
