//! What the log is told of a decision or a change. Nothing is left out here but the values that were changed.

use std::time::Duration;

use serde_json::{Map, Value as Json};
use uuid::Uuid;

use super::Warden;
use super::bundle::BundleError;
use super::changes::{Change, ChangeError};
use super::reach::Reach;
use super::search::{FoundPage, Laid, Open};
use super::session::{Api, Asked, Ruling, Session, Unasked};
use crate::audit::{
    ChangeRecord, ChangedThing, DecisionRecord, PolicyFault, ReasonCode, Request, SearchRecord, Unavailable, Verdict,
};
use crate::entity::{Record, Uid, Value};
use crate::pdp::{Bundle, Fact, Facts};
use crate::store::Revision;

/// How many entities of one change are named.
const NAMED: usize = 100;

impl Session<'_> {
    /// Records a decision.
    pub(super) fn record_ruling(&self, ruling: &Ruling, asked: &Asked, alone: bool) -> Result<(), Unavailable> {
        if !self.warden.audit.is_on() {
            return Ok(());
        }
        let answer = &ruling.answer;
        let reason = answer.reason.as_ref();
        self.warden.audit.decision(DecisionRecord {
            id: ruling.id,
            api: self.api.name(),
            revision: ruling.revision.0,
            bundle: &ruling.bundle,
            principal: Some(&asked.principal),
            acts_for: answer.acts_for.as_ref(),
            action: Some(&asked.action),
            resource: Some(&asked.resource),
            context: context(&asked.context),
            entities: asked.entities.iter().map(crate::entity::Entity::to_json).collect(),
            alone,
            token: self.credential(asked).map(|credential| credential.id().as_str()),
            decision: if answer.allowed() { Verdict::Allow } else { Verdict::Deny },
            determining: &answer.determining,
            reason: reason.map(|reason| ReasonCode { code: &reason.code, status: reason.status }),
            errors: answer
                .errors
                .iter()
                .map(|error| PolicyFault { policy: &error.policy, message: &error.message })
                .collect(),
            duration_us: micros(ruling.took),
            as_of: self.as_of(),
        })
    }

    /// Records the deny of a question that was not asked.
    pub(super) fn record_unasked(&self, id: Uuid, unasked: &Unasked) -> Result<(), Unavailable> {
        self.warden.audit.decision(DecisionRecord {
            id,
            api: self.api.name(),
            revision: self.revision().0,
            bundle: self.bundle.hash(),
            principal: unasked.principal.as_ref(),
            acts_for: None,
            action: unasked.action.as_ref(),
            resource: unasked.resource.as_ref(),
            context: Json::Object(Map::new()),
            entities: Vec::new(),
            alone: false,
            token: None,
            decision: Verdict::Deny,
            determining: &[],
            reason: Some(ReasonCode { code: &unasked.reason, status: unasked.status }),
            errors: Vec::new(),
            duration_us: 0,
            as_of: self.as_of(),
        })
    }

    /// Notes for whom something is changed, so that the record of the change names them.
    pub fn acted_by(&self, user: &str) {
        if let Some(request) = Request::current() {
            request.acted_by(user);
        }
    }

    /// The credential that a question came with: its subject, or an entity of the context.
    fn credential<'q>(&self, asked: &'q Asked) -> Option<&'q Uid> {
        let in_context = asked.context.values().filter_map(Value::as_entity);
        std::iter::once(&asked.principal).chain(in_context).find(|uid| self.bundle.delegate(uid.type_name()).is_some())
    }

    /// The user for whom a credential asks. It was loaded to answer the question.
    pub(super) fn acts_for(&self, principal: &Uid, facts: &dyn Facts) -> Option<Uid> {
        let delegate = self.bundle.delegate(principal.type_name())?;
        match facts.fact(principal) {
            Ok(Fact::Present(prepared)) => {
                prepared.entity().attrs.get(&delegate.attribute).and_then(Value::as_entity).cloned()
            }
            _ => None,
        }
    }
}

fn context(context: &Record) -> Json {
    Json::Object(context.iter().map(|(key, value)| (key.to_string(), value.to_json())).collect())
}

fn micros(took: Duration) -> u64 {
    u64::try_from(took.as_micros()).unwrap_or(u64::MAX)
}

impl Warden {
    /// Records which policies a process works with, on which revision.
    pub(super) fn record_opened(&self) -> Result<(), BundleError> {
        // A server whose log is damaged still starts: it says so, and answers nothing.
        if self.audit.ready().is_err() {
            return Ok(());
        }
        self.record_change("opened", &[], self.bundle().policies().count(), self.revision()?)?;
        Ok(())
    }

