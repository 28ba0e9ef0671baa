//! Where a bundle's files come from: a folder, or inside the binary.

use std::path::{Path, PathBuf};

use rust_embed::RustEmbed;

use crate::pdp::{BundleSource, SourceFile};

/// The largest file that is read as a policy or schema.
const MAX_FILE: u64 = 4 * 1024 * 1024;

#[derive(RustEmbed)]
#[folder = "policies/"]
struct Policies;

#[derive(RustEmbed)]
#[folder = "schema/"]
struct Schemas;

/// A file of a bundle that cannot be read.
#[derive(Debug, thiserror::Error)]
pub enum SourceError {
    #[error("{path}: {source}")]
    Io { path: PathBuf, source: std::io::Error },
    #[error("{0}: no `*.cedar` file in this folder")]
    Empty(PathBuf),
    #[error("{path} has {size} bytes; a policy or schema file has at most {MAX_FILE}")]
    TooLarge { path: PathBuf, size: u64 },
    #[error("{0} is not a regular file")]
    NotAFile(PathBuf),
    #[error("{0} is not UTF-8 text")]
    NotText(PathBuf),
}

/// The hub's own policies and schema, as they were when the program was built.
pub fn embedded() -> BundleSource {
    let text = |file: rust_embed::EmbeddedFile| String::from_utf8_lossy(&file.data).into_owned();
    let policy = |name: &str| Policies::get(name).map(|file| SourceFile::new(format!("policies/{name}"), text(file)));
    // Folders inside hold what is said about the policies, not policies.
    let mut names: Vec<_> = Policies::iter().filter(|name| name.ends_with(".cedar") && !name.contains('/')).collect();
    names.sort();
    BundleSource {
        schema: SourceFile::new(
            "schema/hub.cedarschema",
            Schemas::get("hub.cedarschema").map(text).unwrap_or_default(),
        ),
        policies: names.iter().filter_map(|name| policy(name)).collect(),
        links: policy("links.json"),
        reasons: policy("reasons.json"),
        gateway: policy("gateway.json"),
    }
}

/// The bundle in a folder of policies and a schema file.
///
/// # Errors
/// A file that cannot be read, is too large or no text; a folder without policies.
pub fn folder(policies: &Path, schema: &Path) -> Result<BundleSource, SourceError> {
    let paths = policy_paths(policies)?;
    let optional = |name: &str| match policies.join(name) {
        path if path.exists() => read(&path).map(Some),
        _ => Ok(None),
    };
    Ok(BundleSource {
        schema: read(schema)?,
        policies: paths.iter().map(|path| read(path)).collect::<Result<_, _>>()?,
        links: optional("links.json")?,
        reasons: optional("reasons.json")?,
        gateway: optional("gateway.json")?,
    })
}

fn policy_paths(folder: &Path) -> Result<Vec<PathBuf>, SourceError> {
    let io = |source| SourceError::Io { path: folder.to_owned(), source };
    let mut paths = Vec::new();
    for entry in std::fs::read_dir(folder).map_err(io)? {
        let path = entry.map_err(io)?.path();
        if path.extension().is_some_and(|extension| extension == "cedar") {
            paths.push(path);
        }
    }
    if paths.is_empty() {
        return Err(SourceError::Empty(folder.to_owned()));
    }
    paths.sort();
    Ok(paths)
}

/// What must hold of the hub's own policies, as it was when the program was built.
pub fn embedded_properties() -> Vec<SourceFile> {
    let mut names: Vec<_> =
        Policies::iter().filter(|name| name.starts_with("properties/") && name.ends_with(".cedar")).collect();
    names.sort();
    let file = |name: &str| {
        let text = String::from_utf8_lossy(&Policies::get(name)?.data).into_owned();
        Some(SourceFile::new(format!("policies/{name}"), text))
    };
    names.iter().filter_map(|name| file(name)).collect()
}

/// The properties in a file, or in the `*.cedar` files of a folder.
///
/// # Errors
/// As [`folder`].
pub fn properties(path: &Path) -> Result<Vec<SourceFile>, SourceError> {
    match path.is_dir() {
        true => policy_paths(path)?.iter().map(|path| read(path)).collect(),
        false => Ok(vec![read(path)?]),
    }
}

/// Reads one file: a regular one, of bounded size, UTF-8.
///
/// # Errors
/// As [`folder`].
pub fn read(path: &Path) -> Result<SourceFile, SourceError> {
    let io = |source| SourceError::Io { path: path.to_owned(), source };
    let about = std::fs::metadata(path).map_err(io)?;
    if !about.is_file() {
        return Err(SourceError::NotAFile(path.to_owned()));
    }
    if about.len() > MAX_FILE {
        return Err(SourceError::TooLarge { path: path.to_owned(), size: about.len() });
    }
    let bytes = std::fs::read(path).map_err(io)?;
    let text = String::from_utf8(bytes).map_err(|_| SourceError::NotText(path.to_owned()))?;
    Ok(SourceFile::new(path.display().to_string(), text))
}
