//! The use cases over a store in memory and the hub's own bundle.

mod kept;

use std::path::Path;
use std::sync::Arc;

use proptest::test_runner::{Config, TestRunner};
use serde_json::{Value as Json, json};

use super::*;
use crate::clock::FixedClock;
use crate::entity::Record;
use crate::pdp::{HttpRequest, SourceFile};
use crate::store::{Batch, CommitError, Expect, Lookup, MemoryStore};

fn warden_on(
    store: Arc<MemoryStore>,
    source: crate::pdp::BundleSource,
    origin: BundleOrigin,
) -> Result<Warden, BundleError> {
    let clock = FixedClock::new("2026-06-01T00:00:00Z".parse().unwrap());
    Warden::new(store, Bundle::build(source)?, origin, Arc::new(clock))
}

fn warden() -> Warden {
    warden_on(Arc::new(MemoryStore::new().unwrap()), embedded(), BundleOrigin::Embedded).unwrap()
}

fn uid(text: &str) -> Uid {
    Uid::parse(text).unwrap()
}

fn put(entity: Json) -> Change {
    Change::Put { entity, expect: Expect::Anything, dead: DeadId::Refuse }
}

fn user(id: &str) -> Json {
    json!({"uid": {"type": "Hub::User", "id": id}})
}

fn alices_model(visibility: &str) -> Json {
    json!({
        "uid": {"type": "Hub::Repo", "id": "models/alice/m1"},
        "attrs": {"kind": {"type": "Hub::RepoKind", "id": "model"}, "user": {"type": "Hub::User", "id": "alice"},
                  "visibility": {"type": "Hub::Visibility", "id": visibility}, "disabled": false, "discussions": true},
        "parents": [{"type": "Hub::User", "id": "alice"}],
    })
}

fn allowed(warden: &Warden, who: &str, action: &str) -> bool {
    let asked = Asked {
        principal: Uid::new("Hub::User", who),
        action: Uid::new("Hub::Action", action),
        resource: Uid::new("Hub::Repo", "models/alice/m1"),
        context: Record::new(),
        entities: Vec::new(),
    };
    warden.session(Api::Native, None).unwrap().ask(asked).unwrap().answer.allowed()
}

fn patch(json: Json) -> Change {
    let uid = uid("Hub::Repo::\"models/alice/m1\"");
    Change::Patch { uid, patch: Patch::from_json(&json).unwrap(), expect: Expect::Anything }
}

#[test]
fn a_change_is_seen_by_the_next_question() {
    let warden = warden();
    assert!(!allowed(&warden, "bob", "repo.read"));
    warden.change(vec![put(user("alice")), put(user("bob")), put(alices_model("private"))]).unwrap();
    assert!(allowed(&warden, "alice", "repo.write"));
    assert!(!allowed(&warden, "bob", "repo.read"));
    warden.change(vec![patch(json!({"attrs": {"visibility": {"type": "Hub::Visibility", "id": "public"}}}))]).unwrap();
    assert!(allowed(&warden, "bob", "repo.read"));
    warden.change(vec![Change::Delete { uid: uid("Hub::User::\"alice\""), expect: Expect::Present }]).unwrap();
    assert!(!allowed(&warden, "alice", "repo.write"), "a deleted user may do nothing");
}

/// Who or what is put into which roles: a user or another role, each by its number.
fn placed(who: usize, roles: &[usize]) -> Change {
    let role = |number: usize| json!({"type": "Hub::OrgRole", "id": format!("acme/{number}")});
    let parents: Vec<Json> = roles.iter().filter(|role| **role != who).map(|number| role(*number)).collect();
    let uid = if who < 3 { json!({"type": "Hub::User", "id": format!("user{who}")}) } else { role(who) };
    put(json!({"uid": uid, "parents": parents}))
}

