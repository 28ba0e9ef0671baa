//! A remedy that is told works: the facts changed as it says, the answer is an allow.

use std::collections::BTreeSet;

use hubwarden::entity::{Entity, Uid, Value};
use hubwarden::pdp::{Edit, Remedy};

use crate::support::cast::CAST;
use crate::support::dsl::uid;
use crate::support::full;
use crate::support::world::{CELLS, Caller, HUB, World};

/// The world and the caller with the changes made.
fn applied(remedy: &Remedy, caller: &Caller) -> (World, Caller) {
    let mut entities = CAST.entities.clone();
    let mut caller = caller.clone();
    for edit in &remedy.edits {
        match edit {
            Edit::SetContext { key, value } => {
                assert_eq!((key.as_str(), value), ("mfa", &Value::from(true)));
                caller = caller.mfa(true);
            }
            Edit::RemoveContext { key } => {
                assert_eq!(key, "token");
                let token = CAST.entities.get(&caller.principal).unwrap();
                let owner = token.attrs["owner"].as_entity().unwrap();
                caller = Caller { mfa: caller.mfa, ..Caller::new(owner.clone()) };
            }
            edit => {
                let uid = edit.entity().unwrap().clone();
                let entity = entities.entry(uid.clone()).or_insert_with(|| Entity::bare(uid));
                change(entity, edit);
            }
        }
    }
    let mut world = World::default();
    world.add(entities.into_values().collect());
    (world, caller)
}

fn change(entity: &mut Entity, edit: &Edit) {
    let set = |value: Option<&mut Value>, member: &Value, there: bool| match value {
        Some(Value::Set(members)) if there => drop(members.insert(member.clone())),
        Some(Value::Set(members)) => drop(members.remove(member)),
        _ => panic!("{edit} is of no set"),
    };
    match edit {
        Edit::AddParent { parent, .. } => drop(entity.parents.insert(parent.clone())),
        Edit::RemoveParent { parent, .. } => assert!(entity.parents.remove(parent)),
        Edit::SetAttribute { attribute, value, .. } => drop(entity.attrs.insert(attribute.clone(), value.clone())),
        Edit::RemoveAttribute { attribute, .. } => drop(entity.attrs.remove(attribute).unwrap()),
        Edit::AddMember { attribute, member, .. } => set(entity.attrs.get_mut(attribute), member, true),
        Edit::RemoveMember { attribute, member, .. } => set(entity.attrs.get_mut(attribute), member, false),
        Edit::AddToTag { tag, field, member, .. } => {
            let empty = ["users", "organizations", "repos"].map(|name| (name.into(), Value::Set(BTreeSet::new())));
            let value = entity.tags.entry(tag.clone()).or_insert_with(|| Value::Record(empty.into_iter().collect()));
            let Value::Record(fields) = value else { panic!("{tag} is no record") };
            set(fields.get_mut(field), member, true);
        }
        Edit::SetContext { .. } | Edit::RemoveContext { .. } => unreachable!(),
    }
}

#[test]
fn every_remedy_that_is_told_turns_the_answer() {
    let callers = ["eve", "rita", "nora", "pete"].map(Caller::user).into_iter().chain(
        ["wanda-content", "wanda-read", "rita-write", "ann-bare", "wanda-revoked", "wanda-write"].map(Caller::token),
    );
    let resources: Vec<(String, Uid)> = CELLS
        .iter()
        .flat_map(|(action, ty)| CAST.of(ty).into_iter().map(move |resource| (action.clone(), resource)))
        .filter(|(_, resource)| resource.type_name() != "Hub::User" || resource.id() == "bob")
        .collect();
    let (mut denied, mut told) = (0, 0);
    for (index, caller) in callers.enumerate() {
        for (action, resource) in resources.iter().skip(index).step_by(if full() { 1 } else { 41 }) {
            if CAST.ask(&caller, action, resource).allowed() {
                continue;
            }
            denied += 1;
            let remedies = HUB.remedies(&caller.question(action, resource), &*CAST).unwrap();
            told += usize::from(!remedies.is_empty());
            for remedy in &remedies {
                let (world, caller) = applied(remedy, &caller);
                assert!(world.ask(&caller, action, resource).allowed(), "{caller:?} {action} {resource}: {remedy:?}");
            }
        }
    }
    assert!(denied > 40 && told * 2 > denied, "{told} of {denied} refusals had a remedy");
}

#[test]
fn a_dead_token_has_no_remedy() {
    for token in ["no-such-token", "wanda-deleted"] {
        let question = Caller::token(token).question("repo.read", &uid("Repo", "models/acme/priv"));
        assert!(HUB.remedies(&question, &*CAST).unwrap().is_empty());
    }
}
