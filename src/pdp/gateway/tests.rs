//! What rules refuse to compile, and what small ones answer.

use proptest::prelude::*;

use super::*;
use crate::pdp::{Bundle, BundleSource, SourceFile};

const SCHEMA: &str = r#"
  entity User; entity Robot; entity Doc; entity Shelf;
  action read, edit appliesTo { principal: [User, Robot], resource: [Doc] };
  action sort appliesTo { principal: [User], resource: [Shelf] };
  action rest appliesTo { principal: [User, Robot], resource: [User] };
"#;

const RULES: &str = r#"{
  "reserved": {"shelf": ["me", "api"], "payer": ["nobody"]},
  "resources": {
    "doc": [
      {"path": "/{shelf}/{doc}[.txt]", "type": "Doc", "id": "{shelf}/{doc}"},
      {"path": "/api/{kind:old|new}/{doc}", "type": "doc", "id": "{kind}:{doc}"}]
  },
  "routes": [
    {"about": "versions", "methods": ["GET"], "on": "doc", "path": "/at/{version:ref}/{*page}", "action": "read"},
    {"about": "proposal", "methods": ["POST"], "on": "doc", "query": {"propose": "1"}, "action": "read", "challenge": true},
    {"about": "edit", "methods": ["POST", "PUT"], "on": "doc", "action": "edit", "also": ["read"]},
    {"about": "with", "methods": ["GET"], "on": "doc", "query": {"with": "*"}, "action": "edit"},
    {"about": "read", "methods": ["GET"], "on": "doc", "action": "read"},
    {"about": "paid", "methods": ["POST"], "path": "/me/sort", "headers": {"X-Payer": "{payer}"},
     "type": "Shelf", "id": "{payer}", "action": "sort"},
    {"about": "rest", "methods": ["POST"], "path": "/me/sort", "resource": "caller", "action": "Action::\"rest\""}
  ]
}"#;

fn build(rules: &str) -> Result<Bundle, String> {
    let source = BundleSource {
        schema: SourceFile::new("test.cedarschema", SCHEMA),
        policies: Vec::new(),
        links: None,
        reasons: None,
        gateway: Some(SourceFile::new("policies/gateway.json", rules)),
    };
    Bundle::build(source).map_err(|faults| faults.to_string())
}

fn ask(bundle: &Bundle, method: &str, target: &str, payers: &[&str]) -> String {
    let header = |name: &str| match name {
        "X-Payer" => payers.iter().map(|payer| (*payer).to_owned()).collect(),
        _ => Vec::new(),
    };
    match bundle.gateway().unwrap().route(&HttpRequest { method, target, header: &header }) {
        Err(Unrouted::NoRule) => "no rule".to_owned(),
        Err(Unrouted::Ambiguous(why)) => format!("refused: {why}"),
        Ok(routed) => match routed.resource {
            RoutedResource::Caller => format!("{} caller", routed.about),
            RoutedResource::Entity(uid) => format!("{} {uid}", routed.about),
        },
    }
}

#[test]
fn the_first_rule_that_takes_a_request_is_its_question() {
    let bundle = build(RULES).unwrap();
    let cases = [
        ("GET", "/a/b", "read Doc::\"a/b\""),
        ("GET", "/a/b.txt", "read Doc::\"a/b\""),
        ("GET", "/a/b?with", "with Doc::\"a/b\""),
        ("GET", "/a/b?with=x", "with Doc::\"a/b\""),
        ("GET", "/api/new/b", "read Doc::\"new:b\""),
        ("GET", "/api/newer/b", "no rule"),
        ("GET", "/API/new", "no rule"),
        ("GET", "/a/b/at/v%2F1/p/q/", "versions Doc::\"a/b\""),
        ("GET", "/a/b/at/v%2F1/p%2Fq", "refused: an encoded slash (`%2F`) where no rule allows one"),
        ("POST", "/a/b?propose=1", "proposal Doc::\"a/b\""),
        ("POST", "/a/b?propose=2", "edit Doc::\"a/b\""),
        ("POST", "/a/b?propose=1&propose=1", "refused: a query key that a rule looks at stands twice"),
        ("PUT", "/a/b?propose=1&propose=1", "edit Doc::\"a/b\""),
        ("PATCH", "/a/b", "no rule"),
        ("post", "/a/b", "no rule"),
    ];
    for (method, target, want) in cases {
        assert_eq!(ask(&bundle, method, target, &[]), want, "{method} {target}");
    }
}

