//! Traces for OpenTelemetry, sent to a collector that keeps what it gets.
#![cfg(unix)]

use std::io::{BufRead, BufReader, Read, Write};
use std::net::TcpListener;
use std::sync::mpsc::{Receiver, channel};

use serde_json::{Value as Json, json};
use tempfile::TempDir;

use crate::program::{Serving, hubwarden};

const PARENT: &str = "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01";

/// A collector that takes everything; the bodies come out of the receiver, with the path that they were sent to.
fn collector() -> (String, Receiver<(String, Json)>) {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let url = format!("http://{}", listener.local_addr().unwrap());
    let (sender, bodies) = channel();
    std::thread::spawn(move || {
        for stream in listener.incoming() {
            let mut stream = BufReader::new(stream.unwrap());
            // One connection after another: the exporter has one.
            while let Some((path, body)) = request(&mut stream) {
                let answer = "HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nContent-Length: 2\r\n\r\n{}";
                stream.get_mut().write_all(answer.as_bytes()).unwrap();
                if sender.send((path, body)).is_err() {
                    return;
                }
            }
        }
    });
    (url, bodies)
}

fn request(stream: &mut BufReader<std::net::TcpStream>) -> Option<(String, Json)> {
    let mut first = String::new();
    stream.read_line(&mut first).ok().filter(|length| *length > 0)?;
    let mut length = 0;
    loop {
        let mut line = String::new();
        stream.read_line(&mut line).unwrap();
        match line.trim().split_once(':') {
            Some((name, value)) if name.eq_ignore_ascii_case("content-length") => {
                length = value.trim().parse().unwrap()
            }
            Some(_) => {}
            None => break,
        }
    }
    let mut body = vec![0; length];
    stream.read_exact(&mut body).unwrap();
    Some((first.split(' ').nth(1).unwrap().to_owned(), serde_json::from_slice(&body).unwrap()))
}

fn question() -> Json {
    json!({"subject": {"type": "user", "id": "ann"}, "action": {"name": "repo.read"},
           "resource": {"type": "repo", "id": "models/ann/m"}})
}

/// All spans that came, and the resource that they came from.
fn spans(bodies: &Receiver<(String, Json)>) -> (Vec<Json>, Json) {
    let (mut spans, mut resource) = (Vec::new(), Json::Null);
    for (path, body) in bodies.try_iter() {
        assert_eq!(path, "/v1/traces");
        for of in body["resourceSpans"].as_array().unwrap() {
            resource = of["resource"].clone();
            let scopes = of["scopeSpans"].as_array().unwrap();
            spans.extend(scopes.iter().flat_map(|scope| scope["spans"].as_array().unwrap().clone()));
        }
    }
    (spans, resource)
}

fn attribute<'a>(of: &'a Json, key: &str) -> &'a Json {
    let attributes = of["attributes"].as_array().unwrap();
    let found = attributes.iter().find(|attribute| attribute["key"] == key);
    &found.unwrap_or_else(|| panic!("no {key}: {of}"))["value"]
}

fn named<'a>(spans: &'a [Json], name: &str) -> &'a Json {
    spans.iter().find(|span| span["name"] == name).unwrap_or_else(|| panic!("no {name}: {spans:?}"))
}

