//! A request's target, read once, or refused with the reason.
//!
//! Gateways and backends that read one path two ways are a classic way around a policy, so what could be read two ways
//! is refused here, before any rule is looked at. Escapes are decoded exactly once; never decode anything again.

use std::borrow::Cow;

/// The longest target that is read, in bytes.
const MAX_TARGET: usize = 8 * 1024;

pub(super) const TOO_LONG: &str = "the target is longer than 8 KiB";
pub(super) const CONTROL: &str = "a control character";
pub(super) const NOT_ESCAPED: &str = "a character that must be percent-encoded";
pub(super) const FRAGMENT: &str = "a fragment";
pub(super) const ABSOLUTE_FORM: &str = "the target is no path but a whole URL";
pub(super) const NO_LEADING_SLASH: &str = "the path does not start with `/`";
pub(super) const EMPTY_SEGMENT: &str = "an empty segment (`//`)";
pub(super) const DOT_SEGMENT: &str = "a segment `.` or `..`";
pub(super) const BACKSLASH: &str = "a backslash";
pub(super) const PATH_PARAMETER: &str = "a path parameter (`;`)";
pub(super) const MALFORMED_ESCAPE: &str = "a malformed percent escape";
pub(super) const DOUBLE_ENCODING: &str = "text that is percent-encoded twice";
pub(super) const NOT_UTF8: &str = "percent-encoded bytes that are not UTF-8";
pub(super) const ENCODED_SLASH: &str = "an encoded slash (`%2F`) where no rule allows one";
pub(super) const QUERY_TWICE: &str = "a query key that a rule looks at stands twice";
pub(super) const QUERY_SPELLING: &str = "another spelling of a query key that a rule looks at";
pub(super) const QUERY_SEPARATOR: &str = "a `;` in a query that a rule looks at";

/// One decoded segment of a path.
#[derive(Debug)]
pub(super) struct Segment<'a> {
    pub text: Cow<'a, str>,
    /// Whether the text has a `/`, which came encoded then.
    pub slashed: bool,
}

#[derive(Debug)]
pub(super) struct Target<'a> {
    pub segments: Vec<Segment<'a>>,
    /// Whether the path ends with a slash.
    pub trailing_slash: bool,
    pub query: Query<'a>,
}

impl<'a> Target<'a> {
    pub fn read(target: &'a str) -> Result<Self, &'static str> {
        if target.len() > MAX_TARGET {
            return Err(TOO_LONG);
        }
        if target.bytes().any(|byte| byte.is_ascii_control()) {
            return Err(CONTROL);
        }
        if !target.bytes().all(|byte| byte.is_ascii_graphic()) {
            return Err(NOT_ESCAPED);
        }
        if target.contains('#') {
            return Err(FRAGMENT);
        }
        let (path, query) = match target.split_once('?') {
            Some((path, query)) => (path, Some(query)),
            None => (target, None),
        };
        let Some(inner) = path.strip_prefix('/') else {
            return Err(if path.contains("://") { ABSOLUTE_FORM } else { NO_LEADING_SLASH });
        };
        let (inner, trailing_slash) = match inner.strip_suffix('/') {
            Some(inner) => (inner, true),
            None => (inner, inner.is_empty()),
        };
        let segments = match inner {
            "" if trailing_slash && path.len() > 1 => return Err(EMPTY_SEGMENT),
            "" => Vec::new(),
            inner => inner.split('/').map(segment).collect::<Result<_, _>>()?,
        };
        Ok(Self { segments, trailing_slash, query: Query(query) })
    }

    /// Whether a segment has an encoded slash.
    pub fn is_slashed(&self) -> bool {
        self.segments.iter().any(|segment| segment.slashed)
    }
}

fn segment(raw: &str) -> Result<Segment<'_>, &'static str> {
    if raw.is_empty() {
        return Err(EMPTY_SEGMENT);
    }
    if raw.contains(';') {
        return Err(PATH_PARAMETER);
    }
    let text = decode(raw)?;
    if text.contains('\\') {
        return Err(BACKSLASH);
    }
    // An encoded slash may be read as a separator further on: what stands between two of them is held to the same.
    for part in text.split('/') {
        match part {
            "" => return Err(EMPTY_SEGMENT),
            "." | ".." => return Err(DOT_SEGMENT),
            _ => {}
        }
    }
    let slashed = text.contains('/');
    Ok(Segment { text, slashed })
}

/// Decodes percent escapes, once.
fn decode(raw: &str) -> Result<Cow<'_, str>, &'static str> {
    if !raw.contains('%') {
        return Ok(Cow::Borrowed(raw));
    }
    let mut bytes = Vec::with_capacity(raw.len());
    let mut rest = raw.bytes();
    while let Some(byte) = rest.next() {
        match byte {
            b'%' => {
                let high = rest.next().and_then(hex).ok_or(MALFORMED_ESCAPE)?;
                let low = rest.next().and_then(hex).ok_or(MALFORMED_ESCAPE)?;
                bytes.push(high * 16 + low);
            }
            byte => bytes.push(byte),
        }
    }
    let text = String::from_utf8(bytes).map_err(|_| NOT_UTF8)?;
    if text.chars().any(char::is_control) {
        return Err(CONTROL);
    }
    match holds_escape(&text) {
        true => Err(DOUBLE_ENCODING),
        false => Ok(Cow::Owned(text)),
    }
}

fn hex(byte: u8) -> Option<u8> {
    char::from(byte).to_digit(16).and_then(|digit| u8::try_from(digit).ok())
}

fn holds_escape(text: &str) -> bool {
    let after = text.split('%').skip(1);
    after.map(|rest| rest.bytes().take(2).filter_map(hex).count()).any(|digits| digits == 2)
}

/// What stands behind the `?`; read only when a rule looks at it.
#[derive(Clone, Copy, Debug)]
pub(super) struct Query<'a>(Option<&'a str>);

