//! What the tests of the hub's rules share: a language for entities, the cast, a world to ask, and an oracle.

pub mod cast;
pub mod dsl;
pub mod oracle;
pub mod tokens;
pub mod world;

/// Whether the long versions of tests are wanted (`HUBWARDEN_FULL=1`).
pub fn full() -> bool {
    std::env::var("HUBWARDEN_FULL").is_ok_and(|value| value == "1")
}
