//! One connection to a server, as cheap as can be: it shares the processors with what it measures.
//!
//! HTTP/1.1 with keep-alive. Requests are made before the clock runs; of an answer, the status, the length and the
//! decisions are read, nothing else. What is not understood is a failure, never a right answer.

use std::fmt;
use std::io::{self, ErrorKind};
use std::net::SocketAddr;
#[cfg(unix)]
use std::path::PathBuf;

use tokio::net::TcpStream;
#[cfg(unix)]
use tokio::net::UnixStream;

/// The largest answer that is taken.
const MAX_ANSWER: usize = 1024 * 1024;

/// A request that is ready to be sent.
#[derive(Clone, Debug)]
pub struct Prepared {
    bytes: Box<[u8]>,
    expected: Expected,
    /// How many questions it holds.
    pub questions: usize,
}

/// What the answer must be.
#[derive(Clone, Debug)]
enum Expected {
    /// 200 and these decisions, in this order.
    Decisions(Box<[bool]>),
    /// 200, whatever it says.
    Done,
}

/// What became of a request.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Verdict {
    Right,
    /// Answered, and not as expected.
    Wrong,
    /// Not answered: another status.
    Refused(u16),
}

/// Where a server listens.
#[derive(Clone, Debug)]
pub enum Address {
    Tcp(SocketAddr),
    #[cfg(unix)]
    Unix(PathBuf),
}

impl fmt::Display for Address {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Tcp(address) => address.fmt(f),
            #[cfg(unix)]
            Self::Unix(path) => path.display().fmt(f),
        }
    }
}

/// Where requests go, and as whom.
#[derive(Clone, Debug)]
pub struct Endpoint {
    pub address: Address,
    /// The API key.
    pub key: Option<String>,
}

impl Endpoint {
    /// A question with its answer.
    pub fn evaluation(&self, question: &str, expected: bool) -> Prepared {
        let bytes = self.request("POST", "/access/v1/evaluation", question);
        Prepared { bytes, expected: Expected::Decisions([expected].into()), questions: 1 }
    }

    /// Questions with their answers in one request.
    pub fn evaluations(&self, questions: &[(String, bool)]) -> Prepared {
        let bodies: Vec<&str> = questions.iter().map(|(question, _)| question.as_str()).collect();
        let body = format!(r#"{{"evaluations":[{}]}}"#, bodies.join(","));
        let expected = questions.iter().map(|(_, expected)| *expected).collect();
        Prepared {
            bytes: self.request("POST", "/access/v1/evaluations", &body),
            expected: Expected::Decisions(expected),
            questions: questions.len(),
        }
    }

    /// A change of an entity; `path` is below `/v1/entities/`.
    pub fn change(&self, path: &str, body: &str) -> Prepared {
        let bytes = self.request("PATCH", &format!("/v1/entities/{path}"), body);
        Prepared { bytes, expected: Expected::Done, questions: 1 }
    }

    fn request(&self, method: &str, path: &str, body: &str) -> Box<[u8]> {
        let key = self.key.as_ref().map(|key| format!("Authorization: Bearer {key}\r\n")).unwrap_or_default();
        let host = match &self.address {
            Address::Tcp(address) => address.to_string(),
            #[cfg(unix)]
            Address::Unix(_) => "localhost".to_owned(),
        };
        let head = format!(
            "{method} {path} HTTP/1.1\r\nHost: {host}\r\n{key}Content-Type: application/json\r\n\
             Content-Length: {}\r\n\r\n",
            body.len()
        );
        [head.as_bytes(), body.as_bytes()].concat().into()
    }
}

impl Prepared {
    fn judge(&self, status: u16, body: &[u8]) -> Verdict {
        match &self.expected {
            _ if status != 200 => Verdict::Refused(status),
            Expected::Done => Verdict::Right,
            Expected::Decisions(expected) => match decisions(body).eq(expected.iter().copied().map(Some)) {
                true => Verdict::Right,
                false => Verdict::Wrong,
            },
        }
    }
}

/// The decisions of an answer in order; `None` for one that is neither true nor false.
fn decisions(body: &[u8]) -> impl Iterator<Item = Option<bool>> + '_ {
    const KEY: &[u8] = b"\"decision\":";
    let mut rest = body;
    std::iter::from_fn(move || {
        let at = rest.windows(KEY.len()).position(|window| window == KEY)?;
        rest = rest.get(at + KEY.len()..)?;
        Some(match rest {
            [b't', b'r', b'u', b'e', ..] => Some(true),
            [b'f', b'a', b'l', b's', b'e', ..] => Some(false),
            _ => None,
        })
    })
}

/// A kept connection.
pub struct Connection {
    stream: Stream,
    buffer: Vec<u8>,
}

enum Stream {
    Tcp(TcpStream),
    #[cfg(unix)]
    Unix(UnixStream),
}

/// The same of whatever stream it is.
macro_rules! of_stream {
    ($stream:expr, $inner:ident => $call:expr) => {
        match $stream {
            Stream::Tcp($inner) => $call,
            #[cfg(unix)]
            Stream::Unix($inner) => $call,
        }
    };
}