#[test]
fn what_is_kept_of_groups_never_changes_an_answer() {
    let store = Arc::new(MemoryStore::new().unwrap());
    let kept = warden_on(Arc::clone(&store), embedded(), BundleOrigin::Embedded).unwrap();
    let clock = FixedClock::new("2026-06-01T00:00:00Z".parse().unwrap());
    let bundle = Bundle::build(embedded()).unwrap();
    let options = WardenOptions { entity_cache_bytes: 0, ..WardenOptions::default() };
    let fresh = Warden::with(store, bundle, BundleOrigin::Embedded, Arc::new(clock), options).unwrap();
    let role = |number: usize| json!({"type": "Hub::OrgRole", "id": format!("acme/{number}")});
    let mut model = alices_model("private");
    model["attrs"].as_object_mut().unwrap().remove("user");
    model["attrs"]["organization"] = json!({"type": "Hub::Organization", "id": "acme"});
    model["parents"] = json!([{"type": "Hub::Organization", "id": "acme"}]);
    let organization = json!({"uid": {"type": "Hub::Organization", "id": "acme"}, "attrs": {
        "members": role(3), "readers": role(4), "contributors": role(5), "writers": role(6), "admins": role(7),
        "tokenPolicy": {"type": "Hub::TokenPolicy", "id": "allowAll"}, "requiresMfa": false}});
    kept.change(vec![put(model), put(organization)]).unwrap();
    let mut runner = TestRunner::new(Config { cases: 300, failure_persistence: None, ..Config::default() });
    let places = (0..8usize, proptest::collection::vec(3..8usize, 0..3));
    let seen = std::cell::Cell::new((0, 0));
    runner
        .run(&places, |(who, roles)| {
            // The same store goes on from case to case.
            kept.change(vec![placed(who, &roles)]).unwrap();
            for user in ["user0", "user1", "user2"] {
                let answer = allowed(&kept, user, "repo.write");
                proptest::prop_assert_eq!(answer, allowed(&fresh, user, "repo.write"), "{}", user);
                let (yes, no) = seen.get();
                seen.set(if answer { (yes + 1, no) } else { (yes, no + 1) });
            }
            Ok(())
        })
        .unwrap();
    assert!(seen.get().0 > 50 && seen.get().1 > 50, "{:?}", seen.get());
}

#[test]
fn changes_are_applied_together_or_not_at_all() {
    let warden = warden();
    let mut broken = alices_model("public");
    broken["attrs"]["disabled"] = json!("no");
    let error = warden.change(vec![put(user("alice")), put(broken)]).unwrap_err();
    assert!(
        matches!(&error, ChangeError::Invalid { index: 1, fault, .. } if fault.path == "attrs.disabled"),
        "{error}"
    );
    assert!(matches!(
        warden.session(Api::Native, None).unwrap().entity(&uid("Hub::User::\"alice\"")),
        Ok(Lookup::Absent)
    ));
}

#[test]
fn a_patch_changes_only_what_it_names() {
    let warden = warden();
    warden.change(vec![put(user("alice")), put(alices_model("public"))]).unwrap();
    warden.change(vec![patch(json!({"attrs": {"creator": {"type": "Hub::User", "id": "alice"}}}))]).unwrap();
    warden
        .change(vec![patch(json!({"attrs": {"creator": null, "disabled": true},
            "parents": {"remove": [{"type": "Hub::User", "id": "alice"}], "add": [{"type": "Hub::Organization", "id": "acme"}]}}))])
        .unwrap();
    let session = warden.session(Api::Native, None).unwrap();
    let Lookup::Present(stored) = session.entity(&uid("Hub::Repo::\"models/alice/m1\"")).unwrap() else { panic!() };
    let mut expected = alices_model("public");
    expected["attrs"]["disabled"] = json!(true);
    expected["parents"] = json!([{"type": "Hub::Organization", "id": "acme"}]);
    assert_eq!(stored.entity, warden.bundle().admission().entity(&expected).unwrap());
}

#[test]
fn a_patch_that_would_break_the_entity_is_refused_with_the_path() {
    let warden = warden();
    warden.change(vec![put(user("alice")), put(alices_model("public"))]).unwrap();
    let error = warden.change(vec![patch(json!({"attrs": {"visibility": null}}))]).unwrap_err();
    assert!(matches!(&error, ChangeError::Invalid { fault, .. } if fault.path == "attrs.visibility"), "{error}");
    for json in [json!([]), json!({"attr": {}}), json!({"parents": {"set": []}}), json!({"parents": {"add": [1]}})] {
        assert!(Patch::from_json(&json).is_err(), "{json}");
    }
}

