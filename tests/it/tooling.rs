//! The workflow, the hooks and the editor's tasks of `examples/`: their commands are run as they are written, on the
//! hub's policies and on broken ones. Proving is left to `tests/proofs/run`, which has a solver.

use std::fs;
use std::path::Path;

use regex::Regex;
use serde_json::Value as Json;
use tempfile::TempDir;

use crate::program::{Run, repository, run};

/// The hub's policies and schema in a folder of their own, with one edit of `visibility.cedar`.
fn copy(from: &str, to: &str) -> TempDir {
    let folder = TempDir::new().unwrap();
    for part in ["policies", "schema"] {
        fs::create_dir(folder.path().join(part)).unwrap();
        for entry in fs::read_dir(repository(part)).unwrap().map(Result::unwrap) {
            if entry.path().is_file() {
                fs::copy(entry.path(), folder.path().join(part).join(entry.file_name())).unwrap();
            }
        }
    }
    std::os::unix::fs::symlink(repository("tests"), folder.path().join("tests")).unwrap();
    let path = folder.path().join("policies/visibility.cedar");
    let text = fs::read_to_string(&path).unwrap();
    assert!(text.contains(from), "{from}");
    fs::write(path, text.replacen(from, to, 1)).unwrap();
    folder
}

/// What a command says, run as it is written: `hubwarden` and words without quotes.
fn say(folder: &Path, command: &str) -> Run {
    let mut words = command.split_whitespace();
    assert_eq!(words.next(), Some("hubwarden"), "{command}");
    run(folder, &words.collect::<Vec<_>>())
}

fn example(path: &str) -> String {
    fs::read_to_string(repository("examples").join(path)).unwrap()
}

/// Each command passes on the hub's policies, and at least one fails on each broken copy.
fn hold(commands: &[String]) {
    let fine = copy("anyone", "anyone");
    for command in commands {
        let run = say(fine.path(), command);
        assert_eq!(run.code, 0, "{command}: {}{}", run.stdout, run.stderr);
    }
    for (from, to) in [
        ("resource.visibility", "resource.visibillity"),
        ("when { resource.visibility", "when   { resource.visibility"),
        ("// Metadata and content.", "// Metadata and content.\n// hubwarden-lint: allow(comment) there is one"),
    ] {
        let broken = copy(from, to);
        let failed = commands.iter().filter(|command| say(broken.path(), command).code != 0).count();
        assert!(failed > 0, "nothing notices `{to}`");
    }
}

#[test]
fn the_hooks_pass_what_is_fine_and_stop_what_is_not() {
    let config: Json = serde_saphyr::from_str(&example("ci/pre-commit-config.yaml")).unwrap();
    let hooks = config["repos"][0]["hooks"].as_array().unwrap();
    let commands: Vec<String> = hooks
        .iter()
        .map(|hook| {
            let entry = hook["entry"].as_str().unwrap();
            // The changed files that match are appended, unless the hook wants none.
            let files = if hook["pass_filenames"] == false { "" } else { " policies/visibility.cedar" };
            let matches = Regex::new(hook["files"].as_str().unwrap()).unwrap();
            assert!(matches.is_match("policies/visibility.cedar"), "{hook}");
            format!("{entry}{files}")
        })
        .collect();
    assert_eq!(commands.len(), 3);
    hold(&commands);
}

#[test]
fn the_workflow_passes_what_is_fine_and_stops_what_is_not() {
    let workflow: Json = serde_saphyr::from_str(&example("ci/policies.yml")).unwrap();
    let steps = workflow["jobs"]["policies"]["steps"].as_array().unwrap();
    let of_ours = steps.iter().filter_map(|step| step["run"].as_str()).filter(|run| run.starts_with("hubwarden "));
    let (proofs, commands): (Vec<String>, Vec<String>) =
        of_ours.map(str::to_owned).partition(|command| command.starts_with("hubwarden prove"));
    assert_eq!((proofs.len(), commands.len()), (1, 4));
    hold(&commands);
    let listed = say(&repository(""), &format!("{} --list", proofs[0]));
    assert_eq!(listed.code, 0, "{}", listed.stderr);
}

#[test]
fn the_editors_tasks_underline_what_they_find() {
    let tasks: Json = serde_json::from_str(&example("editor/tasks.json")).unwrap();
    for (label, from, to, rule, shown) in [
        ("policies: validate", "resource.visibility", "resource.visibillity", "error", "resource.visibillity"),
        (
            "policies: lint",
            "hubwarden-lint: allow-file",
            "meant:",
            "warning open-scope",
            "@id(\"visibility/public-repo\")",
        ),
    ] {
        let task = tasks["tasks"].as_array().unwrap().iter().find(|task| task["label"] == label).unwrap();
        let words: Vec<&str> = task["args"].as_array().unwrap().iter().filter_map(Json::as_str).collect();
        assert_eq!(run(copy("anyone", "anyone").path(), &words).code, 0, "{label}");
        let broken = copy(from, to);
        let found = run(broken.path(), &words);
        let pattern = &task["problemMatcher"]["pattern"];
        let (first, second) = (regex(&pattern[0]), regex(&pattern[1]));
        let text = format!("{}{}", found.stderr, found.stdout);
        let lines: Vec<&str> = text.lines().collect();
        let read = lines.windows(2).find_map(|pair| Some((first.captures(pair[0])?, second.captures(pair[1])?)));
        let (what, place) = read.unwrap_or_else(|| panic!("{label}: {text}"));
        let code = what.get(2).map_or("", |code| code.as_str());
        assert_eq!(format!("{} {code}", &what[1]).trim(), rule, "{text}");
        let file = fs::read_to_string(broken.path().join(&place[1])).unwrap();
        let line = file.lines().nth(place[2].parse::<usize>().unwrap() - 1).unwrap();
        assert!(line.contains(shown), "{line}\n{text}");
    }
}

fn regex(pattern: &Json) -> Regex {
    Regex::new(pattern["regexp"].as_str().unwrap()).unwrap()
}

#[test]
fn every_task_is_a_command_that_exists() {
    let tasks: Json = serde_json::from_str(&example("editor/tasks.json")).unwrap();
    for args in tasks["tasks"].as_array().unwrap().iter().filter_map(|task| task["args"].as_array()) {
        let command = args[0].as_str().unwrap();
        assert_eq!(run(&repository(""), &[command, "--help"]).code, 0, "{command}");
    }
    for settings in ["settings.json", "extensions.json"] {
        serde_json::from_str::<Json>(&example(&format!("editor/{settings}"))).unwrap();
    }
    let settings: Json = serde_json::from_str(&example("editor/settings.json")).unwrap();
    assert!(repository(settings["cedar.schemaFile"].as_str().unwrap()).is_file());
}
