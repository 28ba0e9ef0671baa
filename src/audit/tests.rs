//! The log as a whole: what is written is found, what is changed is found out, and what fails is said.

use std::fs;
use std::path::{Path, PathBuf};
use std::time::Duration;

use serde_json::{Value as Json, json};
use smol_str::SmolStr;
use tempfile::TempDir;
use uuid::Uuid;

use super::*;
use crate::clock::FixedClock;
use crate::entity::Uid;

struct World {
    folder: TempDir,
    key: AuditKey,
    clock: std::sync::Arc<FixedClock>,
}

impl World {
    fn new() -> Self {
        let clock = FixedClock::new("2026-08-01T12:00:00Z".parse().unwrap());
        Self { folder: TempDir::new().unwrap(), key: AuditKey::random().unwrap(), clock }
    }

    fn dir(&self) -> PathBuf {
        self.folder.path().join("audit")
    }

    fn open(&self, settings: Settings) -> Log {
        let clock = std::sync::Arc::new(std::sync::Arc::clone(&self.clock));
        Log::open(&self.dir(), self.key.clone(), "store", settings, clock).unwrap()
    }

    /// A log of `count` decisions, closed.
    fn written(count: usize, settings: Settings) -> Self {
        let world = Self::new();
        let log = world.open(settings);
        decide(&log, 0..count);
        log.close();
        world
    }

    fn verified(&self) -> Verified {
        verify(&self.dir(), &self.key.public(), None).unwrap()
    }

    fn faults(&self) -> Vec<(FaultKind, Option<u64>)> {
        self.verified().faults.iter().map(|fault| (fault.kind, fault.seq)).collect()
    }

    fn segments(&self) -> Vec<PathBuf> {
        let names = fs::read_dir(self.dir()).unwrap().map(|entry| entry.unwrap().path());
        let mut paths: Vec<PathBuf> = names.filter(|path| path.extension().is_some()).collect();
        paths.sort();
        paths
    }

    /// Changes the lines of the first segment.
    fn edit(&self, edit: impl FnOnce(&mut Vec<String>)) {
        edit_file(&self.segments()[0], edit);
    }

    fn records(&self, filter: &Filter) -> Vec<Json> {
        let page = newest_first(&self.dir(), filter, None, 1_000, u64::MAX).unwrap();
        assert_eq!(page.damage, []);
        page.found.iter().map(|found| serde_json::from_str(&found.line).unwrap()).collect()
    }
}

fn edit_file(path: &Path, edit: impl FnOnce(&mut Vec<String>)) {
    let mut lines: Vec<String> = fs::read_to_string(path).unwrap().lines().map(str::to_owned).collect();
    edit(&mut lines);
    fs::write(path, lines.iter().map(|line| format!("{line}\n")).collect::<String>()).unwrap();
}

static DETERMINING: [SmolStr; 1] = [SmolStr::new_static("a/b")];

fn decision<'a>(user: &'a Uid, resource: &'a Uid, action: &'a Uid) -> DecisionRecord<'a> {
    DecisionRecord {
        id: Uuid::now_v7(),
        api: "native",
        revision: 7,
        bundle: "sha256:b",
        principal: Some(user),
        acts_for: None,
        action: Some(action),
        resource: Some(resource),
        context: json!({"ip": "10.0.0.1"}),
        entities: Vec::new(),
        alone: false,
        token: None,
        decision: Verdict::Allow,
        determining: &DETERMINING,
        reason: None,
        errors: Vec::new(),
        duration_us: 12,
        as_of: None,
    }
}

fn decide(log: &Log, users: std::ops::Range<usize>) {
    let (resource, action) = (Uid::new("Note", "n"), Uid::new("Action", "read"));
    for user in users {
        let user = Uid::new("User", format!("u{user}"));
        log.decision(decision(&user, &resource, &action)).unwrap();
    }
}

