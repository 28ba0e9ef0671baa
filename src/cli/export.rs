//! `hubwarden export`: every entity of a store, one a line, in byte order: two exports of the same state are equal.

use std::fs::File;
use std::io::{self, BufWriter, Write};
use std::path::PathBuf;

use clap::Args;

use super::Setting;
use super::data::{DataArgs, Missing};
use super::exit::{Exit, Failure};
use crate::entity::Uid;
use crate::store::{ListQuery, Store};

/// Entities read at once.
const PAGE: usize = 1_000;

#[derive(Debug, Args)]
pub(super) struct ExportArgs {
    #[command(flatten)]
    data: DataArgs,
    /// Only entities of this type, by its full name
    #[arg(long = "type", value_name = "TYPE")]
    type_name: Option<String>,
    /// A file to write to [default: stdout]
    #[arg(long, short, value_name = "FILE")]
    output: Option<PathBuf>,
}

pub(super) fn run(args: &ExportArgs, setting: &Setting) -> Result<Exit, Failure> {
    let store = args.data.open(setting, Missing::Refuse)?;
    let written = match &args.output {
        Some(path) => File::create(path)
            .and_then(|mut file| {
                let count = write(store.as_ref(), args.type_name.clone(), &mut file)?;
                file.sync_all()?;
                Ok(count)
            })
            .map_err(|error| Failure::new(format!("cannot write {}: {error}", path.display())))?,
        None => match write(store.as_ref(), args.type_name.clone(), &mut io::stdout().lock()) {
            Err(error) if error.kind() == io::ErrorKind::BrokenPipe => return Ok(Exit::Success),
            result => result.map_err(|error| Failure::new(format!("cannot export: {error}")))?,
        },
    };
    setting.terminal.note(format!("exported {written} entities"));
    Ok(Exit::Success)
}

/// Nobody else can write meanwhile: this process holds the store.
fn write(store: &dyn Store, type_name: Option<String>, out: &mut dyn Write) -> io::Result<usize> {
    let mut out = BufWriter::with_capacity(256 * 1024, out);
    let query = ListQuery { type_name, ..ListQuery::default() };
    let mut after: Option<Uid> = None;
    let mut count = 0;
    loop {
        let page = store.read().and_then(|reader| reader.list(&query, after.as_ref(), PAGE));
        let page = page.map_err(io::Error::other)?;
        for stored in &page {
            serde_json::to_writer(&mut out, &stored.entity.to_json())?;
            out.write_all(b"\n")?;
        }
        count += page.len();
        match page.into_iter().last() {
            Some(last) => after = Some(last.entity.uid),
            None => break,
        }
    }
    out.flush()?;
    Ok(count)
}
