//! The blast radius of a credential: everything that it can do, by where and what, the worst first.
//!
//! What anybody may do without an account is told apart: it is no damage. How bad an action is, the schema says
//! (`@harm`). Actions are gone through from the worst on, so that a report that runs out of time lacks the least.

use std::collections::{BTreeMap, HashMap};
use std::sync::Arc;
use std::time::{Duration, Instant};

use smol_str::SmolStr;
use uuid::Uuid;

use super::Warden;
use super::facts::{Given, SessionFacts};
use super::search::{Laid, Open, PageOf, SearchError, Way};
use super::session::{Api, AskError, Session};
use crate::entity::{Record, Uid, Value};
use crate::pdp::{Bundle, DecideError, Fact, Facts, FactsError, Question};
use crate::store::Revision;

/// How many results are looked for at once: what is done with them takes a view of the store, too.
const PAGE: usize = 200;
/// How many resources are named of each kind.
const NAMED: usize = 5;

/// How far to look.
#[derive(Clone, Copy, Debug)]
pub struct ReachLimits {
    /// Resources of one type that are counted for one action.
    pub results: usize,
    pub time: Duration,
}

/// What a credential can do.
#[derive(Clone, Debug)]
pub struct Reach {
    pub id: Uuid,
    pub credential: Uid,
    /// Whom it acts for; nothing when it is not stored.
    pub acts_for: Option<Uid>,
    /// By where, the worst first: what not anybody may do.
    pub places: Vec<Place>,
    /// What anybody may do as well.
    pub anyone: Vec<Doing>,
    /// Actions that were not looked through to their end, with the type of resources.
    pub cut: Vec<(Uid, SmolStr)>,
    /// Whether every entity of a type had to be looked at.
    pub way: Way,
    /// The store when it was begun, and when it ended.
    pub revision: Revision,
    pub until: Revision,
    pub bundle: Arc<str>,
    pub took: Duration,
}

/// What it can do in one place: the outermost resource that others lie in.
#[derive(Clone, Debug)]
pub struct Place {
    pub place: Uid,
    /// Of its worst action.
    pub harm: u8,
    pub doings: Vec<Doing>,
}

/// One action on so many resources.
#[derive(Clone, Debug)]
pub struct Doing {
    pub action: Uid,
    pub harm: u8,
    /// Of the resources.
    pub type_name: SmolStr,
    pub count: usize,
    /// The first of them.
    pub named: Vec<Uid>,
}

impl Reach {
    /// How many things it can do that not anybody may.
    pub fn total(&self) -> usize {
        self.places.iter().flat_map(|place| &place.doings).map(|doing| doing.count).sum()
    }
}

impl Warden {
    /// Finds out what a credential, or any principal, can do.
    ///
    /// # Errors
    /// A store or a log that stopped.
    pub fn reach(&self, api: Api, credential: &Uid, limits: ReachLimits) -> Result<Reach, SearchError> {
        let started = Instant::now();
        self.audit().ready().map_err(AskError::from)?;
        let session = self.session(api, None)?;
        let (bundle, revision) = (Arc::clone(&session.bundle), session.revision());
        let acts_for = acts_for(&bundle, &session.facts(&[], Given::BesideStored)?, credential)?;
        drop(session);
        let mut actions = bundle.reaches(credential.type_name());
        actions.sort_by_key(|(action, _)| std::cmp::Reverse(bundle.harm(action)));
        let mut tally = Tally::default();
        let (mut cut, mut way, mut until) = (Vec::new(), Way::Index, revision);
        for (action, type_name) in actions {
            let open = Open::Resource {
                principal: credential.clone(),
                action: action.clone(),
                type_name: type_name.clone(),
                context: Record::new(),
            };
            let mut left = limits.results;
            let mut from = SmolStr::default();
            loop {
                let time = limits.time.saturating_sub(started.elapsed());
                let page = PageOf { from, limit: left.min(PAGE), time, any_revision: true, scan: false };
                let session = self.session_of(api, Arc::clone(&bundle))?;
                let found = session.find(&open, &Laid::default(), &page)?;
                until = found.revision;
                if found.way == Way::Scan {
                    way = Way::Scan;
                }
                left = left.saturating_sub(found.results.len());
                let session = self.session_of(api, Arc::clone(&bundle))?;
                tally.add(&session, &action, &type_name, found.results)?;
                drop(session);
                match found.next {
                    Some(next) if left > 0 && !time.is_zero() => from = next,
                    Some(_) => {
                        cut.push((action, type_name));
                        break;
                    }
                    None => break,
                }
            }
        }
        let (places, anyone) = tally.finish(&bundle);
        let reach = Reach {
            id: Uuid::now_v7(),
            credential: credential.clone(),
            acts_for,
            places,
            anyone,
            cut,
            way,
            revision,
            until,
            bundle: Arc::clone(bundle.shared_hash()),
            took: started.elapsed(),
        };
        self.record_reach(api, &bundle, &reach).map_err(AskError::from)?;
        Ok(reach)
    }
}

