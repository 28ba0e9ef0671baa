//! An access review: who may do something to a resource, and by what.
//!
//! Principals first, then the credentials of those who may; each with the permits that give it and the memberships that
//! these found.

use std::sync::Arc;
use std::time::{Duration, Instant};

use smol_str::SmolStr;

use super::facts::Given;
use super::search::{Laid, Open, PageOf, SearchError, Way};
use super::session::{Asked, Session};
use crate::entity::{Record, Uid, Value};
use crate::pdp::{Bundle, Fact, Facts, GrantStep};
use crate::store::Revision;

/// What is asked.
#[derive(Clone, Debug)]
pub struct WhoCan {
    pub action: Uid,
    pub resource: Uid,
    /// Read under the schema.
    pub context: Record,
}

/// One who may.
#[derive(Clone, Debug)]
pub struct Grantee {
    pub uid: Uid,
    /// Whom a credential acts for.
    pub acts_for: Option<Uid>,
    pub grants: Vec<Grant>,
}

/// One permit that gives it.
#[derive(Clone, Debug)]
pub struct Grant {
    pub policy: SmolStr,
    /// What its authors say of it.
    pub comment: String,
    pub steps: Vec<GrantStep>,
}

/// Some of those who may.
#[derive(Clone, Debug)]
pub struct Grantees {
    pub grantees: Vec<Grantee>,
    /// Where to go on: a type, and an id to start from.
    pub next: Option<Uid>,
    pub way: Way,
    pub revision: Revision,
    pub bundle: Arc<str>,
}

/// The resource that a text names: `Hub::Repo::"m1"`, `repo:m1`, or `m1` where the action is for one type only.
///
/// # Errors
/// What is wrong with it.
pub fn resource_named(bundle: &Bundle, action: &Uid, text: &str) -> Result<Uid, String> {
    if let Ok(uid) = Uid::parse(text) {
        let type_name = bundle.entity_type(uid.type_name()).map_err(|fault| fault.to_string())?;
        return Ok(Uid::new(type_name, uid.id().clone()));
    }
    let typed = text.split_once(':').and_then(|(name, id)| Some(Uid::new(bundle.entity_type(name).ok()?, id)));
    if let Some(uid) = typed {
        return Ok(uid);
    }
    let types = bundle.resources_of(action);
    match types.first().filter(|_| types.len() == 1) {
        Some(only) => Ok(Uid::new(only.clone(), text)),
        None => Err(format!("say what `{text}` is, as `type:id`: {} is for {}", action.id(), list(&types))),
    }
}

fn list<'t>(types: impl IntoIterator<Item = &'t SmolStr>) -> String {
    types.into_iter().map(|name| format!("`{name}`")).collect::<Vec<_>>().join(", ")
}

/// What a comment says of the policy itself: above the first one of a file stands what is said of all.
fn own(comment: &str) -> String {
    let last = comment.rsplit("\n\n").next().unwrap_or_default();
    last.split_whitespace().collect::<Vec<_>>().join(" ")
}

impl Session<'_> {
    /// Up to `limit` of those who may, from `from` on, with this session's bundle.
    ///
    /// # Errors
    /// A store or a log that stopped.
    pub fn who_can(
        self,
        asked: &WhoCan,
        from: Option<&Uid>,
        limit: usize,
        time: Duration,
    ) -> Result<Grantees, SearchError> {
        let started = Instant::now();
        let (warden, api, bundle) = (self.warden, self.api, Arc::clone(&self.bundle));
        let hash = Arc::clone(bundle.shared_hash());
        let mut found =
            Grantees { grantees: Vec::new(), next: None, way: Way::Index, revision: self.revision(), bundle: hash };
        let types = bundle.askers(&asked.action, asked.resource.type_name());
        let begin = from.and_then(|from| types.iter().position(|name| name == from.type_name())).unwrap_or(0);
        let mut session = Some(self);
        for (index, type_name) in types.iter().enumerate().skip(begin) {
            let open = Open::Principal {
                type_name: type_name.clone(),
                action: asked.action.clone(),
                resource: asked.resource.clone(),
                context: asked.context.clone(),
            };
            let from = from.filter(|_| index == begin).map(|from| from.id().clone()).unwrap_or_default();
            let left = limit.saturating_sub(found.grantees.len());
            let time = time.saturating_sub(started.elapsed());
            let page = PageOf { from, limit: left, time, any_revision: true, scan: false };
            let again = || warden.session_of(api, Arc::clone(&bundle));
            let searching = match session.take() {
                Some(session) => session,
                None => again()?,
            };
            let got = searching.search(&open, &Laid::default(), &page)?;
            if got.way == Way::Scan {
                found.way = Way::Scan;
            }
            let explaining = again()?;
            for uid in got.results {
                let grantee = explaining.grantee(asked, uid)?;
                // Between the search and now it may have been taken away.
                found.grantees.extend(grantee);
            }
            found.revision = explaining.revision();
            if let Some(next) = got.next {
                found.next = Some(Uid::new(type_name.clone(), next));
                break;
            }
        }
        Ok(found)
    }

    /// By what somebody may; nothing when they may not.
    fn grantee(&self, asked: &WhoCan, uid: Uid) -> Result<Option<Grantee>, SearchError> {
        let question = Asked {
            principal: uid.clone(),
            action: asked.action.clone(),
            resource: asked.resource.clone(),
            context: asked.context.clone(),
            entities: Vec::new(),
        };
        let (question, facts) = self.prepared(&question, Given::BesideStored)?;
        let bundle = self.bundle();
        let inquiry = bundle.inquire(&question, &facts)?;
        if !inquiry.answer().allowed() {
            return Ok(None);
        }
        let granted = inquiry.granted().into_iter().map(|granted| Grant {
            policy: granted.policy.id.clone(),
            comment: own(&bundle.comment(granted.policy)),
            steps: granted.steps,
        });
        let acts_for = match (bundle.delegate(uid.type_name()), facts.fact(&uid)?) {
            (Some(delegate), Fact::Present(prepared)) => {
                prepared.entity().attrs.get(&delegate.attribute).and_then(Value::as_entity).cloned()
            }
            _ => None,
        };
        let grants = granted.collect();
        Ok(Some(Grantee { uid, acts_for, grants }))
    }
}
