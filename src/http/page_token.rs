//! Page tokens: where a list goes on, authenticated and bound to what was asked.
//!
//! A token is `base64url(body ‖ HMAC-SHA-256(body))`. The body holds the digest of the query (store, route, filters,
//! each with its length before it), the page size, the revision of the first page, and the last uid. The key is drawn
//! when the server starts, so a restart ends lists that are under way. Nothing of a token is looked at before its
//! authentication; whatever does not fit is a 400.

use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use hmac::{Hmac, KeyInit, Mac};
use sha2::{Digest, Sha256};

use super::failure::Failure;
use crate::entity::Uid;
use crate::store::Revision;

const MAC_BYTES: usize = 32;
const DIGEST_BYTES: usize = 32;
/// No token is longer: a uid is bounded by the store.
const MAX_TEXT: usize = 8 * 1024;

/// Makes and reads tokens.
pub struct PageTokens {
    key: [u8; 32],
}

/// What a list was asked for; a token goes on with the same list only.
pub struct Listing<'a> {
    pub store: &'a str,
    pub route: &'a str,
    pub filters: &'a [&'a str],
}

/// Where a list goes on.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Position {
    pub limit: u32,
    /// The head when the first page was read.
    pub started_at: Revision,
    /// The last uid of the page before.
    pub after: Uid,
}

impl PageTokens {
    /// With a fresh key.
    ///
    /// # Errors
    /// When the system gives no randomness.
    pub fn new() -> Result<Self, getrandom::Error> {
        let mut key = [0; 32];
        getrandom::fill(&mut key)?;
        Ok(Self { key })
    }

    pub fn write(&self, listing: &Listing, position: &Position) -> String {
        let mut bytes = listing.digest().to_vec();
        bytes.extend(position.limit.to_be_bytes());
        bytes.extend(position.started_at.0.to_be_bytes());
        put(&mut bytes, position.after.type_name());
        put(&mut bytes, position.after.id());
        if let Some(mut mac) = self.mac() {
            mac.update(&bytes);
            bytes.extend(mac.finalize().into_bytes());
        }
        URL_SAFE_NO_PAD.encode(bytes)
    }

    /// # Errors
    /// 400 for a token that this server did not make, or made for another list.
    pub fn read(&self, listing: &Listing, text: &str) -> Result<Position, Failure> {
        self.verified(text)
            .ok_or_else(|| refused("this page token is not one of this server; it may be from before a restart"))
            .and_then(|body| {
                let rest = body.strip_prefix(&listing.digest()).ok_or_else(|| {
                    refused("this page token goes on with another list; send the same parameters as for its first page")
                })?;
                position(rest).ok_or_else(|| refused("this page token is of another version"))
            })
    }

    /// The body, when the token is authentic.
    fn verified(&self, text: &str) -> Option<Vec<u8>> {
        if text.len() > MAX_TEXT {
            return None;
        }
        let mut bytes = URL_SAFE_NO_PAD.decode(text).ok()?;
        let at = bytes.len().checked_sub(MAC_BYTES)?;
        let tag = bytes.split_off(at);
        let mut mac = self.mac()?;
        mac.update(&bytes);
        mac.verify_slice(&tag).ok()?;
        Some(bytes)
    }

    fn mac(&self) -> Option<Hmac<Sha256>> {
        Hmac::new_from_slice(&self.key).ok()
    }
}

impl Listing<'_> {
    fn digest(&self) -> [u8; DIGEST_BYTES] {
        let mut digest = Sha256::new();
        for part in [self.store, self.route].iter().chain(self.filters) {
            digest.update((part.len() as u64).to_be_bytes());
            digest.update(part.as_bytes());
        }
        digest.finalize().into()
    }
}

