//! One test for each trap of the field that the decision point must not step into. Those about broken bundles, failing
//! forbids and clocks are beside the code, in `src/pdp/tests.rs`.

use std::cell::RefCell;
use std::collections::BTreeSet;

use serde_json::json;

use hubwarden::entity::{Record, Uid};
use hubwarden::pdp::{Bundle, BundleSource, ContextRules, Fact, Facts, FactsError, Question, SourceFile};

use crate::support::cast::{CAST, REPO};
use crate::support::dsl::{Build, org, repo, token, uid, user};
use crate::support::world::{Caller, HUB, NOW, World, code};

fn try_bundle(schema: &str, policies: &[&str]) -> Result<Bundle, String> {
    let file = |(index, text): (usize, &&str)| SourceFile::new(format!("policies/{index}.cedar"), *text);
    let source = BundleSource {
        schema: SourceFile::new("schema/s.cedarschema", schema),
        policies: policies.iter().enumerate().map(file).collect(),
        links: None,
        reasons: None,
        gateway: None,
    };
    Bundle::build(source).map_err(|faults| faults.to_string())
}

fn question(principal: Uid, action: &str, resource: Uid) -> Question {
    Question { principal, action: Uid::new("Action", action), resource, context: Record::new(), now: NOW.into() }
}

/// Facts that remember what was asked of them.
struct Watched<'a>(&'a World, RefCell<BTreeSet<Uid>>);

impl Facts for Watched<'_> {
    fn fact(&self, uid: &Uid) -> Result<Fact, FactsError> {
        self.1.borrow_mut().insert(uid.clone());
        self.0.fact(uid)
    }
}

fn asked(world: &World, caller: &Caller, action: &str, resource: &Uid) -> BTreeSet<Uid> {
    let watched = Watched(world, RefCell::default());
    HUB.decide(&caller.question(action, resource), &watched).unwrap();
    watched.1.into_inner()
}

const FILES: &str = "entity User; entity File; \
    action \"change\"; action \"write\" in [\"change\"] appliesTo { principal: [User], resource: [File] }; \
    action \"read\" appliesTo { principal: [User], resource: [File] };";

#[test]
fn a_policy_is_named_by_its_id_annotation_whatever_its_place() {
    let first = "@id(\"z/last\") permit (principal, action == Action::\"read\", resource);";
    let second = "@id(\"policy0\") forbid (principal == User::\"eve\", action, resource);";
    let file = Uid::new("File", "f");
    for order in [[first, second], [second, first]] {
        let bundle = try_bundle(FILES, &order).unwrap();
        let ask =
            |user: &str| bundle.decide(&question(Uid::new("User", user), "read", file.clone()), &World::default());
        assert_eq!(ask("ann").unwrap().determining, ["z/last"]);
        assert_eq!(ask("eve").unwrap().determining, ["policy0"]);
    }
}

#[test]
fn an_id_that_another_file_took_is_refused() {
    let policy = "@id(\"a\") permit (principal, action, resource);";
    let text = try_bundle(FILES, &[policy, policy]).unwrap_err();
    assert!(text.contains("`a` is taken by policies/0.cedar:1"), "{text}");
}

#[test]
fn a_policy_that_the_validator_only_warns_about_is_refused() {
    let never =
        "@id(\"never\") permit (principal, action, resource) when { principal is User && !(principal is User) };";
    let text = try_bundle(FILES, &[never]).unwrap_err();
    assert!(text.contains("policies/0.cedar:1"), "{text}");
}

#[test]
fn an_action_is_in_its_group_in_the_scope_and_in_conditions() {
    let file = Uid::new("File", "f");
    for policy in [
        "@id(\"a\") permit (principal, action in Action::\"change\", resource);",
        "@id(\"a\") permit (principal, action in [Action::\"change\"], resource);",
        "@id(\"a\") permit (principal, action, resource) when { action in Action::\"change\" };",
    ] {
        let bundle = try_bundle(FILES, &[policy]).unwrap();
        let may =
            |action| bundle.decide(&question(Uid::new("User", "u"), action, file.clone()), &World::default()).unwrap();
        assert!(may("write").allowed(), "{policy}");
        assert!(!may("read").allowed(), "{policy}");
    }
}

#[test]
fn an_id_that_looks_like_policy_text_is_a_plain_id() {
    for id in
        ["wanda\"::x", "wanda\", Hub::User::\"alice", "x\" || true || \"", "Hub::User::\"alice\"", "alice\0", "a\\\"b"]
    {
        let mut world = World::default();
        world.add(org("acme").build());
        world.add(repo("models/acme/m").org("acme").private().build());
        world.add(user("alice").admin_of("acme").build());
        world.add(user(id).reader_of("acme").build());
        let repo = uid("Repo", "models/acme/m");
        assert_eq!(code(&world.ask(&Caller::user(id), "repo.read", &repo)), "allow", "{id}");
        assert_eq!(code(&world.ask(&Caller::user(id), "repo.write", &repo)), "user_right", "{id}");
        let nobody = format!("{id}\"");
        assert_eq!(code(&world.ask(&Caller::user(&nobody), "repo.read", &repo)), "not_found", "{id}");
    }
}

