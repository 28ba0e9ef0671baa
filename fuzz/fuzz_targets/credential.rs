//! The value of an `Authorization` header, as anybody can send it.
//!
//! It never stops the program, it is never taken for nothing (who presents something is not anonymous), and what is
//! taken for a token has the form of one and can be presented again.
#![no_main]

#[allow(dead_code, reason = "the program uses the rest")]
#[path = "../../src/tokens"]
mod tokens {
    pub mod credential;
    pub mod secret;
}

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use libfuzzer_sys::fuzz_target;
use tokens::credential::Presented;
use tokens::secret::{PlainToken, Prefix};

fuzz_target!(|header: &[u8]| {
    let prefix = Prefix::default();
    check(&prefix, header);
    // Random bytes are hardly ever base64: the same as user and password.
    check(&prefix, format!("Basic {}", STANDARD.encode(header)).as_bytes());
});

fn check(prefix: &Prefix, header: &[u8]) {
    match Presented::from_header(prefix, Some(header)) {
        Presented::Nothing => panic!("a header was read as none"),
        Presented::Token(token) => {
            let value = token.reveal();
            assert_eq!(PlainToken::parse(prefix, value).as_ref(), Some(&token), "the value is none");
            assert!(value.is_ascii() && value.len() == 37, "the value has another form");
            for again in [format!("Bearer {value}"), format!("Basic {}", STANDARD.encode(format!("any:{value}")))] {
                let read = Presented::from_header(prefix, Some(again.as_bytes()));
                assert_eq!(read, Presented::Token(token.clone()), "presented again, it is another one");
            }
            assert!(!format!("{:?}", Presented::Token(token.clone())).contains(value), "the value is shown");
        }
        Presented::OrganizationToken | Presented::Malformed => {}
    }
}
