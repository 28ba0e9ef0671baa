//! Reading entities from files: Cedar's JSON array, or one JSON object a line; piece by piece, never the whole file.

mod pieces;

use std::fmt;
use std::fs::File;
use std::io::{self, BufRead, BufReader, Read};
use std::path::Path;

use serde::Serialize;
use serde_json::Value as Json;

use super::exit::Failure;
use crate::entity::{Entity, uid_from_json};
use crate::json;
use crate::pdp::Bundle;
pub(super) use pieces::{Broken, Piece, Pieces};

/// What is wrong with one entity of a file.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub(super) struct EntityFault {
    pub file: String,
    /// From 1: where the entity starts, or where its JSON breaks.
    pub line: usize,
    pub message: String,
}

impl fmt::Display for EntityFault {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}:{}: {}", self.file, self.line, self.message)
    }
}

/// An open file of entities.
pub(super) struct Source {
    pub name: String,
    pub pieces: Pieces<Box<dyn BufRead + Send>>,
}

impl Source {
    /// Opens a file; `-` is stdin.
    pub fn open(path: &Path) -> Result<Self, Failure> {
        Self::watched(path, |reader| reader)
    }

    /// Opens a file whose reads pass through `watch`, to see how far they are.
    pub fn watched(
        path: &Path,
        watch: impl FnOnce(Box<dyn Read + Send>) -> Box<dyn Read + Send>,
    ) -> Result<Self, Failure> {
        let fail = |error: io::Error| Failure::new(format!("cannot read {}: {error}", path.display()));
        let (name, reader): (_, Box<dyn Read + Send>) = match path.to_str() {
            Some("-") => ("stdin".to_owned(), Box::new(io::stdin())),
            _ => (path.display().to_string(), Box::new(File::open(path).map_err(fail)?)),
        };
        let reader: Box<dyn BufRead + Send> = Box::new(BufReader::with_capacity(256 * 1024, watch(reader)));
        Ok(Self { name, pieces: Pieces::new(reader).map_err(fail)? })
    }

    /// Every entity of the file, read under the bundle's schema.
    pub fn entities(self, bundle: &Bundle) -> impl Iterator<Item = Result<Entity, EntityFault>> {
        let Self { name, pieces } = self;
        pieces.map(move |piece| {
            let line = piece.as_ref().map_or(0, |piece| piece.line);
            admit(&parse(piece, &name)?, line, bundle, &name)
        })
    }
}

/// The JSON of one entity.
pub(super) fn parse(piece: Result<Piece, Broken>, file: &str) -> Result<Json, EntityFault> {
    let fault = |line, message| EntityFault { file: file.to_owned(), line, message };
    let piece = piece.map_err(|broken| fault(broken.line, broken.message))?;
    json::parse(&piece.text).map_err(|error| {
        let message = error.to_string();
        let place = format!(" at line {} column {}", error.line(), error.column());
        let message = message.strip_suffix(&place).unwrap_or(&message);
        fault(piece.line + error.line().saturating_sub(1), format!("column {}: {message}", error.column()))
    })
}

/// Reads one entity under the bundle's schema.
pub(super) fn admit(json: &Json, line: usize, bundle: &Bundle, file: &str) -> Result<Entity, EntityFault> {
    bundle.admission().entity(json).map_err(|found| {
        let uid = json.get("uid").and_then(|uid| uid_from_json(uid, "uid").ok());
        let of = uid.map(|uid| format!("{uid}: ")).unwrap_or_default();
        EntityFault { file: file.to_owned(), line, message: format!("{of}{found}") }
    })
}
