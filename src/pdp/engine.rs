//! The engine's internal crate, here and in `engine/`.
//!
//! Why: its public API recomputes the closure of every entity set (36 µs for twelve entities), while a slice here comes
//! with its ancestors already closed (2 µs). The crate's version is pinned, and the laws compare with the public API.

pub(super) mod expression;
pub(super) mod partial;

use std::cell::RefCell;
use std::collections::HashMap;
use std::sync::{Arc, OnceLock};

use cedar_policy::{Context, Entities, EntityUid, Expression, Policy, RestrictedExpression, Template};
use cedar_policy_core::ast::{
    Eid, Entity as EngineEntity, EntityType, EntityUID, Expr, ExprKind, Name, RestrictedExpr, UnaryOp,
};
use cedar_policy_core::entities::{Entities as EngineEntities, NoEntitiesSchema, TCComputation};
use cedar_policy_core::evaluator::RestrictedEvaluator;
use cedar_policy_core::extensions::Extensions;

use smol_str::SmolStr;

use crate::entity::{Entity, Record, Uid, Value};

/// An entity that can be decided on, shared by the questions that need it.
#[derive(Debug)]
pub struct Prepared {
    entity: Entity,
    /// The engine's form: built when the engine is asked, which most questions never do.
    engine: OnceLock<Arc<EngineEntity>>,
}

/// A value that the engine does not take, e.g. a date that is none.
#[derive(Clone, Debug, thiserror::Error)]
#[error("{uid} cannot be used: {message}")]
pub struct PrepareError {
    pub uid: Uid,
    pub message: String,
}

impl Prepared {
    /// # Errors
    /// When a value is not one of the engine's.
    pub fn new(entity: Entity) -> Result<Self, PrepareError> {
        let prepared = Self::admitted(entity);
        prepared.engine().map_err(|message| PrepareError { uid: prepared.entity.uid.clone(), message })?;
        Ok(prepared)
    }

    /// An entity whose values were admitted under a schema, so that they are the engine's.
    pub fn admitted(entity: Entity) -> Self {
        Self { entity, engine: OnceLock::new() }
    }

    pub fn entity(&self) -> &Entity {
        &self.entity
    }

    fn engine(&self) -> Result<&Arc<EngineEntity>, String> {
        if let Some(engine) = self.engine.get() {
            return Ok(engine);
        }
        let engine = EngineEntity::new(
            engine_uid(&self.entity.uid)?,
            expressions(&self.entity.attrs)?,
            std::collections::HashSet::new(),
            self.entity.parents.iter().map(engine_uid).collect::<Result<_, _>>()?,
            expressions(&self.entity.tags)?,
            Extensions::all_available(),
        )
        .map_err(|error| error.to_string())?;
        Ok(self.engine.get_or_init(|| Arc::new(engine)))
    }
}

/// One entity of a slice, with all its ancestors.
pub(super) struct Closed<'a> {
    pub prepared: &'a Prepared,
    /// Every ancestor; direct parents may be among them.
    pub ancestors: &'a [Uid],
}

/// The entities of a slice and one action. No closure is computed and nothing is validated.
pub(super) fn entities<'a>(slice: impl Iterator<Item = Closed<'a>>, action: &ActionEntity) -> Result<Entities, String> {
    let closed = slice.map(|Closed { prepared, ancestors }| {
        let engine = prepared.engine()?;
        if ancestors.is_empty() {
            return Ok(Arc::clone(engine));
        }
        let mut entity = EngineEntity::clone(engine);
        for ancestor in ancestors {
            entity.add_indirect_ancestor(engine_uid(ancestor)?);
        }
        Ok(Arc::new(entity))
    });
    let closed: Vec<_> = closed.collect::<Result<_, String>>()?;
    EngineEntities::new()
        .add_entities(
            closed.into_iter().chain([Arc::clone(&action.0)]),
            None::<&NoEntitiesSchema>,
            TCComputation::AssumeAlreadyComputed,
            Extensions::all_available(),
        )
        .map(Entities::from)
        .map_err(|error| error.to_string())
}

/// An action with the groups it is in.
pub(super) struct ActionEntity(Arc<EngineEntity>);

impl ActionEntity {
    pub fn new(entity: &cedar_policy::Entity) -> Self {
        Self(Arc::new(entity.as_ref().clone()))
    }
}

pub(super) fn uid(uid: &Uid) -> Result<EntityUid, String> {
    engine_uid(uid).map(EntityUid::from)
}

/// # Errors
/// When a value is not one of the engine's.
pub(super) fn context(record: &Record) -> Result<Context, String> {
    let pairs =
        expressions(record)?.into_iter().map(|(key, value)| (key.to_string(), RestrictedExpression::from(value)));
    Context::from_pairs(pairs).map_err(|error| error.to_string())
}

/// The type of an extension value: `datetime`, `duration`, `decimal` or `ipaddr`.
pub(super) fn extension_type(value: &Value) -> Result<String, String> {
    let Value::Extension { .. } = value else {
        return Err(format!("found {}", value.kind()));
    };
    let expression = expression(value)?;
    RestrictedEvaluator::new(Extensions::all_available())
        .partial_interpret(expression.as_borrowed())
        .map_err(|error| error.to_string())?;
    expression
        .as_borrowed()
        .try_type_of(Extensions::all_available())
        .map(|ty| ty.to_string())
        .ok_or_else(|| "its type is unknown".to_owned())
}

