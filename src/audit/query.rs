//! Reading the log: by time, who, what, which decision.
//!
//! Segments are read as they stand, whether a server writes to them or not. What cannot be read is told beside what can:
//! whether a line is the one that was written is `verify`'s question.

use std::io;
use std::ops::ControlFlow;
use std::path::Path;

use jiff::Timestamp;
use serde_json::Value as Json;

use super::chain::Line;
use super::segment::{self, Segment};
use crate::entity::Uid;

/// A part of the log that cannot be read.
#[derive(Clone, Debug, PartialEq, Eq, serde::Serialize)]
pub struct Damage {
    pub segment: String,
    pub what: String,
}

/// A record that was asked for.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Found {
    pub seq: u64,
    /// As it stands in the log.
    pub line: String,
}

/// Some records.
#[derive(Clone, Debug, Default)]
pub struct Page {
    pub found: Vec<Found>,
    /// Go on before this record, or behind it when the oldest come first. A page may be short, or empty, and not be the last.
    pub next: Option<u64>,
    pub damage: Vec<Damage>,
}

/// What is asked for; what is `None` may be anything.
#[derive(Clone, Debug, Default)]
pub struct Filter {
    pub since: Option<Timestamp>,
    pub until: Option<Timestamp>,
    /// `user:alice`, `Hub::User::"alice"`, or the id alone. Also finds those for whom a credential acted, and the actor
    /// of a change.
    pub principal: Option<String>,
    /// Also finds what a change was about.
    pub resource: Option<String>,
    pub action: Option<String>,
    /// `allow` or `deny`.
    pub decision: Option<String>,
    /// The id of a policy that determined the decision.
    pub policy: Option<String>,
    /// The id of an access token.
    pub token: Option<String>,
    pub reason: Option<String>,
    /// The id of the API key that asked.
    pub key: Option<String>,
    pub request_id: Option<String>,
    pub decision_id: Option<String>,
    /// `decision` or `change`; without it both, and not what the log says of itself.
    pub kind: Option<String>,
    /// Records behind this one.
    pub after: Option<u64>,
}

/// The newest records first, up to `limit` of them, before record `before`, reading about `budget` bytes.
///
/// # Errors
/// A folder that cannot be read.
pub fn newest_first(dir: &Path, filter: &Filter, before: Option<u64>, limit: usize, budget: u64) -> io::Result<Page> {
    let mut page = Page::default();
    let mut read = 0;
    let segments = segment::list(dir)?;
    let ends = segments.iter().skip(1).map(|segment| Some(segment.first)).chain([None]);
    let mut segments: Vec<(&Segment, Option<u64>)> = segments.iter().zip(ends).collect();
    while let Some((segment, next)) = segments.pop() {
        if before.is_some_and(|before| segment.first >= before) || filter.excludes(segment, next) {
            continue;
        }
        if read >= budget {
            page.next = next.or(before);
            return Ok(page);
        }
        read += segment.bytes;
        let Some(bytes) = present(segment)? else { continue };
        let lines = Lines::of(segment, &bytes, next, &mut page.damage);
        let wanted =
            |seq: u64| before.is_none_or(|before| seq < before) && filter.after.is_none_or(|after| seq > after);
        for (seq, line) in lines.read.into_iter().rev() {
            if !wanted(seq) || !filter.takes(line) {
                continue;
            }
            if page.found.len() == limit {
                page.next = page.found.last().map(|last| last.seq);
                return Ok(page);
            }
            page.found.push(Found { seq, line: line.to_owned() });
        }
    }
    Ok(page)
}

