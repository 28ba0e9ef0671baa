//! A store with a world in it, and servers on it; or a server that somebody else runs on such a store.

use std::fs::{self, File};
use std::io::BufWriter;
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use super::BenchError;
use super::client::Endpoint;
use super::process::{Program, Running};
use super::world::World;

/// Tells people what is going on.
pub type Say<'a> = &'a (dyn Fn(&str) + Sync);

/// A folder with a store of a world, and the key to ask its servers.
pub struct Site {
    pub world: World,
    program: Program,
    /// The store's folder.
    data: PathBuf,
    key: Key,
    /// Whether its servers are asked over Unix sockets.
    pub over_sockets: bool,
    /// How the world came into the store; nothing when it was there.
    pub loading: Option<Loading>,
    /// Goes with the site.
    _temporary: Temporary,
}

struct Key {
    id: String,
    value: String,
}

/// What it took to fill a store.
#[derive(Clone, Copy, Debug)]
pub struct Loading {
    pub generating: Duration,
    pub file_bytes: u64,
    pub importing: Duration,
    pub peak_rss: Option<u64>,
}

/// A new folder that only this user may enter, and that goes when it is dropped.
struct Temporary(PathBuf);

impl Temporary {
    fn create() -> Result<Self, BenchError> {
        let folder = std::env::temp_dir().join(format!("hubwarden-bench-{}", uuid::Uuid::now_v7()));
        let mut builder = fs::DirBuilder::new();
        #[cfg(unix)]
        std::os::unix::fs::DirBuilderExt::mode(&mut builder, 0o700);
        builder.create(&folder).map_err(BenchError::io(format!("making {}", folder.display())))?;
        Ok(Self(folder))
    }
}

impl Drop for Temporary {
    fn drop(&mut self) {
        // What is left of it is in the system's folder for such things.
        let _ = fs::remove_dir_all(&self.0);
    }
}

impl Site {
    /// A store of a world in a folder that is named, else in one for this run. A named folder that holds a store already
    /// is taken to hold this world; if not, answers will be wrong.
    ///
    /// # Errors
    /// What cannot be written, and what the program refuses.
    pub fn prepare(world: World, named: Option<&Path>, say: Say<'_>) -> Result<Self, BenchError> {
        let temporary = Temporary::create()?;
        let program = Program::own(&temporary.0)?;
        let data = match named {
            Some(named) => std::path::absolute(named).map_err(BenchError::io(named.display().to_string()))?,
            None => temporary.0.join("data"),
        };
        let is_empty = fs::read_dir(&data).map_or(true, |mut entries| entries.next().is_none());
        let loading = match is_empty {
            true => Some(load(&program, world, &temporary.0, &data, say)?),
            false => None,
        };
        let key = Key::create(&program, &data)?;
        Ok(Self { world, program, data, key, over_sockets: false, loading, _temporary: temporary })
    }

    /// A server on the store; `args` are arguments of `hubwarden serve`.
    ///
    /// # Errors
    /// A server that does not start.
    pub fn serve(&self, args: &[String]) -> Result<Running, BenchError> {
        self.serve_from(&self.data, args)
    }

    /// A server on a copy of the store, which no other server may hold.
    ///
    /// # Errors
    /// A store that cannot be copied, and a server that does not start.
    pub fn serve_copy(&self, args: &[String]) -> Result<Running, BenchError> {
        let copy = self._temporary.0.join(format!("copy-{}", uuid::Uuid::now_v7()));
        copy_folder(&self.data, &copy)?;
        self.serve_from(&copy, args)
    }

    fn serve_from(&self, data: &Path, args: &[String]) -> Result<Running, BenchError> {
        let data = data.display().to_string();
        let mut all = vec!["serve", "--data", &data, "--listen", "127.0.0.1:0"];
        // A line for each request would be measured too; who wants that says `--log`.
        if !args.iter().any(|arg| arg == "--log" || arg.starts_with("--log=")) {
            all.extend(["--log", "warn"]);
        }
        all.extend(args.iter().map(String::as_str));
        self.program.start(&all, self.socket("hubwarden").as_deref())
    }

