//! On whose behalf records are written, and which of them an answer waits for.
//!
//! A server puts one [`Request`] around all the work on one HTTP request, on whichever threads it is done. Whatever is
//! decided or changed within it finds it here; an argument through all the functions between could be forgotten in one
//! of them, and then a record would not say who asked, or an answer would go without its record.

use std::sync::{Arc, OnceLock};

use parking_lot::Mutex;
use smol_str::SmolStr;

tokio::task_local! {
    static CURRENT: Arc<Request>;
}

/// W3C trace context: the ids of `traceparent`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Trace {
    pub trace_id: String,
    pub span_id: String,
}

impl Trace {
    /// Reads the value of a `traceparent` header; what is malformed is ignored, as the standard demands.
    pub fn parse(text: &str) -> Option<Self> {
        let mut parts = text.split('-');
        let (version, trace_id, span_id, flags) = (parts.next()?, parts.next()?, parts.next()?, parts.next()?);
        let hex = |part: &str, length| {
            part.len() == length && part.bytes().all(|byte| matches!(byte, b'0'..=b'9' | b'a'..=b'f'))
        };
        let some = |part: &str| part.bytes().any(|byte| byte != b'0');
        let known = version != "ff" && (version != "00" || parts.next().is_none());
        let formed = hex(version, 2) && hex(trace_id, 32) && hex(span_id, 16) && hex(flags, 2);
        (known && formed && some(trace_id) && some(span_id))
            .then(|| Self { trace_id: trace_id.to_owned(), span_id: span_id.to_owned() })
    }
}

/// One request to the server.
#[derive(Debug, Default)]
pub struct Request {
    pub id: String,
    pub trace: Option<Trace>,
    /// The API key's id.
    pub key: Option<SmolStr>,
    actor: OnceLock<String>,
    /// The first and the last record of this request.
    tickets: Mutex<Option<(u64, u64)>>,
}

impl Request {
    pub fn new(id: impl Into<String>, trace: Option<Trace>, key: Option<SmolStr>) -> Arc<Self> {
        Arc::new(Self { id: id.into(), trace, key, ..Self::default() })
    }

    /// The request that the current task works on.
    pub fn current() -> Option<Arc<Self>> {
        CURRENT.try_with(Arc::clone).ok()
    }

    /// Runs a task on behalf of this request.
    pub async fn around<T>(self: Arc<Self>, work: impl Future<Output = T>) -> T {
        CURRENT.scope(self, work).await
    }

    /// Runs work on another thread on behalf of this request.
    pub fn within<T>(self: Arc<Self>, work: impl FnOnce() -> T) -> T {
        CURRENT.sync_scope(self, work)
    }

    /// Notes the user on whose behalf something is changed.
    pub fn acted_by(&self, user: &str) {
        // The first one is the one who acts; questions about others may follow.
        let _ = self.actor.set(user.to_owned());
    }

    pub fn actor(&self) -> Option<&str> {
        self.actor.get().map(String::as_str)
    }

    pub(super) fn note(&self, ticket: u64) {
        let mut tickets = self.tickets.lock();
        *tickets = Some(tickets.map_or((ticket, ticket), |(first, last)| (first.min(ticket), last.max(ticket))));
    }

    pub(super) fn tickets(&self) -> Option<(u64, u64)> {
        *self.tickets.lock()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_trace_is_read_as_the_standard_says() {
        let trace = Trace::parse("00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01").unwrap();
        assert_eq!(trace.trace_id, "0af7651916cd43dd8448eb211c80319c");
        assert_eq!(trace.span_id, "b7ad6b7169203331");
        assert!(Trace::parse("01-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01-more").is_some());
        for text in [
            "",
            "00",
            "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01-more",
            "ff-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01",
            "00-0AF7651916CD43DD8448EB211C80319C-b7ad6b7169203331-01",
            "00-00000000000000000000000000000000-b7ad6b7169203331-01",
            "00-0af7651916cd43dd8448eb211c80319c-0000000000000000-01",
        ] {
            assert!(Trace::parse(text).is_none(), "{text}");
        }
    }
}
