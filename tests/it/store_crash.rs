//! The store against `kill -9` and power loss.
//!
//! A child process writes as fast as it can from eight threads and reports each acknowledged commit. The test kills it
//! at a random moment, for power loss puts the folder back to what the disk was sure to hold, opens the store, and
//! demands: every acknowledged change is there, and no batch is there in part.
//!
//! `HUBWARDEN_CRASH_ROUNDS` sets the rounds of each test, `HUBWARDEN_CRASH_SEED` repeats a run.

pub mod powerloss;
mod writer;

use std::io::{BufRead, BufReader};
use std::path::Path;
use std::process::{Child, Command, Stdio};

use hubwarden::store::{SledOptions, SledStore, Store};
use tempfile::TempDir;

use powerloss::{Loss, Shadow};
use writer::Acked;

/// After so many rounds on one folder, a new one: creating a store must survive as well.
const ROUNDS_PER_FOLDER: u64 = 8;

pub fn rounds() -> u64 {
    let rounds = std::env::var("HUBWARDEN_CRASH_ROUNDS").ok();
    rounds.map_or(3, |text| text.parse().expect("HUBWARDEN_CRASH_ROUNDS is a number"))
}

/// Small and seeded, so that a failing run can be repeated (threads permitting).
pub struct Dice(u64);

impl Dice {
    pub fn new() -> Self {
        let seed = match std::env::var("HUBWARDEN_CRASH_SEED") {
            Ok(text) => text.parse().expect("HUBWARDEN_CRASH_SEED is a number"),
            Err(_) => u64::from(std::process::id()),
        };
        eprintln!("HUBWARDEN_CRASH_SEED={seed}");
        Self(seed)
    }

    /// A number below `limit` (splitmix64).
    pub fn below(&mut self, limit: u64) -> u64 {
        self.0 = self.0.wrapping_add(0x9E37_79B9_7F4A_7C15);
        let mut z = self.0;
        z = (z ^ (z >> 30)).wrapping_mul(0xBF58_476D_1CE4_E5B9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94D0_49BB_1331_11EB);
        (z ^ (z >> 31)) % limit
    }
}

fn spawn_writer(dir: &Path, shadow: Option<&Shadow>) -> Child {
    let mut command = Command::new(std::env::current_exe().unwrap());
    command
        .args(["--exact", "--ignored", "--nocapture", "store_crash::writer::writes_until_it_is_killed"])
        .env(writer::FOLDER, dir)
        .stdin(Stdio::null())
        .stdout(Stdio::piped());
    if let Some(shadow) = shadow {
        shadow.preload(&mut command);
    }
    command.spawn().unwrap()
}

/// Lets the child write until it acknowledged `commits`, kills it, and returns all it acknowledged.
fn write_and_kill(mut child: Child, commits: u64) -> Acked {
    let mut acked = Acked::default();
    let mut killed = false;
    let mut said = Vec::new();
    for line in BufReader::new(child.stdout.take().unwrap()).lines() {
        // The child's last line may be cut short: then nobody was told.
        let Ok(line) = line else { break };
        let progress = match line.strip_prefix(writer::ACK) {
            Some(ack) => acked.note(ack),
            None => line == writer::STARTED,
        };
        if !progress {
            said.push(line);
        } else if !killed && acked.commits >= commits {
            child.kill().unwrap();
            killed = true;
        }
    }
    let status = child.wait().unwrap();
    assert!(killed, "the writer ended by itself after {} commits: {status}, {said:?}", acked.commits);
    acked
}

fn check(dir: &Path, acked: &Acked) -> u64 {
    let store = SledStore::open(dir, SledOptions::default()).unwrap();
    store.verify().unwrap();
    acked.check(&store);
    let head = store.read().unwrap().revision().0;
    store.close().unwrap();
    head
}

fn crash(loss: Option<Loss>) {
    let mut dice = Dice::new();
    let mut folder = TempDir::new().unwrap();
    for round in 0..rounds() {
        if round > 0 && round % ROUNDS_PER_FOLDER == 0 {
            folder = TempDir::new().unwrap();
        }
        let dir = folder.path().join("store");
        let shadow = loss.map(|_| Shadow::of(&dir));
        // Often early, when files are being created, and now and then after much was rewritten.
        let commits = match dice.below(4) {
            0 => dice.below(4),
            1 => dice.below(60),
            _ => dice.below(600),
        };
        let acked = write_and_kill(spawn_writer(&dir, shadow.as_ref()), commits);
        if let (Some(shadow), Some(loss)) = (shadow, loss) {
            shadow.cut_power(loss, &mut dice);
        }
        let head = check(&dir, &acked);
        eprintln!("round {round}: {} commits acknowledged, head {head}, all there", acked.commits);
    }
}

#[test]
fn nothing_acknowledged_is_lost_to_kill_9() {
    crash(None);
}

#[test]
fn nothing_acknowledged_is_lost_when_the_power_takes_all_that_was_not_synced() {
    crash(Some(Loss::AllUnsynced));
}

#[test]
fn nothing_acknowledged_is_lost_when_the_power_takes_some_of_what_was_not_synced() {
    crash(Some(Loss::SomeUnsynced));
}

#[test]
fn another_process_is_told_that_the_store_is_held() {
    let folder = TempDir::new().unwrap();
    let store = SledStore::open(folder.path(), SledOptions::default()).unwrap();
    let mut child = spawn_writer(folder.path(), None);
    let lines = BufReader::new(child.stdout.take().unwrap()).lines();
    let told = lines.map_while(Result::ok).any(|line| line.contains("held by another process"));
    assert!(!child.wait().unwrap().success());
    assert!(told);
    drop(store);
}