/// The oldest records first, up to `limit` of them, behind record `filter.after`, reading about `budget` bytes. The next
/// page begins behind the record that it names.
///
/// # Errors
/// A folder that cannot be read.
pub fn oldest_first(dir: &Path, filter: &Filter, limit: usize, budget: u64) -> io::Result<Page> {
    let mut page = Page::default();
    let mut read = 0;
    let segments = segment::list(dir)?;
    let mut rest = segments.as_slice();
    while let Some((segment, after)) = rest.split_first() {
        rest = after;
        let next = after.first().map(|next| next.first);
        if filter.excludes(segment, next) {
            continue;
        }
        if read >= budget {
            page.next = Some(segment.first.saturating_sub(1));
            return Ok(page);
        }
        read += segment.bytes;
        let Some(bytes) = present(segment)? else { continue };
        for (seq, line) in Lines::of(segment, &bytes, next, &mut page.damage).read {
            if filter.after.is_some_and(|after| seq <= after) || !filter.takes(line) {
                continue;
            }
            if page.found.len() == limit {
                page.next = page.found.last().map(|last| last.seq);
                return Ok(page);
            }
            page.found.push(Found { seq, line: line.to_owned() });
        }
    }
    Ok(page)
}

/// All records, the oldest first.
///
/// # Errors
/// A folder that cannot be read.
pub fn each_oldest_first(
    dir: &Path,
    filter: &Filter,
    mut each: impl FnMut(&str) -> ControlFlow<()>,
) -> io::Result<Vec<Damage>> {
    let mut damage = Vec::new();
    let segments = segment::list(dir)?;
    let mut rest = segments.as_slice();
    while let Some((segment, after)) = rest.split_first() {
        rest = after;
        let next = after.first().map(|next| next.first);
        let ended = after.first().and_then(Segment::header).map(|header| header.timestamp);
        if filter.since.zip(ended).is_some_and(|(since, ended)| ended < since) {
            continue;
        }
        let Some(bytes) = present(segment)? else { continue };
        for (_, line) in Lines::of(segment, &bytes, next, &mut damage).read {
            if filter.takes(line) && each(line).is_break() {
                return Ok(damage);
            }
        }
    }
    Ok(damage)
}

/// The bytes of a segment, unless retention took it meanwhile.
fn present(segment: &Segment) -> io::Result<Option<Vec<u8>>> {
    match segment.read() {
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(None),
        read => read.map(Some),
    }
}

/// The records of a segment that can be read.
struct Lines<'a> {
    read: Vec<(u64, &'a str)>,
}

impl<'a> Lines<'a> {
    fn of(segment: &Segment, bytes: &'a [u8], next: Option<u64>, damage: &mut Vec<Damage>) -> Self {
        let mut read: Vec<(u64, &str)> = Vec::new();
        let mut expected = segment.first;
        let mut fault = |what: String| damage.push(Damage { segment: segment.name(), what });
        for (index, found) in segment::lines(bytes).enumerate() {
            let text = std::str::from_utf8(found.line).ok().filter(|_| found.whole);
            match (text, Line::read(found.line)) {
                (Some(text), Some(line)) => {
                    if line.seq != expected {
                        fault(format!("record {} stands where {expected} should", line.seq));
                    }
                    expected = line.seq + 1;
                    read.push((line.seq, text));
                }
                // The end of the last segment is being written.
                _ if !found.whole && next.is_none() => {}
                _ => {
                    fault(format!("line {} is no record", index + 1));
                    expected += 1;
                }
            }
        }
        if let Some(next) = next.filter(|next| *next != expected) {
            fault(format!("it ends at record {}, the next segment begins with {next}", expected.saturating_sub(1)));
        }
        Self { read }
    }
}

impl Filter {
    /// Whether a segment lies outside of the time that is asked for.
    fn excludes(&self, segment: &Segment, next: Option<u64>) -> bool {
        if self.after.zip(next).is_some_and(|(after, next)| next <= after.saturating_add(1)) {
            return true;
        }
        let begins = || segment.header().map(|header| header.timestamp);
        if self.until.is_some() && self.until.zip(begins()).is_some_and(|(until, begins)| begins >= until) {
            return true;
        }
        let Some((since, next)) = self.since.zip(next) else {
            return false;
        };
        let path = segment.path.parent().map(|dir| segment::path(dir, next)).unwrap_or_default();
        let next = Segment { first: next, path, bytes: 0 };
        next.header().is_some_and(|header| header.timestamp < since)
    }

