//! Faults in policy text: file, line, column, the offending line, and what to do.

use std::fmt;

use miette::{Diagnostic, LabeledSpan};
use serde::Serialize;

use super::bundle::SourceFile;

/// One fault in a bundle's files. Lines and columns count from 1; 0 when the fault has no place in the text.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Fault {
    pub file: String,
    pub line: usize,
    pub column: usize,
    /// The offending line, without its line break.
    pub excerpt: String,
    /// How many characters of the excerpt are meant, from `column`.
    pub width: usize,
    pub message: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub help: Option<String>,
}

/// Everything that is wrong with a bundle; never empty.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, thiserror::Error)]
pub struct Faults(pub Vec<Fault>);

impl Fault {
    /// A fault about a file as a whole.
    pub fn of_file(file: impl Into<String>, message: impl Into<String>) -> Self {
        Self {
            file: file.into(),
            line: 0,
            column: 0,
            excerpt: String::new(),
            width: 0,
            message: message.into(),
            help: None,
        }
    }

    /// A fault at a byte offset of a file.
    pub fn at(file: &SourceFile, offset: usize, length: usize, message: impl Into<String>) -> Self {
        let text = file.text.as_str();
        let mut offset = offset.min(text.len());
        while !text.is_char_boundary(offset) {
            offset -= 1;
        }
        let (before, after) = text.split_at(offset);
        let start = before.rfind('\n').map_or(0, |at| at + 1);
        let line = before.get(start..).unwrap_or_default();
        let rest = after.lines().next().unwrap_or_default();
        let meant = rest.char_indices().take_while(|(at, _)| *at < length).count();
        Self {
            file: file.path.clone(),
            line: before.matches('\n').count() + 1,
            column: line.chars().count() + 1,
            excerpt: format!("{line}{rest}"),
            width: meant.max(1),
            message: message.into(),
            help: None,
        }
    }

    /// A fault that the JSON reader found.
    pub(super) fn in_json(file: &SourceFile, error: &serde_json::Error) -> Self {
        let lines = file.text.split_inclusive('\n').take(error.line().saturating_sub(1));
        let offset = lines.map(str::len).sum::<usize>() + error.column().saturating_sub(1);
        Self::at(file, offset, 1, error.to_string())
    }

    /// What an engine diagnostic says of a file; one fault for each of the diagnostics related to it.
    pub(super) fn from_diagnostic(file: &SourceFile, diagnostic: &dyn Diagnostic) -> Vec<Self> {
        let message = diagnostic.to_string();
        let label = diagnostic.labels().and_then(|mut labels| labels.next());
        let mut fault = match &label {
            Some(label) => Self::at(file, label.offset(), label.len(), message),
            None => Self::of_file(&file.path, message),
        };
        fault.help = help(diagnostic, label.as_ref());
        let related = diagnostic.related().into_iter().flatten();
        let others = related.flat_map(|other| Self::from_diagnostic(file, other));
        std::iter::once(fault).chain(others).collect()
    }
}

fn help(diagnostic: &dyn Diagnostic, label: Option<&LabeledSpan>) -> Option<String> {
    let label = label.and_then(LabeledSpan::label).map(str::to_owned);
    let help = diagnostic.help().map(|help| help.to_string());
    match (label, help) {
        (Some(label), Some(help)) => Some(format!("{label}; {help}")),
        (label, help) => label.or(help),
    }
}

impl Fault {
    /// The fault with its line, under a word of the caller's: `error`, `warning[comment]`.
    pub fn titled(&self, title: &str) -> String {
        let mut text = format!("{title}: {}", self.message);
        if self.line == 0 {
            text.push_str(&format!("\n --> {}", self.file));
        } else {
            let gutter = " ".repeat(self.line.to_string().len());
            let indent: String =
                self.excerpt.chars().take(self.column - 1).map(|c| if c == '\t' { '\t' } else { ' ' }).collect();
            text.push_str(&format!("\n{gutter}--> {}:{}:{}", self.file, self.line, self.column));
            text.push_str(&format!("\n{gutter} |\n{} | {}", self.line, self.excerpt));
            text.push_str(&format!("\n{gutter} | {indent}{}", "^".repeat(self.width)));
        }
        if let Some(help) = &self.help {
            text.push_str(&format!("\n  = help: {help}"));
        }
        text
    }
}

impl fmt::Display for Fault {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.titled("error"))
    }
}

impl fmt::Display for Faults {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (index, fault) in self.0.iter().enumerate() {
            let gap = if index == 0 { "" } else { "\n\n" };
            write!(f, "{gap}{fault}")?;
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn file(text: &str) -> SourceFile {
        SourceFile::new("policies/a.cedar", text)
    }

    #[test]
    fn a_fault_shows_the_line_and_underlines_the_place() {
        let fault = Fault::at(&file("one\ntwo three\nfour"), 8, 5, "no such thing");
        assert_eq!(
            fault.to_string(),
            "error: no such thing\n --> policies/a.cedar:2:5\n  |\n2 | two three\n  |     ^^^^^"
        );
    }

    #[test]
    fn an_offset_outside_the_text_or_inside_a_character_still_has_a_place() {
        assert_eq!(Fault::at(&file("é"), 1, 9, "x").column, 1);
        assert_eq!(Fault::at(&file("ab"), 99, 9, "x").column, 3);
        assert_eq!(Fault::at(&file(""), 0, 0, "x").line, 1);
    }
}
