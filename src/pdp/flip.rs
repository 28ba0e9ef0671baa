//! How two answers to one question differ.

use serde::{Deserialize, Serialize};
use smol_str::SmolStr;

use super::answer::{Answer, Decision};

/// How an answer changes.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Flip {
    Allowed,
    Refused,
    OtherReason,
}

/// How two answers to one question differ, and what made it.
pub fn between(before: &Answer, after: &Answer) -> Option<(Flip, String)> {
    let code = |answer: &Answer| answer.reason.as_ref().map(|reason| reason.code.to_string()).unwrap_or_default();
    Some(match (before.decision, after.decision) {
        (Decision::Allow, Decision::Allow) => return None,
        (Decision::Deny, Decision::Deny) if code(before) == code(after) && before.hidden == after.hidden => {
            return None;
        }
        (Decision::Deny, Decision::Deny) => (Flip::OtherReason, format!("{} became {}", code(before), code(after))),
        (Decision::Deny, Decision::Allow) => {
            let by = format!("now permitted by {}", after.determining.join(", "));
            (Flip::Allowed, with(by, "no more forbidden by", &before.determining))
        }
        (Decision::Allow, Decision::Deny) if after.determining.is_empty() && after.errors.is_empty() => {
            (Flip::Refused, format!("no more permitted by {}", before.determining.join(", ")))
        }
        (Decision::Allow, Decision::Deny) => {
            let failed: Vec<SmolStr> = after.errors.iter().map(|error| error.policy.clone()).collect();
            let by = match after.determining.is_empty() {
                true => format!("failing: {}", failed.join(", ")),
                false => format!("now forbidden by {}", after.determining.join(", ")),
            };
            (Flip::Refused, by)
        }
    })
}

fn with(by: String, what: &str, policies: &[SmolStr]) -> String {
    if policies.is_empty() { by } else { format!("{by}, {what} {}", policies.join(", ")) }
}
