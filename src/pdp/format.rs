//! `hubwarden fmt`: the engine's formatter, trusted only after its output means the same and says the same: comments tell
//! people and `hubwarden lint` something, and are compared as well.

use std::str::FromStr;

use cedar_policy::PolicySet;
use cedar_policy_formatter::{Config, policies_str_to_pretty};

use super::bundle::SourceFile;
use super::fault::{Fault, Faults};

const WIDTH: usize = 100;
const INDENT: isize = 2;

/// A policy file as the formatter writes it.
///
/// # Errors
/// Text that does not parse, or text that the formatter would change the meaning of (it is then left alone).
pub fn format_policies(file: &SourceFile) -> Result<String, Faults> {
    let before = parse(file)?;
    let config = Config { line_width: WIDTH, indent_width: INDENT };
    let formatted = policies_str_to_pretty(&file.text, &config)
        .map_err(|error| Faults(vec![Fault::of_file(&file.path, error.to_string())]))?;
    let after = parse(&SourceFile::new(&file.path, &formatted))?;
    let refuse = |message: &str| Err(Faults(vec![Fault::of_file(&file.path, message)]));
    match (before == after, comments(&file.text) == comments(&formatted)) {
        (true, true) => Ok(formatted),
        (false, _) => refuse("formatting would change what this file means; it was left as it is"),
        (true, false) => refuse("formatting would lose or change a comment; the file was left as it is"),
    }
}

/// The comments of a file, in order.
fn comments(text: &str) -> Vec<&str> {
    text.lines().filter_map(comment).collect()
}

/// What stands after `//` outside of quotes. Strings do not go over the end of a line in formatted or sane files; where
/// one does, both readings are wrong alike.
fn comment(line: &str) -> Option<&str> {
    let mut quoted = false;
    let mut chars = line.char_indices().peekable();
    while let Some((at, c)) = chars.next() {
        match c {
            '\\' if quoted => {
                chars.next();
            }
            '"' => quoted = !quoted,
            '/' if !quoted && chars.peek().is_some_and(|(_, next)| *next == '/') => {
                return line.get(at + 2..).map(str::trim);
            }
            _ => {}
        }
    }
    None
}

/// The policies of a file in order, as the engine's JSON: equal exactly when they mean the same.
fn parse(file: &SourceFile) -> Result<serde_json::Value, Faults> {
    let set = PolicySet::from_str(&file.text).map_err(|errors| Faults(Fault::from_diagnostic(file, &errors)))?;
    set.to_json().map_err(|error| Faults(vec![Fault::of_file(&file.path, error.to_string())]))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn formatting_twice_changes_nothing() {
        let text = "@id(\"a\")permit(principal,action,resource)when{principal==resource||context.x>1};";
        let once = format_policies(&SourceFile::new("a.cedar", text)).unwrap();
        assert_ne!(once, text);
        assert_eq!(format_policies(&SourceFile::new("a.cedar", &once)).unwrap(), once);
    }

    #[test]
    fn a_comment_is_found_wherever_it_stands_but_not_in_a_text() {
        let text =
            "// a\npermit(principal, // b //c\n action, resource) when { context.x == \"http://d\\\"//e\" }; //\n";
        assert_eq!(comments(text), ["a", "b //c", ""]);
    }

    #[test]
    fn formatting_keeps_every_comment() {
        let text = "// a\n@id(\"x\") // b\npermit(principal, action, resource) // c\nwhen { // d\n true && // e\n context.x // f\n}; // g\n// h\n";
        let formatted = format_policies(&SourceFile::new("a.cedar", text)).unwrap();
        assert_eq!(comments(&formatted), ["a", "b", "c", "d", "e", "f", "g", "h"]);
    }

    #[test]
    fn a_file_that_does_not_parse_is_refused_with_its_place() {
        let faults = format_policies(&SourceFile::new("a.cedar", "permit(\n  principal,,")).unwrap_err();
        assert_eq!((faults.0[0].line, faults.0[0].column), (2, 13));
    }
}
