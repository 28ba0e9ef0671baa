//! Records for an OpenTelemetry collector: OTLP/HTTP with JSON, `POST …/v1/logs`
//! (<https://opentelemetry.io/docs/specs/otlp/#otlphttp>).
//!
//! A collector that is away or busy is tried again, with growing pauses, while records wait in the sink's queue; what
//! the queue has no room for is lost and counted. Nothing else ever waits for a collector. At the end what is left is
//! tried once.

use std::fmt;
use std::io;
use std::sync::mpsc::{Receiver, RecvTimeoutError};
use std::time::Duration;

use jiff::Timestamp;
use serde_json::{Value as Json, json};

use super::sink::Target;

/// Records in one request.
const BATCH: usize = 512;
/// The first pause, and the longest.
const FIRST_PAUSE: Duration = Duration::from_millis(500);
const LONGEST_PAUSE: Duration = Duration::from_secs(30);
/// How often one request is tried.
const TRIES: usize = 8;
/// More of an answer is not read.
const MAX_ANSWER: u64 = 64 * 1024;
/// Severities of the standard.
const INFO: u8 = 9;
const WARN: u8 = 13;

/// A collector.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Collector {
    /// The whole address, e.g. `http://127.0.0.1:4318/v1/logs`.
    pub endpoint: String,
    pub headers: Headers,
    pub timeout: Duration,
    /// Attributes of the resource, e.g. `service.name`.
    pub resource: Vec<(String, String)>,
}

/// Headers of each request. They may hold secrets.
#[derive(Clone, Default, PartialEq, Eq)]
pub struct Headers(pub Vec<(String, String)>);

impl fmt::Debug for Headers {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_list().entries(self.0.iter().map(|(name, _)| name)).finish()
    }
}

/// A collector as a target of records.
pub struct Exporter {
    collector: Collector,
    agent: ureq::Agent,
    /// Ends when the log does.
    end: Receiver<()>,
    /// The log ends, and the collector did not answer: what is left is lost.
    given_up: bool,
}

/// What became of one request.
enum Sent {
    /// Taken, but for so many records.
    Taken(u64),
    /// Worth trying again, after this pause if one was named.
    Busy(String, Option<Duration>),
    Refused(String),
}

impl Exporter {
    pub fn new(collector: Collector, end: Receiver<()>) -> Self {
        let config = ureq::Agent::config_builder()
            .http_status_as_error(false)
            .timeout_global(Some(collector.timeout))
            .user_agent(concat!("hubwarden/", env!("CARGO_PKG_VERSION")));
        Self { collector, agent: config.build().into(), end, given_up: false }
    }

    fn send(&self, body: &Json) -> Sent {
        let mut request = self.agent.post(&self.collector.endpoint).content_type("application/json");
        for (name, value) in &self.collector.headers.0 {
            request = request.header(name, value);
        }
        let mut response = match request.send(body.to_string()) {
            Ok(response) => response,
            Err(error) => return Sent::Busy(error.to_string(), None),
        };
        let status = response.status().as_u16();
        let text = response.body_mut().with_config().limit(MAX_ANSWER).read_to_string().unwrap_or_default();
        match status {
            200..=299 => Sent::Taken(refused(&text)),
            429 | 502 | 503 | 504 => {
                let after = response.headers().get("retry-after").and_then(|value| value.to_str().ok());
                let after = after.and_then(|text| text.trim().parse().ok()).map(Duration::from_secs);
                Sent::Busy(format!("it answered {status}"), after)
            }
            status => Sent::Refused(format!("it answered {status}")),
        }
    }

    /// Sends a request until it is taken; answers how many records were not.
    fn deliver(&mut self, body: &Json) -> io::Result<u64> {
        let mut pause = FIRST_PAUSE;
        for _ in 0..TRIES {
            let (why, after) = match self.send(body) {
                Sent::Taken(refused) => return Ok(refused),
                Sent::Refused(why) => return Err(io::Error::other(why)),
                Sent::Busy(why, after) => (why, after),
            };
            let wait = after.unwrap_or(pause).min(LONGEST_PAUSE);
            pause = pause.saturating_mul(2);
            if !matches!(self.end.recv_timeout(wait), Err(RecvTimeoutError::Timeout)) {
                self.given_up = true;
                return Err(io::Error::other(why));
            }
        }
        Err(io::Error::other("it did not take the records, however often they were sent"))
    }
}

/// How many records an answer refuses.
fn refused(answer: &str) -> u64 {
    let answer: Json = serde_json::from_str(answer).unwrap_or_default();
    let refused = answer.pointer("/partialSuccess/rejectedLogRecords");
    // 64-bit numbers are texts in this encoding.
    refused.and_then(|count| count.as_u64().or_else(|| count.as_str()?.parse().ok())).unwrap_or(0)
}