    pub(super) fn record_bundle(&self) -> Result<(), BundleError> {
        self.record_change("bundle", &[], self.bundle().policies().count(), self.revision()?)?;
        Ok(())
    }

    /// Records a page of a search.
    pub(super) fn record_search(
        &self,
        api: Api,
        bundle: &Bundle,
        open: &Open,
        laid: &Laid,
        found: &FoundPage,
    ) -> Result<(), Unavailable> {
        if !self.audit.is_on() {
            return Ok(());
        }
        let (sought, sought_type, principal, action, resource, asked) = match open {
            Open::Principal { type_name, action, resource, context } => {
                ("principal", Some(type_name.as_str()), None, Some(action), Some(resource), Some(context))
            }
            Open::Resource { principal, action, type_name, context } => {
                ("resource", Some(type_name.as_str()), Some(principal), Some(action), None, Some(context))
            }
            // Each action reads the context in its own way; the first one stands for all.
            Open::Action { principal, resource, contexts } => {
                let first = contexts.first().map(|(_, context)| context);
                ("action", None, Some(principal), None, Some(resource), first)
            }
        };
        let token = principal.filter(|uid| bundle.delegate(uid.type_name()).is_some());
        self.audit.search(SearchRecord {
            id: found.id,
            api: api.name(),
            revision: found.revision.0,
            bundle: &found.bundle,
            sought,
            sought_type,
            principal,
            action,
            resource,
            context: asked.map_or_else(|| Json::Object(Map::new()), context),
            entities: laid.known.iter().map(crate::entity::Entity::to_json).collect(),
            token: token.map(|uid| uid.id().as_str()),
            results: found.results.len(),
            more: found.next.is_some(),
            way: found.way.name(),
            duration_us: micros(found.took),
        })
    }

    /// Records that somebody asked for all that a credential can do.
    pub(super) fn record_reach(&self, api: Api, bundle: &Bundle, reach: &Reach) -> Result<(), Unavailable> {
        let credential = &reach.credential;
        let is_token = bundle.delegate(credential.type_name()).is_some();
        self.audit.search(SearchRecord {
            id: reach.id,
            api: api.name(),
            revision: reach.until.0,
            bundle: &reach.bundle,
            sought: "reach",
            sought_type: None,
            principal: Some(credential),
            action: None,
            resource: None,
            context: Json::Object(Map::new()),
            entities: Vec::new(),
            token: is_token.then(|| credential.id().as_str()),
            results: reach.total(),
            more: !reach.cut.is_empty(),
            way: reach.way.name(),
            duration_us: micros(reach.took),
        })
    }

    /// Records a batch of changes, and of records in tables beside the entities.
    pub(super) fn record_changes(
        &self,
        changes: &[Change],
        records: usize,
        revision: Revision,
    ) -> Result<(), ChangeError> {
        let what = if changes.is_empty() { "records" } else { "entities" };
        let count = if changes.is_empty() { records } else { changes.len() };
        self.record_change(what, changes, count, revision)?;
        Ok(())
    }

    pub(super) fn record_load(&self, count: usize, revision: Revision) -> Result<(), ChangeError> {
        self.record_change("entities", &[], count, revision)?;
        Ok(())
    }

    fn record_change(
        &self,
        change: &'static str,
        changes: &[Change],
        count: usize,
        revision: Revision,
    ) -> Result<(), Unavailable> {
        if !self.audit.is_on() {
            return Ok(());
        }
        let named: Vec<(&'static str, Uid)> = changes.iter().take(NAMED).filter_map(named).collect();
        let bundle = self.bundle();
        self.audit.change(&ChangeRecord {
            change,
            entities: named.iter().map(|(op, uid)| ChangedThing { op, uid }).collect(),
            key: None,
            count,
            revision: revision.0,
            bundle: Some(bundle.hash()),
        })
    }
}

fn named(change: &Change) -> Option<(&'static str, Uid)> {
    match change {
        Change::Put { entity, .. } => {
            let uid = entity.get("uid").and_then(|uid| crate::entity::uid_from_json(uid, "uid").ok());
            uid.map(|uid| ("put", uid))
        }
        Change::Patch { uid, .. } => Some(("patch", uid.clone())),
        Change::Delete { uid, .. } => Some(("delete", uid.clone())),
    }
}