impl Connection {
    /// # Errors
    /// What the operating system says.
    pub async fn open(address: &Address) -> io::Result<Self> {
        let stream = match address {
            Address::Tcp(address) => {
                let stream = TcpStream::connect(address).await?;
                stream.set_nodelay(true)?;
                Stream::Tcp(stream)
            }
            #[cfg(unix)]
            Address::Unix(path) => Stream::Unix(UnixStream::connect(path).await?),
        };
        Ok(Self { stream, buffer: Vec::with_capacity(16 * 1024) })
    }

    /// Asks; a connection that broke is an answer that was refused, and another one is opened to go on with.
    ///
    /// # Errors
    /// A server that takes no more connections.
    pub async fn ask_or_reopen(&mut self, address: &Address, request: &Prepared) -> io::Result<Verdict> {
        match self.ask(request).await {
            Ok(verdict) => Ok(verdict),
            Err(_) => {
                *self = Self::open(address).await?;
                Ok(Verdict::Refused(0))
            }
        }
    }

    /// Sends a request and waits for its answer.
    ///
    /// # Errors
    /// A connection that broke, or an answer that is no HTTP.
    pub async fn ask(&mut self, request: &Prepared) -> io::Result<Verdict> {
        self.send(&request.bytes).await?;
        self.buffer.clear();
        let mut head = None;
        loop {
            if head.is_none() {
                head = Head::read(&self.buffer)?;
            }
            if let Some(head) = &head
                && self.buffer.len() >= head.end + head.length
            {
                let body = self.buffer.get(head.end..head.end + head.length).unwrap_or_default();
                return Ok(request.judge(head.status, body));
            }
            self.receive().await?;
        }
    }

    async fn send(&self, mut bytes: &[u8]) -> io::Result<()> {
        while !bytes.is_empty() {
            match of_stream!(&self.stream, stream => stream.try_write(bytes)) {
                Ok(sent) => bytes = bytes.get(sent..).unwrap_or_default(),
                Err(error) if error.kind() == ErrorKind::WouldBlock => {
                    of_stream!(&self.stream, stream => stream.writable().await?);
                }
                Err(error) => return Err(error),
            }
        }
        Ok(())
    }

    async fn receive(&mut self) -> io::Result<()> {
        if self.buffer.len() > MAX_ANSWER {
            return Err(io::Error::new(ErrorKind::InvalidData, "the answer is too large"));
        }
        loop {
            of_stream!(&self.stream, stream => stream.readable().await?);
            match of_stream!(&self.stream, stream => stream.try_read_buf(&mut self.buffer)) {
                Ok(0) => return Err(ErrorKind::UnexpectedEof.into()),
                Ok(_) => return Ok(()),
                Err(error) if error.kind() == ErrorKind::WouldBlock => {}
                Err(error) => return Err(error),
            }
        }
    }
}

/// What is read of an answer's head.
struct Head {
    status: u16,
    /// Where the body begins.
    end: usize,
    length: usize,
}

impl Head {
    /// Nothing, as long as the head is not whole.
    fn read(buffer: &[u8]) -> io::Result<Option<Self>> {
        let Some(end) = buffer.windows(4).position(|window| window == b"\r\n\r\n") else {
            return Ok(None);
        };
        let malformed = || io::Error::new(ErrorKind::InvalidData, "the answer is no HTTP with a length");
        let head = std::str::from_utf8(buffer.get(..end).unwrap_or_default()).map_err(|_| malformed())?;
        let status = head.get(9..12).and_then(|status| status.parse().ok()).ok_or_else(malformed)?;
        let length = head.split("\r\n").skip(1).find_map(|line| {
            let (name, value) = line.split_once(':')?;
            name.eq_ignore_ascii_case("content-length").then(|| value.trim().parse().ok()).flatten()
        });
        Ok(Some(Self { status, end: end + 4, length: length.ok_or_else(malformed)? }))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_decision_of_an_answer_is_read_and_compared() {
        let endpoint = Endpoint { address: Address::Tcp(([127, 0, 0, 1], 1).into()), key: None };
        let two = endpoint.evaluations(&[("{}".into(), true), ("{}".into(), false)]);
        let judge = |body: &str| two.judge(200, body.as_bytes());
        assert_eq!(judge(r#"{"evaluations":[{"decision":true},{"decision":false}]}"#), Verdict::Right);
        assert_eq!(judge(r#"{"evaluations":[{"decision":true},{"decision":true}]}"#), Verdict::Wrong);
        assert_eq!(judge(r#"{"evaluations":[{"decision":true}]}"#), Verdict::Wrong);
        assert_eq!(judge(r#"{"evaluations":[{"decision":true},{"decision":null}]}"#), Verdict::Wrong);
        assert_eq!(judge(""), Verdict::Wrong);
        assert_eq!(two.judge(503, b""), Verdict::Refused(503));
    }

    #[test]
    fn a_head_is_read_when_it_is_whole() {
        assert!(Head::read(b"HTTP/1.1 200 OK\r\nContent-Length: 3\r\n").unwrap().is_none());
        let head = Head::read(b"HTTP/1.1 404 Not Found\r\ncontent-length: 3\r\n\r\nabc").unwrap().unwrap();
        assert_eq!((head.status, head.length), (404, 3));
        assert!(Head::read(b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n").is_err());
    }
}
