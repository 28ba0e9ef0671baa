//! An explanation as lines.

use serde_json::Value as Json;

use super::{list_of, text_of, told};

pub fn lines(explanation: &Json, all: bool) -> String {
    let mut lines = vec![text_of(explanation, "decision").to_uppercase()];
    if let Some(reason) = explanation.get("reason").filter(|reason| !reason.is_null()) {
        lines.push(format!(
            "reason   {} ({}): {}",
            text_of(reason, "code"),
            reason.get("status").unwrap_or(&Json::Null),
            text_of(reason, "message")
        ));
    }
    let remedies = list_of(explanation, "remedies");
    if !remedies.is_empty() {
        lines.push("\nWhat would turn it, each tried:".to_owned());
        lines.extend(remedies.iter().map(|remedy| format!("  - {}", text_of(remedy, "sentence"))));
    }
    let hidden = explanation.get("hidden") == Some(&Json::Bool(true));
    for (name, head) in [("policies", "Policies:"), ("visibility", "Whether the resource may be seen:")] {
        if name == "visibility" && !hidden && !all {
            continue;
        }
        let policies = told(explanation, name, all);
        if !policies.is_empty() {
            lines.push(format!("\n{head}"));
            lines.extend(policies.into_iter().map(policy));
        }
    }
    lines.push(format!("\nbundle   {}", text_of(explanation, "bundle")));
    lines.join("\n")
}

fn policy(policy: &Json) -> String {
    let outcome = text_of(policy, "outcome").replace('_', " ");
    let mut lines = vec![format!(
        "  {} {}: {outcome} ({}:{})",
        text_of(policy, "effect"),
        text_of(policy, "id"),
        text_of(policy, "file"),
        policy.get("line").unwrap_or(&Json::Null)
    )];
    if text_of(policy, "outcome") == "determining" {
        lines.extend(text_of(policy, "comment").lines().map(|line| format!("    // {line}")));
    }
    for clause in list_of(policy, "clauses") {
        let value = match text_of(clause, "value") {
            "error" => format!("error: {}", text_of(clause, "error")),
            value => value.replace('_', " "),
        };
        lines.push(format!("    {value:<13} {} {}", text_of(clause, "keyword"), text_of(clause, "text")));
    }
    lines.join("\n")
}
