//! What the tests of the hub's rules share: a language for entities, the cast, worlds to ask, and second opinions.

pub mod cast;
pub mod dsl;
pub mod engine;
pub mod oracle;
pub mod random;
pub mod tokens;
pub mod world;

/// Whether the long versions of tests are wanted (`HUBWARDEN_FULL=1`).
pub fn full() -> bool {
    std::env::var("HUBWARDEN_FULL").is_ok_and(|value| value == "1")
}

/// How many random cases a law is tried on: few, because the gate runs on two cores, or `PROPTEST_CASES`. Nothing is
/// persisted: a failure prints the smallest world, which becomes a readable case.
pub fn cases(few: u32) -> proptest::test_runner::Config {
    let default = proptest::test_runner::Config { failure_persistence: None, ..Default::default() };
    match std::env::var_os("PROPTEST_CASES") {
        Some(_) => default,
        None => proptest::test_runner::Config { cases: few, ..default },
    }
}
