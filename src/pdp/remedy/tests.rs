//! Remedies over a small world: files in folders, a lock, a pass that lists what it is for.

use std::collections::HashMap;
use std::sync::Arc;

use serde_json::json;

use super::*;
use crate::entity::Record;
use crate::pdp::{BundleSource, SourceFile};

const SCHEMA: &str = r#"
entity Team;
entity User in [Team];
entity Folder = { editors: Team };
entity File in [Folder] = { folder: Folder, locked: Bool, gate?: Bool };
entity Pass = { files: Set<File>, open: Bool } tags { folders: Set<Folder> };
action "edit", "see" appliesTo { principal: [User], resource: [File], context: { pass?: Pass, signed?: Bool } };
"#;

const POLICIES: &str = r#"
@id("a/editors") permit (principal, action == Action::"edit", resource is File)
when { principal in resource.folder.editors };
@id("a/lock") forbid (principal, action, resource is File) when { resource.locked };
@id("a/pass") forbid (principal, action, resource is File)
when { context has pass && !context.pass.open }
unless { context.pass.files.contains(resource) }
unless { context.pass.hasTag("edit") && resource in context.pass.getTag("edit").folders };
@id("a/signed") forbid (principal, action, resource is File) when { resource has gate }
unless { context has signed && context.signed };
"#;

struct Stored(HashMap<Uid, Fact>);

impl Facts for Stored {
    fn fact(&self, uid: &Uid) -> Result<Fact, FactsError> {
        Ok(self.0.get(uid).cloned().unwrap_or(Fact::Absent))
    }
}

fn bundle() -> Bundle {
    Bundle::build(BundleSource {
        schema: SourceFile::new("s.cedarschema", SCHEMA),
        policies: vec![SourceFile::new("a.cedar", POLICIES)],
        links: None,
        reasons: None,
        gateway: None,
    })
    .unwrap()
}

/// ann edits folder `a`, bob nothing; `plain`, `locked` and `gated` lie in it.
fn stored(bundle: &Bundle) -> Stored {
    let of = |ty: &str, id: &str| json!({"type": ty, "id": id});
    let file = |id: &str, locked: bool, gate: Option<bool>| {
        let mut attrs = json!({"folder": of("Folder", "a"), "locked": locked});
        if let Some(gate) = gate {
            attrs["gate"] = gate.into();
        }
        json!({"uid": of("File", id), "attrs": attrs, "parents": [of("Folder", "a")]})
    };
    let entities = [
        json!({"uid": of("User", "ann"), "attrs": {}, "parents": [of("Team", "editors")]}),
        json!({"uid": of("User", "bob"), "attrs": {}, "parents": []}),
        json!({"uid": of("Folder", "a"), "attrs": {"editors": of("Team", "editors")}, "parents": []}),
        json!({"uid": of("Pass", "p"), "attrs": {"files": [], "open": false}, "parents": []}),
        file("plain", false, None),
        file("locked", true, None),
        file("gated", false, Some(true)),
    ];
    let prepared = entities.iter().map(|json| {
        let entity = bundle.admission().entity(json).unwrap();
        (entity.uid.clone(), Fact::Present(Arc::new(Prepared::new(entity).unwrap())))
    });
    Stored(prepared.collect())
}

/// The remedies, as people read them.
fn remedies(user: &str, action: &str, file: &str, context: &[(&str, Value)]) -> Vec<String> {
    let bundle = bundle();
    let question = Question {
        principal: Uid::new("User", user),
        action: Uid::new("Action", action),
        resource: Uid::new("File", file),
        context: context.iter().map(|(key, value)| (SmolStr::from(*key), value.clone())).collect::<Record>(),
        now: "2026-01-01T00:00:00Z".into(),
    };
    let found = bundle.remedies(&question, &stored(&bundle)).unwrap();
    let said = |remedy: &Remedy| remedy.edits.iter().map(ToString::to_string).collect::<Vec<_>>().join(" and ");
    found.iter().map(said).collect()
}

fn pass() -> (&'static str, Value) {
    ("pass", Uid::new("Pass", "p").into())
}

#[test]
fn an_allow_needs_none() {
    assert_eq!(remedies("ann", "edit", "plain", &[]), Vec::<String>::new());
}

#[test]
fn who_is_in_no_role_is_put_into_one() {
    assert_eq!(remedies("bob", "edit", "plain", &[])[0], "put User::\"bob\" into Team::\"editors\"");
}

#[test]
fn a_switch_is_turned() {
    assert_eq!(remedies("ann", "edit", "locked", &[]), ["set `locked` of File::\"locked\" to false"]);
}

#[test]
fn what_needs_two_changes_gets_two() {
    assert_eq!(
        remedies("bob", "edit", "locked", &[])[0],
        "put User::\"bob\" into Team::\"editors\" and set `locked` of File::\"locked\" to false"
    );
}

#[test]
fn a_set_or_a_tag_gets_a_member_and_the_smallest_change_comes_first() {
    let found = remedies("ann", "edit", "plain", &[pass()]);
    assert_eq!(
        found,
        [
            "add Folder::\"a\" to `folders` of the tag `edit` of Pass::\"p\"",
            "add File::\"plain\" to `files` of Pass::\"p\"",
            "set `open` of Pass::\"p\" to true",
            "ask without `pass` in the context",
        ]
    );
}

#[test]
fn what_the_request_can_say_is_proposed() {
    let found = remedies("ann", "edit", "gated", &[]);
    assert_eq!(found, ["ask with `signed` = true in the context", "remove `gate` of File::\"gated\""]);
}

#[test]
fn what_no_policy_allows_has_no_remedy() {
    assert_eq!(remedies("ann", "see", "plain", &[]), Vec::<String>::new());
}

#[test]
fn a_change_is_data_too() {
    let edit = Edit::AddParent { entity: Uid::new("User", "bob"), parent: Uid::new("Team", "editors") };
    let expected = json!({
        "change": "add_parent", "entity": {"type": "User", "id": "bob"}, "parent": {"type": "Team", "id": "editors"},
    });
    assert_eq!(edit.to_json(), expected);
}
