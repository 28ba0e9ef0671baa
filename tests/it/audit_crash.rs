//! The decision log in `block` mode against `kill -9` and power loss.
//!
//! A child process decides from eight threads and reports each decision that it was allowed to answer. The test kills it,
//! for power loss puts the folder back to what the disk was sure to hold (`store_crash/powerloss.rs`), opens the log
//! again, and demands: every reported decision is there, and the chain holds. `HUBWARDEN_CRASH_ROUNDS` sets the rounds.

use std::collections::HashSet;
use std::io::{BufRead, BufReader, Write};
use std::path::Path;
use std::process::{Command, Stdio};
use std::sync::{Arc, Mutex};

use hubwarden::audit::{self, Damaged, Filter, Log, Mode, Settings, each_oldest_first, verify};
use hubwarden::clock::SystemClock;
use hubwarden::entity::{Record, Uid};
use hubwarden::warden::{Api, Asked};
use serde_json::Value as Json;
use tempfile::TempDir;

use crate::http_support::World;
use crate::store_crash::powerloss::{Loss, Shadow};
use crate::store_crash::{Dice, rounds};

const FOLDER: &str = "HUBWARDEN_AUDIT_CRASH_FOLDER";
const ANSWERED: &str = "answered ";
const THREADS: usize = 8;

fn open(dir: &Path, damaged: Damaged) -> Log {
    // Beside the folder: what is left after a power cut is put together without its permissions.
    let key = dir.with_file_name("audit.key");
    let key = match audit::read_key(&key).unwrap() {
        Some(key) => key,
        None => audit::create_key(&key).unwrap(),
    };
    // Segments so small that the kill meets their beginnings and ends as well.
    let settings = Settings { mode: Mode::Block, damaged, segment_bytes: 20_000, ..Settings::default() };
    Log::open(&audit::folder(dir), key, "crash", settings, Arc::new(SystemClock)).unwrap()
}

#[test]
#[ignore = "the child process of the crash test"]
fn decides_until_it_is_killed() {
    let dir = std::env::var(FOLDER).expect("only the crash test starts this");
    let world = World { audit: Arc::new(open(Path::new(&dir), Damaged::GoOn)), ..World::notes() };
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
fn decide_and_kill(dir: &Path, answers: u64, shadow: Option<&Shadow>) -> Vec<String> {
    let mut command = Command::new(std::env::current_exe().unwrap());
    command
        .args(["--exact", "--ignored", "--nocapture", "audit_crash::decides_until_it_is_killed"])
        .env(FOLDER, dir)
        .stdin(Stdio::null())
        .stdout(Stdio::piped());
    if let Some(shadow) = shadow {
        shadow.preload(&mut command);
    }
    let mut child = command.spawn().unwrap();
    let mut answered = Vec::new();
    let mut killed = false;
    for line in BufReader::new(child.stdout.take().unwrap()).lines().map_while(Result::ok) {
        // A line that the kill cut short told nobody.
        if let Some(id) = line.strip_prefix(ANSWERED).and_then(|id| id.strip_suffix('.')) {
            answered.push(id.to_owned());
        }
        if !killed && answered.len() as u64 >= answers {
            child.kill().unwrap();
            killed = true;
        }
    }
    child.wait().unwrap();
    assert!(killed, "the child ended by itself after {} answers", answered.len());
    answered
}

/// The ids of all decisions in the log.
fn recorded(dir: &Path) -> HashSet<String> {
    let mut recorded = HashSet::new();
    let filter = Filter { kind: Some("decision".to_owned()), ..Filter::default() };
    each_oldest_first(dir, &filter, |line| {
        let record: Json = serde_json::from_str(line).unwrap();
        recorded.insert(record["decision_id"].as_str().unwrap().to_owned());
        std::ops::ControlFlow::Continue(())
    })
    .unwrap();
    recorded
}

fn crash(loss: Option<Loss>) {
    let mut dice = Dice::new();
    let folder = TempDir::new().unwrap();
    let root = folder.path().join("store");
    std::fs::create_dir(&root).unwrap();
    let mut answered: HashSet<String> = HashSet::new();
    for round in 0..rounds() {
        let shadow = loss.map(|_| Shadow::of(&root));
        answered.extend(decide_and_kill(&root, 1 + dice.below(600), shadow.as_ref()));
        if let (Some(shadow), Some(loss)) = (shadow, loss) {
            shadow.cut_power(loss, &mut dice);
        }
        // What a disk has got to of writes that were never synced may be no whole records: that is damage, and said.
        let damaged = if loss == Some(Loss::SomeUnsynced) { Damaged::GoOn } else { Damaged::Refuse };
        let log = open(&root, damaged);
        log.ready().unwrap();
        log.close();
        let dir = audit::folder(&root);
        assert_eq!(answered.difference(&recorded(&dir)).count(), 0, "round {round}");
        if loss != Some(Loss::SomeUnsynced) {
            let key = audit::read_key(&folder.path().join("audit.key")).unwrap().unwrap();
            let verified = verify(&dir, &key.public(), None).unwrap();
            assert_eq!(verified.faults, [], "round {round}");
            assert_eq!(Some(verified.signed_through), verified.last);
        }
    }
}

#[test]
fn no_answered_decision_is_missing_after_kill_9() {
    crash(None);
}

#[test]
fn no_answered_decision_is_missing_when_the_power_takes_all_that_was_not_synced() {
    crash(Some(Loss::AllUnsynced));
}

#[test]
fn no_answered_decision_is_missing_when_the_power_takes_some_of_what_was_not_synced() {
    crash(Some(Loss::SomeUnsynced));
}