#[test]
fn a_request_is_a_child_of_its_callers_span_and_the_decision_log_names_its_trace() {
    let folder = TempDir::new().unwrap();
    let (url, bodies) = collector();
    let variables = [("OTEL_EXPORTER_OTLP_ENDPOINT", url.as_str()), ("OTEL_EXPORTER_OTLP_PROTOCOL", "http/json")];
    let server = Serving::start_with(folder.path(), &["--data", "store"], &variables);
    let user = json!({"uid": {"type": "Hub::User", "id": "ann"}, "attrs": {}, "parents": []});
    ureq::put(format!("{}/v1/entities/user/ann", server.url)).send_json(&user).unwrap();
    let asked = ureq::post(format!("{}/access/v1/evaluation", server.url)).header("traceparent", PARENT);
    asked.send_json(question()).unwrap();
    let log = |query: &str| -> Json {
        let mut got = ureq::get(format!("{}/v1/audit?{query}", server.url)).call().unwrap();
        serde_json::from_str(&got.body_mut().read_to_string().unwrap()).unwrap()
    };
    // The log is written by a thread of its own; it takes what waits before it looks.
    let mut record = log("principal=user:ann&kind=decision");
    while record["records"].as_array().unwrap().is_empty() {
        std::thread::yield_now();
        record = log("principal=user:ann&kind=decision");
    }
    let record = &record["records"][0];
    assert!(server.stop().success(), "and sends what is left");

    let (spans, resource) = spans(&bodies);
    assert_eq!(attribute(&resource, "service.name")["stringValue"], "hubwarden");
    let request = named(&spans, "POST /access/v1/evaluation");
    assert_eq!(request["traceId"], "0af7651916cd43dd8448eb211c80319c");
    assert_eq!(request["parentSpanId"], "b7ad6b7169203331");
    assert_eq!(request["kind"], 2, "a server's");
    assert_eq!(attribute(request, "http.response.status_code")["intValue"].to_string().trim_matches('"'), "200");
    let decide = named(&spans, "decide");
    assert_eq!((&decide["traceId"], &decide["parentSpanId"]), (&request["traceId"], &request["spanId"]));
    assert_eq!(attribute(decide, "hubwarden.decision")["stringValue"], "deny");
    assert_eq!(attribute(decide, "hubwarden.decision_id")["stringValue"], record["decision_id"]);
    assert_eq!((&record["trace_id"], &record["span_id"]), (&request["traceId"], &request["spanId"]));
    let put = named(&spans, "PUT /v1/entities/{type}/{*id}");
    // Starting on a new store makes changes of its own.
    let change = spans.iter().find(|span| span["name"] == "change" && span["traceId"] == put["traceId"]);
    assert_eq!(change.unwrap()["parentSpanId"], put["spanId"]);
    assert!(!spans.iter().any(|span| span.to_string().contains("ann")), "a trace names nobody");
}

#[test]
fn without_a_collector_the_callers_trace_still_stands_in_the_log() {
    let folder = TempDir::new().unwrap();
    let server = Serving::start(folder.path(), &["--data", "store", "--audit-mode", "block"]);
    let asked = ureq::post(format!("{}/access/v1/evaluation", server.url)).header("traceparent", PARENT);
    asked.send_json(question()).unwrap();
    let mut got = ureq::get(format!("{}/v1/audit?kind=decision", server.url)).call().unwrap();
    let log: Json = serde_json::from_str(&got.body_mut().read_to_string().unwrap()).unwrap();
    assert_eq!(log["records"][0]["trace_id"], "0af7651916cd43dd8448eb211c80319c");
    assert_eq!(log["records"][0]["span_id"], "b7ad6b7169203331");
}

#[test]
fn a_collector_that_is_not_there_stops_no_answer() {
    let folder = TempDir::new().unwrap();
    let variables = [("OTEL_EXPORTER_OTLP_ENDPOINT", "http://127.0.0.1:9")];
    let server = Serving::start_with(folder.path(), &["--data", "store"], &variables);
    let answer = ureq::post(format!("{}/access/v1/evaluation", server.url)).send_json(question()).unwrap();
    assert_eq!(answer.status(), 200);
    assert!(server.stop().success());
}

#[test]
fn a_protocol_that_is_not_spoken_is_refused_at_the_start() {
    let folder = TempDir::new().unwrap();
    let mut command = hubwarden(folder.path());
    command.args(["serve", "--listen", "127.0.0.1:0", "--data", "store"]);
    command.env("OTEL_EXPORTER_OTLP_ENDPOINT", "http://127.0.0.1:4317").env("OTEL_EXPORTER_OTLP_PROTOCOL", "grpc");
    let output = command.output().unwrap();
    assert_eq!(output.status.code(), Some(1));
    let said = String::from_utf8(output.stderr).unwrap();
    assert!(said.contains("`grpc` is not spoken here") && said.contains("http/protobuf"), "{said}");
}
