//! `hubwarden export`: every entity of a store, one a line, in byte order: two exports of the same state are equal.

use std::fs::File;
use std::io::{self, BufWriter, Write};
use std::path::PathBuf;

use clap::Args;
use serde_json::Value as Json;

use super::Setting;
use super::bundle::BundleArgs;
use super::client::{Client, ServerArgs};
use super::data::{DataArgs, Missing};
use super::exit::{Exit, Failure};
use crate::entity::{Entity, Uid};
use crate::store::{ListQuery, Store};

/// Entities read at once.
const PAGE: usize = 1_000;

#[derive(Debug, Args)]
pub(super) struct ExportArgs {
    #[command(flatten)]
    data: DataArgs,
    #[command(flatten)]
    server: ServerArgs,
    /// Only entities of this type, by its full name
    #[arg(long = "type", value_name = "TYPE")]
    type_name: Option<String>,
    /// A file to write to [default: stdout]
    #[arg(long, short, value_name = "FILE")]
    output: Option<PathBuf>,
}

/// The pages of a list, each complete up to its last entity; an empty one ends it.
trait Pages {
    fn next(&mut self) -> Result<Vec<Entity>, Failure>;
}

pub(super) fn run(args: &ExportArgs, setting: &Setting) -> Result<Exit, Failure> {
    match args.server.client(&args.data, &BundleArgs::default(), setting)? {
        Some(client) => {
            let mut pages = ServerPages { client: &client, args, token: Some(String::new()), moved: None };
            let exit = export(&mut pages, args, setting)?;
            if let Some((from, to)) = pages.moved {
                setting.terminal.note(format!(
                    "warning: the store went from revision {from} to {to} meanwhile; this export mixes the two"
                ));
            }
            Ok(exit)
        }
        None => {
            let store = args.data.open(setting, Missing::Refuse)?;
            let query = ListQuery { type_name: args.type_name.clone(), ..ListQuery::default() };
            export(&mut StorePages { store: store.as_ref(), query, after: None }, args, setting)
        }
    }
}

fn export(pages: &mut dyn Pages, args: &ExportArgs, setting: &Setting) -> Result<Exit, Failure> {
    let count = match &args.output {
        Some(path) => {
            let fail = |error: io::Error| Failure::new(format!("cannot write {}: {error}", path.display()));
            let mut file = File::create(path).map_err(fail)?;
            let count = write(pages, &mut file)?.map_err(fail)?;
            file.sync_all().map_err(fail)?;
            count
        }
        None => match write(pages, &mut io::stdout().lock())? {
            Err(error) if error.kind() == io::ErrorKind::BrokenPipe => return Ok(Exit::Success),
            written => written.map_err(|error| Failure::new(format!("cannot write to stdout: {error}")))?,
        },
    };
    setting.terminal.note(format!("exported {count} entities"));
    Ok(Exit::Success)
}

/// Fails when there is no page; answers an error when it cannot be written.
fn write(pages: &mut dyn Pages, out: &mut dyn Write) -> Result<io::Result<usize>, Failure> {
    let mut out = BufWriter::with_capacity(256 * 1024, out);
    let mut count = 0;
    loop {
        let page = pages.next()?;
        if page.is_empty() {
            return Ok(out.flush().map(|()| count));
        }
        count += page.len();
        if let Err(error) = page.iter().try_for_each(|entity| writeln!(out, "{}", entity.to_json())) {
            return Ok(Err(error));
        }
    }
}

/// Nobody else can write meanwhile: this process holds the store.
struct StorePages<'a> {
    store: &'a dyn Store,
    query: ListQuery,
    after: Option<Uid>,
}

impl Pages for StorePages<'_> {
    fn next(&mut self) -> Result<Vec<Entity>, Failure> {
        let page = self.store.read()?.list(&self.query, self.after.as_ref(), PAGE)?;
        let entities: Vec<Entity> = page.into_iter().map(|stored| stored.entity).collect();
        self.after = entities.last().map(|entity| entity.uid.clone());
        Ok(entities)
    }
}

struct ServerPages<'a> {
    client: &'a Client,
    args: &'a ExportArgs,
    /// Empty for the first page, nothing after the last.
    token: Option<String>,
    /// From which to which revision the store went while it was listed.
    moved: Option<(u64, u64)>,
}

impl Pages for ServerPages<'_> {
    fn next(&mut self) -> Result<Vec<Entity>, Failure> {
        let Some(token) = self.token.take() else {
            return Ok(Vec::new());
        };
        let limit = PAGE.to_string();
        let mut query = vec![("limit", limit.as_str())];
        query.extend(self.args.type_name.as_deref().map(|name| ("type", name)));
        if !token.is_empty() {
            query.push(("page_token", &token));
        }
        let answer = self.client.get("/v1/entities", &query)?;
        let number = |name: &str| answer.get(name).and_then(Json::as_u64);
        if let (Some(started), Some(now)) = (number("started_at"), number("revision"))
            && started != now
        {
            self.moved = Some((started, now));
        }
        self.token = answer.get("next_page_token").and_then(Json::as_str).map(str::to_owned);
        let entities = answer.get("entities").and_then(Json::as_array).into_iter().flatten();
        let read = entities.map(|json| Entity::from_json(json).map_err(|fault| Failure::new(fault.to_string())));
        read.collect()
    }
}