fn small() -> Settings {
    // A group of its own for each record: what is written at once goes into one segment.
    Settings { mode: Mode::Block, segment_bytes: 2_000, ..Settings::default() }
}

#[test]
fn what_was_written_is_there_in_order_and_signed_to_its_end() {
    let world = World::written(30, small());
    let found = world.verified();
    assert_eq!(found.faults, []);
    assert!(found.segments > 3 && found.first == Some(1) && found.last == Some(found.records));
    assert_eq!(found.signed_through, found.records);
    let users: Vec<Json> = world.records(&Filter::default()).iter().map(|r| r["principal"]["id"].clone()).collect();
    let expected: Vec<Json> = (0..30).rev().map(|user| json!(format!("u{user}"))).collect();
    assert_eq!(users, expected);
}

#[test]
fn a_log_goes_on_where_it_ended() {
    let world = World::written(3, Settings::default());
    let log = world.open(Settings::default());
    decide(&log, 3..5);
    log.close();
    assert_eq!(world.verified().faults, []);
    assert_eq!(world.segments().len(), 1);
    assert_eq!(world.records(&Filter::default()).len(), 5);
}

#[test]
fn a_changed_record_is_found() {
    let world = World::written(5, Settings::default());
    world.edit(|lines| lines[2] = lines[2].replace("allow", "deny!"));
    assert_eq!(world.faults(), [(FaultKind::Changed, Some(3))]);
    assert_eq!(world.verified().faults[0].line, Some(3));
}

#[test]
fn a_removed_record_is_found() {
    let world = World::written(5, Settings::default());
    world.edit(|lines| drop(lines.remove(2)));
    assert_eq!(world.faults(), [(FaultKind::Removed, Some(3))]);
}

#[test]
fn records_that_changed_places_are_found() {
    let world = World::written(5, Settings::default());
    world.edit(|lines| lines.swap(2, 3));
    assert!(world.faults().contains(&(FaultKind::Reordered, Some(3))), "{:?}", world.faults());
}

#[test]
fn a_log_that_was_cut_off_is_found_at_every_place() {
    let world = World::written(5, Settings::default());
    let whole = fs::read(&world.segments()[0]).unwrap();
    let ends = whole.iter().enumerate().filter(|(_, byte)| **byte == b'\n').map(|(at, _)| at + 1);
    for end in ends.filter(|end| *end < whole.len()) {
        fs::write(&world.segments()[0], &whole[..end]).unwrap();
        assert_eq!(world.faults(), [(FaultKind::Truncated, None)], "cut at {end}");
    }
    fs::remove_file(&world.segments()[0]).unwrap();
    assert_eq!(world.faults(), [(FaultKind::Truncated, None)]);
}

#[test]
fn a_segment_that_is_gone_is_found_wherever_it_was() {
    let world = World::written(30, small());
    let segments = world.segments();
    for (index, segment) in segments.iter().enumerate() {
        let bytes = fs::read(segment).unwrap();
        fs::remove_file(segment).unwrap();
        let kinds: Vec<FaultKind> = world.faults().iter().map(|(kind, _)| *kind).collect();
        let last = index + 1 == segments.len();
        assert_eq!(kinds, [if last { FaultKind::Truncated } else { FaultKind::Removed }], "{index}");
        fs::write(segment, bytes).unwrap();
    }
    assert_eq!(world.faults(), []);
}

#[test]
fn a_chain_that_was_made_anew_has_no_signature() {
    let world = World::written(5, Settings::default());
    let path = &world.segments()[0];
    let mut sealed = Vec::new();
    let mut previous = Digest::START;
    for (index, line) in fs::read_to_string(path).unwrap().lines().enumerate() {
        let body = line.replace("allow", "deny");
        let end = body.rfind(",\"seq\":").unwrap();
        previous = chain::seal(&previous, index as u64 + 1, &body.as_bytes()[..end], &mut sealed);
    }
    fs::write(path, sealed).unwrap();
    let kinds: Vec<FaultKind> = world.faults().iter().map(|(kind, _)| *kind).collect();
    assert_eq!(kinds, [FaultKind::Forged, FaultKind::Changed]);
    fs::remove_file(world.dir().join("HEAD")).unwrap();
    assert_eq!(world.faults()[0].0, FaultKind::Forged);
}

