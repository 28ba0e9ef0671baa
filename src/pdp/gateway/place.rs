//! Where things stand in a JSON text, so that a fault in a rule names the rule's line.
//!
//! Only for texts that were parsed already: nothing is validated here.

use std::ops::Range;

use crate::pdp::bundle::SourceFile;
use crate::pdp::fault::Fault;

/// The elements of the array that stands at `at`.
pub(super) fn items(text: &str, at: Range<usize>) -> Vec<Range<usize>> {
    pieces(text, at.start + 1..at.end.saturating_sub(1), b',')
}

/// The entries of the object that stands at `at`: its names, decoded, and where their values are.
pub(super) fn entries(text: &str, at: Range<usize>) -> Vec<(String, Range<usize>)> {
    let entry = |piece: Range<usize>| {
        let mut halves = pieces(text, piece, b':').into_iter();
        let name = serde_json::from_str(text.get(halves.next()?)?).ok()?;
        Some((name, halves.next()?))
    };
    items(text, at).into_iter().filter_map(entry).collect()
}

/// The whole document, without the white space around it.
pub(super) fn document(text: &str) -> Range<usize> {
    trimmed(text, 0..text.len())
}

/// What stands between separators that are in no string and in no inner array or object.
fn pieces(text: &str, at: Range<usize>, separator: u8) -> Vec<Range<usize>> {
    let (mut pieces, mut start, mut depth) = (Vec::new(), at.start, 0_usize);
    let (mut quoted, mut escaped) = (false, false);
    for (index, byte) in text.bytes().enumerate().take(at.end).skip(at.start) {
        match byte {
            _ if escaped => escaped = false,
            b'\\' if quoted => escaped = true,
            b'"' => quoted = !quoted,
            _ if quoted => {}
            b'[' | b'{' => depth += 1,
            b']' | b'}' => depth = depth.saturating_sub(1),
            _ if byte == separator && depth == 0 => {
                pieces.push(trimmed(text, start..index));
                start = index + 1;
            }
            _ => {}
        }
    }
    pieces.push(trimmed(text, start..at.end));
    pieces.retain(|piece| !piece.is_empty());
    pieces
}

fn trimmed(text: &str, at: Range<usize>) -> Range<usize> {
    let piece = text.get(at.clone()).unwrap_or_default();
    let start = at.start + (piece.len() - piece.trim_start().len());
    start..start + piece.trim().len()
}

/// A part of a file that faults are about.
#[derive(Clone)]
pub(super) struct Place<'a> {
    pub file: &'a SourceFile,
    pub at: Range<usize>,
}

impl<'a> Place<'a> {
    pub fn text(&self) -> &'a str {
        self.file.text.get(self.at.clone()).unwrap_or_default()
    }

    /// Whether the part begins with a bracket, which is its kind.
    pub fn is(&self, bracket: char) -> bool {
        self.text().starts_with(bracket)
    }

    /// A fault at a string inside of this part; at its beginning if it has no such string.
    pub fn fault(&self, string: &str, message: impl Into<String>) -> Fault {
        let quoted = serde_json::to_string(string).unwrap_or_default();
        match self.text().find(&quoted) {
            Some(at) if !string.is_empty() => Fault::at(self.file, self.at.start + at, quoted.len(), message),
            _ => Fault::at(self.file, self.at.start, 1, message),
        }
    }

    /// A fault that the JSON reader found in the text of this part.
    pub fn unread(&self, error: &serde_json::Error) -> Fault {
        let lines = self.text().split_inclusive('\n').take(error.line().saturating_sub(1));
        let offset = lines.map(str::len).sum::<usize>() + error.column().saturating_sub(1);
        // The reader adds a position inside of this part, which the fault states for the file.
        let message = error.to_string();
        let message = message.rsplit_once(" at line ").map_or(message.as_str(), |(message, _)| message);
        Fault::at(self.file, self.at.start + offset, 1, message)
    }

    pub fn line(&self) -> usize {
        Fault::at(self.file, self.at.start, 1, "").line
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn elements_and_entries_are_found_whatever_they_hold() {
        let text = r#" { "a\"b" : [ {"x": ","} , "]\\" , 3 ],"c":{} , "d":[] } "#;
        let found = entries(text, document(text));
        let names: Vec<&str> = found.iter().map(|(name, _)| name.as_str()).collect();
        assert_eq!(names, ["a\"b", "c", "d"]);
        let inner: Vec<&str> = items(text, found[0].1.clone()).into_iter().map(|at| &text[at]).collect();
        assert_eq!(inner, [r#"{"x": ","}"#, r#""]\\""#, "3"]);
        assert!(items(text, found[2].1.clone()).is_empty());
    }
}
