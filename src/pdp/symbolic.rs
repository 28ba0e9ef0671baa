//! Proof: what holds of a bundle for every possible question and every possible store.
//!
//! The engine's symbolic compiler turns policies into formulas, one request environment (principal type, action, resource
//! type) at a time, and an SMT solver in a process of its own decides them. A [`Property`] is a Cedar policy that must
//! change nothing; [`prove`] answers proven, violated with a world that shows it, or undecided. A world is replayed
//! through the ordinary decision before it is told, so that the prover's word is never taken for it. A [`Pair`] of bundles
//! is compared in the same way: where one allows what the other does not.
//!
//! The formulas speak of stores in which every entity that is referred to exists, and in which nothing is its own
//! ancestor. What else is impossible is an assumption, written beside the properties. Nothing here knows what the
//! policies are about. The solver's process is the one thing that the decision point ever starts; no decision needs it.

mod compare;
mod form;
mod property;
mod query;
mod run;
mod solver;
mod subject;
mod world;

pub use compare::{Comparison, OtherSchema, Pair, Seen};
pub use property::{Properties, Property};
pub use query::Environment;
pub use run::{Finding, Note, Settings, Verdict, prove};
pub use solver::{Solver, SolverError};
pub use world::{Compared, Counterexample, Difference};
