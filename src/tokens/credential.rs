//! What a client presented: the value of an `Authorization` header, or nothing.
//!
//! Whoever presents something is never treated as somebody who presented nothing. What is not understood is a dead
//! credential, and a dead one is refused everywhere, on public things too: else a typo in a token would silently show
//! a public half of what its owner may see, and a parser's whim would turn into access.

use base64::Engine;
use base64::engine::general_purpose::STANDARD;

use super::secret::{PlainToken, Prefix};

/// The longest header value that is looked at, in bytes.
const MAX: usize = 4096;
/// The tokens of organizations, which hubs once had.
const ORGANIZATION_PREFIX: &str = "api_org_";

/// A credential as it was presented.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Presented {
    Nothing,
    /// Has the form of a token. Whether it is one, the store knows.
    Token(PlainToken),
    /// A deprecated organization token.
    OrganizationToken,
    Malformed,
}

impl Presented {
    /// Reads `Bearer VALUE`, or `Basic` with the value as the password of any user.
    pub fn from_header(prefix: &Prefix, header: Option<&[u8]>) -> Self {
        let Some(header) = header else {
            return Self::Nothing;
        };
        Self::read(prefix, header).unwrap_or(Self::Malformed)
    }

    /// Reads a bare value, as it stands in a body.
    pub fn from_value(prefix: &Prefix, value: &str) -> Self {
        Self::value(prefix, value).unwrap_or(Self::Malformed)
    }

    fn read(prefix: &Prefix, header: &[u8]) -> Option<Self> {
        if header.len() > MAX {
            return None;
        }
        let (scheme, rest) = std::str::from_utf8(header).ok()?.trim().split_once(' ')?;
        let rest = rest.trim_start();
        if scheme.eq_ignore_ascii_case("bearer") {
            return Self::value(prefix, rest);
        }
        if scheme.eq_ignore_ascii_case("basic") {
            let pair = String::from_utf8(STANDARD.decode(rest).ok()?).ok()?;
            let (_user, password) = pair.split_once(':')?;
            return Self::value(prefix, password);
        }
        None
    }

    fn value(prefix: &Prefix, text: &str) -> Option<Self> {
        if text.starts_with(ORGANIZATION_PREFIX) {
            return Some(Self::OrganizationToken);
        }
        PlainToken::parse(prefix, text).map(Self::Token)
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    const VALUE: &str = "hf_abcdefghijklmnopqrstuvwxyzABCDEFGH";

    fn read(header: &str) -> Presented {
        Presented::from_header(&Prefix::default(), Some(header.as_bytes()))
    }

    fn token() -> Presented {
        Presented::Token(PlainToken::parse(&Prefix::default(), VALUE).unwrap())
    }

    fn basic(pair: impl AsRef<[u8]>) -> String {
        format!("Basic {}", STANDARD.encode(pair))
    }

    #[test]
    fn a_bearer_token_is_read_whatever_the_case_of_its_scheme() {
        for header in [format!("Bearer {VALUE}"), format!("bearer  {VALUE}"), format!("BEARER {VALUE} ")] {
            assert_eq!(read(&header), token(), "{header}");
        }
    }

    #[test]
    fn the_password_of_any_user_is_read() {
        for user in ["alice", "", "hf_user", "é", "a b"] {
            assert_eq!(read(&basic(format!("{user}:{VALUE}"))), token(), "{user}");
        }
    }

    #[test]
    fn nothing_is_only_what_is_not_there() {
        assert_eq!(Presented::from_header(&Prefix::default(), None), Presented::Nothing);
        assert_eq!(read(""), Presented::Malformed);
        assert_eq!(read("Bearer"), Presented::Malformed);
        assert_eq!(read("Bearer "), Presented::Malformed);
    }

    #[test]
    fn a_malformed_credential_is_dead_and_not_anonymous() {
        let encoded = STANDARD.encode(format!("alice:{VALUE}"));
        for header in [
            VALUE.to_owned(),
            format!("Token {VALUE}"),
            format!("Bearer {VALUE}x"),
            format!("Bearer {VALUE} {VALUE}"),
            format!("Bearer\t{VALUE}"),
            format!("Bearer \"{VALUE}\""),
            "Basic".to_owned(),
            "Basic ????".to_owned(),
            format!("Basic {}", &encoded[1..]),
            format!("Basic {encoded}="),
            format!("Basic {encoded}, Basic {encoded}"),
            basic(VALUE),
            basic(format!("{VALUE}:")),
            basic("alice:"),
            basic(":"),
            basic(b"alice:\xff"),
            basic(format!("alice:{VALUE}\n")),
            basic(format!("alice:x:{VALUE}")),
            format!("Bearer {}", "a".repeat(5_000)),
        ] {
            assert_eq!(read(&header), Presented::Malformed, "{header}");
        }
        assert_eq!(Presented::from_header(&Prefix::default(), Some(b"Bearer \xff\xfe")), Presented::Malformed);
    }

    #[test]
    fn an_organization_token_is_told_apart() {
        assert_eq!(read("Bearer api_org_abc"), Presented::OrganizationToken);
        assert_eq!(read(&basic("x:api_org_abc")), Presented::OrganizationToken);
    }

    proptest! {
        #[test]
        fn no_header_is_read_as_nothing_and_none_panics(header in prop::collection::vec(any::<u8>(), 0..200)) {
            prop_assert_ne!(Presented::from_header(&Prefix::default(), Some(&header)), Presented::Nothing);
        }

        #[test]
        fn no_basic_credential_is_read_as_nothing_and_none_panics(pair in prop::collection::vec(any::<u8>(), 0..60)) {
            let presented = read(&basic(&pair));
            prop_assert!(matches!(presented, Presented::Malformed | Presented::OrganizationToken));
        }

        #[test]
        fn a_value_is_never_shown(user in "[^:]{0,9}") {
            let presented = read(&basic(format!("{user}:{VALUE}")));
            prop_assert_eq!(&presented, &token());
            let shown = format!("{presented:?}");
            prop_assert!(!shown.contains(&VALUE[3..]), "{}", shown);
        }
    }
}
