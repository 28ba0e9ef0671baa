//! Reports that people, spreadsheets and programs read: text, CSV, JSON, or a page that needs nothing else.

use std::fmt::Write;

use clap::{Args, ValueEnum};
use serde_json::Value as Json;

use super::Setting;
use super::exit::Failure;
use super::terminal::Format;
use crate::suite::{csv_field, html_text};

#[derive(Debug, Args)]
pub(super) struct OutputArgs {
    /// How the report is written; `--format json` makes it data, too
    #[arg(long, short, value_enum, default_value_t = Output::Text)]
    output: Output,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
enum Output {
    Text,
    Csv,
    Json,
    Html,
}

/// A report in every form.
pub(super) trait Report {
    fn title(&self) -> String;

    /// In words.
    fn text(&self) -> String;

    /// The names of the columns.
    fn head(&self) -> &'static [&'static str];

    fn rows(&self) -> Vec<Vec<String>>;

    /// What must be known to read the rows.
    fn notes(&self) -> Vec<String>;

    fn json(&self) -> &Json;
}

impl OutputArgs {
    pub fn print(&self, report: &impl Report, setting: &Setting) -> Result<(), Failure> {
        let terminal = &setting.terminal;
        match (self.output, terminal.format) {
            (Output::Csv, _) => {
                terminal.line(csv(report))?;
                report.notes().iter().for_each(|note| terminal.note(note));
                Ok(())
            }
            (Output::Html, _) => terminal.line(html(report)),
            (Output::Json, _) | (_, Format::Json | Format::Ocsf) => terminal.line(report.json()),
            (Output::Text, Format::Text) => {
                terminal.line(report.text())?;
                report.notes().iter().for_each(|note| terminal.note(note));
                Ok(())
            }
        }
    }
}

fn csv(report: &impl Report) -> String {
    let line = |fields: &[String]| fields.iter().map(|field| csv_field(field)).collect::<Vec<_>>().join(",");
    let head: Vec<String> = report.head().iter().map(ToString::to_string).collect();
    std::iter::once(head).chain(report.rows()).map(|row| line(&row)).collect::<Vec<_>>().join("\r\n")
}

const STYLE: &str = "body{font:15px/1.5 system-ui,sans-serif;max-width:80em;margin:2em auto;padding:0 1em}\
table{border-collapse:collapse;font-size:14px}td,th{padding:.2em .7em;text-align:left;vertical-align:top;\
border:1px solid #ccc}th{background:#eee}p{color:#666}\
@media(prefers-color-scheme:dark){body{color:#e6e6e6;background:#16181c}th{background:#2c3138}}";

fn html(report: &impl Report) -> String {
    let title = html_text(&report.title());
    let mut page = format!(
        "<!doctype html>\n<html lang=\"en\"><meta charset=\"utf-8\"><title>{title}</title><style>{STYLE}</style>\n<h1>{title}</h1>\n"
    );
    for note in report.notes() {
        // Writing to a text cannot fail.
        let _ = writeln!(page, "<p>{}</p>", html_text(&note));
    }
    let cells = |tag: &str, cells: &[String]| -> String {
        cells.iter().map(|cell| format!("<{tag}>{}</{tag}>", html_text(cell))).collect()
    };
    let head: Vec<String> = report.head().iter().map(ToString::to_string).collect();
    let _ = writeln!(page, "<table>\n<tr>{}</tr>", cells("th", &head));
    for row in report.rows() {
        let _ = writeln!(page, "<tr>{}</tr>", cells("td", &row));
    }
    page.push_str("</table>");
    page
}

/// A text of a report's part.
pub(super) fn text_of<'j>(json: &'j Json, name: &str) -> &'j str {
    json.get(name).and_then(Json::as_str).unwrap_or_default()
}

/// The parts of a report's list.
pub(super) fn list_of<'j>(json: &'j Json, name: &str) -> &'j [Json] {
    json.get(name).and_then(Json::as_array).map_or(&[], Vec::as_slice)
}

pub(super) fn number_of(json: &Json, name: &str) -> u64 {
    json.get(name).and_then(Json::as_u64).unwrap_or_default()
}

/// `User:alice`: the type without its namespace.
pub(super) fn named(entity: &Json) -> String {
    let kind = text_of(entity, "type");
    format!("{}:{}", kind.rsplit("::").next().unwrap_or(kind), text_of(entity, "id"))
}
