//! Matrices as one table of comma-separated values (RFC 4180): a line for each answer.

use super::Matrix;

pub fn csv(matrices: &[Matrix]) -> String {
    let mut lines = vec!["matrix,resource,actor,action,answer,made by".to_owned()];
    for matrix in matrices {
        for screen in &matrix.screens {
            for row in &screen.rows {
                for (action, shown) in screen.actions.iter().zip(&row.cells) {
                    let Some(shown) = shown else { continue };
                    let note = screen.notes.get(shown.note).map_or("", String::as_str);
                    let fields =
                        [&matrix.name, &screen.resource, &row.actor, action.as_str(), shown.kind.meaning(), note];
                    lines.push(fields.map(field).join(","));
                }
            }
        }
    }
    lines.join("\r\n")
}

/// A field, quoted where it has to be. What a spreadsheet would take for a formula is made a text.
pub fn field(field: &str) -> String {
    let safe = if field.starts_with(['=', '+', '-', '@', '\t']) { format!("'{field}") } else { field.to_owned() };
    match safe.contains([',', '"', '\n', '\r']) {
        true => format!("\"{}\"", safe.replace('"', "\"\"")),
        false => safe,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_field_is_neither_two_nor_a_formula() {
        assert_eq!(field("a,\"b\""), "\"a,\"\"b\"\"\"");
        assert_eq!(field("=1+1"), "'=1+1");
        assert_eq!(field("plain"), "plain");
    }
}
