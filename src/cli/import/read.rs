//! Reading a file of entities on all cores, in order.

use std::sync::mpsc::{Receiver, sync_channel};

use rayon::prelude::*;

use crate::cli::entities::{self, Broken, EntityFault, Piece, Source};
use crate::entity::Entity;
use crate::pdp::Bundle;

/// Pieces of one task: large enough that handing it out costs nothing.
const PART: usize = 256;
/// Parts in memory at once.
const PARTS: usize = 64;

/// The entities of some pieces, and what is wrong with the others.
#[derive(Default)]
pub(super) struct Parsed {
    /// Where each entity starts.
    pub lines: Vec<usize>,
    pub entities: Vec<Entity>,
    pub faults: Vec<EntityFault>,
}

/// Pieces cut from a file, not read yet.
type Parts = Vec<Vec<Result<Piece, Broken>>>;

/// The groups of a file. A thread cuts the next one while this one is read.
pub(super) struct Groups<'a> {
    name: String,
    /// Ends with an empty group.
    cut: Receiver<Parts>,
    ended: bool,
    bundle: &'a Bundle,
}

/// Pieces that are read together.
pub(super) struct Group<'a> {
    parts: Parts,
    name: String,
    bundle: &'a Bundle,
}

impl<'a> Groups<'a> {
    pub fn new(source: Source, bundle: &'a Bundle) -> Self {
        let Source { name, mut pieces } = source;
        let (sender, cut) = sync_channel(1);
        std::thread::spawn(move || {
            loop {
                let next = || Some(pieces.by_ref().take(PART).collect()).filter(|part: &Vec<_>| !part.is_empty());
                let parts: Parts = std::iter::from_fn(next).take(PARTS).collect();
                let last = parts.is_empty();
                // Nobody receives any more once an import gave up.
                if sender.send(parts).is_err() || last {
                    return;
                }
            }
        });
        Self { name, cut, ended: false, bundle }
    }
}

impl<'a> Iterator for Groups<'a> {
    type Item = Group<'a>;

    fn next(&mut self) -> Option<Group<'a>> {
        if self.ended {
            return None;
        }
        let parts = self.cut.recv().unwrap_or_else(|_| {
            // The thread is gone without an end: what came so far is not the whole file.
            let message = "the file was not read to its end".to_owned();
            self.ended = true;
            vec![vec![Err(Broken { line: 0, message })]]
        });
        self.ended |= parts.is_empty();
        (!parts.is_empty()).then(|| Group { parts, name: self.name.clone(), bundle: self.bundle })
    }
}

impl Group<'_> {
    /// Reads the parts under the schema and maps each, on all cores; the results are in the order of the file.
    pub fn map<T: Send>(self, map: impl Fn(Parsed) -> T + Sync) -> Vec<T> {
        let Self { parts, name, bundle } = self;
        parts.into_par_iter().map(|part| map(parse(part, &name, bundle))).collect()
    }
}

fn parse(part: Vec<Result<Piece, Broken>>, name: &str, bundle: &Bundle) -> Parsed {
    let mut parsed = Parsed::default();
    for piece in part {
        let line = piece.as_ref().map_or(0, |piece| piece.line);
        let read = entities::parse(piece, name).and_then(|json| entities::admit(&json, line, bundle, name));
        match read {
            Ok(entity) => {
                parsed.lines.push(line);
                parsed.entities.push(entity);
            }
            Err(fault) => parsed.faults.push(fault),
        }
    }
    parsed
}
