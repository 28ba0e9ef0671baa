//! Folders that must be refused, and what accepting a loss does.

use std::fs;

use super::*;

fn assert_damaged(error: &StoreError, what: &str) {
    assert!(matches!(error, StoreError::Damaged { .. }), "{error}");
    let text = error.to_string();
    assert!(text.contains(what), "{text}");
}

#[test]
fn a_store_is_created_in_a_folder_that_does_not_exist() {
    let dir = TempDir::new().unwrap();
    let deep = dir.path().join("a/b/c");
    assert_eq!(open(&deep).read().unwrap().revision(), Revision(0));
}

#[test]
fn a_folder_with_other_files_is_refused_and_left_alone() {
    let dir = TempDir::new().unwrap();
    fs::write(dir.path().join("notes.txt"), "mine").unwrap();
    assert_damaged(&refused(dir.path()), "files that are no store's");
    assert_damaged(&accepting(dir.path()).err().unwrap(), "files that are no store's");
    assert_eq!(fs::read_dir(dir.path()).unwrap().count(), 1);
}

#[test]
fn a_folder_whose_data_is_gone_is_refused_and_not_started_empty() {
    let dir = three_users();
    fs::remove_dir_all(dir.path().join("sled")).unwrap();
    assert_damaged(&refused(dir.path()), "its data is gone");
    assert_damaged(&refused(dir.path()), "--accept-data-loss");
    let store = accepting(dir.path()).unwrap();
    assert_eq!(store.stats().entities, 0);
}

#[test]
fn an_emptied_log_is_refused() {
    let dir = three_users();
    fs::write(dir.path().join("sled/db"), "").unwrap();
    assert_damaged(&refused(dir.path()), "its data is gone");
}

#[test]
fn data_that_lost_its_head_record_is_refused() {
    let dir = three_users();
    fs::remove_dir_all(dir.path().join("sled")).unwrap();
    // An engine's folder with nothing in it, as after the engine lost its log.
    drop(super::super::engine::Engine::open(&dir.path().join("sled"), 1 << 20).unwrap());
    assert_damaged(&refused(dir.path()), "its head record is gone");
}

#[test]
fn data_of_another_store_is_refused() {
    let (dir, other) = (three_users(), three_users());
    fs::copy(other.path().join("STORE"), dir.path().join("STORE")).unwrap();
    assert_damaged(&refused(dir.path()), "its data is of store");
}

#[test]
fn data_older_than_the_sidecar_is_refused_until_the_loss_is_accepted() {
    let dir = three_users();
    edit_sidecar(dir.path(), |sidecar| {
        sidecar.insert("head".to_owned(), 7.into());
        sidecar.insert("clean".to_owned(), false.into());
    });
    assert_damaged(&refused(dir.path()), "its data ends at revision 3, it was at 7");
    let before = open_id(dir.path());
    let store = accepting(dir.path()).unwrap();
    assert_ne!(store.id(), before, "revisions are given again, so it is another store");
    assert_eq!(store.stats().entities, 3);
    assert_eq!(store.commit(put(&[numbered("dora", 1)])).unwrap(), Revision(4));
    drop(store);
    assert_eq!(open(dir.path()).stats().entities, 4);
}

fn open_id(dir: &Path) -> String {
    let text = fs::read_to_string(dir.join("STORE")).unwrap();
    let json: serde_json::Value = serde_json::from_str(&text).unwrap();
    json["store_id"].as_str().unwrap().to_owned()
}

#[test]
fn counts_that_do_not_match_the_sidecar_are_refused() {
    let dir = three_users();
    edit_sidecar(dir.path(), |sidecar| {
        sidecar.insert("entities".to_owned(), 4.into());
    });
    assert_damaged(&refused(dir.path()), "should hold 4 entities");
}

#[test]
fn a_sidecar_that_is_gone_or_garbled_is_refused_until_the_loss_is_accepted() {
    let dir = three_users();
    fs::write(dir.path().join("STORE"), "{").unwrap();
    assert_damaged(&refused(dir.path()), "its file STORE cannot be read");
    fs::remove_file(dir.path().join("STORE")).unwrap();
    assert_damaged(&refused(dir.path()), "no file STORE");
    assert_eq!(accepting(dir.path()).unwrap().stats().entities, 3);
}

#[test]
fn a_newer_format_is_refused_with_what_to_do() {
    let dir = three_users();
    edit_sidecar(dir.path(), |sidecar| {
        sidecar.insert("format".to_owned(), 3.into());
        sidecar.insert("written_by".to_owned(), "hubwarden 9.1.0".into());
        sidecar.remove("clean");
    });
    let error = refused(dir.path());
    assert!(matches!(error, StoreError::Format { found: 3, supported: 2, .. }), "{error}");
    assert!(error.to_string().contains("start hubwarden 9.1.0 again"), "{error}");
    // Nobody can accept what this version does not understand.
    assert!(matches!(accepting(dir.path()), Err(StoreError::Format { .. })));
}

#[test]
fn a_store_that_was_half_created_is_created_again() {
    let dir = three_users();
    fs::remove_file(dir.path().join("STORE")).unwrap();
    fs::write(dir.path().join("CREATING"), "").unwrap();
    let store = open(dir.path());
    assert_eq!(store.stats().entities, 0);
    assert!(!dir.path().join("CREATING").exists());
}

#[test]
fn a_marker_that_outlived_the_creation_does_no_harm() {
    let dir = three_users();
    fs::write(dir.path().join("CREATING"), "").unwrap();
    assert_eq!(open(dir.path()).stats().entities, 3);
}

#[test]
fn a_half_written_snapshot_is_removed() {
    let dir = three_users();
    let torn = dir.path().join("sled/snap.00000000000000FF.generating");
    fs::write(&torn, "half").unwrap();
    assert_eq!(open(dir.path()).stats().entities, 3);
    assert!(!torn.exists());
}
