//! Path parameters, taken from the path as it was sent and decoded exactly once.
//!
//! An id may hold anything. A `/` may stand bare in a last parameter; an empty segment, `.` and `..` may not, because
//! proxies on the way rewrite them and this server would see another id than they did: write them as `%2F`, or name
//! the entity in a body.

use super::failure::Failure;

/// What the `{…}` of a route's path stand for.
#[derive(Clone, Debug, Default)]
pub struct Params(Vec<(&'static str, String)>);

impl Params {
    /// Reads `path`, which matched `template`.
    ///
    /// # Errors
    /// Malformed escapes, text that is not UTF-8, ambiguous segments.
    pub fn read(template: &'static str, path: &str) -> Result<Self, Failure> {
        let mut params = Vec::new();
        if !template.contains('{') {
            return Ok(Self(params));
        }
        let mut rest = path.strip_prefix('/').unwrap_or(path);
        for part in template.split('/').skip(1) {
            let (segment, after) = rest.split_once('/').unwrap_or((rest, ""));
            match part.strip_prefix('{').and_then(|part| part.strip_suffix('}')) {
                None => rest = after,
                Some(name) => match name.strip_prefix('*') {
                    Some(name) => {
                        params.push((name, decode(name, rest)?));
                        break;
                    }
                    None => {
                        params.push((name, decode(name, segment)?));
                        rest = after;
                    }
                },
            }
        }
        Ok(Self(params))
    }

    /// A parameter of the route's template; empty when the template has none of this name.
    pub fn get(&self, name: &str) -> &str {
        self.0.iter().find(|(key, _)| *key == name).map_or("", |(_, value)| value)
    }
}

fn decode(name: &str, raw: &str) -> Result<String, Failure> {
    if raw.split('/').any(is_ambiguous) {
        let message = format!(
            "`{raw}` has an empty segment or one of dots, which proxies rewrite; write `/` as `%2F`, or name the \
             entity in the body of `POST /v1/entities:batch`"
        );
        return Err(Failure::invalid(name, message));
    }
    percent_decode(raw).ok_or_else(|| Failure::invalid(name, format!("`{raw}` is not percent-encoded UTF-8")))
}

/// Whether a segment is empty, or one or two dots, however they are written.
fn is_ambiguous(segment: &str) -> bool {
    let (mut left, mut dots) = (segment, 0);
    while !left.is_empty() {
        let escaped = || left.split_at_checked(3).filter(|(dot, _)| dot.eq_ignore_ascii_case("%2e"));
        match left.strip_prefix('.').or_else(|| escaped().map(|(_, after)| after)) {
            Some(after) => (left, dots) = (after, dots + 1),
            None => return false,
        }
    }
    dots <= 2
}

/// The text that `raw` stands for, or nothing when it is malformed.
pub fn percent_decode(raw: &str) -> Option<String> {
    let mut bytes = Vec::with_capacity(raw.len());
    let mut left = raw.bytes();
    while let Some(byte) = left.next() {
        bytes.push(match byte {
            b'%' => hex(left.next()?)? * 16 + hex(left.next()?)?,
            byte => byte,
        });
    }
    String::from_utf8(bytes).ok()
}

/// A text as one segment of a path, or as a header: what is not a letter, a digit or one of `-_~.` is an escape.
pub fn percent_encode(text: &str) -> String {
    // Segments of dots alone mean other paths.
    let dots = text.bytes().all(|byte| byte == b'.');
    let mut encoded = String::with_capacity(text.len());
    for byte in text.bytes() {
        match byte {
            b'a'..=b'z' | b'A'..=b'Z' | b'0'..=b'9' | b'-' | b'_' | b'~' => encoded.push(char::from(byte)),
            b'.' if !dots => encoded.push('.'),
            byte => encoded.push_str(&format!("%{byte:02X}")),
        }
    }
    encoded
}

fn hex(digit: u8) -> Option<u8> {
    char::from(digit).to_digit(16).and_then(|digit| u8::try_from(digit).ok())
}

#[cfg(test)]
mod tests {
    use super::*;

    const TEMPLATE: &str = "/v1/entities/{type}/{*id}";

    fn id(path: &str) -> Result<String, String> {
        let params = Params::read(TEMPLATE, path).map_err(|failure| failure.message)?;
        Ok(params.get("id").to_owned())
    }

    #[test]
    fn an_id_is_decoded_exactly_once() {
        for (path, expected) in [
            ("/v1/entities/Hub::Repo/models/acme/m1", "models/acme/m1"),
            ("/v1/entities/Hub::Repo/models%2Facme%2fm1", "models/acme/m1"),
            ("/v1/entities/Hub::Repo/a%252Fb", "a%2Fb"),
            ("/v1/entities/Hub::Repo/a%2F%2Fb", "a//b"),
            ("/v1/entities/Hub::Repo/a%2F..%2Fb", "a/../b"),
            ("/v1/entities/Hub::Repo/a+b%20c", "a+b c"),
            ("/v1/entities/Hub::Repo/%C3%A9", "é"),
        ] {
            assert_eq!(id(path).unwrap(), expected, "{path}");
        }
        let params = Params::read(TEMPLATE, "/v1/entities/Hub%3A%3ARepo/x").unwrap_or_default();
        assert_eq!(params.get("type"), "Hub::Repo");
    }

    #[test]
    fn what_was_encoded_decodes_to_itself() {
        for text in ["alice", "j.doe", "zoë/x y", "..", "%2F", "a\r\nb"] {
            let encoded = percent_encode(text);
            assert_eq!(percent_decode(&encoded).as_deref(), Some(text));
            assert!(encoded.is_ascii() && !encoded.contains(['/', ' ', '\n']) && encoded != "..", "{encoded}");
        }
        assert_eq!(percent_encode("j.doe"), "j.doe");
    }

    #[test]
    fn a_path_that_a_proxy_would_rewrite_is_refused() {
        for bad in ["a//b", "/a", "a/", "a/../b", "a/./b", "%2e%2e", "a/%2E./b", "%", "%zz", "%C3", "%+1"] {
            assert!(id(&format!("/v1/entities/Hub::Repo/{bad}")).is_err(), "{bad}");
        }
    }
}
