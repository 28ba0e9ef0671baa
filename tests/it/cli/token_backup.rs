//! `hubwarden token export` and `import`: tokens outlive their store, and what died in a store stays dead there.

use std::fs;
use std::path::Path;

use serde_json::{Value as Json, json};
use tempfile::TempDir;

use super::token::Place;
use crate::program::{Run, run};
use crate::token_support::Service;

/// A new store with the entities of another one, and with its key.
fn restored(place: &Place) -> Place {
    let entities = run(place.path(), &["export", "--data", "store"]);
    let folder = TempDir::new().unwrap();
    fs::write(folder.path().join("hub.ndjson"), entities.stdout).unwrap();
    let imported = run(folder.path(), &["import", "--data", "store", "hub.ndjson"]);
    assert_eq!(imported.code, 0, "{}", imported.stderr);
    fs::copy(place.path().join("store/token.key"), folder.path().join("store/token.key")).unwrap();
    Place::at(folder)
}

fn exported(folder: &Path) -> String {
    let run = run(folder, &["token", "export", "--data", "store"]);
    assert_eq!(run.code, 0, "{}", run.stderr);
    run.stdout
}

fn import(folder: &Path, text: &str, args: &[&str]) -> Run {
    fs::write(folder.join("credentials.ndjson"), text).unwrap();
    run(folder, &[&["token", "import", "--data", "store", "credentials.ndjson"], args].concat())
}

/// One line of an export, changed.
fn changed(text: &str, line: usize, change: impl Fn(&mut Json)) -> String {
    let mut lines: Vec<String> = text.lines().map(str::to_owned).collect();
    let mut json: Json = serde_json::from_str(&lines[line - 1]).unwrap();
    change(&mut json);
    lines[line - 1] = json.to_string();
    lines.join("\n") + "\n"
}

#[test]
fn a_restored_token_works() {
    let place = Place::folder();
    let (id, _) = place.create("wanda", &["--role", "write"]);
    let (other, value) = place.create("rita", &["--role", "fineGrained", "--grant", "org:acme=repo.content.read"]);
    let refreshed = place.done(&["refresh", "--user", "wanda", &id]);
    place.done(&["deny", "--org", "approved", "--actor", "alice", &id]);
    let text = exported(place.path());
    assert_eq!(exported(place.path()), text, "the same bytes each time");
    let mut ids = [&*id, &*other];
    ids.sort_unstable();
    let lines: Vec<Json> = text.lines().map(|line| serde_json::from_str(line).unwrap()).collect();
    assert_eq!((lines[0]["format"].as_str(), lines.len()), (Some("hubwarden-credentials"), 3));
    assert_eq!([&lines[1]["id"], &lines[2]["id"]], ids, "in byte order of their ids");
    assert!(!text.contains(&refreshed[3..]) && !text.contains(&value[3..]), "no value");
    let key = fs::read_to_string(place.path().join("store/token.key")).unwrap();
    assert!(!text.contains(key.trim()), "and not the key");

    let copy = restored(&place);
    assert_eq!(copy.introspect(&refreshed), "dead", "the entities alone are not enough");
    let imported = import(copy.path(), &text, &[]);
    assert_eq!(imported.code, 0, "{}", imported.stderr);
    assert!(imported.stdout.starts_with("imported 2 credentials, revision "), "{}", imported.stdout);
    assert_eq!(copy.introspect(&refreshed), "alive: a name of wanda, role write");
    assert_eq!(copy.introspect(&value), "alive: a name of rita, role fineGrained");
    for user in ["wanda", "rita"] {
        let list = ["list", "--user", user, "--format", "json"];
        assert_eq!(copy.done(&list), place.done(&list), "with all that was known of them");
    }
    assert_eq!(exported(copy.path()), text);
    let again = import(copy.path(), &text, &["--format", "json"]).json();
    assert_eq!((&again["imported"], &again["kept"]), (&json!(0), &json!(2)));
    let anew = copy.done(&["refresh", "--user", "wanda", &id]);
    assert_eq!((copy.introspect(&refreshed).as_str(), copy.introspect(&anew).starts_with("alive")), ("dead", true));
    copy.done(&["delete", "--user", "rita", &other]);
    assert_eq!(copy.introspect(&value), "dead");
}

