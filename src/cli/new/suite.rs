//! `hubwarden new test`: a suite to fill in. It asks one question that the schema has and expects nothing, and a cell
//! that nobody wrote about fails, so that it cannot be forgotten. What is there already is never written over.

use std::fs;
use std::io::Write;
use std::path::{Path, PathBuf};

use clap::Args;
use serde_json::json;

use super::at;
use crate::cli::Setting;
use crate::cli::bundle::BundleArgs;
use crate::cli::exit::{Exit, Failure};
use crate::cli::test::DEFAULT_FOLDER;
use crate::entity::Uid;
use crate::pdp::{Bundle, ContextRules};

#[derive(Debug, Args)]
pub(super) struct TestArgs {
    #[command(flatten)]
    bundle: BundleArgs,
    /// What the suite is about: it becomes `NAME_test.yaml`
    #[arg(value_name = "NAME")]
    name: String,
    /// The folder of the suites
    #[arg(long, value_name = "DIR", default_value = DEFAULT_FOLDER)]
    tests: PathBuf,
}

pub(super) fn run(args: &TestArgs, setting: &Setting) -> Result<Exit, Failure> {
    let name = &args.name;
    let plain = |c: char| c.is_ascii_lowercase() || c.is_ascii_digit() || c == '-' || c == '_';
    if name.is_empty() || !name.chars().all(plain) {
        return Err(Failure::new(format!("`{name}` is no name: `a` to `z`, digits, `-` and `_`")));
    }
    let bundle = Bundle::build(args.bundle.source(setting)?)?;
    let text = text(name, &bundle, &fixtures(&args.tests))?;
    fs::create_dir_all(&args.tests).map_err(|error| at(&args.tests, &error))?;
    let path = args.tests.join(format!("{name}_test.yaml"));
    match fs::OpenOptions::new().write(true).create_new(true).open(&path) {
        Ok(mut file) => file.write_all(text.as_bytes()).map_err(|error| at(&path, &error))?,
        Err(error) if error.kind() == std::io::ErrorKind::AlreadyExists => {
            return Err(Failure::new(format!("there is a {} already", path.display())));
        }
        Err(error) => return Err(at(&path, &error)),
    }
    setting.terminal.print(path.display(), &json!({"name": name, "file": path}))?;
    setting.terminal.note("write what it asks and expects: until then `hubwarden test` fails");
    Ok(Exit::Success)
}

/// The fixtures that the folder's suites share, as a suite names them.
fn fixtures(folder: &Path) -> Vec<String> {
    let entries = fs::read_dir(folder.join("testdata")).into_iter().flatten().filter_map(Result::ok);
    let names = entries.filter_map(|entry| entry.file_name().into_string().ok());
    let mut found: Vec<String> = names
        .filter(|name| name.ends_with(".yaml") || name.ends_with(".yml"))
        .map(|name| format!("testdata/{name}"))
        .collect();
    found.sort();
    found
}

/// Names come back from the schema. Neither entity is stored, so that nothing needs to be known of their attributes.
fn text(name: &str, bundle: &Bundle, fixtures: &[String]) -> Result<String, Failure> {
    let enumerated: Vec<_> = bundle.enumerated().map(|uid| uid.type_name().clone()).collect();
    let admission = bundle.admission();
    let environment = bundle.environments().into_iter().find(|env| {
        let stored = [&env.principal, &env.resource].iter().all(|name| !enumerated.contains(name));
        let action = bundle.action(&env.action);
        stored && action.is_ok_and(|uid| admission.context(&uid, &json!({}), ContextRules::Offline).is_ok())
    });
    let Some(environment) = environment else {
        return Err(Failure::new(
            "the schema has no action that stored entities can be asked about without a context: copy a suite instead",
        ));
    };
    let somebody = Uid::new(environment.principal, "somebody");
    let something = Uid::new(environment.resource, "something");
    // A string of JSON is one of YAML.
    let action = json!(environment.action);
    let shared = match fixtures {
        [] => "# fixtures: testdata/cast.yaml".to_owned(),
        several => format!("# fixtures: {}", several.join(", or ")),
    };
    Ok(format!(
        r##"# Why these tests are there.
#
# Run it: hubwarden test --run suite={name}. It fails until every cell has an expectation.
name: {name}
options: {{ now: 2026-01-01T00:00:00Z }}   # the clock stands still

# The world: files inside this folder that suites share, and what is only here.
{shared}
# entities: [entities.json]              # in Cedar's form: files, or entities themselves
# principalGroups: {{ everybody: [somebody] }}   # names for several; also actionGroups, resourceGroups
#
# Nobody is stored yet: write who is above, and `entity` for `absent` below (or nothing below: ids are names, too).
principals:                              # names for who asks: `entity`, `absent` or `deleted`, and their `context`
  somebody: {{ absent: '{somebody}' }}
resources:
  something: {{ absent: '{something}' }}

tests:
  - name: what is asked here
    input:                               # every combination of these is a cell
      principals: [somebody]
      actions: [{action}]
      resources: [something]
      # context: {{ }}                     # of all its questions
    # unlisted: deny                     # for cells that nobody wrote about; else they fail
    expected:                            # several entries may speak of one cell; a contradiction is refused
      # - {{ principals: somebody, decision: allow, reason: [concern/rule] }}   # the determining policies, exactly
      # - {{ principals: somebody, code: not_found, hidden: true }}             # refused, and with which code
"##
    ))
}
