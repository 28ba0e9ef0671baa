//! A screen as text: actors in rows, a column for each action, notes below.

use std::fmt::Write;

use super::{Kind, Screen};

pub fn text(screen: &Screen) -> String {
    let actors = screen.rows.iter().map(|row| row.actor.chars().count()).max().unwrap_or(0);
    let width = screen.notes.len().to_string().len() + 2;
    let mut text = format!("{}\n\n", screen.resource);
    // Each action stands on a line of its own, a bar leads down to its column.
    for (index, action) in screen.actions.iter().enumerate() {
        let bars: String = (0..index).map(|_| format!("{:width$}", "│")).collect();
        let _ = writeln!(text, "{:actors$}  {bars}┌ {action}", "");
    }
    for row in &screen.rows {
        let cells = row.cells.iter().map(|cell| match cell {
            Some(shown) => format!("{:width$}", format!("{}{}", shown.kind.symbol(), shown.note + 1)),
            None => format!("{:width$}", "."),
        });
        let line = format!("{:actors$}  {}", row.actor, cells.collect::<String>());
        // Writing to a String cannot fail.
        let _ = writeln!(text, "{}", line.trim_end());
    }
    text.push('\n');
    let used = |kind: &Kind| screen.rows.iter().flat_map(|row| &row.cells).flatten().any(|shown| shown.kind == *kind);
    let legend: Vec<String> = Kind::ALL
        .iter()
        .filter(|kind| used(kind))
        .map(|kind| format!("{} {}", kind.symbol(), kind.meaning()))
        .collect();
    let _ = writeln!(text, "{}", legend.join("   "));
    for (index, note) in screen.notes.iter().enumerate() {
        let _ = writeln!(text, "{:>3}  {note}", index + 1);
    }
    text
}
