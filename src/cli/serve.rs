//! `hubwarden serve`: wires a store, a bundle and the HTTP front end together, and runs until it is told to stop.

mod demo;
mod gate;
mod limits;
mod logging;
mod traces;

use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use clap::{Args, ValueEnum};
use serde::Deserialize;
use serde_json::json;

use super::Setting;
use super::audit::{self, LogKeepingArgs, Process};
use super::bundle::BundleArgs;
use super::data::{self, DataArgs, Missing};
use super::exit::{Exit, Failure};
use super::hub::HubArgs;
use super::terminal::Format;
use crate::audit::Log;
use crate::clock::SystemClock;
use crate::http::{ServeError, ServeOptions, Server};
use crate::hub::Hub;
use crate::store::Store;
use crate::warden::{BundleOrigin, Warden, Watch, embedded, folder, store_bundle, stored_bundle};
use demo::Demo;
pub(super) use gate::GateSpec;
pub(super) use limits::{HistoryConfig, LimitsConfig};
use logging::LogArgs;
pub(super) use logging::LogFormat;

/// How often it is written down when tokens were last used.
const LAST_USES: Duration = Duration::from_secs(60);
const DEFAULT_LISTEN: SocketAddr = SocketAddr::new(std::net::IpAddr::V4(std::net::Ipv4Addr::LOCALHOST), 8180);

#[derive(Debug, Args)]
pub(super) struct ServeArgs {
    /// Address to listen on; port 0 takes any free one [default: 127.0.0.1:8180]
    #[arg(long, value_name = "ADDR", env = "HUBWARDEN_LISTEN")]
    listen: Option<SocketAddr>,
    /// Unix socket to listen on as well; the umask and its folder say who may connect
    #[arg(long, value_name = "FILE", env = "HUBWARDEN_UNIX_SOCKET")]
    unix_socket: Option<PathBuf>,
    #[command(flatten)]
    data: DataArgs,
    #[command(flatten)]
    bundle: BundleArgs,
    /// Who owns the policies: a folder (or the program itself), or the store, through the API
    #[arg(long, value_enum, env = "HUBWARDEN_POLICIES_FROM")]
    policies_from: Option<PoliciesFrom>,
    /// What policies must pass before they take over, also the first ones: a folder of suites, or `tests=DIR`, `replay`,
    /// `replay=N`, with commas between. `replay` asks the last N recorded questions again, and refuses what flips them
    #[arg(long, value_name = "GATE", env = "HUBWARDEN_GATE")]
    gate: Option<GateSpec>,
    /// Folder of candidate policies, which are asked every question, too, and answer nobody; followed like `--policies`
    #[arg(long, value_name = "DIR", env = "HUBWARDEN_SHADOW")]
    shadow: Option<PathBuf>,
    /// Their schema file [default: that of `--schema`]
    #[arg(long, value_name = "FILE", env = "HUBWARDEN_SHADOW_SCHEMA")]
    shadow_schema: Option<PathBuf>,
    /// The address that clients reach this server at, as published in metadata
    #[arg(long, value_name = "URL", env = "HUBWARDEN_PUBLIC_URL")]
    public_url: Option<String>,
    #[command(flatten)]
    hub: HubArgs,
    #[command(flatten)]
    audit: LogKeepingArgs,
    #[command(flatten)]
    log: LogArgs,
    /// Serve an example hub from a temporary folder, and print questions worth asking
    #[arg(long, conflicts_with_all = ["data", "policies", "schema", "policies_from", "gate", "shadow"])]
    demo: bool,
}

/// Who owns the policies.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum, Deserialize)]
#[serde(rename_all = "lowercase")]
pub(super) enum PoliciesFrom {
    /// Files: the folder that is named, watched for changes; else those inside the program.
    Folder,
    /// The store; replaced through `PUT /v1/bundle`. The first time, it takes over those that `folder` would serve.
    Store,
}

pub(super) fn run(args: &ServeArgs, setting: &Setting) -> Result<Exit, Failure> {
    let traces = logging::start(&args.log, setting)?;
    let listen = args.listen.or(setting.config.listen).unwrap_or(DEFAULT_LISTEN);
    let demo = args.demo.then(Demo::create).transpose()?;
    let warden = Arc::new(match &demo {
        Some(demo) => demo.warden(&args.audit, setting)?,
        None => warden(args, setting)?,
    });
    let folder = demo.as_ref().map_or_else(|| args.data.folder(setting), |demo| demo.folder().to_owned());
    let hub = Arc::new(args.hub.open(Arc::clone(&warden), &folder, setting)?);
    if let Some(gate) = args.gate.clone().or_else(|| setting.config.gate.clone()) {
        gate.guard(&warden)?;
    }
    shadow(args, &warden, setting)?;
    warden.remember_policies()?;
    let options = ServeOptions {
        unix_socket: args.unix_socket.clone().or_else(|| setting.config.unix_socket.clone()),
        public_url: args.public_url.clone().or_else(|| setting.config.public_url.clone()),
        limits: setting.config.limits.limits(),
        ..ServeOptions::new(listen, Arc::clone(&hub))
    };
    let runtime = tokio::runtime::Builder::new_multi_thread()
        .enable_all()
        .build()
        .map_err(|error| Failure::new(format!("cannot start: {error}")))?;
    let watches = (Watch::start(Arc::clone(&warden)), Watch::shadow(Arc::clone(&warden)));
    runtime.block_on(async {
        // Handlers for signals first: who reads that it listens may stop it at once.
        let stop = Stop::new()?;
        let server = Server::start(options).await?;
        announce(&server, demo.as_ref(), setting)?;
        let notes = tokio::spawn(keep_last_uses(Arc::clone(&hub)));
        stop.wait().await;
        notes.abort();
        server.stop().await;
        Ok::<_, Failure>(())
    })?;
    // Also waits for a write that is under way.
    drop(runtime);
    drop(watches);
    hub.write_last_uses()?;
    warden.close()?;
    drop(traces);
    Ok(Exit::Success)
}

