//! What a bundle refuses, and what a small one answers.

use std::collections::HashMap;
use std::sync::Arc;

use serde_json::json;

use super::*;
use crate::entity::{Record, Uid};

const SCHEMA: &str = r#"
  @absent("gone") entity Doc in [Folder] = { owner: User, open: Bool, notes?: String };
  entity Folder in [Folder];
  @deleted("dead") entity User in [Team] = { boss?: User, level?: Long };
  entity Team;
  @absent("dead") @actsFor("owner") @contextKey("pass") entity Pass = { owner: User, reads: Bool };
  type Ctx = { now: datetime, pass?: Pass, device?: String };
  @visibleBy("read") action read appliesTo { principal: [User], resource: [Doc], context: Ctx };
  @reason("level") @message("{resource} needs {@needs}, {principal}") @needs("the boss") @visibleBy("read")
  action write appliesTo { principal: [User], resource: [Doc], context: Ctx };
"#;

const POLICIES: &str = r#"
  @id("docs/owner") permit (principal, action, resource) when { resource.owner == principal };
  @id("docs/boss") permit (principal, action, resource)
    when { resource.owner has boss && resource.owner.boss == principal };
  @id("docs/open") permit (principal, action == Action::"read", resource) when { resource.open };
  @id("docs/team") permit (principal in Team::"staff", action == Action::"read", resource in Folder::"staff");
  @id("pass/read-only") @reason("pass") @message("this pass only reads") forbid (principal, action == Action::"write", resource)
    when { context has pass && context.pass.reads };
  @id("level/overflow") forbid (principal, action == Action::"write", resource)
    when { principal has level && principal.level * 9223372036854775807 < 0 };
"#;

const REASONS: &str = r#"[{"code":"dead","status":401},{"code":"gone","status":404},{"code":"pass","status":403},
  {"code":"level","status":403}]"#;

fn source(schema: &str, policies: &str) -> BundleSource {
    BundleSource {
        schema: SourceFile::new("schema/test.cedarschema", schema),
        policies: vec![SourceFile::new("policies/test.cedar", policies)],
        links: None,
        reasons: Some(SourceFile::new("policies/reasons.json", REASONS)),
        gateway: None,
    }
}

fn bundle() -> Bundle {
    Bundle::build(source(SCHEMA, POLICIES)).unwrap()
}

fn faults(schema: &str, policies: &str) -> String {
    Bundle::build(source(schema, policies)).unwrap_err().to_string()
}

/// Facts in memory; `None` is a deleted entity.
#[derive(Default)]
struct World(HashMap<Uid, Option<Arc<Prepared>>>);

impl World {
    fn new(bundle: &Bundle, entities: serde_json::Value) -> Self {
        let admit = |json| bundle.admission().entity(json).unwrap();
        let prepared = entities
            .as_array()
            .unwrap()
            .iter()
            .map(admit)
            .map(|entity| (entity.uid.clone(), Some(Arc::new(Prepared::new(entity).unwrap()))));
        Self(prepared.collect())
    }
}

impl Facts for World {
    fn fact(&self, uid: &Uid) -> Result<Fact, FactsError> {
        Ok(match self.0.get(uid) {
            Some(Some(prepared)) => Fact::Present(Arc::clone(prepared)),
            Some(None) => Fact::Deleted,
            None => Fact::Absent,
        })
    }
}

fn world(bundle: &Bundle) -> World {
    World::new(
        bundle,
        json!([
            {"uid": {"type": "User", "id": "ann"}, "attrs": {"boss": {"type": "User", "id": "bea"}}},
            {"uid": {"type": "User", "id": "bea"}},
            {"uid": {"type": "User", "id": "cat"}, "parents": [{"type": "Team", "id": "staff"}]},
            {"uid": {"type": "User", "id": "odd"}, "attrs": {"level": 3}},
            {"uid": {"type": "Folder", "id": "plans"}, "parents": [{"type": "Folder", "id": "staff"}]},
            {"uid": {"type": "Doc", "id": "plan"}, "attrs": {"owner": {"type": "User", "id": "ann"}, "open": false},
             "parents": [{"type": "Folder", "id": "plans"}]},
            {"uid": {"type": "Doc", "id": "news"}, "attrs": {"owner": {"type": "User", "id": "ann"}, "open": true}},
            {"uid": {"type": "Doc", "id": "orphan"}, "attrs": {"owner": {"type": "User", "id": "nobody"}, "open": false}},
            {"uid": {"type": "Pass", "id": "ann-reads"}, "attrs": {"owner": {"type": "User", "id": "ann"}, "reads": true}},
        ]),
    )
}

