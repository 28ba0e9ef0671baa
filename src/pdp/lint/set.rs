//! Rules about all policies together, the schema and the list of reasons.

use std::collections::{BTreeMap, BTreeSet};

use super::{Lint, Subject, found};
use crate::pdp::bundle::Bundle;
use crate::pdp::fault::Fault;
use crate::pdp::reasons::BUILT_IN;

pub(super) fn look(bundle: &Bundle, subjects: &[Subject], found: &mut Vec<Lint>) {
    unused_reasons(bundle, found);
    same_policies(subjects, found);
    never_permitted(bundle, found);
}

fn unused_reasons(bundle: &Bundle, lints: &mut Vec<Lint>) {
    let Some(file) = &bundle.source().reasons else { return };
    let of_policies = bundle.policies().filter_map(|info| info.annotations.get("reason"));
    let of_types = bundle.schema.types.values().flat_map(|ty| ["absent", "deleted"].map(|key| ty.annotations.get(key)));
    let of_actions = bundle.schema.actions.values().map(|action| action.annotations.get("reason"));
    let mut used: BTreeSet<&str> =
        of_policies.chain(of_types.chain(of_actions).flatten()).map(|code| code.as_str()).collect();
    used.extend(BUILT_IN);
    for code in bundle.reasons.codes().filter(|code| !used.contains(code.as_str())) {
        let offset = file.text.find(&format!("\"{code}\"")).unwrap_or(0);
        let fault = Fault::at(file, offset, code.len() + 2, format!("nothing gives the reason `{code}`"));
        lints.push(found("unused-reason", fault, "leave it out, or name it with `@reason`"));
    }
}

fn same_policies(subjects: &[Subject], found: &mut Vec<Lint>) {
    let mut seen: BTreeMap<String, &Subject> = BTreeMap::new();
    for subject in subjects {
        let Ok(mut json) = subject.policy.to_json() else { continue };
        if let Some(map) = json.as_object_mut() {
            map.remove("annotations");
        }
        match seen.get(&json.to_string()) {
            Some(other) => {
                let message = format!("`{}` means the same as `{}`", subject.id, other.id);
                found.push(subject.here("same-policy", message, "leave one of them out"));
            }
            None => {
                seen.insert(json.to_string(), subject);
            }
        }
    }
}

/// By scopes alone: whether a permit's condition can hold is `hubwarden prove`'s matter.
fn never_permitted(bundle: &Bundle, lints: &mut Vec<Lint>) {
    let file = &bundle.source().schema;
    for (uid, action) in &bundle.actions {
        if !action.envs.is_empty() && action.envs.iter().all(|env| env.permits.is_empty()) {
            let offset = file.text.find(&format!("\"{}\"", uid.id())).or_else(|| file.text.find(uid.id().as_str()));
            let fault = Fault::at(file, offset.unwrap_or(0), uid.id().len() + 2, format!("no permit is about {uid}"));
            lints.push(found("never-permitted", fault, "write the permit, or take the action out of the schema"));
        }
    }
}
