//! The decision log over HTTP: every decision and change is in it, it can be asked, and `block` keeps its word.

use std::fs;
use std::path::PathBuf;
use std::sync::Arc;

use hubwarden::audit::{self, AuditKey, Log, Mode, Settings, verify};
use hubwarden::clock::SystemClock;
use hubwarden::http::{Effect, routes};
use hubwarden::warden::{BundleOrigin, Scope};
use serde_json::{Value as Json, json};
use tempfile::TempDir;

use crate::http_lessons::change;
use crate::http_support::{Got, Served, World, bearer, key_id, key_secret};

/// A server with a decision log.
pub struct Logged {
    pub served: Served,
    pub key: String,
    signer: AuditKey,
    folder: TempDir,
}

pub fn logged(world: World, settings: Settings) -> Logged {
    let folder = TempDir::new().unwrap();
    let signer = AuditKey::random().unwrap();
    let dir = audit::folder(folder.path());
    let log = Log::open(&dir, signer.clone(), "pdp", settings, Arc::new(SystemClock)).unwrap();
    let served = World { audit: Arc::new(log), ..world }.serve();
    let key = served.all();
    Logged { served, key, signer, folder }
}

impl Logged {
    fn dir(&self) -> PathBuf {
        audit::folder(self.folder.path())
    }

    fn records(&self, query: &str) -> Vec<Json> {
        let got = self.served.get(&self.key, &format!("/v1/audit?{query}"));
        assert_eq!(got.status, 200, "{}", got.text);
        assert_eq!(got.json()["damage"], json!([]));
        got.json()["records"].as_array().unwrap().clone()
    }

    pub fn ask(&self, user: &str) -> Got {
        self.served.post(&self.key, "/v1/authorize", &question(user))
    }

    fn key_id(&self) -> &str {
        key_id(&self.key)
    }

    /// Everything that the log holds.
    fn text(&self) -> String {
        self.served.warden.audit().flush();
        let segments =
            fs::read_dir(self.dir()).unwrap().map(|entry| fs::read_to_string(entry.unwrap().path()).unwrap());
        segments.collect()
    }
}

fn question(user: &str) -> Json {
    json!({"principal": {"type": "User", "id": user}, "action": "read", "resource": {"type": "Note", "id": "n1"}})
}

#[test]
fn a_decision_is_recorded_with_what_is_needed_to_ask_it_again_and_who_asked() {
    let logged = logged(World::notes(), Settings::default());
    let trace = "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01";
    let headers = [
        ("Authorization", &*bearer(&logged.key)),
        ("Content-Type", "application/json"),
        ("X-Request-ID", "from-outside"),
        ("traceparent", trace),
    ];
    let got = logged.served.send("POST", "/v1/authorize", &headers, question("alice").to_string()).json();
    let id = got["decision_id"].as_str().unwrap();
    let record = logged.served.get(&logged.key, &format!("/v1/audit/{id}")).json()["record"].clone();
    let expected = json!({
        "kind": "decision", "decision_id": id, "api": "native", "pdp_id": "pdp",
        "request_id": "from-outside", "trace_id": "0af7651916cd43dd8448eb211c80319c", "span_id": "b7ad6b7169203331",
        "requested_by": logged.key_id(), "revision": got["revision"], "policy_set_digest": got["bundle"],
        "principal": {"type": "User", "id": "alice"}, "action": {"type": "Action", "id": "read"},
        "resource": {"type": "Note", "id": "n1"}, "context": {}, "decision": got["decision"],
        "determining": got["determining"], "errors": [],
    });
    for (key, value) in expected.as_object().unwrap() {
        assert_eq!(record[key], *value, "{key}");
    }
    assert!(record["timestamp"].is_string() && record["duration_us"].is_u64() && record["hash"].is_string());
}

#[test]
fn a_credentials_questions_are_found_by_the_credential_and_by_its_owner() {
    let logged = logged(World::hub(), Settings::default());
    let body = json!({"subject": {"type": "access_token", "id": "t1"}, "action": {"name": "repo.content.read"},
                      "resource": {"type": "repo", "id": "models/acme/m1"}});
    logged.served.post(&logged.key, "/access/v1/evaluation", &body);
    let found = logged.records("token=t1");
    assert_eq!(found.len(), 1);
    assert_eq!(found[0]["acts_for"], json!({"type": "Hub::User", "id": "alice"}));
    let policy = found[0]["determining"][0].as_str().unwrap();
    let reason = found[0]["reason"]["code"].as_str().unwrap();
    for query in [
        "principal=user:alice".to_owned(),
        "principal=access_token:t1".to_owned(),
        "resource=repo:models/acme/m1&action=repo.content.read".to_owned(),
        format!("policy={policy}&decision=deny"),
        format!("reason={reason}&kind=decision"),
        format!("key={}&token=t1", logged.key_id()),
    ] {
        assert_eq!(logged.records(&query), found, "{query}");
    }
    for query in ["principal=user:bob", "decision=allow", "reason=other", "until=2020-01-01T00:00:00Z"] {
        assert_eq!(logged.records(&format!("kind=decision&{query}")), Vec::<Json>::new(), "{query}");
    }
}

