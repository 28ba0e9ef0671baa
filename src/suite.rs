//! Policy tests: questions over fixtures, what they must be answered, and what the answers cover.
//!
//! A suite file names a small world (its fixtures) and asks products of principals, actions and resources about it;
//! each cell of a product is a question to a [`crate::pdp::Bundle`], decided in process. `hubwarden test`, the tests of
//! this repository and a server's reload gate run the same code. Nothing here opens a store, speaks HTTP or prints, and
//! only `fixture/hub.rs` knows the hub's words: everything else works for any schema.

mod coverage;
mod definition;
mod diff;
mod expectation;
mod filter;
mod fixture;
mod folder;
mod gate;
mod matrix;
mod mutation;
mod report;
mod run;
mod run_tests;
mod why;
mod yaml;

pub use coverage::{Coverage, Exemptions, Shown, escaped as html_text, html, lcov, text};
pub use definition::{Suite, load};
pub use diff::{Asked, Change, Diff, PolicyChange, asked, asked_of, policies as changed_policies};
pub use filter::Filter;
pub use gate::gate;
pub use matrix::{
    Matrix, csv as matrix_csv, csv_field, html as matrix_html, markdown as matrix_markdown, matrices,
    text as matrix_text,
};
pub use report::{Report, annotation_property, annotation_text, github, json, junit, pretty, tap};
pub use run::{Outcome, Run, run};
pub use yaml::fault as yaml_fault;
