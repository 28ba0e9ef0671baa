//! `hubwarden verify-search`: searches by the index against deciding about every stored entity, on a real store.

use clap::Args;
use serde_json::{Value as Json, json};

use super::Setting;
use super::exit::{Exit, Failure};
use super::world::WorldArgs;
use crate::entity::Uid;
use crate::warden::{Compared, Difference, Open, Sample};

/// How many ids of a difference are named.
const NAMED: usize = 10;
/// After so many searches, how far it is.
const TELL: usize = 100;

/// Exit codes: 0 all are the same, 4 some differ, 1 failure.
#[derive(Debug, Args)]
pub(super) struct VerifySearchArgs {
    /// Of each type so many entities are asked about, spread over all; 0 for every one
    #[arg(long, value_name = "COUNT", default_value_t = 5)]
    each: usize,
    #[command(flatten)]
    world: WorldArgs,
}

pub(super) fn run(args: &VerifySearchArgs, setting: &Setting) -> Result<Exit, Failure> {
    if args.world.client(setting)?.is_some() {
        return Err(Failure::usage("this compares the store itself: name its folder with `--data`, not a server"));
    }
    let warden = args.world.warden(setting)?;
    let each = if args.each == 0 { usize::MAX } else { args.each };
    let mut tell = |compared: &Compared| {
        if compared.searches.is_multiple_of(TELL) {
            setting.terminal.note(format!("{} searches", compared.searches));
        }
    };
    let compared = warden.verify_search(Sample { each }, &mut tell)?;
    warden.close()?;
    setting.terminal.print(text(&compared), &to_json(&compared))?;
    Ok(if compared.differences.is_empty() { Exit::Success } else { Exit::WrongAnswers })
}

fn text(compared: &Compared) -> String {
    let mut lines: Vec<String> = compared.differences.iter().map(difference).collect();
    let Compared { searches, results, scanned, differences } = compared;
    let same = match differences.len() {
        0 => "the same by index as by looking at everything".to_owned(),
        count => format!("{count} DIFFER"),
    };
    lines.push(format!("{searches} searches with {results} results, {same}; {scanned} had no index to go by"));
    lines.join("\n")
}

fn difference(difference: &Difference) -> String {
    let ids = |uids: &[Uid]| uids.iter().take(NAMED).map(|uid| uid.id().to_string()).collect::<Vec<_>>().join(", ");
    let (lacking, added) = (&difference.lacking, &difference.added);
    format!(
        "DIFFERS  {}\n  lacks {}: {}\n  has {} too many: {}",
        asked(&difference.open),
        lacking.len(),
        ids(lacking),
        added.len(),
        ids(added)
    )
}

fn asked(open: &Open) -> String {
    match open {
        Open::Principal { type_name, action, resource, .. } => format!("{type_name}?  {}  {resource}", action.id()),
        Open::Resource { principal, action, type_name, .. } => format!("{principal}  {}  {type_name}?", action.id()),
        Open::Action { principal, resource, .. } => format!("{principal}  ?  {resource}"),
    }
}

fn to_json(compared: &Compared) -> Json {
    let ids = |uids: &[Uid]| uids.iter().map(Uid::to_json).collect::<Vec<_>>();
    let difference = |difference: &Difference| json!({"search": asked(&difference.open), "lacking": ids(&difference.lacking), "added": ids(&difference.added)});
    json!({
        "searches": compared.searches, "results": compared.results, "scanned": compared.scanned,
        "differences": compared.differences.iter().map(difference).collect::<Vec<_>>(),
    })
}
