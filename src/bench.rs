//! Measuring: worlds of any size made from a seed, load over real connections, and decisions that are checked while
//! they are timed.
//!
//! Whatever is measured runs in a process of its own, with nothing of it shared with the one that measures. An answer
//! that is fast and wrong fails a run. Nothing here knows the policies: what a question must be answered follows from
//! how its world was made (`world`), so a fault in deciding cannot hide in what was expected.

pub mod changes;
pub mod client;
pub mod contest;
pub mod load;
pub mod loading;
pub mod process;
pub mod report;
pub mod site;
pub mod stalls;
pub mod world;

/// Why something could not be measured.
#[derive(Debug, thiserror::Error)]
pub enum BenchError {
    #[error("{what}: {source}")]
    Io { what: String, source: std::io::Error },
    #[error("{0}")]
    Failed(String),
}

impl BenchError {
    pub(crate) fn io(what: impl Into<String>) -> impl FnOnce(std::io::Error) -> Self {
        move |source| Self::Io { what: what.into(), source }
    }
}
