//! Suite files: products of principals, actions and resources, and what each of their cells must be answered.
//!
//! Everything that can be wrong with a suite is found here, before anything is asked, and told with its line: names that
//! nothing has, expectations about cells that no product has, two that contradict each other, an action that reads the
//! clock in a suite that does not freeze it. A cell without an expectation is kept as one, and fails when it is run.

mod input;

use std::path::{Path, PathBuf};
use std::sync::Arc;

use jiff::Timestamp;

use super::expectation::{self, Expectation};
use super::fixture::{self, Fixture, World};
use super::folder::{self, Folder};
use super::run_tests;
use super::yaml::{self, Fields, Node, Place, Value};
use crate::clock::rfc3339;
use crate::entity::{SmolStr, Uid};
use crate::pdp::{Bundle, Decision, Fault, Faults, Question, SourceFile};
use input::Product;

/// How many cells one file may have.
const MAX_CELLS: usize = 1_000_000;

/// One file of tests.
pub struct Suite {
    pub name: String,
    pub path: String,
    pub tests: Vec<Test>,
}

/// One product of questions.
pub struct Test {
    pub name: String,
    pub place: Place,
    /// Why it is not run.
    pub skip: Option<String>,
    pub cells: Vec<Cell>,
    pub world: Arc<World>,
}

/// One question.
pub struct Cell {
    /// The principal and the resource as the suite names them.
    pub principal: String,
    pub action: SmolStr,
    pub resource: String,
    pub question: Question,
    /// Nothing when the suite says nothing: then the cell fails.
    pub expectation: Option<Expectation>,
}

/// What holds for all tests of a file.
#[derive(Default)]
struct Options {
    now: Option<SmolStr>,
    unlisted: Option<Decision>,
}

/// Reads every suite at these paths: files, or folders that are searched for `*_test.yaml`, `*_test.yml` and
/// `*_test.json`. Files come in byte order of their paths.
///
/// # Errors
/// Everything that is wrong with them.
pub fn load(bundle: &Bundle, paths: &[PathBuf]) -> Result<Vec<Suite>, Faults> {
    let (mut suites, mut faults) = (Vec::new(), Vec::new());
    for path in files(paths, is_suite).map_err(|fault| Faults(vec![fault]))? {
        match read(bundle, &path) {
            Ok(suite) => suites.push(suite),
            Err(found) => faults.extend(found),
        }
    }
    match faults.is_empty() {
        true => Ok(suites),
        false => Err(Faults(faults)),
    }
}

fn is_suite(name: &str) -> bool {
    ["_test.yaml", "_test.yml", "_test.json"].iter().any(|end| name.ends_with(end))
}

/// The files at these paths: those that were named themselves, and those below folders whose name is meant.
pub(super) fn files(paths: &[PathBuf], meant: fn(&str) -> bool) -> Result<Vec<PathBuf>, Fault> {
    let mut found = Vec::new();
    for path in paths {
        match path.is_dir() {
            true => search(path, meant, &mut found)?,
            false => found.push(path.clone()),
        }
    }
    found.sort();
    found.dedup();
    Ok(found)
}

fn search(folder: &Path, meant: fn(&str) -> bool, found: &mut Vec<PathBuf>) -> Result<(), Fault> {
    let fail = |error: std::io::Error| Fault::of_file(folder.display().to_string(), error.to_string());
    for entry in std::fs::read_dir(folder).map_err(fail)? {
        let entry = entry.map_err(fail)?;
        let name = entry.file_name();
        let name = name.to_string_lossy();
        // A link may lead in a circle, and a folder of fixtures has no suites.
        if entry.file_type().map_err(fail)?.is_dir() {
            if name != "testdata" && !name.starts_with('.') {
                search(&entry.path(), meant, found)?;
            }
        } else if meant(&name) {
            found.push(entry.path());
        }
    }
    Ok(())
}

fn read(bundle: &Bundle, path: &Path) -> Result<Suite, Vec<Fault>> {
    let file = |message: String| vec![Fault::of_file(path.display().to_string(), message)];
    let folder = Folder::of(path).map_err(file)?;
    let source = folder::read(path, path).map_err(|message| file(format!("this {message}")))?;
    let root = yaml::parse(&source).map_err(|fault| vec![fault])?;
    match &root.value {
        Value::List(_) => run_tests::read(bundle, &folder, &source, &root),
        _ => native(bundle, &folder, &source, &root),
    }
}