#[test]
fn another_key_signs_nothing_here() {
    let world = World::written(2, Settings::default());
    let other = AuditKey::random().unwrap().public();
    let found = verify(&world.dir(), &other, None).unwrap();
    assert!(found.faults.iter().all(|fault| fault.kind == FaultKind::Forged) && found.faults.len() >= 2);
}

#[test]
fn a_hash_that_was_kept_elsewhere_is_looked_for() {
    let world = World::written(2, Settings::default());
    let found = world.verified();
    let (last, hash) = (found.last.unwrap(), Digest::from_hex(&found.hash.unwrap()).unwrap());
    let with = |expected| verify(&world.dir(), &world.key.public(), Some(expected)).unwrap().faults.len();
    assert_eq!((with((last, hash)), with((last - 1, hash)), with((last + 1, hash))), (0, 1, 1));
}

#[test]
fn an_unfinished_last_record_is_cut_off_and_said() {
    for torn in ["{\"kind\":\"decision\",\"decis", "{\"kind\":\"decision\"}\n", "\0\0\0\0"] {
        let world = World::written(2, Settings::default());
        let path = &world.segments()[0];
        let whole = fs::read(path).unwrap();
        fs::write(path, [&whole, torn.as_bytes()].concat()).unwrap();
        let log = world.open(Settings { mode: Mode::Block, ..Settings::default() });
        decide(&log, 2..3);
        log.close();
        assert_eq!(world.verified().faults, [], "{torn}");
        let cut = world.records(&Filter { kind: Some("cut".to_owned()), ..Filter::default() });
        assert_eq!(cut[0]["bytes"], json!(torn.len()), "{torn}");
        assert_eq!(world.records(&Filter::default()).len(), 3);
    }
}

#[test]
fn a_segment_that_a_crash_left_without_its_first_record_is_begun_again() {
    let world = World::written(2, Settings::default());
    let next = world.verified().last.unwrap() + 1;
    fs::write(segment::path(&world.dir(), next), "{\"kind\":\"segm").unwrap();
    let log = world.open(Settings::default());
    decide(&log, 2..3);
    log.close();
    assert_eq!(world.verified().faults, []);
    assert_eq!(world.records(&Filter::default()).len(), 3);
}

#[test]
fn a_segment_that_was_overwritten_is_no_crash_and_stays_as_it_is() {
    for rubbish in ["rubbish\n", "rubbish\nrubbish\n"] {
        let world = World::written(20, small());
        let last = world.segments().pop().unwrap();
        fs::write(&last, rubbish).unwrap();
        assert!(world.open(Settings { mode: Mode::Block, ..Settings::default() }).ready().is_err());
        let log = world.open(Settings::default());
        decide(&log, 20..21);
        log.close();
        assert_eq!(fs::read_to_string(&last).unwrap(), rubbish);
        assert!(!world.faults().is_empty());
    }
}

#[test]
fn a_damaged_log_stops_block_mode_until_somebody_accepts_it_and_never_the_others() {
    let world = World::written(5, Settings::default());
    world.edit(|lines| lines[2] = lines[2].replace("allow", "deny!"));
    let damaged = fs::read(&world.segments()[0]).unwrap();
    let block = || Settings { mode: Mode::Block, ..Settings::default() };
    let log = world.open(block());
    assert!(log.ready().is_err() && log.status().unwrap().fault.unwrap().contains("record 3"));
    let user = Uid::new("User", "u");
    assert!(log.decision(decision(&user, &user, &user)).is_err());
    log.close();
    assert_eq!(world.segments().len(), 1);
    let log = world.open(Settings { damaged: Damaged::GoOn, ..block() });
    decide(&log, 5..6);
    log.close();
    // The evidence is as it was, and still a fault; what comes behind it is not.
    assert_eq!(fs::read(&world.segments()[0]).unwrap(), damaged);
    assert_eq!(world.faults(), [(FaultKind::Changed, Some(3))]);
    world.edit(|lines| lines[3] = lines[3].replace("allow", "deny!"));
    let log = world.open(Settings::default());
    decide(&log, 6..7);
    log.close();
    assert_eq!(world.records(&Filter::default()).len(), 7);
}

