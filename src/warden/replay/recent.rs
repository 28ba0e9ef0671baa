//! A server's own log, replayed; and the gate that demands it before other policies take over.

use std::fmt::Write as _;
use std::io;

use super::{Baseline, Questions, Replay, ReplayFacts, replay};
use crate::audit::{Filter, newest_first};
use crate::clock::rfc3339;
use crate::pdp::{Bundle, Flip};
use crate::store::StoreError;
use crate::warden::bundle::BundleError;
use crate::warden::{BundleOrigin, Warden};

/// Beside the policies: hashes of bundles whose flips are accepted, one a line.
const ACCEPTED: &str = "accepted-flips";
/// How many of the questions that flip a refusal names.
const SHOWN: usize = 5;

/// Why recorded questions cannot be asked again.
#[derive(Debug, thiserror::Error)]
pub enum ReplayError {
    #[error("there is no decision log to replay")]
    NoLog,
    #[error("the decision log cannot be read: {0}")]
    Log(#[from] io::Error),
    #[error(transparent)]
    Store(#[from] StoreError),
}

impl Warden {
    /// Asks the last recorded questions again, of other policies. Takes its time; run it on a blocking thread.
    ///
    /// # Errors
    /// No log, or one that cannot be read; a store that cannot answer.
    pub fn replay(
        &self,
        policies: &Bundle,
        baseline: Baseline<'_>,
        facts: ReplayFacts,
        last: usize,
    ) -> Result<Replay, ReplayError> {
        self.audit.flush();
        let (dir, _) = self.audit.place().ok_or(ReplayError::NoLog)?;
        let filter = Filter { kind: Some("decision".to_owned()), ..Filter::default() };
        let page = newest_first(dir, &filter, None, last, u64::MAX)?;
        let mut questions = Questions::default();
        page.found.iter().for_each(|found| questions.read(&found.line));
        let now = rfc3339(self.clock.now());
        Ok(replay(self.store.as_ref(), policies, baseline, facts, &now, questions)?)
    }

    /// Lets no policies take over from now on by which one of the last `last` recorded questions would be decided in
    /// another way, on the facts of now. Where other policies served this store before, they are compared at once.
    ///
    /// # Errors
    /// The policies in force flip decisions; there is no log.
    pub fn demand_replay(&self, last: usize) -> Result<(), BundleError> {
        if self.audit.place().is_none() {
            return Err(BundleError::Flips(ReplayError::NoLog.to_string()));
        }
        // Set once; a second one would not loosen the first.
        let _ = self.replay_gate.set(last);
        let current = self.bundle();
        match self.served_before()? {
            Some(before) if before.hash() != current.hash() => self.compare(&before, &current, false),
            _ => Ok(()),
        }
    }

    /// Whether a bundle may follow the one in force, as far as recorded questions tell.
    pub(in crate::warden) fn pass_replay(&self, bundle: &Bundle, accepted: bool) -> Result<(), BundleError> {
        self.compare(&self.bundle(), bundle, accepted)
    }

    fn compare(&self, before: &Bundle, bundle: &Bundle, accepted: bool) -> Result<(), BundleError> {
        let Some(last) = self.replay_gate.get() else {
            return Ok(());
        };
        let found = self.replay(bundle, Baseline::Policies(before), ReplayFacts::Head, *last);
        let found = found.map_err(|error| BundleError::Flips(error.to_string()))?;
        if !found.widened() && !found.narrowed() {
            return Ok(());
        }
        if accepted || self.accepts(bundle) {
            tracing::warn!(bundle = bundle.hash(), flips = found.summary(), "recorded decisions flip, as accepted");
            return Ok(());
        }
        Err(BundleError::Flips(refusal(&found, bundle.hash())))
    }

    /// Whether the file beside the policies names the bundle.
    fn accepts(&self, bundle: &Bundle) -> bool {
        let BundleOrigin::Folder { policies, .. } = self.bundle_status().origin else {
            return false;
        };
        let text = std::fs::read_to_string(policies.join(ACCEPTED)).unwrap_or_default();
        text.lines().any(|line| line.split('#').next().unwrap_or_default().trim() == bundle.hash())
    }
}

fn refusal(found: &Replay, hash: &str) -> String {
    let mut text = found.summary();
    let flipped = found.changes.iter().filter(|group| group.flip != Flip::OtherReason);
    for (by, question) in flipped.flat_map(|group| group.questions.iter().map(|one| (&group.by, one))).take(SHOWN) {
        // Writing to a text cannot fail.
        let _ = write!(text, "\n  {}: {by}", question.question);
    }
    let _ = write!(
        text,
        "\nto accept them, write {hash} into the file `{ACCEPTED}` beside the policies, or put the bundle with \
         `?accept_flips=true`"
    );
    text
}
