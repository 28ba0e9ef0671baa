//! Traces for OpenTelemetry: sent by OTLP over HTTP, when the environment names a collector.
//!
//! The standard `OTEL_*` variables configure it, and nothing else. Nothing is sent, and hardly anything done, unless
//! `OTEL_EXPORTER_OTLP_ENDPOINT` or `OTEL_EXPORTER_OTLP_TRACES_ENDPOINT` is set. A collector that does not answer costs
//! spans, never answers: they are sent by a thread of their own from a queue of bounded size.

use std::fmt;
use std::pin::Pin;
use std::time::Duration;

use opentelemetry::trace::TracerProvider;
use opentelemetry_http::{Bytes, HttpClient, HttpError, Request, Response};
use opentelemetry_otlp::{SpanExporter, WithHttpConfig};
use opentelemetry_sdk::Resource;
use opentelemetry_sdk::trace::{SdkTracer, SdkTracerProvider};

use crate::cli::exit::Failure;

const TIMEOUT: Duration = Duration::from_secs(10);
/// An answer of a collector is a few bytes; more is not read.
const MAX_ANSWER: u64 = 64 * 1024;

/// What sends spans. Dropping it sends what is left.
pub(in crate::cli) struct Traces(SdkTracerProvider);

impl Traces {
    /// Starts to send, if the environment says where to.
    pub fn start() -> Result<Option<Self>, Failure> {
        let names = ["OTEL_EXPORTER_OTLP_TRACES_ENDPOINT", "OTEL_EXPORTER_OTLP_ENDPOINT"];
        let off = variable("OTEL_SDK_DISABLED").is_some_and(|value| value.eq_ignore_ascii_case("true"))
            || variable("OTEL_TRACES_EXPORTER").is_some_and(|value| value == "none");
        if off || names.iter().all(|name| variable(name).is_none()) {
            return Ok(None);
        }
        let protocols = ["OTEL_EXPORTER_OTLP_TRACES_PROTOCOL", "OTEL_EXPORTER_OTLP_PROTOCOL"];
        let protocol = protocols.iter().find_map(|name| variable(name));
        if let Some(other) = protocol.filter(|protocol| !["http/protobuf", "http/json"].contains(&protocol.as_str())) {
            return Err(Failure::new(format!(
                "OTEL_EXPORTER_OTLP_PROTOCOL: `{other}` is not spoken here; `http/protobuf` and `http/json` are \
                 (collectors take them on port 4318)"
            )));
        }
        let timeouts = ["OTEL_EXPORTER_OTLP_TRACES_TIMEOUT", "OTEL_EXPORTER_OTLP_TIMEOUT"];
        let timeout =
            timeouts.iter().find_map(|name| variable(name)?.parse().ok()).map_or(TIMEOUT, Duration::from_millis);
        let agent = ureq::Agent::config_builder()
            .http_status_as_error(false)
            .timeout_global(Some(timeout))
            .user_agent(concat!("hubwarden/", env!("CARGO_PKG_VERSION")))
            .build();
        let exporter = SpanExporter::builder()
            .with_http()
            .with_http_client(Sender(agent.into()))
            .build()
            .map_err(|error| Failure::new(format!("traces cannot be sent: {error}")))?;
        let provider = SdkTracerProvider::builder().with_batch_exporter(exporter).with_resource(resource()).build();
        Ok(Some(Self(provider)))
    }

    pub fn tracer(&self) -> SdkTracer {
        self.0.tracer("hubwarden")
    }
}

impl Drop for Traces {
    fn drop(&mut self) {
        if let Err(error) = self.0.shutdown() {
            tracing::warn!(%error, "the last spans were not sent");
        }
    }
}

fn variable(name: &str) -> Option<String> {
    std::env::var(name).ok().filter(|value| !value.is_empty())
}

/// Who sends: what the environment says, else this program.
fn resource() -> Resource {
    let named = variable("OTEL_SERVICE_NAME").is_some()
        || variable("OTEL_RESOURCE_ATTRIBUTES").is_some_and(|attributes| attributes.contains("service.name="));
    let builder = Resource::builder();
    let builder = if named { builder } else { builder.with_service_name("hubwarden") };
    builder.with_attribute(opentelemetry::KeyValue::new("service.version", env!("CARGO_PKG_VERSION"))).build()
}

/// Sends by the client that the command line has anyway. It blocks, on the exporter's own thread.
struct Sender(ureq::Agent);

impl fmt::Debug for Sender {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Sender")
    }
}

impl HttpClient for Sender {
    fn send_bytes<'client, 'sending>(
        &'client self,
        request: Request<Bytes>,
    ) -> Pin<Box<dyn Future<Output = Result<Response<Bytes>, HttpError>> + Send + 'sending>>
    where
        'client: 'sending,
        Self: 'sending,
    {
        Box::pin(async move {
            let answer = self.0.run(request.map(|body| body.to_vec()))?;
            let (parts, mut body) = answer.into_parts();
            let body = body.with_config().limit(MAX_ANSWER).read_to_vec()?;
            Ok(Response::from_parts(parts, Bytes::from(body)))
        })
    }
}