/// Asks the candidate policies that are named, too.
fn shadow(args: &ServeArgs, warden: &Warden, setting: &Setting) -> Result<(), Failure> {
    let Some(policies) = args.shadow.clone().or_else(|| setting.config.shadow.clone()) else {
        return Ok(());
    };
    let named = args.shadow_schema.clone().or_else(|| setting.config.shadow_schema.clone());
    let schema = match (named, args.bundle.paths(setting)?) {
        (Some(schema), _) | (None, Some((_, schema))) => schema,
        (None, None) => return Err(Failure::new("the shadow policies need their schema: `--shadow-schema FILE`")),
    };
    Ok(warden.shadow(policies, schema)?)
}

/// Writes down when tokens were last used, now and then.
async fn keep_last_uses(hub: Arc<Hub>) {
    let mut ticks = tokio::time::interval(LAST_USES);
    loop {
        ticks.tick().await;
        let hub = Arc::clone(&hub);
        let written = tokio::task::spawn_blocking(move || hub.write_last_uses()).await;
        if let Ok(Err(error)) = written {
            tracing::warn!(%error, "when tokens were last used is not written down; it will be tried again");
        }
    }
}

/// Tells on stdout where it listens, once it does.
fn announce(server: &Server, demo: Option<&Demo>, setting: &Setting) -> Result<(), Failure> {
    let url = format!("http://{}", server.address());
    setting.terminal.print(format!("listening on {url}"), &json!({"listening": url}))?;
    match demo {
        Some(demo) if setting.terminal.format == Format::Text => setting.terminal.line(demo.welcome(&url)),
        _ => Ok(()),
    }
}

fn warden(args: &ServeArgs, setting: &Setting) -> Result<Warden, Failure> {
    let store = args.data.open_with(setting, Missing::Create, Some(setting.config.history.history()))?;
    let folder_of_store = args.data.folder(setting);
    let damaged = args.data.damaged();
    let log = audit::open(&folder_of_store, store.as_ref(), Process::Server, damaged, Some(&args.audit), setting)?;
    match args.policies_from.or(setting.config.policies_from) {
        None => data::warden(store, &args.bundle, setting, Arc::new(SystemClock), log),
        Some(PoliciesFrom::Folder) => {
            let (source, origin) = match args.bundle.paths(setting)? {
                Some((policies, schema)) => (folder(&policies, &schema)?, BundleOrigin::Folder { policies, schema }),
                None => (embedded(), BundleOrigin::Embedded),
            };
            data::join(store, source, origin, Arc::new(SystemClock), setting, log)
        }
        Some(PoliciesFrom::Store) => from_store(store, args, setting, log),
    }
}

/// The store's own bundle; the first time, the store takes over the one that is named, or the one in the program.
fn from_store(store: Arc<dyn Store>, args: &ServeArgs, setting: &Setting, log: Arc<Log>) -> Result<Warden, Failure> {
    let named = args.bundle.paths(setting)?;
    let source = match (stored_bundle(store.as_ref())?, named) {
        (Some(stored), None) => stored,
        (Some(_), Some((policies, _))) => {
            return Err(Failure::new(format!(
                "the store owns its policies already, so those in {} are not read: replace them with \
                 `PUT /v1/bundle`, or serve the folder with `--policies-from folder`",
                policies.display()
            )));
        }
        (None, Some((policies, schema))) => folder(&policies, &schema)?,
        (None, None) => embedded(),
    };
    // Built before it is stored: a bundle with a fault must not get in.
    let origin = BundleOrigin::Store;
    let warden = data::join(Arc::clone(&store), source.clone(), origin, Arc::new(SystemClock), setting, log)?;
    if stored_bundle(store.as_ref())?.is_none() {
        store_bundle(store.as_ref(), &source)?;
    }
    Ok(warden)
}

/// The signals that stop a server: interrupt and, on Unix, terminate.
struct Stop {
    #[cfg(unix)]
    terminate: tokio::signal::unix::Signal,
}

impl Stop {
    fn new() -> Result<Self, Failure> {
        #[cfg(unix)]
        let terminate = tokio::signal::unix::signal(tokio::signal::unix::SignalKind::terminate())
            .map_err(|error| Failure::new(format!("cannot listen for signals: {error}")))?;
        Ok(Self {
            #[cfg(unix)]
            terminate,
        })
    }

    #[cfg(unix)]
    async fn wait(mut self) {
        tokio::select! {
            _ = tokio::signal::ctrl_c() => {}
            _ = self.terminate.recv() => {}
        }
    }

    #[cfg(not(unix))]
    async fn wait(self) {
        // Without a handler the process could not be stopped in order; it is stopped at once then.
        let _ = tokio::signal::ctrl_c().await;
    }
}

impl From<ServeError> for Failure {
    fn from(error: ServeError) -> Self {
        let hint = match &error {
            ServeError::Bind { .. } => "; another address: `--listen 127.0.0.1:0` takes any free port",
            ServeError::Socket { .. } => "; name another file with `--unix-socket`",
            _ => "",
        };
        Self::new(format!("{error}{hint}"))
    }
}

/// The folder is the demonstration's own; nothing else is ever removed.
fn remove(folder: &Path) {
    if let Err(error) = std::fs::remove_dir_all(folder) {
        tracing::warn!(folder = %folder.display(), %error, "the demonstration's folder is left behind");
    }
}