fn acts_for(bundle: &Bundle, facts: &SessionFacts, credential: &Uid) -> Result<Option<Uid>, FactsError> {
    let Fact::Present(prepared) = facts.fact(credential)? else { return Ok(None) };
    let Some(delegate) = bundle.delegate(credential.type_name()) else {
        return Ok(Some(credential.clone()));
    };
    Ok(prepared.entity().attrs.get(&delegate.attribute).and_then(Value::as_entity).cloned())
}

/// Results by action and type: how many, and the first of them.
type Counted = BTreeMap<(Uid, SmolStr), (usize, Vec<Uid>)>;

/// Results counted by place, action and type.
#[derive(Default)]
struct Tally {
    places: BTreeMap<Uid, Counted>,
    anyone: Counted,
    /// The place of what was met.
    known: HashMap<Uid, Uid>,
}

impl Tally {
    fn add(
        &mut self,
        session: &Session,
        action: &Uid,
        type_name: &SmolStr,
        results: Vec<Uid>,
    ) -> Result<(), SearchError> {
        let bundle = session.bundle();
        let facts = session.facts(&[], Given::BesideStored)?;
        for resource in results {
            let counted = match may_anyone(session, &facts, action, &resource)? {
                true => &mut self.anyone,
                false => {
                    let place = self.place(bundle, &facts, &resource)?;
                    self.places.entry(place).or_default()
                }
            };
            let (count, named) = counted.entry((action.clone(), type_name.clone())).or_default();
            *count += 1;
            if named.len() < NAMED {
                named.push(resource);
            }
        }
        Ok(())
    }

    /// The outermost resource that another lies in, or itself.
    fn place(&mut self, bundle: &Bundle, facts: &SessionFacts, resource: &Uid) -> Result<Uid, FactsError> {
        let mut at = resource.clone();
        let mut passed = vec![at.clone()];
        loop {
            if let Some(known) = self.known.get(&at) {
                at = known.clone();
                break;
            }
            let Fact::Present(prepared) = facts.fact(&at)? else { break };
            let mut parents = prepared.entity().parents.iter();
            let Some(parent) = parents.find(|parent| bundle.is_resource(parent.type_name())) else { break };
            // What lies in itself, over however many steps, has no outermost.
            if passed.contains(parent) {
                break;
            }
            at = parent.clone();
            passed.push(at.clone());
        }
        for passed in passed {
            self.known.insert(passed, at.clone());
        }
        Ok(at)
    }

    fn finish(self, bundle: &Bundle) -> (Vec<Place>, Vec<Doing>) {
        let doings = |counted: Counted| {
            let doing = |((action, type_name), (count, named)): (_, (usize, Vec<Uid>))| {
                let harm = bundle.harm(&action);
                Doing { action, harm, type_name, count, named }
            };
            let mut doings: Vec<Doing> = counted.into_iter().map(doing).collect();
            doings.sort_by_key(|doing| std::cmp::Reverse((doing.harm, doing.count)));
            doings
        };
        let mut places: Vec<Place> = Vec::new();
        for (place, counted) in self.places {
            let doings = doings(counted);
            let harm = doings.first().map_or(0, |worst| worst.harm);
            places.push(Place { place, harm, doings });
        }
        let worst = |place: &Place| {
            let count = place.doings.first().map_or(0, |worst| worst.count);
            std::cmp::Reverse((place.harm, count))
        };
        places.sort_by_key(worst);
        (places, doings(self.anyone))
    }
}

/// Whether a caller without an account may do it as well.
fn may_anyone(session: &Session, facts: &SessionFacts, action: &Uid, resource: &Uid) -> Result<bool, DecideError> {
    let bundle = session.bundle();
    for principal in bundle.anonymous() {
        let question = Question {
            principal,
            action: action.clone(),
            resource: resource.clone(),
            context: Record::new(),
            now: session.now().clone(),
        };
        match bundle.decide(&question, facts) {
            Ok(answer) if answer.allowed() => return Ok(true),
            Ok(_) | Err(DecideError::NotApplicable { .. }) => {}
            Err(error) => return Err(error),
        }
    }
    Ok(false)
}