    /// The socket of a new server.
    fn socket(&self, name: &str) -> Option<PathBuf> {
        self.over_sockets.then(|| self._temporary.0.join(format!("{name}.sock")))
    }

    /// The server that parses a question and always says yes.
    ///
    /// # Errors
    /// A server that does not start.
    pub fn serve_constant(&self) -> Result<Running, BenchError> {
        self.program.start(&["bench", "constant"], self.socket("constant").as_deref())
    }

    /// What the store's files take, in bytes.
    ///
    /// # Errors
    /// A folder that cannot be read.
    pub fn bytes(&self) -> Result<u64, BenchError> {
        folder_bytes(&self.data)
    }

    pub fn endpoint(&self, server: &Running) -> Endpoint {
        Endpoint { address: server.address.clone(), key: Some(self.key.value.clone()) }
    }
}

impl Drop for Site {
    fn drop(&mut self) {
        // In a folder of its own the key goes with everything else.
        if !self.data.starts_with(&self._temporary.0) {
            let _ = self.program.run(&["key", "delete", &self.key.id, "--data", &self.data.display().to_string()]);
        }
    }
}

impl Key {
    fn create(program: &Program, data: &Path) -> Result<Self, BenchError> {
        let data = data.display().to_string();
        let created = program.run(&[
            "key",
            "create",
            "--name",
            "bench",
            "--scope",
            "evaluate,read,write",
            "--data",
            &data,
            "--format",
            "json",
        ])?;
        let json: serde_json::Value = serde_json::from_str(&created.stdout).unwrap_or_default();
        let text = |pointer: &str| json.pointer(pointer).and_then(serde_json::Value::as_str).map(str::to_owned);
        match (text("/key/id"), text("/value")) {
            (Some(id), Some(value)) => Ok(Self { id, value }),
            _ => Err(BenchError::Failed("no API key could be read from `hubwarden key create`".to_owned())),
        }
    }
}

fn load(program: &Program, world: World, folder: &Path, data: &Path, say: Say<'_>) -> Result<Loading, BenchError> {
    let file = folder.join("world.ndjson");
    say(&format!("generating {} entities", world.entities()));
    let started = Instant::now();
    let path = file.display().to_string();
    generate(world, &file)?;
    let generating = started.elapsed();
    let file_bytes = fs::metadata(&file).map_err(BenchError::io(&path))?.len();
    say("importing them");
    // Group by group, as a file is that is larger than memory.
    let import = program.run(&["import", "--continue", "--data", &data.display().to_string(), &path])?;
    fs::remove_file(&file).map_err(BenchError::io(&path))?;
    Ok(Loading { generating, file_bytes, importing: import.took, peak_rss: import.peak_rss })
}

/// Writes a world to a file.
///
/// # Errors
/// What cannot be written.
pub fn generate(world: World, file: &Path) -> Result<(), BenchError> {
    let failed = || format!("writing {}", file.display());
    let out = File::create(file).map_err(BenchError::io(failed()))?;
    world.write(BufWriter::with_capacity(1 << 20, out)).map_err(BenchError::io(failed()))
}

fn copy_folder(from: &Path, to: &Path) -> Result<(), BenchError> {
    let failed = || format!("copying {}", from.display());
    fs::create_dir_all(to).map_err(BenchError::io(failed()))?;
    for entry in fs::read_dir(from).map_err(BenchError::io(failed()))? {
        let entry = entry.map_err(BenchError::io(failed()))?;
        let target = to.join(entry.file_name());
        match entry.file_type().map_err(BenchError::io(failed()))?.is_dir() {
            true => copy_folder(&entry.path(), &target)?,
            false => {
                fs::copy(entry.path(), &target).map_err(BenchError::io(failed()))?;
            }
        }
    }
    Ok(())
}

fn folder_bytes(folder: &Path) -> Result<u64, BenchError> {
    let failed = || format!("reading {}", folder.display());
    let mut bytes = 0;
    for entry in fs::read_dir(folder).map_err(BenchError::io(failed()))? {
        let entry = entry.map_err(BenchError::io(failed()))?;
        let facts = entry.metadata().map_err(BenchError::io(failed()))?;
        bytes += if facts.is_dir() { folder_bytes(&entry.path())? } else { facts.len() };
    }
    Ok(bytes)
}
