//! Answers that are kept.

use jiff::Timestamp;
use proptest::prelude::{Just, Strategy, any, prop_oneof};

use super::*;

/// Alice's read token, which expires so many minutes after midnight.
fn read_token(expires: i64) -> Json {
    let at = MIDNIGHT.parse::<Timestamp>().unwrap() + jiff::SignedDuration::from_mins(expires);
    json!({
        "uid": {"type": "Hub::AccessToken", "id": "t1"},
        "attrs": {"owner": {"type": "Hub::User", "id": "alice"}, "name": "laptop", "createdAt": MIDNIGHT,
                  "expiresAt": at.to_string(), "gatedRepos": false, "global": [], "ownEntry": [], "approvedBy": [],
                  "revokedBy": []},
        "parents": [{"type": "Hub::TokenRole", "id": "read"}],
    })
}

const MIDNIGHT: &str = "2026-06-01T00:00:00Z";

/// What happens between two questions.
#[derive(Clone, Debug)]
enum Event {
    Change(Box<Change>),
    /// Minutes after midnight; it may go back.
    Clock(i64),
    /// The hub's bundle, or one whose token policies have another comment.
    Bundle(bool),
    Nothing,
}

fn event() -> impl Strategy<Value = Event> {
    let visibility = prop_oneof![Just("private"), Just("public")];
    prop_oneof![
        visibility.prop_map(|visibility| Event::Change(put(alices_model(visibility)).into())),
        (0..10i64).prop_map(|expires| Event::Change(put(read_token(expires)).into())),
        proptest::sample::select(vec!["alice", "bob"]).prop_map(|id| Event::Change(put(user(id)).into())),
        proptest::sample::select(vec!["Hub::AccessToken::\"t1\"", "Hub::Repo::\"models/alice/m1\""])
            .prop_map(|gone| Event::Change(Box::new(Change::Delete { uid: uid(gone), expect: Expect::Anything }))),
        (0..10i64).prop_map(Event::Clock),
        any::<bool>().prop_map(Event::Bundle),
        Just(Event::Nothing),
    ]
}

#[test]
fn a_kept_answer_is_the_one_that_deciding_anew_gives() {
    let store = Arc::new(MemoryStore::new().unwrap());
    let clock = FixedClock::new(MIDNIGHT.parse().unwrap());
    let with = |bytes: u64| {
        let options = WardenOptions { entity_cache_bytes: bytes, decision_cache_bytes: bytes, ..Default::default() };
        let bundle = Bundle::build(embedded()).unwrap();
        Warden::with(store.clone(), bundle, BundleOrigin::Store, Arc::new(Arc::clone(&clock)), options).unwrap()
    };
    let (keeps, fresh) = (with(1 << 20), with(0));
    let mut runner = TestRunner::new(Config { cases: 400, failure_persistence: None, ..Config::default() });
    runner
        .run(&event(), |event| {
            match event {
                Event::Change(mut change) => {
                    if let Change::Put { dead, .. } = &mut *change {
                        *dead = DeadId::Revive;
                    }
                    // Deleting what is not there is refused, and changes nothing.
                    let _ = keeps.change(vec![*change]);
                }
                Event::Clock(minutes) => {
                    let at = MIDNIGHT.parse::<Timestamp>().unwrap() + jiff::SignedDuration::from_mins(minutes);
                    clock.set(at);
                }
                Event::Bundle(commented) => {
                    let mut source = embedded();
                    if commented {
                        source.policies[0].text.push_str("// another\n");
                    }
                    keeps.put_bundle(source, None, Flips::Accept).unwrap();
                }
                Event::Nothing => {}
            }
            for principal in ["Hub::User::\"alice\"", "Hub::User::\"bob\"", "Hub::AccessToken::\"t1\""] {
                for action in ["repo.read", "repo.content.read", "repo.write"] {
                    let asked = Asked {
                        principal: uid(principal),
                        action: Uid::new("Hub::Action", action),
                        resource: Uid::new("Hub::Repo", "models/alice/m1"),
                        context: Record::new(),
                        entities: Vec::new(),
                    };
                    let ask =
                        |warden: &Warden| warden.session(Api::Native, None).unwrap().ask(asked.clone()).unwrap().answer;
                    proptest::prop_assert_eq!(ask(&keeps), ask(&fresh), "{} {}", principal, action);
                }
            }
            Ok(())
        })
        .unwrap();
    let kept = keeps.decisions.stats();
    assert!(kept.hits > 500 && kept.stale > 500, "{} found, {} no longer held", kept.hits, kept.stale);
    let none = fresh.decisions.stats();
    assert_eq!((none.hits, none.entries), (0, 0));
}

#[test]
fn two_questions_that_differ_in_one_value_of_the_context_are_two() {
    let warden = warden();
    let mut write_token = read_token(60);
    write_token["uid"]["id"] = json!("t2");
    write_token["parents"][0]["id"] = json!("write");
    warden
        .change(vec![put(user("alice")), put(alices_model("private")), put(read_token(60)), put(write_token)])
        .unwrap();
    let ask = |token: Option<&str>| {
        let context = token.map(|id| ("token".into(), Uid::new("Hub::AccessToken", id).into()));
        let asked = Asked {
            principal: uid("Hub::User::\"alice\""),
            action: Uid::new("Hub::Action", "repo.write"),
            resource: Uid::new("Hub::Repo", "models/alice/m1"),
            context: context.into_iter().collect(),
            entities: Vec::new(),
        };
        warden.session(Api::Native, None).unwrap().ask(asked).unwrap().answer.allowed()
    };
    for _ in 0..2 {
        assert!(ask(None) && !ask(Some("t1")) && ask(Some("t2")));
    }
    let kept = warden.decisions.stats();
    assert_eq!((kept.hits, kept.misses, kept.entries), (3, 3, 3));
}