#[test]
fn patches_of_one_entity_from_many_threads_are_all_kept() {
    let warden = warden();
    warden.change(vec![put(user("alice")), put(alices_model("public"))]).unwrap();
    std::thread::scope(|scope| {
        for writer in 0..8 {
            let warden = &warden;
            scope.spawn(move || {
                let parent = json!({"type": "Hub::Organization", "id": format!("org{writer}")});
                warden.change(vec![patch(json!({"parents": {"add": [parent]}}))]).unwrap();
            });
        }
    });
    let session = warden.session(Api::Native, None).unwrap();
    let Lookup::Present(stored) = session.entity(&uid("Hub::Repo::\"models/alice/m1\"")).unwrap() else { panic!() };
    assert_eq!(stored.entity.parents.len(), 9);
}

#[test]
fn the_id_of_a_deleted_user_is_not_free() {
    let warden = warden();
    warden.change(vec![put(user("alice"))]).unwrap();
    warden.change(vec![Change::Delete { uid: uid("Hub::User::\"alice\""), expect: Expect::Anything }]).unwrap();
    let error = warden.change(vec![put(user("alice"))]).unwrap_err();
    assert!(matches!(error, ChangeError::Commit(CommitError::Tombstone { .. })), "{error}");
    let revived = Change::Put { entity: user("alice"), expect: Expect::Anything, dead: DeadId::Revive };
    warden.change(vec![revived]).unwrap();
}

#[test]
fn a_question_may_demand_a_revision() {
    let warden = warden();
    let revision = warden.change(vec![put(user("alice"))]).unwrap();
    assert_eq!(warden.session(Api::Native, Some(revision)).unwrap().revision(), revision);
    let ahead = Revision(revision.0 + 1);
    assert!(matches!(warden.session(Api::Native, Some(ahead)), Err(SessionError::Behind { .. })));
}

#[test]
fn a_key_is_known_by_its_value_until_it_is_deleted() {
    let store = Arc::new(MemoryStore::new().unwrap());
    let warden = warden_on(Arc::clone(&store), embedded(), BundleOrigin::Embedded).unwrap();
    let (key, plain) = warden.keys().create("git server", Scopes::from([Scope::Evaluate])).unwrap();
    assert_eq!(warden.keys().authenticate(plain.reveal()), Some(Arc::new(key.clone())));
    assert!(!format!("{plain:?}").contains(plain.reveal()));
    let reopened = warden_on(store, embedded(), BundleOrigin::Embedded).unwrap();
    assert_eq!(reopened.keys().authenticate(plain.reveal()), Some(Arc::new(key.clone())));
    warden.keys().delete(&key.id).unwrap();
    assert_eq!(warden.keys().authenticate(plain.reveal()), None);
    assert!(matches!(warden.keys().delete(&key.id), Err(KeyError::Unknown(_))));
}

#[test]
fn what_is_no_key_is_never_one() {
    let warden = warden();
    let (key, plain) = warden.keys().create("a", Scopes::from(Scope::ALL)).unwrap();
    let id_alone = format!("hwk_{}_", key.id);
    let other_id = plain.reveal().replace(&key.id, "000000000000");
    let longer = format!("{}x", plain.reveal());
    for value in ["", "hwk_", "hwk__", "hwk_x", "hf_abc", &id_alone, &other_id, &longer, &plain.reveal()[1..]] {
        assert_eq!(warden.keys().authenticate(value), None, "{value}");
    }
    assert!(matches!(warden.keys().create("", Scopes::from(Scope::ALL)), Err(KeyError::Name)));
    assert!(matches!(warden.keys().create("a", Scopes::new()), Err(KeyError::NoScope)));
}

fn write_folder(dir: &Path) -> BundleOrigin {
    let source = embedded();
    std::fs::create_dir_all(dir.join("policies")).unwrap();
    for file in source.policies.iter().chain(&source.reasons).chain(&source.gateway) {
        std::fs::write(dir.join(&file.path), &file.text).unwrap();
    }
    std::fs::write(dir.join("hub.cedarschema"), &source.schema.text).unwrap();
    BundleOrigin::Folder { policies: dir.join("policies"), schema: dir.join("hub.cedarschema") }
}

fn folder_warden(dir: &Path, store: Arc<MemoryStore>) -> Warden {
    let origin = write_folder(dir);
    let source = folder(&dir.join("policies"), &dir.join("hub.cedarschema")).unwrap();
    warden_on(store, source, origin).unwrap()
}

