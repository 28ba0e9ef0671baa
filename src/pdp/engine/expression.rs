//! Conditions as they are written, each part with its place in the file: for looking at policies, never for deciding.

use cedar_policy::Policy;
use cedar_policy_core::ast::{BinaryOp, Expr, ExprKind, Literal, UnaryOp, Var};
use smol_str::SmolStr;

use crate::entity::Uid;

/// A part of a condition. Two are the same when their kinds are: places do not count.
#[derive(Clone, Debug)]
pub struct Expression {
    /// Bytes of the file, first and one after the last; nothing for what the parser made up.
    pub place: Option<(usize, usize)>,
    pub kind: Kind,
}

#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Kind {
    Bool(bool),
    Entity(Uid),
    /// `principal`, `action`, `resource` or `context`.
    Variable(&'static str),
    And(Box<Expression>, Box<Expression>),
    Or(Box<Expression>, Box<Expression>),
    Not(Box<Expression>),
    Equal(Box<Expression>, Box<Expression>),
    /// `a.b`, and `a has b`.
    Get(Box<Expression>, SmolStr),
    Has(Box<Expression>, SmolStr),
    /// Everything else: what it is, and what it is about.
    Other(String, Vec<Expression>),
}

impl PartialEq for Expression {
    fn eq(&self, other: &Self) -> bool {
        self.kind == other.kind
    }
}

impl Eq for Expression {}

impl Expression {
    /// The conditions of a policy in one: `when`s, and `unless`es denied.
    pub fn of(policy: &Policy) -> Option<Self> {
        let policy: &cedar_policy_core::ast::Policy = policy.as_ref();
        policy.non_scope_constraints().map(read)
    }

    /// This part and all inside it, outermost first.
    pub fn walk<'a>(&'a self, seen: &mut dyn FnMut(&'a Self)) {
        seen(self);
        match &self.kind {
            Kind::Bool(_) | Kind::Entity(_) | Kind::Variable(_) => {}
            Kind::Not(inner) | Kind::Get(inner, _) | Kind::Has(inner, _) => inner.walk(seen),
            Kind::And(left, right) | Kind::Or(left, right) | Kind::Equal(left, right) => {
                left.walk(seen);
                right.walk(seen);
            }
            Kind::Other(_, parts) => parts.iter().for_each(|part| part.walk(seen)),
        }
    }
}

fn read(expr: &Expr) -> Expression {
    let place = expr.source_loc().map(|loc| (loc.start(), loc.end()));
    let inner = |expr: &Expr| Box::new(read(expr));
    let other =
        |what: &str, parts: &[&Expr]| Kind::Other(what.to_owned(), parts.iter().map(|part| read(part)).collect());
    let kind = match expr.expr_kind() {
        ExprKind::Lit(Literal::Bool(value)) => Kind::Bool(*value),
        ExprKind::Lit(Literal::EntityUID(uid)) => {
            let id: &str = uid.eid().as_ref();
            Kind::Entity(Uid::new(uid.entity_type().to_string(), id))
        }
        ExprKind::Var(Var::Principal) => Kind::Variable("principal"),
        ExprKind::Var(Var::Action) => Kind::Variable("action"),
        ExprKind::Var(Var::Resource) => Kind::Variable("resource"),
        ExprKind::Var(Var::Context) => Kind::Variable("context"),
        ExprKind::And { left, right } => Kind::And(inner(left), inner(right)),
        ExprKind::Or { left, right } => Kind::Or(inner(left), inner(right)),
        ExprKind::UnaryApp { op: UnaryOp::Not, arg } => Kind::Not(inner(arg)),
        ExprKind::BinaryApp { op: BinaryOp::Eq, arg1, arg2 } => Kind::Equal(inner(arg1), inner(arg2)),
        ExprKind::GetAttr { expr, attr } => Kind::Get(inner(expr), attr.clone()),
        ExprKind::HasAttr { expr, attr } => Kind::Has(inner(expr), attr.clone()),
        ExprKind::UnaryApp { op, arg } => other(&op.to_string(), &[arg]),
        ExprKind::BinaryApp { op, arg1, arg2 } => other(&op.to_string(), &[arg1, arg2]),
        ExprKind::If { test_expr, then_expr, else_expr } => other("if", &[test_expr, then_expr, else_expr]),
        ExprKind::Like { expr, pattern } => other(&format!("like {pattern}"), &[expr]),
        ExprKind::Is { expr, entity_type } => other(&format!("is {entity_type}"), &[expr]),
        ExprKind::ExtHasAttr { expr, attrs } => {
            let path: Vec<&str> = attrs.iter().map(SmolStr::as_str).collect();
            other(&format!("has {path:?}"), &[expr])
        }
        ExprKind::Set(items) => other("set", &items.iter().collect::<Vec<_>>()),
        ExprKind::ExtensionFunctionApp { fn_name, args } => {
            other(&fn_name.to_string(), &args.iter().collect::<Vec<_>>())
        }
        ExprKind::Record(fields) => {
            let names: Vec<&str> = fields.keys().map(SmolStr::as_str).collect();
            other(&format!("record {names:?}"), &fields.values().collect::<Vec<_>>())
        }
        ExprKind::Lit(_) | ExprKind::Slot(_) | ExprKind::Unknown(_) => other(&expr.to_string(), &[]),
    };
    Expression { place, kind }
}