#[test]
fn without_its_key_nothing_is_imported_and_the_store_takes_no_other_one() {
    let place = Place::folder();
    let (_, value) = place.create("wanda", &["--role", "write"]);
    let text = exported(place.path());
    let copy = restored(&place);
    let key = copy.path().join("store/token.key");
    fs::rename(&key, copy.path().join("kept.key")).unwrap();
    let missing = import(copy.path(), &text, &[]);
    let sentence = "error: the key of these credentials is not in store/token.key: restore its file first, or name it \
                    with `--token-key-file`\n";
    assert_eq!((missing.code, &*missing.stderr), (1, sentence));
    assert!(!key.exists());
    let stranger = Place::folder();
    stranger.create("wanda", &["--role", "read"]);
    let other = stranger.path().join("store/token.key");
    let wrong = import(copy.path(), &text, &["--token-key-file", other.to_str().unwrap()]);
    assert!(
        wrong.code == 1
            && wrong.stderr.contains("these credentials were hashed with another key: restore the file of the key"),
        "{}",
        wrong.stderr
    );
    let right = import(copy.path(), &text, &["--token-key-file", "kept.key"]);
    assert_eq!(right.code, 0, "{}", right.stderr);
    let alive = copy.token_with(&["introspect", "--token-key-file", "kept.key"], &value);
    assert!(alive.stdout.starts_with("alive"), "{}", alive.stderr);
}

#[test]
fn a_line_that_cannot_be_imported_is_named_and_keeps_all_out() {
    let place = Place::folder();
    let values = [place.create("wanda", &["--role", "write"]).1, place.create("rita", &["--role", "read"]).1];
    let text = exported(place.path());
    let copy = restored(&place);
    let hash = serde_json::from_str::<Json>(text.lines().nth(1).unwrap()).unwrap()["hash"].clone();
    let set = |name: &'static str, value: Json| changed(&text, 3, move |line| line[name] = value.clone());
    for (text, why) in [
        (set("id", json!("0123")), ":3: the token `0123` is not stored: import the entities first"),
        (set("owner", json!("eve")), ", not to eve\n"),
        (set("hash", json!("12")), ":3: `hash` is not 64 hex digits"),
        (set("hash", hash), "has the value of another line"),
        (set("value", json!("hf_")), ":3: unknown field `value`"),
        (text.clone() + text.lines().nth(2).unwrap(), "credentials.ndjson:4: the token `"),
        (text.clone() + "{\"id\":", "credentials.ndjson:4: "),
    ] {
        let refused = import(copy.path(), &text, &[]);
        assert_eq!((refused.code, &*refused.stdout), (3, ""), "{why}");
        let stderr = &refused.stderr;
        assert!(stderr.contains(why) && stderr.ends_with("\nnothing was imported\n"), "{why}: {stderr}");
    }
    for (text, why) in [
        (String::new(), "no file of `hubwarden token export`"),
        (text.lines().skip(1).collect(), "no file of `hubwarden token export`"),
        (changed(&text, 1, |line| line["version"] = json!(2)), "has version 2 of the format"),
    ] {
        let refused = import(copy.path(), &text, &[]);
        assert!(refused.code == 3 && refused.stderr.contains(why), "{why}: {}", refused.stderr);
    }
    assert!(values.iter().all(|value| copy.introspect(value) == "dead"));
}

#[test]
fn a_value_that_died_in_a_store_stays_dead_in_it_whatever_is_restored() {
    let place = Place::folder();
    let (id, old) = place.create("wanda", &["--role", "write"]);
    let text = exported(place.path());
    let entities = run(place.path(), &["export", "--data", "store", "--type", "Hub::AccessToken"]).stdout;
    let token: String = entities.lines().filter(|line| line.contains(&id)).collect();
    fs::write(place.path().join("token.ndjson"), token).unwrap();
    let new = place.done(&["refresh", "--user", "wanda", &id]);
    let refused = |why: &str| {
        for args in [&[][..], &["--replace"]] {
            let run = import(place.path(), &text, args);
            assert!(run.code == 3 && run.stderr.contains(why), "{}", run.stderr);
        }
        assert_eq!(place.introspect(&old), "dead");
    };
    let died = format!("the value of the token `{id}` died in this store, refreshed away or deleted, and stays dead");
    refused(&died);
    assert!(place.introspect(&new).starts_with("alive"));
    place.done(&["delete", "--user", "wanda", &id]);
    refused(&format!("the token `{id}` was deleted in this store"));
    let revived = run(place.path(), &["import", "--data", "store", "--revive", "token.ndjson"]);
    assert_eq!(revived.code, 0, "{}", revived.stderr);
    refused(&died);
    assert_eq!(place.introspect(&new), "dead");
}