#[test]
fn a_deny_that_was_never_asked_is_recorded_as_it_was_sent() {
    let logged = logged(World::notes(), Settings::default());
    let body = json!({"subject": {"type": "Robot", "id": "r2"}, "action": {"name": "fly"},
                      "resource": {"type": "Note", "id": "n1"}});
    assert_eq!(logged.served.post(&logged.key, "/access/v1/evaluation", &body).json(), json!({"decision": false}));
    let record = &logged.records("kind=decision")[0];
    assert_eq!((&record["principal"], &record["action"]["id"]), (&json!({"type": "Robot", "id": "r2"}), &json!("fly")));
    assert_eq!((record["decision"].as_str(), record["reason"]["code"].as_str()), (Some("deny"), Some("unknown_name")));
}

#[test]
fn entities_that_came_with_a_question_are_in_its_record() {
    let logged = logged(World::notes(), Settings::default());
    let mut body = question("alice");
    let entity = json!({"uid": {"type": "User", "id": "alice"}, "attrs": {"suspended": true}, "parents": []});
    body["entities"] = json!([entity]);
    assert_eq!(logged.served.post(&logged.key, "/v1/authorize", &body).status, 200);
    assert_eq!(logged.records("kind=decision")[0]["entities"], json!([entity]));
}

#[test]
fn every_change_over_http_leaves_a_record_of_who_and_at_which_revision() {
    let world = World { origin: BundleOrigin::Store, ..World::cast() };
    let logged = logged(world, Settings { mode: Mode::Block, ..Settings::default() });
    for route in routes().iter().filter(|route| route.effect == Effect::Changes) {
        let got = change(&logged.served, &logged.key, route);
        assert!(got.status < 300, "{}: {}", route.path, got.text);
        let records = logged.records(&format!("kind=change&request_id={}", got.header("x-request-id").unwrap()));
        assert_eq!(records.len(), 1, "{}", route.path);
        assert!(records[0]["revision"].as_u64().unwrap() > 0 && records[0]["count"].as_u64().unwrap() > 0);
        if route.path.contains("/tokens") {
            assert_eq!(records[0]["actor"].as_str(), Some("alice"), "{}", route.path);
        }
    }
    assert_eq!(verify(&logged.dir(), &logged.signer.public(), None).unwrap().faults, []);
}

#[test]
fn no_value_of_a_key_or_a_token_gets_into_the_log() {
    let logged = logged(World::cast(), Settings::default());
    let headers = [
        ("Authorization", &*bearer(&logged.key)),
        ("Content-Type", "application/json"),
        ("Hubwarden-Actor", "alice"),
        ("Hubwarden-Actor-Mfa", "true"),
    ];
    let body = json!({"name": "n", "role": "write"});
    let made = logged.served.send("POST", "/v1/users/alice/tokens", &headers, body.to_string()).json();
    let token = made["value"].as_str().unwrap();
    let check = json!({"authorization": format!("Bearer {token}"), "action": "repo.write",
                       "resource": {"type": "repo", "id": "models/acme/m1"}});
    assert_eq!(logged.served.post(&logged.key, "/v1/check", &check).status, 200);
    let dead = json!({"authorization": "Bearer hf_deadvaluedeadvaluedeadvaluedeadvalu", "action": "repo.write",
                      "resource": {"type": "repo", "id": "models/acme/m1"}});
    assert_eq!(logged.served.post(&logged.key, "/v1/check", &dead).status, 200);
    assert_eq!(logged.records("reason=invalid_token").len(), 1);
    assert_eq!(logged.records(&format!("token={}&kind=decision", made["token"]["id"].as_str().unwrap())).len(), 1);
    let text = logged.text();
    for secret in [token, "deadvalue", key_secret(&logged.key)] {
        assert!(!text.contains(secret), "{secret}");
    }
}

#[test]
fn pages_are_bound_to_what_was_asked_and_forged_ones_are_refused() {
    let logged = logged(World::notes(), Settings::default());
    for _ in 0..5 {
        logged.ask("alice");
    }
    let page = |query: &str| logged.served.get(&logged.key, &format!("/v1/audit?{query}"));
    let mut seen = Vec::new();
    let mut query = "kind=decision&limit=2".to_owned();
    loop {
        let got = page(&query).json();
        seen.extend(got["records"].as_array().unwrap().iter().map(|record| record["seq"].as_u64().unwrap()));
        match got["next_page_token"].as_str() {
            Some(token) => query = format!("kind=decision&limit=2&page_token={token}"),
            None => break,
        }
    }
    assert!(seen.len() == 5 && seen.is_sorted_by(|a, b| a > b), "{seen:?}");
    let token = page("kind=decision&limit=2").json()["next_page_token"].as_str().unwrap().to_owned();
    for other in [format!("kind=change&page_token={token}"), format!("kind=decision&page_token=A{token}")] {
        assert_eq!((page(&other).status, page(&other).code().as_str()), (400, "invalid_page_token"));
    }
    for wrong in ["limit=0", "since=yesterday", "decision=maybe", "nothing=1"] {
        assert_eq!(page(wrong).status, 400, "{wrong}");
    }
}

