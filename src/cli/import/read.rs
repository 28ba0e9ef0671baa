//! Reading a file of entities on all cores, in order.

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

/// The groups of a file.
pub(super) struct Groups<'a> {
    source: Source,
    bundle: &'a Bundle,
}

/// Pieces that are read together.
pub(super) struct Group<'a> {
    parts: Vec<Vec<Result<Piece, Broken>>>,
    name: String,
    bundle: &'a Bundle,
}

impl<'a> Groups<'a> {
    pub fn new(source: Source, bundle: &'a Bundle) -> Self {
        Self { source, bundle }
    }
}

impl<'a> Iterator for Groups<'a> {
    type Item = Group<'a>;

    fn next(&mut self) -> Option<Group<'a>> {
        let mut parts = Vec::new();
        while parts.len() < PARTS {
            let part: Vec<_> = self.source.pieces.by_ref().take(PART).collect();
            if part.is_empty() {
                break;
            }
            parts.push(part);
        }
        let group = Group { parts, name: self.source.name.clone(), bundle: self.bundle };
        (!group.parts.is_empty()).then_some(group)
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
