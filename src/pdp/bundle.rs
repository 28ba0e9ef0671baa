//! A bundle: a schema and its policies, compiled for answering. Immutable; its hash is its name.

use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::sync::{Arc, OnceLock};

use cedar_policy::PolicySet;
use serde::{Deserialize, Serialize};
use sha2::{Digest, Sha256};
use smol_str::SmolStr;

use super::admit::Admission;
use super::answer::Reason;
use super::clauses::Clauses;
use super::environments::{CompiledAction, Env, compile};
use super::fault::{Fault, Faults};
use super::gateway::Gateway;
use super::links;
use super::names::{NameFault, Names};
use super::policies::{self, Loaded};
use super::reach::CONTEXT;
use super::reasons::{self, Cause, Reasons};
use super::schema::{CLOCK, Delegate, EntityType, Schema};
use crate::entity::{Link, Uid};

/// One file of a bundle. The path is for people; it is never opened here.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct SourceFile {
    pub path: String,
    pub text: String,
}

impl SourceFile {
    pub fn new(path: impl Into<String>, text: impl Into<String>) -> Self {
        Self { path: path.into(), text: text.into() }
    }

    fn base_name(&self) -> &str {
        self.path.rsplit('/').next().unwrap_or_default()
    }
}

/// The files of a bundle.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct BundleSource {
    pub schema: SourceFile,
    /// `*.cedar`.
    pub policies: Vec<SourceFile>,
    /// `links.json`: policies linked from templates.
    pub links: Option<SourceFile>,
    /// `reasons.json`: the codes of refusals, in order.
    pub reasons: Option<SourceFile>,
    /// `gateway.json`: what requests to the services behind a gateway mean. Bundles that were stored before there were
    /// such rules have none.
    #[serde(default)]
    pub gateway: Option<SourceFile>,
}

/// What is known of one policy.
#[derive(Clone, Debug, Serialize)]
pub struct PolicyInfo {
    pub id: SmolStr,
    /// `permit` or `forbid`.
    pub effect: &'static str,
    /// Its template's id, for a template and for what is linked from it.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub template: Option<SmolStr>,
    pub file: String,
    pub line: usize,
    pub annotations: BTreeMap<SmolStr, SmolStr>,
    pub text: String,
}

/// A schema and its policies, ready to answer.
pub struct Bundle {
    source: BundleSource,
    hash: Arc<str>,
    schema_hash: String,
    pub(super) schema: Schema,
    names: Names,
    gateway: Option<Gateway>,
    pub(super) infos: BTreeMap<SmolStr, PolicyInfo>,
    pub(super) reasons: Reasons,
    pub(super) actions: HashMap<Uid, CompiledAction>,
    /// As they were read, with their places.
    pub(super) policies: PolicySet,
    /// Made when somebody asks why: deciding does not need them.
    pub(super) clauses: OnceLock<Clauses>,
    /// What reverse questions follow.
    pub(super) links: BTreeSet<Link>,
}

/// A combination of types that the schema allows questions for.
#[derive(Clone, Debug, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize)]
pub struct Environment {
    pub principal: SmolStr,
    /// The action's id.
    pub action: SmolStr,
    pub resource: SmolStr,
}

impl std::fmt::Debug for Bundle {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Bundle").field("hash", &self.hash).finish_non_exhaustive()
    }
}

impl Bundle {
    /// Parses, validates and compiles. Takes milliseconds for a hundred policies; never done on the decision path.
    ///
    /// # Errors
    /// Every fault that was found, each with file, line and column.
    pub fn build(source: BundleSource) -> Result<Self, Faults> {
        let schema = Schema::parse(&source.schema)?;
        let mut loaded = policies::load(&source.policies)?;
        if let Some(file) = &source.links {
            links::link(&mut loaded.policies, &schema, file)?;
        }
        loaded.validate(&schema.engine, &source.policies)?;
        describe_links(&mut loaded, source.links.as_ref());
        let reasons = match &source.reasons {
            Some(file) => Reasons::parse(file)?,
            None => Reasons::default(),
        };
        check_codes(&reasons, &schema, &loaded, &source)?;
        let names = Names::new(&schema);
        let gateway = match &source.gateway {
            Some(file) => Some(Gateway::parse(file, &schema, &names)?),
            None => None,
        };
        let actions =
            compile(&schema, &loaded).map_err(|message| Faults(vec![Fault::of_file(&source.schema.path, message)]))?;
        let mut bundle = Self {
            hash: hash(source.files()).into(),
            schema_hash: hash([&source.schema]),
            names,
            gateway,
            infos: loaded.infos,
            schema,
            reasons,
            actions,
            policies: loaded.policies,
            clauses: OnceLock::new(),
            links: BTreeSet::new(),
            source,
        };
        bundle.links = bundle.find_links();
        Ok(bundle)
    }

