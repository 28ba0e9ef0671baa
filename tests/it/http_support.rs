//! A started server with a store in memory, and a client for it.

use std::sync::{Arc, Mutex};

use hubwarden::audit::Log as AuditLog;
use hubwarden::clock::FixedClock;
use hubwarden::http::{Limits, ServeOptions, Server};
use hubwarden::hub::Hub;
use hubwarden::pdp::{Bundle, BundleSource, SourceFile};
use hubwarden::store::{Expect, History, MemoryStore};
use hubwarden::tokens::{HashKey, Prefix};
use hubwarden::warden::{BundleOrigin, Change, DeadId, Scope, Warden, WardenOptions, embedded, store_bundle};
use serde_json::Value as Json;
use tokio::runtime::Runtime;

use crate::support::cast::CAST;

pub const NOW: &str = "2026-08-01T12:00:00Z";

/// A server on a free port of this machine; it stops when this is dropped.
pub struct Served {
    pub warden: Arc<Warden>,
    pub hub: Arc<Hub>,
    pub base: String,
    server: Option<Server>,
    runtime: Option<Runtime>,
    client: ureq::Agent,
}

/// What is served.
pub struct World {
    pub source: BundleSource,
    pub origin: BundleOrigin,
    pub entities: Vec<Json>,
    pub limits: Limits,
    pub public_url: Option<String>,
    /// Stands still until a test winds it.
    pub clock: Arc<FixedClock>,
    /// None, unless a test opens one.
    pub audit: Arc<AuditLog>,
}

impl World {
    pub fn of(source: BundleSource, entities: &str) -> Self {
        let entities = serde_json::from_str(entities).unwrap();
        let clock = FixedClock::new(NOW.parse().unwrap());
        Self {
            source,
            origin: BundleOrigin::Embedded,
            entities,
            limits: Limits::default(),
            public_url: None,
            clock,
            audit: Arc::new(AuditLog::off()),
        }
    }

    /// The hub with a small cast: alice writes in acme, and has a fine-grained token for its models.
    pub fn hub() -> Self {
        Self::of(embedded(), include_str!("http_support/hub.json"))
    }

    /// The hub with the cast that the tests of its rules speak of.
    pub fn cast() -> Self {
        Self { entities: CAST.entities.values().map(|entity| entity.to_json()).collect(), ..Self::hub() }
    }

    /// Two users, one note and the right to read it, in a schema without namespace.
    pub fn notes() -> Self {
        let source = BundleSource {
            schema: SourceFile::new("notes.cedarschema", include_str!("http_support/notes.cedarschema")),
            policies: vec![SourceFile::new("notes.cedar", include_str!("http_support/notes.cedar"))],
            links: None,
            reasons: None,
            gateway: None,
        };
        Self::of(source, include_str!("http_support/notes.json"))
    }

    pub fn warden(self) -> Arc<Warden> {
        let store = Arc::new(MemoryStore::with(History::default(), Arc::new(Arc::clone(&self.clock))).unwrap());
        if self.origin == BundleOrigin::Store {
            store_bundle(store.as_ref(), &self.source).unwrap();
        }
        let bundle = Bundle::build(self.source).unwrap();
        let clock = Arc::new(self.clock);
        let options = WardenOptions { audit: self.audit, ..WardenOptions::default() };
        let warden = Warden::with(store, bundle, self.origin, clock, options).unwrap();
        let put = |entity| Change::Put { entity, expect: Expect::Anything, dead: DeadId::Refuse };
        warden.change(self.entities.into_iter().map(put).collect()).unwrap();
        Arc::new(warden)
    }

    /// Serves with a log.
    pub fn serve_logged(self) -> (Served, Log) {
        let log = Log::default();
        let options = ServeOptions::new("127.0.0.1:0".parse().unwrap(), hub(self.warden()));
        (Served::start_logged(options, log.clone()), log)
    }

    /// Serves, to this machine alone until [`Served::key`] makes a key.
    pub fn serve(self) -> Served {
        let (limits, public_url) = (self.limits.clone(), self.public_url.clone());
        let hub = hub(self.warden());
        Served::start(ServeOptions { limits, public_url, ..ServeOptions::new("127.0.0.1:0".parse().unwrap(), hub) })
    }
}

/// A hub with a key of its own.
pub fn hub(warden: Arc<Warden>) -> Arc<Hub> {
    Arc::new(Hub::open(warden, HashKey::random().unwrap(), Prefix::default()).unwrap())
}

/// What a server logged, one JSON object a line.
#[derive(Clone, Default)]
pub struct Log(Arc<Mutex<Vec<u8>>>);

impl Log {
    pub fn text(&self) -> String {
        String::from_utf8(self.0.lock().unwrap().clone()).unwrap()
    }

