//! Reading a policy, in the engine's JSON form, as code for one request environment.

use std::collections::BTreeSet;

use serde_json::Value as Json;
use smol_str::SmolStr;

use super::{CONTEXT, Code, PRINCIPAL, Place, Places, RESOURCE, Step};
use crate::entity::{Uid, Value, uid_from_json};

/// One request environment, and the places that its policies have read so far.
pub(in crate::pdp) struct Reading<'a> {
    pub principal: &'a str,
    pub action: &'a Uid,
    /// The groups that the action is in, without itself.
    pub groups: &'a BTreeSet<Uid>,
    pub resource: &'a str,
    pub places: &'a mut Places,
}

impl Reading<'_> {
    /// A policy's scope and conditions; nothing when it has something that only the engine evaluates. A policy whose
    /// action does not match is none of this environment's, and must not be asked for.
    pub fn policy(&mut self, policy: &Json) -> Option<Code> {
        let mut all = vec![
            self.scope(policy.get("principal")?, PRINCIPAL, self.principal)?,
            self.scope(policy.get("resource")?, RESOURCE, self.resource)?,
        ];
        for condition in policy.get("conditions").and_then(Json::as_array).into_iter().flatten() {
            let body = self.expression(condition.get("body")?)?;
            all.push(match condition.get("kind")?.as_str()? {
                "when" => body,
                "unless" => not(body),
                _ => return None,
            });
        }
        Some(all_of(all))
    }

    fn scope(&self, scope: &Json, place: Place, ty: &str) -> Option<Code> {
        let within = |entity: &Json| {
            let uid = uid_from_json(entity, "").ok()?;
            Some(Code::In(place, Box::new(Code::Constant(uid.into()))))
        };
        match scope.get("op")?.as_str()? {
            "All" => Some(Code::Bool(true)),
            "==" => {
                let uid = uid_from_json(scope.get("entity")?, "").ok()?;
                Some(Code::Equal(Box::new([Code::At(place), Code::Constant(uid.into())])))
            }
            "in" => within(scope.get("entity")?),
            "is" => {
                let fits = Code::Bool(scope.get("entity_type")?.as_str()? == ty);
                match scope.get("in") {
                    Some(inside) => Some(all_of(vec![fits, within(inside.get("entity")?)?])),
                    None => Some(fits),
                }
            }
            _ => None,
        }
    }

    fn expression(&mut self, json: &Json) -> Option<Code> {
        let (operator, operands) = json.as_object()?.iter().next()?;
        let operand = |key: &str| operands.get(key);
        match operator.as_str() {
            "Value" => constant(operands),
            "Var" => match operands.as_str()? {
                "principal" => Some(Code::At(PRINCIPAL)),
                "resource" => Some(Code::At(RESOURCE)),
                "context" => Some(Code::At(CONTEXT)),
                "action" => Some(Code::Constant(self.action.clone().into())),
                _ => None,
            },
            "." => {
                let step = Step::Attribute(operand("attr")?.as_str()?.into());
                self.step(operand("left")?, step).map(Code::At)
            }
            "getTag" => {
                let step = self.tag(operand("right")?)?;
                self.step(operand("left")?, step).map(Code::At)
            }
            "has" => self.has(operand("left")?, operand("attr")?),
            "hasTag" => {
                let step = self.tag(operand("right")?)?;
                self.step(operand("left")?, step).map(Code::Has)
            }
            "in" => self.within(operand("left")?, operand("right")?),
            "is" => {
                let Code::At(place) = self.expression(operand("left")?)? else { return None };
                let ty: SmolStr = operand("entity_type")?.as_str()?.into();
                let is = match place {
                    PRINCIPAL => Code::Bool(ty == self.principal),
                    RESOURCE => Code::Bool(ty == self.resource),
                    place => Code::Is(place, ty),
                };
                match operand("in") {
                    Some(right) => Some(all_of(vec![is, self.within(operand("left")?, right)?])),
                    None => Some(is),
                }
            }
            "!" => self.expression(operand("arg")?).map(not),
            "isEmpty" => Some(Code::IsEmpty(Box::new(self.expression(operand("arg")?)?))),
            "Set" => {
                let members = operands.as_array()?.iter().map(|member| self.expression(member));
                Some(set_of(members.collect::<Option<_>>()?))
            }
            "if-then-else" => {
                let parts = [operand("if")?, operand("then")?, operand("else")?];
                let [test, then, otherwise] = parts.map(|part| self.expression(part));
                Some(match test? {
                    Code::Bool(true) => then?,
                    Code::Bool(false) => otherwise?,
                    test => Code::If(Box::new([test, then?, otherwise?])),
                })
            }
            _ => {
                let [left, right] = [operand("left")?, operand("right")?].map(|part| self.expression(part));
                binary(operator, left?, right?)
            }
        }
    }

    /// The place that a step from an expression's own place leads to.
    fn step(&mut self, from: &Json, step: Step) -> Option<Place> {
        match self.expression(from)? {
            Code::At(place) => Some(self.places.step(place, step)),
            _ => None,
        }
    }

    fn tag(&mut self, key: &Json) -> Option<Step> {
        match self.expression(key)? {
            Code::Constant(Value::String(key)) => Some(Step::Tag(key)),
            _ => None,
        }
    }

    fn has(&mut self, left: &Json, attribute: &Json) -> Option<Code> {
        let Code::At(mut place) = self.expression(left)? else { return None };
        let names = match attribute {
            Json::Array(path) => path.iter().map(Json::as_str).collect::<Option<Vec<_>>>()?,
            name => vec![name.as_str()?],
        };
        let has = names.into_iter().map(|name| {
            place = self.places.step(place, Step::Attribute(name.into()));
            Code::Has(place)
        });
        Some(all_of(has.collect()))
    }

    fn within(&mut self, left: &Json, right: &Json) -> Option<Code> {
        match (self.expression(left)?, self.expression(right)?) {
            (Code::At(place), right) => Some(Code::In(place, Box::new(right))),
            // Of the constants, only the action's groups are known here.
            (Code::Constant(Value::Entity(uid)), Code::Constant(right)) if uid == *self.action => {
                let is = |group: &Uid| group == self.action || self.groups.contains(group);
                match right {
                    Value::Entity(group) => Some(Code::Bool(is(&group))),
                    Value::Set(groups) => {
                        let groups: Option<Vec<_>> = groups.iter().map(Value::as_entity).collect();
                        Some(Code::Bool(groups?.into_iter().any(is)))
                    }
                    _ => None,
                }
            }
            _ => None,
        }
    }
}