/// Where a policy starts in its file, in bytes.
pub(super) fn policy_offset(policy: &Policy) -> usize {
    let policy: &cedar_policy_core::ast::Policy = policy.as_ref();
    policy.loc().map_or(0, cedar_policy_core::parser::Loc::start)
}

/// Where a template starts in its file, in bytes.
pub(super) fn template_offset(template: &Template) -> usize {
    let template: &cedar_policy_core::ast::Template = template.as_ref();
    template.loc().map_or(0, cedar_policy_core::parser::Loc::start)
}

/// A `when` or `unless`, as the conjuncts that it is made of.
pub(super) struct Condition {
    pub unless: bool,
    pub conjuncts: Vec<Conjunct>,
}

/// One operand of a condition's `&&`, and where it stands in its file, in bytes.
pub(super) struct Conjunct {
    pub expression: Expression,
    pub offset: usize,
    pub length: usize,
}

/// A policy's conditions in the order of evaluation. `text` is the file that the policy was read from.
///
/// The engine keeps them as one expression, `when`s joined by `&&` and `unless`es as negations at the place of the whole
/// `unless { … }`; the conjuncts of neighbouring `when`s come out as one condition, which means the same.
pub(super) fn conditions(policy: &Policy, text: &str) -> Vec<Condition> {
    let policy: &cedar_policy_core::ast::Policy = policy.as_ref();
    let mut conditions: Vec<Condition> = Vec::new();
    let mut parts = Vec::new();
    policy.non_scope_constraints().into_iter().for_each(|whole| operands(whole, &mut parts));
    for part in parts {
        match unless_body(part, text) {
            Some(body) => {
                let mut inside = Vec::new();
                operands(body, &mut inside);
                conditions.push(Condition { unless: true, conjuncts: inside.into_iter().map(conjunct).collect() });
            }
            None => match conditions.last_mut() {
                Some(last) if !last.unless => last.conjuncts.push(conjunct(part)),
                _ => conditions.push(Condition { unless: false, conjuncts: vec![conjunct(part)] }),
            },
        }
    }
    conditions
}

fn operands<'a>(expression: &'a Expr, found: &mut Vec<&'a Expr>) {
    match expression.expr_kind() {
        ExprKind::And { left, right } => {
            operands(left, found);
            operands(right, found);
        }
        _ => found.push(expression),
    }
}

fn unless_body<'a>(expression: &'a Expr, text: &str) -> Option<&'a Expr> {
    let start = expression.source_loc()?.start();
    match expression.expr_kind() {
        ExprKind::UnaryApp { op: UnaryOp::Not, arg } if text.get(start..)?.starts_with("unless") => Some(arg),
        _ => None,
    }
}

fn conjunct(expression: &Expr) -> Conjunct {
    let (start, end) = expression.source_loc().map_or((0, 0), |loc| (loc.start(), loc.end()));
    Conjunct { expression: expression.clone().into(), offset: start, length: end.saturating_sub(start) }
}

fn engine_uid(uid: &Uid) -> Result<EntityUID, String> {
    let name = name(uid.type_name()).ok_or_else(|| format!("`{}` is not a type name", uid.type_name()))?;
    Ok(EntityUID::from_components(EntityType::from(name), Eid::new(uid.id().clone()), None))
}

/// How many parsed names a thread keeps. Schemas have far fewer.
const MAX_NAMES: usize = 4_096;

thread_local! {
    /// The engine parses a name with a grammar, which costs more than evaluating a policy; there are only as many names
    /// as the schemas have.
    static NAMES: RefCell<HashMap<SmolStr, Name>> = RefCell::default();
}

fn name(text: &SmolStr) -> Option<Name> {
    NAMES.with_borrow_mut(|names| {
        if let Some(name) = names.get(text) {
            return Some(name.clone());
        }
        let name: Name = text.parse().ok()?;
        if names.len() < MAX_NAMES {
            names.insert(text.clone(), name.clone());
        }
        Some(name)
    })
}

fn expressions(record: &Record) -> Result<Vec<(SmolStr, RestrictedExpr)>, String> {
    let pairs = record.iter();
    pairs.map(|(key, value)| Ok((key.clone(), expression(value)?))).collect()
}

fn expression(value: &Value) -> Result<RestrictedExpr, String> {
    Ok(match value {
        Value::Bool(value) => RestrictedExpr::val(*value),
        Value::Long(value) => RestrictedExpr::val(*value),
        Value::String(value) => RestrictedExpr::val(value.clone()),
        Value::Entity(uid) => RestrictedExpr::val(engine_uid(uid)?),
        Value::Set(members) => RestrictedExpr::set(members.iter().map(expression).collect::<Result<Vec<_>, _>>()?),
        Value::Record(record) => RestrictedExpr::record(expressions(record)?).map_err(|error| error.to_string())?,
        Value::Extension { function, args } => {
            let name = name(function).ok_or_else(|| format!("there is no function `{function}`"))?;
            let args = args.iter().map(expression).collect::<Result<Vec<_>, _>>()?;
            RestrictedExpr::call_extension_fn(name, args)
        }
    })
}
