//! The decision matrix, and its snapshots.

use std::path::Path;

use tempfile::TempDir;

use crate::program::{Run, repository, run};

#[test]
fn the_committed_matrix_is_what_the_policies_answer() {
    let told =
        run(&repository(""), &["matrix", "--policies", "policies", "--schema", "schema/hub.cedarschema", "--check"]);
    assert_eq!(told.code, 0, "{}{}\nif that is meant: hubwarden matrix --bless", told.stdout, told.stderr);
}

/// A folder with a small domain and a matrix.
fn small() -> TempDir {
    let folder = tempfile::tempdir().unwrap();
    let write = |name: &str, text: &str| std::fs::write(folder.path().join(name), text).unwrap();
    std::fs::create_dir(folder.path().join("policies")).unwrap();
    write(
        "s.cedarschema",
        "entity Admin; entity User; @absent(\"gone\") entity Thing = { open: Bool };
         @visibleBy(\"see\") action see, \"use\" appliesTo { principal: [User], resource: [Thing] };
         action break appliesTo { principal: [Admin], resource: [Thing] };",
    );
    write(
        "policies/p.cedar",
        "@id(\"a/see\") permit (principal is User, action == Action::\"see\", resource is Thing) when { resource.open };
         @id(\"a/use\") permit (principal == User::\"ann\", action == Action::\"use\", resource is Thing);",
    );
    write("policies/reasons.json", r#"[{"code":"gone","status":404},{"code":"not_permitted","status":403}]"#);
    write(
        "small_matrix.yaml",
        "entities:
  - { uid: { type: User, id: ann } }
  - { uid: { type: User, id: '=b|<i>' } }
  - { uid: { type: Admin, id: root } }
  - { uid: { type: Thing, id: a/b }, attrs: { open: true } }
  - { uid: { type: Thing, id: shut }, attrs: { open: false } }
actors: [ann, '=b|<i>', root]
screens: [a/b, shut]
",
    );
    folder
}

fn matrix(folder: &Path, args: &[&str]) -> Run {
    run(
        folder,
        &[&["matrix", "small_matrix.yaml", "--policies", "policies", "--schema", "s.cedarschema"], args].concat(),
    )
}

#[test]
fn a_screen_shows_every_answer_and_what_made_it() {
    let told = matrix(small().path(), &[]);
    assert_eq!(told.code, 0, "{}", told.stderr);
    let expected = "\
a/b

        ┌ break
        │  ┌ see
        │  │  ┌ use
ann     .  +1 +2
=b|<i>  .  +1 x3
root    x3 .  .

+ allow   x deny
  1  a/see
  2  a/use
  3  not_permitted

shut

        ┌ break
        │  ┌ see
        │  │  ┌ use
ann     .  -1 +2
=b|<i>  .  -1 -1
root    x3 .  .

+ allow   x deny   - hidden
  1  gone
  2  a/use
  3  not_permitted
";
    assert_eq!(told.stdout, expected);
}

#[test]
fn names_stay_names_in_every_form() {
    let folder = small();
    let markdown = matrix(folder.path(), &["--output", "markdown"]).stdout;
    assert!(markdown.contains("| =b\\|&lt;i> | | allow 1 | deny 3 |"), "{markdown}");
    let csv = matrix(folder.path(), &["--output", "csv"]).stdout;
    assert!(csv.contains("small,a/b,'=b|<i>,use,deny,not_permitted\r\n"), "{csv}");
    let html = matrix(folder.path(), &["--output", "html"]).stdout;
    assert!(html.contains("<th>=b|&lt;i&gt;</th>") && !html.contains("<i>") && !html.contains("http"), "{html}");
}

#[test]
fn snapshots_are_written_compared_and_cleaned_up() {
    let folder = small();
    let snapshots = folder.path().join("matrix/small");
    let missing = matrix(folder.path(), &["--check"]);
    assert_eq!(missing.code, 4, "{}", missing.stdout);
    assert_eq!(matrix(folder.path(), &["--bless"]).code, 0);
    assert!(snapshots.join("a-b.txt").exists());
    assert_eq!(matrix(folder.path(), &["--check"]).stdout, "2 screens, as committed\n");
    // A policy changes an answer.
    let path = folder.path().join("policies/p.cedar");
    let text = std::fs::read_to_string(&path).unwrap();
    std::fs::write(&path, text.replace("principal == User::\"ann\"", "principal is User")).unwrap();
    let changed = matrix(folder.path(), &["--check"]);
    assert_eq!(changed.code, 4);
    assert!(
        changed.stdout.contains("- =b|<i>  .  +1 x3\n") && changed.stdout.contains("+ =b|<i>  .  +1 +2\n"),
        "{}",
        changed.stdout
    );
    assert!(changed.stderr.contains("2 snapshots differ; `--bless` writes them anew"), "{}", changed.stderr);
    // A screen that nobody asks for any more.
    let path = folder.path().join("small_matrix.yaml");
    let text = std::fs::read_to_string(&path).unwrap();
    std::fs::write(&path, text.replace("[a/b, shut]", "[shut]")).unwrap();
    assert!(matrix(folder.path(), &["--check"]).stdout.contains("a-b.txt: no screen any more"));
    assert_eq!(matrix(folder.path(), &["--bless"]).code, 0);
    assert!(!snapshots.join("a-b.txt").exists());
    assert_eq!(matrix(folder.path(), &["--check"]).code, 0);
}

#[test]
fn what_is_wrong_with_a_matrix_is_told_at_its_line() {
    let folder = small();
    let path = folder.path().join("small_matrix.yaml");
    let text = std::fs::read_to_string(&path).unwrap();
    std::fs::write(&path, text.replace("[a/b, shut]", "[a/c]")).unwrap();
    let told = matrix(folder.path(), &[]);
    assert_eq!(told.code, 3);
    assert!(
        told.stderr.contains("`a/c` names nothing in the fixtures\n --> small_matrix.yaml:8:11"),
        "{}",
        told.stderr
    );
    let none = run(folder.path(), &["matrix", "policies", "--policies", "policies", "--schema", "s.cedarschema"]);
    assert_eq!(none.code, 2);
}
