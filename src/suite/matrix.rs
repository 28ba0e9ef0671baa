//! The decision matrix: actors by actions, one screen for each resource, to be read as a whole and reviewed as a diff.
//!
//! A file `*_matrix.yaml` names actors, resources and (perhaps) actions over fixtures, as suites do. Snapshots of its
//! screens are committed beside it; a change of policies then shows every answer that it changes.

mod csv;
mod html;
mod markdown;
mod text;

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use rayon::prelude::*;

use super::definition::{applies, files, fixtures, frozen, named};
use super::diff::Asked;
use super::fixture::{self, Actor, Side, World};
use super::folder::{self, Folder};
use super::yaml;
use crate::entity::{SmolStr, Uid};
use crate::pdp::{Answer, Bundle, ContextRules, Fault, Faults, Question};

pub use csv::{csv, field as csv_field};
pub use html::html;
pub use markdown::markdown;
pub use text::text;

/// One definition, answered.
pub struct Matrix {
    pub name: String,
    /// Of the file that defines it.
    pub path: PathBuf,
    pub screens: Vec<Screen>,
}

/// Everything about one resource.
pub struct Screen {
    pub resource: String,
    pub actions: Vec<SmolStr>,
    pub rows: Vec<Row>,
    /// What made the answers: a cell's `note` counts from 0.
    pub notes: Vec<String>,
}

pub struct Row {
    pub actor: String,
    /// One for each action; nothing where the schema has no such question.
    pub cells: Vec<Option<Shown>>,
}

/// One answer.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Shown {
    pub kind: Kind,
    pub note: usize,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kind {
    Allow,
    /// Visible, but denied.
    Deny,
    /// As if it were not there.
    Hidden,
    /// 401: the caller has to sign in first, or did so with a credential that is dead.
    Unauthenticated,
    /// A policy failed, or there is no answer.
    Error,
}

impl Kind {
    pub const ALL: [Self; 5] = [Self::Allow, Self::Deny, Self::Hidden, Self::Unauthenticated, Self::Error];

    pub fn symbol(self) -> char {
        match self {
            Self::Allow => '+',
            Self::Deny => 'x',
            Self::Hidden => '-',
            Self::Unauthenticated => '?',
            Self::Error => '!',
        }
    }

    pub fn meaning(self) -> &'static str {
        match self {
            Self::Allow => "allow",
            Self::Deny => "deny",
            Self::Hidden => "hidden",
            Self::Unauthenticated => "unauthenticated",
            Self::Error => "error",
        }
    }

    fn of(answer: &Answer) -> Self {
        let status = answer.reason.as_ref().map(|reason| reason.status);
        match status {
            _ if !answer.errors.is_empty() => Self::Error,
            None => Self::Allow,
            Some(401) => Self::Unauthenticated,
            Some(_) if answer.hidden => Self::Hidden,
            Some(_) => Self::Deny,
        }
    }
}

/// Every matrix at these paths: files, or folders that are searched for `*_matrix.yaml`.
///
/// # Errors
/// Everything that is wrong with them.
pub fn matrices(bundle: &Bundle, paths: &[PathBuf]) -> Result<Vec<Matrix>, Faults> {
    Ok(definitions(bundle, paths)?.into_iter().map(|definition| definition.answer(bundle)).collect())
}

fn definitions(bundle: &Bundle, paths: &[PathBuf]) -> Result<Vec<Definition>, Faults> {
    let (mut found, mut faults) = (Vec::new(), Vec::new());
    for path in files(paths, |name| name.ends_with("_matrix.yaml")).map_err(|fault| Faults(vec![fault]))? {
        match Definition::read(bundle, &path) {
            Ok(definition) => found.push(definition),
            Err(fault) => faults.push(fault),
        }
    }
    if faults.is_empty() { Ok(found) } else { Err(Faults(faults)) }
}

struct Definition {
    name: String,
    path: PathBuf,
    actors: Vec<(String, Actor)>,
    actions: Vec<Uid>,
    resources: Vec<(String, Actor)>,
    now: SmolStr,
    world: Arc<World>,
}

impl Definition {
    fn read(bundle: &Bundle, path: &Path) -> Result<Self, Fault> {
        let file = |message: String| Fault::of_file(path.display().to_string(), message);
        let folder = Folder::of(path).map_err(file)?;
        let source = folder::read(path, path).map_err(|message| file(format!("this {message}")))?;
        let root = yaml::parse(&source)?;
        let own = ["name", "description", "options", "fixtures", "actors", "actions", "screens"];
        let keys: Vec<&str> = own.into_iter().chain(fixture::KEYS).collect();
        let fields = root.fields(&keys)?;
        let needed = |key: &str| match fields.names(key)? {
            Some(names) if !names.is_empty() => Ok(names),
            _ => Err(root.fault(format!("a matrix needs its `{key}`"))),
        };
        let fixture = fixtures(bundle, &folder, &fields)?;
        let resources = fixture.actors(Side::Resource, &needed("screens")?)?;
        let actions = match fields.names("actions")? {
            Some(names) => fixture.actions(&names)?,
            None => bundle.actions().map(|(action, _)| action.clone()).collect(),
        };
        let now = match fields.get("options") {
            Some(node) => node.fields(&["now"])?.get("now").map(frozen).transpose()?,
            None => None,
        };
        if now.is_none() && actions.iter().any(|action| bundle.reads_clock(action)) {
            return Err(root.fault("its answers depend on the clock: freeze it with `options: {now: …}`"));
        }
        Ok(Self {
            name: named(&fields, &source)?,
            path: path.to_owned(),
            actors: fixture.actors(Side::Principal, &needed("actors")?)?,
            actions,
            resources,
            now: now.unwrap_or_default(),
            world: Arc::new(fixture.world()?),
        })
    }