impl<'a> Query<'a> {
    /// The one value of a key, if the key is there. Keys that some backend would take for this one, and could prefer,
    /// count as well: in other case, or as an array (`key[]`).
    pub fn value(self, key: &str) -> Result<Option<Cow<'a, str>>, &'static str> {
        let Some(query) = self.0 else { return Ok(None) };
        if query.contains(';') {
            return Err(QUERY_SEPARATOR);
        }
        let mut found = None;
        for pair in query.split('&') {
            let (name, value) = pair.split_once('=').unwrap_or((pair, ""));
            let name = decode(name)?;
            let base = name.split('[').next().unwrap_or_default();
            if !base.trim_matches([' ', '+']).eq_ignore_ascii_case(key) {
                continue;
            }
            if found.is_some() {
                return Err(QUERY_TWICE);
            }
            if name != key {
                return Err(QUERY_SPELLING);
            }
            found = Some(decode(value)?);
        }
        Ok(found)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn texts(target: &str) -> Vec<String> {
        Target::read(target).unwrap().segments.iter().map(|segment| segment.text.to_string()).collect()
    }

    #[test]
    fn segments_are_decoded_once() {
        assert_eq!(texts("/a/b%20c/%C3%A9?x=/../"), ["a", "b c", "é"]);
        assert_eq!(texts("/100%25.txt"), ["100%.txt"]);
        assert_eq!(texts("/a/refs%2Fpr%2f1"), ["a", "refs/pr/1"]);
        assert_eq!(texts("/"), Vec::<String>::new());
        assert_eq!(texts("/.a/b../...c"), [".a", "b..", "...c"]);
        assert!(Target::read("/a/").unwrap().trailing_slash && !Target::read("/a").unwrap().trailing_slash);
    }

    #[test]
    fn what_can_be_read_two_ways_is_refused_with_its_reason() {
        let cases = [
            ("//a", EMPTY_SEGMENT),
            ("//", EMPTY_SEGMENT),
            ("/a//b", EMPTY_SEGMENT),
            ("/a//", EMPTY_SEGMENT),
            ("/a/%2Fb", EMPTY_SEGMENT),
            ("/a/b%2F", EMPTY_SEGMENT),
            ("/a/b%2F%2Fc", EMPTY_SEGMENT),
            ("/a/./b", DOT_SEGMENT),
            ("/a/..", DOT_SEGMENT),
            ("/a/../", DOT_SEGMENT),
            ("/a/%2e%2E/b", DOT_SEGMENT),
            ("/a/.%2e/b", DOT_SEGMENT),
            ("/a/b%2F..%2Fc", DOT_SEGMENT),
            ("/a/..%2f..%2fc", DOT_SEGMENT),
            ("/a\\b", BACKSLASH),
            ("/a%5cb", BACKSLASH),
            ("/a%5Cb", BACKSLASH),
            ("/a\0b", CONTROL),
            ("/a\tb", CONTROL),
            ("/a\r\nb", CONTROL),
            ("/a\x7fb", CONTROL),
            ("/a?b\n", CONTROL),
            ("/a%00b", CONTROL),
            ("/a%0d%0ab", CONTROL),
            ("/a%7f", CONTROL),
            ("/a%C2%85", CONTROL),
            ("/a b", NOT_ESCAPED),
            ("/é", NOT_ESCAPED),
            ("/a%", MALFORMED_ESCAPE),
            ("/a%2", MALFORMED_ESCAPE),
            ("/a%2/b", MALFORMED_ESCAPE),
            ("/a%zz", MALFORMED_ESCAPE),
            ("/a%+1", MALFORMED_ESCAPE),
            ("/a%u002f", MALFORMED_ESCAPE),
            ("/a%252e%252e/b", DOUBLE_ENCODING),
            ("/a%252Fb", DOUBLE_ENCODING),
            ("/a%25%32%66", DOUBLE_ENCODING),
            ("/a%c0%af", NOT_UTF8),
            ("/a%ff", NOT_UTF8),
            ("/a;b=c/d", PATH_PARAMETER),
            ("/a/..;/b", PATH_PARAMETER),
            ("/a#b", FRAGMENT),
            ("/a?b#c", FRAGMENT),
            ("", NO_LEADING_SLASH),
            ("a/b", NO_LEADING_SLASH),
            ("*", NO_LEADING_SLASH),
            ("?a", NO_LEADING_SLASH),
            ("http://host/a", ABSOLUTE_FORM),
        ];
        for (target, why) in cases {
            assert_eq!(Target::read(target).map(|_| ()), Err(why), "{target:?}");
        }
        let long = |length: usize| format!("/{}", "a".repeat(length - 1));
        assert!(Target::read(&long(MAX_TARGET)).is_ok());
        assert_eq!(Target::read(&long(MAX_TARGET + 1)).map(|_| ()), Err(TOO_LONG));
    }

    #[test]
    fn a_query_key_has_one_value_or_none() {
        let value = |query: &'static str| Query(Some(query)).value("kind").map(|value| value.map(String::from));
        assert_eq!(value("a=1&kind=x%2Fy&b"), Ok(Some("x/y".to_owned())));
        assert_eq!(value("k%69nd=x"), Ok(Some("x".to_owned())));
        assert_eq!(value("kind"), Ok(Some(String::new())));
        assert_eq!(value("kinds=x&mankind=y"), Ok(None));
        assert_eq!(Query(None).value("kind"), Ok(None));
        for twice in ["kind=a&kind=a", "kind=a&k%69nd=b", "kind=a&kind[]=b", "kind=a&KIND=b", "kind=a&+kind=b"] {
            assert_eq!(value(twice), Err(QUERY_TWICE), "{twice}");
        }
        for other in ["Kind=a", "kind[]=a", "kind%5B0%5D=a", "kind%20=a", "+kind=a", "kind[]=a&kind=b"] {
            assert_eq!(value(other), Err(QUERY_SPELLING), "{other}");
        }
        assert_eq!(value("a=1;kind=x"), Err(QUERY_SEPARATOR));
        assert_eq!(value("%6b%2569nd=x"), Err(DOUBLE_ENCODING));
        assert_eq!(value("kind=%2565"), Err(DOUBLE_ENCODING));
        assert_eq!(value("%zz=1"), Err(MALFORMED_ESCAPE));
        assert_eq!(value("kind=%00"), Err(CONTROL));
    }
}
