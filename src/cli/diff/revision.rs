//! A bundle as it was at a revision of the git repository that its folder lies in. Read through `git`, which is the only
//! one that knows; nothing is checked out.

use std::path::{Path, PathBuf};
use std::process::Command;

use crate::cli::exit::Failure;
use crate::pdp::{BundleSource, SourceFile};

/// The folder's and the schema's files at a revision.
pub fn bundle(revision: &str, policies: &Path, schema: &Path) -> Result<BundleSource, Failure> {
    let commit = commit(revision, policies)?;
    let listed = git(policies, &["ls-tree", "--name-only", "-z", &commit, "--", "./"])?;
    let mut names: Vec<&str> = listed.split('\0').filter(|name| !name.is_empty()).collect();
    names.sort_unstable();
    let file = |name: &str| -> Result<SourceFile, Failure> {
        let text = git(policies, &["show", &format!("{commit}:./{name}")])?;
        Ok(SourceFile::new(format!("{revision}:{}", policies.join(name).display()), text))
    };
    let optional = |name: &str| names.contains(&name).then(|| file(name)).transpose();
    let found: Vec<&str> = names.iter().copied().filter(|name| name.ends_with(".cedar")).collect();
    if found.is_empty() {
        return Err(Failure::new(format!("there are no policies in {} at `{revision}`", policies.display())));
    }
    let (folder, name) = parts(schema)?;
    Ok(BundleSource {
        schema: SourceFile::new(
            format!("{revision}:{}", schema.display()),
            git(&folder, &["show", &format!("{commit}:./{name}")])?,
        ),
        policies: found.into_iter().map(file).collect::<Result<_, _>>()?,
        links: optional("links.json")?,
        reasons: optional("reasons.json")?,
        gateway: optional("gateway.json")?,
    })
}

/// The commit that a name means. A name is never taken for an option.
fn commit(revision: &str, folder: &Path) -> Result<String, Failure> {
    let name = format!("{revision}^{{commit}}");
    let found = git(folder, &["rev-parse", "--verify", "--quiet", "--end-of-options", &name]);
    found.map(|commit| commit.trim().to_owned()).map_err(|_| {
        Failure::new(format!(
            "`{revision}` is neither a folder nor a revision of the repository of {}",
            folder.display()
        ))
    })
}

fn parts(schema: &Path) -> Result<(PathBuf, String), Failure> {
    let name = schema.file_name().and_then(|name| name.to_str());
    let name = name.ok_or_else(|| Failure::new(format!("{} names no file", schema.display())))?;
    let folder = schema.parent().filter(|folder| !folder.as_os_str().is_empty());
    Ok((folder.unwrap_or(Path::new(".")).to_owned(), name.to_owned()))
}

fn git(folder: &Path, args: &[&str]) -> Result<String, Failure> {
    let output = Command::new("git").arg("-C").arg(folder).args(args).output();
    let output = output.map_err(|error| Failure::new(format!("a revision is read with `git`: {error}")))?;
    if !output.status.success() {
        let why = String::from_utf8_lossy(&output.stderr).trim().to_owned();
        return Err(Failure::new(format!("git {}: {why}", args.first().unwrap_or(&""))));
    }
    String::from_utf8(output.stdout).map_err(|_| Failure::new("a file at that revision is not UTF-8 text"))
}
