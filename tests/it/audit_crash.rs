//! The decision log in `block` mode against `kill -9`.
//!
//! A child process decides from eight threads and reports each decision that it was allowed to answer. The test kills it,
//! opens the log again, and demands: every reported decision is there, and the chain holds.

use std::collections::HashSet;
use std::io::{BufRead, BufReader, Write};
use std::path::Path;
use std::process::{Command, Stdio};
use std::sync::{Arc, Mutex};

use hubwarden::audit::{self, Filter, Log, Mode, Settings, each_oldest_first, verify};
use hubwarden::clock::SystemClock;
use hubwarden::entity::{Record, Uid};
use hubwarden::warden::{Api, Asked};
use serde_json::Value as Json;
use tempfile::TempDir;

use crate::http_support::World;

const FOLDER: &str = "HUBWARDEN_AUDIT_CRASH_FOLDER";
const ANSWERED: &str = "answered ";
const THREADS: usize = 8;
const ROUNDS: usize = 3;

fn open(dir: &Path) -> Log {
    let key = dir.join("audit.key");
    let key = match audit::read_key(&key).unwrap() {
        Some(key) => key,
        None => audit::create_key(&key).unwrap(),
    };
    // Segments so small that the kill meets their beginnings and ends as well.
    let settings = Settings { mode: Mode::Block, segment_bytes: 20_000, ..Settings::default() };
    Log::open(&audit::folder(dir), key, "crash", settings, Arc::new(SystemClock)).unwrap()
}

#[test]
#[ignore = "the child process of the crash test"]
fn decides_until_it_is_killed() {
    let dir = std::env::var(FOLDER).expect("only the crash test starts this");
    let world = World { audit: Arc::new(open(Path::new(&dir))), ..World::notes() };
    let warden = world.warden();
    let out = Mutex::new(std::io::stdout());
    std::thread::scope(|scope| {
        for _ in 0..THREADS {
            scope.spawn(|| {
                loop {
                    let asked = Asked {
                        principal: Uid::new("User", "alice"),
                        action: Uid::new("Action", "read"),
                        resource: Uid::new("Note", "n1"),
                        context: Record::new(),
                        entities: Vec::new(),
                    };
                    let ruling = warden.session(Api::Cli, None).unwrap().ask(asked).unwrap();
                    let line = format!("\n{ANSWERED}{}.\n", ruling.id);
                    out.lock().unwrap().write_all(line.as_bytes()).unwrap();
                }
            });
        }
    });
}

/// Lets a child decide until it answered so often, kills it, and returns what it answered.
fn decide_and_kill(dir: &Path, answers: usize) -> Vec<String> {
    let mut child = Command::new(std::env::current_exe().unwrap())
        .args(["--exact", "--ignored", "--nocapture", "audit_crash::decides_until_it_is_killed"])
        .env(FOLDER, dir)
        .stdin(Stdio::null())
        .stdout(Stdio::piped())
        .spawn()
        .unwrap();
    let mut answered = Vec::new();
    let mut killed = false;
    for line in BufReader::new(child.stdout.take().unwrap()).lines().map_while(Result::ok) {
        // A line that the kill cut short told nobody.
        if let Some(id) = line.strip_prefix(ANSWERED).and_then(|id| id.strip_suffix('.')) {
            answered.push(id.to_owned());
        }
        if !killed && answered.len() >= answers {
            child.kill().unwrap();
            killed = true;
        }
    }
    child.wait().unwrap();
    assert!(killed, "the child ended by itself after {} answers", answered.len());
    answered
}

#[test]
fn no_answered_decision_is_missing_after_kill_9() {
    let folder = TempDir::new().unwrap();
    let mut answered: HashSet<String> = HashSet::new();
    for round in 0..ROUNDS {
        answered.extend(decide_and_kill(folder.path(), 1 + round * 150));
        let log = open(folder.path());
        log.close();
        let dir = audit::folder(folder.path());
        let mut recorded = HashSet::new();
        let filter = Filter { kind: Some("decision".to_owned()), ..Filter::default() };
        let damage = each_oldest_first(&dir, &filter, |line| {
            let record: Json = serde_json::from_str(line).unwrap();
            recorded.insert(record["decision_id"].as_str().unwrap().to_owned());
            std::ops::ControlFlow::Continue(())
        });
        assert_eq!(damage.unwrap(), []);
        assert_eq!(answered.difference(&recorded).count(), 0, "round {round}");
        let key = audit::read_key(&folder.path().join("audit.key")).unwrap().unwrap();
        let verified = verify(&dir, &key.public(), None).unwrap();
        assert_eq!(verified.faults, [], "round {round}");
        assert_eq!(Some(verified.signed_through), verified.last);
    }
}