fn position(bytes: &[u8]) -> Option<Position> {
    let (limit, rest) = bytes.split_first_chunk()?;
    let (started_at, rest) = rest.split_first_chunk()?;
    let (type_name, rest) = take(rest)?;
    let (id, rest) = take(rest)?;
    rest.is_empty().then(|| Position {
        limit: u32::from_be_bytes(*limit),
        started_at: Revision(u64::from_be_bytes(*started_at)),
        after: Uid::new(type_name, id),
    })
}

fn put(bytes: &mut Vec<u8>, text: &str) {
    bytes.extend((text.len() as u64).to_be_bytes());
    bytes.extend(text.as_bytes());
}

fn take(bytes: &[u8]) -> Option<(&str, &[u8])> {
    let (length, rest) = bytes.split_first_chunk()?;
    let length = usize::try_from(u64::from_be_bytes(*length)).ok()?;
    let (text, rest) = rest.split_at_checked(length)?;
    Some((std::str::from_utf8(text).ok()?, rest))
}

fn refused(message: &str) -> Failure {
    Failure::new(axum::http::StatusCode::BAD_REQUEST, "invalid_page_token", message).at("page_token")
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    const LISTING: Listing = Listing { store: "s", route: "/v1/entities", filters: &["Hub::Repo", "models/"] };

    fn position() -> impl Strategy<Value = Position> {
        (any::<u32>(), any::<u64>(), ".*", ".*").prop_map(|(limit, revision, type_name, id)| Position {
            limit,
            started_at: Revision(revision),
            after: Uid::new(type_name, id),
        })
    }

    proptest! {
        #[test]
        fn a_token_reads_back(position in position()) {
            let tokens = PageTokens { key: [7; 32] };
            let text = tokens.write(&LISTING, &position);
            prop_assume!(text.len() <= MAX_TEXT);
            prop_assert_eq!(tokens.read(&LISTING, &text).ok(), Some(position));
        }

        #[test]
        fn garbage_is_refused_and_never_panics(text in ".*", bytes in proptest::collection::vec(any::<u8>(), 0..200)) {
            let tokens = PageTokens { key: [7; 32] };
            prop_assert!(tokens.read(&LISTING, &text).is_err());
            prop_assert!(tokens.read(&LISTING, &URL_SAFE_NO_PAD.encode(bytes)).is_err());
        }

        #[test]
        fn a_token_with_one_changed_character_is_refused(position in position(), at in any::<prop::sample::Index>()) {
            let tokens = PageTokens { key: [7; 32] };
            let mut text = tokens.write(&LISTING, &position).into_bytes();
            let at = at.index(text.len());
            text[at] = if text[at] == b'A' { b'B' } else { b'A' };
            let text = String::from_utf8(text).unwrap();
            prop_assert!(tokens.read(&LISTING, &text).is_err());
        }

        #[test]
        fn an_authentic_body_of_any_form_never_panics(bytes in proptest::collection::vec(any::<u8>(), 0..200)) {
            let tokens = PageTokens { key: [7; 32] };
            let mut body = LISTING.digest().to_vec();
            body.extend(bytes);
            let mut mac = tokens.mac().unwrap();
            mac.update(&body);
            body.extend(mac.finalize().into_bytes());
            let _ = tokens.read(&LISTING, &URL_SAFE_NO_PAD.encode(body));
        }
    }

    #[test]
    fn a_token_is_bound_to_the_server_and_to_the_list() {
        let position = Position { limit: 10, started_at: Revision(3), after: Uid::new("Hub::Repo", "models/a") };
        let tokens = PageTokens { key: [7; 32] };
        let text = tokens.write(&LISTING, &position);
        assert!(PageTokens { key: [8; 32] }.read(&LISTING, &text).is_err());
        for other in [
            Listing { store: "t", ..LISTING },
            Listing { route: "/v1/other", ..LISTING },
            Listing { filters: &["Hub::Repo", "models"], ..LISTING },
            Listing { filters: &["Hub::Repomodels/"], ..LISTING },
            Listing { filters: &["Hub::Repom", "odels/"], ..LISTING },
        ] {
            assert!(tokens.read(&other, &text).is_err());
        }
    }
}