    /// `sha256:` and the hex digest of all files; the bundle's revision.
    pub fn hash(&self) -> &str {
        &self.hash
    }

    /// The same, to be shared: no two bundles that were built share one.
    pub fn shared_hash(&self) -> &Arc<str> {
        &self.hash
    }

    /// The same of the schema alone: stored entities were validated against it.
    pub fn schema_hash(&self) -> &str {
        &self.schema_hash
    }

    pub fn source(&self) -> &BundleSource {
        &self.source
    }

    /// Every policy, template and link, by id.
    pub fn policies(&self) -> impl Iterator<Item = &PolicyInfo> {
        self.infos.values()
    }

    /// What requests to the services behind a gateway mean, if the bundle says so.
    pub fn gateway(&self) -> Option<&Gateway> {
        self.gateway.as_ref()
    }

    /// What the authors say of a policy: the comment right above it.
    pub fn comment(&self, policy: &PolicyInfo) -> String {
        let file = self.source.policies.iter().find(|file| file.path == policy.file);
        let lines: Vec<&str> = file.map(|file| file.text.lines().collect()).unwrap_or_default();
        let above = lines.iter().take(policy.line.saturating_sub(1)).rev();
        let mut comment: Vec<&str> =
            above.map_while(|line| line.trim().strip_prefix("//")).map(|line| line.trim()).collect();
        comment.reverse();
        comment.join("\n").trim().to_owned()
    }

    /// A policy in the engine's JSON form.
    pub(super) fn policy_form(&self, id: &str) -> Option<serde_json::Value> {
        self.policies.policy(&cedar_policy::PolicyId::new(id))?.to_json().ok()
    }

    /// The codes of refusals, in their order.
    pub fn reason_codes(&self) -> impl Iterator<Item = &SmolStr> {
        self.reasons.codes()
    }

    /// Reads entities and contexts under this bundle's schema.
    pub fn admission(&self) -> Admission<'_> {
        Admission { schema: &self.schema }
    }

    /// The full name of an entity type: `access_token` → `Hub::AccessToken`.
    ///
    /// # Errors
    /// A name that names none, or more than one.
    pub fn entity_type(&self, name: &str) -> Result<SmolStr, NameFault> {
        self.names.entity_type(name)
    }

    /// An action by its id or its full name: `repo.write` → `Hub::Action::"repo.write"`.
    ///
    /// # Errors
    /// As [`Bundle::entity_type`].
    pub fn action(&self, name: &str) -> Result<Uid, NameFault> {
        self.names.action(&self.schema, name)
    }

    /// The credential that entities of a type are, if they are one.
    pub fn delegate(&self, type_name: &str) -> Option<Delegate> {
        self.schema.types.get(type_name).and_then(EntityType::delegate)
    }

    /// Every combination of types that questions can be asked for, in order.
    pub fn environments(&self) -> BTreeSet<Environment> {
        let of = |(uid, action): (&Uid, &CompiledAction)| {
            let environment = |env: &Env| Environment {
                principal: env.principal.clone(),
                action: uid.id().clone(),
                resource: env.resource.clone(),
            };
            action.envs.iter().map(environment).collect::<Vec<_>>()
        };
        self.actions.iter().flat_map(of).collect()
    }

    /// Whether questions can be asked of these types; `None` stands for any principal.
    pub fn applies(&self, principal: Option<&str>, action: &Uid, resource: &str) -> bool {
        let fits = |env: &Env| env.resource == resource && principal.is_none_or(|principal| env.principal == principal);
        self.actions.get(action).is_some_and(|action| action.envs.iter().any(fits))
    }

    /// Whether a refusal can have a reason code: one of the list, or any while there is no list.
    pub fn knows_reason(&self, code: &str) -> bool {
        self.reasons.knows(code) || reasons::BUILT_IN.contains(&code)
    }

    /// Whether an action's answer can depend on the clock.
    pub fn reads_clock(&self, action: &Uid) -> bool {
        let reads = |env: &Env| env.reach.node(CONTEXT).is_some_and(|node| node.attributes.contains_key(CLOCK));
        self.actions.get(action).is_some_and(|action| action.clock && action.envs.iter().any(reads))
    }

    /// Every uid that exists by schema, since its type lists its ids.
    pub fn enumerated(&self) -> impl Iterator<Item = Uid> {
        let ids = |(name, ty): (&SmolStr, &EntityType)| {
            let ids = ty.ids.iter().flatten();
            ids.map(|id| Uid::new(name.clone(), id.clone())).collect::<Vec<_>>()
        };
        self.schema.types.iter().flat_map(ids)
    }

    /// Whether the ids of a type are fixed by the schema.
    pub fn is_enumerated(&self, type_name: &str) -> bool {
        self.schema.is_enumerated(type_name)
    }

    /// Every action with its annotations.
    pub fn actions(&self) -> impl Iterator<Item = (&Uid, &BTreeMap<SmolStr, SmolStr>)> {
        self.schema.actions.iter().map(|(uid, action)| (uid, &action.annotations))
    }

    /// Whether the schema has an entity type of this full name.
    pub fn has_entity_type(&self, full: &str) -> bool {
        self.schema.types.contains_key(full)
    }

    /// The reason with this code as the bundle words it, for what was refused before it came to a question. Without
    /// placeholders: there is nothing that could fill them.
    pub fn reason(&self, code: &str, anonymous: bool) -> Option<Reason> {
        self.reasons.choose(&[Cause { code, message: None }], anonymous, &|_| None)
    }

    /// Whether the schema has this action.
    pub fn knows_action(&self, action: &Uid) -> bool {
        self.schema.actions.contains_key(action)
    }

    /// Whether an action's context declares a key.
    pub fn declares_context(&self, action: &Uid, key: &str) -> bool {
        self.schema.actions.get(action).is_some_and(|action| action.context.contains_key(key))
    }
}