    fn answer(self, bundle: &Bundle) -> Matrix {
        let screens =
            self.resources.par_iter().map(|(shown, target)| self.screen(bundle, shown, &target.uid)).collect();
        Matrix { name: self.name, path: self.path, screens }
    }

    fn screen(&self, bundle: &Bundle, shown: &str, target: &Uid) -> Screen {
        let asked = |action: &&Uid| {
            let mut actors = self.actors.iter();
            actors.any(|(_, actor)| applies(bundle, &actor.uid, action, target))
        };
        let actions: Vec<&Uid> = self.actions.iter().filter(asked).collect();
        let mut notes = Notes::default();
        let mut rows = Vec::new();
        for (name, actor) in &self.actors {
            let cells = actions.iter().map(|action| self.cell(bundle, actor, action, target, &mut notes));
            rows.push(Row { actor: name.clone(), cells: cells.collect() });
        }
        let actions = actions.into_iter().map(|action| action.id().clone()).collect();
        Screen { resource: shown.to_owned(), actions, rows, notes: notes.listed }
    }

    fn cell(&self, bundle: &Bundle, actor: &Actor, action: &Uid, target: &Uid, notes: &mut Notes) -> Option<Shown> {
        if !applies(bundle, &actor.uid, action, target) {
            return None;
        }
        let (kind, note) = match self.question(bundle, actor, action, target) {
            Err(message) => (Kind::Error, message),
            Ok(question) => match bundle.decide(&question, self.world.as_ref()) {
                Ok(answer) => (Kind::of(&answer), note(&answer)),
                Err(error) => (Kind::Error, error.to_string()),
            },
        };
        Some(Shown { kind, note: notes.number(note) })
    }
}

impl Definition {
    fn question(&self, bundle: &Bundle, actor: &Actor, action: &Uid, target: &Uid) -> Result<Question, String> {
        let context = serde_json::Value::Object(actor.context.clone());
        let context = bundle.admission().context(action, &context, ContextRules::Offline);
        Ok(Question {
            principal: actor.uid.clone(),
            action: action.clone(),
            resource: target.clone(),
            context: context.map_err(|fault| fault.to_string())?,
            now: self.now.clone(),
        })
    }

    /// Every question of the matrix.
    fn asked(&self, bundle: &Bundle) -> Vec<Asked> {
        let mut asked = Vec::new();
        for (resource, target) in &self.resources {
            for (principal, actor) in &self.actors {
                for action in self.actions.iter().filter(|action| applies(bundle, &actor.uid, action, &target.uid)) {
                    if let Ok(question) = self.question(bundle, actor, action, &target.uid) {
                        let (principal, resource) = (principal.clone(), resource.clone());
                        asked.push(Asked { principal, resource, question, world: Arc::clone(&self.world) });
                    }
                }
            }
        }
        asked
    }
}

/// Every question of the matrices at these paths.
///
/// # Errors
/// As [`matrices`].
pub(super) fn asked(bundle: &Bundle, paths: &[PathBuf]) -> Result<Vec<Asked>, Faults> {
    Ok(definitions(bundle, paths)?.iter().flat_map(|definition| definition.asked(bundle)).collect())
}

/// What made an answer: its code, and the policies that determined it.
fn note(answer: &Answer) -> String {
    let mut parts = Vec::new();
    parts.extend(answer.reason.as_ref().map(|reason| reason.code.to_string()));
    parts.extend(answer.errors.iter().map(|error| format!("{} failed", error.policy)));
    let policies: Vec<&str> = answer.determining.iter().map(SmolStr::as_str).collect();
    match (parts.is_empty(), policies.is_empty()) {
        (true, _) => policies.join(", "),
        (false, true) => parts.join(", "),
        (false, false) => format!("{} by {}", parts.join(", "), policies.join(", ")),
    }
}

/// Notes in the order in which they come up.
#[derive(Default)]
struct Notes {
    numbers: BTreeMap<String, usize>,
    listed: Vec<String>,
}

impl Notes {
    fn number(&mut self, note: String) -> usize {
        if let Some(number) = self.numbers.get(&note) {
            return *number;
        }
        self.numbers.insert(note.clone(), self.listed.len());
        self.listed.push(note);
        self.listed.len() - 1
    }
}

impl Screen {
    /// A name for its file: what is no letter, digit or dot becomes a hyphen.
    pub fn slug(&self) -> String {
        let keep = |c: char| if c.is_ascii_alphanumeric() || matches!(c, '.' | '_' | '+') { c } else { '-' };
        self.resource.chars().map(keep).collect()
    }
}