#[test]
fn a_log_that_lost_its_end_goes_on_behind_it_and_the_loss_stays_visible() {
    let world = World::written(5, Settings::default());
    world.edit(|lines| lines.truncate(3));
    let log = world.open(Settings::default());
    decide(&log, 5..6);
    log.close();
    assert_eq!(world.faults(), [(FaultKind::Removed, Some(4))]);
    let said = Filter { kind: Some("damage".to_owned()), ..Filter::default() };
    let page = newest_first(&world.dir(), &said, None, 10, u64::MAX).unwrap();
    assert_eq!((page.found.len(), page.damage.len()), (1, 1));
}

#[test]
fn old_segments_go_and_the_log_says_so() {
    let world = World::written(30, small());
    let before = world.segments().len();
    world.clock.set("2026-08-03T12:00:00Z".parse().unwrap());
    let log = world.open(Settings { max_age: Some(Duration::from_secs(86_400)), ..small() });
    decide(&log, 30..31);
    log.close();
    assert!(world.segments().len() < before);
    assert_eq!(world.verified().faults, []);
    assert!(world.verified().first.unwrap() > 1);
    // Whoever removes more than that is found out.
    let log = world.open(small());
    decide(&log, 31..50);
    log.close();
    fs::remove_file(&world.segments()[0]).unwrap();
    assert_eq!(world.faults(), [(FaultKind::Removed, Some(1))]);
}

#[test]
fn a_log_over_its_size_loses_its_oldest_segments() {
    let world = World::written(60, Settings { max_bytes: Some(6_000), ..small() });
    let log = world.open(Settings { max_bytes: Some(6_000), ..small() });
    log.close();
    let bytes: u64 = world.segments().iter().map(|path| fs::metadata(path).unwrap().len()).sum();
    assert!(bytes < 9_000, "{bytes}");
    assert_eq!(world.verified().faults, []);
}

#[test]
fn pages_go_through_all_segments_and_meet_nothing_twice() {
    let world = World::written(30, small());
    let mut users = Vec::new();
    let mut before = None;
    loop {
        // One segment's worth of reading each: pages may be short.
        let page = newest_first(&world.dir(), &Filter::default(), before, 4, 1).unwrap();
        assert!(page.found.len() <= 4);
        users.extend(page.found.into_iter().map(|found| found.seq));
        match page.next {
            Some(next) => before = Some(next),
            None => break,
        }
    }
    assert_eq!(users.len(), 30);
    assert!(users.is_sorted_by(|a, b| a > b));
}

#[test]
fn what_cannot_be_read_is_told_beside_what_can() {
    let world = World::written(5, Settings::default());
    world.edit(|lines| lines[2] = "something else".to_owned());
    let page = newest_first(&world.dir(), &Filter::default(), None, 100, u64::MAX).unwrap();
    assert_eq!((page.found.len(), page.damage.len()), (4, 1));
    assert!(page.damage[0].what.contains("line 3"), "{:?}", page.damage);
}

#[test]
fn masked_parts_of_a_question_are_nowhere_in_the_log() {
    let masks = vec!["context.ip".parse().unwrap()];
    let world = World::written(1, Settings { masks, ..Settings::default() });
    let record = &world.records(&Filter::default())[0];
    assert_eq!((&record["context"], &record["masked"]), (&json!({"ip": "[masked]"}), &json!(["context.ip"])));
    assert!(!fs::read_to_string(&world.segments()[0]).unwrap().contains("10.0.0.1"));
}

