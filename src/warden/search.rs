//! Reverse questions over the store: on what may somebody act, who may act, how.
//!
//! Candidates come from what the policies can reach (`pdp/reverse.rs`) and the store's index of links; each of them is
//! then decided like any question, so a search can never say more than deciding does. Where the index does not help,
//! every entity of the type is decided, and the answer says so.
//!
//! A page is of one bundle and one revision. A view of the store holds writers up, so it is given back every few
//! milliseconds; a page ends early when its time is up or the store changed meanwhile, and says where to go on.

mod cursor;
mod lookup;
mod verify;

use std::sync::Arc;
use std::time::{Duration, Instant};

use smol_str::SmolStr;
use uuid::Uuid;

use super::facts::{Given, SessionFacts};
use super::session::{AskError, Session, SessionError};
use crate::entity::{Entity, Record, Uid};
use crate::pdp::{
    Bundle, Candidates, DecideError, Fact, Facts, FactsError, PrepareError, Prepared, Question, Side, Sought,
};
use crate::store::{Revision, StoreError};
use cursor::{Cursor, Seek, after};
use lookup::Lookup;
pub use verify::{Compared, Difference, Sample};

/// How long one view of the store is kept.
const SLICE: Duration = Duration::from_millis(20);

/// A question with a part left open.
#[derive(Clone, Debug)]
pub enum Open {
    /// Who may: `type_name` of the principals, or of credentials.
    Principal { type_name: SmolStr, action: Uid, resource: Uid, context: Record },
    /// On what.
    Resource { principal: Uid, action: Uid, type_name: SmolStr, context: Record },
    /// What may be done. Contexts differ by action.
    Action { principal: Uid, resource: Uid, contexts: Vec<(Uid, Record)> },
}

impl Open {
    /// The entities that are named.
    fn known(&self) -> Vec<&Uid> {
        match self {
            Self::Principal { resource, .. } => vec![resource],
            Self::Resource { principal, .. } => vec![principal],
            Self::Action { principal, resource, .. } => vec![principal, resource],
        }
    }
}

/// What stands before the stored entities for one search.
#[derive(Clone, Debug, Default)]
pub struct Laid {
    /// The known entity, as it is for this search.
    pub known: Vec<Entity>,
    /// Attributes that every candidate has for this search.
    pub sought: Record,
}

impl Laid {
    fn is_empty(&self) -> bool {
        self.known.is_empty() && self.sought.is_empty()
    }
}

/// Which part of the results is wanted.
#[derive(Clone, Debug)]
pub struct PageOf {
    /// The results from here on; empty for the first page. Else as a page before said it.
    pub from: SmolStr,
    pub limit: usize,
    /// How long it may take; a page that is not full by then is given as far as it is.
    pub time: Duration,
    /// Whether to go on when the store changes meanwhile.
    pub any_revision: bool,
    /// Look at every entity of the type, whatever the index has.
    pub scan: bool,
}

/// How candidates were found.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Way {
    Index,
    /// Every entity of the type was a candidate.
    Scan,
}

impl Way {
    pub fn name(self) -> &'static str {
        match self {
            Self::Index => "index",
            Self::Scan => "scan",
        }
    }
}

/// A page of what was found.
#[derive(Clone, Debug)]
pub struct FoundPage {
    /// Time-ordered and unique.
    pub id: Uuid,
    /// In byte order of their ids.
    pub results: Vec<Uid>,
    /// Where the next page starts; nothing at the end.
    pub next: Option<SmolStr>,
    pub way: Way,
    /// How many candidates were decided.
    pub decided: u64,
    /// Whether it ended before it was full.
    pub cut: bool,
    pub revision: Revision,
    pub bundle: Arc<str>,
    pub took: Duration,
}

