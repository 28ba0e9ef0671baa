//! What a change of policies changes: the same questions to two bundles, and the answers that differ.
//!
//! Not a proof: what nobody asks is not seen. The questions are those of suites, of matrices, and of all entities of a
//! file with each other.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt;
use std::path::PathBuf;
use std::sync::Arc;

use rayon::prelude::*;
use serde::Serialize;

use super::definition::{applies, load};
use super::fixture::World;
use super::matrix;
use crate::entity::{Entity, Record, SmolStr, Uid};
use crate::pdp::{Bundle, Faults, Flip, Question, between};

/// How many questions the entities of a file may make.
const MAX_QUESTIONS: usize = 5_000_000;

/// A question, and the names that it goes by.
pub struct Asked {
    pub principal: String,
    pub resource: String,
    pub question: Question,
    pub world: Arc<World>,
}

/// How two bundles differ.
#[derive(Debug, Serialize)]
pub struct Diff {
    pub questions: usize,
    pub policies: Vec<PolicyChange>,
    /// Newly allowed first, then newly refused, then refused for another reason; each by the policies that made it.
    pub changes: Vec<Change>,
}

#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct PolicyChange {
    /// `added`, `removed` or `changed`.
    pub change: &'static str,
    pub policy: String,
}

/// Questions that changed their answer alike.
#[derive(Debug, Serialize)]
pub struct Change {
    pub flip: Flip,
    /// What made it, e.g. `now permitted by organization/readers`.
    pub by: String,
    /// `principal action resource`.
    pub questions: Vec<String>,
}

/// Every question of the suites and matrices at these paths, as the bundle's schema has them.
///
/// # Errors
/// What is wrong with them.
pub fn asked(bundle: &Bundle, paths: &[PathBuf]) -> Result<Vec<Asked>, Faults> {
    let matrix_alone = |path: &PathBuf| path.is_file() && path.to_string_lossy().ends_with("_matrix.yaml");
    let suite_alone = |path: &PathBuf| path.is_file() && !matrix_alone(path);
    let but = |left_out: &dyn Fn(&PathBuf) -> bool| -> Vec<PathBuf> {
        paths.iter().filter(|path| !left_out(path)).cloned().collect()
    };
    let suites = load(bundle, &but(&matrix_alone))?;
    let tests = suites.into_iter().flat_map(|suite| suite.tests);
    let of_test = |test: super::definition::Test| {
        let world = test.world;
        let cells = test.cells.into_iter();
        cells.map(move |cell| Asked {
            principal: cell.principal,
            resource: cell.resource,
            question: cell.question,
            world: Arc::clone(&world),
        })
    };
    let of_matrices = matrix::asked(bundle, &but(&suite_alone))?;
    Ok(tests.flat_map(of_test).chain(of_matrices).collect())
}

/// Every question that entities can ask about each other.
///
/// # Errors
/// Values that the engine does not take; more questions than anybody would wait for.
pub fn asked_of(bundle: &Bundle, entities: Vec<Entity>, now: &str) -> Result<Vec<Asked>, String> {
    let uids: Vec<Uid> = entities.iter().map(|entity| entity.uid.clone()).chain(bundle.enumerated()).collect();
    let world = Arc::new(World::of(entities)?);
    let environments = bundle.environments();
    let principals: BTreeSet<&SmolStr> = environments.iter().map(|env| &env.principal).collect();
    let resources: BTreeSet<&SmolStr> = environments.iter().map(|env| &env.resource).collect();
    let asks = |uid: &&Uid| principals.contains(uid.type_name()) || bundle.delegate(uid.type_name()).is_some();
    let mut found = Vec::new();
    for principal in uids.iter().filter(asks) {
        for resource in uids.iter().filter(|uid| resources.contains(uid.type_name())) {
            for (action, _) in bundle.actions().filter(|(action, _)| applies(bundle, principal, action, resource)) {
                if found.len() == MAX_QUESTIONS {
                    return Err(format!("these entities make more than {MAX_QUESTIONS} questions"));
                }
                found.push(Asked {
                    principal: principal.to_string(),
                    resource: resource.to_string(),
                    question: Question {
                        principal: principal.clone(),
                        action: action.clone(),
                        resource: resource.clone(),
                        context: Record::new(),
                        now: now.into(),
                    },
                    world: Arc::clone(&world),
                });
            }
        }
    }
    Ok(found)
}

