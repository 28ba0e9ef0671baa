//! The README's five minutes, as written: its commands run against a started server, its answers compared.
//!
//! Needs bash and curl. In an expected answer `…` stands for anything up to what follows it.

use std::process::{Command, Stdio};

use tempfile::TempDir;

use crate::program::{Serving, repository};

/// A command block of the tour, and the answer that follows it.
struct Step {
    commands: String,
    answer: Option<String>,
}

fn tour() -> Vec<Step> {
    let text = std::fs::read_to_string(repository("README.md")).unwrap();
    let (_, tour) = text.split_once("\n## Five minutes\n").expect("the README has a tour");
    let (tour, _) = tour.split_once("\n## ").unwrap();
    let mut steps: Vec<Step> = Vec::new();
    for block in tour.split("\n```").skip(1).step_by(2) {
        let (kind, body) = block.split_once('\n').unwrap();
        match kind {
            "sh" => steps.push(Step { commands: body.to_owned(), answer: None }),
            "json" | "text" => steps.last_mut().unwrap().answer = Some(body.to_owned()),
            other => panic!("a block of kind {other}"),
        }
    }
    steps
}

/// Whether a text is what was expected, `…` standing for anything.
fn matches(expected: &str, found: &str) -> bool {
    let mut parts = expected.split('…');
    let Some(mut rest) = found.strip_prefix(parts.next().unwrap()) else { return false };
    for part in parts {
        match rest.find(part) {
            Some(at) => rest = &rest[at + part.len()..],
            None => return false,
        }
    }
    rest.is_empty() || expected.ends_with('…')
}

#[test]
fn the_five_minutes_go_as_the_readme_says() {
    // For what the tour writes.
    let folder = TempDir::new().unwrap();
    let mut steps = tour();
    assert!(steps.len() > 5, "the tour was found");
    assert_eq!(steps.remove(0).commands, "hubwarden serve --demo", "the first step starts the server");
    let server = Serving::demo();
    // One shell for all of it, as one person would type it.
    let marker = "== next step ==";
    let commands: Vec<&str> = steps.iter().map(|step| step.commands.as_str()).collect();
    let script = commands.join(&format!("\necho '{marker}'\n")).replace("http://127.0.0.1:8180", &server.url);
    let program = std::path::Path::new(env!("CARGO_BIN_EXE_hubwarden")).parent().unwrap();
    let path = format!("{}:{}", program.display(), std::env::var("PATH").unwrap());
    let output = Command::new("bash")
        .args(["-euo", "pipefail", "-c", &script])
        .current_dir(repository(""))
        .env("PATH", path)
        .env("TMPDIR", folder.path())
        .stdin(Stdio::null())
        .output()
        .expect("bash is installed");
    let stdout = String::from_utf8(output.stdout).unwrap();
    let stderr = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "{stdout}\n{stderr}");
    let answers: Vec<&str> = stdout.split(marker).map(str::trim).collect();
    assert_eq!(answers.len(), steps.len(), "{stdout}\n{stderr}");
    for (step, answer) in steps.iter().zip(answers) {
        if let Some(expected) = &step.answer {
            assert!(matches(expected.trim(), answer), "{}\n\nsays:\n{answer}\n\nnot:\n{expected}", step.commands);
        }
    }
}

#[test]
fn an_ellipsis_stands_for_anything() {
    assert!(matches("a…c", "abbc") && matches("a…", "abc") && matches("a…b…d", "aabbcd"));
    assert!(!matches("a…c", "abcd") && !matches("ab", "abc") && !matches("b…", "ab"));
}
