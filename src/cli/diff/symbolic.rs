//! `diff --symbolic`: what a change of policies changes for every possible question and store.
//!
//! What the solver could not tell is never told as the same: it has an exit code of its own.

use std::collections::BTreeMap;
use std::fmt;
use std::path::Path;
use std::time::Instant;

use serde::Serialize;
use serde_json::{Value as Json, json};

use super::super::Setting;
use super::super::exit::{Exit, Failure};
use super::super::prove::FOLDER;
use super::super::solver::write_world;
use super::{DiffArgs, exit};
use crate::pdp::{
    Answer, Bundle, Comparison, Difference, Flip, OtherSchema, Pair, ProofEnvironment, Properties, Seen, between,
};
use crate::suite::{PolicyChange, changed_policies};
use crate::warden;

pub(super) fn run(args: &DiffArgs, from: &Bundle, to: &Bundle, setting: &Setting) -> Result<Exit, Failure> {
    let pair = Pair::new(from, to)?;
    let folder = args.to.join(FOLDER);
    let files = match &args.properties {
        Some(path) => warden::properties(path)?,
        None if folder.is_dir() => warden::properties(&folder)?,
        None => Vec::new(),
    };
    let properties = Properties::read(to, &files)?;
    let settings = args.solver.settings()?;
    let started = Instant::now();
    let compared = pair.compare(&properties, &settings)?;
    let mut report = Report {
        verdict: Verdict::of(compared.iter().map(|it| Verdict::of_sides(&it.allowed, &it.refused))),
        solver: settings.solver.version,
        seconds: started.elapsed().as_secs_f64(),
        assumptions: properties.assumptions(),
        policies: changed_policies(from, to),
        environments: compared.into_iter().map(Line::new).collect(),
        files: Vec::new(),
    };
    if let Some(folder) = &args.solver.counterexamples {
        report.write(folder)?;
    }
    setting.terminal.print(&report, &report)?;
    Ok(report.verdict.exit())
}

impl From<OtherSchema> for Failure {
    fn from(other: OtherSchema) -> Self {
        Self::new(format!("{other}\n`--symbolic` compares policies under one schema; without it, `diff` asks examples"))
    }
}

/// What is known of both directions; `None` when it is not.
#[derive(Clone, Copy)]
struct Verdict {
    widened: Option<bool>,
    narrowed: Option<bool>,
}

impl Verdict {
    fn of_sides(allowed: &Seen, refused: &Seen) -> Self {
        let known = |seen: &Seen| match seen {
            Seen::Never => Some(false),
            Seen::In(_) => Some(true),
            Seen::Unknown(_) => None,
        };
        Self { widened: known(allowed), narrowed: known(refused) }
    }

    /// Of all environments: one that is seen to differ is enough, one that is not known keeps the others from `no`.
    fn of(all: impl Iterator<Item = Self>) -> Self {
        let any = |one: Option<bool>, other: Option<bool>| match (one, other) {
            (Some(true), _) | (_, Some(true)) => Some(true),
            (None, _) | (_, None) => None,
            _ => Some(false),
        };
        let none = Self { widened: Some(false), narrowed: Some(false) };
        all.fold(none, |one, other| Self {
            widened: any(one.widened, other.widened),
            narrowed: any(one.narrowed, other.narrowed),
        })
    }

    fn word(self) -> &'static str {
        match (self.widened, self.narrowed) {
            (Some(false), Some(false)) => "same",
            (Some(true), Some(true)) => "both",
            (Some(true), Some(false)) => "widened",
            (Some(false), Some(true)) => "narrowed",
            (None, _) | (_, None) => "unknown",
        }
    }

    fn exit(self) -> Exit {
        match (self.widened, self.narrowed) {
            (Some(widened), Some(narrowed)) => exit(widened, narrowed),
            _ => Exit::Failure,
        }
    }
}

impl Serialize for Verdict {
    fn serialize<S: serde::Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_str(self.word())
    }
}

#[derive(Serialize)]
struct Report {
    verdict: Verdict,
    solver: String,
    seconds: f64,
    assumptions: usize,
    policies: Vec<PolicyChange>,
    environments: Vec<Line>,
    /// Counterexamples that were written.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    files: Vec<String>,
}

/// One request environment.
#[derive(Serialize)]
struct Line {
    environment: ProofEnvironment,
    verdict: Verdict,
    seconds: f64,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    worlds: Vec<World>,
    /// Why a direction is not known.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    unknown: Vec<String>,
}

/// A counterexample, in one direction.
#[derive(Serialize)]
struct World {
    flip: Flip,
    by: String,
    before: Json,
    after: Json,
    request: Json,
    entities: Json,
}