#[test]
fn only_the_scope_audit_opens_the_log_and_an_unknown_decision_is_404() {
    let logged = logged(World::notes(), Settings::default());
    let id = logged.ask("alice").json()["decision_id"].as_str().unwrap().to_owned();
    let others: Vec<Scope> = Scope::ALL.into_iter().filter(|scope| *scope != Scope::Audit).collect();
    let (other, auditor) = (logged.served.key(&others), logged.served.key(&[Scope::Audit]));
    for path in ["/v1/audit".to_owned(), format!("/v1/audit/{id}")] {
        assert_eq!(logged.served.get(&other, &path).status, 403);
        assert_eq!(logged.served.get(&auditor, &path).status, 200);
    }
    assert_eq!(logged.served.get(&auditor, "/v1/audit/0197a000-0000-7000-8000-000000000000").status, 404);
}

#[test]
fn a_server_without_a_log_answers_and_has_nothing_to_show() {
    let served = World::notes().serve();
    let key = served.all();
    assert_eq!(served.post(&key, "/v1/authorize", &question("alice")).status, 200);
    assert_eq!(served.get(&key, "/v1/audit").status, 404);
}

/// A server whose log cannot make its next segment.
fn stuck(mode: Mode) -> Logged {
    let logged = logged(World::notes(), Settings { mode, segment_bytes: 1, ..Settings::default() });
    logged.served.warden.audit().flush();
    let last = fs::read_dir(logged.dir()).unwrap().map(|entry| entry.unwrap().path());
    let last = last.filter(|path| path.extension().is_some()).max().unwrap();
    let records = fs::read_to_string(&last).unwrap().lines().count() as u64;
    let first: u64 = last.file_stem().unwrap().to_str().unwrap().parse().unwrap();
    fs::create_dir(logged.dir().join(format!("{:020}.ndjson", first + records))).unwrap();
    logged
}

#[test]
fn in_block_mode_a_server_that_cannot_record_answers_nothing_and_is_not_ready() {
    let logged = stuck(Mode::Block);
    let before = logged.served.warden.revision().unwrap();
    let first = logged.ask("alice");
    assert_eq!((first.status, first.code().as_str()), (503, "audit_unavailable"));
    assert!(!first.text.contains("decision\""), "{}", first.text);
    assert_eq!(logged.ask("alice").code(), "audit_unavailable");
    let batch = json!({"evaluations": [{}], "subject": {"type": "User", "id": "alice"}, "action": {"name": "read"},
                       "resource": {"type": "Note", "id": "n1"}});
    assert_eq!(logged.served.post(&logged.key, "/access/v1/evaluations", &batch).status, 503);
    let patch = json!({"attrs": {"suspended": true}});
    assert_eq!(logged.served.with_body("PATCH", &logged.key, "/v1/entities/User/alice", &patch).status, 503);
    assert_eq!(logged.served.warden.revision().unwrap(), before, "nothing was changed without a record");
    let ready = logged.served.get(&logged.key, "/health/ready");
    assert_eq!((ready.status, ready.json()["audit"]["mode"].as_str()), (503, Some("block")));
    assert!(ready.json()["audit"]["fault"].is_string());
    // What is no decision is still answered.
    assert_eq!(logged.served.get(&logged.key, "/v1/entities/User/alice").status, 200);
}

#[test]
fn in_spill_mode_a_log_that_cannot_write_stops_no_answer_and_is_told() {
    let logged = stuck(Mode::Spill);
    assert_eq!(logged.ask("alice").status, 200);
    logged.served.warden.audit().flush();
    assert_eq!(logged.ask("alice").status, 200);
    let ready = logged.served.get(&logged.key, "/health/ready");
    assert_eq!(ready.status, 200);
    assert!(ready.json()["audit"]["fault"].is_string(), "{}", ready.text);
}

#[test]
fn metrics_count_what_the_log_took_and_lost() {
    let logged = logged(World::notes(), Settings { mode: Mode::Block, ..Settings::default() });
    let lost = |logged: &Logged| {
        let text = logged.served.get(&logged.key, "/metrics").text;
        let lines = text.lines().filter(|line| line.starts_with("hubwarden_decision_log_")).map(str::to_owned);
        lines.collect::<Vec<_>>()
    };
    logged.ask("alice");
    // The bundle, the entities and two keys were changes.
    let count = logged.records("limit=100").len();
    assert!(lost(&logged).contains(&format!("hubwarden_decision_log_records_total{{sink=\"log\"}} {count}")));
    let stuck = stuck(Mode::Block);
    stuck.ask("alice");
    let line = "hubwarden_decision_log_dropped_total{sink=\"log\",reason=\"write_failed\"} 1".to_owned();
    assert!(lost(&stuck).contains(&line), "{:?}", lost(&stuck));
}