/// Why there is no page.
#[derive(Debug, thiserror::Error)]
pub enum SearchError {
    #[error(transparent)]
    Ask(#[from] AskError),
    #[error(transparent)]
    Session(#[from] SessionError),
}

impl From<StoreError> for SearchError {
    fn from(error: StoreError) -> Self {
        Self::Session(error.into())
    }
}

impl From<DecideError> for SearchError {
    fn from(error: DecideError) -> Self {
        Self::Ask(error.into())
    }
}

impl From<PrepareError> for SearchError {
    fn from(error: PrepareError) -> Self {
        Self::Ask(error.into())
    }
}

impl From<FactsError> for SearchError {
    fn from(error: FactsError) -> Self {
        DecideError::from(error).into()
    }
}

/// How a slice of a search ended.
enum Ended {
    Complete,
    Full,
    Paused,
}

/// A search on its way.
struct Run<'r> {
    open: &'r Open,
    laid: &'r Laid,
    page: &'r PageOf,
    /// Made at one revision, for that one.
    cursor: Option<Cursor>,
    from: SmolStr,
    results: Vec<Uid>,
    way: Way,
    decided: u64,
}

impl Session<'_> {
    /// One page of a search, starting with this session's view of the store. The results are those of the session's
    /// bundle at the session's revision.
    ///
    /// # Errors
    /// A store or a log that stopped. What the schema does not know, or nobody ever stored, has no results.
    pub fn search(self, open: &Open, laid: &Laid, page: &PageOf) -> Result<FoundPage, SearchError> {
        let (warden, api, bundle) = (self.warden, self.api, Arc::clone(&self.bundle));
        warden.audit().ready().map_err(AskError::from)?;
        let found = self.find(open, laid, page)?;
        warden.record_search(api, &bundle, open, laid, &found).map_err(AskError::from)?;
        Ok(found)
    }

    /// As [`Session::search`], for what leaves a record of its own.
    pub(super) fn find(self, open: &Open, laid: &Laid, page: &PageOf) -> Result<FoundPage, SearchError> {
        let started = Instant::now();
        let (warden, api, bundle) = (self.warden, self.api, Arc::clone(&self.bundle));
        let mut run = Run {
            open,
            laid,
            page,
            cursor: None,
            from: page.from.clone(),
            results: Vec::new(),
            way: Way::Index,
            decided: 0,
        };
        let end = started + page.time;
        let mut revision = self.revision();
        let mut session = self;
        let (next, cut) = loop {
            let ended = run.slice(&session, end.min(Instant::now() + SLICE))?;
            // Whoever waits to write goes first now.
            drop(session);
            match ended {
                Ended::Complete => break (None, false),
                Ended::Full => break (Some(run.from.clone()), false),
                Ended::Paused if Instant::now() >= end => break (Some(run.from.clone()), true),
                Ended::Paused => {}
            }
            session = warden.session_of(api, Arc::clone(&bundle))?;
            if session.revision() != revision {
                if !page.any_revision {
                    break (Some(run.from.clone()), true);
                }
                revision = session.revision();
                run.cursor = None;
            }
        };
        let found = FoundPage {
            id: Uuid::now_v7(),
            results: run.results,
            next,
            way: run.way,
            decided: run.decided,
            cut,
            revision,
            bundle: Arc::clone(bundle.shared_hash()),
            took: started.elapsed(),
        };
        warden.metrics().searched(api, &found);
        Ok(found)
    }
}