impl Line {
    fn new(compared: Comparison) -> Self {
        let verdict = Verdict::of_sides(&compared.allowed, &compared.refused);
        let (mut worlds, mut unknown) = (Vec::new(), Vec::new());
        for (what, seen) in [("newly allowed", compared.allowed), ("newly refused", compared.refused)] {
            match seen {
                Seen::Never => {}
                Seen::In(shown) => worlds.extend(World::new(*shown)),
                Seen::Unknown(why) => unknown.push(format!("whether anything is {what}: {why}")),
            }
        }
        Self { environment: compared.environment, verdict, seconds: compared.seconds, worlds, unknown }
    }
}

impl World {
    fn new(shown: Difference) -> Option<Self> {
        let (flip, by) = between(&shown.before, &shown.after)?;
        let answer = |answer: &Answer| json!({"decision": answer.decision, "determining": answer.determining, "errors": answer.errors});
        Some(Self {
            flip,
            by,
            before: answer(&shown.before),
            after: answer(&shown.after),
            request: shown.request,
            entities: shown.entities,
        })
    }
}

impl Report {
    /// Writes every world, named after its environment and direction.
    fn write(&mut self, folder: &Path) -> Result<(), Failure> {
        for line in &self.environments {
            let ProofEnvironment { principal, action, resource, .. } = &line.environment;
            for world in &line.worlds {
                let way = if world.flip == Flip::Allowed { "allowed" } else { "refused" };
                let name = format!("{way}-{principal}-{}-{resource}", action.id());
                self.files.extend(write_world(folder, &name, &world.entities, &world.request)?);
            }
        }
        Ok(())
    }

    fn count(&self, word: &str) -> usize {
        self.environments.iter().filter(|line| line.verdict.word() == word).count()
    }
}

impl fmt::Display for Report {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for PolicyChange { change, policy } in &self.policies {
            writeln!(f, "{change:8} {policy}")?;
        }
        let mut groups: BTreeMap<(Flip, &str), Vec<(&ProofEnvironment, &World)>> = BTreeMap::new();
        for line in &self.environments {
            for world in &line.worlds {
                groups.entry((world.flip, &world.by)).or_default().push((&line.environment, world));
            }
        }
        for ((flip, by), found) in groups {
            let what = if flip == Flip::Allowed { "ALLOWED" } else { "REFUSED" };
            writeln!(f, "\nNEWLY {what}: {by}")?;
            for (environment, _) in &found {
                writeln!(f, "  {environment}")?;
            }
            if let Some((_, world)) = found.first() {
                show(world, f)?;
            }
        }
        for line in self.environments.iter().filter(|line| !line.unknown.is_empty()) {
            writeln!(f, "\nNOT KNOWN: {}", line.environment)?;
            line.unknown.iter().try_for_each(|why| writeln!(f, "  {why}"))?;
        }
        if !self.policies.is_empty() {
            writeln!(f)?;
        }
        let [same, widened, narrowed, both, unknown] =
            ["same", "widened", "narrowed", "both", "unknown"].map(|word| self.count(word));
        write!(
            f,
            "{}: of {} request environments {same} are the same, {widened} widened, {narrowed} narrowed, {both} both, \
             {unknown} not known; {} assumptions, {}, {:.1} s",
            self.verdict.word(),
            self.environments.len(),
            self.assumptions,
            self.solver,
            self.seconds
        )?;
        for file in &self.files {
            write!(f, "\nwrote {file}")?;
        }
        Ok(())
    }
}

/// A world, as `hubwarden authorize --entities FILE --request-json FILE` takes it.
fn show(world: &World, f: &mut fmt::Formatter<'_>) -> fmt::Result {
    writeln!(f, "  for example, asked of both sides:\n    {}", world.request)?;
    writeln!(f, "  with the entities:")?;
    world.entities.as_array().into_iter().flatten().try_for_each(|entity| writeln!(f, "    {entity}"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_not_known_is_never_the_same() {
        let known = [Some(false), Some(true), None];
        for (widened, narrowed) in known.into_iter().flat_map(|widened| known.map(|narrowed| (widened, narrowed))) {
            let verdict = Verdict { widened, narrowed };
            let same = (widened, narrowed) == (Some(false), Some(false));
            assert_eq!(verdict.word() == "same", same);
            assert_eq!(verdict.exit() == Exit::Success, same);
            assert_eq!(verdict.exit() == Exit::Failure, widened.is_none() || narrowed.is_none());
        }
    }

    #[test]
    fn one_environment_that_differs_is_enough_and_one_unknown_keeps_the_rest_from_a_no() {
        let of = |all: &[(Option<bool>, Option<bool>)]| {
            Verdict::of(all.iter().map(|&(widened, narrowed)| Verdict { widened, narrowed })).word()
        };
        let (yes, no) = (Some(true), Some(false));
        assert_eq!(of(&[]), "same");
        assert_eq!(of(&[(no, no), (yes, no), (no, no)]), "widened");
        assert_eq!(of(&[(yes, no), (no, yes)]), "both");
        assert_eq!(of(&[(yes, no), (None, no)]), "widened");
        assert_eq!(of(&[(yes, no), (no, None)]), "unknown");
        assert_eq!(of(&[(no, no), (None, no)]), "unknown");
    }
}