#[test]
fn a_folder_has_the_same_bundle_as_the_program() {
    let dir = tempfile::tempdir().unwrap();
    let warden = folder_warden(dir.path(), Arc::new(MemoryStore::new().unwrap()));
    assert_eq!(warden.bundle().hash(), Bundle::build(embedded()).unwrap().hash());
}

#[test]
fn a_good_edit_takes_over_and_a_broken_one_keeps_the_last_good_bundle() {
    let dir = tempfile::tempdir().unwrap();
    let warden = folder_warden(dir.path(), Arc::new(MemoryStore::new().unwrap()));
    let first = warden.bundle().hash().to_owned();
    assert!(!warden.reload(), "nothing changed");
    let extra = dir.path().join("policies/extra.cedar");
    std::fs::write(
        &extra,
        "@id(\"extra/none\")\nforbid (principal, action, resource is Hub::Repo) when { resource.disabled };",
    )
    .unwrap();
    assert!(warden.reload());
    let second = warden.bundle().hash().to_owned();
    assert_ne!(first, second);
    std::fs::write(&extra, "@id(\"extra/none\")\nforbid (principal, action, resource is Hub::Rep);").unwrap();
    assert!(!warden.reload());
    let status = warden.bundle_status();
    assert_eq!(status.hash, second);
    let failure = status.failure.unwrap().message;
    assert!(failure.contains("extra.cedar:2:") && failure.contains("resource is Hub::Rep)"), "{failure}");
    let scraped = warden.metrics().scrape(warden.stats(), Revision(0));
    assert!(scraped.contains("hubwarden_policy_reload_total{result=\"failure\"} 1"), "{scraped}");
    assert!(scraped.contains("hubwarden_policy_reload_total{result=\"success\"} 1"), "{scraped}");
    std::fs::remove_file(&extra).unwrap();
    assert!(warden.reload());
    assert_eq!((warden.bundle().hash(), warden.bundle_status().failure.is_none()), (first.as_str(), true));
}

#[test]
fn the_rules_of_the_gateway_are_reloaded_with_the_folder_and_a_broken_one_keeps_the_last_good_ones() {
    let dir = tempfile::tempdir().unwrap();
    let warden = folder_warden(dir.path(), Arc::new(MemoryStore::new().unwrap()));
    let rules = dir.path().join("policies/gateway.json");
    let shipped = std::fs::read_to_string(&rules).unwrap();
    let routed = || {
        let request = HttpRequest { method: "GET", target: "/acme/m1", header: &|_| Vec::new() };
        warden.bundle().gateway().unwrap().route(&request).map(|routed| routed.about.to_string()).unwrap()
    };
    let before = routed();
    std::fs::write(&rules, shipped.replacen(&format!("\"{before}\""), "\"edited\"", 1)).unwrap();
    assert!(warden.reload());
    assert_eq!(routed(), "edited");
    std::fs::write(&rules, shipped.replacen("\"repo.read\"", "\"repo.reed\"", 1)).unwrap();
    assert!(!warden.reload());
    let failure = warden.bundle_status().failure.unwrap().message;
    assert!(failure.contains("policies/gateway.json:") && failure.contains("no action `repo.reed`"), "{failure}");
    assert_eq!(routed(), "edited");
    std::fs::remove_file(&rules).unwrap();
    assert!(warden.reload());
    assert!(warden.bundle().gateway().is_none());
}

