//! The vocabulary of properties: Cedar policies that say what the bundle's policies must already say.
//!
//! - A `forbid` with `@property("sentence")`: whatever it matches is denied. With `@comparedWithout("key")` or
//!   `@comparedAs("Type::\"id\"")` or both: denied, unless the same question without that key of the context, asked by
//!   that principal, is allowed.
//! - A `permit` with `@property`: whatever it matches is allowed.
//! - A `forbid` with `@assume("sentence")`: what it matches does not occur; the store or its callers see to it.
//!
//! Three laws need no text, since they hold for every policy of every bundle: it cannot fail, it can match, and it is not
//! wholly covered by others of its effect.

use cedar_policy::{Effect, Policy};
use serde_json::Value as Json;
use smol_str::SmolStr;

use crate::entity::Uid;
use crate::pdp::bundle::{Bundle, PolicyInfo, SourceFile};
use crate::pdp::fault::{Fault, Faults};
use crate::pdp::policies;

const HELP: &str = "`@property(\"what must hold\")` with `@comparedWithout(\"key\")` and `@comparedAs(\"Type::\\\"id\\\"\")`, or `@assume(\"what never occurs\")`";

/// What must hold, beside what is taken for granted.
pub struct Properties {
    pub(super) properties: Vec<Property>,
    pub(super) assumptions: Vec<Policy>,
}

/// One property.
pub struct Property {
    pub id: SmolStr,
    /// The sentence that people read.
    pub says: SmolStr,
    /// Where it is written; empty for the laws of every policy.
    pub file: String,
    pub line: usize,
    pub(super) kind: Kind,
}

pub(super) enum Kind {
    /// What the policy matches is denied, or allowed to the other question as well.
    Denied(Policy, Option<Other>),
    /// What the policy matches is allowed.
    Allowed(Policy),
    Law(Law),
}

/// A question that is like the first one but for this.
pub(super) struct Other {
    pub without: Vec<SmolStr>,
    pub principal: Option<Uid>,
}

/// What holds of every policy.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Law {
    NeverFails,
    CanMatch,
    MattersBesideOthers,
}

const LAWS: [(Law, &str, &str); 3] = [
    (Law::NeverFails, "every-policy/never-fails", "No policy can fail to evaluate."),
    (Law::CanMatch, "every-policy/can-match", "Every policy matches something that can be asked."),
    (Law::MattersBesideOthers, "every-policy/not-covered", "No policy is wholly covered by others of its effect."),
];

impl Properties {
    /// Reads files of properties under a bundle's schema. Without files only the laws remain.
    ///
    /// # Errors
    /// Every fault of the files: as for policies, and what is no property.
    pub fn read(bundle: &Bundle, files: &[SourceFile]) -> Result<Self, Faults> {
        let loaded = policies::load(files)?;
        loaded.validate(&bundle.schema.engine, files)?;
        let law = |(law, id, says): (Law, &str, &str)| Property {
            id: id.into(),
            says: says.into(),
            file: String::new(),
            line: 0,
            kind: Kind::Law(law),
        };
        let mut read = Self { properties: LAWS.map(law).into(), assumptions: Vec::new() };
        let mut faults = Vec::new();
        let mut policies: Vec<(&Policy, &PolicyInfo)> = loaded
            .policies
            .policies()
            .filter_map(|policy| Some((policy, loaded.infos.get(AsRef::<str>::as_ref(policy.id()))?)))
            .collect();
        policies.sort_by(|(_, a), (_, b)| (&a.file, a.line).cmp(&(&b.file, b.line)));
        let templates = loaded.policies.templates().filter_map(|it| loaded.infos.get(AsRef::<str>::as_ref(it.id())));
        faults.extend(templates.map(|info| misread(files, info, "a property has no slots")));
        for (policy, info) in policies {
            match read.take(bundle, policy, info) {
                Ok(()) => {}
                Err(message) => faults.push(misread(files, info, &message)),
            }
        }
        match faults.is_empty() {
            true => Ok(read),
            false => Err(Faults(faults)),
        }
    }

    /// All of them, laws first.
    pub fn all(&self) -> &[Property] {
        &self.properties
    }

