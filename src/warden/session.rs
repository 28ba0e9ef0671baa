//! Asking: one bundle and one store revision, for one question or a batch of them.

use std::cell::OnceCell;
use std::collections::HashMap;
use std::sync::Arc;
use std::time::{Duration, Instant};

use jiff::Timestamp;
use smol_str::SmolStr;
use tracing::field::Empty;
use uuid::Uuid;

use super::Warden;
use super::cache::FactCache;
use super::decisions::{Decided, DecisionCache, Keep};
use super::facts::{Given, Read, SessionFacts};
use crate::audit::Unavailable;
use crate::clock::rfc3339;
use crate::entity::{Entity, Record, Uid};
use crate::pdp::{Bundle, DecideError, Fact, Lasting, PrepareError, Prepared, Question, Reason};
use crate::store::{ListQuery, Lookup, Moment, Reader, Revision, Store, StoreError, Stored, Table};

/// Through which face a question came, as metrics and records name it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Api {
    Authzen,
    Native,
    CedarAgent,
    /// A service that passes on the credential it received.
    Check,
    /// The clients' own questions, in the words of the hub they know.
    Face,
    /// A gateway that asks before it passes a request on.
    Gateway,
    /// Somebody who asks why.
    Explain,
    /// What must be decided before tokens are managed.
    Tokens,
    Cli,
}

impl Api {
    pub fn name(self) -> &'static str {
        match self {
            Self::Authzen => "authzen",
            Self::Native => "native",
            Self::CedarAgent => "cedar_agent",
            Self::Check => "check",
            Self::Face => "face",
            Self::Gateway => "gateway",
            Self::Explain => "explain",
            Self::Tokens => "tokens",
            Self::Cli => "cli",
        }
    }
}

/// A question as it was asked.
#[derive(Clone, Debug)]
pub struct Asked {
    pub principal: Uid,
    pub action: Uid,
    pub resource: Uid,
    /// Read under the schema of the session's bundle.
    pub context: Record,
    /// Entities that stand before the stored ones for this question alone; admitted under the schema.
    pub entities: Vec<Entity>,
}

/// An answer and where it came from.
#[derive(Clone, Debug)]
pub struct Ruling {
    /// Time-ordered and unique.
    pub id: Uuid,
    pub answer: Arc<Decided>,
    /// The bundle's hash.
    pub bundle: Arc<str>,
    pub revision: Revision,
    pub took: Duration,
}

/// Why a question has no answer.
#[derive(Debug, thiserror::Error)]
pub enum AskError {
    #[error(transparent)]
    Decide(#[from] DecideError),
    #[error(transparent)]
    Prepare(#[from] PrepareError),
    /// There must be no answer without a record, and none can be written.
    #[error(transparent)]
    Audit(#[from] Unavailable),
}

/// A question that was denied without being asked: it named what the schema does not have, or came with a credential
/// that is none. What could not be read of it is `None`.
#[derive(Clone, Debug, Default)]
pub struct Unasked {
    pub principal: Option<Uid>,
    pub action: Option<Uid>,
    pub resource: Option<Uid>,
    /// The code of the "no", and the status to refuse with.
    pub reason: SmolStr,
    pub status: u16,
}

/// Why there is no session.
#[derive(Debug, thiserror::Error)]
pub enum SessionError {
    #[error("revision {wanted} is not reached: the store is at {head}")]
    Behind { wanted: Revision, head: Revision },
    #[error("{0} has not come yet")]
    Future(Moment),
    #[error("which policies were in force at revision {0} is not known: ask by those of now")]
    PoliciesUnknown(Revision),
    #[error("the policies that were in force are not valid for this version:\n{0}")]
    PoliciesInvalid(String),
    #[error(transparent)]
    Store(#[from] StoreError),
}

impl Unasked {
    /// A deny for this reason.
    pub fn of(reason: &Reason) -> Self {
        Self { reason: reason.code.clone(), status: reason.status, ..Self::default() }
    }
}

/// One bundle and one store revision. Not `Send`: it cannot live across an `await`.
pub struct Session<'a> {
    pub(super) warden: &'a Warden,
    pub(super) api: Api,
    pub(super) bundle: Arc<Bundle>,
    reader: Box<dyn Reader + 'a>,
    at: Timestamp,
    /// `at`, once somebody reads it.
    now: OnceCell<SmolStr>,
    /// Whether it looks at the store as it was, and `at` is then.
    past: bool,
}

impl Warden {
    /// Opens a session at the head revision.
    ///
    /// # Errors
    /// A store that stopped, or a head that is before `at_least`.
    pub fn session(&self, api: Api, at_least: Option<Revision>) -> Result<Session<'_>, SessionError> {
        let bundle = self.bundle();
        let reader = self.store.read()?;
        let head = reader.revision();
        match at_least.filter(|wanted| *wanted > head) {
            Some(wanted) => Err(SessionError::Behind { wanted, head }),
            None => Ok(Session::on(self, api, bundle, reader)),
        }
    }
}

impl Warden {
    /// A session with a bundle that may have been replaced meanwhile, to go on with what was begun under it.
    pub(super) fn session_of(&self, api: Api, bundle: Arc<Bundle>) -> Result<Session<'_>, SessionError> {
        Ok(Session::on(self, api, bundle, self.store.read()?))
    }
}

impl<'a> Session<'a> {
    fn on(warden: &'a Warden, api: Api, bundle: Arc<Bundle>, reader: Box<dyn Reader + 'a>) -> Self {
        Session { warden, api, bundle, reader, at: warden.clock.now(), now: OnceCell::new(), past: false }
    }

