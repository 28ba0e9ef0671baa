//! Values of tokens and their hashes. No `Debug`, no error and no `Display` shows a value or the key.

use std::fmt;

use hmac::{Hmac, KeyInit, Mac};
use sha2::Sha256;

/// How many letters follow the prefix: 34 of 52 letters are 193 bits.
pub const LETTERS: usize = 34;

const ALPHABET: &[u8; 52] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz";
/// The largest multiple of the alphabet's size that fits a byte: bytes above would favour the first letters.
const FAIR: u8 = 208;

#[derive(Debug, thiserror::Error)]
pub enum SecretError {
    #[error("the operating system gave no randomness: {0}")]
    Randomness(String),
    #[error("a token prefix is 1 to 16 letters and digits, starting with a letter, and an underscore, such as `hf_`")]
    Prefix,
}

/// What every value starts with, e.g. `hf_`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Prefix(String);

impl Prefix {
    /// # Errors
    /// [`SecretError::Prefix`] for what is none.
    pub fn new(text: &str) -> Result<Self, SecretError> {
        let name = text.strip_suffix('_').unwrap_or_default();
        let valid = (1..=16).contains(&name.len())
            && name.starts_with(|c: char| c.is_ascii_alphabetic())
            && name.bytes().all(|byte| byte.is_ascii_alphanumeric());
        if valid { Ok(Self(text.to_owned())) } else { Err(SecretError::Prefix) }
    }

    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl Default for Prefix {
    fn default() -> Self {
        Self("hf_".to_owned())
    }
}

/// The value of a token. Only [`PlainToken::reveal`] gives it away.
#[derive(Clone, PartialEq, Eq)]
pub struct PlainToken(String);

impl PlainToken {
    /// A new value, from the operating system's randomness.
    ///
    /// # Errors
    /// When there is none.
    pub fn random(prefix: &Prefix) -> Result<Self, SecretError> {
        let mut value = prefix.as_str().to_owned();
        let mut left = LETTERS;
        while left > 0 {
            for byte in random::<64>()?.into_iter().filter(|byte| *byte < FAIR).take(left) {
                if let Some(letter) = ALPHABET.get(usize::from(byte) % ALPHABET.len()) {
                    value.push(char::from(*letter));
                    left -= 1;
                }
            }
        }
        Ok(Self(value))
    }

    /// The value in `text`, when it has the form of one.
    pub fn parse(prefix: &Prefix, text: &str) -> Option<Self> {
        let letters = text.strip_prefix(prefix.as_str())?;
        let valid = letters.len() == LETTERS && letters.bytes().all(|byte| byte.is_ascii_alphabetic());
        valid.then(|| Self(text.to_owned()))
    }

    /// The value, for the one place that shows it to its owner.
    pub fn reveal(&self) -> &str {
        &self.0
    }

    /// The last four letters, by which people tell their tokens apart.
    pub fn last_characters(&self) -> &str {
        self.0.get(self.0.len().saturating_sub(4)..).unwrap_or_default()
    }
}

impl fmt::Debug for PlainToken {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("PlainToken(…)")
    }
}

/// What a value is stored and found by. Where it lies in the store depends on the key, so the time of a lookup tells
/// nothing about the value.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct TokenHash([u8; 32]);

impl TokenHash {
    pub fn as_bytes(&self) -> &[u8] {
        &self.0
    }

    pub fn to_hex(self) -> String {
        const_hex::encode(self.0)
    }

    pub fn from_hex(text: &str) -> Option<Self> {
        unhex(text).map(Self)
    }
}

/// The key of the hashes.
#[derive(Clone)]
pub struct HashKey([u8; 32]);

impl HashKey {
    /// # Errors
    /// When the operating system gives no randomness.
    pub fn random() -> Result<Self, SecretError> {
        random().map(Self)
    }

    /// A key from 64 hex digits.
    pub fn from_hex(text: &str) -> Option<Self> {
        unhex(text).map(Self)
    }

    pub(super) fn to_hex(&self) -> String {
        const_hex::encode(self.0)
    }

    pub fn hash(&self, token: &PlainToken) -> TokenHash {
        TokenHash(self.mac(b"value", token.0.as_bytes()))
    }

