//! Records for an OpenTelemetry collector: a small one listens here.

use std::io::{BufRead, BufReader, Read, Write};
use std::net::{TcpListener, TcpStream};
use std::sync::Arc;
use std::sync::mpsc::{Receiver, Sender, channel};
use std::time::Duration;

use hubwarden::audit::{Collector, Form, Headers, Settings, SinkSettings};
use serde_json::{Value as Json, json};

use crate::http_audit::{Logged, logged};
use crate::http_support::World;

/// What a request to the collector was.
struct Request {
    line: String,
    headers: Vec<String>,
    body: Json,
    /// What it was answered.
    status: u16,
}

/// Answers requests with these statuses, one after the other, the last one for ever.
fn collector(statuses: &'static [u16]) -> (String, Receiver<Request>) {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let url = format!("http://{}/v1/logs", listener.local_addr().unwrap());
    let (seen, requests) = channel();
    std::thread::spawn(move || {
        let mut statuses = statuses.iter();
        let mut status = 200;
        for stream in listener.incoming() {
            if !answer(
                stream.unwrap(),
                &mut || {
                    status = *statuses.next().unwrap_or(&status);
                    status
                },
                &seen,
            ) {
                return;
            }
        }
    });
    (url, requests)
}

/// Serves one connection; false when nobody wants to know any more.
fn answer(stream: TcpStream, status: &mut dyn FnMut() -> u16, seen: &Sender<Request>) -> bool {
    let mut read = BufReader::new(stream.try_clone().unwrap());
    let mut write = stream;
    loop {
        let mut line = String::new();
        if read.read_line(&mut line).unwrap_or(0) == 0 {
            return true;
        }
        let mut headers = Vec::new();
        loop {
            let mut header = String::new();
            read.read_line(&mut header).unwrap();
            match header.trim() {
                "" => break,
                header => headers.push(header.to_ascii_lowercase()),
            }
        }
        let length = headers.iter().find_map(|header| header.strip_prefix("content-length: ")).unwrap();
        let mut body = vec![0; length.parse().unwrap()];
        read.read_exact(&mut body).unwrap();
        let body = serde_json::from_slice(&body).unwrap();
        let status = status();
        let text = "{\"partialSuccess\":{}}";
        let head =
            format!("HTTP/1.1 {status} X\r\nContent-Type: application/json\r\nContent-Length: {}\r\n", text.len());
        write!(write, "{head}Retry-After: 0\r\n\r\n{text}").unwrap();
        if seen.send(Request { line: line.trim().to_owned(), headers, body, status }).is_err() {
            return false;
        }
    }
}

fn exporting(endpoint: String) -> Logged {
    let collector = Collector {
        endpoint,
        headers: Headers(vec![("x-tenant".to_owned(), "acme".to_owned())]),
        timeout: Duration::from_secs(10),
        resource: vec![("service.name".to_owned(), "hubwarden".to_owned())],
    };
    let sinks = vec![SinkSettings::Otlp { collector, form: Form::Native }];
    logged(World::notes(), Settings { sinks, ..Settings::default() })
}

/// The log records that were taken, up to the one of a decision.
fn until(requests: &Receiver<Request>, id: &str) -> Vec<Json> {
    let mut found = Vec::new();
    while !found.iter().any(|record: &Json| record["body"]["stringValue"].as_str().unwrap().contains(id)) {
        let request = requests.recv_timeout(Duration::from_secs(60)).expect("the collector was asked");
        if request.status != 200 {
            continue;
        }
        assert_eq!(request.line, "POST /v1/logs HTTP/1.1");
        assert!(request.headers.contains(&"x-tenant: acme".to_owned()), "{:?}", request.headers);
        assert!(request.headers.contains(&"content-type: application/json".to_owned()));
        let resource = &request.body["resourceLogs"][0];
        let service = json!({"key": "service.name", "value": {"stringValue": "hubwarden"}});
        assert_eq!(resource["resource"]["attributes"][0], service);
        found.extend(resource["scopeLogs"][0]["logRecords"].as_array().unwrap().clone());
    }
    found
}

#[test]
fn a_collector_gets_every_record_and_one_that_is_busy_gets_it_again() {
    let (url, requests) = collector(&[503, 429, 200]);
    let logged = exporting(url);
    let decided = logged.ask("bob").json();
    let id = decided["decision_id"].as_str().unwrap();
    let records = until(&requests, id);
    let record = records.iter().find(|record| record["body"]["stringValue"].as_str().unwrap().contains(id)).unwrap();
    assert_eq!((&record["eventName"], &record["severityText"]), (&json!("hubwarden.decision"), &json!("WARN")));
    let principal = json!({"key": "hubwarden.principal", "value": {"stringValue": "bob"}});
    assert!(record["attributes"].as_array().unwrap().contains(&principal), "{record}");
    logged.served.warden.audit().close();
    let metrics = logged.served.get(&logged.key, "/metrics").text;
    assert!(metrics.contains("hubwarden_decision_log_records_total{sink=\"otlp\"}"), "{metrics}");
    assert!(!metrics.contains("dropped_total{sink=\"otlp\""), "{metrics}");
}

#[test]
fn a_collector_that_refuses_or_is_not_there_holds_up_nothing_and_its_losses_are_counted() {
    let nowhere = TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap();
    let (refusing, _requests) = collector(&[400]);
    for endpoint in [format!("http://{nowhere}/v1/logs"), refusing] {
        let logged = exporting(endpoint);
        for _ in 0..20 {
            assert_eq!(logged.ask("alice").json()["decision"], "allow");
        }
        // Ends although nobody takes the records.
        let log = Arc::clone(&logged.served.warden);
        log.audit().close();
        assert!(log.audit().counters().lost("otlp") >= 20);
    }
}
