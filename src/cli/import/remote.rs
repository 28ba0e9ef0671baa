//! Importing through a running server, which reads the entities under its schema.

use super::progress::Progress;
use super::{Mode, Outcome, refused};
use crate::cli::client::{Client, Refusal};
use crate::cli::entities::{self, EntityFault, Source};
use crate::cli::exit::Failure;
use crate::warden::DeadId;
use serde_json::Value as Json;

const PATH: &str = "/v1/entities:batch";
/// Entities of one request when a file is not sent whole; also bounded by their bytes.
const GROUP: usize = 2_000;
const GROUP_BYTES: usize = 4 * 1024 * 1024;

/// An import through a server.
pub(super) struct Remote<'a> {
    pub client: &'a Client,
    pub dead: DeadId,
    pub progress: &'a Progress,
}

/// An entity as it is sent.
struct Sent {
    /// Where it stands in the file.
    line: usize,
    text: String,
}

impl Remote<'_> {
    pub fn import(&self, source: Source, mode: Mode) -> Result<Outcome, Failure> {
        let name = source.name.clone();
        let mut outcome = Outcome { imported: 0, skipped: Vec::new(), revision: 0 };
        let mut group: Vec<Sent> = Vec::new();
        let mut bytes = 0;
        for piece in source.pieces {
            let line = piece.as_ref().map_or(0, |piece| piece.line);
            match entities::parse(piece, &name) {
                Ok(json) => {
                    let text = json.to_string();
                    bytes += text.len();
                    group.push(Sent { line, text });
                }
                Err(fault) if mode == Mode::Each => outcome.skipped.push(fault),
                Err(fault) => return Err(refused(&[fault])),
            }
            if mode == Mode::Each && (group.len() == GROUP || bytes >= GROUP_BYTES) {
                self.each(&mut group, &name, &mut outcome)?;
                bytes = 0;
            }
        }
        match mode {
            Mode::Each => self.each(&mut group, &name, &mut outcome)?,
            Mode::Whole => {
                self.progress.writing();
                outcome.imported = group.len();
                outcome.revision = self.send(&group).map_err(|refusal| match fault(&refusal, &group, &name) {
                    Some((_, fault)) => refused(&[fault]),
                    None => refusal.into(),
                })?;
            }
        }
        Ok(outcome)
    }

    /// Sends a group; what the server refuses is dropped from it, and the rest sent again.
    fn each(&self, group: &mut Vec<Sent>, name: &str, outcome: &mut Outcome) -> Result<(), Failure> {
        loop {
            match self.send(group) {
                Ok(revision) => {
                    outcome.revision = revision;
                    outcome.imported += group.len();
                    self.progress.read(outcome.imported);
                    group.clear();
                    return Ok(());
                }
                Err(refusal) => match fault(&refusal, group, name) {
                    Some((index, fault)) => {
                        group.remove(index);
                        outcome.skipped.push(fault);
                    }
                    None => return Err(refusal.into()),
                },
            }
        }
    }

    /// The revision with these entities.
    fn send(&self, group: &[Sent]) -> Result<u64, Refusal> {
        let mut lines = Vec::with_capacity(group.iter().map(|sent| sent.text.len() + 1).sum());
        for sent in group {
            lines.extend_from_slice(sent.text.as_bytes());
            lines.push(b'\n');
        }
        let query: &[(&str, &str)] = match self.dead {
            DeadId::Refuse => &[],
            DeadId::Revive => &[("revive", "true")],
        };
        let answer = self.client.post_lines(PATH, query, &lines)?;
        Ok(answer.get("revision").and_then(Json::as_u64).unwrap_or_default())
    }
}

/// The entity that the server meant.
fn fault(refusal: &Refusal, group: &[Sent], name: &str) -> Option<(usize, EntityFault)> {
    let index = refusal.line?.checked_sub(1)?;
    let sent = group.get(index)?;
    let own = format!("line {}: ", index + 1);
    let message = refusal.message.strip_prefix(&own).unwrap_or(&refusal.message).to_owned();
    Some((index, EntityFault { file: name.to_owned(), line: sent.line, message }))
}
