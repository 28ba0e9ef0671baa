//! A Unix socket beside the address: the same answers under the same keys, and a file that is dealt with carefully.

use std::fs;
use std::io::{Read, Write};
use std::os::unix::net::{UnixListener, UnixStream};
use std::path::{Path, PathBuf};

use hubwarden::http::{ServeError, ServeOptions, Server};
use hubwarden::warden::Scope;
use tempfile::TempDir;

use crate::http_support::{Served, World, bearer, hub};

const QUESTION: &str =
    r#"{"principal":{"type":"User","id":"alice"},"action":"read","resource":{"type":"Note","id":"n1"}}"#;

fn folder() -> (TempDir, PathBuf) {
    let folder = TempDir::new().unwrap();
    let path = folder.path().join("pdp.sock");
    (folder, path)
}

fn options(socket: &Path) -> ServeOptions {
    let options = ServeOptions::new("127.0.0.1:0".parse().unwrap(), hub(World::notes().warden()));
    ServeOptions { unix_socket: Some(socket.to_owned()), ..options }
}

/// What is answered over the socket, as it is sent.
fn asked(socket: &Path, headers: &str) -> String {
    let mut stream = UnixStream::connect(socket).unwrap();
    let head = format!(
        "POST /v1/authorize HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n{headers}\
         Content-Type: application/json\r\nContent-Length: {}\r\n\r\n",
        QUESTION.len()
    );
    stream.write_all(head.as_bytes()).unwrap();
    stream.write_all(QUESTION.as_bytes()).unwrap();
    let mut text = String::new();
    stream.read_to_string(&mut text).unwrap();
    text
}

fn refused(socket: &Path) -> String {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    let error = runtime.block_on(Server::start(options(socket))).err().unwrap();
    assert!(matches!(error, ServeError::Socket { .. }), "{error}");
    error.to_string()
}

#[test]
fn a_service_with_a_key_is_answered_over_the_socket_and_a_stranger_is_not() {
    let (_folder, socket) = folder();
    let served = Served::start(options(&socket));
    let key = served.key(&[Scope::Evaluate]);
    let answer = asked(&socket, &format!("Authorization: {}\r\n", bearer(&key)));
    assert!(answer.starts_with("HTTP/1.1 200") && answer.contains(r#""decision":"allow""#), "{answer}");
    let answer = asked(&socket, "");
    assert!(answer.starts_with("HTTP/1.1 401"), "{answer}");
}

#[test]
fn the_address_is_listened_on_as_well() {
    let (_folder, socket) = folder();
    let served = Served::start(options(&socket));
    assert_eq!(served.send("GET", "/health/live", &[], "").status, 200);
}

#[test]
fn the_file_of_the_socket_goes_when_the_server_stops() {
    let (_folder, socket) = folder();
    let mut served = Served::start(options(&socket));
    assert!(socket.exists());
    served.stop();
    assert!(!socket.exists());
}

#[test]
fn a_socket_that_a_crash_left_behind_is_replaced() {
    let (_folder, socket) = folder();
    drop(UnixListener::bind(&socket).unwrap());
    assert!(socket.exists(), "nobody listens, and the file is there");
    let _served = Served::start(options(&socket));
    assert!(asked(&socket, "").starts_with("HTTP/1.1 200"));
}

#[test]
fn a_socket_that_somebody_listens_on_is_theirs() {
    let (_folder, socket) = folder();
    let theirs = UnixListener::bind(&socket).unwrap();
    assert!(refused(&socket).contains("another process listens there"));
    UnixStream::connect(&socket).unwrap();
    theirs.accept().unwrap();
}

#[test]
fn a_file_that_is_no_socket_is_left_alone() {
    let (_folder, socket) = folder();
    fs::write(&socket, "precious").unwrap();
    assert!(refused(&socket).contains("a file that is no socket"));
    assert_eq!(fs::read_to_string(&socket).unwrap(), "precious");
}
