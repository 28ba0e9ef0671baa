//! A screen as a Markdown table.

use std::fmt::Write;

use super::Screen;

pub fn markdown(screen: &Screen) -> String {
    let mut text = format!("## {}\n\n| |", escaped(&screen.resource));
    // Writing to a String cannot fail.
    for action in &screen.actions {
        let _ = write!(text, " {} |", escaped(action));
    }
    let _ = write!(text, "\n|---|{}\n", "---|".repeat(screen.actions.len()));
    for row in &screen.rows {
        let _ = write!(text, "| {} |", escaped(&row.actor));
        for cell in &row.cells {
            let _ = match cell {
                Some(shown) => write!(text, " {} {} |", shown.kind.meaning(), shown.note + 1),
                None => write!(text, " |"),
            };
        }
        text.push('\n');
    }
    text.push('\n');
    for (index, note) in screen.notes.iter().enumerate() {
        let _ = writeln!(text, "{}. {}", index + 1, escaped(note));
    }
    text
}

/// Text in which nothing is Markdown or HTML.
fn escaped(text: &str) -> String {
    let mut escaped = String::with_capacity(text.len());
    for c in text.chars() {
        match c {
            '\n' | '\r' => escaped.push(' '),
            '&' => escaped.push_str("&amp;"),
            '<' => escaped.push_str("&lt;"),
            '\\' | '|' | '*' | '_' | '`' | '[' | ']' | '#' | '!' => {
                escaped.push('\\');
                escaped.push(c);
            }
            c => escaped.push(c),
        }
    }
    escaped
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_name_cannot_end_its_cell() {
        assert_eq!(escaped("a|b\n<i>"), "a\\|b &lt;i>");
    }
}