#[test]
fn another_value_is_replaced_only_when_that_is_said() {
    let place = Place::folder();
    let (id, first) = place.create("wanda", &["--role", "write"]);
    let before = exported(place.path());
    let second = place.done(&["refresh", "--user", "wanda", &id]);
    let after = exported(place.path());
    let copy = restored(&place);
    assert_eq!(import(copy.path(), &before, &[]).code, 0);
    assert!(copy.introspect(&first).starts_with("alive"));
    let refused = import(copy.path(), &after, &[]);
    let why = "has another value in this store; `--replace` puts this one in its place";
    assert!(refused.code == 3 && refused.stderr.contains(why), "{}", refused.stderr);
    assert!(copy.introspect(&first).starts_with("alive"));
    let replaced = import(copy.path(), &after, &["--replace"]);
    assert_eq!(replaced.code, 0, "{}", replaced.stderr);
    assert!(copy.introspect(&second).starts_with("alive"));
    assert_eq!(copy.introspect(&first), "dead");
    assert_eq!(exported(copy.path()), after);
    assert_eq!(copy.done(&["list", "--user", "wanda"]).lines().count(), 1);
    assert_eq!(import(copy.path(), &before, &["--replace"]).code, 3, "what was replaced is dead, too");
}

#[test]
fn credentials_leave_and_enter_where_the_store_is_and_not_through_a_server() {
    let place = Place::server();
    for args in [vec!["export"], vec!["import", "cast.ndjson"]] {
        let run = place.token(&args);
        assert_eq!((run.code, &*run.stdout), (1, ""));
        assert!(run.stderr.ends_with("stop its server and name its folder with `--data DIR`\n"), "{}", run.stderr);
    }
    let held = run(place.path(), &["token", "export", "--data", "store"]);
    assert!(held.code == 1 && held.stderr.contains("held by another process"), "{}", held.stderr);
}

#[cfg(unix)]
#[test]
fn a_file_of_credentials_is_for_its_owner_alone() {
    use std::os::unix::fs::PermissionsExt;

    let place = Place::folder();
    place.create("wanda", &["--role", "write"]);
    let file = place.path().join("out.ndjson");
    fs::write(&file, "x".repeat(10_000)).unwrap();
    fs::set_permissions(&file, fs::Permissions::from_mode(0o644)).unwrap();
    let run = place.token(&["export", "--output", "out.ndjson"]);
    assert_eq!((run.code, &*run.stdout, &*run.stderr), (0, "", "exported 1 credentials\n"));
    assert_eq!(fs::metadata(&file).unwrap().permissions().mode() & 0o777, 0o600);
    assert_eq!(fs::read_to_string(&file).unwrap(), exported(place.path()));
}

#[test]
fn tokens_that_are_gone_or_were_given_away_are_left_out() {
    let hub = Service::new();
    let (kept, gone, given) = (hub.role("wanda", "write"), hub.role("wanda", "read"), hub.role("eve", "read"));
    let entity = |token: &str| format!("/v1/entities/access_token/{token}");
    assert_eq!(hub.served.with_body("DELETE", &hub.key, &entity(&gone.id), &json!({})).status, 200);
    let owner = json!({"attrs": {"owner": {"__entity": {"type": "Hub::User", "id": "wanda"}}}});
    assert_eq!(hub.served.with_body("PATCH", &hub.key, &entity(&given.id), &owner).status, 200);
    let mut ids = Vec::new();
    let exported = hub.served.hub.export_credentials(|line| {
        ids.push(line.id.to_string());
        Ok::<_, hubwarden::hub::HubError>(())
    });
    let exported = exported.unwrap();
    assert_eq!((ids, exported.written, exported.left_out), (vec![kept.id], 1, 2));
}
