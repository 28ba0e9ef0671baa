//! `// hubwarden-lint: allow(rule) reason`: silence with a reason, as near as it is meant.

use super::{Lint, RULES, Subject, found};
use crate::pdp::bundle::SourceFile;
use crate::pdp::fault::Fault;

const MARK: &str = "hubwarden-lint:";
const HELP: &str =
    "`// hubwarden-lint: allow(rule) reason` in the comment above the policy, or `allow-file(rule) reason`";

/// One comment that allows something.
struct Allowance<'a> {
    file: &'a SourceFile,
    offset: usize,
    rule: &'a str,
    /// The lines it is about, first and last; the whole file without.
    lines: Option<(usize, usize)>,
    used: bool,
}

/// Takes out what is allowed, and adds what is wrong with the allowing.
pub(super) fn silence(subjects: &[Subject], files: &[SourceFile], lints: Vec<Lint>) -> Vec<Lint> {
    let mut wrong = Vec::new();
    let mut allowances: Vec<Allowance> = files.iter().flat_map(|file| read(file, subjects, &mut wrong)).collect();
    let allowed = |lint: &Lint, allowances: &mut Vec<Allowance>| {
        let mut allowed = false;
        for allowance in allowances.iter_mut().filter(|it| it.rule == lint.rule && it.file.path == lint.fault.file) {
            if allowance.lines.is_none_or(|(first, last)| (first..=last).contains(&lint.fault.line)) {
                allowance.used = true;
                allowed = true;
            }
        }
        allowed
    };
    let mut left: Vec<Lint> = lints.into_iter().filter(|lint| !allowed(lint, &mut allowances)).collect();
    for unused in allowances.iter().filter(|allowance| !allowance.used) {
        let fault = Fault::at(
            unused.file,
            unused.offset,
            MARK.len(),
            format!("`{}` is allowed here, and does not occur", unused.rule),
        );
        wrong.push(found("allow", fault, "leave the comment out"));
    }
    left.append(&mut wrong);
    left
}

fn read<'a>(file: &'a SourceFile, subjects: &[Subject], wrong: &mut Vec<Lint>) -> Vec<Allowance<'a>> {
    let mut allowances = Vec::new();
    let mut start = 0;
    for (index, line) in file.text.split_inclusive('\n').enumerate() {
        let offset = start;
        start += line.len();
        let Some((comment, said)) = line.split_once(MARK).filter(|(before, _)| before.trim_start().starts_with("//"))
        else {
            continue;
        };
        let offset = offset + comment.len();
        let mut refuse = |message: &str| wrong.push(found("allow", Fault::at(file, offset, MARK.len(), message), HELP));
        let parts = said.trim().split_once('(').and_then(|(verb, rest)| Some((verb, rest.split_once(')')?)));
        let Some((verb @ ("allow" | "allow-file"), (rule, reason))) = parts else {
            refuse("this comment is not understood");
            continue;
        };
        if !RULES.iter().any(|known| known.id == rule) {
            refuse(&format!("there is no rule `{rule}`"));
        } else if reason.trim().is_empty() {
            refuse("this comment has no reason");
        } else {
            let lines = match verb {
                "allow-file" => None,
                _ => Some(following(file, subjects, index + 1)),
            };
            allowances.push(Allowance { file, offset, rule, lines, used: false });
        }
    }
    allowances
}

/// The lines of the policy after a line, up to the next policy.
fn following(file: &SourceFile, subjects: &[Subject], line: usize) -> (usize, usize) {
    let starts = subjects.iter().filter(|subject| subject.file.path == file.path);
    let mut starts = starts.map(|subject| Fault::at(file, subject.offset, 1, "").line).filter(|start| *start > line);
    let first = starts.next().unwrap_or(usize::MAX);
    (first, starts.next().map_or(usize::MAX, |next| next - 1))
}