#[test]
fn a_header_is_there_once_and_readable_or_not_at_all() {
    let bundle = build(RULES).unwrap();
    let sort = |payers: &[&str]| ask(&bundle, "POST", "/me/sort", payers);
    assert_eq!(sort(&["acme"]), "paid Shelf::\"acme\"");
    assert_eq!(sort(&[]), "rest caller");
    assert_eq!(sort(&["acme", "acme"]), "refused: a header that a rule looks at stands twice");
    for value in ["", "a b", "a/b", "a,b", "\"", "-a", "nobody", "Nobody", "é"] {
        assert_eq!(sort(&[value]), "refused: a header that a rule looks at has no name for its value", "{value}");
    }
}

#[test]
fn a_question_carries_what_its_rule_says() {
    let bundle = build(RULES).unwrap();
    let gateway = bundle.gateway().unwrap();
    let route = |method, target| gateway.route(&HttpRequest { method, target, header: &|_| Vec::new() }).unwrap();
    let edit = route("PUT", "/a/b");
    assert_eq!((edit.action.to_string().as_str(), edit.challenge), ("Action::\"edit\"", false));
    assert_eq!(edit.also, [Uid::new("Action", "read")]);
    assert!(route("POST", "/a/b?propose=1").challenge);
    let known = gateway.rules().nth(edit.rule).unwrap();
    assert_eq!((known.about, known.line), ("edit", 11));
}

/// A file with one rule, or with another part replaced.
fn one(rule: &str) -> String {
    format!(
        "{{\n \"resources\": {{\"doc\": [{{\"path\": \"/d/{{doc}}\", \"type\": \"Doc\", \"id\": \"{{doc}}\"}}]}},\n \"routes\": [\n{rule}\n ]\n}}"
    )
}

