//! From policies to candidates, by what is known and what a condition relates the unknown entity to.

use std::collections::BTreeSet;

use cedar_policy::{EvalResult, Expression};
use smol_str::SmolStr;

use super::chain::Chain;
use super::{Candidates, Known, Policy, PrincipalConstraint, ResourceConstraint, Side};
use crate::entity::{Link, Uid};
use crate::pdp::engine::partial::{self, Operand, Outline, Relation, Unknown};
use crate::pdp::environments::Env;
use crate::pdp::index::named;
use crate::pdp::schema::Schema;

pub(super) struct Planner<'p> {
    pub schema: &'p Schema,
    /// The links that may be followed.
    pub links: &'p BTreeSet<Link>,
    pub env: &'p Env,
    pub unknown: &'p Unknown,
    pub side: Side,
    /// The type of the unknown entity.
    pub type_name: &'p SmolStr,
    /// Nothing while only the links are asked for.
    pub known: Option<&'p Known<'p>>,
}

/// What a policy's scope says of one side.
enum Scope {
    Any,
    Is(Uid),
    In(Uid),
}

impl Planner<'_> {
    pub fn candidates(&self) -> Candidates {
        let permits = Candidates::any(self.env.permits.all().map(|policy| self.permitted(policy)));
        if permits.is_none() {
            return permits;
        }
        let spared = self.env.forbids.all().map(|policy| self.spared(policy));
        Candidates::every(std::iter::once(permits).chain(spared))
    }

    /// The links that the permits' conditions follow.
    pub fn followed(&self) -> BTreeSet<Link> {
        let mut links = BTreeSet::new();
        for outline in self.env.permits.all().filter_map(|policy| Outline::of(policy, self.unknown)) {
            self.follow(&outline, true, &mut links);
        }
        links
    }

    fn follow(&self, outline: &Outline, holds: bool, links: &mut BTreeSet<Link>) {
        match outline {
            Outline::Known(_) | Outline::Is(_) | Outline::Opaque => {}
            Outline::And(left, right) | Outline::Or(left, right) => {
                self.follow(left, holds, links);
                self.follow(right, holds, links);
            }
            Outline::Not(inner) => self.follow(inner, !holds, links),
            Outline::If(test, then, or) => {
                self.follow(test, true, links);
                self.follow(test, false, links);
                self.follow(then, holds, links);
                self.follow(or, holds, links);
            }
            Outline::Relation(_, Operand::Path(path), Operand::Known(_))
            | Outline::Relation(_, Operand::Known(_), Operand::Path(path))
                if holds =>
            {
                links.extend(Chain::of(self.schema, self.type_name, path).into_iter().flat_map(|chain| chain.links));
            }
            Outline::Relation(..) => {}
        }
    }

    /// For whom a permit can hold.
    fn permitted(&self, policy: &Policy) -> Candidates {
        let (known, unknown) = self.scopes(policy);
        if !self.knows(&known) {
            return Candidates::none();
        }
        let scope = match unknown {
            Scope::Any => Candidates::All,
            Scope::Is(uid) => self.among([uid]),
            Scope::In(uid) => self.below(self.type_name, [uid]),
        };
        let condition = Outline::of(policy, self.unknown).map(|outline| self.where_it(&outline, true));
        Candidates::every([Some(scope), condition].into_iter().flatten())
    }

    /// For whom a forbid can fail to hold.
    fn spared(&self, policy: &Policy) -> Candidates {
        match self.scopes(policy) {
            (known, Scope::Any) if self.knows(&known) => match Outline::of(policy, self.unknown) {
                Some(outline) => self.where_it(&outline, false),
                None => Candidates::none(),
            },
            _ => Candidates::All,
        }
    }

    /// What a scope says of the known and of the unknown side. That types fit was settled when policies were indexed.
    fn scopes(&self, policy: &Policy) -> (Scope, Scope) {
        let principal = match policy.principal_constraint() {
            PrincipalConstraint::Any | PrincipalConstraint::Is(_) => Scope::Any,
            PrincipalConstraint::Eq(one) => Scope::Is(named(&one)),
            PrincipalConstraint::In(one) | PrincipalConstraint::IsIn(_, one) => Scope::In(named(&one)),
        };
        let resource = match policy.resource_constraint() {
            ResourceConstraint::Any | ResourceConstraint::Is(_) => Scope::Any,
            ResourceConstraint::Eq(one) => Scope::Is(named(&one)),
            ResourceConstraint::In(one) | ResourceConstraint::IsIn(_, one) => Scope::In(named(&one)),
        };
        match self.side {
            Side::Principal => (resource, principal),
            Side::Resource => (principal, resource),
        }
    }

    /// Whether the known side is within a scope.
    fn knows(&self, scope: &Scope) -> bool {
        let Some(known) = self.known else { return true };
        match scope {
            Scope::Any => true,
            Scope::Is(uid) => known.lineage.first() == Some(uid),
            Scope::In(uid) => known.lineage.contains(uid),
        }
    }

    /// For whom a condition can be true, or false.
    fn where_it(&self, outline: &Outline, holds: bool) -> Candidates {
        let both = |left: Candidates, right: Candidates| match holds {
            true => Candidates::every([left, right]),
            false => Candidates::any([left, right]),
        };
        match outline {
            Outline::Known(expression) => match self.value(expression) {
                Some(EvalResult::Bool(value)) if value != holds => Candidates::none(),
                _ => Candidates::All,
            },
            Outline::And(left, right) => both(self.where_it(left, holds), self.where_it(right, holds)),
            Outline::Or(left, right) => {
                let (left, right) = (self.where_it(left, holds), self.where_it(right, holds));
                match holds {
                    true => Candidates::any([left, right]),
                    false => Candidates::every([left, right]),
                }
            }
            Outline::Not(inner) => self.where_it(inner, !holds),
            Outline::If(test, then, or) => Candidates::any([
                Candidates::every([self.where_it(test, true), self.where_it(then, holds)]),
                Candidates::every([self.where_it(test, false), self.where_it(or, holds)]),
            ]),
            Outline::Is(type_name) if (type_name == self.type_name) != holds => Candidates::none(),
            Outline::Relation(relation, left, right) if holds => self.related(*relation, left, right),
            Outline::Is(_) | Outline::Relation(..) | Outline::Opaque => Candidates::All,
        }
    }

    fn related(&self, relation: Relation, left: &Operand, right: &Operand) -> Candidates {
        match (relation, left, right) {
            (Relation::Equal, Operand::Path(path), Operand::Known(value))
            | (Relation::Equal, Operand::Known(value), Operand::Path(path)) => match self.value(value) {
                Some(EvalResult::EntityUid(uid)) => self.leading(path, [named(&uid)], false),
                _ => Candidates::All,
            },
            (Relation::In, Operand::Path(path), Operand::Known(value)) => match self.entities(value) {
                Some(roots) if path.is_empty() => self.below(self.type_name, roots),
                Some(roots) => match Chain::of(self.schema, self.type_name, path) {
                    Some(chain) if !chain.set => {
                        let roots = self.below(&chain.type_name, roots);
                        self.along(chain, roots)
                    }
                    _ => Candidates::All,
                },
                None => Candidates::All,
            },
            (Relation::In, Operand::Known(value), Operand::Path(path)) => match self.value(value) {
                Some(EvalResult::EntityUid(uid)) => match self.lineage(&named(&uid)) {
                    Some(lineage) => self.leading(path, lineage, true),
                    None => Candidates::All,
                },
                _ => Candidates::All,
            },
            (Relation::Contains, Operand::Known(value), Operand::Path(path)) => match self.entities(value) {
                Some(members) => self.leading(path, members, false),
                None => Candidates::All,
            },
            (Relation::Contains, Operand::Path(path), Operand::Known(value)) => match self.value(value) {
                Some(EvalResult::EntityUid(uid)) => self.leading(path, [named(&uid)], true),
                _ => Candidates::All,
            },
            (Relation::ContainsAny, Operand::Path(path), Operand::Known(value))
            | (Relation::ContainsAny, Operand::Known(value), Operand::Path(path)) => match self.entities(value) {
                Some(members) => self.leading(path, members, true),
                None => Candidates::All,
            },
            (Relation::ContainsAll, Operand::Path(path), Operand::Known(value)) => match self.entities(value) {
                Some(members) => {
                    Candidates::every(members.into_iter().map(|member| self.leading(path, [member], true)))
                }
                None => Candidates::All,
            },
            _ => Candidates::All,
        }
    }

    /// Those whose path leads to one of these; `set`, when the path may end in a set that has one of them.
    fn leading(&self, path: &[SmolStr], to: impl IntoIterator<Item = Uid>, set: bool) -> Candidates {
        if path.is_empty() {
            return self.among(to);
        }
        match Chain::of(self.schema, self.type_name, path) {
            Some(chain) if set || !chain.set => {
                let ids = to.into_iter().filter(|uid| *uid.type_name() == chain.type_name).collect();
                self.along(chain, Candidates::Ids(ids))
            }
            _ => Candidates::All,
        }
    }

    fn along(&self, chain: Chain, to: Candidates) -> Candidates {
        if to.is_none() || to == Candidates::All {
            return to;
        }
        if !chain.links.iter().all(|link| self.links.contains(link)) {
            return Candidates::All;
        }
        let lead = |to, link| Candidates::Leading { link, to: Box::new(to) };
        chain.links.into_iter().rev().fold(to, lead)
    }

    fn among(&self, uids: impl IntoIterator<Item = Uid>) -> Candidates {
        Candidates::Ids(uids.into_iter().filter(|uid| uid.type_name() == self.type_name).collect())
    }

    /// The entities of a type that are one of `roots` or below.
    fn below(&self, type_name: &SmolStr, roots: impl IntoIterator<Item = Uid>) -> Candidates {
        let Some(ty) = self.schema.types.get(type_name) else {
            return Candidates::none();
        };
        let roots: BTreeSet<Uid> = roots
            .into_iter()
            .filter(|uid| uid.type_name() == type_name || ty.ancestors.contains(uid.type_name()))
            .collect();
        if ty.ancestors.is_empty() || roots.is_empty() {
            return Candidates::Ids(roots);
        }
        // What has no parents lies below nothing.
        let lies_below = |name: &&SmolStr| self.schema.types.get(*name).is_some_and(|ty| !ty.ancestors.is_empty());
        let through = ty.ancestors.iter().filter(lies_below).cloned().collect();
        Candidates::Below { type_name: type_name.clone(), roots, through }
    }

    fn value(&self, expression: &Expression) -> Option<EvalResult> {
        let known = self.known?;
        cedar_policy::eval_expression(&known.request, &known.entities, expression).ok()
    }

    fn entities(&self, expression: &Expression) -> Option<Vec<Uid>> {
        partial::entities(&self.value(expression)?)
    }

    /// An entity and all its ancestors.
    fn lineage(&self, uid: &Uid) -> Option<Vec<Uid>> {
        let mut slice = self.known?.slice.borrow_mut();
        slice.close(uid).ok()?;
        Some(slice.lineage(uid))
    }
}
