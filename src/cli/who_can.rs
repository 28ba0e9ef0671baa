//! `hubwarden who-can`: an access review of one resource, from files, a store, or a running server.

use std::time::Duration;

use clap::Args;
use serde_json::{Value as Json, json};

use super::Setting;
use super::client::Client;
use super::exit::{Exit, Failure};
use super::report::{OutputArgs, Report, list_of, named, number_of, text_of};
use super::world::WorldArgs;
use crate::entity::Record;
use crate::http::WhoCanReply;
use crate::warden::{Api, Warden, WhoCan, resource_named};

/// Grantees that are asked for at once.
const PAGE: usize = 500;
/// How long a page may take; the next one goes on.
const TIME: Duration = Duration::from_secs(5);

/// Exit codes: 0 done, also when nobody may; 1 failure, 3 invalid input, 4 the schema does not know what was asked about.
#[derive(Debug, Args)]
pub(super) struct WhoCanArgs {
    /// To do what: `repo.write`
    action: String,
    /// On what: `repo:models/acme/m1`, or the id alone where the action is for one type only
    resource: String,
    /// How many users and tokens at most [default: all]
    #[arg(long, value_name = "COUNT")]
    limit: Option<usize>,
    #[command(flatten)]
    output: OutputArgs,
    #[command(flatten)]
    world: WorldArgs,
}

pub(super) fn run(args: &WhoCanArgs, setting: &Setting) -> Result<Exit, Failure> {
    let limit = args.limit.unwrap_or(usize::MAX);
    let json = match args.world.client(setting)? {
        Some(client) => remote(&client, args, limit)?,
        None => {
            let warden = args.world.warden(setting)?;
            let found = local(&warden, args, limit)?;
            warden.close()?;
            found
        }
    };
    args.output.print(&Review { json }, setting)?;
    Ok(Exit::Success)
}

fn local(warden: &Warden, args: &WhoCanArgs, limit: usize) -> Result<Json, Failure> {
    let bundle = warden.bundle();
    let action = bundle.action(&args.action)?;
    let resource = resource_named(&bundle, &action, &args.resource).map_err(Failure::unknown)?;
    let asked = WhoCan { action, resource, context: Record::new() };
    let mut review = Json::Null;
    let mut from = None;
    loop {
        let left = limit.saturating_sub(list_of(&review, "grantees").len());
        let session = warden.session(Api::Cli, None)?;
        let found = session.who_can(&asked, from.as_ref(), left.min(PAGE), TIME)?;
        from = found.next.clone();
        let page = serde_json::to_value(WhoCanReply::new(&asked, found, None));
        let more = from.is_some();
        join(&mut review, page.map_err(|error| Failure::new(error.to_string()))?, more);
        if !more || list_of(&review, "grantees").len() >= limit {
            return Ok(review);
        }
    }
}

fn remote(client: &Client, args: &WhoCanArgs, limit: usize) -> Result<Json, Failure> {
    let mut review = Json::Null;
    let size = limit.clamp(1, PAGE).to_string();
    let mut token: Option<String> = None;
    loop {
        let mut query = vec![("action", args.action.as_str()), ("resource", &args.resource), ("limit", &size)];
        query.extend(token.iter().map(|token| ("page_token", token.as_str())));
        let page = client.get("/v1/who-can", &query)?;
        let next = page.get("next_page_token").and_then(Json::as_str).map(str::to_owned);
        join(&mut review, page, next.is_some());
        if let Some(Json::Array(grantees)) = review.get_mut("grantees") {
            grantees.truncate(limit);
        }
        if next.is_none() || list_of(&review, "grantees").len() >= limit {
            return Ok(review);
        }
        token = next;
    }
}

/// Adds a page to a review.
fn join(review: &mut Json, mut page: Json, more: bool) {
    if let Some(page) = page.as_object_mut() {
        page.remove("next_page_token");
        page.insert("more".to_owned(), more.into());
        let new = page.remove("grantees").unwrap_or_else(|| json!([]));
        let mut grantees = review.get_mut("grantees").map(Json::take).unwrap_or_else(|| json!([]));
        if let (Json::Array(grantees), Json::Array(new)) = (&mut grantees, new) {
            grantees.extend(new);
        }
        page.insert("grantees".to_owned(), grantees);
    }
    *review = page;
}

struct Review {
    json: Json,
}

impl Review {
    fn who(grantee: &Json) -> String {
        match grantee.get("acts_for").filter(|acts_for| !acts_for.is_null()) {
            Some(owner) => format!("{} of {}", named(grantee), text_of(owner, "id")),
            None => named(grantee),
        }
    }

    /// `alice > acme/admin > acme/write`.
    fn chain(step: &Json) -> String {
        list_of(step, "chain").iter().map(|uid| text_of(uid, "id")).collect::<Vec<_>>().join(" > ")
    }
}

impl Report for Review {
    fn title(&self) -> String {
        let resource = self.json.get("resource").unwrap_or(&Json::Null);
        format!("Who can {} {}", text_of(&self.json, "action"), named(resource))
    }

    fn text(&self) -> String {
        let mut lines = Vec::new();
        for grantee in list_of(&self.json, "grantees") {
            lines.push(Self::who(grantee));
            for grant in list_of(grantee, "grants") {
                let comment = text_of(grant, "comment");
                let sentence = comment.split_inclusive(". ").next().unwrap_or_default().trim_end();
                lines.push(format!("  {}  {sentence}", text_of(grant, "policy")));
                for step in list_of(grant, "path") {
                    lines.push(format!("    {}: {}", text_of(step, "relation"), Self::chain(step)));
                }
            }
        }
        if lines.is_empty() {
            lines.push("nobody".to_owned());
        }
        lines.join("\n")
    }

    fn head(&self) -> &'static [&'static str] {
        &["type", "id", "acts for", "policy", "comment", "path"]
    }

    fn rows(&self) -> Vec<Vec<String>> {
        let mut rows = Vec::new();
        for grantee in list_of(&self.json, "grantees") {
            let owner = grantee.get("acts_for").map(|owner| text_of(owner, "id")).unwrap_or_default();
            for grant in list_of(grantee, "grants") {
                let steps = list_of(grant, "path").iter();
                let path: Vec<String> =
                    steps.map(|step| format!("{}: {}", text_of(step, "relation"), Self::chain(step))).collect();
                let comment = text_of(grant, "comment").to_owned();
                let texts = [text_of(grantee, "type"), text_of(grantee, "id"), owner, text_of(grant, "policy")];
                let texts = texts.map(str::to_owned).into_iter();
                rows.push(texts.chain([comment, path.join("; ")]).collect());
            }
        }
        rows
    }

    fn notes(&self) -> Vec<String> {
        let count = list_of(&self.json, "grantees").len();
        let more = if self.json.get("more") == Some(&Json::Bool(true)) { ", and there are more" } else { "" };
        let mut notes = vec![format!("{count} may{more}; revision {}", number_of(&self.json, "revision"))];
        if text_of(&self.json, "way") == "scan" {
            notes.push("Every entity of a type was looked at: no index leads to all who may.".to_owned());
        }
        notes
    }

    fn json(&self) -> &Json {
        &self.json
    }
}
