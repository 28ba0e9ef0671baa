//! The policy decision point: a question and facts in, an answer out.
//!
//! A [`Bundle`] is a schema and its policies, parsed, strictly validated and compiled for answering; it is immutable,
//! and one question sees one bundle. Facts come through the [`Facts`] trait, so nothing here does I/O, reads a clock
//! or knows a store. Nothing here knows the hub either: which entity types, actions, refusal codes and messages exist
//! is the schema's and the policies' word (annotations included), so that other folders make another product.
//!
//! This is the only importer of `cedar_policy`; `engine` is the only importer of its internal crate.

mod admit;
mod answer;
mod bundle;
mod clauses;
mod compiled;
mod decide;
mod engine;
mod environments;
mod fault;
mod flip;
mod format;
mod gateway;
mod index;
mod links;
mod lint;
mod names;
mod policies;
mod reach;
mod reasons;
mod remedy;
mod reverse;
mod schema;
mod slice;
mod symbolic;
#[cfg(test)]
mod tests;

pub use admit::{Admission, ContextRules};
pub use answer::{Answer, Decision, EvaluationError, Reason};
pub use bundle::{Bundle, BundleSource, Environment, PolicyInfo, SourceFile};
pub use clauses::{Clause, ClauseValue, GrantStep, Granted, Inquiry, Keyword, Mutation, PolicyOutcome, PolicyTrace};
pub use decide::{DecideError, Lasting, Question};
pub use engine::{PrepareError, Prepared};
pub use fault::{Fault, Faults};
pub use flip::{Flip, between};
pub use format::format_policies;
pub use gateway::{Gateway, GatewayRule, HttpRequest, Routed, RoutedResource, Unrouted};
pub use lint::{Lint, RULES as LINT_RULES, Rule as LintRule, Severity, lint};
pub use names::NameFault;
pub use remedy::{Edit, Remedy};
pub use reverse::{Candidates, Side, Sought};
pub use schema::{CLOCK, Delegate};
pub use slice::{Ancestors, Fact, Facts, FactsError};
pub use symbolic::{
    Compared, Comparison, Counterexample, Difference, Environment as ProofEnvironment, Finding, Note, OtherSchema,
    Pair, Properties, Property, Seen, Settings as ProofSettings, Solver, SolverError, Verdict, prove,
};
