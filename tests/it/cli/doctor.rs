//! `doctor`: what it finds in folders and of servers, each fault made by hand.

use std::fs;
use std::path::Path;

use serde_json::Value as Json;
use tempfile::TempDir;

use crate::program::{Run, Serving, run, run_with};

/// A folder with a store in good order, but for what everybody may mend: no key, no gate.
fn store() -> TempDir {
    let folder = TempDir::new().unwrap();
    let world = run(folder.path(), &["bench", "generate", "--entities", "250", "-o", "-"]);
    assert_eq!(run_with(folder.path(), &["import", "--data", "store", "-"], &world.stdout).code, 0);
    only_owner(&folder.path().join("store"), 0o700);
    folder
}

fn only_owner(path: &Path, mode: u32) {
    #[cfg(unix)]
    fs::set_permissions(path, std::os::unix::fs::PermissionsExt::from_mode(mode)).unwrap();
}

fn doctor(folder: &TempDir, args: &[&str]) -> Run {
    run(folder.path(), &[&["doctor", "--format", "json"], args].concat())
}

/// What was found where: `ok folder`, `fail token key`, …
fn found(run: &Run) -> Vec<String> {
    let part = |finding: &Json, name: &str| finding[name].as_str().unwrap().to_owned();
    let findings = run.json()["findings"].as_array().unwrap().clone();
    for finding in &findings {
        // Whatever is not well says what to do.
        assert_eq!(finding["status"] == "ok", finding.get("mend").is_none(), "{finding}");
    }
    findings.iter().map(|finding| format!("{} {}", part(finding, "status"), part(finding, "check"))).collect()
}

fn has(run: &Run, finding: &str) -> bool {
    found(run).iter().any(|found| found == finding)
}

#[test]
fn a_store_in_good_order_has_nothing_that_fails() {
    let folder = store();
    let well = doctor(&folder, &["--data", "store"]);
    assert_eq!(well.code, 0, "{}", well.stdout);
    for finding in
        ["ok folder", "ok audit key", "ok log", "ok store", "ok records", "ok policies", "ok schema", "ok clock"]
    {
        assert!(has(&well, finding), "{finding}: {}", well.stdout);
    }
    for finding in ["warn keys", "warn gate"] {
        assert!(has(&well, finding), "{finding}: {}", well.stdout);
    }
    assert_eq!(doctor(&folder, &["--data", "store", "--fail-on-warn"]).code, 3);
    let full = doctor(&folder, &["--data", "store", "--full"]);
    assert_eq!(full.code, 0, "{}", full.stdout);
    let text = run(folder.path(), &["doctor", "--data", "store"]);
    assert!(text.stdout.contains("to mend: 0 failures, "), "{}", text.stdout);
}

#[test]
fn what_is_not_there_is_said_and_nothing_is_made() {
    let folder = TempDir::new().unwrap();
    let nothing = doctor(&folder, &["--data", "store"]);
    assert_eq!(nothing.code, 3);
    assert!(has(&nothing, "fail folder"), "{}", nothing.stdout);
    assert!(!folder.path().join("store").exists());
}

#[cfg(unix)]
#[test]
fn files_that_others_can_read_or_write_are_found() {
    let folder = store();
    let path = |name: &str| folder.path().join("store").join(name);
    only_owner(&path("audit.key"), 0o644);
    only_owner(&path("."), 0o777);
    let open = doctor(&folder, &["--data", "store"]);
    assert_eq!(open.code, 3);
    assert!(has(&open, "fail audit key") && has(&open, "fail folder"), "{}", open.stdout);
    let secret = fs::read_to_string(path("audit.key")).unwrap();
    assert!(!open.stdout.contains(secret.trim()), "no finding repeats a secret");
}

#[test]
fn a_log_that_was_changed_is_found() {
    let folder = store();
    let audit = folder.path().join("store/audit");
    let segment =
        fs::read_dir(&audit).unwrap().map(|entry| entry.unwrap().path()).find(|path| path.extension().is_some());
    let segment = segment.unwrap();
    let text = fs::read_to_string(&segment).unwrap();
    fs::write(&segment, text.replacen("\"count\":250", "\"count\":251", 1)).unwrap();
    let changed = doctor(&folder, &["--data", "store"]);
    assert_eq!(changed.code, 3);
    assert!(has(&changed, "fail log"), "{}\n{text}", changed.stdout);
}