fn question(principal: Uid, action: &str, resource: Uid) -> Question {
    Question {
        principal,
        action: Uid::new("Action", action),
        resource,
        context: Record::new(),
        now: "2026-01-01T00:00:00.000Z".into(),
    }
}

fn ask(principal: &str, action: &str, doc: &str) -> Answer {
    let bundle = bundle();
    let principal = Uid::parse(principal).unwrap_or_else(|_| Uid::new("User", principal));
    bundle.decide(&question(principal, action, Uid::new("Doc", doc)), &world(&bundle)).unwrap()
}

fn code(answer: &Answer) -> &str {
    answer.reason.as_ref().map_or("allow", |reason| reason.code.as_str())
}

#[test]
fn the_owner_and_the_owners_boss_may_write() {
    assert_eq!(ask("ann", "write", "plan").determining, ["docs/owner"]);
    assert_eq!(ask("bea", "write", "plan").determining, ["docs/boss"]);
}

#[test]
fn a_scope_with_in_matches_through_ancestors_on_both_sides() {
    assert_eq!(ask("cat", "read", "plan").determining, ["docs/team"]);
    assert_eq!(code(&ask("cat", "read", "news")), "allow");
}

#[test]
fn who_cannot_see_a_document_is_told_what_a_missing_one_is_told() {
    let hidden = ask("bob", "write", "plan");
    let missing = ask("bob", "write", "no-such");
    assert!(hidden.hidden && missing.hidden);
    assert_eq!(hidden, missing);
    assert_eq!(code(&hidden), "gone");
}

#[test]
fn who_can_see_but_not_write_is_told_what_it_takes() {
    let answer = ask("cat", "write", "news");
    let reason = answer.reason.unwrap();
    assert_eq!((reason.code.as_str(), reason.message.as_str()), ("level", "news needs the boss, cat"));
}

#[test]
fn a_credential_acts_for_its_owner_and_is_stopped_by_what_forbids_it() {
    assert_eq!(code(&ask("Pass::\"ann-reads\"", "read", "plan")), "allow");
    let answer = ask("Pass::\"ann-reads\"", "write", "plan");
    assert_eq!((code(&answer), answer.determining.as_slice()), ("pass", ["pass/read-only".into()].as_slice()));
}

#[test]
fn a_credential_that_is_not_stored_is_dead_even_where_everyone_may() {
    let answer = ask("Pass::\"stolen\"", "read", "news");
    assert_eq!((code(&answer), answer.reason.as_ref().unwrap().status), ("dead", 401));
}

#[test]
fn a_deleted_user_may_do_nothing_and_an_unknown_one_what_everyone_may() {
    let bundle = bundle();
    let mut world = world(&bundle);
    world.0.insert(Uid::new("User", "ann"), None);
    let answer = bundle.decide(&question(Uid::new("User", "ann"), "write", Uid::new("Doc", "plan")), &world).unwrap();
    assert_eq!(code(&answer), "dead");
    assert_eq!(code(&ask("unknown", "read", "news")), "allow");
}

#[test]
fn a_forbid_that_fails_to_evaluate_denies_although_the_engine_would_allow() {
    let bundle = bundle();
    let mut world = world(&bundle);
    let odd = world.0.get(&Uid::new("User", "odd")).cloned().unwrap();
    world.0.insert(Uid::new("User", "ann"), odd);
    let doc = json!([{"uid": {"type": "Doc", "id": "mine"}, "attrs": {"owner": {"type": "User", "id": "odd"}, "open": true}}]);
    world.0.extend(World::new(&bundle, doc).0);
    let answer = bundle.decide(&question(Uid::new("User", "odd"), "write", Uid::new("Doc", "mine")), &world).unwrap();
    assert_eq!(answer.decision, Decision::Deny);
    assert_eq!(
        (answer.errors.len(), answer.errors[0].policy.as_str(), answer.errors[0].dangling),
        (1, "level/overflow", false)
    );
    assert_eq!(code(&answer), "evaluation_error");
}

#[test]
fn a_dangling_reference_is_a_clean_deny() {
    let answer = ask("bea", "write", "orphan");
    assert_eq!(answer.decision, Decision::Deny);
    assert!(answer.errors.is_empty(), "`has` on what is not stored is false: {:?}", answer.errors);
}