    /// Whether a record is asked for.
    pub fn takes(&self, line: &str) -> bool {
        if !self.may_take(line) {
            return false;
        }
        let Ok(record) = serde_json::from_str::<Json>(line) else {
            return false;
        };
        let text = |key: &str| record.get(key).and_then(Json::as_str);
        let equal =
            |wanted: &Option<String>, found: Option<&str>| wanted.as_deref().is_none_or(|wanted| found == Some(wanted));
        let is_change = text("kind") == Some("change");
        let named = |wanted: &Option<String>, keys: &[&str]| {
            wanted.as_deref().is_none_or(|wanted| {
                keys.iter().filter_map(|key| record.get(*key)).any(|named| is_named(named, wanted))
            })
        };
        // A change is about its entities, and whoever acted is who asked.
        let about = |wanted: &Option<String>| {
            let entities = || record.get("entities").and_then(Json::as_array).into_iter().flatten();
            wanted.as_deref().is_some_and(|wanted| is_change && entities().any(|named| is_named(named, wanted)))
        };
        let acted = |wanted: &Option<String>| {
            wanted.as_deref().is_some_and(|wanted| is_change && text("actor") == Some(&Wanted::read(wanted).id))
        };
        let kind = match &self.kind {
            Some(kind) => text("kind") == Some(kind),
            None => matches!(text("kind"), Some("decision" | "search" | "change")),
        };
        let at = || text("timestamp").and_then(|at| at.parse::<Timestamp>().ok());
        let in_time = (self.since.is_none() && self.until.is_none())
            || at().is_some_and(|at| {
                self.since.is_none_or(|since| at >= since) && self.until.is_none_or(|until| at < until)
            });
        let policies = || record.get("determining").and_then(Json::as_array).into_iter().flatten();
        let policy = self.policy.as_deref();
        kind && in_time
            && equal(&self.decision, text("decision"))
            && equal(&self.token, text("token"))
            && equal(&self.key, text("requested_by"))
            && equal(&self.request_id, text("request_id"))
            && equal(&self.decision_id, text("decision_id"))
            && equal(&self.reason, record.pointer("/reason/code").and_then(Json::as_str))
            && policy.is_none_or(|policy| policies().any(|found| found.as_str() == Some(policy)))
            && (named(&self.principal, &["principal", "acts_for"]) || acted(&self.principal))
            && (named(&self.resource, &["resource"]) || about(&self.resource))
            && named(&self.action, &["action"])
    }

    /// A look without reading the record: what it must contain as text.
    fn may_take(&self, line: &str) -> bool {
        let plain = [&self.policy, &self.token, &self.reason, &self.key, &self.request_id, &self.decision_id];
        let named = [&self.principal, &self.resource, &self.action];
        let ids = named.into_iter().flatten().map(|wanted| Wanted::read(wanted).id);
        let texts = plain.into_iter().flatten().cloned().chain(ids);
        texts.map(|text| Json::String(text).to_string()).all(|text| line.contains(&text))
            // An id alone can have a colon in it.
            || named.into_iter().flatten().any(|wanted| line.contains(&Json::String(wanted.clone()).to_string()))
    }
}

/// An entity as somebody who asks names it.
struct Wanted {
    type_name: Option<String>,
    id: String,
}

impl Wanted {
    fn read(text: &str) -> Self {
        if let Ok(uid) = Uid::parse(text) {
            return Self { type_name: Some(uid.type_name().to_string()), id: uid.id().to_string() };
        }
        match text.split_once(':') {
            Some((kind, id)) if kind.chars().all(|c| c.is_ascii_alphanumeric() || c == '_') => {
                Self { type_name: Some(kind.to_owned()), id: id.to_owned() }
            }
            _ => Self { type_name: None, id: text.to_owned() },
        }
    }