#[test]
fn a_lost_token_key_and_another_one_are_told_apart_from_the_right_one() {
    let folder = store();
    drop(Serving::start(folder.path(), &["--data", "store"]));
    let key = folder.path().join("store/token.key");
    assert!(has(&doctor(&folder, &["--data", "store"]), "ok token key"));
    let text = fs::read_to_string(&key).unwrap();
    fs::remove_file(&key).unwrap();
    let lost = doctor(&folder, &["--data", "store"]);
    assert!(lost.code == 3 && has(&lost, "fail token key"), "{}", lost.stdout);
    let other: String = text.trim().chars().rev().collect();
    fs::write(&key, other).unwrap();
    only_owner(&key, 0o600);
    let other = doctor(&folder, &["--data", "store"]);
    assert!(other.code == 3 && has(&other, "fail token key"), "{}", other.stdout);
    assert!(other.stdout.contains("is not the key of this store's tokens"), "{}", other.stdout);
}

#[test]
fn keys_that_reach_too_far_and_configurations_that_point_nowhere_are_found() {
    let folder = store();
    let create = ["key", "create", "--name", "all", "--scope", "evaluate,admin", "--data", "store"];
    assert_eq!(run(folder.path(), &create).code, 0);
    fs::write(folder.path().join("hubwarden.yaml"), "data: store\ngate: nowhere\nkey-file: nowhere.key\n").unwrap();
    let wide = doctor(&folder, &[]);
    assert!(wide.stdout.contains("may ask and administer at once: all ("), "{}", wide.stdout);
    assert!(has(&wide, "fail gate") && has(&wide, "warn key file"), "{}", wide.stdout);
}

#[test]
fn policies_with_a_fault_and_entities_that_do_not_conform_are_found() {
    let folder = store();
    fs::create_dir(folder.path().join("rules")).unwrap();
    fs::write(folder.path().join("rules/a.cedar"), "permit (principal, action, resource) when { nonsense };").unwrap();
    fs::write(folder.path().join("other.cedarschema"), "entity A; action a appliesTo { principal: A, resource: A };")
        .unwrap();
    let args = ["--data", "store", "--policies", "rules", "--schema", "other.cedarschema"];
    assert!(has(&doctor(&folder, &args), "fail policies"));
    fs::write(
        folder.path().join("rules/a.cedar"),
        "@id(\"a/b\")\npermit (principal is A, action == Action::\"a\", resource is A);",
    )
    .unwrap();
    let strange = doctor(&folder, &args);
    assert!(has(&strange, "fail schema"), "{}", strange.stdout);
}

#[test]
fn a_store_that_a_server_holds_sends_to_the_server_which_tells_what_its_key_may_know() {
    let folder = store();
    let scopes = "evaluate,read,admin";
    let key = run(folder.path(), &["key", "create", "--name", "ops", "--scope", scopes, "--data", "store"]).stdout;
    fs::write(folder.path().join("ops.key"), key).unwrap();
    only_owner(&folder.path().join("ops.key"), 0o600);
    let server = Serving::start(folder.path(), &["--data", "store"]);
    assert!(has(&doctor(&folder, &["--data", "store"]), "skipped store"));
    let stranger = doctor(&folder, &["--server", &server.url]);
    assert!(stranger.code == 0 && has(&stranger, "skipped keys"), "{}", stranger.stdout);
    let known = doctor(&folder, &["--server", &server.url, "--key-file", "ops.key"]);
    assert_eq!(known.code, 0, "{}", known.stdout);
    for finding in ["ok key file", "ok server", "ok policies", "ok log", "warn keys", "ok clock", "ok decisions"] {
        assert!(has(&known, finding), "{finding}: {}", known.stdout);
    }
    let url = server.url.clone();
    drop(server);
    let gone = doctor(&folder, &["--server", &url]);
    assert!(gone.code == 3 && has(&gone, "fail server"), "{}", gone.stdout);
}