impl Diff {
    pub fn of(from: &Bundle, to: &Bundle, asked: &[Asked]) -> Self {
        let flips: Vec<(Flip, String, String)> = asked.par_iter().filter_map(|asked| flip(from, to, asked)).collect();
        let mut groups: BTreeMap<(Flip, String), BTreeSet<String>> = BTreeMap::new();
        for (flip, by, question) in flips {
            groups.entry((flip, by)).or_default().insert(question);
        }
        let change = |((flip, by), questions): ((Flip, String), BTreeSet<String>)| Change {
            flip,
            by,
            questions: questions.into_iter().collect(),
        };
        let changes = groups.into_iter().map(change).collect();
        Self { questions: asked.len(), policies: policies(from, to), changes }
    }

    fn has(&self, flip: Flip) -> bool {
        self.changes.iter().any(|change| change.flip == flip)
    }

    /// Whether somebody is allowed what was refused.
    pub fn widened(&self) -> bool {
        self.has(Flip::Allowed)
    }

    /// Whether somebody is refused what was allowed.
    pub fn narrowed(&self) -> bool {
        self.has(Flip::Refused)
    }
}

/// The policies whose text differs.
pub fn policies(from: &Bundle, to: &Bundle) -> Vec<PolicyChange> {
    let texts = |bundle: &Bundle| -> BTreeMap<String, String> {
        bundle.policies().map(|info| (info.id.to_string(), info.text.clone())).collect()
    };
    let (old, new) = (texts(from), texts(to));
    let ids: BTreeSet<&String> = old.keys().chain(new.keys()).collect();
    let change = |id: &String| match (old.get(id), new.get(id)) {
        (None, Some(_)) => Some("added"),
        (Some(_), None) => Some("removed"),
        (Some(old), Some(new)) if old != new => Some("changed"),
        _ => None,
    };
    ids.into_iter().filter_map(|id| Some(PolicyChange { change: change(id)?, policy: id.clone() })).collect()
}

/// How one answer differs: in what, made by what, and the question.
fn flip(from: &Bundle, to: &Bundle, asked: &Asked) -> Option<(Flip, String, String)> {
    let Asked { principal, resource, question, world } = asked;
    let before = from.decide(question, world.as_ref());
    let after = to.decide(question, world.as_ref());
    let (flip, by) = match (before, after) {
        (Ok(before), Ok(after)) => between(&before, &after)?,
        // A question that only one schema has counts as refused by the other.
        (Err(_), Ok(after)) if after.allowed() => (Flip::Allowed, "a question that there was not before".to_owned()),
        (Ok(before), Err(_)) if before.allowed() => (Flip::Refused, "a question that there is no more".to_owned()),
        _ => return None,
    };
    Some((flip, by, format!("{principal} {} {resource}{}", question.action.id(), shown(&question.context))))
}

/// A context as a question shows it.
fn shown(context: &Record) -> String {
    let parts: Vec<String> = context.iter().map(|(key, value)| format!("{key}: {}", value.to_json())).collect();
    if parts.is_empty() { String::new() } else { format!(" {{{}}}", parts.join(", ")) }
}

impl fmt::Display for Diff {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for PolicyChange { change, policy } in &self.policies {
            writeln!(f, "{change:8} {policy}")?;
        }
        for Change { flip, by, questions } in &self.changes {
            let what = match flip {
                Flip::Allowed => "NEWLY ALLOWED",
                Flip::Refused => "NEWLY REFUSED",
                Flip::OtherReason => "REFUSED FOR ANOTHER REASON",
            };
            writeln!(f, "\n{what}: {by}")?;
            questions.iter().try_for_each(|question| writeln!(f, "  {question}"))?;
        }
        let count = |flip: Flip| -> usize {
            let of_kind = self.changes.iter().filter(|change| change.flip == flip);
            of_kind.map(|change| change.questions.len()).sum()
        };
        let gap = if self.policies.is_empty() && self.changes.is_empty() { "" } else { "\n" };
        write!(
            f,
            "{gap}{} questions: {} newly allowed, {} newly refused, {} refused for another reason",
            self.questions,
            count(Flip::Allowed),
            count(Flip::Refused),
            count(Flip::OtherReason)
        )
    }
}