#[test]
fn a_faulty_rule_is_refused_with_its_line_and_text() {
    let rule = |rest: &str| one(&format!("  {{\"about\": \"a\", \"methods\": [\"GET\"], {rest}}}"));
    assert!(build(&rule(r#""on": "doc", "action": "read""#)).is_ok());
    let cases = [
        (r#""on": "docs", "action": "read""#, "there is no resource `docs`"),
        (r#""on": "doc", "action": "write""#, "the schema has no action `write`"),
        (r#""on": "doc", "action": "sort""#, "`sort` does not apply to `Doc`"),
        (r#""on": "doc", "action": "read", "also": ["sort"]"#, "`sort` does not apply to `Doc`"),
        (r#""on": "doc", "action": "read", "also": ["read"]"#, "`also` names further actions"),
        (r#""on": "doc", "action": "read", "colour": 1"#, "unknown field `colour`"),
        (r#""on": "doc", "action": 7"#, "invalid type: integer `7`"),
        (r#""on": "doc", "action": "read", "resource": "caller""#, "a rule has either `on`"),
        (r#""on": "doc", "action": "read", "resource": "self""#, "unknown variant `self`"),
        (r#""on": "doc""#, "missing field `action`"),
        (r#""on": "doc", "path": "/x/{doc}", "action": "read""#, "the variable `{doc}` stands twice"),
        (r#""on": "doc", "path": "/x/{*y}/z", "action": "read""#, "is the last of a path"),
        (r#""on": "doc", "path": "/{y:ref}/z", "action": "read""#, "only a `{*…}` may follow"),
        (r#""on": "doc", "headers": {"X": "{y}"}, "action": "read""#, "`{y}` is not in an id"),
        (r#""on": "doc", "query": {"a b": "1"}, "action": "read""#, "is no key of a query"),
        (r#""on": "doc", "methods": ["GET"], "action": "read""#, "the name `methods` stands twice"),
        (r#""path": "/x", "resource": "caller", "action": "read""#, "`read` has no caller for a resource"),
        (r#""path": "/x", "type": "Doc", "action": "read""#, "a rule has either `on`"),
        (r#""path": "/x", "type": "Dog", "id": "x", "action": "read""#, "the schema has no entity type `Dog`"),
        (r#""path": "/x/{y}", "type": "Doc", "id": "{z}", "action": "read""#, "the id's `{z}` is in no path"),
        (r#""path": "/x/{y:ref}", "type": "Doc", "id": "{y}", "action": "read""#, "`{y}` may hold slashes"),
        (r#""path": "/x/{*y}", "type": "Doc", "id": "{y}", "action": "read""#, "`{y}` may hold slashes"),
        (r#""path": "/x/{y}", "headers": {"X": "{y}"}, "type": "Doc", "id": "{y}", "action": "read""#, "stands twice"),
        (
            r#""path": "/x/{y}", "headers": {"X": "{z}"}, "type": "Doc", "id": "{y}", "action": "read""#,
            "is not in the id",
        ),
        (r#""path": "/x", "headers": {"X": "y"}, "type": "Doc", "id": "z", "action": "read""#, "value is a variable"),
        (r#""path": "/{y}", "type": "Doc", "id": "{y}", "action": "read""#, "no rule is on the resource `doc`"),
    ];
    for (rest, want) in cases {
        let fault = build(&rule(rest)).unwrap_err();
        assert!(fault.contains(want), "{rest}: {fault}");
        let place = if want.contains("no rule is on") { "gateway.json:2:" } else { "gateway.json:4:" };
        assert!(fault.contains(place), "{rest}: {fault}");
    }
    for (methods, want) in [("[]", "without methods"), ("[\"FETCH\"]", "no method"), ("[\"GET\", \"GET\"]", "twice")] {
        let fault = build(&one(&format!(
            "{{\"about\": \"a\", \"methods\": {methods}, \"on\": \"doc\", \"action\": \"read\"}}"
        )));
        assert!(fault.unwrap_err().contains(want), "{methods}");
    }
    let place = build(&rule(r#""on": "doc", "action": "write""#)).unwrap_err();
    assert!(place.contains("4 |   {\"about\"") && place.contains("^^^^^^^"), "{place}");
}

#[test]
fn a_faulty_file_is_refused_with_its_place() {
    let cases = [
        ("", ":1:"),
        ("[]", "an object with `routes`"),
        ("{}", "there are no `routes`"),
        ("{\"routes\": []}", "there are no `routes`"),
        ("{\n\"routes\": {}}", ":2:"),
        ("{\n\"routes\": [],\n\"rules\": []}", ":3:1"),
        ("{\"routes\": [],\n\"routes\": []}", "stands twice"),
        ("{\"reserved\": 1, \"routes\": [1]}", "`reserved` is an object"),
    ];
    for (text, want) in cases {
        let fault = build(text).unwrap_err();
        assert!(fault.contains(want) && fault.contains("policies/gateway.json"), "{text}: {fault}");
    }
    for (from, to, want) in [
        (r#""me", "api""#, r#""me", "API", "api""#, "reserved twice"),
        (r#""me", "api""#, r#""me", "api", "a/b""#, "needs no reservation"),
        (r#""payer": ["#, r#""prayer": ["#, "has a variable `{prayer}`"),
        (r#""me", "api""#, r#""me""#, "`api` begins another path: reserve it for `{shelf}`"),
        (r#""id": "{shelf}/{doc}""#, r#""id": "{doc}""#, "`{shelf}` is not in the id"),
        (r#"/{doc}[.txt]"#, r#"/{doc}/{*more}"#, "a resource's path has no"),
        (r#""about": "edit""#, r#""about": " ""#, "`about` says"),
    ] {
        let fault = build(&RULES.replacen(from, to, 1)).unwrap_err();
        assert!(fault.contains(want), "{to}: {fault}");
    }
}

#[test]
fn a_rule_that_is_never_reached_is_refused() {
    let rule = |methods: &str, rest: &str| {
        format!("{{\"about\": \"a\", \"methods\": [{methods}], {rest}, \"action\": \"read\"}}")
    };
    let two = |first: String, second: String| build(&one(&format!("{first},\n{second}")));
    let both = "\"GET\", \"HEAD\"";
    let on = |path: &str| format!("\"on\": \"doc\", \"path\": \"{path}\"");
    for (first, second, method) in [
        (rule("\"GET\"", &on("/x")), rule(both, &on("/x")), "GET"),
        (rule(both, &on("/{a}")), rule("\"HEAD\"", &on("/x")), "HEAD"),
        (rule(both, &on("/{a}")), rule("\"HEAD\"", &on("/{b:x|y}")), "HEAD"),
        (rule(both, &on("/{a:ref}")), rule("\"HEAD\"", &on("/{b}")), "HEAD"),
        (rule(both, &on("/{a:ref}/{*b:ref}")), rule("\"HEAD\"", &on("/x/y/z")), "HEAD"),
        (rule(both, &on("/x")), rule("\"GET\"", &(on("/x") + ", \"query\": {\"a\": \"1\"}")), "GET"),
        (
            rule(both, &(on("/x") + ", \"query\": {\"a\": \"*\"}")),
            rule("\"GET\"", &(on("/x") + ", \"query\": {\"a\": \"1\"}")),
            "GET",
        ),
    ] {
        let fault = two(first, second).unwrap_err();
        assert!(
            fault.contains(&format!("never reached with `{method}`")) && fault.contains("gateway.json:5:"),
            "{fault}"
        );
    }
    for (first, second) in [
        (rule(both, &on("/x")), rule(both, &on("/{a}"))),
        (rule(both, &on("/{a:x|y}")), rule(both, &on("/{a}"))),
        (rule(both, &on("/{a}")), rule(both, &on("/{a:ref}"))),
        (rule(both, &on("/{*a}")), rule(both, &on("/{*a:ref}"))),
        (rule(both, &on("/x/{*a}")), rule(both, &on("/x"))),
        (rule(both, &(on("/x") + ", \"query\": {\"a\": \"1\"}")), rule(both, &on("/x"))),
    ] {
        assert!(two(first.clone(), second.clone()).is_ok(), "{first} {second}");
    }
}

#[test]
fn a_bundle_from_before_there_were_rules_still_reads() {
    let text = r#"{"schema": {"path": "s", "text": ""}, "policies": [], "links": null, "reasons": null}"#;
    let source: BundleSource = serde_json::from_str(text).unwrap();
    assert_eq!(source.gateway, None);
    assert!(Bundle::build(source).unwrap().gateway().is_none());
}

#[test]
fn the_rules_are_a_part_of_the_bundle_and_of_its_hash() {
    let (one, other) = (build(RULES).unwrap(), build(&RULES.replace("versions", "pages")).unwrap());
    assert_ne!(one.hash(), other.hash());
    assert_eq!(one.source().files().len(), 2);
}

fn targets() -> impl Strategy<Value = String> {
    let token = prop_oneof![
        Just("/".to_owned()),
        "[a-z.%/;?&=_-]{0,6}",
        "%[0-9a-fA-F]{2}",
        proptest::sample::select(vec![
            "api",
            "new",
            "at",
            "me",
            "sort",
            ".txt",
            "?propose=1",
            "%2F",
            "..",
            "\\",
            "é",
            "\0"
        ])
        .prop_map(str::to_owned),
        ".",
    ];
    proptest::collection::vec(token, 0..12).prop_map(|tokens| format!("/{}", tokens.concat()))
}

proptest! {
    #[test]
    fn any_request_is_answered_and_an_id_has_the_form_of_its_template(
        target in prop_oneof![targets(), ".*"],
        method in prop_oneof![Just("GET".to_owned()), Just("POST".to_owned()), ".*"],
        payers in proptest::collection::vec(prop_oneof!["[a-z/\"]{0,4}", ".*"], 0..3),
    ) {
        let bundle = build(RULES).unwrap();
        let header = |_: &str| payers.clone();
        let routed = bundle.gateway().unwrap().route(&HttpRequest { method: &method, target: &target, header: &header });
        if let Ok(Routed { resource: RoutedResource::Entity(uid), .. }) = routed {
            let plain = |byte: u8| byte.is_ascii_alphanumeric() || b"._-".contains(&byte);
            let slashes = usize::from(uid.type_name() == "Doc" && !uid.id().contains(':'));
            prop_assert_eq!(uid.id().matches('/').count(), slashes, "{}", uid);
            prop_assert!(uid.id().bytes().all(|byte| plain(byte) || b"/:".contains(&byte)), "{}", uid);
        }
    }

    #[test]
    fn a_percent_encoded_path_means_what_the_plain_one_means(
        shelf in "[a-z0-9_][a-z0-9._-]{0,6}", doc in "[a-z0-9_][a-z0-9._-]{0,6}", which in any::<u64>(),
    ) {
        let bundle = build(RULES).unwrap();
        let plain = format!("/{shelf}/{doc}/at/v1/p");
        let encode = |(index, c): (usize, char)| match c != '/' && which >> (index % 64) & 1 == 1 {
            true => format!("%{:02X}", u32::from(c)),
            false => c.to_string(),
        };
        let encoded: String = plain.chars().enumerate().map(encode).collect();
        prop_assert_eq!(ask(&bundle, "GET", &plain, &[]), ask(&bundle, "GET", &encoded, &[]), "{}", encoded);
    }
}