    /// A session on the past, which `reader` reads.
    pub(super) fn of_past(
        warden: &'a Warden,
        api: Api,
        bundle: Arc<Bundle>,
        reader: Box<dyn Reader + 'a>,
        at: Timestamp,
    ) -> Self {
        Session { warden, api, bundle, reader, at, now: OnceCell::new(), past: true }
    }
}

impl Session<'_> {
    pub fn bundle(&self) -> &Bundle {
        &self.bundle
    }

    pub fn revision(&self) -> Revision {
        self.reader.revision()
    }

    /// The time for which a session on the past decides.
    pub fn as_of(&self) -> Option<&str> {
        self.past.then(|| self.now().as_str())
    }

    /// Answers a question.
    ///
    /// # Errors
    /// A question that the schema does not know, or facts that cannot be had.
    pub fn ask(&self, asked: Asked) -> Result<Ruling, AskError> {
        self.answer(asked, Given::BesideStored)
    }

    /// Answers a question from the entities that came with it alone, as if nothing were stored. A caller who may do
    /// this decides what is true: never offer it without the right to change entities.
    ///
    /// # Errors
    /// As [`Session::ask`].
    pub fn ask_alone(&self, asked: Asked) -> Result<Ruling, AskError> {
        self.answer(asked, Given::InsteadOfStored)
    }

    /// The question of a session, and the facts that it is decided on.
    pub(super) fn prepared(&self, asked: &Asked, given: Given) -> Result<(Question, SessionFacts<'_>), PrepareError> {
        Ok((self.question(asked), self.facts(&asked.entities, given)?))
    }

    fn question(&self, asked: &Asked) -> Question {
        Question {
            principal: asked.principal.clone(),
            action: asked.action.clone(),
            resource: asked.resource.clone(),
            context: asked.context.clone(),
            now: self.now().clone(),
        }
    }

