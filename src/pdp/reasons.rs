//! Which "no" it was: reason codes in their order, with statuses and messages, all from the bundle's data.
//!
//! `reasons.json` beside the policies lists the codes, the most telling first. When several things stopped a question,
//! the earliest code of that list is the reason. Messages may hold placeholders: `{principal}`, `{action}` and
//! `{resource}` (ids), a path into the facts (`{resource.organization}`), an annotation of the action
//! (`{@permission}`), and alternatives, of which the first that exists is taken (`{resource.organization|resource.user}`).

use std::collections::HashMap;

use serde::Deserialize;
use smol_str::SmolStr;

use super::answer::Reason;
use super::bundle::SourceFile;
use super::fault::{Fault, Faults};
use crate::entity::{Uid, Value};

/// Codes for what a bundle's data does not name, least telling last. A bundle may list them to place and word them.
pub(super) const NOT_FOUND: &str = "not_found";
pub(super) const NOT_PERMITTED: &str = "not_permitted";
pub(super) const FORBIDDEN: &str = "forbidden";
pub(super) const EVALUATION_ERROR: &str = "evaluation_error";

/// In the order in which they tell most.
pub(super) const BUILT_IN: [&str; 4] = [NOT_FOUND, FORBIDDEN, NOT_PERMITTED, EVALUATION_ERROR];

/// One line of `reasons.json`.
#[derive(Clone, Debug, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
struct Entry {
    code: SmolStr,
    status: u16,
    /// The status for callers without an account, where it differs.
    anonymous_status: Option<u16>,
    message: Option<String>,
    /// The message for callers without an account, where it differs.
    anonymous_message: Option<String>,
}

#[derive(Default)]
pub(super) struct Reasons {
    entries: Vec<Entry>,
    ranks: HashMap<SmolStr, usize>,
}

/// Something that stopped a question.
pub(super) struct Cause<'a> {
    pub code: &'a str,
    pub message: Option<&'a str>,
}

impl Reasons {
    pub fn parse(file: &SourceFile) -> Result<Self, Faults> {
        let entries: Vec<Entry> =
            serde_json::from_str(&file.text).map_err(|error| Faults(vec![Fault::in_json(file, &error)]))?;
        let mut ranks = HashMap::new();
        for (rank, entry) in entries.iter().enumerate() {
            if ranks.insert(entry.code.clone(), rank).is_some() {
                let message = format!("the reason `{}` stands twice", entry.code);
                return Err(Faults(vec![Fault::of_file(&file.path, message)]));
            }
            if !(400..=499).contains(&entry.status) {
                let message = format!("`{}`: the status of a refusal is 400 to 499, not {}", entry.code, entry.status);
                return Err(Faults(vec![Fault::of_file(&file.path, message)]));
            }
        }
        Ok(Self { entries, ranks })
    }

    /// The codes of the list, in its order.
    pub fn codes(&self) -> impl Iterator<Item = &SmolStr> {
        self.entries.iter().map(|entry| &entry.code)
    }

    /// Whether a code may be used in an annotation: any, as long as no list says which there are.
    pub fn knows(&self, code: &str) -> bool {
        self.entries.is_empty() || self.ranks.contains_key(code)
    }

    /// The reason among several causes. `words` fills placeholders in.
    pub fn choose(&self, causes: &[Cause], anonymous: bool, words: &dyn Fn(&str) -> Option<String>) -> Option<Reason> {
        let cause = causes.iter().min_by_key(|cause| self.rank(cause.code))?;
        let entry = self.ranks.get(cause.code).and_then(|rank| self.entries.get(*rank));
        let worded = entry.and_then(|entry| match &entry.anonymous_message {
            Some(message) if anonymous => Some(message),
            _ => entry.message.as_ref(),
        });
        let message =
            cause.message.or_else(|| worded.map(String::as_str)).unwrap_or_else(|| default_message(cause.code));
        let status = entry.map_or(403, |entry| match entry.anonymous_status {
            Some(status) if anonymous => status,
            _ => entry.status,
        });
        Some(Reason { code: cause.code.into(), message: fill(message, words), status })
    }