#[test]
fn a_schema_that_stored_entities_do_not_fit_does_not_take_over() {
    let dir = tempfile::tempdir().unwrap();
    let store = Arc::new(MemoryStore::new().unwrap());
    let warden = folder_warden(dir.path(), Arc::clone(&store));
    warden.change(vec![put(user("alice"))]).unwrap();
    let schema = dir.path().join("hub.cedarschema");
    let text = std::fs::read_to_string(&schema).unwrap();
    let stricter = text.replacen("email?: String,", "email: String,", 1);
    assert_ne!(text, stricter);
    std::fs::write(&schema, &stricter).unwrap();
    assert!(!warden.reload());
    let failure = warden.bundle_status().failure.unwrap().message;
    assert!(failure.contains("Hub::User::\"alice\": attrs.email: missing"), "{failure}");
    let mended = json!({"uid": {"type": "Hub::User", "id": "alice"}, "attrs": {"email": "alice@example.org"}});
    warden.change(vec![put(mended)]).unwrap();
    assert!(!warden.reload_new(), "what was refused is not tried again by itself");
    assert!(warden.reload());
    warden.change(vec![Change::Delete { uid: uid("Hub::User::\"alice\""), expect: Expect::Present }]).unwrap();
    std::fs::write(&schema, &text).unwrap();
    assert!(warden.reload());
    let revived = Change::Put { entity: user("alice"), expect: Expect::Anything, dead: DeadId::Revive };
    warden.change(vec![revived]).unwrap();
    std::fs::write(&schema, &stricter).unwrap();
    let source = folder(&dir.path().join("policies"), &schema).unwrap();
    assert!(matches!(
        warden_on(store, source, BundleOrigin::Embedded),
        Err(BundleError::NotConforming { count: 1, .. })
    ));
}

#[test]
fn policies_in_a_store_are_replaced_whole_and_survive_reopening() {
    let store = Arc::new(MemoryStore::new().unwrap());
    store_bundle(store.as_ref(), &embedded()).unwrap();
    let source = stored_bundle(store.as_ref()).unwrap().unwrap();
    assert_eq!(source, embedded());
    let warden = warden_on(Arc::clone(&store), source, BundleOrigin::Store).unwrap();
    let mut changed = embedded();
    changed.policies.retain(|file| !file.path.ends_with("gates.cedar"));
    let error = warden.put_bundle(changed.clone(), Some("sha256:other"), Flips::Refuse).unwrap_err();
    assert!(matches!(error, BundleError::Conflict(_)), "{error}");
    let before = warden.bundle().hash().to_owned();
    warden.put_bundle(changed.clone(), Some(&before), Flips::Refuse).unwrap();
    assert_eq!(stored_bundle(store.as_ref()).unwrap(), Some(changed));
    let mut broken = embedded();
    broken.policies.push(SourceFile::new("x.cedar", "permit("));
    assert!(matches!(warden.put_bundle(broken, None, Flips::Refuse), Err(BundleError::Faults(_))));
    assert_ne!(warden.bundle().hash(), before);
}

#[test]
fn policies_that_a_folder_owns_are_not_replaced_through_the_api() {
    assert!(matches!(warden().put_bundle(embedded(), None, Flips::Refuse), Err(BundleError::ReadOnly(_))));
}

#[test]
fn a_load_prepared_under_another_schema_is_refused() {
    let warden = warden();
    let mut batch = Batch::new();
    batch.put(&warden.bundle().admission().entity(&user("alice")).unwrap());
    assert!(matches!(warden.load(batch.clone(), "sha256:other"), Err(ChangeError::SchemaChanged)));
    let hash = warden.bundle().schema_hash().to_owned();
    assert_eq!(warden.load(batch, &hash).unwrap(), warden.revision().unwrap());
}

/// Waits for what another thread does; fails when it does not come.
fn eventually(what: impl Fn() -> bool) {
    let deadline = std::time::Instant::now() + std::time::Duration::from_secs(30);
    while !what() {
        assert!(std::time::Instant::now() < deadline, "it never came");
        std::thread::sleep(std::time::Duration::from_millis(10));
    }
}

#[test]
fn an_edit_of_the_folder_is_in_force_without_a_restart() {
    let dir = tempfile::tempdir().unwrap();
    let warden = Arc::new(folder_warden(dir.path(), Arc::new(MemoryStore::new().unwrap())));
    let first = warden.bundle().hash().to_owned();
    let watch = Watch::start(Arc::clone(&warden));
    let extra = dir.path().join("policies/extra.cedar");
    std::fs::write(
        &extra,
        "@id(\"extra/none\")\nforbid (principal, action, resource is Hub::Repo) when { resource.disabled };",
    )
    .unwrap();
    eventually(|| warden.bundle().hash() != first);
    std::fs::write(&extra, "@id(\"extra/none\")\nforbid (").unwrap();
    eventually(|| warden.bundle_status().failure.is_some());
    assert_ne!(warden.bundle().hash(), first, "the last good bundle stays");
    std::fs::remove_file(&extra).unwrap();
    eventually(|| warden.bundle().hash() == first);
    drop(watch);
}