    /// The lines of one target.
    pub fn lines(&self, target: &str) -> Vec<Json> {
        let lines = self.text();
        let lines = lines.lines().map(|line| serde_json::from_str::<Json>(line).unwrap());
        lines.filter(|line| line["target"] == target).collect()
    }
}

impl std::io::Write for Log {
    fn write(&mut self, bytes: &[u8]) -> std::io::Result<usize> {
        self.0.lock().unwrap().extend_from_slice(bytes);
        Ok(bytes.len())
    }

    fn flush(&mut self) -> std::io::Result<()> {
        Ok(())
    }
}

impl tracing_subscriber::fmt::MakeWriter<'_> for Log {
    type Writer = Self;

    fn make_writer(&self) -> Self {
        self.clone()
    }
}

/// An answer.
pub struct Got {
    pub status: u16,
    pub headers: ureq::http::HeaderMap,
    pub text: String,
}

impl Got {
    pub fn json(&self) -> Json {
        serde_json::from_str(&self.text).unwrap_or_else(|error| panic!("{error}: {}", self.text))
    }

    pub fn header(&self, name: &str) -> Option<&str> {
        self.headers.get(name).map(|value| value.to_str().unwrap())
    }

    /// The code in the error envelope.
    pub fn code(&self) -> String {
        self.json()["error"]["code"].as_str().unwrap_or_else(|| panic!("no error: {}", self.text)).to_owned()
    }

    pub fn field(&self) -> String {
        self.json()["error"]["field"].as_str().unwrap_or_default().to_owned()
    }
}

impl Served {
    pub fn start(options: ServeOptions) -> Self {
        Self::start_logged(options, Log::default())
    }

    /// As [`Served::start`], with everything that the server logs, at any level, written to `log`.
    pub fn start_logged(options: ServeOptions, log: Log) -> Self {
        let subscriber = tracing_subscriber::fmt().json().with_max_level(tracing::Level::TRACE).with_writer(log);
        let dispatch = tracing::Dispatch::new(subscriber.finish());
        let runtime = tokio::runtime::Builder::new_multi_thread()
            .worker_threads(2)
            .enable_all()
            // A log of its own for each server: tests run side by side in one process.
            .on_thread_start(move || std::mem::forget(tracing::dispatcher::set_default(&dispatch)))
            .build()
            .unwrap();
        let hub = Arc::clone(&options.hub);
        let warden = Arc::clone(hub.warden());
        let server = runtime.block_on(runtime.spawn(Server::start(options))).unwrap().unwrap();
        let base = format!("http://{}", server.address());
        let client = ureq::Agent::config_builder().http_status_as_error(false).build().into();
        Self { warden, hub, base, server: Some(server), runtime: Some(runtime), client }
    }

    /// A new key with these scopes.
    pub fn key(&self, scopes: &[Scope]) -> String {
        let (_, value) = self.warden.keys().create("test", scopes.iter().copied().collect()).unwrap();
        value.reveal().to_owned()
    }

    pub fn all(&self) -> String {
        self.key(&Scope::ALL)
    }

    /// Stops the server in order, waiting for what is in flight.
    pub fn stop(&mut self) {
        if let (Some(server), Some(runtime)) = (self.server.take(), &self.runtime) {
            runtime.block_on(server.stop());
        }
    }

    pub fn send(&self, method: &str, path: &str, headers: &[(&str, &str)], body: impl Into<Vec<u8>>) -> Got {
        let mut request = ureq::http::Request::builder().method(method).uri(format!("{}{path}", self.base));
        for (name, value) in headers {
            request = request.header(*name, *value);
        }
        let mut response = self.client.run(request.body(body.into()).unwrap()).unwrap();
        Got {
            status: response.status().as_u16(),
            headers: response.headers().clone(),
            text: response.body_mut().read_to_string().unwrap(),
        }
    }

    pub fn get(&self, key: &str, path: &str) -> Got {
        self.send("GET", path, &[("Authorization", &bearer(key))], "")
    }

    pub fn post(&self, key: &str, path: &str, body: &Json) -> Got {
        self.with_body("POST", key, path, body)
    }

    pub fn with_body(&self, method: &str, key: &str, path: &str, body: &Json) -> Got {
        let headers = [("Authorization", &*bearer(key)), ("Content-Type", "application/json")];
        self.send(method, path, &headers, body.to_string())
    }
}

impl Drop for Served {
    fn drop(&mut self) {
        drop(self.server.take());
        if let Some(runtime) = self.runtime.take() {
            runtime.shutdown_background();
        }
    }
}

pub fn bearer(key: &str) -> String {
    format!("Bearer {key}")
}

/// The id within the value of a key, `hwk_<id>_<secret>`.
pub fn key_id(value: &str) -> &str {
    value.split('_').nth(1).unwrap()
}

/// The secret within the value of a key; it may hold `_` itself.
pub fn key_secret(value: &str) -> &str {
    value.splitn(3, '_').nth(2).unwrap()
}
