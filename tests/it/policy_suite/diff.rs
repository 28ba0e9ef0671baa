//! What a change of policies changes.

use std::path::Path;

use tempfile::TempDir;

use crate::program::{Run, repository, run};

/// The documents' policies before and after a change, and the example's suite.
fn changed(change: impl Fn(&str, String) -> String) -> TempDir {
    let folder = tempfile::tempdir().unwrap();
    let example = repository("examples/documents");
    for name in ["schema.cedarschema", "entities.json", "documents_test.yaml"] {
        std::fs::copy(example.join(name), folder.path().join(name)).unwrap();
    }
    for side in ["from", "to"] {
        std::fs::create_dir(folder.path().join(side)).unwrap();
    }
    for entry in std::fs::read_dir(example.join("policies")).unwrap() {
        let path = entry.unwrap().path();
        let name = path.file_name().unwrap().to_str().unwrap();
        let text = std::fs::read_to_string(&path).unwrap();
        std::fs::write(folder.path().join("from").join(name), &text).unwrap();
        std::fs::write(folder.path().join("to").join(name), change(name, text)).unwrap();
    }
    folder
}

fn diff(folder: &Path, args: &[&str]) -> Run {
    run(folder, &[&["diff", "--from", "from", "--to", "to", "--schema", "schema.cedarschema"], args].concat())
}

#[test]
fn the_same_policies_answer_the_same() {
    let folder = changed(|_, text| text);
    let told = diff(folder.path(), &["documents_test.yaml"]);
    assert_eq!(
        (told.code, told.stdout.as_str()),
        (0, "38 questions: 0 newly allowed, 0 newly refused, 0 refused for another reason\n"),
        "{}",
        told.stderr
    );
}

#[test]
fn a_wider_policy_shows_who_gains_what_by_which_policy() {
    let folder = changed(|_, text| {
        text.replace("when { resource.locked };", "when { resource.locked } unless { principal == resource.owner };")
    });
    let told = diff(folder.path(), &["documents_test.yaml"]);
    assert_eq!(told.code, 4, "{}", told.stderr);
    let expected = "changed  limits/locked\n\nNEWLY ALLOWED: now permitted by owners/document, no more forbidden by limits/locked\n  ann comment contract\n  ann edit contract\n\n38 questions: 2 newly allowed, 0 newly refused, 0 refused for another reason\n";
    assert_eq!(told.stdout, expected);
    let back = run(
        folder.path(),
        &["diff", "--from", "to", "--to", "from", "--schema", "schema.cedarschema", "documents_test.yaml"],
    );
    assert_eq!(back.code, 5);
    assert!(
        back.stdout.contains("NEWLY REFUSED: now forbidden by limits/locked\n  ann comment contract\n"),
        "{}",
        back.stdout
    );
}

#[test]
fn both_ways_and_other_reasons_newly_allowed_first() {
    let folder = changed(|name, text| match name {
        "owners.cedar" => text.replace(
            "permit (\n  principal is Docs::User,\n  action,\n  resource is Docs::Folder",
            "permit (\n  principal is Docs::User,\n  action == Docs::Action::\"view\",\n  resource is Docs::Folder",
        ),
        "limits.cedar" => text
            .replace("@reason(\"locked\")", "@reason(\"not_shared\")")
            .replace("when { resource.locked }", "when { resource.locked } unless { principal == resource.owner }"),
        _ => text,
    });
    let told = diff(folder.path(), &["--format", "json", "documents_test.yaml"]);
    assert_eq!(told.code, 6, "{}", told.stderr);
    let json = told.json();
    let flips: Vec<&str> =
        json["changes"].as_array().unwrap().iter().map(|change| change["flip"].as_str().unwrap()).collect();
    assert_eq!(flips, ["allowed", "refused", "other_reason"]);
    assert_eq!(json["changes"][1]["by"], "no more permitted by owners/folder");
    assert_eq!(json["changes"][2]["by"], "locked became not_shared");
}

#[test]
fn everything_that_stored_entities_can_ask_is_asked() {
    let folder = changed(|_, text| {
        text.replace("when { resource.locked };", "when { resource.locked } unless { principal == resource.owner };")
    });
    let args = ["--entities", "entities.json", "--now", "2026-01-15T12:00:00Z"];
    let told = diff(folder.path(), &args);
    assert_eq!(told.code, 4, "{}", told.stderr);
    assert!(told.stdout.contains("  Docs::User::\"ann\" edit Docs::Document::\"contract\"\n"), "{}", told.stdout);
    // Three users; four actions on three documents, two on two folders.
    assert!(told.stdout.contains("48 questions: 2 newly allowed"), "{}", told.stdout);
    assert_eq!(diff(folder.path(), &[]).code, 2, "there are no suites here");
}

/// A repository whose commit holds `to` as `from` is, with the change on top of it in the work tree.
fn committed(change: impl Fn(&str, String) -> String) -> TempDir {
    let folder = changed(change);
    let git = |args: &[&str]| {
        let identity = ["-c", "user.name=ann", "-c", "user.email=ann@example.com", "-c", "commit.gpgsign=false"];
        let output = std::process::Command::new("git").args(identity).args(args).current_dir(folder.path()).output();
        let output = output.expect("git is installed");
        assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    };
    git(&["init", "--quiet"]);
    let (to, kept) = (folder.path().join("to"), folder.path().join("kept"));
    std::fs::rename(&to, &kept).unwrap();
    std::fs::rename(folder.path().join("from"), &to).unwrap();
    git(&["add", "to", "schema.cedarschema"]);
    git(&["commit", "--quiet", "--message", "before"]);
    std::fs::remove_dir_all(&to).unwrap();
    std::fs::rename(&kept, &to).unwrap();
    folder
}

#[test]
fn a_change_is_compared_with_a_revision() {
    let folder = committed(|name, text| match name {
        "owners.cedar" => text.replace("permit (", "forbid ("),
        _ => text,
    });
    let args = ["diff", "--to", "to", "--schema", "schema.cedarschema", "documents_test.yaml", "--from"];
    let told = run(folder.path(), &[&args[..], &["HEAD"]].concat());
    assert_eq!(told.code, 5, "{}{}", told.stdout, told.stderr);
    for bad in ["no-such-revision", "--help-me", "HEAD:to"] {
        let from = format!("--from={bad}");
        let told = run(folder.path(), &[&args[..6], &[from.as_str()]].concat());
        assert_eq!(told.code, 1, "{bad}: {}", told.stderr);
        assert!(told.stderr.contains("neither a folder nor a revision"), "{}", told.stderr);
    }
}