impl Run<'_> {
    fn slice(&mut self, session: &Session, until: Instant) -> Result<Ended, SearchError> {
        let mut facts = session.facts(&self.laid.known, Given::BesideStored)?;
        let mut cursor = match self.cursor.take() {
            Some(cursor) => cursor,
            None => self.cursor(session, &mut facts)?,
        };
        let ended = loop {
            if Instant::now() >= until {
                break Ended::Paused;
            }
            match cursor.seek(&self.from, session.reader(), until)? {
                Seek::End => break Ended::Complete,
                Seek::Paused(from) => {
                    self.from = from;
                    break Ended::Paused;
                }
                Seek::At(id) => {
                    self.decided += 1;
                    let Some(uid) = self.allowed(session, &mut facts, &id)? else {
                        self.from = after(&id);
                        continue;
                    };
                    if self.results.len() == self.page.limit {
                        self.from = id;
                        break Ended::Full;
                    }
                    self.results.push(uid);
                    self.from = after(&id);
                }
            }
        };
        self.cursor = Some(cursor);
        Ok(ended)
    }

    fn cursor(&mut self, session: &Session, facts: &mut SessionFacts) -> Result<Cursor, SearchError> {
        let bundle = session.bundle();
        for uid in self.open.known() {
            // Policies may let in whom nobody ever heard of; a search is about who and what there is.
            if !is_there(bundle, facts, uid)? {
                return Ok(Cursor::Ids(Default::default()));
            }
        }
        let (side, type_name, known, action, context) = match self.open {
            Open::Principal { type_name, action, resource, context } => {
                (Side::Principal, type_name, resource, action, context)
            }
            Open::Resource { principal, action, type_name, context } => {
                (Side::Resource, type_name, principal, action, context)
            }
            Open::Action { contexts, .. } => {
                let mut names: Vec<SmolStr> = contexts.iter().map(|(action, _)| name(action)).collect();
                names.sort();
                return Ok(Cursor::Ids(names.into()));
            }
        };
        let sought = Sought {
            side,
            type_name: type_name.clone(),
            known: known.clone(),
            action: action.clone(),
            context: context.clone(),
            now: session.now().clone(),
        };
        let candidates = match bundle.candidates(&sought, facts) {
            Err(error) if is_unknown(&error) => Candidates::none(),
            Err(error) => return Err(error.into()),
            // An entity that is laid over the stored one may stand on the way from others to it.
            Ok(candidates) if !candidates.is_none() && (self.page.scan || !self.laid.is_empty()) => Candidates::All,
            Ok(candidates) => candidates,
        };
        if let Some(cursor) = Lookup::new(session.reader(), type_name).cursor(&candidates)? {
            self.way = Way::Index;
            return Ok(cursor);
        }
        if let Some(ids) = bundle.listed(type_name) {
            return Ok(Cursor::Ids(ids.into_iter().collect()));
        }
        self.way = Way::Scan;
        Ok(Cursor::Type(Default::default(), type_name.clone()))
    }

    /// The result that a candidate is, if it is one.
    fn allowed(&self, session: &Session, facts: &mut SessionFacts, id: &SmolStr) -> Result<Option<Uid>, SearchError> {
        let bundle = session.bundle();
        let (principal, action, resource, context, result) = match self.open {
            Open::Principal { type_name, action, resource, context } => {
                let principal = Uid::new(type_name.clone(), id.clone());
                (principal.clone(), action, resource.clone(), context, principal)
            }
            Open::Resource { principal, action, type_name, context } => {
                let resource = Uid::new(type_name.clone(), id.clone());
                (principal.clone(), action, resource.clone(), context, resource)
            }
            Open::Action { principal, resource, contexts } => {
                let Some((action, context)) = contexts.iter().find(|(action, _)| name(action) == *id) else {
                    return Ok(None);
                };
                (principal.clone(), action, resource.clone(), context, action.clone())
            }
        };
        if !matches!(self.open, Open::Action { .. }) && !self.stands(bundle, facts, &result)? {
            return Ok(None);
        }
        let question = Question {
            principal,
            action: action.clone(),
            resource,
            context: context.clone(),
            now: session.now().clone(),
        };
        match bundle.decide(&question, facts) {
            Ok(answer) => Ok(answer.allowed().then_some(result)),
            Err(error) if is_unknown(&error) => Ok(None),
            Err(error) => Err(error.into()),
        }
    }

    /// Whether a candidate is there. What is laid over candidates is laid over this one.
    fn stands(&self, bundle: &Bundle, facts: &mut SessionFacts, uid: &Uid) -> Result<bool, SearchError> {
        if !is_there(bundle, facts, uid)? {
            return Ok(false);
        }
        if let (false, Fact::Present(prepared)) = (self.laid.sought.is_empty(), facts.fact(uid)?) {
            let mut entity = prepared.entity().clone();
            entity.attrs.extend(self.laid.sought.clone());
            facts.only(&self.laid.known, Prepared::new(entity)?);
        }
        Ok(true)
    }
}

/// Whether an entity is stored, or exists by schema.
fn is_there(bundle: &Bundle, facts: &SessionFacts, uid: &Uid) -> Result<bool, FactsError> {
    match bundle.listed(uid.type_name()) {
        Some(ids) => Ok(ids.contains(uid.id())),
        None => Ok(matches!(facts.fact(uid)?, Fact::Present(_))),
    }
}

/// Whether the schema has no such question: then nothing is found.
fn is_unknown(error: &DecideError) -> bool {
    matches!(error, DecideError::UnknownAction(_) | DecideError::NotApplicable { .. } | DecideError::NotEnumerated(_))
}

/// What an action is found by.
fn name(action: &Uid) -> SmolStr {
    action.to_string().into()
}
