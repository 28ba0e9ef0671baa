//! Policies as the engine's JSON, taken apart and put together: a scope as a condition, and the same policy asked about
//! another question.
//!
//! Everything is built as data and read by the engine; no policy text is ever formatted here.

use serde_json::{Map, Value as Json, json};
use smol_str::SmolStr;

use crate::entity::Uid;

/// A policy without a scope, with one condition.
pub(super) fn policy(effect: &str, kind: &str, condition: &Json) -> Json {
    json!({
        "effect": effect,
        "principal": {"op": "All"}, "action": {"op": "All"}, "resource": {"op": "All"},
        "conditions": [{"kind": kind, "body": condition}],
    })
}

/// All that a policy asks for, scope and conditions, as one expression.
///
/// # Errors
/// A form that is not known.
pub(super) fn condition(policy: &Json) -> Result<Json, String> {
    let mut terms = Vec::new();
    for variable in ["principal", "action", "resource"] {
        terms.extend(scope(&json!({"Var": variable}), policy.get(variable).unwrap_or(&Json::Null))?);
    }
    for condition in policy.get("conditions").and_then(Json::as_array).into_iter().flatten() {
        let body = condition.get("body").ok_or("a condition without a body")?.clone();
        terms.push(match condition.get("kind").and_then(Json::as_str) {
            Some("when") => body,
            Some("unless") => json!({"!": {"arg": body}}),
            _ => return Err("a condition that is neither `when` nor `unless`".to_owned()),
        });
    }
    let all = terms.into_iter().reduce(|left, right| json!({"&&": {"left": left, "right": right}}));
    Ok(right_nested(&all.unwrap_or(json!({"Value": true}))))
}

/// The same expression with `(a && b) && c` written as `a && (b && c)`, and `||` alike: the same operands are evaluated
/// in the same order. The symbolic compiler's formulas repeat what stands on the left, so a chain that leans to the left
/// grows with every link: one of twenty took a hundred times as long.
pub(super) fn right_nested(json: &Json) -> Json {
    match json {
        Json::Object(map) if map.contains_key("Value") => json.clone(),
        Json::Object(map) => {
            for operator in ["&&", "||"] {
                if map.contains_key(operator) {
                    let mut operands = Vec::new();
                    operands_of(json, operator, &mut operands);
                    let nested = operands.into_iter().map(right_nested).rev().reduce(|right, left| {
                        let mut link = Map::new();
                        link.insert(operator.to_owned(), json!({"left": left, "right": right}));
                        Json::Object(link)
                    });
                    return nested.unwrap_or_else(|| json.clone());
                }
            }
            Json::Object(map.iter().map(|(key, part)| (key.clone(), right_nested(part))).collect())
        }
        Json::Array(items) => Json::Array(items.iter().map(right_nested).collect()),
        other => other.clone(),
    }
}

fn operands_of<'a>(json: &'a Json, operator: &str, found: &mut Vec<&'a Json>) {
    match json.get(operator).map(|link| (link.get("left"), link.get("right"))) {
        Some((Some(left), Some(right))) => {
            operands_of(left, operator, found);
            operands_of(right, operator, found);
        }
        _ => found.push(json),
    }
}

/// The entity itself: what a link fills a slot with comes wrapped.
fn bare(entity: &Json) -> &Json {
    entity.get("__entity").unwrap_or(entity)
}

