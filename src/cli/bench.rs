//! `hubwarden bench`: measuring, by one command for each question about speed.
//!
//! Every run names its seed, checks every answer, and fails when one is wrong. Without `--server` it starts what it
//! measures itself, in processes and folders of their own.

use std::io::{self, BufWriter};
use std::net::{Ipv4Addr, SocketAddr};
use std::path::{Path, PathBuf};
use std::time::Duration;

use clap::{Args, Subcommand};
use serde_json::json;

use super::Setting;
use super::client::read_key;
use super::exit::{Exit, Failure};
use crate::bench::BenchError;
use crate::bench::changes::changes;
use crate::bench::client::{Address, Endpoint};
use crate::bench::contest::{Contender, Effort, duel, http};
use crate::bench::loading::loading;
use crate::bench::process::address;
use crate::bench::report::Report;
use crate::bench::site::{Site, generate};
use crate::bench::world::World;
use crate::http::serve_constant;

#[derive(Debug, Args)]
pub(super) struct BenchArgs {
    #[command(subcommand)]
    command: BenchCommand,
    /// Fail when a ratio is not within its bound
    #[arg(long, global = true)]
    check: bool,
}

#[derive(Debug, Subcommand)]
enum BenchCommand {
    /// Write a world as lines of JSON, in the order in which a store takes them best.
    Generate {
        #[command(flatten)]
        world: WorldArgs,
        /// `-` writes to stdout
        #[arg(long, short, value_name = "FILE")]
        output: PathBuf,
    },
    /// Single evaluations over HTTP against a handler that always says yes; latencies at a fixed rate; batches.
    Http {
        #[command(flatten)]
        world: WorldArgs,
        #[command(flatten)]
        effort: EffortArgs,
        #[command(flatten)]
        server: ServerArgs,
        /// Questions in a batch
        #[arg(long, value_name = "COUNT", default_value_t = 100)]
        batch: usize,
        /// Ask over Unix sockets instead of TCP
        #[arg(long, conflicts_with = "server")]
        unix_socket: bool,
    },
    /// What a change costs, that the next question sees it, and what many writers do to decisions.
    Changes {
        /// Entities of the worlds, several with commas; each is a store of its own
        #[arg(long, value_name = "COUNT", value_delimiter = ',', default_values_t = [10_000, 1_000_000])]
        entities: Vec<u64>,
        #[arg(long, default_value_t = 1)]
        seed: u64,
        #[command(flatten)]
        effort: EffortArgs,
        #[command(flatten)]
        server: ServerArgs,
        /// Who change memberships, each as fast as it is answered
        #[arg(long, value_name = "COUNT", default_value_t = 64)]
        writers: usize,
    },
    /// What a large store takes: import, start, memory.
    Load {
        #[command(flatten)]
        world: WorldArgs,
        /// Folder of the store; filled if it is empty, and kept [default: one for this run]
        #[arg(long, value_name = "DIR")]
        data: Option<PathBuf>,
        /// Entities that are asked about before all are
        #[arg(long, value_name = "COUNT", default_value_t = 100_000)]
        working_set: u64,
        /// Further arguments of `hubwarden serve`
        #[arg(last = true, value_name = "SERVE ARGS")]
        serve: Vec<String>,
    },
    /// What the decision log costs: one mode against none.
    Log {
        #[command(flatten)]
        world: WorldArgs,
        #[command(flatten)]
        effort: EffortArgs,
        /// As `serve --audit-mode`
        #[arg(long, value_name = "MODE", default_value = "spill")]
        mode: String,
    },
    /// A server that parses a question and always says yes.
    #[command(hide = true)]
    Constant {
        /// As `serve --unix-socket`
        #[arg(long, value_name = "FILE")]
        unix_socket: Option<PathBuf>,
    },
}

#[derive(Debug, Args)]
struct WorldArgs {
    /// Entities of the world; rounded up to whole organizations of 250
    #[arg(long, value_name = "COUNT", default_value_t = 100_000)]
    entities: u64,
    /// The same seed makes the same world and the same questions
    #[arg(long, default_value_t = 1)]
    seed: u64,
}

