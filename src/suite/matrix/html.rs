//! Matrices as one page that needs nothing else.

use std::fmt::Write;

use super::{Kind, Matrix, Screen};
use crate::suite::coverage::escaped;

const STYLE: &str = "body{font:15px/1.4 system-ui,sans-serif;margin:2em auto;max-width:90em;padding:0 1em;color:#1b1f23;background:#fff}\
table{border-collapse:collapse;font-size:13px}td,th{padding:.2em .6em;text-align:left;border:1px solid #d0d7de}\
td.allow{background:#c7f0d2}td.deny{background:#ffd9d9}td.hidden{background:#e6e9ee}\
td.unauthenticated{background:#ffe9a8}td.error{background:#d33;color:#fff}sup{opacity:.7}\
@media(prefers-color-scheme:dark){body{color:#e6e6e6;background:#16181c}td,th{border-color:#3a3f47}\
td.allow{background:#1f5b33}td.deny{background:#6b2323}td.hidden{background:#2c3138}td.unauthenticated{background:#6b5310}}";

pub fn html(matrices: &[Matrix]) -> String {
    let mut page = format!(
        "<!doctype html><html lang=\"en\"><head><meta charset=\"utf-8\"><meta name=\"viewport\" content=\"width=device-width\">\
         <title>Decision matrix</title><style>{STYLE}</style></head><body>"
    );
    for matrix in matrices {
        // Writing to a String cannot fail.
        let _ = write!(page, "<h1>{}</h1>", escaped(&matrix.name));
        matrix.screens.iter().for_each(|screen| table(&mut page, screen));
    }
    page.push_str("</body></html>\n");
    page
}

fn table(page: &mut String, screen: &Screen) {
    let _ = write!(page, "<h2>{}</h2><table><tr><th></th>", escaped(&screen.resource));
    for action in &screen.actions {
        let _ = write!(page, "<th>{}</th>", escaped(action));
    }
    page.push_str("</tr>");
    for row in &screen.rows {
        let _ = write!(page, "<tr><th>{}</th>", escaped(&row.actor));
        for cell in &row.cells {
            let _ = match cell {
                Some(shown) => {
                    let note = screen.notes.get(shown.note).map_or("", String::as_str);
                    let meaning = Kind::meaning(shown.kind);
                    let title = escaped(note);
                    write!(
                        page,
                        "<td class=\"{meaning}\" title=\"{title}\">{meaning}<sup>{}</sup></td>",
                        shown.note + 1
                    )
                }
                None => write!(page, "<td></td>"),
            };
        }
        page.push_str("</tr>");
    }
    page.push_str("</table><ol>");
    for note in &screen.notes {
        let _ = write!(page, "<li>{}</li>", escaped(note));
    }
    page.push_str("</ol>");
}
