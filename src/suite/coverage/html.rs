//! Coverage as one page that needs nothing else: the policies' text with a colour for each clause.
//!
//! Everything that comes from policies and suites is escaped: a page is opened by people who did not write them.

use std::collections::BTreeMap;
use std::fmt::Write;

use super::{ClauseCoverage, Coverage};
use crate::pdp::SourceFile;

const STYLE: &str = "body{font:15px/1.5 system-ui,sans-serif;margin:2em auto;max-width:76em;padding:0 1em;color:#1b1f23;background:#fff}\
pre{background:#f6f8fa;padding:1em;overflow:auto;font-size:13px;line-height:1.45}\
table{border-collapse:collapse}td,th{padding:.15em .8em .15em 0;text-align:left;vertical-align:top}\
.both{background:#c7f0d2}.half{background:#ffe9a8}.none{background:#ffc9c9}.exempt{background:#dbe4ff}\
.n{color:#8a94a0;user-select:none}code{font-size:13px}\
@media(prefers-color-scheme:dark){body{color:#e6e6e6;background:#16181c}pre{background:#1f2329}\
.both{background:#1f5b33}.half{background:#6b5310}.none{background:#7a2323}.exempt{background:#2b3a6b}}";

/// The page. `files` are the policy files that were run.
pub fn html(coverage: &Coverage, files: &[SourceFile]) -> String {
    let mut page = format!(
        "<!doctype html><html lang=\"en\"><head><meta charset=\"utf-8\"><meta name=\"viewport\" content=\"width=device-width\">\
         <title>Policy coverage</title><style>{STYLE}</style></head><body><h1>Policy coverage</h1>"
    );
    summary(&mut page, coverage);
    let mut clauses: BTreeMap<&str, Vec<&ClauseCoverage>> = BTreeMap::new();
    for clause in coverage.policies.iter().flat_map(|policy| &policy.clauses) {
        clauses.entry(&clause.file).or_default().push(clause);
    }
    for file in files {
        let _ = write!(page, "<h2>{}</h2><pre>", escaped(&file.path));
        let mut inside = clauses.remove(file.path.as_str()).unwrap_or_default();
        inside.sort_by_key(|clause| clause.offset);
        page.push_str(&numbered(&painted(&file.text, &inside)));
        page.push_str("</pre>");
    }
    page.push_str("</body></html>\n");
    page
}

fn summary(page: &mut String, coverage: &Coverage) {
    // Writing to a String cannot fail.
    for (name, shown) in [("outcomes", coverage.outcomes), ("mutants noticed", coverage.mutation)] {
        let (found, of, exempt) = (shown.found, shown.of, shown.exempt);
        let _ = write!(page, "<p><b>{:.1} %</b> of {name}: {found} of {of}, {exempt} exempt</p>", shown.percent());
    }
    page.push_str(
        "<p><span class=\"both\">true and false</span> <span class=\"half\">only one of them</span> \
         <span class=\"none\">never evaluated</span> <span class=\"exempt\">exempt</span></p>",
    );
    page.push_str("<details><summary>Mutants that nobody notices</summary><table>");
    for mutant in coverage.mutants.iter().filter(|mutant| mutant.survives()) {
        let why = mutant.exempt.as_deref().unwrap_or_default();
        let _ =
            write!(page, "<tr><td><code>{}</code></td><td>{}</td></tr>", escaped(&mutant.described()), escaped(why));
    }
    page.push_str("</table></details><details><summary>Request environments</summary><table><tr><th>principal</th>");
    page.push_str("<th>action</th><th>resource</th><th>allowed</th><th>denied</th></tr>");
    for asked in &coverage.environments {
        let environment = &asked.environment;
        let class = if asked.allowed + asked.denied == 0 { " class=\"none\"" } else { "" };
        let cells = [&environment.principal, &environment.action, &environment.resource].map(|text| escaped(text));
        let _ = write!(
            page,
            "<tr{class}><td>{}</td><td>{}</td></tr>",
            cells.join("</td><td>"),
            [asked.allowed, asked.denied].map(|count| count.to_string()).join("</td><td>")
        );
    }
    page.push_str("</table></details>");
}

/// A file's text with its clauses coloured. They stand in order and do not overlap; a template's clauses come once
/// for each of its links, of which the first is shown.
fn painted(text: &str, clauses: &[&ClauseCoverage]) -> String {
    let (mut html, mut at) = (String::new(), 0);
    for clause in clauses {
        let end = clause.offset + clause.length;
        let (Some(before), Some(inside)) = (text.get(at..clause.offset), text.get(clause.offset..end)) else {
            continue;
        };
        let class = match (clause.held > 0, clause.failed > 0) {
            (true, true) => "both",
            _ if clause.exempt_true.is_some() || clause.exempt_false.is_some() => "exempt",
            (false, false) => "none",
            _ => "half",
        };
        let title = format!(
            "true {}, false {}, errored {}, not evaluated {}",
            clause.held, clause.failed, clause.errored, clause.not_evaluated
        );
        html.push_str(&escaped(before));
        // A span for each line, so that line numbers stay outside.
        let lines: Vec<String> = inside
            .split('\n')
            .map(|line| format!("<span class=\"{class}\" title=\"{title}\">{}</span>", escaped(line)))
            .collect();
        html.push_str(&lines.join("\n"));
        at = end;
    }
    html.push_str(&escaped(text.get(at..).unwrap_or_default()));
    html
}

fn numbered(html: &str) -> String {
    let lines = html.lines().enumerate();
    lines.map(|(index, line)| format!("<span class=\"n\">{:>4}  </span>{line}\n", index + 1)).collect()
}

pub fn escaped(text: &str) -> String {
    let mut html = String::with_capacity(text.len());
    for c in text.chars() {
        match c {
            '&' => html.push_str("&amp;"),
            '<' => html.push_str("&lt;"),
            '>' => html.push_str("&gt;"),
            '"' => html.push_str("&quot;"),
            '\'' => html.push_str("&#39;"),
            c => html.push(c),
        }
    }
    html
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn nothing_of_a_text_is_markup() {
        assert_eq!(escaped("<b a=\"'\">&"), "&lt;b a=&quot;&#39;&quot;&gt;&amp;");
    }
}