fn constant(json: &Json) -> Option<Code> {
    Some(match json {
        Json::Bool(value) => Code::Bool(*value),
        Json::Number(value) => Code::Constant(value.as_i64()?.into()),
        Json::String(value) => Code::Constant(value.as_str().into()),
        value if value.get("__entity").is_some() => Code::Constant(uid_from_json(value, "").ok()?.into()),
        _ => return None,
    })
}

fn binary(operator: &str, left: Code, right: Code) -> Option<Code> {
    let pair = |left, right| Box::new([left, right]);
    Some(match operator {
        "&&" => all_of(vec![left, right]),
        "||" => any_of(vec![left, right]),
        "==" => equal(left, right),
        "!=" => not(equal(left, right)),
        "<" => Code::Less(pair(left, right)),
        "<=" => Code::LessOrEqual(pair(left, right)),
        ">" => Code::Less(pair(right, left)),
        ">=" => Code::LessOrEqual(pair(right, left)),
        "contains" => Code::Contains(pair(left, right)),
        "containsAll" => Code::ContainsAll(pair(left, right)),
        "containsAny" => Code::ContainsAny(pair(left, right)),
        _ => return None,
    })
}

fn equal(left: Code, right: Code) -> Code {
    match (left, right) {
        (Code::Constant(left), Code::Constant(right)) => Code::Bool(left == right),
        (Code::Bool(left), Code::Bool(right)) => Code::Bool(left == right),
        (left, right) => Code::Equal(Box::new([left, right])),
    }
}

fn not(code: Code) -> Code {
    match code {
        Code::Bool(value) => Code::Bool(!value),
        Code::Not(code) => *code,
        code => Code::Not(Box::new(code)),
    }
}

fn set_of(members: Vec<Code>) -> Code {
    let constants = members.iter().map(|member| match member {
        Code::Bool(value) => Some(Value::Bool(*value)),
        Code::Constant(value) => Some(value.clone()),
        _ => None,
    });
    match constants.collect() {
        Some(constants) => Code::Constant(Value::Set(constants)),
        None => Code::Set(members),
    }
}

/// Operands behind one that is false are dropped, as they are never evaluated; those before it stay, as they can fail.
fn all_of(parts: Vec<Code>) -> Code {
    let mut all = Vec::new();
    for part in flat(parts, |code| match code {
        Code::All(parts) => Ok(parts),
        code => Err(code),
    }) {
        match part {
            Code::Bool(true) => {}
            Code::Bool(false) => {
                all.push(part);
                break;
            }
            part => all.push(part),
        }
    }
    one_or(all, Code::Bool(true), Code::All)
}

fn any_of(parts: Vec<Code>) -> Code {
    let mut any = Vec::new();
    for part in flat(parts, |code| match code {
        Code::Any(parts) => Ok(parts),
        code => Err(code),
    }) {
        match part {
            Code::Bool(false) => {}
            Code::Bool(true) => {
                any.push(part);
                break;
            }
            part => any.push(part),
        }
    }
    one_or(any, Code::Bool(false), Code::Any)
}

fn flat(parts: Vec<Code>, inside: impl Fn(Code) -> Result<Vec<Code>, Code>) -> Vec<Code> {
    let flatten = |part| inside(part).unwrap_or_else(|part| vec![part]);
    parts.into_iter().flat_map(flatten).collect()
}

fn one_or(mut parts: Vec<Code>, none: Code, many: fn(Vec<Code>) -> Code) -> Code {
    match parts.len() {
        0 => none,
        1 => parts.pop().unwrap_or(none),
        _ => many(parts),
    }
}
