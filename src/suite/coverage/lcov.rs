//! Coverage in the form of lcov: a policy is a function, a clause a line with two branches.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt::Write;

use super::{ClauseCoverage, Coverage, PolicyCoverage};

pub fn lcov(coverage: &Coverage) -> String {
    let files: BTreeSet<&str> = coverage.policies.iter().map(home).collect();
    files.into_iter().map(|file| record(file, coverage)).collect()
}

/// The file with a policy's text: the template's, for a linked one with clauses.
fn home(policy: &PolicyCoverage) -> &str {
    policy.clauses.first().map_or(policy.file.as_str(), |clause| clause.file.as_str())
}

fn record(file: &str, coverage: &Coverage) -> String {
    let policies = || coverage.policies.iter().filter(|policy| home(policy) == file);
    let mut lines: BTreeMap<usize, usize> = BTreeMap::new();
    let (mut names, mut branches) = (String::new(), String::new());
    let (mut found, mut hit) = (0, 0);
    // Writing to a String cannot fail.
    for policy in policies().filter(|policy| policy.file == file) {
        let _ = write!(names, "FN:{},{}\nFNDA:{},{}\n", policy.line, policy.id, policy.held, policy.id);
        *lines.entry(policy.line).or_default() += policy.held;
    }
    let clauses = policies().flat_map(|policy| &policy.clauses);
    for (block, clause) in clauses.enumerate() {
        *lines.entry(clause.line).or_default() += clause.held + clause.failed + clause.errored;
        for (branch, count) in [clause.held, clause.failed].into_iter().enumerate() {
            let taken = if evaluated(clause) { count.to_string() } else { "-".to_owned() };
            let _ = writeln!(branches, "BRDA:{},{block},{branch},{taken}", clause.line);
            found += 1;
            hit += usize::from(count > 0);
        }
    }
    let functions = policies().filter(|policy| policy.file == file);
    let (all, held) = functions.fold((0, 0), |(all, held), policy| (all + 1, held + usize::from(policy.held > 0)));
    let shown: String = lines.iter().map(|(line, count)| format!("DA:{line},{count}\n")).collect();
    let covered = lines.values().filter(|count| **count > 0).count();
    format!(
        "TN:\nSF:{file}\n{names}FNF:{all}\nFNH:{held}\n{branches}BRF:{found}\nBRH:{hit}\n{shown}LF:{}\nLH:{covered}\nend_of_record\n",
        lines.len()
    )
}

fn evaluated(clause: &ClauseCoverage) -> bool {
    clause.held + clause.failed + clause.errored > 0
}
