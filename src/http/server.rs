//! Listening, connections, and stopping in order.

use std::convert::Infallible;
use std::io;
use std::net::{IpAddr, SocketAddr};
use std::path::PathBuf;
use std::pin::Pin;
use std::sync::Arc;
use std::time::Duration;

use axum::body::Body;
use futures_util::FutureExt;
use hyper::body::Incoming;
use hyper::server::conn::http1;
use hyper::service::Service;
use hyper::{Request, Response};
use hyper_util::rt::{TokioIo, TokioTimer};
use hyper_util::server::graceful::GracefulShutdown;
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::net::TcpStream;
#[cfg(unix)]
use tokio::net::UnixStream;
use tokio::sync::{Semaphore, oneshot};
use tokio::task::JoinHandle;

use super::app::App;
use super::listener::{Accepted, Listener};
use super::options::{Limits, ServeOptions};
use super::page_token::PageTokens;
use super::pipeline;
use super::router::Router;
use super::routes::routes;
use super::workers::Workers;

/// How often a server that stops looks whether all work is done.
const LOOK: Duration = Duration::from_millis(2);

/// Why a server did not start.
#[derive(Debug, thiserror::Error)]
pub enum ServeError {
    #[error("cannot listen on {address}: {source}")]
    Bind { address: SocketAddr, source: io::Error },
    #[error("cannot listen on the socket {}: {source}", .path.display())]
    Socket { path: PathBuf, source: io::Error },
    #[error(
        "no API key exists, so {0} cannot be served: without keys only this machine is answered; \
         create a key with `hubwarden key create`, or listen on 127.0.0.1"
    )]
    NoKey(SocketAddr),
    /// The URL is not repeated: it may hold credentials.
    #[error("the public URL {0}")]
    PublicUrl(&'static str),
    #[error("no thread to serve connections on: {0}")]
    Thread(io::Error),
    #[error("the limit `{0}` must be at least 1")]
    Limit(&'static str),
    #[error("the operating system gave no randomness: {0}")]
    Randomness(String),
}

/// A server that is running. Dropping it stops it without waiting.
pub struct Server {
    address: SocketAddr,
    base_url: String,
    open: bool,
    stop: Option<oneshot::Sender<()>>,
    task: JoinHandle<()>,
}

impl Server {
    /// Binds and starts to serve, on the runtime that this is called on.
    ///
    /// # Errors
    /// An address that cannot be had, or must not be served without keys; options that make no sense.
    pub async fn start(options: ServeOptions) -> Result<Self, ServeError> {
        check(&options.limits)?;
        let open = options.hub.warden().keys().is_empty();
        if open && !options.listen.ip().is_loopback() {
            return Err(ServeError::NoKey(options.listen));
        }
        let bind = |source| ServeError::Bind { address: options.listen, source };
        let listener = Listener::bind(options.listen).await.map_err(bind)?;
        let address = listener.address().map_err(bind)?;
        let listener = match &options.unix_socket {
            None => listener,
            Some(path) => {
                let socket = |source| ServeError::Socket { path: path.clone(), source };
                listener.beside(path).await.map_err(socket)?
            }
        };
        let base_url = match &options.public_url {
            Some(url) => public_url(url)?,
            None => format!("http://{address}"),
        };
        let page_tokens = PageTokens::new().map_err(|error| ServeError::Randomness(error.to_string()))?;
        let limits = options.limits;
        let app = Arc::new(App::new(options.hub, limits.clone(), base_url.clone(), page_tokens));
        let (stop, stopped) = oneshot::channel();
        let router = Arc::new(Router::new(routes(), |method, path| app.warden.metrics().route(method, path)));
        let face = Face { app, router };
        let workers = Workers::start().map_err(ServeError::Thread)?;
        let task = tokio::spawn(accept(listener, face, limits, workers, stopped));
        let socket = options.unix_socket.as_ref().map(|path| path.display().to_string());
        tracing::info!(%address, socket, url = base_url, "serving");
        if open {
            tracing::warn!(
                "no API key exists: this machine alone is answered, with every right; create a key with \
                 `hubwarden key create`"
            );
        }
        Ok(Self { address, base_url, open, stop: Some(stop), task })
    }

    /// Where it listens.
    pub fn address(&self) -> SocketAddr {
        self.address
    }

    /// The address that it publishes.
    pub fn base_url(&self) -> &str {
        &self.base_url
    }

    /// Whether it started without keys, answering this machine alone.
    pub fn is_open(&self) -> bool {
        self.open
    }

    /// Accepts nothing more, finishes what is in flight, and returns.
    pub async fn stop(mut self) {
        if let Some(stop) = self.stop.take() {
            // The receiver is gone only when the task has ended.
            let _ = stop.send(());
        }
        if let Err(error) = (&mut self.task).await {
            tracing::error!(%error, "the server ended badly");
        }
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        self.task.abort();
    }
}

/// Serves until `shutdown` is ready, then finishes what is in flight.
///
/// # Errors
/// As [`Server::start`].
pub async fn serve(options: ServeOptions, shutdown: impl Future<Output = ()>) -> Result<(), ServeError> {
    let server = Server::start(options).await?;
    shutdown.await;
    server.stop().await;
    Ok(())
}

async fn accept(listener: Listener, face: Face, limits: Limits, workers: Workers, mut stopped: oneshot::Receiver<()>) {
    let graceful = GracefulShutdown::new();
    let room = Arc::new(Semaphore::new(limits.connections));
    loop {
        let accepted = async {
            let permit = Arc::clone(&room).acquire_owned().await;
            (permit, listener.accept().await)
        };
        let (permit, accepted) = tokio::select! {
            accepted = accepted => accepted,
            _ = &mut stopped => break,
        };
        let (stream, peer) = match accepted {
            Ok(accepted) => accepted,
            Err(error) => {
                // Out of file descriptors, most likely: give connections the time to end.
                tracing::error!(%error, "a connection could not be accepted");
                tokio::time::sleep(Duration::from_millis(50)).await;
                continue;
            }
        };
        let (watcher, face, header_timeout) = (graceful.watcher(), face.clone(), limits.header_timeout);
        workers.spawn(async move {
            let _permit = permit;
            let served = async {
                let service = FromPeer { peer, face };
                match stream {
                    Accepted::Tcp(stream) => {
                        watcher.watch(connection(TcpStream::from_std(stream)?, service, header_timeout)).await?;
                    }
                    #[cfg(unix)]
                    Accepted::Unix(stream) => {
                        watcher.watch(connection(UnixStream::from_std(stream)?, service, header_timeout)).await?;
                    }
                }
                Ok::<_, Box<dyn std::error::Error + Send + Sync>>(())
            };
            // What ends a connection early (a reset, a malformed head) is the client's affair.
            if let Err(error) = served.await {
                tracing::debug!(%error, "a connection ended early");
            }
        });
    }
    drop(listener);
    tracing::info!("stopping: finishing what is in flight");
    let finished = async {
        graceful.shutdown().await;
        // Work whose client has gone ends, too: a change is not left without its record.
        while face.app.in_flight() > 0 {
            tokio::time::sleep(LOOK).await;
        }
    };
    if tokio::time::timeout(limits.shutdown_grace, finished).await.is_err() {
        tracing::warn!("some requests were not finished within {:?}", limits.shutdown_grace);
    }
    workers.stop().await;
}

fn connection<S>(stream: S, service: FromPeer, header_timeout: Duration) -> http1::Connection<TokioIo<S>, FromPeer>
where
    S: AsyncRead + AsyncWrite + Unpin,
{
    http1::Builder::new()
        .writev(false)
        .timer(TokioTimer::new())
        .header_read_timeout(header_timeout)
        .serve_connection(TokioIo::new(stream), service)
}

/// All that answers requests.
#[derive(Clone)]
struct Face {
    app: Arc<App>,
    router: Arc<Router>,
}

/// The same, told who is at the other end.
struct FromPeer {
    peer: IpAddr,
    face: Face,
}

impl Service<Request<Incoming>> for FromPeer {
    type Response = Response<Body>;
    type Error = Infallible;
    type Future = Pin<Box<dyn Future<Output = Result<Response<Body>, Infallible>> + Send>>;

    fn call(&self, request: Request<Incoming>) -> Self::Future {
        let Face { app, router } = &self.face;
        let target = router.find(request.method(), request.uri().path());
        Box::pin(pipeline::serve(Arc::clone(app), target, self.peer, request.map(Body::new)).map(Ok))
    }
}

fn check(limits: &Limits) -> Result<(), ServeError> {
    let counts = [
        ("body_bytes", limits.body_bytes),
        ("bulk_body_bytes", limits.bulk_body_bytes),
        ("evaluations", limits.evaluations),
        ("page", limits.page),
        ("concurrent_requests", limits.concurrent_requests),
        ("connections", limits.connections),
    ];
    if limits.reports_per_minute == 0 {
        return Err(ServeError::Limit("reports_per_minute"));
    }
    match counts.iter().find(|(_, limit)| *limit == 0) {
        Some((name, _)) => Err(ServeError::Limit(name)),
        None => Ok(()),
    }
}

/// A URL that may be published: absolute, without query and fragment; a slash at its end is dropped.
fn public_url(url: &str) -> Result<String, ServeError> {
    let refuse = |fault| Err(ServeError::PublicUrl(fault));
    let Some(rest) = url.strip_prefix("https://").or_else(|| url.strip_prefix("http://")) else {
        return refuse("must start with https:// or http://");
    };
    if rest.contains(['?', '#']) {
        return refuse("must have neither query nor fragment");
    }
    if rest.contains('@') {
        return refuse("must not hold credentials");
    }
    if rest.is_empty() || rest.starts_with('/') || rest.chars().any(|c| c.is_whitespace() || c.is_control()) {
        return refuse("must name a host");
    }
    Ok(url.trim_end_matches('/').to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_public_url_is_absolute_and_bare() {
        assert_eq!(public_url("https://hub.example/").unwrap(), "https://hub.example");
        assert_eq!(public_url("https://hub.example/warden").unwrap(), "https://hub.example/warden");
        for bad in ["", "hub.example", "ftp://a", "https://", "https:///a", "https://a?b", "https://a#b", "http://u@h"]
        {
            assert!(public_url(bad).is_err(), "{bad}");
        }
    }
}