    /// What tells this key from others without telling the key: a store keeps it, and is opened with this key only.
    pub fn fingerprint(&self) -> [u8; 32] {
        self.mac(b"fingerprint", b"")
    }

    fn mac(&self, purpose: &[u8], message: &[u8]) -> [u8; 32] {
        // HMAC fills a key that is shorter than the hash's block with zeros.
        let mut block = [0; 64];
        block.iter_mut().zip(self.0).for_each(|(to, from)| *to = from);
        let mut mac = Hmac::<Sha256>::new(&block.into());
        mac.update(purpose);
        mac.update(&[0]);
        mac.update(message);
        mac.finalize().into_bytes().into()
    }
}

impl fmt::Debug for HashKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("HashKey(…)")
    }
}

pub(super) fn random<const N: usize>() -> Result<[u8; N], SecretError> {
    let mut bytes = [0; N];
    getrandom::fill(&mut bytes).map_err(|error| SecretError::Randomness(error.to_string()))?;
    Ok(bytes)
}

fn unhex(text: &str) -> Option<[u8; 32]> {
    // The length is looked at first: the decoder takes a `0x` before the digits.
    if text.len() == 64 { const_hex::decode_to_array(text).ok() } else { None }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use super::*;

    fn prefix() -> Prefix {
        Prefix::default()
    }

    #[test]
    fn a_new_value_has_the_prefix_and_34_letters_and_reads_back() {
        let token = PlainToken::random(&prefix()).unwrap();
        assert_eq!(token.reveal().len(), 37);
        assert_eq!(PlainToken::parse(&prefix(), token.reveal()), Some(token.clone()));
        assert!(token.reveal().ends_with(token.last_characters()) && token.last_characters().len() == 4);
    }

    #[test]
    fn values_use_the_whole_alphabet_and_never_repeat() {
        let values: BTreeSet<String> =
            (0..400).map(|_| PlainToken::random(&prefix()).unwrap().reveal().to_owned()).collect();
        assert_eq!(values.len(), 400);
        let letters: BTreeSet<char> = values.iter().flat_map(|value| value.chars().skip(3)).collect();
        assert_eq!(letters.len(), 52);
    }

    #[test]
    fn what_has_not_the_form_of_a_value_is_none() {
        let good = PlainToken::random(&prefix()).unwrap();
        let good = good.reveal();
        for bad in ["", "hf_", "hf_abc", &good[1..], &format!("{good}a"), &good.replace("hf_", "hx_")] {
            assert!(PlainToken::parse(&prefix(), bad).is_none(), "{bad}");
        }
        assert!(PlainToken::parse(&prefix(), &format!("hf_{}", "1".repeat(34))).is_none());
        assert!(PlainToken::parse(&prefix(), &format!("hf_{}", "é".repeat(17))).is_none());
        assert!(PlainToken::parse(&Prefix::new("acme_").unwrap(), good).is_none());
    }

    #[test]
    fn a_prefix_is_a_word_and_an_underscore() {
        for good in ["hf_", "a_", "Hub2_"] {
            assert!(Prefix::new(good).is_ok(), "{good}");
        }
        for bad in ["", "_", "hf", "2hf_", "h f_", "h-f_", "hf__", "abcdefghijklmnopq_"] {
            assert!(Prefix::new(bad).is_err(), "{bad}");
        }
    }

    #[test]
    fn neither_a_value_nor_a_key_shows_in_debug() {
        let token = PlainToken::random(&prefix()).unwrap();
        let key = HashKey::random().unwrap();
        assert_eq!(format!("{token:?} {key:?}"), "PlainToken(…) HashKey(…)");
    }

    #[test]
    fn another_key_gives_another_hash_and_another_fingerprint() {
        let token = PlainToken::random(&prefix()).unwrap();
        let (a, b) = (HashKey::random().unwrap(), HashKey::random().unwrap());
        assert_ne!(a.hash(&token), b.hash(&token));
        assert_ne!(a.fingerprint(), b.fingerprint());
        let again = HashKey::from_hex(&a.to_hex()).unwrap();
        assert_eq!(again.hash(&token), a.hash(&token));
        assert_eq!(TokenHash::from_hex(&a.hash(&token).to_hex()), Some(a.hash(&token)));
        assert!(HashKey::from_hex("00").is_none() && HashKey::from_hex(&"é".repeat(32)).is_none());
    }
}
