//! `hubwarden new policy`: a policy to fill in, in the file of its concern. It decides nothing until somebody writes its
//! condition: `when { false }` is refused by `validate`, so it cannot be forgotten. `new test` is the same for suites.

mod suite;

use std::fs;
use std::path::Path;

use clap::{Args, Subcommand, ValueEnum};
use serde_json::json;

use super::Setting;
use super::bundle::BundleArgs;
use super::exit::{Exit, Failure};
use crate::entity::{SmolStr, Uid};
use crate::pdp::{Bundle, SourceFile, format_policies};

#[derive(Debug, Args)]
pub(super) struct NewArgs {
    #[command(subcommand)]
    what: New,
}

#[derive(Debug, Subcommand)]
enum New {
    /// Add a policy that denies nothing and permits nothing until its condition is written.
    Policy(PolicyArgs),
    /// Add a suite of policy tests that fails until its expectations are written.
    Test(suite::TestArgs),
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
enum Effect {
    Permit,
    Forbid,
}

#[derive(Debug, Args)]
struct PolicyArgs {
    #[command(flatten)]
    bundle: BundleArgs,
    /// The new id, `concern/rule`: it goes into `concern.cedar`
    #[arg(value_name = "CONCERN/RULE")]
    id: String,
    #[arg(long, value_enum)]
    effect: Effect,
    /// Who is meant: a type, e.g. `user`
    #[arg(long, value_name = "TYPE")]
    principal: String,
    /// Doing what: an action; may be repeated
    #[arg(long = "action", value_name = "ACTION", required = true)]
    actions: Vec<String>,
    /// On what: a type, e.g. `repo`
    #[arg(long, value_name = "TYPE")]
    resource: String,
    /// For a forbid: the code of the refusal, one of reasons.json
    #[arg(long, value_name = "CODE", required_if_eq("effect", "forbid"))]
    reason: Option<String>,
}

pub(super) fn run(args: &NewArgs, setting: &Setting) -> Result<Exit, Failure> {
    match &args.what {
        New::Policy(args) => policy(args, setting),
        New::Test(args) => suite::run(args, setting),
    }
}

fn policy(args: &PolicyArgs, setting: &Setting) -> Result<Exit, Failure> {
    let Some((folder, _)) = args.bundle.paths(setting)? else {
        return Err(Failure::new("name the policies to add to: `--policies DIR --schema FILE`"));
    };
    let bundle = Bundle::build(args.bundle.source(setting)?)?;
    let path = folder.join(format!("{}.cedar", concern(&args.id)?));
    if bundle.policies().any(|info| info.id == args.id) {
        return Err(Failure::new(format!("there is a policy `{}` already", args.id)));
    }
    if args.effect == Effect::Permit && args.reason.is_some() {
        return Err(Failure::new("a permit refuses nothing: `--reason` goes with a forbid"));
    }
    let text = text(args, &bundle)?;
    let before = match path.exists() {
        true => fs::read_to_string(&path).map_err(|error| at(&path, &error))?,
        false => String::new(),
    };
    let gap = if before.is_empty() { "" } else { "\n" };
    let line = before.lines().count() + gap.len() + 1;
    let after = format_policies(&SourceFile::new(path.display().to_string(), format!("{before}{gap}{text}")))?;
    fs::write(&path, after).map_err(|error| at(&path, &error))?;
    let place = format!("{}:{line}", path.display());
    setting.terminal.print(&place, &json!({"id": args.id, "file": path, "line": line}))?;
    setting.terminal.note("say why it is there, and write its condition: until then `hubwarden validate` refuses it");
    Ok(Exit::Success)
}

/// The part of an id that names the file; no path leads out of the folder.
fn concern(id: &str) -> Result<&str, Failure> {
    let plain =
        |part: &str| !part.is_empty() && part.chars().all(|c| c.is_ascii_lowercase() || c.is_ascii_digit() || c == '-');
    match id.split_once('/') {
        Some((concern, rule)) if plain(concern) && plain(rule) => Ok(concern),
        _ => Err(Failure::new(format!("`{id}` is no id: `concern/rule`, of `a` to `z`, digits and `-`"))),
    }
}

/// Names come back from the schema, so nothing that was typed becomes policy text.
fn text(args: &PolicyArgs, bundle: &Bundle) -> Result<String, Failure> {
    let (principal, resource) = (bundle.entity_type(&args.principal)?, bundle.entity_type(&args.resource)?);
    let actions: Vec<Uid> = args.actions.iter().map(|name| bundle.action(name)).collect::<Result<_, _>>()?;
    let action = match actions.as_slice() {
        [one] => format!("== {one}"),
        several => format!("in [{}]", several.iter().map(ToString::to_string).collect::<Vec<_>>().join(", ")),
    };
    let (effect, refusal) = match args.effect {
        Effect::Permit => ("permit", String::new()),
        Effect::Forbid => ("forbid", refusal(args.reason.as_deref().unwrap_or_default(), bundle)?),
    };
    Ok(format!(
        "// Why this rule is there.\n@id(\"{}\")\n{refusal}{effect} (principal is {principal}, action {action}, resource \
         is {resource})\nwhen {{ false }};\n",
        args.id
    ))
}

fn refusal(code: &str, bundle: &Bundle) -> Result<String, Failure> {
    let known: Vec<&SmolStr> = bundle.reason_codes().collect();
    match known.is_empty() || known.iter().any(|known| *known == code) {
        true if code.chars().all(|c| c.is_ascii_alphanumeric() || c == '_' || c == '-') => {
            Ok(format!("@reason(\"{code}\")\n@message(\"What the caller is told.\")\n"))
        }
        _ => Err(Failure::new(format!("the reason `{code}` is not in reasons.json"))),
    }
}

fn at(path: &Path, error: &std::io::Error) -> Failure {
    Failure::new(format!("{}: {error}", path.display()))
}