#[test]
fn facts_that_cannot_be_had_are_an_error_and_never_a_decision() {
    struct Broken;
    impl Facts for Broken {
        fn fact(&self, _: &Uid) -> Result<Fact, FactsError> {
            Err(FactsError("disk".into()))
        }
    }
    let asked = question(Uid::new("User", "ann"), "read", Uid::new("Doc", "plan"));
    assert!(matches!(bundle().decide(&asked, &Broken), Err(DecideError::Facts(_))));
}

#[test]
fn a_question_that_the_schema_does_not_know_is_an_error() {
    let bundle = bundle();
    let world = world(&bundle);
    let unknown = question(Uid::new("User", "ann"), "fly", Uid::new("Doc", "plan"));
    assert!(matches!(bundle.decide(&unknown, &world), Err(DecideError::UnknownAction(_))));
    let wrong = question(Uid::new("Team", "staff"), "read", Uid::new("Doc", "plan"));
    assert!(matches!(bundle.decide(&wrong, &world), Err(DecideError::NotApplicable { .. })));
}

#[test]
fn an_id_that_an_enumerated_type_does_not_list_is_an_error() {
    let schema =
        format!("entity Nobody enum [\"nobody\"]; {SCHEMA}").replace("principal: [User]", "principal: [User, Nobody]");
    let policies =
        "@id(\"docs/open\") permit (principal, action == Action::\"read\", resource) when { resource.open };";
    let bundle = Bundle::build(source(&schema, policies)).unwrap();
    let world = world(&bundle);
    let ask = |id: &str| bundle.decide(&question(Uid::new("Nobody", id), "read", Uid::new("Doc", "news")), &world);
    assert!(ask("nobody").unwrap().allowed());
    assert!(matches!(ask("somebody"), Err(DecideError::NotEnumerated(_))));
}

#[test]
fn a_cycle_of_parents_ends() {
    let bundle = bundle();
    let mut world = world(&bundle);
    let cycle = json!([
        {"uid": {"type": "Folder", "id": "staff"}, "parents": [{"type": "Folder", "id": "plans"}]},
    ]);
    world.0.extend(World::new(&bundle, cycle).0);
    let asked = question(Uid::new("User", "cat"), "read", Uid::new("Doc", "plan"));
    assert!(bundle.decide(&asked, &world).unwrap().allowed());
}

#[test]
fn a_policy_that_does_not_parse_is_refused_with_its_line() {
    let text = faults(SCHEMA, "@id(\"a\")\npermit (principal, action, resource)\nwhen { resource.open & };");
    assert!(text.contains("policies/test.cedar:3:"), "{text}");
    assert!(text.contains("3 | when { resource.open & };"), "{text}");
}

#[test]
fn a_policy_that_does_not_fit_the_schema_is_refused_with_its_line_and_a_hint() {
    let text = faults(SCHEMA, "@id(\"a\")\npermit (principal, action, resource)\nwhen { resource.opne };");
    assert!(text.contains("policies/test.cedar:3:8") && text.contains("open"), "{text}");
}

#[test]
fn a_policy_that_can_never_apply_is_refused() {
    let text = faults(SCHEMA, "@id(\"a\")\npermit (principal is Team, action, resource);");
    assert!(text.contains("policies/test.cedar:"), "{text}");
}

#[test]
fn a_missing_or_taken_id_is_refused() {
    let text = faults(SCHEMA, "permit (principal, action, resource);");
    assert!(text.contains("no `@id`") && text.contains(":1:1"), "{text}");
    let twice = "@id(\"a\") permit (principal, action, resource);\n@id(\"a\") forbid (principal, action, resource);";
    let text = faults(SCHEMA, twice);
    assert!(text.contains("`a` is taken by policies/test.cedar:1") && text.contains(":2:1"), "{text}");
}

#[test]
fn a_reason_that_is_not_listed_is_refused_where_it_stands() {
    let text = faults(SCHEMA, "@id(\"a\")\n@reason(\"levl\")\nforbid (principal, action, resource);");
    assert!(text.contains("policies/test.cedar:2:1") && text.contains("`levl`"), "{text}");
}

#[test]
fn a_schema_that_does_not_parse_is_refused_with_its_line() {
    let text = faults("entity User;\nentity Doc in [Fodler];", "");
    assert!(text.contains("Fodler"), "{text}");
    let text = faults("entity User;\nentity Doc = {", "");
    assert!(text.contains("schema/test.cedarschema:2:"), "{text}");
}