impl BundleSource {
    /// All files, schema first, then by base name, so that the folder they came from makes no difference.
    pub fn files(&self) -> Vec<&SourceFile> {
        let optional = self.links.iter().chain(&self.reasons).chain(&self.gateway);
        let mut files: Vec<&SourceFile> = self.policies.iter().chain(optional).collect();
        files.sort_by_key(|file| file.base_name());
        files.insert(0, &self.schema);
        files
    }
}

/// A digest of base names and texts, each with its length before it, so that no two bundles run into each other.
fn hash<'a>(files: impl IntoIterator<Item = &'a SourceFile>) -> String {
    let mut digest = Sha256::new();
    for file in files {
        for part in [file.base_name(), &file.text] {
            digest.update((part.len() as u64).to_be_bytes());
            digest.update(part.as_bytes());
        }
    }
    format!("sha256:{}", const_hex::encode(digest.finalize()))
}

/// Linked policies speak with their template's text and annotations, from their place in the links file.
fn describe_links(loaded: &mut Loaded, file: Option<&SourceFile>) {
    let Some(file) = file else { return };
    for policy in loaded.policies.policies() {
        let Some(template) = policy.template_id().map(AsRef::<str>::as_ref) else { continue };
        let id: &str = policy.id().as_ref();
        let offset = file.text.find(&format!("\"{id}\"")).unwrap_or(0);
        if let Some(info) = loaded.infos.get(template) {
            let info = PolicyInfo {
                id: id.into(),
                template: Some(template.into()),
                file: file.path.clone(),
                line: Fault::at(file, offset, 1, "").line,
                ..info.clone()
            };
            loaded.infos.insert(id.into(), info);
        }
    }
}

/// Refuses reason codes that the list of reasons does not have: a typo would otherwise become a new code.
fn check_codes(reasons: &Reasons, schema: &Schema, loaded: &Loaded, source: &BundleSource) -> Result<(), Faults> {
    let unknown = |code: &&SmolStr| !reasons.knows(code);
    let message = |code: &SmolStr| format!("the reason `{code}` is not in reasons.json");
    let mut faults = Vec::new();
    for info in loaded.infos.values() {
        if let Some(code) = info.annotations.get("reason").filter(unknown) {
            let file = source.policies.iter().find(|file| file.path == info.file);
            faults.extend(file.map(|file| {
                let offset = file.text.find(&format!("@reason(\"{code}\")")).unwrap_or(0);
                Fault::at(file, offset, code.len() + 11, message(code))
            }));
        }
    }
    let of_types = schema.types.values().flat_map(|ty| ["absent", "deleted"].map(|key| ty.annotations.get(key)));
    let of_actions = schema.actions.values().map(|action| action.annotations.get("reason"));
    for code in of_types.chain(of_actions).flatten().filter(unknown) {
        let offset = source.schema.text.find(&format!("(\"{code}\")")).unwrap_or(0);
        faults.push(Fault::at(&source.schema, offset, code.len() + 4, message(code)));
    }
    match faults.is_empty() {
        true => Ok(()),
        false => Err(Faults(faults)),
    }
}