#[test]
fn in_block_mode_a_recorded_decision_is_in_the_file_when_it_is_acknowledged() {
    let world = World::new();
    let log = world.open(Settings { mode: Mode::Block, ..Settings::default() });
    for user in 0..5 {
        decide(&log, user..user + 1);
        assert!(fs::read_to_string(&world.segments()[0]).unwrap().contains(&format!("\"u{user}\"")));
    }
}

/// A log whose next segment cannot be made, until the folder that stands in its place is removed.
fn stuck(mode: Mode) -> (World, Log, PathBuf) {
    let world = World::new();
    let log = world.open(Settings { mode, segment_bytes: 1, ..Settings::default() });
    let obstacle = segment::path(&world.dir(), 2);
    fs::create_dir(&obstacle).unwrap();
    (world, log, obstacle)
}

#[test]
fn in_block_mode_there_is_no_answer_when_the_disk_refuses() {
    let (_world, log, _) = stuck(Mode::Block);
    let user = Uid::new("User", "u");
    assert!(log.decision(decision(&user, &user, &user)).is_err());
    assert!(log.ready().is_err());
    assert_eq!(log.counters().lost("log"), 1);
}

#[test]
fn in_spill_mode_records_wait_in_memory_for_a_disk_that_refuses() {
    let (world, log, obstacle) = stuck(Mode::Spill);
    decide(&log, 0..3);
    log.flush();
    assert!(log.status().unwrap().fault.is_some());
    assert!(log.ready().is_ok());
    fs::remove_dir(obstacle).unwrap();
    log.close();
    assert_eq!(world.records(&Filter::default()).len(), 3);
    assert_eq!((world.verified().faults, log.counters().lost("log")), (Vec::new(), 0));
}

#[test]
fn in_drop_mode_what_there_is_no_room_for_is_counted_and_the_log_says_how_much_it_lacks() {
    let world = World::new();
    let log = world.open(Settings { mode: Mode::Drop, queue_bytes: 10, ..Settings::default() });
    decide(&log, 0..3);
    log.close();
    assert_eq!(log.counters().lost("log"), 3);
    let dropped = world.records(&Filter { kind: Some("dropped".to_owned()), ..Filter::default() });
    assert_eq!(dropped.iter().map(|record| record["count"].as_u64().unwrap()).sum::<u64>(), 3);
}

#[test]
fn records_say_on_whose_behalf_they_were_made() {
    let world = World::new();
    let log = world.open(Settings::default());
    let trace = Trace::parse("00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01");
    let request = Request::new("r1", trace, Some("k1".into()));
    request.acted_by("alice");
    std::sync::Arc::clone(&request).within(|| decide(&log, 0..1));
    log.close();
    let record = &world.records(&Filter::default())[0];
    let text = |key: &str| record[key].as_str().unwrap().to_owned();
    assert_eq!(["request_id", "requested_by", "actor"].map(text), ["r1", "k1", "alice"]);
    assert_eq!(text("trace_id"), "0af7651916cd43dd8448eb211c80319c");
}

#[test]
fn sinks_get_every_record_in_their_form() {
    let world = World::new();
    let path = world.folder.path().join("events.ndjson");
    let sink = SinkSettings::File { path: path.clone(), form: Form::Ocsf, max_bytes: 1 << 20, keep: 1 };
    let log = world.open(Settings { sinks: vec![sink], ..Settings::default() });
    decide(&log, 0..3);
    log.close();
    let text = fs::read_to_string(path).unwrap();
    let classes: Vec<Json> =
        text.lines().map(|line| serde_json::from_str::<Json>(line).unwrap()["class_uid"].clone()).collect();
    assert_eq!(classes, [json!(6003), json!(6003), json!(6003)]);
}