impl Target for Exporter {
    fn write(&mut self, lines: &str) -> io::Result<u64> {
        let lines: Vec<&str> = lines.lines().collect();
        let (mut lost, mut fault) = (0, None);
        for lines in lines.chunks(BATCH) {
            if self.given_up {
                lost += lines.len() as u64;
                continue;
            }
            match self.deliver(&request(&self.collector.resource, lines)) {
                Ok(refused) => lost += refused,
                Err(error) => {
                    lost += lines.len() as u64;
                    fault = Some(error);
                }
            }
        }
        match fault {
            Some(error) => {
                tracing::error!(endpoint = self.collector.endpoint, %error, lost, "a collector takes no records");
                Ok(lost)
            }
            None => Ok(lost),
        }
    }
}

/// An `ExportLogsServiceRequest`.
fn request(resource: &[(String, String)], lines: &[&str]) -> Json {
    let resource: Vec<Json> = resource.iter().map(|(key, value)| attribute(key, value)).collect();
    let scope = json!({"name": "hubwarden.audit", "version": env!("CARGO_PKG_VERSION")});
    let records: Vec<Json> = lines.iter().map(|line| record(line)).collect();
    json!({"resourceLogs": [{
        "resource": {"attributes": resource},
        "scopeLogs": [{"scope": scope, "logRecords": records}],
    }]})
}

fn attribute(key: &str, value: &str) -> Json {
    json!({"key": key, "value": {"stringValue": value}})
}

/// A line as a log record: whole in its body, so that the chain can still be checked, and by what it is looked for in
/// its attributes.
fn record(line: &str) -> Json {
    let parsed: Json = serde_json::from_str(line).unwrap_or_default();
    // An event in another form holds the record that it was made of.
    let own = parsed.get("unmapped").unwrap_or(&parsed);
    let text = |key: &str| own.get(key).and_then(Json::as_str);
    let kind = text("kind").unwrap_or("record");
    let time = text("timestamp").and_then(|at| at.parse::<Timestamp>().ok());
    let time = time.map(|at| at.as_nanosecond().to_string()).unwrap_or_default();
    let denied = text("decision") == Some("deny");
    let (severity, name) = if denied { (WARN, "WARN") } else { (INFO, "INFO") };
    let named = |key: &str| own.pointer(&format!("/{key}/id")).and_then(Json::as_str);
    let attributes = [
        ("decision_id", text("decision_id")),
        ("api", text("api")),
        ("decision", text("decision")),
        ("reason", own.pointer("/reason/code").and_then(Json::as_str)),
        ("principal", named("principal")),
        ("acts_for", named("acts_for")),
        ("action", named("action")),
        ("resource", named("resource")),
        ("token", text("token")),
        ("change", text("change")),
        ("pdp_id", text("pdp_id")),
        ("request_id", text("request_id")),
        ("requested_by", text("requested_by")),
    ];
    let attributes = attributes.into_iter().filter_map(|(key, value)| Some((key, value?)));
    let attributes: Vec<Json> = attributes.map(|(key, value)| attribute(&format!("hubwarden.{key}"), value)).collect();
    let mut record = json!({
        "timeUnixNano": time, "observedTimeUnixNano": time, "severityNumber": severity, "severityText": name,
        "eventName": format!("hubwarden.{kind}"), "body": {"stringValue": line}, "attributes": attributes,
    });
    if let (Some(trace), Some(span), Some(map)) = (text("trace_id"), text("span_id"), record.as_object_mut()) {
        map.insert("traceId".to_owned(), trace.into());
        map.insert("spanId".to_owned(), span.into());
    }
    record
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_record_is_a_log_record_with_its_line_trace_and_what_it_is_looked_for_by() {
        let line = r#"{"kind":"decision","decision_id":"d1","timestamp":"2026-08-01T12:00:00.001Z","trace_id":"0af7","span_id":"b7ad","principal":{"type":"User","id":"ann"},"decision":"deny","reason":{"code":"no","status":403}}"#;
        let made = record(line);
        assert_eq!(made["timeUnixNano"], "1785585600001000000");
        assert_eq!((&made["severityText"], &made["eventName"]), (&json!("WARN"), &json!("hubwarden.decision")));
        assert_eq!((&made["traceId"], &made["body"]["stringValue"]), (&json!("0af7"), &json!(line)));
        let attributes = made["attributes"].as_array().unwrap();
        assert!(attributes.contains(&attribute("hubwarden.principal", "ann")), "{made}");
        assert!(attributes.contains(&attribute("hubwarden.reason", "no")), "{made}");
    }

    #[test]
    fn refused_records_are_read_from_an_answer_however_it_writes_numbers() {
        assert_eq!(refused(r#"{"partialSuccess":{"rejectedLogRecords":"3"}}"#), 3);
        assert_eq!(refused(r#"{"partialSuccess":{"rejectedLogRecords":2}}"#), 2);
        assert_eq!((refused("{}"), refused("")), (0, 0));
    }

    #[test]
    fn the_values_of_headers_are_never_shown() {
        let headers = Headers(vec![("authorization".to_owned(), "Bearer secret".to_owned())]);
        assert_eq!(format!("{headers:?}"), "[\"authorization\"]");
    }
}