    /// What is stored, behind entities that stand before it or instead of it.
    pub(super) fn facts(&self, brought: &[Entity], given: Given) -> Result<SessionFacts<'_>, PrepareError> {
        let mut extra = HashMap::new();
        for entity in brought {
            extra.insert(entity.uid.clone(), Fact::Present(Arc::new(Prepared::new(entity.clone())?)));
        }
        Ok(SessionFacts::new(self.reader.as_ref(), self.cache(), extra, given))
    }

    pub(super) fn reader(&self) -> &dyn Reader {
        self.reader.as_ref()
    }

    pub(super) fn now(&self) -> &SmolStr {
        self.now.get_or_init(|| rfc3339(self.at).into())
    }

    /// Built entities, which are those of the present.
    fn cache(&self) -> Option<&FactCache> {
        (!self.past).then_some(&*self.warden.cache)
    }

    fn answer(&self, asked: Asked, given: Given) -> Result<Ruling, AskError> {
        let started = Instant::now();
        let span = tracing::trace_span!(
            target: "hubwarden::trace", "decide", hubwarden.api = self.api.name(), hubwarden.decision = Empty,
            hubwarden.decision_id = Empty, hubwarden.reason = Empty,
        );
        let _deciding = span.enter();
        self.warden.audit.ready()?;
        let answer = self.decide(&asked, given)?;
        let ruling = Ruling {
            id: Uuid::now_v7(),
            answer,
            bundle: Arc::clone(self.bundle.shared_hash()),
            revision: self.revision(),
            took: started.elapsed(),
        };
        if !span.is_disabled() {
            span.record("hubwarden.decision", if ruling.answer.allowed() { "allow" } else { "deny" });
            span.record("hubwarden.decision_id", tracing::field::display(&ruling.id));
            if let Some(reason) = &ruling.answer.reason {
                span.record("hubwarden.reason", reason.code.as_str());
            }
        }
        self.decided(&ruling);
        self.record_ruling(&ruling, &asked, given == Given::InsteadOfStored)?;
        if let Some(shadow) = self.warden.shadow.get().filter(|_| !self.past) {
            let (question, facts) = self.prepared(&asked, given)?;
            shadow.offer(&ruling, question, facts.brought());
        }
        Ok(ruling)
    }

    /// The decision on a question: one that was kept, or a new one.
    fn decide(&self, asked: &Asked, given: Given) -> Result<Arc<Decided>, AskError> {
        let plain = given == Given::BesideStored && asked.entities.is_empty() && !self.past;
        let cache = Some(&*self.warden.decisions).filter(|cache| plain && cache.is_on());
        let (bundle, now, head) = (self.bundle.shared_hash(), self.at.as_millisecond(), self.revision());
        let kept = cache.and_then(|cache| cache.get(asked, bundle, now, head));
        if let Some(kept) = kept {
            #[cfg(debug_assertions)]
            assert_eq!(kept, self.decide_anew(asked, given, None)?, "a kept answer differs: {asked:?}");
            return Ok(kept);
        }
        self.decide_anew(asked, given, cache)
    }

    fn decide_anew(
        &self,
        asked: &Asked,
        given: Given,
        cache: Option<&DecisionCache>,
    ) -> Result<Arc<Decided>, AskError> {
        let (question, mut facts) = self.prepared(asked, given)?;
        facts.read = cache.map(|cache| Read::new(cache.versions()));
        let Lasting { answer, holds } = self.bundle.decide_lasting(question, &facts)?;
        let decided = Decided::new(answer, self.acts_for(&asked.principal, &facts));
        self.warden.metrics.sliced(facts.asked.get());
        if let (Some(cache), Some(read), Some(holds)) = (cache, facts.read, holds)
            && decided.errors.is_empty()
        {
            let keep = Keep { bundle: Arc::clone(self.bundle.shared_hash()), holds, read: read.into_places() };
            return Ok(cache.put(asked, decided, keep, self.revision()));
        }
        Ok(Arc::new(decided))
    }

    /// Counts an answer, and says out loud what could not be evaluated.
    pub(super) fn decided(&self, ruling: &Ruling) {
        self.warden.metrics.decided(self.api, ruling);
        for error in &ruling.answer.errors {
            tracing::error!(
                decision_id = %ruling.id, policy = %error.policy, dangling = error.dangling, error = %error.message,
                "a policy could not be evaluated; the decision is a deny"
            );
        }
    }

    /// The deny of a question that is never asked. It is a decision: it has an id, is counted, and leaves a record.
    ///
    /// # Errors
    /// [`AskError::Audit`].
    pub fn deny_unasked(&self, unasked: &Unasked) -> Result<Uuid, AskError> {
        let id = Uuid::now_v7();
        self.warden.metrics.denied_unasked(self.api);
        self.record_unasked(id, unasked)?;
        Ok(id)
    }

    /// One record of a table.
    ///
    /// # Errors
    /// An unreadable store.
    pub fn record(&self, table: Table, key: &[u8]) -> Result<Option<Vec<u8>>, StoreError> {
        self.reader.record(table, key)
    }

    /// Up to `limit` records of a table whose keys start with `prefix` and come after `after`, in byte order.
    ///
    /// # Errors
    /// An unreadable store.
    pub fn records(
        &self,
        table: Table,
        prefix: &[u8],
        after: Option<&[u8]>,
        limit: usize,
    ) -> Result<Vec<(Vec<u8>, Vec<u8>)>, StoreError> {
        self.reader.records(table, prefix, after, limit)
    }

    /// An entity as it is stored.
    ///
    /// # Errors
    /// An unreadable store.
    pub fn entity(&self, uid: &Uid) -> Result<Lookup, StoreError> {
        self.reader.get(uid)
    }

    /// Up to `limit` entities after `after`, in byte order of type, then id.
    ///
    /// # Errors
    /// An unreadable store.
    pub fn list(&self, query: &ListQuery, after: Option<&Uid>, limit: usize) -> Result<Vec<Stored>, StoreError> {
        self.reader.list(query, after, limit)
    }
}

/// Reads a store page by page, a fresh view for each page, so that writers are never held up for long.
pub(super) fn each_entity(
    store: &dyn Store,
    query: &ListQuery,
    mut each: impl FnMut(Stored),
) -> Result<(), StoreError> {
    const PAGE: usize = 1_000;
    let mut after: Option<Uid> = None;
    loop {
        let page = store.read()?.list(query, after.as_ref(), PAGE)?;
        let Some(last) = page.last() else {
            return Ok(());
        };
        after = Some(last.entity.uid.clone());
        page.into_iter().for_each(&mut each);
    }
}