    /// How many things are taken for granted.
    pub fn assumptions(&self) -> usize {
        self.assumptions.len()
    }

    /// Keeps those that are named by their id, or by the part before its `/`.
    ///
    /// # Errors
    /// The first name that names none.
    pub fn keep(&mut self, names: &[String]) -> Result<(), String> {
        let named = |property: &Property, name: &str| {
            property.id == name || property.id.split_once('/').is_some_and(|(concern, _)| concern == name)
        };
        match names.iter().find(|name| !self.properties.iter().any(|property| named(property, name))) {
            Some(name) => Err(format!("there is no property `{name}`; `--list` shows them")),
            None => {
                self.properties.retain(|property| names.iter().any(|name| named(property, name)));
                Ok(())
            }
        }
    }

    fn take(&mut self, bundle: &Bundle, policy: &Policy, info: &PolicyInfo) -> Result<(), String> {
        let known = ["id", "property", "assume", "comparedWithout", "comparedAs"];
        if let Some(key) = info.annotations.keys().find(|key| !known.contains(&key.as_str())) {
            return Err(format!("`@{key}` means nothing on a property"));
        }
        let note = |key: &str| info.annotations.get(key).filter(|text| !text.is_empty());
        let other = other(bundle, note("comparedWithout"), note("comparedAs"))?;
        let forbids = policy.effect() == Effect::Forbid;
        let kind = match (note("property"), note("assume")) {
            (None, Some(_)) if forbids && other.is_none() => {
                self.assumptions.push(policy.clone());
                return Ok(());
            }
            (None, Some(_)) => return Err("an assumption is a `forbid` and compares nothing".to_owned()),
            (Some(_), None) if forbids => Kind::Denied(policy.clone(), other),
            (Some(_), None) if other.is_none() => Kind::Allowed(policy.clone()),
            (Some(_), None) => return Err("only a `forbid` compares with another question".to_owned()),
            _ => return Err("this is neither a property nor an assumption".to_owned()),
        };
        self.properties.push(Property {
            id: info.id.clone(),
            says: note("property").cloned().unwrap_or_default(),
            file: info.file.clone(),
            line: info.line,
            kind,
        });
        Ok(())
    }
}

fn other(bundle: &Bundle, without: Option<&SmolStr>, principal: Option<&SmolStr>) -> Result<Option<Other>, String> {
    if without.is_none() && principal.is_none() {
        return Ok(None);
    }
    let without: Vec<SmolStr> =
        without.into_iter().flat_map(|keys| keys.split(',')).map(|key| key.trim().into()).collect();
    for key in &without {
        let mut declared = bundle.schema.actions.values().filter_map(|action| action.context.get(key)).peekable();
        if declared.peek().is_none() {
            return Err(format!("no action has `{key}` in its context"));
        }
        if declared.any(|attribute| attribute.required) {
            return Err(format!("a context always has `{key}`: there is no question without it"));
        }
    }
    let principal = principal.map(|text| Uid::parse(text).map_err(|error| error.to_string())).transpose()?;
    if let Some(uid) = &principal
        && !bundle.schema.types.contains_key(uid.type_name())
    {
        return Err(format!("the schema has no entity type `{}`", uid.type_name()));
    }
    Ok(Some(Other { without, principal }))
}

fn misread(files: &[SourceFile], info: &PolicyInfo, message: &str) -> Fault {
    let mut fault = match files.iter().find(|file| file.path == info.file) {
        Some(file) => {
            let offset = file.text.split_inclusive('\n').take(info.line.saturating_sub(1)).map(str::len).sum();
            Fault::at(file, offset, 1, message)
        }
        None => Fault::of_file(&info.file, message),
    };
    fault.help = Some(HELP.to_owned());
    fault
}

impl Law {
    /// What a policy is that breaks it.
    pub fn broken(self) -> &'static str {
        match self {
            Self::NeverFails => "can fail",
            Self::CanMatch => "matches nothing that can be asked",
            Self::MattersBesideOthers => "changes nothing: others of its effect match whatever it matches",
        }
    }
}

/// The engine's JSON of a policy.
pub(super) fn json(policy: &Policy) -> Result<Json, String> {
    policy.to_json().map_err(|error| error.to_string())
}
