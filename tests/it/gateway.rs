//! What requests to the hub mean by the shipped rules: the readable lines of `tests/gateway/paths.txt` (their format:
//! `tests/gateway/README.md`), and laws that no line could show.

use std::collections::BTreeSet;
use std::sync::LazyLock;

use hubwarden::pdp::{Gateway, HttpRequest, Routed, RoutedResource, Unrouted};
use proptest::prelude::*;

use crate::support::dsl::uid;
use crate::support::world::HUB;

const PATHS: &str = include_str!("../gateway/paths.txt");

fn gateway() -> &'static Gateway {
    HUB.gateway().expect("the hub has rules for its gateway")
}

#[derive(Debug)]
struct Line {
    number: usize,
    methods: Vec<&'static str>,
    target: &'static str,
    headers: Vec<(&'static str, &'static str)>,
    want: String,
}

static LINES: LazyLock<Vec<Line>> = LazyLock::new(|| {
    let lines = PATHS.lines().enumerate().filter(|(_, line)| !line.is_empty() && !line.starts_with('#'));
    lines
        .map(|(index, line)| {
            let (request, want) = line.split_once(" => ").unwrap_or_else(|| panic!("line {}: no ` => `", index + 1));
            let mut words = request.split_whitespace();
            Line {
                number: index + 1,
                methods: words.next().unwrap().split(',').collect(),
                target: words.next().unwrap(),
                headers: words.map(|word| word.split_once(':').unwrap()).collect(),
                want: want.split_whitespace().collect::<Vec<_>>().join(" "),
            }
        })
        .collect()
});

fn ask(method: &str, target: &str, headers: &[(&str, &str)]) -> Result<Routed, Unrouted> {
    let header = |name: &str| {
        let values = headers.iter().filter(|(known, _)| known.eq_ignore_ascii_case(name));
        values.map(|(_, value)| (*value).to_owned()).collect()
    };
    gateway().route(&HttpRequest { method, target, header: &header })
}

fn shown(answer: &Result<Routed, Unrouted>) -> String {
    let routed = match answer {
        Ok(routed) => routed,
        Err(Unrouted::NoRule) => return "no rule".to_owned(),
        Err(Unrouted::Ambiguous(why)) => return format!("refused: {why}"),
    };
    let resource = match &routed.resource {
        RoutedResource::Caller => "caller".to_owned(),
        RoutedResource::Entity(uid) => match uid.type_name().strip_prefix("Hub::").unwrap() {
            "Repo" => uid.id().to_string(),
            name => format!("{name}:{}", uid.id()),
        },
    };
    let also: Vec<&str> = routed.also.iter().map(|uid| uid.id().as_str()).collect();
    let also = if also.is_empty() { String::new() } else { format!(" also {}", also.join(",")) };
    let challenge = if routed.challenge { " challenge" } else { "" };
    format!("{} {resource}{also}{challenge}", routed.action.id())
}

#[test]
fn paths_mean_what_the_lines_say() {
    let mut wrong = Vec::new();
    for line in LINES.iter() {
        for method in &line.methods {
            let got = shown(&ask(method, line.target, &line.headers));
            if got != line.want {
                wrong.push(format!("tests/gateway/paths.txt:{}: {method} {}: {got}", line.number, line.target));
            }
        }
    }
    assert!(wrong.is_empty(), "\n{}\n{} wrong", wrong.join("\n"), wrong.len());
}

#[test]
fn every_rule_is_hit_by_a_line() {
    let answers =
        LINES.iter().flat_map(|line| line.methods.iter().map(|method| ask(method, line.target, &line.headers)));
    let hit: BTreeSet<usize> = answers.filter_map(|answer| Some(answer.ok()?.rule)).collect();
    let missed: Vec<String> = gateway()
        .rules()
        .enumerate()
        .filter(|(index, _)| !hit.contains(index))
        .map(|(_, rule)| format!("policies/gateway.json:{}: {}", rule.line, rule.about))
        .collect();
    assert!(missed.is_empty(), "no line for\n{}", missed.join("\n"));
}

