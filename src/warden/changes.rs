//! Changing entities: read under the schema, validated whole, committed together or not at all.

use std::collections::{BTreeSet, HashMap};
use std::time::Duration;

use serde_json::{Map, Value as Json};
use tracing::Instrument;

use super::Warden;
use crate::audit::Unavailable;
use crate::entity::{Entity, JsonFault, Uid};
use crate::pdp::Bundle;
use crate::store::{Batch, CommitError, Expect, Lookup, Op, Reader, Revision, StoreError};

/// How often a patch is tried again when others change the same entity meanwhile.
const RETRIES: usize = 16;
/// How often a change that does not wait on a thread looks whether it may pass.
const LOOK: Duration = Duration::from_millis(2);

/// What putting an entity does when its id was deleted before.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum DeadId {
    /// Refuse: whoever takes a dead name would inherit what was granted to it.
    #[default]
    Refuse,
    Revive,
}

/// One change of an entity.
#[derive(Clone, Debug)]
pub enum Change {
    /// Create or replace, from Cedar's JSON entity format.
    Put { entity: Json, expect: Expect, dead: DeadId },
    /// Change parts of a stored entity.
    Patch { uid: Uid, patch: Patch, expect: Expect },
    /// Delete, leaving a tombstone.
    Delete { uid: Uid, expect: Expect },
}

/// Parts of an entity to change. In `attrs` and `tags`, `null` removes (RFC 7396, one level deep).
#[derive(Clone, Debug, Default)]
pub struct Patch {
    pub attrs: Map<String, Json>,
    pub tags: Map<String, Json>,
    pub add_parents: BTreeSet<Uid>,
    pub remove_parents: BTreeSet<Uid>,
}

