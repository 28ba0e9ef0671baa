//! Importing into a store in a folder.

use std::sync::mpsc::sync_channel;

use super::progress::Progress;
use super::read::Groups;
use super::{Mode, Outcome, SHOWN, refused};
use crate::cli::entities::{EntityFault, Source};
use crate::cli::exit::Failure;
use crate::entity::Entity;
use crate::pdp::Bundle;
use crate::store::{Batch, CommitError, Expect, Lookup, Op, Revision};
use crate::warden::{Api, DeadId, Warden};

/// An import into a store that this process opened.
pub(super) struct Local<'a> {
    pub warden: &'a Warden,
    pub bundle: &'a Bundle,
    pub dead: DeadId,
    pub progress: &'a Progress,
}

impl Local<'_> {
    pub fn import(&self, source: Source, mode: Mode) -> Result<Outcome, Failure> {
        match mode {
            Mode::Whole => self.whole(source),
            Mode::Each => self.each(source),
        }
    }

    /// Everything in one batch, or nothing.
    fn whole(&self, source: Source) -> Result<Outcome, Failure> {
        let name = source.name.clone();
        let mut batch = Batch::new();
        let mut lines = Vec::new();
        let mut faults = Vec::new();
        for group in Groups::new(source, self.bundle) {
            for (part, part_lines, found) in
                group.map(|parsed| (self.batch(&parsed.entities), parsed.lines, parsed.faults))
            {
                batch.append(part);
                lines.extend(part_lines);
                faults.extend(found);
            }
            self.progress.read(lines.len());
            if faults.len() >= SHOWN {
                break;
            }
        }
        if !faults.is_empty() {
            return Err(refused(&faults));
        }
        self.progress.writing();
        let imported = batch.len();
        match self.warden.load(batch, self.bundle.schema_hash()) {
            Ok(revision) => Ok(Outcome { imported, skipped: Vec::new(), revision: revision.0 }),
            Err(error) => match error.index().and_then(|index| lines.get(index)) {
                Some(line) => Err(refused(&[EntityFault { file: name, line: *line, message: error.to_string() }])),
                None => Err(Failure::new(error.to_string())),
            },
        }
    }

    /// Group by group, without what cannot be stored. A thread reads the next group while one is committed.
    fn each(&self, source: Source) -> Result<Outcome, Failure> {
        let name = source.name.clone();
        let mut outcome = Outcome { imported: 0, skipped: Vec::new(), revision: self.warden.revision()?.0 };
        let bundle = self.bundle;
        std::thread::scope(|scope| {
            let (sender, groups) = sync_channel(0);
            scope.spawn(move || {
                for group in Groups::new(source, bundle) {
                    // Nobody receives any more once an import gave up.
                    if sender.send(group.map(|parsed| parsed)).is_err() {
                        return;
                    }
                }
            });
            for group in groups {
                let mut stored = Vec::new();
                for parsed in group {
                    outcome.skipped.extend(parsed.faults);
                    stored.extend(parsed.lines.into_iter().zip(parsed.entities));
                }
                self.without_dead(&mut stored, &name, &mut outcome.skipped)?;
                outcome.revision = self.commit(&mut stored, &name, &mut outcome.skipped)?.0;
                outcome.imported += stored.len();
                self.progress.read(outcome.imported);
            }
            Ok(outcome)
        })
    }

    /// Drops entities whose ids were deleted before, unless they are to be revived.
    fn without_dead(
        &self,
        stored: &mut Vec<(usize, Entity)>,
        name: &str,
        skipped: &mut Vec<EntityFault>,
    ) -> Result<(), Failure> {
        if self.dead == DeadId::Revive || self.warden.stats().tombstones == 0 {
            return Ok(());
        }
        let session = self.warden.session(Api::Cli, None)?;
        let mut kept = Vec::with_capacity(stored.len());
        for (line, entity) in stored.drain(..) {
            match session.entity(&entity.uid)? {
                Lookup::Deleted(deleted) => {
                    let message = CommitError::Tombstone { index: 0, uid: entity.uid, deleted }.to_string();
                    skipped.push(EntityFault { file: name.to_owned(), line, message });
                }
                _ => kept.push((line, entity)),
            }
        }
        *stored = kept;
        Ok(())
    }

    /// Commits a group; what the store refuses is dropped from it, and the rest tried again.
    fn commit(
        &self,
        stored: &mut Vec<(usize, Entity)>,
        name: &str,
        skipped: &mut Vec<EntityFault>,
    ) -> Result<Revision, Failure> {
        loop {
            let batch = self.batch(stored.iter().map(|(_, entity)| entity));
            match self.warden.load(batch, self.bundle.schema_hash()) {
                Ok(revision) => return Ok(revision),
                Err(error) => match error.index().filter(|index| *index < stored.len()) {
                    Some(index) => {
                        let (line, _) = stored.remove(index);
                        skipped.push(EntityFault { file: name.to_owned(), line, message: error.to_string() });
                    }
                    None => return Err(Failure::new(error.to_string())),
                },
            }
        }
    }

    fn batch<'e>(&self, entities: impl IntoIterator<Item = &'e Entity>) -> Batch {
        let mut batch = Batch::new();
        for entity in entities {
            match self.dead {
                DeadId::Refuse => batch.put(entity),
                DeadId::Revive => {
                    batch.push(Op::Put { entity: entity.clone(), expect: Expect::Anything, revive: true })
                }
            };
        }
        batch
    }
}
