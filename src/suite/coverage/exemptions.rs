//! What need not be covered, and why: a data file beside the suites.
//!
//! ```yaml
//! - { policy: tokens/foreign, clause: context has token, never: "false", reason: … }
//! - { policy: tokens/foreign, never: held, reason: … }
//! - { policy: gates/pending, mutant: negate, clause: resource has gate, reason: … }
//! ```
//!
//! An exemption that is not needed any more is refused: a list of excuses must not grow old.

use std::sync::Arc;

use super::Coverage;
use crate::pdp::{Fault, SourceFile};
use crate::suite::yaml::{self, Node, Place};

#[derive(Default)]
pub struct Exemptions(Vec<Exemption>);

struct Exemption {
    place: Place,
    policy: String,
    what: What,
    reason: String,
}

enum What {
    Held,
    True(String),
    False(String),
    Mutant(String, Option<String>),
}

impl Exemptions {
    /// Reads a file of exemptions.
    ///
    /// # Errors
    /// What is wrong with it, at its line.
    pub fn parse(file: SourceFile) -> Result<Self, Fault> {
        let root = yaml::parse(&Arc::new(file))?;
        root.list()?.iter().map(read).collect::<Result<_, _>>().map(Self)
    }

    /// Marks what is exempt; answers the exemptions that are not needed.
    pub(super) fn apply(&self, coverage: &mut Coverage) -> Vec<String> {
        let stale = |exemption: &&Exemption| !exemption.apply(coverage);
        let stale: Vec<&Exemption> = self.0.iter().filter(stale).collect();
        let told = |exemption: &Exemption| {
            format!("{}: nothing of `{}` needs this exemption any more", exemption.place, exemption.policy)
        };
        stale.into_iter().map(told).collect()
    }
}

fn read(node: &Node) -> Result<Exemption, Fault> {
    let fields = node.fields(&["policy", "clause", "never", "mutant", "reason"])?;
    let needed = |key: &str| {
        let found = fields.text(key)?;
        found.map(str::to_owned).ok_or_else(|| node.fault(format!("an exemption needs its `{key}`")))
    };
    let clause = fields.text("clause")?.map(|text| text.split_whitespace().collect::<Vec<_>>().join(" "));
    let what = match (fields.text("never")?, fields.text("mutant")?, clause) {
        (Some("held"), None, None) => What::Held,
        (Some("true"), None, Some(clause)) => What::True(clause),
        (Some("false"), None, Some(clause)) => What::False(clause),
        (None, Some(change @ ("remove" | "flip")), None) => What::Mutant(change.to_owned(), None),
        (None, Some(change @ "negate"), Some(clause)) => What::Mutant(change.to_owned(), Some(clause)),
        _ => {
            let forms = "`never: held`, `never: \"true\"` or `\"false\"` of a `clause`, `mutant: remove` or `flip`, \
                         or `mutant: negate` of a `clause`";
            return Err(node.fault(format!("expected one of {forms}")));
        }
    };
    Ok(Exemption { place: node.place.clone(), policy: needed("policy")?, what, reason: needed("reason")? })
}

impl Exemption {
    /// Whether there was something to exempt.
    fn apply(&self, coverage: &mut Coverage) -> bool {
        let reason = || Some(self.reason.clone());
        let mut found = false;
        if let What::Mutant(change, clause) = &self.what {
            let meant = coverage.mutants.iter_mut().filter(|mutant| {
                mutant.policy == self.policy && mutant.change == change && mutant.clause == *clause && mutant.survives()
            });
            for mutant in meant {
                mutant.exempt = reason();
                found = true;
            }
            return found;
        }
        for policy in coverage.policies.iter_mut().filter(|policy| policy.id == self.policy) {
            if matches!(self.what, What::Held) && policy.held == 0 {
                policy.exempt = reason();
                found = true;
            }
            for clause in &mut policy.clauses {
                match &self.what {
                    What::True(text) if *text == clause.text && clause.held == 0 => clause.exempt_true = reason(),
                    What::False(text) if *text == clause.text && clause.failed == 0 => clause.exempt_false = reason(),
                    _ => continue,
                }
                found = true;
            }
        }
        found
    }
}