#[derive(Debug, Args)]
struct EffortArgs {
    /// Connections that ask
    #[arg(long, value_name = "COUNT", default_value_t = 32)]
    connections: usize,
    /// How long each load is measured, in seconds
    #[arg(long, value_name = "SECONDS", default_value_t = 3.0)]
    duration: f64,
    /// How long each load runs before it is measured, in seconds
    #[arg(long, value_name = "SECONDS", default_value_t = 1.0)]
    warm_up: f64,
    /// How often those that are compared take turns
    #[arg(long, value_name = "COUNT", default_value_t = 9)]
    rounds: usize,
}

#[derive(Debug, Args)]
struct ServerArgs {
    /// Folder of the store; filled if it is empty, and kept [default: one for this run]
    #[arg(long, value_name = "DIR")]
    data: Option<PathBuf>,
    /// A server that is running, with this very world in its store; `changes` changes it
    #[arg(long, value_name = "URL", conflicts_with_all = ["data", "serve"])]
    server: Option<String>,
    /// File that holds the API key for `--server` [env: HUBWARDEN_KEY=]
    #[arg(long, value_name = "FILE", requires = "server")]
    key_file: Option<PathBuf>,
    /// Further arguments of `hubwarden serve`
    #[arg(last = true, value_name = "SERVE ARGS")]
    serve: Vec<String>,
}

impl WorldArgs {
    fn world(&self) -> World {
        World::new(self.entities, self.seed)
    }
}

impl EffortArgs {
    fn effort(&self) -> Result<Effort, Failure> {
        let seconds = |name: &str, value: f64| {
            let found = Duration::try_from_secs_f64(value).ok().filter(|found| *found <= Duration::from_secs(86_400));
            found.ok_or_else(|| Failure::usage(format!("`--{name}` takes seconds, at most a day")))
        };
        if self.connections == 0 || self.rounds == 0 || self.duration <= 0.0 {
            return Err(Failure::usage("`--connections`, `--rounds` and `--duration` must be more than 0"));
        }
        Ok(Effort {
            connections: self.connections,
            duration: seconds("duration", self.duration)?,
            warm_up: seconds("warm-up", self.warm_up)?,
            rounds: self.rounds,
        })
    }
}

impl ServerArgs {
    /// The server that is named.
    fn named(&self) -> Result<Option<Contender>, Failure> {
        let Some(url) = &self.server else {
            return Ok(None);
        };
        let key = match &self.key_file {
            Some(file) => Some(read_key(file)?),
            None => std::env::var("HUBWARDEN_KEY").ok().filter(|key| !key.is_empty()),
        };
        let endpoint = Endpoint { address: Address::Tcp(address(url)?), key };
        Ok(Some(Contender { name: "hubwarden".to_owned(), endpoint, process: None, decides: true }))
    }
}