#[test]
fn what_reads_is_never_asked_for_what_writes() {
    // A method that changes things asks for more than being seen, but for questions that are posted and for what
    // learns from its body which of the two it is.
    let reading = ["repo.read", "repo.content.read", "collection.read", "org.read", "repo.access.read"];
    let posted = ["/git-upload-pack", "/objects/batch", "/paths-info/main"];
    for line in LINES.iter().filter(|line| !posted.iter().any(|end| line.target.ends_with(end))) {
        for method in line.methods.iter().filter(|method| !["GET", "HEAD"].contains(*method)) {
            if let Ok(routed) = ask(method, line.target, &line.headers) {
                assert!(!reading.contains(&routed.action.id().as_str()), "line {}", line.number);
            }
        }
    }
}

fn lines_that_are_routed() -> impl Strategy<Value = (&'static Line, Routed)> {
    let routed: Vec<(&Line, Routed)> =
        LINES.iter().filter_map(|line| Some((line, ask(line.methods[0], line.target, &line.headers).ok()?))).collect();
    proptest::sample::select(routed)
}

/// The path with some of its characters percent-encoded, in either case.
fn encoded(target: &str, which: &[u8]) -> String {
    let (path, query) =
        target.split_once('?').map_or((target, String::new()), |(path, query)| (path, format!("?{query}")));
    let mut text = String::new();
    let mut rest = path.char_indices();
    while let Some((index, c)) = rest.next() {
        match which[index % which.len()] {
            _ if c == '%' => {
                // What is encoded already stays as it is.
                text.push_str(&path[index..index + 3]);
                rest.nth(1);
            }
            0 if c != '/' => text.push_str(&format!("%{:02x}", u32::from(c))),
            1 if c != '/' => text.push_str(&format!("%{:02X}", u32::from(c))),
            2 if index > 0 => text.push_str(&format!("%{:02X}", u32::from(c))),
            _ => text.push(c),
        }
    }
    text + &query
}

/// What paths to other repositories are made of.
const TOKENS: &[&str] = &[
    "/",
    "/",
    "..",
    ".",
    "%2e%2E",
    "%2F",
    "%252F",
    "%5C",
    ";",
    "?",
    "#",
    "%00",
    "resolve/main",
    "tree",
    "raw",
    "settings",
    "discussions",
    "commit/",
    "revision/refs%2Fpr%2F1",
    "models",
    "datasets",
    "api",
    "bob",
    "m2",
    "m2.git",
    "info/refs",
];

proptest! {
    #[test]
    fn an_encoded_path_is_the_same_request_or_refused(
        (line, plain) in lines_that_are_routed(),
        which in proptest::collection::vec(0_u8..30, 1..200),
    ) {
        let target = encoded(line.target, &which);
        if let Ok(routed) = ask(line.methods[0], &target, &line.headers) {
            prop_assert_eq!(&routed.resource, &plain.resource, "{}", target);
            // An encoded slash may join a revision and a path, and never makes another question of it.
            prop_assert_eq!((routed.action, routed.also), (plain.action, plain.also), "{}", target);
        }
    }

    #[test]
    fn slashes_that_are_decoded_on_the_way_lead_to_the_same_resource_or_nowhere((line, plain) in lines_that_are_routed()) {
        let target = line.target.replace("%2F", "/").replace("%2f", "/");
        if let Ok(routed) = ask(line.methods[0], &target, &line.headers) {
            prop_assert_eq!((routed.resource, routed.action), (plain.resource, plain.action), "{}", target);
        }
    }

    #[test]
    fn no_tail_changes_which_repository_is_asked_about(
        tail in proptest::collection::vec(proptest::sample::select(TOKENS), 0..9),
        kind in 0..3_usize,
    ) {
        let base = ["/acme/m1", "/datasets/acme/d1", "/api/spaces/acme/s1"][kind];
        let own = ["models/acme/m1", "datasets/acme/d1", "spaces/acme/s1"][kind];
        let target = format!("{base}/{}", tail.concat());
        for method in ["GET", "POST", "PUT", "DELETE"] {
            if let Ok(routed) = ask(method, &target, &[]) {
                prop_assert_eq!(routed.resource, RoutedResource::Entity(uid("Repo", own)), "{}", target);
            }
        }
    }
}
