//! The name of an entity: its type and its id.

use std::fmt;

use smol_str::SmolStr;

/// `Hub::User::"alice"`: type `Hub::User`, id `alice`. Ids are compared byte by byte and never normalised.
#[derive(Clone, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Uid {
    type_name: SmolStr,
    id: SmolStr,
}

/// Why a text is not an entity uid.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("`{text}` is not an entity uid: expected `Type::\"id\"`")]
pub struct UidParseError {
    text: String,
}

impl Uid {
    /// A uid from its two parts. The parts are not checked: whether the type exists is the schema's word.
    pub fn new(type_name: impl Into<SmolStr>, id: impl Into<SmolStr>) -> Self {
        Self { type_name: type_name.into(), id: id.into() }
    }

    /// The full type name, e.g. `Hub::User`.
    pub fn type_name(&self) -> &SmolStr {
        &self.type_name
    }

    /// The id alone, e.g. `alice`.
    pub fn id(&self) -> &SmolStr {
        &self.id
    }

    /// Reads `Hub::User::"alice"`, with Cedar's escapes between the quotes (`\\n \\r \\t \\0 \\\\ \\' \\" \\x41 \\u{1f600}`).
    ///
    /// # Errors
    /// [`UidParseError`] when the text has no type or no quoted id.
    pub fn parse(text: &str) -> Result<Self, UidParseError> {
        let fail = || UidParseError { text: text.to_owned() };
        let (type_name, quoted) = text.split_once("::\"").ok_or_else(fail)?;
        let body = quoted.strip_suffix('"').ok_or_else(fail)?;
        let valid = |part: &str| {
            part.starts_with(|c: char| c.is_ascii_alphabetic() || c == '_')
                && part.chars().all(|c| c.is_ascii_alphanumeric() || c == '_')
        };
        if !type_name.split("::").all(valid) {
            return Err(fail());
        }
        let id = unescape(body).ok_or_else(fail)?;
        Ok(Self::new(type_name, id))
    }
}

/// The text that `body` stands for, or nothing when an escape is malformed or a quote stands bare.
fn unescape(body: &str) -> Option<String> {
    let mut text = String::with_capacity(body.len());
    let mut chars = body.chars();
    while let Some(c) = chars.next() {
        text.push(match c {
            '"' => return None,
            '\\' => match chars.next()? {
                'n' => '\n',
                'r' => '\r',
                't' => '\t',
                '0' => '\0',
                c @ ('\\' | '\'' | '"') => c,
                'x' => {
                    let code = chars.next()?.to_digit(16)? * 16 + chars.next()?.to_digit(16)?;
                    char::from_u32(code).filter(char::is_ascii)?
                }
                'u' => {
                    let (digits, rest) = chars.as_str().strip_prefix('{')?.split_once('}')?;
                    chars = rest.chars();
                    char::from_u32(u32::from_str_radix(digits, 16).ok()?)?
                }
                _ => return None,
            },
            c => c,
        });
    }
    Some(text)
}

impl fmt::Display for Uid {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}::\"{}\"", self.type_name, self.id.escape_debug())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_uid_reads_back_from_its_text() {
        let uid = Uid::new("Hub::Repo", "models/acme/m1");
        assert_eq!(Uid::parse(&uid.to_string()).unwrap(), uid);
    }

    #[test]
    fn quotes_inside_an_id_do_not_end_it() {
        let uid = Uid::parse(r#"Hub::User::"a\"::b""#).unwrap();
        assert_eq!(uid.id(), "a\"::b");
        assert_eq!(Uid::parse(&uid.to_string()).unwrap(), uid);
    }

    #[test]
    fn any_id_reads_back_from_its_text() {
        for id in ["", "it's", "a\\b", "tab\tnul\0", "é\u{200b}\u{301}", "\u{1f600}"] {
            let uid = Uid::new("User", id);
            assert_eq!(Uid::parse(&uid.to_string()).unwrap(), uid);
        }
    }

    #[test]
    fn a_text_without_type_or_quotes_is_refused() {
        for text in ["", "alice", "User::alice", "::\"a\"", "User::\"a", "Us er::\"a\"", "User::\"a\"\""] {
            assert!(Uid::parse(text).is_err(), "{text}");
        }
    }
}
