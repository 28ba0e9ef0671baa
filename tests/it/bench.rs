//! `hubwarden bench`, with the smallest effort that there is: that it measures, not what.

use serde_json::Value as Json;
use tempfile::TempDir;

use crate::program::{Run, Serving, run, run_with};

fn bench(args: &[&str]) -> Run {
    let folder = TempDir::new().unwrap();
    run(folder.path(), &[&["bench"], args, &["--format", "json"]].concat())
}

const SHORT: &[&str] = &["--duration", "0.2", "--warm-up", "0", "--connections", "4"];

fn names<'a>(report: &'a Json, list: &str) -> Vec<&'a str> {
    report[list].as_array().unwrap().iter().map(|entry| entry["name"].as_str().unwrap()).collect()
}

fn all_right(run: &Run) -> Json {
    assert_eq!(run.code, 0, "{}{}", run.stderr, run.stdout);
    let report = run.json();
    assert_eq!((&report["wrong"], &report["failed"]), (&0.into(), &0.into()));
    for load in report["loads"].as_array().unwrap() {
        assert!(load["requests"].as_u64().unwrap() > 0, "{load}");
    }
    report
}

#[test]
fn http_is_measured_against_a_constant_at_a_fixed_rate_and_in_batches() {
    let report = all_right(&bench(&[&["http", "--entities", "500", "--rounds", "1", "--batch", "10"], SHORT].concat()));
    let loads = ["always yes", "hubwarden", "always yes at 85 %", "hubwarden at 85 %", "batch of 10", "batch of 10"];
    assert_eq!(names(&report, "loads"), loads);
    assert!(names(&report, "ratios").contains(&"throughput, hubwarden / always yes"));
    assert!(names(&report, "numbers").contains(&"the machine: the longest of them"));
    assert_eq!(report["world"]["entities"], 500);
    let steady = &report["loads"][3];
    assert!(steady["service_us"]["p50"].as_f64() <= steady["latency_us"]["p50"].as_f64(), "waiting counts: {steady}");
}

#[test]
#[cfg(unix)]
fn http_is_measured_over_unix_sockets() {
    let args = [&["http", "--entities", "500", "--rounds", "1", "--unix-socket"], SHORT].concat();
    assert_eq!(all_right(&bench(&args))["settings"]["over"], "Unix sockets");
}

#[test]
fn changes_are_seen_by_the_next_question_beside_writers_and_alone() {
    let report =
        all_right(&bench(&[&["changes", "--entities", "500,1000", "--writers", "8", "--rounds", "1"], SHORT].concat()));
    // Decisions alone, and twice beside changes, of each world.
    assert_eq!(report["loads"].as_array().unwrap().len(), 10);
    let ratios = names(&report, "ratios");
    for name in ["decisions beside them / alone", "decisions beside 5000 changes a second / alone"] {
        assert!(ratios.contains(&format!("1000 entities: {name}").as_str()), "{ratios:?}");
    }
}

#[test]
fn more_writers_than_members_who_move_are_refused() {
    let refused = bench(&[&["changes", "--entities", "250", "--writers", "5"], SHORT].concat());
    assert_eq!(refused.code, 1);
    assert!(refused.stderr.contains("a world of 250 entities has room for 4 writers"), "{}", refused.stderr);
}

#[test]
fn a_large_store_is_measured_from_its_making_to_all_of_it_served() {
    let report = all_right(&bench(&["load", "--entities", "750", "--working-set", "250"]));
    let numbers = names(&report, "numbers");
    for name in ["importing it", "start until the first right answer", "all entities, once: one evaluation"] {
        assert!(numbers.contains(&name), "{numbers:?}");
    }
}

#[test]
fn the_decision_log_is_measured_against_none() {
    let report = all_right(&bench(&[&["log", "--entities", "250", "--rounds", "1"], SHORT].concat()));
    assert!(names(&report, "ratios").contains(&"throughput, log spill / log off"));
}

#[test]
fn a_wrong_answer_fails_the_run() {
    let folder = TempDir::new().unwrap();
    let world = |seed: &str| run(folder.path(), &["bench", "generate", "--entities", "500", "--seed", seed, "-o", "-"]);
    assert_eq!(run_with(folder.path(), &["import", "--data", "store", "-"], &world("1").stdout).code, 0);
    let server = Serving::start(folder.path(), &["--data", "store"]);
    let ask = |seed: &str| {
        let args = ["http", "--entities", "500", "--rounds", "1", "--server", &server.url, "--seed", seed];
        bench(&[&args, SHORT].concat())
    };
    all_right(&ask("1"));
    let wrong = ask("2");
    assert_eq!(wrong.code, 4, "{}", wrong.stderr);
    assert!(wrong.json()["wrong"].as_u64().unwrap() > 0);
}

#[test]
fn a_generated_world_is_imported_as_it_is_and_exported_in_the_same_order() {
    let folder = TempDir::new().unwrap();
    assert_eq!(run(folder.path(), &["bench", "generate", "--entities", "500", "-o", "world.ndjson"]).code, 0);
    let imported = run(folder.path(), &["import", "--data", "store", "world.ndjson"]);
    assert!(imported.stdout.starts_with("imported 500,"), "{}{}", imported.stdout, imported.stderr);
    let uids = |text: &str| -> Vec<Json> {
        text.lines().map(|line| serde_json::from_str::<Json>(line).unwrap()["uid"].clone()).collect()
    };
    let exported = run(folder.path(), &["export", "--data", "store"]).stdout;
    let world = std::fs::read_to_string(folder.path().join("world.ndjson")).unwrap();
    assert_eq!(uids(&exported), uids(&world));
}