fn native(bundle: &Bundle, folder: &Folder, source: &Arc<SourceFile>, root: &Node) -> Result<Suite, Vec<Fault>> {
    let one = |fault| vec![fault];
    let own = ["name", "description", "options", "fixtures", "skip", "skipReason", "tests"];
    let keys: Vec<&str> = own.into_iter().chain(fixture::KEYS).collect();
    let fields = root.fields(&keys).map_err(one)?;
    let fixture = fixtures(bundle, folder, &fields).map_err(one)?;
    let options = Options::read(&fields).map_err(one)?;
    let skipped = skip(&fields, root).map_err(one)?;
    let (mut products, mut faults) = (Vec::new(), Vec::new());
    for node in fields.get("tests").map_or(Ok(&[][..]), Node::list).map_err(one)? {
        match Product::read(bundle, &fixture, &options, node) {
            Ok(product) => products.push(product),
            Err(found) => faults.extend(found),
        }
    }
    if faults.is_empty() && products.is_empty() {
        faults.push(Place::start(source).fault("this suite has no `tests`"));
    }
    if products.iter().map(|product: &Product| product.cells.len()).sum::<usize>() > MAX_CELLS {
        faults.push(Place::start(source).fault(format!("this suite has more than {MAX_CELLS} cells")));
    }
    if !faults.is_empty() {
        return Err(faults);
    }
    let world = Arc::new(fixture.world().map_err(one)?);
    let test = |product: Product| Test {
        name: product.name,
        place: product.place,
        skip: product.skip.or_else(|| skipped.clone()),
        cells: product.cells,
        world: Arc::clone(&world),
    };
    Ok(Suite {
        name: named(&fields, source).map_err(one)?,
        path: source.path.clone(),
        tests: products.into_iter().map(test).collect(),
    })
}

/// The fixtures of a file: those that it names, then its own.
pub(super) fn fixtures<'a>(bundle: &'a Bundle, folder: &'a Folder, fields: &Fields) -> Result<Fixture<'a>, Fault> {
    let mut fixture = Fixture::new(bundle, folder);
    for name in fields.names("fixtures")?.unwrap_or_default() {
        fixture.file(&name)?;
    }
    fixture.take(fields)?;
    Ok(fixture)
}

/// The name that is given, or the file's.
pub(super) fn named(fields: &Fields, source: &SourceFile) -> Result<String, Fault> {
    let file = source.path.rsplit('/').next().unwrap_or_default();
    let short = file.split_once("_test.").or_else(|| file.split_once("_matrix.")).map_or(file, |(name, _)| name);
    Ok(fields.text("name")?.unwrap_or(short).to_owned())
}

fn skip(fields: &Fields, node: &Node) -> Result<Option<String>, Fault> {
    match (fields.flag("skip")?.unwrap_or(false), fields.get("skipReason")) {
        (true, Some(reason)) => reason.text().map(|reason| Some(reason.to_owned())),
        (true, None) => Err(node.fault("what is skipped needs a `skipReason`")),
        (false, Some(reason)) => Err(reason.fault("a `skipReason` without `skip: true`")),
        (false, None) => Ok(None),
    }
}

/// A time that stands in a file.
pub(super) fn frozen(node: &Node) -> Result<SmolStr, Fault> {
    let at: Timestamp = node.text()?.parse().map_err(|_| node.fault("expected a time: `2026-06-01T12:00:00Z`"))?;
    Ok(rfc3339(at).into())
}

impl Options {
    fn read(fields: &Fields) -> Result<Self, Fault> {
        let Some(node) = fields.get("options") else { return Ok(Self::default()) };
        let fields = node.fields(&["now", "unlisted"])?;
        Ok(Self {
            now: fields.get("now").map(frozen).transpose()?,
            unlisted: fields.get("unlisted").map(expectation::decision).transpose()?,
        })
    }
}

/// Whether the schema has an action for a resource. Of principals it is known only when a credential's owner is.
pub(super) fn applies(bundle: &Bundle, principal: &Uid, action: &Uid, resource: &Uid) -> bool {
    let credential = bundle.delegate(principal.type_name()).is_some();
    let principal = (!credential).then_some(principal.type_name().as_str());
    bundle.applies(principal, action, resource.type_name())
}
