//! Policy files into one set: every policy under its own `@id`, and nothing that the validator only warns about.

use std::collections::BTreeMap;
use std::str::FromStr;

use cedar_policy::{Effect, Policy, PolicyId, PolicySet, Schema as EngineSchema, Template, ValidationMode, Validator};
use miette::Diagnostic;
use smol_str::SmolStr;

use super::bundle::{PolicyInfo, SourceFile};
use super::engine;
use super::fault::{Fault, Faults};

/// The policies of all files, and where each one stands.
pub(super) struct Loaded {
    pub policies: PolicySet,
    pub infos: BTreeMap<SmolStr, PolicyInfo>,
}

/// # Errors
/// Every fault of every file: syntax, a policy without `@id`, an `@id` that is taken.
pub(super) fn load(files: &[SourceFile]) -> Result<Loaded, Faults> {
    let mut loaded = Loaded { policies: PolicySet::new(), infos: BTreeMap::new() };
    let mut faults = Vec::new();
    for file in files {
        match PolicySet::from_str(&file.text) {
            Ok(set) => loaded.take(file, &set, &mut faults),
            Err(errors) => faults.extend(Fault::from_diagnostic(file, &errors)),
        }
    }
    match faults.is_empty() {
        true => Ok(loaded),
        false => Err(Faults(faults)),
    }
}

impl Loaded {
    fn take(&mut self, file: &SourceFile, set: &PolicySet, faults: &mut Vec<Fault>) {
        let mut templates: Vec<&Template> = set.templates().collect();
        templates.sort_by_key(|template| engine::template_offset(template));
        for template in templates {
            let offset = engine::template_offset(template);
            if let Some(id) = self.claim(file, offset, template.annotation("id"), faults) {
                self.note(file, offset, &id, template.effect(), true, template.annotations(), template.to_string());
                let added = self.policies.add_template(template.new_id(PolicyId::new(&id)));
                faults.extend(added.err().map(|error| Fault::at(file, offset, 1, error.to_string())));
            }
        }
        let mut policies: Vec<&Policy> = set.policies().collect();
        policies.sort_by_key(|policy| engine::policy_offset(policy));
        for policy in policies {
            let offset = engine::policy_offset(policy);
            if let Some(id) = self.claim(file, offset, policy.annotation("id"), faults) {
                self.note(file, offset, &id, policy.effect(), false, policy.annotations(), policy.to_string());
                let added = self.policies.add(policy.new_id(PolicyId::new(&id)));
                faults.extend(added.err().map(|error| Fault::at(file, offset, 1, error.to_string())));
            }
        }
    }

    /// The policy's id, when it has one that is free.
    fn claim(&self, file: &SourceFile, offset: usize, id: Option<&str>, faults: &mut Vec<Fault>) -> Option<SmolStr> {
        let id = id.unwrap_or_default();
        let message = match self.infos.get(id) {
            _ if id.is_empty() => "this policy has no `@id`".to_owned(),
            Some(other) => format!("the id `{id}` is taken by {}:{}", other.file, other.line),
            None => return Some(id.into()),
        };
        let mut fault = Fault::at(file, offset, 1, message);
        fault.help = Some("give every policy its own `@id(\"concern/rule\")`".to_owned());
        faults.push(fault);
        None
    }

    #[expect(clippy::too_many_arguments, reason = "one place where a policy's parts become its description")]
    fn note<'a>(
        &mut self,
        file: &SourceFile,
        offset: usize,
        id: &SmolStr,
        effect: Effect,
        template: bool,
        annotations: impl Iterator<Item = (&'a str, &'a str)>,
        text: String,
    ) {
        let info = PolicyInfo {
            id: id.clone(),
            effect: if effect == Effect::Permit { "permit" } else { "forbid" },
            template: template.then(|| id.clone()),
            file: file.path.clone(),
            line: Fault::at(file, offset, 1, "").line,
            annotations: annotations.map(|(key, value)| (key.into(), value.into())).collect(),
            text,
        };
        self.infos.insert(id.clone(), info);
    }

    /// Validates strictly; a warning is a fault too, since a policy that can never apply is a mistake.
    ///
    /// # Errors
    /// Every finding of the validator, at its place.
    pub fn validate(&self, schema: &EngineSchema, files: &[SourceFile]) -> Result<(), Faults> {
        let result = Validator::new(schema.clone()).validate(&self.policies, ValidationMode::Strict);
        let errors = result.validation_errors().map(|error| (error.policy_id(), error as &dyn Diagnostic));
        let warnings = result.validation_warnings().map(|warning| (warning.policy_id(), warning as &dyn Diagnostic));
        let mut faults: Vec<Fault> =
            errors.chain(warnings).flat_map(|(id, finding)| self.place(id, finding, files)).collect();
        faults.sort_by(|a, b| (&a.file, a.line, a.column).cmp(&(&b.file, b.line, b.column)));
        match faults.is_empty() {
            true => Ok(()),
            false => Err(Faults(faults)),
        }
    }

    fn place(&self, id: &PolicyId, finding: &dyn Diagnostic, files: &[SourceFile]) -> Vec<Fault> {
        let id: &str = id.as_ref();
        let info = self.infos.get(id);
        let file = info.and_then(|info| files.iter().find(|file| file.path == info.file));
        match (info, file) {
            (Some(info), Some(file)) => {
                let mut faults = Fault::from_diagnostic(file, finding);
                for fault in faults.iter_mut().filter(|fault| fault.line == 0) {
                    let offset = file.text.split_inclusive('\n').take(info.line - 1).map(str::len).sum();
                    *fault = Fault { help: fault.help.take(), ..Fault::at(file, offset, 1, &fault.message) };
                }
                faults
            }
            // A linked policy: its text is its template's, its place the links file.
            _ => vec![Fault::of_file("links.json", format!("link `{id}`: {finding}"))],
        }
    }
}
