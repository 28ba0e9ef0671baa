//! Conditions as they look when one side of the question is not known: what can be evaluated all the same, and what
//! relates the unknown entity to something. For finding candidates, never for deciding.

use cedar_policy::{EvalResult, Expression, Policy};
use cedar_policy_core::ast::{BinaryOp, Expr, ExprKind, UnaryOp, Var};
use smol_str::SmolStr;

use crate::entity::Uid;
use crate::pdp::index::named;

/// What is not known of a question.
#[derive(Clone, Debug)]
pub struct Unknown {
    pub principal: bool,
    pub resource: bool,
    /// An entity of the context that is not known besides.
    pub context_key: Option<SmolStr>,
}

/// A condition, as far as candidates are concerned.
#[derive(Clone, Debug)]
pub enum Outline {
    /// Does not speak of what is unknown.
    Known(Expression),
    And(Box<Outline>, Box<Outline>),
    Or(Box<Outline>, Box<Outline>),
    Not(Box<Outline>),
    If(Box<Outline>, Box<Outline>, Box<Outline>),
    Relation(Relation, Operand, Operand),
    /// The unknown entity is of this type.
    Is(SmolStr),
    Opaque,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Relation {
    Equal,
    In,
    Contains,
    ContainsAny,
    ContainsAll,
}

#[derive(Clone, Debug)]
pub enum Operand {
    /// The unknown entity, or what this path of attributes from it holds.
    Path(Vec<SmolStr>),
    Known(Expression),
    Opaque,
}

impl Outline {
    /// All conditions of a policy in one; nothing when it has none.
    pub fn of(policy: &Policy, unknown: &Unknown) -> Option<Self> {
        let policy: &cedar_policy_core::ast::Policy = policy.as_ref();
        policy.non_scope_constraints().map(|expr| unknown.outline(expr))
    }
}

/// A relation that a condition states.
pub struct Stated {
    pub relation: Relation,
    pub left: Expression,
    pub right: Expression,
    /// Bytes of the file, first and one after the last.
    pub place: Option<(usize, usize)>,
}

/// The relations that can make an expression true: not those that it denies.
pub fn stated(expression: &Expression) -> Vec<Stated> {
    let mut found = Vec::new();
    state(expression.as_ref(), &mut found);
    found
}

fn state(expr: &Expr, found: &mut Vec<Stated>) {
    match expr.expr_kind() {
        ExprKind::And { left, right } | ExprKind::Or { left, right } => {
            state(left, found);
            state(right, found);
        }
        ExprKind::If { then_expr, else_expr, .. } => {
            state(then_expr, found);
            state(else_expr, found);
        }
        ExprKind::BinaryApp { op, arg1, arg2 } => found.extend(relation(*op).map(|relation| Stated {
            relation,
            left: Expr::clone(arg1).into(),
            right: Expr::clone(arg2).into(),
            place: expr.source_loc().map(|loc| (loc.start(), loc.end())),
        })),
        _ => {}
    }
}

/// The entities that a value is, or that are in it when it is a set; nothing when it is anything else.
pub fn entities(value: &EvalResult) -> Option<Vec<Uid>> {
    match value {
        EvalResult::EntityUid(one) => Some(vec![named(one)]),
        EvalResult::Set(set) => {
            let member = |value: &EvalResult| match value {
                EvalResult::EntityUid(one) => Some(named(one)),
                _ => None,
            };
            set.iter().map(member).collect()
        }
        _ => None,
    }
}

impl Unknown {
    fn outline(&self, expr: &Expr) -> Outline {
        if !self.mentioned(expr) {
            return Outline::Known(expr.clone().into());
        }
        let inner = |expr: &Expr| Box::new(self.outline(expr));
        match expr.expr_kind() {
            ExprKind::And { left, right } => Outline::And(inner(left), inner(right)),
            ExprKind::Or { left, right } => Outline::Or(inner(left), inner(right)),
            ExprKind::UnaryApp { op: UnaryOp::Not, arg } => Outline::Not(inner(arg)),
            ExprKind::If { test_expr, then_expr, else_expr } => {
                Outline::If(inner(test_expr), inner(then_expr), inner(else_expr))
            }
            ExprKind::BinaryApp { op, arg1, arg2 } => match relation(*op) {
                Some(relation) => Outline::Relation(relation, self.operand(arg1), self.operand(arg2)),
                None => Outline::Opaque,
            },
            ExprKind::Is { expr, entity_type } if self.path(expr).is_some_and(|path| path.is_empty()) => {
                Outline::Is(entity_type.to_string().into())
            }
            _ => Outline::Opaque,
        }
    }

    fn operand(&self, expr: &Expr) -> Operand {
        match self.path(expr) {
            Some(path) => Operand::Path(path),
            None if self.mentioned(expr) => Operand::Opaque,
            None => Operand::Known(expr.clone().into()),
        }
    }

    /// The attributes between the unknown entity and this expression.
    fn path(&self, expr: &Expr) -> Option<Vec<SmolStr>> {
        match expr.expr_kind() {
            ExprKind::Var(var) => self.is(*var).then(Vec::new),
            ExprKind::GetAttr { expr, attr } => {
                let mut path = self.path(expr)?;
                path.push(attr.clone());
                Some(path)
            }
            _ => None,
        }
    }

    fn is(&self, var: Var) -> bool {
        match var {
            Var::Principal => self.principal,
            Var::Resource => self.resource,
            Var::Action | Var::Context => false,
        }
    }

    /// Whether the value of an expression can depend on what is unknown.
    fn mentioned(&self, expr: &Expr) -> bool {
        let among = |exprs: Vec<&Expr>| exprs.into_iter().any(|expr| self.mentioned(expr));
        match expr.expr_kind() {
            ExprKind::Var(Var::Context) => self.context_key.is_some(),
            ExprKind::Var(var) => self.is(*var),
            ExprKind::GetAttr { expr, attr } => match expr.expr_kind() {
                ExprKind::Var(Var::Context) => self.context_key.as_ref() == Some(attr),
                _ => self.mentioned(expr),
            },
            // That there is such an entity is known; what it has is not.
            ExprKind::HasAttr { expr, .. } => match expr.expr_kind() {
                ExprKind::Var(Var::Context) => false,
                _ => self.mentioned(expr),
            },
            ExprKind::ExtHasAttr { expr, .. }
            | ExprKind::UnaryApp { arg: expr, .. }
            | ExprKind::Like { expr, .. }
            | ExprKind::Is { expr, .. } => self.mentioned(expr),
            ExprKind::And { left, right } | ExprKind::Or { left, right } => {
                self.mentioned(left) || self.mentioned(right)
            }
            ExprKind::BinaryApp { arg1, arg2, .. } => self.mentioned(arg1) || self.mentioned(arg2),
            ExprKind::If { test_expr, then_expr, else_expr } => among(vec![test_expr, then_expr, else_expr]),
            ExprKind::ExtensionFunctionApp { args, .. } => among(args.iter().collect()),
            ExprKind::Set(items) => among(items.iter().collect()),
            ExprKind::Record(fields) => among(fields.values().collect()),
            ExprKind::Lit(_) => false,
            ExprKind::Slot(_) | ExprKind::Unknown(_) => true,
        }
    }
}

fn relation(op: BinaryOp) -> Option<Relation> {
    match op {
        BinaryOp::Eq => Some(Relation::Equal),
        BinaryOp::In => Some(Relation::In),
        BinaryOp::Contains => Some(Relation::Contains),
        BinaryOp::ContainsAny => Some(Relation::ContainsAny),
        BinaryOp::ContainsAll => Some(Relation::ContainsAll),
        _ => None,
    }
}
