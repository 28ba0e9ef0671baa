//! `examples/operations`: what the dashboard and the alerts name is what a server exports.

use std::collections::BTreeSet;

use regex::Regex;
use serde_json::{Value as Json, json};
use tempfile::TempDir;

use crate::program::{Serving, repository};

fn file(name: &str) -> String {
    std::fs::read_to_string(repository("examples/operations").join(name)).unwrap()
}

fn yaml(name: &str) -> Json {
    serde_saphyr::from_str(&file(name)).unwrap_or_else(|error| panic!("{name}: {error}"))
}

/// What a server that did a little of everything exports: the names of samples.
fn exported() -> BTreeSet<String> {
    let folder = TempDir::new().unwrap();
    let server = Serving::start(folder.path(), &["--data", "store"]);
    let agent: ureq::Agent = ureq::Agent::config_builder().http_status_as_error(false).build().into();
    let url = |path: &str| format!("{}{path}", server.url);
    let post = |path: &str, body: &Json| agent.post(url(path)).send_json(body).unwrap().status().as_u16();
    let question = json!({"subject": {"type": "user", "id": "ann"}, "action": {"name": "repo.read"},
                          "resource": {"type": "repo", "id": "models/ann/m"}});
    let user = json!({"uid": {"type": "Hub::User", "id": "ann"}, "attrs": {}, "parents": []});
    assert_eq!(agent.put(url("/v1/entities/user/ann")).send_json(&user).unwrap().status(), 201);
    assert_eq!(post("/access/v1/evaluation", &question), 200);
    assert_eq!(post("/access/v1/evaluations", &json!({"evaluations": [question]})), 200);
    assert_eq!(post("/access/v1/evaluation", &json!({})), 400);
    let search =
        json!({"subject": {"type": "user"}, "action": {"name": "repo.read"}, "resource": question["resource"]});
    assert_eq!(post("/access/v1/search/subject", &search), 200);
    assert_eq!(agent.get(url("/api/whoami-v2")).call().unwrap().status(), 401);
    let text = agent.get(url("/metrics")).call().unwrap().body_mut().read_to_string().unwrap();
    assert!(text.ends_with("# EOF\n"));
    let samples = text.lines().filter(|line| !line.starts_with('#'));
    samples.map(|line| line.split(['{', ' ']).next().unwrap().to_owned()).collect()
}

/// Parentheses, brackets, braces and quotes that close what they opened.
fn is_balanced(expression: &str) -> bool {
    let mut open = Vec::new();
    let mut quoted = false;
    for c in expression.chars() {
        match c {
            '"' => quoted = !quoted,
            _ if quoted => {}
            '(' => open.push(')'),
            '[' => open.push(']'),
            '{' => open.push('}'),
            ')' | ']' | '}' if open.pop() != Some(c) => return false,
            _ => {}
        }
    }
    open.is_empty() && !quoted
}

/// Every expression of the alerts and of the dashboard.
fn expressions() -> Vec<String> {
    let mut found = Vec::new();
    for rule in
        yaml("alerts.yml")["groups"].as_array().unwrap().iter().flat_map(|group| group["rules"].as_array().unwrap())
    {
        found.push(rule["expr"].as_str().unwrap().to_owned());
    }
    let dashboard: Json = serde_json::from_str(&file("grafana.json")).unwrap();
    for panel in dashboard["panels"].as_array().unwrap() {
        let targets = panel["targets"].as_array().map(Vec::as_slice).unwrap_or_default();
        found.extend(targets.iter().map(|target| target["expr"].as_str().unwrap().to_owned()));
    }
    for annotation in dashboard["annotations"]["list"].as_array().unwrap() {
        found.push(annotation["expr"].as_str().unwrap().to_owned());
    }
    found
}

#[test]
fn every_metric_that_a_dashboard_or_an_alert_names_is_exported() {
    let exported = exported();
    let name = Regex::new(r"\b(?:hubwarden|process)_[a-z_]+\b").unwrap();
    let expressions = expressions();
    assert!(expressions.len() > 50);
    for expression in &expressions {
        assert!(is_balanced(expression), "{expression}");
        for metric in name.find_iter(expression) {
            assert!(exported.contains(metric.as_str()), "{} is not exported: {expression}", metric.as_str());
        }
    }
}

#[test]
fn every_metric_that_is_exported_is_explained_and_shown() {
    let text = file("README.md");
    let expressions = expressions().join("\n");
    let parts = ["_bucket", "_sum", "_count"];
    for name in exported().iter().filter(|name| name.starts_with("hubwarden_")) {
        let family = parts.iter().find_map(|part| name.strip_suffix(part)).unwrap_or(name);
        // A row of the table names the others of a family by `…` and their end.
        let short = Regex::new(&format!("`{family}[`{{]")).unwrap();
        let ends = text.matches("`…").count() > 0
            && text.split('`').filter_map(|word| word.strip_prefix('…')).any(|end| {
                let end = end.split('{').next().unwrap();
                family.ends_with(end)
            });
        assert!(short.is_match(&text) || ends, "{family} is not explained");
        assert!(expressions.contains(family) || family == "hubwarden_build_info", "{family} is not shown");
    }
}

#[test]
fn every_alert_says_how_bad_it_is_and_what_it_means() {
    let mut names = BTreeSet::new();
    for rule in yaml("alerts.yml")["groups"][0]["rules"].as_array().unwrap() {
        let name = rule["alert"].as_str().unwrap();
        assert!(names.insert(name.to_owned()), "{name} twice");
        assert!(["critical", "warning", "info"].contains(&rule["labels"]["severity"].as_str().unwrap()), "{name}");
        for text in ["summary", "description"] {
            assert!(rule["annotations"][text].as_str().is_some_and(|text| text.len() > 20), "{name}: {text}");
        }
        let keys: Vec<&str> = rule.as_object().unwrap().keys().map(String::as_str).collect();
        assert!(
            keys.iter().all(|key| ["alert", "expr", "for", "labels", "annotations"].contains(key)),
            "{name}: {keys:?}"
        );
        if let Some(time) = rule.get("for") {
            let (number, unit) = time.as_str().unwrap().split_at(time.as_str().unwrap().len() - 1);
            assert!(number.parse::<u32>().is_ok() && ["s", "m", "h"].contains(&unit), "{name}: {time}");
        }
    }
    assert_eq!(yaml("prometheus.yml")["rule_files"][0], "alerts.yml");
}

#[test]
fn panels_of_the_dashboard_have_ids_and_places_of_their_own() {
    let dashboard: Json = serde_json::from_str(&file("grafana.json")).unwrap();
    let mut ids = BTreeSet::new();
    let mut places = BTreeSet::new();
    for panel in dashboard["panels"].as_array().unwrap() {
        assert!(ids.insert(panel["id"].to_string()), "{}", panel["title"]);
        let place = &panel["gridPos"];
        assert!(places.insert((place["x"].as_u64().unwrap(), place["y"].as_u64().unwrap())), "{}", panel["title"]);
        assert!(place["x"].as_u64().unwrap() + place["w"].as_u64().unwrap() <= 24, "{}", panel["title"]);
    }
}