/// One line of a scope as an expression about `subject`; nothing when it asks for nothing.
fn scope(subject: &Json, scope: &Json) -> Result<Option<Json>, String> {
    let literal = |entity: &Json| json!({"Value": {"__entity": bare(entity)}});
    let unknown = || format!("a scope that is not known: {scope}");
    Ok(Some(match scope.get("op").and_then(Json::as_str) {
        Some("All") => return Ok(None),
        Some("==") => {
            let entity = scope.get("entity").ok_or_else(unknown)?;
            json!({"==": {"left": subject, "right": literal(entity)}})
        }
        Some("in") => match (scope.get("entity"), scope.get("entities").and_then(Json::as_array)) {
            (Some(entity), _) => json!({"in": {"left": subject, "right": literal(entity)}}),
            (_, Some(entities)) => {
                let set: Vec<Json> = entities.iter().map(literal).collect();
                json!({"in": {"left": subject, "right": {"Set": set}}})
            }
            _ => return Err(unknown()),
        },
        Some("is") => {
            let name = scope.get("entity_type").ok_or_else(unknown)?;
            let mut is = json!({"left": subject, "entity_type": name});
            if let (Some(inside), Some(map)) = (scope.get("in"), is.as_object_mut()) {
                map.insert("in".to_owned(), literal(inside.get("entity").ok_or_else(unknown)?));
            }
            json!({ "is": is })
        }
        _ => return Err(unknown()),
    }))
}

/// The policy as it answers the same question without these keys in its context: `context has key` is false.
///
/// # Errors
/// A policy that uses the context as a whole: what it would be without a key cannot be told.
pub(super) fn without(policy: &Json, keys: &[SmolStr]) -> Result<Json, String> {
    if keys.is_empty() {
        return Ok(policy.clone());
    }
    let context = |value: &Json| value == &json!({"Var": "context"});
    let of_context = |part: Option<&Json>| part.and_then(|part| part.get("left")).is_some_and(context);
    replace(policy, &|map| {
        if of_context(map.get("has")) {
            let asked = map.get("has").and_then(|has| has.get("attr")).and_then(Json::as_str);
            let gone = asked.is_some_and(|asked| keys.iter().any(|key| key == asked));
            return Ok(Some(if gone { json!({"Value": false}) } else { Json::Object(map.clone()) }));
        }
        if of_context(map.get(".")) {
            return Ok(Some(Json::Object(map.clone())));
        }
        match map.values().any(|part| holds(part, &context)) {
            true => Err("it uses `context` as a whole".to_owned()),
            false => Ok(None),
        }
    })
}

/// Whether an operator's operands, or the elements of its list, include what is looked for.
fn holds(part: &Json, wanted: &dyn Fn(&Json) -> bool) -> bool {
    match part {
        Json::Object(operands) => wanted(part) || operands.values().any(wanted),
        Json::Array(items) => items.iter().any(wanted),
        _ => false,
    }
}

/// The policy as it answers the same question asked by `principal`; nothing when its scope is about other principals.
///
/// # Errors
/// A form that is not known.
pub(super) fn asked_by(policy: &Json, principal: &Uid) -> Result<Option<Json>, String> {
    let line = policy.get("principal").unwrap_or(&Json::Null);
    let named = |key: &str| line.get(key).and_then(Json::as_str);
    let uid = principal.to_json();
    match named("op") {
        Some("is") if named("entity_type") != Some(principal.type_name()) => return Ok(None),
        Some("==") if line.get("entity").map(bare) != Some(&uid) => return Ok(None),
        _ => {}
    }
    let literal = json!({"Value": {"__entity": uid}});
    let term = scope(&literal, line)?;
    let mut changed = replace(policy, &|map| {
        let asks = map.get("Var").and_then(Json::as_str) == Some("principal");
        Ok(asks.then(|| literal.clone()))
    })?;
    if let Some(map) = changed.as_object_mut() {
        map.insert("principal".to_owned(), json!({"op": "All"}));
        if let (Some(term), Some(Json::Array(conditions))) = (term, map.get_mut("conditions")) {
            conditions.insert(0, json!({"kind": "when", "body": term}));
        }
    }
    Ok(Some(changed))
}

type Change<'a> = &'a dyn Fn(&Map<String, Json>) -> Result<Option<Json>, String>;

/// A copy in which `change` has replaced expressions, from the outside in. Literals are left alone.
fn replace(json: &Json, change: Change) -> Result<Json, String> {
    Ok(match json {
        Json::Object(map) if map.contains_key("Value") => json.clone(),
        Json::Object(map) => match change(map)? {
            Some(other) => other,
            None => {
                let parts = map.iter().map(|(key, part)| Ok((key.clone(), replace(part, change)?)));
                Json::Object(parts.collect::<Result<_, String>>()?)
            }
        },
        Json::Array(items) => {
            Json::Array(items.iter().map(|item| replace(item, change)).collect::<Result<_, String>>()?)
        }
        other => other.clone(),
    })
}