    fn rank(&self, code: &str) -> usize {
        let unlisted = || BUILT_IN.iter().position(|known| *known == code).map_or(0, |at| at + 1);
        self.ranks.get(code).copied().unwrap_or_else(|| self.entries.len() + unlisted())
    }
}

fn default_message(code: &str) -> &'static str {
    match code {
        NOT_FOUND => "not found",
        NOT_PERMITTED => "no policy permits this",
        EVALUATION_ERROR => "a policy could not be evaluated",
        _ => "a policy forbids this",
    }
}

/// Replaces `{a|b}` by the first alternative that has words; by nothing when none has.
fn fill(template: &str, words: &dyn Fn(&str) -> Option<String>) -> String {
    let mut text = String::with_capacity(template.len());
    let mut rest = template;
    while let Some((before, after)) = rest.split_once('{') {
        let Some((inside, after)) = after.split_once('}') else {
            break;
        };
        text.push_str(before);
        text.push_str(&inside.split('|').find_map(words).unwrap_or_default());
        rest = after;
    }
    text + rest
}

/// A value as a message shows it: an entity by its id.
pub(super) fn shown(value: &Value) -> String {
    match value {
        Value::String(text) => text.to_string(),
        Value::Entity(uid) => uid.id().to_string(),
        Value::Extension { args, .. } => args.iter().map(shown).collect::<Vec<_>>().join(" "),
        Value::Set(members) => members.iter().map(shown).collect::<Vec<_>>().join(", "),
        value => value.to_json().to_string(),
    }
}

/// Follows a path of attribute names from a value; entities are looked up.
pub(super) fn walk<'a>(
    mut value: Value,
    path: impl Iterator<Item = &'a str>,
    attribute: &dyn Fn(&Uid, &str) -> Option<Value>,
) -> Option<Value> {
    for name in path {
        value = match &value {
            Value::Record(record) => record.get(name)?.clone(),
            Value::Entity(uid) => attribute(uid, name)?,
            _ => return None,
        };
    }
    Some(value)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn reasons() -> Reasons {
        let text = r#"[{"code":"dead","status":401},{"code":"gate","status":403,"anonymousStatus":401,"message":"ask for {resource}"}]"#;
        Reasons::parse(&SourceFile::new("reasons.json", text)).unwrap()
    }

    fn cause(code: &str) -> Cause<'_> {
        Cause { code, message: None }
    }

    #[test]
    fn the_earliest_listed_code_is_the_reason() {
        let words = |_: &str| Some("m1".to_owned());
        let causes = [cause("not_permitted"), cause("gate"), cause("dead")];
        assert_eq!(reasons().choose(&causes, false, &words).unwrap().code, "dead");
        let reason = reasons().choose(&causes[..2], true, &words).unwrap();
        assert_eq!((reason.code.as_str(), reason.status, reason.message.as_str()), ("gate", 401, "ask for m1"));
    }

    #[test]
    fn an_unlisted_code_comes_after_every_listed_one() {
        let causes = [cause("evaluation_error"), cause("forbidden"), cause("gate")];
        assert_eq!(reasons().choose(&causes, false, &|_| None).unwrap().code, "gate");
        assert_eq!(reasons().choose(&causes[..2], false, &|_| None).unwrap().code, "forbidden");
    }

    #[test]
    fn placeholders_take_the_first_alternative_that_exists() {
        let words = |name: &str| (name == "b").then(|| "B".to_owned());
        assert_eq!(fill("x {a|b} y {c}.", &words), "x B y .");
        assert_eq!(fill("open { brace", &words), "open { brace");
    }

    #[test]
    fn a_list_with_a_code_twice_or_a_success_status_is_refused() {
        for text in [
            r#"[{"code":"a","status":403},{"code":"a","status":403}]"#,
            r#"[{"code":"a","status":200}]"#,
            r#"[{"code":"a"}]"#,
            r#"[{"code":"a","status":403,"colour":1}]"#,
        ] {
            assert!(Reasons::parse(&SourceFile::new("reasons.json", text)).is_err(), "{text}");
        }
    }
}
