//! `hubwarden token reach`: everything that a leaked token can do, the worst first.

use std::time::Duration;

use clap::Args;
use serde_json::Value as Json;

use super::TokenArgs;
use crate::cli::Setting;
use crate::cli::data::{self, Missing};
use crate::cli::exit::{Exit, Failure};
use crate::cli::report::{OutputArgs, Report, list_of, named, number_of, text_of};
use crate::clock::SystemClock;
use crate::entity::Uid;
use crate::http::{ReachReply, percent_encode};
use crate::tokens::names;
use crate::warden::{Api, ReachLimits};

#[derive(Debug, Args)]
pub(super) struct ReachArgs {
    /// The token's id, as `list` shows it
    id: String,
    /// How many resources of a type are counted for an action
    #[arg(long, value_name = "COUNT", default_value_t = 10_000, value_parser = clap::value_parser!(u32).range(1..))]
    limit: u32,
    /// How many seconds to look; what was found until then is shown
    #[arg(long, value_name = "SECONDS", default_value_t = 60)]
    time: u64,
    #[command(flatten)]
    output: OutputArgs,
}

pub(super) fn run(args: &TokenArgs, reach: &ReachArgs, setting: &Setting) -> Result<Exit, Failure> {
    let json = match args.server.client(&args.data, &args.bundle, setting)? {
        Some(client) => {
            let path = format!("/v1/tokens/{}/reach", percent_encode(&reach.id));
            client
                .get(&path, &[("limit", &reach.limit.to_string())])
                .map_err(|refusal| Failure::from(refusal).plain())?
        }
        None => {
            let store = args.data.open(setting, Missing::Refuse)?;
            let log = args.data.log(store.as_ref(), setting)?;
            let warden = data::warden(store, &args.bundle, setting, std::sync::Arc::new(SystemClock), log)?;
            let limits = ReachLimits { results: reach.limit as usize, time: Duration::from_secs(reach.time) };
            let found = warden.reach(Api::Cli, &Uid::new(names::TOKEN, reach.id.as_str()), limits)?;
            warden.close()?;
            serde_json::to_value(ReachReply::from(found)).map_err(|error| Failure::new(error.to_string()))?
        }
    };
    if json.get("acts_for").is_none_or(Json::is_null) {
        return Err(Failure::new(format!("there is no token `{}`: it can do nothing", reach.id)));
    }
    reach.output.print(&Radius { json }, setting)?;
    Ok(Exit::Success)
}

struct Radius {
    json: Json,
}

impl Radius {
    fn owner(&self) -> &str {
        self.json.get("acts_for").map(|owner| text_of(owner, "id")).unwrap_or_default()
    }

    fn token(&self) -> &str {
        self.json.get("token").map(|token| text_of(token, "id")).unwrap_or_default()
    }
}

/// The type without its namespace.
fn short(doing: &Json) -> &str {
    let kind = text_of(doing, "type");
    kind.rsplit("::").next().unwrap_or(kind)
}

/// The first ids, and how many more.
fn first(doing: &Json) -> String {
    let ids: Vec<&str> = list_of(doing, "first").iter().filter_map(Json::as_str).collect();
    let more = number_of(doing, "count").saturating_sub(ids.len() as u64);
    let more = if more > 0 { format!(" and {more} more") } else { String::new() };
    format!("{}{more}", ids.join(", "))
}

fn line(doing: &Json) -> String {
    let (harm, count) = (number_of(doing, "harm"), number_of(doing, "count"));
    format!("  {harm}  {:<32} {count:>7} {:<14} {}", text_of(doing, "action"), short(doing), first(doing))
}

impl Report for Radius {
    fn title(&self) -> String {
        format!("What the token {} of {} can do", self.token(), self.owner())
    }

    fn text(&self) -> String {
        let mut lines = vec![format!(
            "token {} of {}: {} things that not anybody may do",
            self.token(),
            self.owner(),
            number_of(&self.json, "total")
        )];
        for place in list_of(&self.json, "places") {
            lines.push(named(place.get("place").unwrap_or(&Json::Null)));
            lines.extend(list_of(place, "actions").iter().map(line));
        }
        let anyone = list_of(&self.json, "anyone");
        if !anyone.is_empty() {
            lines.push("anybody may, too".to_owned());
            lines.extend(anyone.iter().map(line));
        }
        lines.join("\n")
    }

    fn head(&self) -> &'static [&'static str] {
        &["place", "harm", "action", "type", "count", "first"]
    }

    fn rows(&self) -> Vec<Vec<String>> {
        let row = |place: String, doing: &Json| {
            let texts = [text_of(doing, "action"), text_of(doing, "type")].map(str::to_owned);
            let [action, kind] = texts;
            let numbers = [number_of(doing, "harm"), number_of(doing, "count")].map(|number| number.to_string());
            let [harm, count] = numbers;
            let ids: Vec<&str> = list_of(doing, "first").iter().filter_map(Json::as_str).collect();
            vec![place, harm, action, kind, count, ids.join(" ")]
        };
        let mut rows = Vec::new();
        for place in list_of(&self.json, "places") {
            let name = named(place.get("place").unwrap_or(&Json::Null));
            rows.extend(list_of(place, "actions").iter().map(|doing| row(name.clone(), doing)));
        }
        rows.extend(list_of(&self.json, "anyone").iter().map(|doing| row("anybody".to_owned(), doing)));
        rows
    }

    fn notes(&self) -> Vec<String> {
        let (from, until) = (number_of(&self.json, "revision"), number_of(&self.json, "until"));
        let mut notes = vec![match from == until {
            true => format!("As of revision {from}; harm is 0 to 9."),
            false => format!("The store changed meanwhile, from revision {from} to {until}; harm is 0 to 9."),
        }];
        let cut: Vec<String> = list_of(&self.json, "cut")
            .iter()
            .map(|cut| format!("{} on {}", text_of(cut, "action"), short(cut)))
            .collect();
        if !cut.is_empty() {
            notes.push(format!("There is more than was counted: {}.", cut.join(", ")));
        }
        if text_of(&self.json, "way") == "scan" {
            notes.push("Every entity of a type was looked at: no index leads to all that it can reach.".to_owned());
        }
        notes
    }

    fn json(&self) -> &Json {
        &self.json
    }
}