    /// `access_token`, `AccessToken` and `Hub::AccessToken` are one type.
    fn is_type(&self, found: &str) -> bool {
        let plain = |name: &str| name.replace('_', "").to_ascii_lowercase();
        self.type_name.as_deref().is_none_or(|wanted| {
            wanted == found || found.rsplit("::").next().is_some_and(|short| plain(short) == plain(wanted))
        })
    }
}

fn is_named(named: &Json, wanted: &str) -> bool {
    let text = |key: &str| named.get(key).and_then(Json::as_str).unwrap_or_default();
    let parts = Wanted::read(wanted);
    text("id") == wanted || (text("id") == parts.id && parts.is_type(text("type")))
}

#[cfg(test)]
mod tests {
    use super::*;

    const LINE: &str = r#"{"kind":"decision","timestamp":"2026-08-01T12:00:00.000Z","requested_by":"k1","principal":{"type":"Hub::AccessToken","id":"ci"},"acts_for":{"type":"Hub::User","id":"al:ice"},"action":{"type":"Hub::Action","id":"repo.write"},"resource":{"type":"Hub::Repo","id":"models/acme/m1"},"token":"ci","decision":"deny","determining":["tokens/read-role"],"reason":{"code":"token_role","status":403}}"#;

    fn takes(change: impl FnOnce(&mut Filter)) -> bool {
        let mut filter = Filter::default();
        change(&mut filter);
        filter.takes(LINE)
    }

    #[test]
    fn a_record_is_found_by_each_of_its_parts_and_not_by_others() {
        let some = |text: &str| Some(text.to_owned());
        assert!(takes(|_| {}));
        for name in ["access_token:ci", "AccessToken:ci", "Hub::AccessToken::\"ci\"", "ci", "al:ice", "user:al:ice"] {
            assert!(takes(|f| f.principal = some(name)), "{name}");
        }
        for name in ["user:ci", "c", "Hub::User::\"ci\"", "ice", "token:ci"] {
            assert!(!takes(|f| f.principal = some(name)), "{name}");
        }
        assert!(takes(|f| f.resource = some("repo:models/acme/m1")) && !takes(|f| f.resource = some("models/acme")));
        assert!(takes(|f| f.action = some("repo.write")) && !takes(|f| f.action = some("repo.read")));
        assert!(takes(|f| f.policy = some("tokens/read-role")) && !takes(|f| f.policy = some("tokens")));
        assert!(takes(|f| f.reason = some("token_role")) && !takes(|f| f.reason = some("token")));
        assert!(takes(|f| f.token = some("ci")) && !takes(|f| f.token = some("k1")));
        assert!(takes(|f| f.key = some("k1")) && !takes(|f| f.kind = some("change")));
        assert!(takes(|f| f.decision = some("deny")) && !takes(|f| f.decision = some("allow")));
    }

    #[test]
    fn a_change_is_found_by_who_acted_and_by_what_it_was_about() {
        let line = r#"{"kind":"change","actor":"alice","change":"entities","entities":[{"op":"put","type":"Hub::User","id":"bob"}]}"#;
        let takes = |principal: Option<&str>, resource: Option<&str>| {
            let (principal, resource) = (principal.map(str::to_owned), resource.map(str::to_owned));
            Filter { principal, resource, ..Filter::default() }.takes(line)
        };
        assert!(takes(Some("user:alice"), None) && takes(None, Some("user:bob")) && takes(Some("alice"), Some("bob")));
        assert!(!takes(Some("user:bob"), None) && !takes(None, Some("user:alice")));
    }

    #[test]
    fn a_time_is_asked_for_from_its_first_instant_up_to_its_last() {
        let at = |text: &str| Some(text.parse::<Timestamp>().unwrap());
        assert!(takes(|f| f.since = at("2026-08-01T12:00:00Z")) && !takes(|f| f.since = at("2026-08-01T12:00:01Z")));
        assert!(takes(|f| f.until = at("2026-08-01T12:00:01Z")) && !takes(|f| f.until = at("2026-08-01T12:00:00Z")));
    }
}
