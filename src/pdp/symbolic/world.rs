//! Counterexamples: a world that the solver found, as entities and a question that anybody can ask again.
//!
//! INVARIANT: nothing is told of a world before the ordinary decision was asked in it; the verdict beside it is that
//! decision's, not the solver's.

use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::sync::Arc;

use cedar_policy_symcc::Env;
use serde::Serialize;
use serde_json::{Map, Value as Json, json};
use smol_str::{SmolStr, format_smolstr};

use super::property::Other;
use super::query::Environment;
use super::subject::Subject;
use crate::entity::{Uid, Value};
use crate::pdp::admit::ContextRules;
use crate::pdp::answer::Answer;
use crate::pdp::bundle::Bundle;
use crate::pdp::decide::Question;
use crate::pdp::engine::Prepared;
use crate::pdp::slice::{Fact, Facts, FactsError};

/// The time in a world whose question names none.
const EPOCH: &str = "1970-01-01T00:00:00Z";

/// A world in which a property does not hold.
#[derive(Clone, Debug, Serialize)]
pub struct Counterexample {
    pub environment: Environment,
    /// As `hubwarden authorize --request-json` takes it.
    pub request: Json,
    /// As `hubwarden authorize --entities` takes them.
    pub entities: Json,
    /// What the ordinary decision says in this world.
    pub decision: &'static str,
    pub determining: Vec<SmolStr>,
    pub errors: Vec<String>,
    /// The other question of a comparison, and what it is answered.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub compared: Option<Compared>,
}

/// The other question of a comparison.
#[derive(Clone, Debug, Serialize)]
pub struct Compared {
    pub request: Json,
    pub decision: &'static str,
    pub determining: Vec<SmolStr>,
}

/// A world in which two bundles answer differently.
#[derive(Clone, Debug)]
pub struct Difference {
    /// As `hubwarden authorize --request-json` takes it.
    pub request: Json,
    /// As `hubwarden authorize --entities` takes them.
    pub entities: Json,
    pub before: Answer,
    pub after: Answer,
}

/// A world as data, with readable names.
pub(super) struct World<'a> {
    bundle: &'a Bundle,
    facts: HashMap<Uid, Arc<Prepared>>,
    entities: Vec<Json>,
    question: Question,
}

impl<'a> World<'a> {
    /// What the policies of the subject, or of the other one, spell keeps its name.
    ///
    /// # Errors
    /// A world that the schema does not admit, which would be a fault of the solver or of its reading.
    pub fn read(
        subject: &Subject<'a>,
        other: Option<&Subject>,
        env: &Environment,
        found: &Env,
    ) -> Result<Self, String> {
        let bundle = subject.bundle;
        let request = &found.request;
        let uid = |uid: Option<&cedar_policy::EntityUid>| uid.map(own_uid).ok_or("the solver's question is not whole");
        let context = match request.context() {
            Some(context) => context.to_json_value().map_err(|error| error.to_string())?,
            None => Json::Object(Map::new()),
        };
        let entities = found.entities.to_json_value().map_err(|error| error.to_string())?;
        let names = Names::new(subject, other, &entities);
        let entities: Vec<Json> = names.apply(entities).as_array().cloned().unwrap_or_default();
        let admission = bundle.admission();
        let stored = |json: &&Json| {
            let ty = json.pointer("/uid/type").and_then(Json::as_str).unwrap_or_default();
            bundle.schema.types.get(ty).is_some_and(|ty| ty.ids.is_none())
        };
        let mut facts = HashMap::new();
        for json in entities.iter().filter(stored) {
            let entity = admission.entity(json).map_err(|fault| fault.to_string())?;
            let prepared = Prepared::new(entity).map_err(|error| error.to_string())?;
            facts.insert(prepared.entity().uid.clone(), Arc::new(prepared));
        }
        let context = admission.context(&env.action, &names.apply(context), ContextRules::Offline);
        let question = Question {
            principal: names.name(uid(request.principal())?),
            action: env.action.clone(),
            resource: names.name(uid(request.resource())?),
            context: context.map_err(|fault| fault.to_string())?,
            now: EPOCH.into(),
        };
        let mut world = Self { bundle, facts, entities: Vec::new(), question };
        world.keep_what_is_reached();
        Ok(world)
    }

    /// Asks the ordinary decision, here and for the other question.
    ///
    /// # Errors
    /// When there is no decision at all.
    pub fn replay(self, env: &Environment, other: Option<&Other>) -> Result<Counterexample, String> {
        let answer = self.ask(&self.question)?;
        let compared = match other {
            None => None,
            Some(other) => Some(self.compare(other)?),
        };
        Ok(Counterexample {
            environment: env.clone(),
            request: asked(&self.question),
            decision: decision(&answer),
            determining: answer.determining.clone(),
            errors: answer.errors.iter().map(|error| format!("{}: {}", error.policy, error.message)).collect(),
            compared,
            entities: Json::Array(self.entities),
        })
    }

    /// Asks the ordinary decision of both bundles, which have one schema.
    ///
    /// # Errors
    /// When there is no decision at all.
    pub fn difference(self, from: &Bundle, to: &Bundle) -> Result<Difference, String> {
        let ask = |bundle: &Bundle| bundle.decide(&self.question, &self).map_err(|error| error.to_string());
        let (before, after) = (ask(from)?, ask(to)?);
        Ok(Difference { request: asked(&self.question), before, after, entities: Json::Array(self.entities) })
    }

