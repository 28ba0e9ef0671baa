//! `hubwarden import`: entities from a file into a store, all of them or none.
//!
//! The file is read in groups; the entities of a group are read under the schema on all cores. Memory holds one group,
//! and without `--continue` also what is to be committed, in its encoded form.

mod progress;
mod read;

use std::path::PathBuf;
use std::sync::Arc;
use std::time::Instant;

use clap::Args;
use serde_json::json;

use super::Setting;
use super::bundle::BundleArgs;
use super::data::{self, DataArgs, Missing};
use super::entities::{EntityFault, Source};
use super::exit::{Exit, Failure};
use crate::clock::SystemClock;
use crate::entity::Entity;
use crate::pdp::Bundle;
use crate::store::{Batch, CommitError, Expect, Lookup, Op, Revision};
use crate::warden::{Api, ChangeError, DeadId, Warden};
use progress::Progress;
use read::Groups;

/// So many faults are shown before an import that stores nothing gives up.
const SHOWN: usize = 20;

#[derive(Debug, Args)]
pub(super) struct ImportArgs {
    #[command(flatten)]
    data: DataArgs,
    #[command(flatten)]
    bundle: BundleArgs,
    /// Skip and report what cannot be stored, instead of storing nothing; the exit code is 3 when something was skipped
    #[arg(long = "continue")]
    keep_going: bool,
    /// Also store entities whose ids were deleted before
    #[arg(long)]
    revive: bool,
    /// A JSON array of entities, or one JSON object a line; `-` reads stdin
    #[arg(value_name = "FILE")]
    file: PathBuf,
}

/// What became of a file.
struct Outcome {
    imported: usize,
    skipped: Vec<EntityFault>,
    revision: Revision,
}

pub(super) fn run(args: &ImportArgs, setting: &Setting) -> Result<Exit, Failure> {
    let started = Instant::now();
    let progress = Progress::new(&args.file, setting.terminal);
    let source = Source::watched(&args.file, |reader| progress.watch(reader))?;
    let store = args.data.open(setting, Missing::Create)?;
    let warden = data::warden(store, &args.bundle, setting, Arc::new(SystemClock))?;
    let dead = if args.revive { DeadId::Revive } else { DeadId::Refuse };
    let import = Import { warden: &warden, bundle: &warden.bundle(), dead, progress: &progress };
    let outcome = match args.keep_going {
        true => import.each(source)?,
        false => import.whole(source)?,
    };
    warden.close()?;
    progress.finish();
    let seconds = started.elapsed().as_secs_f64().max(0.001);
    setting.terminal.note(format!("{:.1} s, {:.0} entities a second", seconds, outcome.imported as f64 / seconds));
    let skipped = match outcome.skipped.len() {
        0 => String::new(),
        count => format!(", skipped {count}"),
    };
    setting.terminal.print(
        format!("imported {}{skipped}, revision {}", outcome.imported, outcome.revision),
        &json!({"imported": outcome.imported, "skipped": outcome.skipped, "revision": outcome.revision.0}),
    )?;
    Ok(if outcome.skipped.is_empty() { Exit::Success } else { Exit::Invalid })
}

struct Import<'a> {
    warden: &'a Warden,
    bundle: &'a Bundle,
    dead: DeadId,
    progress: &'a Progress,
}

impl Import<'_> {
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
            Ok(revision) => Ok(Outcome { imported, skipped: Vec::new(), revision }),
            Err(error) => match index(&error).and_then(|index| lines.get(index)) {
                Some(line) => Err(refused(&[EntityFault { file: name, line: *line, message: error.to_string() }])),
                None => Err(Failure::new(error.to_string())),
            },
        }
    }

    /// Group by group, without what cannot be stored.
    fn each(&self, source: Source) -> Result<Outcome, Failure> {
        let name = source.name.clone();
        let mut outcome = Outcome { imported: 0, skipped: Vec::new(), revision: self.warden.revision()? };
        for group in Groups::new(source, self.bundle) {
            let mut stored = Vec::new();
            for parsed in group.map(|parsed| parsed) {
                outcome.skipped.extend(parsed.faults);
                stored.extend(parsed.lines.into_iter().zip(parsed.entities));
            }
            self.without_dead(&mut stored, &name, &mut outcome.skipped)?;
            outcome.revision = self.commit(&mut stored, &name, &mut outcome.skipped)?;
            outcome.imported += stored.len();
            self.progress.read(outcome.imported);
        }
        for fault in &outcome.skipped {
            self.progress.say(&format!("skipped {fault}"));
        }
        Ok(outcome)
    }

    /// Drops entities whose ids were deleted before, unless they are to be revived.
    fn without_dead(
        &self,
        stored: &mut Vec<(usize, Entity)>,
        name: &str,
        skipped: &mut Vec<EntityFault>,
    ) -> Result<(), Failure> {
        if self.dead == DeadId::Revive {
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
                Err(error) => match index(&error).filter(|index| *index < stored.len()) {
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

/// Which entity of a batch the store refused.
fn index(error: &ChangeError) -> Option<usize> {
    match error {
        ChangeError::Commit(
            CommitError::Conflict { index, .. }
            | CommitError::Tombstone { index, .. }
            | CommitError::TooLarge { index, .. }
            | CommitError::TooDeep { index, .. },
        ) => Some(*index),
        _ => None,
    }
}

fn refused(faults: &[EntityFault]) -> Failure {
    let mut lines: Vec<String> = faults.iter().take(SHOWN).map(EntityFault::to_string).collect();
    if faults.len() > SHOWN {
        lines.push("and more".to_owned());
    }
    lines.push("nothing was imported; `--continue` skips what cannot be".to_owned());
    Failure::invalid(lines.join("\n"))
}
