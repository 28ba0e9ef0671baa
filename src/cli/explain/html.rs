//! An explanation as one page without anything from elsewhere. Every text in it is escaped.

use std::fmt::Write;

use serde_json::Value as Json;

use super::{list_of, text_of, told};
use crate::suite::html_text as escaped;

const STYLE: &str = "body{font:15px/1.5 system-ui,sans-serif;max-width:60em;margin:2em auto;padding:0 1em}\
code{font:13px ui-monospace,monospace;white-space:pre-wrap}.allow{color:#060}.deny{color:#a00}\
section{border-left:3px solid #ccc;padding-left:1em;margin:1em 0}.determining{border-color:#a60}\
.satisfied{border-color:#06a}p{margin:.3em 0}.comment,.place{color:#666}td{vertical-align:top;padding:.1em .8em .1em 0}\
.true{color:#060}.false{color:#a00}.not_evaluated{color:#999}";

pub fn page(explanation: &Json, all: bool) -> String {
    let decision = text_of(explanation, "decision");
    let mut page = format!(
        "<!doctype html>\n<html lang=\"en\"><meta charset=\"utf-8\"><title>{decision}</title><style>{STYLE}</style>\n\
         <h1 class=\"{decision}\">{}</h1>\n",
        decision.to_uppercase()
    );
    // Writing to a text cannot fail.
    let _ = body(&mut page, explanation, all);
    page
}

fn body(page: &mut String, explanation: &Json, all: bool) -> std::fmt::Result {
    if let Some(reason) = explanation.get("reason").filter(|reason| !reason.is_null()) {
        writeln!(page, "<p><b>{}</b> {}</p>", escaped(text_of(reason, "code")), escaped(text_of(reason, "message")))?;
    }
    let remedies = list_of(explanation, "remedies");
    if !remedies.is_empty() {
        writeln!(page, "<h2>What would turn it</h2>\n<p>Each was tried.</p>\n<ul>")?;
        for remedy in remedies {
            writeln!(page, "<li>{}</li>", escaped(text_of(remedy, "sentence")))?;
        }
        writeln!(page, "</ul>")?;
    }
    for (name, head) in [("policies", "Policies"), ("visibility", "Whether the resource may be seen")] {
        let policies = told(explanation, name, all);
        if !policies.is_empty() {
            writeln!(page, "<h2>{head}</h2>")?;
        }
        for policy in policies {
            self::policy(page, policy)?;
        }
    }
    Ok(())
}

fn policy(page: &mut String, policy: &Json) -> std::fmt::Result {
    let outcome = escaped(text_of(policy, "outcome"));
    writeln!(
        page,
        "<section class=\"{outcome}\"><p><b>{} {}</b> {} <span class=\"place\">{}:{}</span></p>",
        escaped(text_of(policy, "effect")),
        escaped(text_of(policy, "id")),
        outcome.replace('_', " "),
        escaped(text_of(policy, "file")),
        policy.get("line").unwrap_or(&Json::Null)
    )?;
    writeln!(page, "<p class=\"comment\">{}</p>\n<table>", escaped(text_of(policy, "comment")))?;
    for clause in list_of(policy, "clauses") {
        let value = escaped(text_of(clause, "value"));
        writeln!(
            page,
            "<tr><td class=\"{value}\">{}</td><td>{}</td><td><code>{}</code></td><td>{}</td></tr>",
            value.replace('_', " "),
            escaped(text_of(clause, "keyword")),
            escaped(text_of(clause, "text")),
            escaped(text_of(clause, "error"))
        )?;
    }
    writeln!(page, "</table></section>")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn no_text_of_an_explanation_becomes_markup() {
        let explanation = serde_json::json!({
            "decision": "deny",
            "reason": {"code": "<i>", "message": "<script>alert(1)</script>", "status": 403},
            "remedies": [{"sentence": "<b>"}],
            "policies": [{"id": "\"><u>", "effect": "forbid", "outcome": "determining", "file": "<f>", "line": 1,
                "comment": "<c>", "clauses": [{"keyword": "when", "text": "a < b && '\"'", "value": "true"}]}],
        });
        let page = page(&explanation, true);
        for bad in ["<script>", "<i>", "<u>", "<f>", "<c>", "a < b"] {
            assert!(!page.contains(bad), "{bad}: {page}");
        }
        assert!(page.contains("a &lt; b &amp;&amp; &#39;&quot;&#39;"));
    }
}