    fn compare(&self, other: &Other) -> Result<Compared, String> {
        let mut question = self.question.clone();
        question.context.retain(|key, _| !other.without.contains(key));
        if let Some(principal) = &other.principal {
            question.principal = principal.clone();
        }
        let answer = match self.ask(&question) {
            Ok(answer) => answer,
            // A question that the schema does not have is one that is not allowed.
            Err(_) if other.principal.is_some() => {
                return Ok(Compared { request: asked(&question), decision: "deny", determining: Vec::new() });
            }
            Err(error) => return Err(error),
        };
        Ok(Compared { request: asked(&question), decision: decision(&answer), determining: answer.determining })
    }

    fn ask(&self, question: &Question) -> Result<Answer, String> {
        self.bundle.decide(question, self).map_err(|error| error.to_string())
    }

    /// Drops the entities that nothing in the question leads to: no decision can depend on them.
    fn keep_what_is_reached(&mut self) {
        let mut next: Vec<Uid> = vec![self.question.principal.clone(), self.question.resource.clone()];
        self.question.context.values().for_each(|value| mentioned(value, &mut next));
        let mut kept = BTreeMap::new();
        while let Some(uid) = next.pop() {
            if let Some(prepared) = self.facts.get(&uid).filter(|_| !kept.contains_key(&uid)) {
                let entity = prepared.entity();
                next.extend(entity.parents.iter().cloned());
                entity.attrs.values().chain(entity.tags.values()).for_each(|value| mentioned(value, &mut next));
                kept.insert(uid, entity.to_json());
            }
        }
        self.facts.retain(|uid, _| kept.contains_key(uid));
        self.entities = kept.into_values().collect();
    }
}

impl Facts for World<'_> {
    fn fact(&self, uid: &Uid) -> Result<Fact, FactsError> {
        Ok(match self.facts.get(uid) {
            Some(prepared) => Fact::Present(Arc::clone(prepared)),
            None => Fact::Absent,
        })
    }
}

pub(super) fn own_uid(uid: &cedar_policy::EntityUid) -> Uid {
    let id: &str = uid.id().unescaped();
    Uid::new(uid.type_name().to_string(), id)
}

fn decision(answer: &Answer) -> &'static str {
    if answer.allowed() { "allow" } else { "deny" }
}

fn asked(question: &Question) -> Json {
    json!({
        "principal": question.principal.to_json(),
        "action": question.action.to_json(),
        "resource": question.resource.to_json(),
        "context": Value::Record(question.context.clone()).to_json(),
    })
}

fn mentioned(value: &Value, found: &mut Vec<Uid>) {
    match value {
        Value::Entity(uid) => found.push(uid.clone()),
        Value::Set(members) => members.iter().for_each(|member| mentioned(member, found)),
        Value::Record(record) => record.values().for_each(|member| mentioned(member, found)),
        Value::Extension { args, .. } => args.iter().for_each(|arg| mentioned(arg, found)),
        Value::Bool(_) | Value::Long(_) | Value::String(_) => {}
    }
}

/// Names that people can read. A solver calls entities ``, `A`, `B`; which name an entity has is no matter unless a
/// policy spells it.
struct Names(BTreeMap<Uid, Uid>);

impl Names {
    fn new(subject: &Subject, other: Option<&Subject>, entities: &Json) -> Self {
        let mut spelled = BTreeSet::new();
        let written = subject.written().chain(other.into_iter().flat_map(Subject::written));
        written.for_each(|clause| literals(&clause.json, &mut spelled));
        let mut counts: BTreeMap<SmolStr, usize> = BTreeMap::new();
        let mut names = BTreeMap::new();
        let types = &subject.bundle.schema.types;
        let uids = entities.as_array().into_iter().flatten().filter_map(|entity| entity.get("uid").and_then(uid));
        for uid in uids.collect::<BTreeSet<_>>() {
            let free = types.get(uid.type_name()).is_some_and(|ty| ty.ids.is_none()) && !spelled.contains(&uid);
            if free {
                let short = uid.type_name().rsplit("::").next().unwrap_or_default().to_lowercase();
                let count = counts.entry(uid.type_name().clone()).or_default();
                let mut name = uid.clone();
                while name == uid || spelled.contains(&name) {
                    *count += 1;
                    name = Uid::new(uid.type_name().clone(), format_smolstr!("{short}-{count}"));
                }
                names.insert(uid, name);
            }
        }
        Self(names)
    }

    fn name(&self, uid: Uid) -> Uid {
        self.0.get(&uid).cloned().unwrap_or(uid)
    }

    fn apply(&self, json: Json) -> Json {
        match json {
            Json::Object(map) => {
                let parts = map.into_iter().map(|(key, part)| {
                    let part = match key.as_str() {
                        "uid" | "__entity" => uid(&part).map(|uid| self.name(uid).to_json()).unwrap_or(part),
                        "parents" => self.parents(part),
                        _ => self.apply(part),
                    };
                    (key, part)
                });
                Json::Object(parts.collect())
            }
            Json::Array(items) => Json::Array(items.into_iter().map(|item| self.apply(item)).collect()),
            other => other,
        }
    }

    fn parents(&self, json: Json) -> Json {
        match json {
            Json::Array(items) => {
                let named = |item: Json| uid(&item).map(|uid| self.name(uid).to_json()).unwrap_or(item);
                Json::Array(items.into_iter().map(named).collect())
            }
            other => self.apply(other),
        }
    }
}

/// The uid in `{"type","id"}`.
fn uid(json: &Json) -> Option<Uid> {
    let map = json.as_object().filter(|map| map.len() == 2)?;
    Some(Uid::new(map.get("type")?.as_str()?, map.get("id")?.as_str()?))
}

/// The entities that a policy spells.
fn literals(json: &Json, found: &mut BTreeSet<Uid>) {
    match json {
        Json::Object(map) => {
            found.extend(uid(json));
            map.values().for_each(|part| literals(part, found));
        }
        Json::Array(items) => items.iter().for_each(|item| literals(item, found)),
        _ => {}
    }
}