#[cfg(test)]
mod tests {
    use std::str::FromStr;

    use cedar_policy::{Policy, PolicyId};

    use super::*;

    fn read(text: &str) -> Json {
        Policy::from_str(text).unwrap().to_json().unwrap()
    }

    fn text(json: Json) -> String {
        let policy = Policy::from_json(Some(PolicyId::new("p")), json).unwrap();
        policy.to_cedar().unwrap().split_whitespace().collect::<Vec<_>>().join(" ")
    }

    #[test]
    fn a_scope_becomes_part_of_the_condition() {
        let json = read(
            "permit(principal is A in A::\"x\", action in [Action::\"a\", Action::\"b\"], resource == R::\"r\") when { principal.x } unless { resource.y };",
        );
        assert_eq!(
            text(policy("forbid", "unless", &condition(&json).unwrap())),
            "forbid( principal, action, resource ) when { !((principal is A) && (principal in A::\"x\") && ((action in \
             [Action::\"a\", Action::\"b\"]) && ((resource == R::\"r\") && (principal.x && (!resource.y))))) };"
        );
    }

    #[test]
    fn what_a_link_filled_in_is_an_entity_like_any_other() {
        let mut set =
            cedar_policy::PolicySet::from_str("permit(principal == ?principal, action, resource in ?resource);")
                .unwrap();
        let uid = |text: &str| cedar_policy::EntityUid::from_str(text).unwrap();
        let slots =
            [(cedar_policy::SlotId::principal(), uid("N::\"n\"")), (cedar_policy::SlotId::resource(), uid("R::\"r\""))];
        set.link(PolicyId::new("policy0"), PolicyId::new("link"), slots.into()).unwrap();
        let json = set.policy(&PolicyId::new("link")).unwrap().to_json().unwrap();
        let one = text(policy("permit", "when", &condition(&json).unwrap()));
        assert!(one.contains("(principal == N::\"n\") && (resource in R::\"r\")"), "{one}");
        assert!(asked_by(&json, &Uid::new("N", "n")).unwrap().is_some());
        assert!(asked_by(&json, &Uid::new("N", "m")).unwrap().is_none());
    }

    #[test]
    fn without_a_key_of_the_context_it_is_never_there() {
        let json = read(
            "forbid(principal, action, resource) when { context has token && context.token.x && context has now };",
        );
        let changed = text(without(&json, &["token".into()]).unwrap());
        assert!(changed.contains("false && context.token.x"), "{changed}");
        assert!(changed.contains("context has now"), "{changed}");
    }

    #[test]
    fn a_context_used_as_a_whole_cannot_be_thought_without_a_key() {
        for condition in ["context == {}", "[context].contains(context)", "principal.seen.contains(context)"] {
            let json = read(&format!("permit(principal, action, resource) when {{ {condition} }};"));
            assert!(without(&json, &["token".into()]).is_err(), "{condition}");
        }
    }

    #[test]
    fn another_principal_stands_for_the_first_in_scope_and_conditions() {
        let nobody = Uid::new("N", "n");
        let json = read("permit(principal, action, resource) when { principal in resource.owner };");
        assert!(text(asked_by(&json, &nobody).unwrap().unwrap()).contains("N::\"n\" in resource.owner"));
        let scoped = read("permit(principal in N::\"all\", action, resource);");
        assert!(text(asked_by(&scoped, &nobody).unwrap().unwrap()).contains("when { N::\"n\" in N::\"all\" }"));
        for other in ["principal is U", "principal == N::\"m\""] {
            let json = read(&format!("permit({other}, action, resource);"));
            assert_eq!(asked_by(&json, &nobody).unwrap(), None, "{other}");
        }
    }
}