/// Why nothing was changed. `index` is the change's place among those that were sent.
#[derive(Debug, thiserror::Error)]
pub enum ChangeError {
    #[error("{}{fault}", place(*.index, .uid))]
    Invalid { index: usize, uid: Option<Uid>, fault: JsonFault },
    #[error("another schema took over while these changes were prepared; send them again")]
    SchemaChanged,
    #[error("{uid} is not stored")]
    NotStored { index: usize, uid: Uid },
    #[error(transparent)]
    Commit(#[from] CommitError),
    /// There must be no change without a record, and none can be written. When the log failed only after the commit, the
    /// change was made.
    #[error(transparent)]
    Audit(#[from] Unavailable),
}

impl ChangeError {
    /// The place of the change that was refused, if it was one of them.
    pub fn index(&self) -> Option<usize> {
        match self {
            Self::Invalid { index, .. } | Self::NotStored { index, .. } => Some(*index),
            Self::Commit(
                CommitError::Conflict { index, .. }
                | CommitError::Tombstone { index, .. }
                | CommitError::TooLarge { index, .. }
                | CommitError::TooDeep { index, .. },
            ) => Some(*index),
            Self::Commit(CommitError::Store(_)) | Self::SchemaChanged | Self::Audit(_) => None,
        }
    }
}

fn place(index: usize, uid: &Option<Uid>) -> String {
    match uid {
        Some(uid) => format!("{uid}: "),
        None => format!("entity {index}: "),
    }
}

impl From<StoreError> for ChangeError {
    fn from(error: StoreError) -> Self {
        Self::Commit(CommitError::Store(error))
    }
}

impl Warden {
    /// Applies changes together and returns their revision once they are durable. Blocks; run it on a blocking thread.
    ///
    /// # Errors
    /// Nothing was changed.
    pub fn change(&self, changes: Vec<Change>) -> Result<Revision, ChangeError> {
        self.change_with(changes, Batch::new())
    }

    /// As [`Warden::change`], together with changes of records in tables: those of `records` must not touch entities.
    ///
    /// # Errors
    /// Nothing was changed.
    pub fn change_with(&self, changes: Vec<Change>, records: Batch) -> Result<Revision, ChangeError> {
        let span = tracing::trace_span!(target: "hubwarden::trace", "change", hubwarden.changes = changes.len() as i64);
        let _changing = span.enter();
        self.audit.ready()?;
        let _pass = self.schema_gate.pass();
        let bundle = self.bundle();
        let mut retries = RETRIES;
        loop {
            let mut batch = self.batch(&bundle, &changes)?;
            batch.append(records.clone());
            let committed = self.store.commit(batch);
            if let Some(result) = self.committed(&changes, records.len(), committed, &mut retries) {
                return result;
            }
        }
    }

    /// As [`Warden::change`], without a thread that waits. Once begun it must run to its end, or a change that was
    /// made has no record.
    ///
    /// # Errors
    /// Nothing was changed.
    pub async fn change_async(&self, changes: Vec<Change>) -> Result<Revision, ChangeError> {
        let span = tracing::trace_span!(target: "hubwarden::trace", "change", hubwarden.changes = changes.len() as i64);
        self.change_waiting(changes).instrument(span).await
    }

    async fn change_waiting(&self, changes: Vec<Change>) -> Result<Revision, ChangeError> {
        self.audit.ready()?;
        let mut retries = RETRIES;
        loop {
            let Some(pass) = self.schema_gate.try_pass() else {
                tokio::time::sleep(LOOK).await;
                continue;
            };
            let batch = self.batch(&self.bundle(), &changes)?;
            let (said, heard) = tokio::sync::oneshot::channel();
            let done = move |result| {
                drop(pass);
                // Whoever asked may have gone.
                drop(said.send(result));
            };
            self.store.submit(batch, Box::new(done));
            let committed = heard.await.unwrap_or_else(|_| Err(StoreError::ended().into()));
            if let Some(result) = self.committed(&changes, 0, committed, &mut retries) {
                return result;
            }
        }
    }

    /// What became of a commit; nothing when it is to be tried again.
    fn committed(
        &self,
        changes: &[Change],
        records: usize,
        committed: Result<Revision, CommitError>,
        retries: &mut usize,
    ) -> Option<Result<Revision, ChangeError>> {
        match committed {
            Err(CommitError::Conflict { index, .. }) if *retries > 0 && retriable(changes.get(index)) => {
                *retries -= 1;
                None
            }
            Err(error) => Some(Err(error.into())),
            Ok(revision) => {
                self.metrics.changed(changes.len());
                Some(self.record_changes(changes, records, revision).map(|()| revision))
            }
        }
    }

    /// Commits entities that were already read under the current schema: a batch filled by [`Batch::put`] from
    /// entities that the [`Admission`](crate::pdp::Admission) of the schema with this hash returned. For bulk loads.
    ///
    /// # Errors
    /// Nothing was changed: another schema took over meanwhile, or the store refused.
    pub fn load(&self, batch: Batch, schema_hash: &str) -> Result<Revision, ChangeError> {
        self.audit.ready()?;
        let _pass = self.schema_gate.pass();
        if self.bundle().schema_hash() != schema_hash {
            return Err(ChangeError::SchemaChanged);
        }
        let count = batch.len();
        let revision = self.store.commit(batch)?;
        self.metrics.changed(count);
        self.record_load(count, revision)?;
        Ok(revision)
    }

    fn batch(&self, bundle: &Bundle, changes: &[Change]) -> Result<Batch, ChangeError> {
        let reader = self.store.read()?;
        let mut batch = Batch::new();
        let mut before: HashMap<Uid, Option<Entity>> = HashMap::new();
        // Nobody asks what the last one left.
        let leave = |before: &mut HashMap<_, _>, index: usize, uid: &Uid, entity: Option<&Entity>| {
            if index + 1 < changes.len() {
                before.insert(uid.clone(), entity.cloned());
            }
        };
        for (index, change) in changes.iter().enumerate() {
            match change {
                Change::Put { entity, expect, dead } => {
                    let entity = admit(bundle, index, entity)?;
                    leave(&mut before, index, &entity.uid, Some(&entity));
                    batch.push(Op::Put { entity, expect: *expect, revive: *dead == DeadId::Revive });
                }
                Change::Delete { uid, expect } => {
                    batch.push(Op::Delete { uid: uid.clone(), expect: *expect });
                    leave(&mut before, index, uid, None);
                }
                Change::Patch { uid, patch, expect } => {
                    let (entity, seen) = current(reader.as_ref(), &before, index, uid)?;
                    let entity = patch.apply(entity, bundle).map_err(|fault| ChangeError::Invalid {
                        index,
                        uid: Some(uid.clone()),
                        fault,
                    })?;
                    let expect = match (expect, seen) {
                        (Expect::Anything | Expect::Present, Some(revision)) => Expect::Revision(revision),
                        (expect, _) => *expect,
                    };
                    leave(&mut before, index, uid, Some(&entity));
                    batch.push(Op::Put { entity, expect, revive: false });
                }
            }
        }
        Ok(batch)
    }
}

/// A patch without an own precondition may simply be computed again.
fn retriable(change: Option<&Change>) -> bool {
    matches!(change, Some(Change::Patch { expect: Expect::Anything | Expect::Present, .. }))
}

fn admit(bundle: &Bundle, index: usize, json: &Json) -> Result<Entity, ChangeError> {
    bundle.admission().entity(json).map_err(|fault| {
        let uid = json.get("uid").and_then(|uid| crate::entity::uid_from_json(uid, "uid").ok());
        ChangeError::Invalid { index, uid, fault }
    })
}

/// The entity as the changes before this one leave it, and its revision when the store has it so.
fn current(
    reader: &dyn Reader,
    before: &HashMap<Uid, Option<Entity>>,
    index: usize,
    uid: &Uid,
) -> Result<(Entity, Option<Revision>), ChangeError> {
    match before.get(uid) {
        Some(Some(entity)) => return Ok((entity.clone(), None)),
        Some(None) => return Err(ChangeError::NotStored { index, uid: uid.clone() }),
        None => {}
    }
    match reader.get(uid)? {
        Lookup::Present(stored) => Ok((stored.entity, Some(stored.revision))),
        Lookup::Deleted(_) | Lookup::Absent => Err(ChangeError::NotStored { index, uid: uid.clone() }),
    }
}

impl Patch {
    /// Reads `{"attrs": {…}, "tags": {…}, "parents": {"add": […], "remove": […]}}`.
    ///
    /// # Errors
    /// An unknown key, or a part of another form.
    pub fn from_json(json: &Json) -> Result<Self, JsonFault> {
        let mut patch = Self::default();
        let map = json.as_object().ok_or_else(|| JsonFault::new("patch", "expected an object"))?;
        for (key, value) in map {
            let object = || value.as_object().ok_or_else(|| JsonFault::new(key, "expected an object"));
            match key.as_str() {
                "attrs" => patch.attrs = object()?.clone(),
                "tags" => patch.tags = object()?.clone(),
                "parents" => {
                    for (key, value) in object()? {
                        let parents = match key.as_str() {
                            "add" => &mut patch.add_parents,
                            "remove" => &mut patch.remove_parents,
                            _ => {
                                return Err(JsonFault::new(
                                    format!("parents.{key}"),
                                    "parents are changed by `add` and `remove`",
                                ));
                            }
                        };
                        let path = format!("parents.{key}");
                        let items = value.as_array().ok_or_else(|| JsonFault::new(&path, "expected an array"))?;
                        for (index, item) in items.iter().enumerate() {
                            parents.insert(crate::entity::uid_from_json(item, &format!("{path}[{index}]"))?);
                        }
                    }
                }
                _ => return Err(JsonFault::new(key, "a patch has `attrs`, `tags` and `parents` only")),
            }
        }
        Ok(patch)
    }

    /// The changed entity, read under the schema.
    fn apply(&self, mut entity: Entity, bundle: &Bundle) -> Result<Entity, JsonFault> {
        entity.parents.retain(|parent| !self.remove_parents.contains(parent));
        entity.parents.extend(self.add_parents.iter().cloned());
        if self.attrs.is_empty() && self.tags.is_empty() {
            return bundle.admission().held(entity);
        }
        let mut json = entity.to_json();
        merge(&mut json, "attrs", &self.attrs);
        merge(&mut json, "tags", &self.tags);
        bundle.admission().entity(&json)
    }
}

fn merge(json: &mut Json, section: &str, changes: &Map<String, Json>) {
    if changes.is_empty() {
        return;
    }
    let Some(entity) = json.as_object_mut() else { return };
    let target = entity.entry(section).or_insert_with(|| Json::Object(Map::new()));
    let Some(target) = target.as_object_mut() else { return };
    for (key, value) in changes {
        if value.is_null() {
            target.remove(key);
        } else {
            target.insert(key.clone(), value.clone());
        }
    }
}
