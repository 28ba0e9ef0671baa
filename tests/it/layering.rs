//! Who may import whom: the modules are layers, and each outside crate has one home.
//!
//! Reads the sources, so that a new `use` in the wrong place fails here with its file and line.

use std::collections::BTreeSet;
use std::fs;
use std::path::{Path, PathBuf};

/// A module of `src/`, and which others of ours it may name. The command line wires everything together; below it each
/// layer knows the next ones only. `main.rs` sees the library as `hubwarden::cli`.
const LAYERS: &[(&str, &[&str])] = &[
    ("main", &["cli"]),
    (
        "cli",
        &[
            "bench",
            "http",
            "suite",
            "hub",
            "tokens",
            "warden",
            "audit",
            "pdp",
            "store",
            "entity",
            "json",
            "clock",
            "process",
            "secret_file",
        ],
    ),
    ("bench", &["warden", "entity", "process"]),
    ("http", &["hub", "tokens", "warden", "audit", "pdp", "store", "entity", "json", "clock"]),
    ("hub", &["tokens", "warden", "pdp", "store", "entity", "clock"]),
    ("suite", &["pdp", "entity", "json", "clock"]),
    ("warden", &["audit", "pdp", "store", "entity", "json", "clock", "process"]),
    ("audit", &["secret_file", "entity", "clock"]),
    ("tokens", &["secret_file", "entity", "clock"]),
    ("pdp", &["entity", "json"]),
    ("store", &["entity", "clock"]),
    ("entity", &[]),
    ("json", &[]),
    ("clock", &[]),
    ("process", &[]),
    ("secret_file", &[]),
];

/// Outside crates with one home: path prefixes below `src/`.
const HOMES: &[(&str, &[&str])] = &[
    ("cedar_policy", &["pdp"]),
    ("cedar_policy_core", &["pdp/engine"]),
    ("cedar_policy_formatter", &["pdp/format.rs"]),
    ("cedar_policy_symcc", &["pdp/symbolic"]),
    ("miette", &["pdp"]),
    ("sled", &["store/sled"]),
    ("prost", &["store"]),
    ("ed25519_dalek", &["audit/key_file.rs"]),
    ("axum", &["http"]),
    ("hyper", &["http"]),
    ("hyper_util", &["http"]),
    ("matchit", &["http/router.rs"]),
    ("futures_util", &["http"]),
    ("utoipa", &["http"]),
    ("notify", &["warden", "cli/test"]),
    ("rust_embed", &["warden/source.rs"]),
    ("clap", &["cli"]),
    ("clap_complete", &["cli"]),
    ("hdrhistogram", &["bench"]),
    ("rustix", &["process.rs", "audit/tail.rs"]),
    ("opentelemetry", &["http/trace.rs", "cli/serve/traces.rs"]),
    ("opentelemetry_sdk", &["http/trace.rs", "cli/serve/traces.rs"]),
    ("opentelemetry_http", &["http/trace.rs", "cli/serve/traces.rs"]),
    ("opentelemetry_otlp", &["cli/serve/traces.rs"]),
    ("tracing_opentelemetry", &["http/trace.rs", "cli/serve"]),
    ("indicatif", &["cli"]),
    ("ureq", &["cli", "audit/otlp.rs"]),
    ("serde_saphyr", &["suite/yaml.rs", "cli/config.rs"]),
    ("quick_junit", &["suite/report/junit.rs"]),
    ("tracing_subscriber", &["cli"]),
];

/// What only one file may do.
const CALLS: &[(&str, &str)] = &[("SystemTime::now", "clock.rs"), ("Timestamp::now", "clock.rs")];

struct Source {
    /// Below `src/`, with `/`.
    path: String,
    text: String,
}

fn sources() -> Vec<Source> {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("src");
    let mut found = Vec::new();
    let mut folders: Vec<PathBuf> = vec![root.clone()];
    while let Some(folder) = folders.pop() {
        for entry in fs::read_dir(folder).unwrap() {
            let path = entry.unwrap().path();
            if path.is_dir() {
                folders.push(path);
            } else if path.extension().is_some_and(|extension| extension == "rs") {
                let text = fs::read_to_string(&path).unwrap();
                let path = path.strip_prefix(&root).unwrap().to_string_lossy().replace('\\', "/");
                found.push(Source { path, text });
            }
        }
    }
    assert!(found.len() > 20, "the sources were found");
    found
}

impl Source {
    /// The layer: `pdp` for `pdp.rs` and everything in `pdp/`.
    fn layer(&self) -> &str {
        self.path.split('/').next().unwrap().trim_end_matches(".rs")
    }

    fn is_test(&self) -> bool {
        ["/tests.rs", "/tests/", "/conformance"].iter().any(|part| self.path.contains(part))
    }

    /// Lines of code with their numbers: no comments, and nothing from the first module of tests on.
    fn code(&self) -> impl Iterator<Item = (usize, &str)> {
        let lines = self.text.lines().enumerate().map(|(index, line)| (index + 1, line));
        lines
            .take_while(|(_, line)| !line.ends_with("mod tests {"))
            .filter(|(_, line)| !line.trim_start().starts_with("//"))
    }
}