#[test]
fn ids_are_compared_byte_by_byte() {
    let write = |user: &str| CAST.ask(&Caller::user(user), "repo.write", &uid("Repo", "models/acme/priv"));
    assert!(write("wanda").allowed());
    for other in ["Wanda", "WANDA", " wanda", "wanda ", "w\u{430}nda", "wanda\u{200b}", "ｗanda", ""] {
        assert_eq!(code(&write(other)), "not_found", "{other:?}");
    }
    let mut world = World::default();
    world.add(user("caf\u{e9}").build());
    let billing = |user: &str| world.ask(&Caller::user(user), "user.billing.read", &uid("User", "caf\u{e9}"));
    assert!(billing("caf\u{e9}").allowed());
    assert!(!billing("cafe\u{301}").allowed());
}

#[test]
fn a_decision_asks_nothing_about_the_members_of_sets_and_tags() {
    let asked = asked(&CAST, &Caller::token("wanda-narrow"), "repo.write", &uid("Repo", "models/acme/pub"));
    assert!(!asked.contains(&uid("Repo", "models/acme/priv")), "in an own entry: {asked:?}");
    assert!(!asked.contains(&uid("Repo", "models/acme/gated")), "in a tag: {asked:?}");
    assert!(asked.contains(&uid("Organization", "acme")));
}

#[test]
fn a_decision_asks_no_more_where_more_is_stored() {
    let mut small = World::default();
    small.add(org("acme").build());
    small.add(user("wanda").writer_of("acme").build());
    small.add(repo("models/acme/m").org("acme").build());
    small.add(token("t", "wanda").fine_grained().on_org("acme", &REPO).build());
    let mut large = World::default();
    large.add(org("acme").build());
    large.add(user("wanda").writer_of("acme").build());
    large.add(repo("models/acme/m").org("acme").build());
    let ids: Vec<String> = (0..200).map(|index| format!("models/acme/{index}")).collect();
    ids.iter().for_each(|id| large.add(repo(id).org("acme").build()));
    (0..200).for_each(|index| large.add(user(&format!("user{index}")).writer_of("acme").build()));
    let narrowed = token("t", "wanda").fine_grained().on_org("acme", &REPO);
    large.add(ids.iter().fold(narrowed, |token, id| token.on_repo(id, &REPO)).build());
    let repo = uid("Repo", "models/acme/m");
    let [few, many] = [small, large].map(|world| asked(&world, &Caller::token("t"), "repo.write", &repo));
    assert_eq!(few, many);
}

#[test]
fn a_stored_entity_is_found_wanting_when_the_schema_has_changed() {
    let old = try_bundle("entity User = { name: String };", &[]).unwrap();
    let ann = old.admission().entity(&json!({"uid": {"type": "User", "id": "ann"}, "attrs": {"name": "Ann"}})).unwrap();
    for (schema, path) in [
        ("entity User = { name: Long };", "attrs.name"),
        ("entity User = { name: String, mail: String };", "attrs.mail"),
        ("entity User;", "attrs.name"),
        ("entity Person = { name: String };", "uid.type"),
        ("entity User enum [\"bob\"];", "uid.id"),
    ] {
        let new = try_bundle(schema, &[]).unwrap();
        assert_eq!(new.admission().check(&ann).unwrap_err().path, path, "{schema}");
    }
    let compatible = try_bundle("entity User = { name: String, mail?: String };", &[]).unwrap();
    compatible.admission().check(&ann).unwrap();
}

#[test]
fn a_caller_from_outside_sets_neither_the_clock_nor_a_token() {
    let action = uid("Action", "repo.read");
    let sent = json!({"now": "2020-01-01", "token": {"type": "Hub::AccessToken", "id": "wanda-write"}, "mfa": true});
    let read = HUB.admission().context(&action, &sent, ContextRules::Open).unwrap();
    assert_eq!(read.keys().collect::<Vec<_>>(), ["mfa"]);
    assert_eq!(HUB.admission().context(&action, &sent, ContextRules::Native).unwrap_err().path, "context.now");
}

#[test]
fn a_credential_as_the_subject_is_its_owner_with_the_credential_in_the_context() {
    let repo = uid("Repo", "models/acme/priv");
    for (id, owner) in
        [("wanda-push", "wanda"), ("eve-greedy", "eve"), ("wanda-expired", "wanda"), ("dora-write", "dora")]
    {
        let subject = CAST.ask(&Caller::token(id), "repo.write", &repo);
        let spelled = CAST.ask(&Caller::user(owner).through(uid("AccessToken", id)), "repo.write", &repo);
        assert_eq!(subject, spelled, "{id}");
    }
}

#[test]
fn something_beside_an_escape_is_refused_as_it_could_be_read_two_ways() {
    let user = |parents: serde_json::Value| {
        HUB.admission().entity(&json!({"uid": {"type": "Hub::User", "id": "ann"}, "attrs": {}, "parents": [parents]}))
    };
    let role = json!({"type": "Hub::OrgRole", "id": "acme/read"});
    user(role.clone()).unwrap();
    user(json!({"__entity": role})).unwrap();
    let admin =
        json!({"__entity": {"type": "Hub::OrgRole", "id": "acme/admin"}, "type": "Hub::OrgRole", "id": "acme/read"});
    assert_eq!(user(admin).unwrap_err().path, "parents[0]");
}
