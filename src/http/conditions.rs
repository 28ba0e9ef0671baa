//! `If-Match` and `If-None-Match`: one strong entity tag each, or `*`.

use axum::http::{HeaderMap, HeaderName, header};

use super::failure::Failure;
use crate::store::{Expect, Revision};

/// What a request demands of the current state.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Conditions {
    pub if_match: Option<Tag>,
    pub if_none_match: Option<Tag>,
}

/// An entity tag, or any.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Tag {
    Any,
    Is(String),
    /// `W/"…"`: good for saving a download, never for a change.
    Weak(String),
}

impl Conditions {
    /// # Errors
    /// 400 for what is no entity tag, and for several.
    pub fn read(headers: &HeaderMap) -> Result<Self, Failure> {
        Ok(Self { if_match: tag(headers, header::IF_MATCH)?, if_none_match: tag(headers, header::IF_NONE_MATCH)? })
    }

    /// Whether the caller has what is tagged `current` already.
    pub fn has(&self, current: &str) -> bool {
        match &self.if_none_match {
            Some(Tag::Is(tag) | Tag::Weak(tag)) => tag == current,
            Some(Tag::Any) => true,
            None => false,
        }
    }

    /// As the store checks it, in the same step as the change.
    ///
    /// # Errors
    /// 412 for a tag that no entity has, 400 for conditions that make no sense together.
    pub fn expect(&self) -> Result<Expect, Failure> {
        match (&self.if_match, &self.if_none_match) {
            (None, None) => Ok(Expect::Anything),
            (Some(Tag::Any), None) => Ok(Expect::Present),
            (Some(Tag::Is(tag)), None) => match tag.parse() {
                Ok(revision) => Ok(Expect::Revision(Revision(revision))),
                Err(_) => Err(Failure::precondition(format!("no entity has the tag \"{tag}\""))),
            },
            (Some(Tag::Weak(_)), None) => Err(Failure::precondition("a weak tag never matches for a change")),
            (None, Some(Tag::Any)) => Ok(Expect::Absent),
            (None, Some(_)) => {
                Err(Failure::invalid("If-None-Match", "for a change, `If-None-Match` can only be `*`: not there yet"))
            }
            (Some(_), Some(_)) => {
                Err(Failure::invalid("If-Match", "`If-Match` and `If-None-Match` cannot stand together"))
            }
        }
    }
}

fn tag(headers: &HeaderMap, name: HeaderName) -> Result<Option<Tag>, Failure> {
    let mut values = headers.get_all(&name).iter();
    let Some(value) = values.next() else {
        return Ok(None);
    };
    let text = value.to_str().ok().filter(|_| values.next().is_none()).map(str::trim);
    text.and_then(parse).map(Some).ok_or_else(|| {
        let name = if name == header::IF_MATCH { "If-Match" } else { "If-None-Match" };
        Failure::invalid(name, format!("`{name}` is one entity tag in double quotes, or `*`"))
    })
}

fn parse(text: &str) -> Option<Tag> {
    let quoted = |text: &str| {
        let inner = text.strip_prefix('"')?.strip_suffix('"')?;
        (!inner.contains('"')).then(|| inner.to_owned())
    };
    match text.strip_prefix("W/") {
        Some(weak) => quoted(weak).map(Tag::Weak),
        None if text == "*" => Some(Tag::Any),
        None => quoted(text).map(Tag::Is),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_tag_is_quoted_or_a_star() {
        assert_eq!(parse("\"12\""), Some(Tag::Is("12".to_owned())));
        assert_eq!(parse("W/\"12\""), Some(Tag::Weak("12".to_owned())));
        assert_eq!(parse("*"), Some(Tag::Any));
        for bad in ["12", "\"", "\"1\", \"2\"", "w/\"1\"", ""] {
            assert_eq!(parse(bad), None, "{bad}");
        }
    }
}