/// The names that follow `prefix` in a line: `crate::{a, b::c}` and `crate::a` alike.
fn names_after<'a>(line: &'a str, prefix: &str) -> Vec<&'a str> {
    let boundary = |at: usize| !line[..at].ends_with(|c: char| c.is_alphanumeric() || c == '_');
    let starts = line.match_indices(prefix).filter(|(at, _)| boundary(*at));
    let mut names = Vec::new();
    for (at, _) in starts {
        let rest = &line[at + prefix.len()..];
        let list = rest.strip_prefix('{').map_or(vec![rest], |list| list.split(',').collect());
        for item in list {
            let item = item.trim_start();
            let end = item.find(|c: char| !(c.is_alphanumeric() || c == '_')).unwrap_or(item.len());
            names.push(&item[..end]);
        }
    }
    names
}

#[test]
fn every_module_is_a_layer_of_the_table() {
    let known: BTreeSet<&str> = LAYERS.iter().map(|(name, _)| *name).chain(["lib"]).collect();
    for source in sources() {
        assert!(known.contains(source.layer()), "src/{} belongs to no layer", source.path);
    }
}

#[test]
fn a_layer_names_only_the_layers_below_it() {
    let known: BTreeSet<&str> = LAYERS.iter().map(|(name, _)| *name).collect();
    let mut faults = Vec::new();
    for source in sources().iter().filter(|source| source.layer() != "lib" && !source.is_test()) {
        let layer = source.layer();
        let (_, allowed) = LAYERS.iter().find(|(name, _)| *name == layer).unwrap();
        for (number, line) in source.code() {
            let mut names = names_after(line, "crate::");
            names.extend(names_after(line, "hubwarden::"));
            for name in names.into_iter().filter(|name| known.contains(name)) {
                if name != layer && !allowed.contains(&name) {
                    faults.push(format!("src/{}:{number}: {layer} must not name {name}", source.path));
                }
            }
        }
    }
    assert!(faults.is_empty(), "{}", faults.join("\n"));
}

#[test]
fn every_outside_crate_stays_at_home() {
    let mut faults = Vec::new();
    for source in &sources() {
        for (number, line) in source.code() {
            for (name, homes) in HOMES {
                let at_home = homes.iter().any(|home| {
                    let path = &source.path;
                    path == home || *path == format!("{home}.rs") || path.starts_with(&format!("{home}/"))
                });
                // `self::sled`, `super::sled` and `mod sled` are ours.
                let prefix = format!("{name}::");
                let named = line.match_indices(&prefix).any(|(at, _)| {
                    let before = &line[..at];
                    !before.ends_with(|c: char| c.is_alphanumeric() || c == '_' || c == ':')
                });
                if named && !at_home && !line.trim_start().starts_with("pub use sled::") {
                    faults.push(format!(
                        "src/{}:{number}: {name} is imported by {} only",
                        source.path,
                        homes.join(", ")
                    ));
                }
            }
        }
    }
    assert!(faults.is_empty(), "{}", faults.join("\n"));
}

#[test]
fn only_the_clock_asks_the_system_for_the_time() {
    let mut faults = Vec::new();
    for source in &sources() {
        for (number, line) in source.code() {
            for (call, home) in CALLS {
                if line.contains(call) && source.path != *home {
                    faults.push(format!("src/{}:{number}: {call} is called in {home} only", source.path));
                }
            }
        }
    }
    assert!(faults.is_empty(), "{}", faults.join("\n"));
}

#[test]
fn nothing_in_the_program_knows_what_a_hub_is() {
    // The face of the hub, its words in fixtures, the demonstration's cast and generated worlds, may; deciding and storing
    // must not.
    let words = ["Hub::", "repo.", "\"Repo\"", "organization", "models/"];
    let mut faults = Vec::new();
    let neutral = ["pdp", "store", "audit", "warden", "suite", "bench"];
    let exempt = ["suite/fixture/hub", "bench/world"];
    for source in sources().iter().filter(|source| neutral.contains(&source.layer())) {
        if exempt.iter().any(|exempt| source.path.starts_with(exempt)) {
            continue;
        }
        for (number, line) in source.code().filter(|_| !source.is_test()) {
            let code = line.split("//").next().unwrap();
            if words.iter().any(|word| code.contains(word)) {
                faults.push(format!("src/{}:{number}: {line}", source.path));
            }
        }
    }
    assert!(faults.is_empty(), "{}", faults.join("\n"));
}

#[test]
fn the_readers_of_this_test_see_names_in_lists_and_alone() {
    assert_eq!(names_after("use crate::{pdp::Fact, store};", "crate::"), ["pdp", "store"]);
    assert_eq!(names_after("let x = crate::json::parse(b);", "crate::"), ["json"]);
    assert_eq!(names_after("use my_crate::pdp;", "crate::"), Vec::<&str>::new());
}
