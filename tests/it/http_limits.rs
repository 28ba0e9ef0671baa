//! Bounds: sizes, depth, slow and half requests, request ids, and an end in order.

use std::io::{Read, Write};
use std::net::TcpStream;
use std::time::Duration;

use hubwarden::http::{Limits, ServeError, ServeOptions, Server};
use hubwarden::warden::Scope;
use serde_json::json;

use crate::http_support::{Served, World, bearer, hub};

fn limited(limits: Limits) -> Served {
    World { limits, ..World::notes() }.serve()
}

/// Sends raw bytes and reads until the server closes.
fn raw(served: &Served, bytes: &[u8]) -> String {
    let mut stream = TcpStream::connect(served.base.strip_prefix("http://").unwrap()).unwrap();
    stream.write_all(bytes).unwrap();
    let mut text = String::new();
    stream.read_to_string(&mut text).unwrap();
    text
}

#[test]
fn a_body_over_the_limit_is_a_413_announced_or_not() {
    let served = limited(Limits { body_bytes: 1_000, bulk_body_bytes: 2_000, ..Limits::default() });
    let key = bearer(&served.all());
    let headers = [("Authorization", key.as_str()), ("Content-Type", "application/json")];
    for (path, limit) in [("/v1/authorize", 1_000), ("/v1/entities:batch", 2_000)] {
        let fits = served.send("POST", path, &headers, vec![b' '; limit]);
        assert_ne!(fits.status, 413, "{path}");
        let got = served.send("POST", path, &headers, vec![b' '; limit + 1]);
        assert_eq!((got.status, got.code().as_str()), (413, "body_too_large"), "{path}");
        assert!(got.text.contains(&limit.to_string()));
    }
    let mut chunked = format!(
        "POST /v1/authorize HTTP/1.1\r\nHost: localhost\r\nAuthorization: {key}\r\nContent-Type: application/json\r\n\
         Transfer-Encoding: chunked\r\nConnection: close\r\n\r\n"
    );
    for _ in 0..11 {
        chunked.push_str(&format!("64\r\n{}\r\n", " ".repeat(100)));
    }
    chunked.push_str("0\r\n\r\n");
    let got = raw(&served, chunked.as_bytes());
    assert!(got.starts_with("HTTP/1.1 413") && got.contains("body_too_large"), "{got}");
}

#[test]
fn json_that_nests_without_end_is_a_400() {
    let served = World::notes().serve();
    let deep = "[".repeat(100_000);
    for path in ["/access/v1/evaluation", "/v1/authorize", "/v1/is_authorized", "/v1/entities:batch", "/v1/keys"] {
        let got = served.send("POST", path, &[("Content-Type", "application/json")], deep.as_str());
        assert_eq!(got.status, 400, "{path}");
    }
}

#[test]
fn a_body_that_does_not_come_is_a_408() {
    let served = limited(Limits { deadline: Duration::from_millis(100), ..Limits::default() });
    let got = raw(
        &served,
        b"POST /v1/authorize HTTP/1.1\r\nHost: localhost\r\nContent-Type: application/json\r\nContent-Length: 10\r\n\r\n{",
    );
    assert!(got.starts_with("HTTP/1.1 408") && got.contains("body_too_slow"), "{got}");
}

#[test]
fn a_head_that_does_not_come_ends_the_connection() {
    let served = limited(Limits { header_timeout: Duration::from_millis(100), ..Limits::default() });
    let got = raw(&served, b"GET /health/live HTTP/1.1\r\nHost: local");
    assert!(!got.contains("200"), "{got}");
}

#[test]
fn too_many_entities_in_a_question_are_a_400_that_names_the_limit() {
    let served = limited(Limits { request_entities: 2, ..Limits::default() });
    let key = served.all();
    let body = json!({"principal": "User::\"alice\"", "action": "read", "resource": "Note::\"n1\"",
                      "entities": [1, 2, 3]});
    let got = served.post(&key, "/v1/authorize", &body);
    assert_eq!((got.status, got.field().as_str()), (400, "entities"));
    assert!(got.text.contains("at most 2"), "{}", got.text);
}

#[test]
fn a_request_id_that_cannot_come_back_as_it_was_is_a_400() {
    let served = World::notes().serve();
    for id in ["x".repeat(257), "caf\u{e9}".to_owned(), "a\tb".to_owned()] {
        let got = served.send("GET", "/v1/entities", &[("X-Request-ID", &id)], "");
        assert_eq!((got.status, got.field().as_str()), (400, "X-Request-ID"));
        assert_ne!(got.header("x-request-id"), Some(id.as_str()));
    }
    let longest = "x".repeat(256);
    let got = served.send("GET", "/v1/entities", &[("X-Request-ID", &longest)], "");
    assert_eq!((got.status, got.header("x-request-id")), (200, Some(longest.as_str())));
}

#[test]
fn a_server_that_is_stopped_finishes_what_is_in_flight() {
    let mut served = World::notes().serve();
    let key = served.key(&[Scope::Write, Scope::Read]);
    let mut stream = TcpStream::connect(served.base.strip_prefix("http://").unwrap()).unwrap();
    let body = "{\"attrs\":{}}";
    let head = format!(
        "PUT /v1/entities/User/carol HTTP/1.1\r\nHost: localhost\r\nAuthorization: {}\r\nContent-Length: {}\r\n\
         Content-Type: application/json\r\nExpect: 100-continue\r\n\r\n",
        bearer(&key),
        body.len()
    );
    stream.write_all(head.as_bytes()).unwrap();
    // The server has begun with the request when it asks for the body.
    let mut buffer = [0; 25];
    stream.read_exact(&mut buffer).unwrap();
    assert_eq!(&buffer, b"HTTP/1.1 100 Continue\r\n\r\n");
    let base = served.base.clone();
    let stopping = std::thread::spawn(move || {
        served.stop();
        served
    });
    while TcpStream::connect(base.strip_prefix("http://").unwrap()).is_ok() {
        std::thread::yield_now();
    }
    stream.write_all(body.as_bytes()).unwrap();
    let mut text = String::new();
    stream.read_to_string(&mut text).unwrap();
    assert!(text.starts_with("HTTP/1.1 201"), "{text}");
    stopping.join().unwrap();
}

#[test]
fn a_server_does_not_start_with_options_that_make_no_sense() {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    let options = || ServeOptions::new("127.0.0.1:0".parse().unwrap(), hub(World::notes().warden()));
    let mut none = options();
    none.limits.concurrent_requests = 0;
    assert!(matches!(runtime.block_on(Server::start(none)), Err(ServeError::Limit("concurrent_requests"))));
    let secret = ServeOptions { public_url: Some("https://user:hunter2@pdp.example".to_owned()), ..options() };
    let error = runtime.block_on(Server::start(secret)).err().unwrap().to_string();
    assert!(!error.contains("hunter2"), "{error}");
    let taken = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let busy = ServeOptions { listen: taken.local_addr().unwrap(), ..options() };
    let error = runtime.block_on(Server::start(busy)).err().unwrap().to_string();
    assert!(error.contains("cannot listen on 127.0.0.1:"), "{error}");
}