pub(super) fn run(args: &BenchArgs, setting: &Setting) -> Result<Exit, Failure> {
    let terminal = setting.terminal;
    let say = move |text: &str| terminal.note(text);
    let report = match &args.command {
        BenchCommand::Generate { world, output } => return write(world.world(), output, setting),
        BenchCommand::Constant { unix_socket } => return constant(unix_socket.as_deref(), setting),
        BenchCommand::Http { world, effort, server, batch, unix_socket } => {
            let (world, effort) = (world.world(), effort.effort()?);
            if *batch == 0 {
                return Err(Failure::usage("`--batch` must be more than 0"));
            }
            let named = server.named()?;
            let mut site = match &named {
                // The handler that always says yes needs a folder to be started in, and no store.
                Some(_) => Site::prepare(World::new(1, 1), None, &say)?,
                None => Site::prepare(world, server.data.as_deref(), &say)?,
            };
            site.over_sockets = *unix_socket;
            let bare = site.serve_constant()?;
            let running = named.is_none().then(|| site.serve(&server.serve)).transpose()?;
            let constant = Contender { decides: false, ..Contender::of("always yes", &site, &bare) };
            let evaluator = match (named, &running) {
                (Some(named), _) => named,
                (None, Some(running)) => Contender::of("hubwarden", &site, running),
                (None, None) => return Err(Failure::new("there is no server to measure")),
            };
            let mut report = http(world, &[constant, evaluator], effort, *batch, &say)?;
            report.set("serve", server.serve.join(" "));
            report.set("over", if *unix_socket { "Unix sockets" } else { "TCP" });
            report
        }
        BenchCommand::Changes { entities, seed, effort, server, writers } => {
            let effort = effort.effort()?;
            let mut report = Report::new("changes", None);
            report.set("seed", seed);
            report.set("seconds", effort.duration.as_secs_f64());
            report.set("serve", server.serve.join(" "));
            let named = server.named()?;
            if (named.is_some() || server.data.is_some()) && entities.len() != 1 {
                return Err(Failure::usage("a store that is named has one size: say it with `--entities COUNT`"));
            }
            for &count in entities {
                let world = World::new(count, *seed);
                match &named {
                    Some(named) => changes(&mut report, world, named, effort, *writers, &say)?,
                    None => {
                        let site = Site::prepare(world, server.data.as_deref(), &say)?;
                        let running = site.serve(&server.serve)?;
                        let evaluator = Contender::of("hubwarden", &site, &running);
                        changes(&mut report, world, &evaluator, effort, *writers, &say)?;
                    }
                }
            }
            report
        }
        BenchCommand::Load { world, data, working_set, serve } => {
            let site = Site::prepare(world.world(), data.as_deref(), &say)?;
            loading(&site, serve, *working_set, &say)?
        }
        BenchCommand::Log { world, effort, mode } => {
            let (world, effort) = (world.world(), effort.effort()?);
            let site = Site::prepare(world, None, &say)?;
            let args = |mode: &str| ["--audit-mode".to_owned(), mode.to_owned()];
            let (off, on) = (site.serve_copy(&args("off"))?, site.serve(&args(mode))?);
            let contenders = [Contender::of("log off", &site, &off), Contender::of(&format!("log {mode}"), &site, &on)];
            duel("log", world, &contenders, effort, &say)?
        }
    };
    terminal.print(&report, &report)?;
    match (report.wrong, report.failed) {
        (0, 0) if args.check && !report.meets_its_bounds() => Err(Failure::new("a ratio is not within its bound")),
        (0, 0) => Ok(Exit::Success),
        (0, failed) => Err(Failure::new(format!("{failed} requests were not answered"))),
        (wrong, _) => {
            Err(Failure::Message { exit: Exit::WrongAnswers, message: format!("{wrong} answers were wrong") })
        }
    }
}

fn write(world: World, output: &Path, setting: &Setting) -> Result<Exit, Failure> {
    let (entities, seed) = (world.entities(), world.seed());
    if output == Path::new("-") {
        match world.write(BufWriter::with_capacity(1 << 20, io::stdout().lock())) {
            Err(error) if error.kind() != io::ErrorKind::BrokenPipe => {
                return Err(Failure::new(format!("cannot write to stdout: {error}")));
            }
            _ => return Ok(Exit::Success),
        }
    }
    generate(world, output)?;
    let file = output.display();
    setting.terminal.print(
        format!("wrote {entities} entities of seed {seed} to {file}"),
        &json!({"entities": entities, "seed": seed, "file": file.to_string()}),
    )?;
    Ok(Exit::Success)
}

fn constant(unix_socket: Option<&Path>, setting: &Setting) -> Result<Exit, Failure> {
    let failed = |error: io::Error| Failure::new(format!("cannot serve: {error}"));
    let runtime = tokio::runtime::Builder::new_multi_thread().enable_all().build().map_err(failed)?;
    let listen = SocketAddr::from((Ipv4Addr::LOCALHOST, 0));
    let ready = |address| {
        // Whoever started it reads this line, and is gone if it cannot be written.
        let _ = setting.terminal.line(format!("listening on http://{address}"));
    };
    runtime.block_on(serve_constant(listen, unix_socket, ready)).map_err(failed)?;
    Ok(Exit::Success)
}

impl From<BenchError> for Failure {
    fn from(error: BenchError) -> Self {
        Self::new(error.to_string())
    }
}
