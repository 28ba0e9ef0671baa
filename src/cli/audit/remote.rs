//! The decision log of a running server, through its API.

use serde_json::Value as Json;

use super::{AuditCommand, LOOK, print};
use crate::audit::{Filter, Form};
use crate::cli::Setting;
use crate::cli::client::Client;
use crate::cli::exit::{Exit, Failure};
use crate::cli::terminal::Format;

/// Records that are asked for at once.
const PAGE: usize = 500;

/// Runs a command on a server's log.
pub(super) fn run(command: &AuditCommand, client: &Client, setting: &Setting) -> Result<Exit, Failure> {
    let log = Remote { client, setting };
    match command {
        AuditCommand::Verify { .. } => Err(Failure::usage(
            "a log is verified where it lies, not by the server that writes it: name the store's folder with `--data`",
        )),
        AuditCommand::Tail { lines, follow, filter } => log.tail(*lines, *follow, filter.filter()),
        AuditCommand::Query { limit, filter } => {
            log.pages(&filter.filter(), Order::Newest, *limit, |line| print::line(line, setting))?;
            Ok(Exit::Success)
        }
        AuditCommand::Show { id } => {
            let found = client.get(&format!("/v1/audit/{}", crate::http::percent_encode(id)), &[])?;
            let record = found.get("record").cloned().unwrap_or_default();
            print::whole(&record.to_string(), setting)?;
            Ok(Exit::Success)
        }
        AuditCommand::Export { output, filter } => super::written(output.as_deref(), setting, |out| {
            let form = if setting.terminal.format == Format::Ocsf { Form::Ocsf } else { Form::Native };
            let mut count = 0;
            log.pages(&filter.filter(), Order::Oldest, usize::MAX, |line| {
                let Some(line) = form.line(line) else { return Ok(()) };
                count += 1;
                writeln!(out, "{line}").map_err(super::unwritten)
            })?;
            Ok(count)
        }),
    }
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum Order {
    Newest,
    Oldest,
}

struct Remote<'c> {
    client: &'c Client,
    setting: &'c Setting,
}

impl Remote<'_> {
    fn tail(&self, lines: usize, follow: bool, mut filter: Filter) -> Result<Exit, Failure> {
        let mut last = Vec::new();
        self.pages(&filter, Order::Newest, lines, |line| {
            last.push(line.to_owned());
            Ok(())
        })?;
        // What follows is looked for behind the newest record there is, shown or not.
        filter.after = Some(last.first().map_or(0, |line| print::Printed::of(line).seq));
        for line in last.iter().rev() {
            print::line(line, self.setting)?;
        }
        if !follow {
            return Ok(Exit::Success);
        }
        loop {
            std::thread::sleep(LOOK);
            let mut seen = filter.after;
            self.pages(&filter, Order::Oldest, usize::MAX, |line| {
                seen = Some(print::Printed::of(line).seq);
                print::line(line, self.setting)
            })?;
            filter.after = seen;
        }
    }

    /// Up to `limit` records, page by page. What the server could not read is said on stderr.
    fn pages(
        &self,
        filter: &Filter,
        order: Order,
        limit: usize,
        mut each: impl FnMut(&str) -> Result<(), Failure>,
    ) -> Result<(), Failure> {
        let mut query = pairs(filter);
        query.push(("order", if order == Order::Oldest { "oldest" } else { "newest" }.to_owned()));
        query.push(("limit", limit.clamp(1, PAGE).to_string()));
        let (mut left, mut token) = (limit, None::<String>);
        let mut told: Vec<Json> = Vec::new();
        while left > 0 {
            let place = token.iter().map(|token| ("page_token", token.as_str()));
            let query: Vec<(&str, &str)> =
                query.iter().map(|(key, value)| (*key, value.as_str())).chain(place).collect();
            let page = self.client.get("/v1/audit", &query)?;
            let list = |name: &str| page.get(name).and_then(Json::as_array).cloned().unwrap_or_default();
            for damage in list("damage") {
                if !told.contains(&damage) {
                    let text = |name: &str| damage.get(name).and_then(Json::as_str).unwrap_or_default().to_owned();
                    self.setting.terminal.warn(format!("warning: {}: {}", text("segment"), text("what")));
                    told.push(damage);
                }
            }
            for record in list("records").iter().take(left) {
                each(&record.to_string())?;
                left -= 1;
            }
            match page.get("next_page_token").and_then(Json::as_str) {
                Some(next) => token = Some(next.to_owned()),
                None => break,
            }
        }
        Ok(())
    }
}

/// A filter as query parameters.
fn pairs(filter: &Filter) -> Vec<(&'static str, String)> {
    let text = |value: &Option<String>| value.clone();
    let all = [
        ("since", filter.since.map(|at| at.to_string())),
        ("until", filter.until.map(|at| at.to_string())),
        ("principal", text(&filter.principal)),
        ("resource", text(&filter.resource)),
        ("action", text(&filter.action)),
        ("decision", text(&filter.decision)),
        ("policy", text(&filter.policy)),
        ("token", text(&filter.token)),
        ("reason", text(&filter.reason)),
        ("key", text(&filter.key)),
        ("request_id", text(&filter.request_id)),
        ("kind", text(&filter.kind)),
        ("after", filter.after.map(|seq| seq.to_string())),
    ];
    all.into_iter().filter_map(|(key, value)| Some((key, value?))).collect()
}