#[test]
fn the_hash_changes_with_any_file_and_not_with_the_folder() {
    let base = bundle();
    let mut moved = source(SCHEMA, POLICIES);
    moved.policies[0].path = "elsewhere/test.cedar".to_owned();
    assert_eq!(Bundle::build(moved).unwrap().hash(), base.hash());
    let changed = source(SCHEMA, &format!("{POLICIES}\n// a comment"));
    assert_ne!(Bundle::build(changed).unwrap().hash(), base.hash());
    assert_eq!(Bundle::build(source(SCHEMA, POLICIES)).unwrap().schema_hash(), base.schema_hash());
}

#[test]
fn a_link_fills_a_template_in_and_speaks_with_its_annotations() {
    let template =
        "@id(\"share/viewer\") permit (principal == ?principal, action == Action::\"read\", resource in ?resource);";
    let links = r#"[{"template_id":"share/viewer","link_id":"share/bob","args":{"?principal":"User::\"bob\"","?resource":"Folder::\"plans\""}}]"#;
    let mut source = source(SCHEMA, &format!("{POLICIES}\n{template}"));
    source.links = Some(SourceFile::new("policies/links.json", links));
    let bundle = Bundle::build(source.clone()).unwrap();
    let asked = question(Uid::new("User", "bob"), "read", Uid::new("Doc", "plan"));
    assert_eq!(bundle.decide(&asked, &world(&bundle)).unwrap().determining, ["share/bob"]);
    source.links = Some(SourceFile::new("policies/links.json", links.replace("share/viewer", "share/editor")));
    let text = Bundle::build(source).unwrap_err().to_string();
    assert!(text.contains("policies/links.json:1:") && text.contains("share/bob"), "{text}");
}

#[test]
fn a_context_is_read_by_who_sends_it() {
    let bundle = bundle();
    let read = |json, rules| bundle.admission().context(&Uid::new("Action", "read"), &json, rules);
    let sent = json!({"now": "2030-01-01", "pass": {"type": "Pass", "id": "p"}, "device": "d", "x": 1});
    let open = read(sent.clone(), ContextRules::Open).unwrap();
    assert_eq!(open.keys().collect::<Vec<_>>(), ["device"]);
    assert_eq!(read(sent, ContextRules::Native).unwrap_err().path, "context.now");
    let native = json!({"pass": {"type": "Pass", "id": "p"}, "x": 1});
    assert_eq!(read(native, ContextRules::Native).unwrap_err().path, "context.x");
    let offline = read(json!({"now": "2030-01-01"}), ContextRules::Offline).unwrap();
    assert_eq!(offline.len(), 1);
}

#[test]
fn an_entity_that_does_not_fit_is_refused_with_the_path() {
    let bundle = bundle();
    let path = |json: serde_json::Value| bundle.admission().entity(&json).unwrap_err().path;
    let doc = |attrs: serde_json::Value, parents: serde_json::Value| json!({"uid": {"type": "Doc", "id": "d"}, "attrs": attrs, "parents": parents});
    let owner = json!({"type": "User", "id": "ann"});
    assert_eq!(path(json!({"attrs": {}})), "uid");
    assert_eq!(path(json!({"uid": {"type": "Dog", "id": "d"}})), "uid.type");
    assert_eq!(path(doc(json!({"owner": owner}), json!([]))), "attrs.open");
    assert_eq!(path(doc(json!({"owner": owner, "open": "yes"}), json!([]))), "attrs.open");
    assert_eq!(path(doc(json!({"owner": {"type": "Team", "id": "x"}, "open": true}), json!([]))), "attrs.owner");
    assert_eq!(path(doc(json!({"owner": owner, "open": true, "color": 1}), json!([]))), "attrs.color");
    assert_eq!(path(doc(json!({"owner": owner, "open": true}), json!([{"type": "Team", "id": "x"}]))), "parents[0]");
    assert_eq!(path(json!({"uid": {"type": "User", "id": "u"}, "attrs": {"level": 1.5}})), "attrs.level");
    assert_eq!(path(json!({"uid": {"type": "User", "id": "u"}, "tags": {"a": 1}})), "tags");
    assert_eq!(path(json!({"uid": {"type": "User", "id": "u"}, "extra": 1})), "extra");
}
