//! Decides the readable cases of `tests/domain/*.txt` (their format: `tests/domain/README.md`).
//!
//! Every cell of a file is decided, and all wrong ones are reported together, each with file and line. A line that
//! says nothing, or names what the cast does not have, fails as well: a case that does not run is not a case.

use std::collections::{BTreeMap, BTreeSet};

use hubwarden::entity::Uid;
use hubwarden::pdp::{Answer, Bundle, BundleSource, SourceFile};

use crate::support::cast::CAST;
use crate::support::dsl::uid;
use crate::support::full;
use crate::support::world::{CELLS, Caller, HUB, World, code};

macro_rules! files {
    ($($name:ident: $file:literal)*) => {
        $(
            #[test]
            fn $name() {
                let file = File { name: $file, text: include_str!(concat!("../../domain/", $file)) };
                let wrong = file.check();
                assert!(wrong.is_empty(), "\n{}\n{} wrong", wrong.join("\n"), wrong.len());
            }
        )*

        const FILES: &[File] = &[$(File { name: $file, text: include_str!(concat!("../../domain/", $file)) }),*];
    };
}

files! {
    core_rule_a_token_never_widens_its_user: "core_rule.txt"
    dead_tokens_stop_everything: "dead_tokens.txt"
    disabled_repositories_keep_their_metadata: "disabled.txt"
    discussions_are_for_who_is_signed_in_and_sees_the_repository: "discussions.txt"
    fine_grained_tokens_do_what_they_were_granted: "fine_grained.txt"
    gated_repos_is_a_switch_of_fine_grained_tokens: "gated_repos.txt"
    gates_hold_the_content_back_from_who_was_not_accepted: "gates.txt"
    groups_decide_for_the_repositories_in_them: "groups.txt"
    integrity_of_the_data_comes_before_rights: "integrity.txt"
    levels_of_an_organization_give_what_the_table_says: "levels.txt"
    missing_and_deleted_things_are_not_found: "missing.txt"
    order_of_reasons_the_most_telling_one_is_said: "order.txt"
    organizations_demand_things_of_tokens: "organization_policy.txt"
    personal_namespaces_are_their_owners_alone: "personal.txt"
    roles_of_tokens_have_their_ceilings: "roles.txt"
    tokens_are_managed_by_people: "token_management.txt"
    visibility_public_is_anyones_and_private_does_not_exist: "visibility.txt"
}

struct File {
    name: &'static str,
    text: &'static str,
}

/// One question of a file and what it should come to.
struct Cell {
    line: usize,
    text: String,
    caller: Caller,
    action: String,
    resource: Uid,
    want: String,
    policy: Option<String>,
}

impl File {
    /// Everything that is wrong with a file, each with its place.
    fn check(&self) -> Vec<String> {
        let (cells, mut wrong) = self.cells();
        if cells.is_empty() {
            wrong.push(format!("{}: no case", self.path(0)));
        }
        wrong.extend(cells.iter().filter_map(|cell| {
            let got = cell.judge().err()?;
            Some(format!("{}: {}: {got}", self.path(cell.line), cell.text))
        }));
        wrong
    }

    fn path(&self, line: usize) -> String {
        format!("tests/domain/{}:{line}", self.name)
    }

    fn cells(&self) -> (Vec<Cell>, Vec<String>) {
        let mut lists = BTreeMap::new();
        let (mut cells, mut wrong) = (Vec::new(), Vec::new());
        for (index, line) in self.text.lines().enumerate() {
            let line = line.split('#').next().unwrap_or_default().trim();
            let result = match line.split_once(":=") {
                _ if line.is_empty() => continue,
                Some((name, list)) => define(&mut lists, name.trim(), list),
                None => read(&lists, line)
                    .map(|read| cells.extend(read.into_iter().map(|cell| Cell { line: index + 1, ..cell }))),
            };
            wrong.extend(result.err().map(|fault| format!("{}: {fault}", self.path(index + 1))));
        }
        (cells, wrong)
    }
}

type Lists = BTreeMap<String, Vec<String>>;

fn define(lists: &mut Lists, name: &str, list: &str) -> Result<(), String> {
    let list = expand(lists, list.trim());
    match lists.insert(name.to_owned(), list) {
        None => Ok(()),
        Some(_) => Err(format!("`{name}` stands for something already")),
    }
}

/// The names of a comma list, with named lists in their places.
fn expand(lists: &Lists, list: &str) -> Vec<String> {
    let one = |name: &str| lists.get(name).cloned().unwrap_or_else(|| vec![name.to_owned()]);
    list.split(',').map(str::trim).flat_map(one).collect()
}

fn read(lists: &Lists, line: &str) -> Result<Vec<Cell>, String> {
    let (question, answer) = line.split_once("=>").ok_or("no `=>`")?;
    let question: Vec<&str> = question.split_whitespace().collect();
    let [who, actions, resources] = question.as_slice() else {
        return Err("a question is WHO ACTIONS RESOURCES".to_owned());
    };
    let mut answer = answer.split_whitespace().map(str::to_owned);
    let want = answer.next().ok_or("no answer")?;
    let policy = answer.next();
    if want != "allow" && !codes().contains(&want) {
        return Err(format!("there is no reason `{want}`"));
    }
    if let Some(policy) = policy.as_ref().filter(|policy| !HUB.policies().any(|info| info.id == policy.as_str())) {
        return Err(format!("there is no policy `{policy}`"));
    }
    if let Some(rest) = answer.next() {
        return Err(format!("what is `{rest}`?"));
    }
    let mut cells = Vec::new();
    for who in expand(lists, who) {
        for action in expand(lists, actions) {
            for resource in expand(lists, resources) {
                cells.push(Cell {
                    line: 0,
                    text: format!("{who} {action} {resource}"),
                    caller: caller(&CAST, &who)?,
                    resource: thing(&CAST, &resource)?,
                    action: action.clone(),
                    want: want.clone(),
                    policy: policy.clone(),
                });
                applies(cells.last().unwrap())?;
            }
        }
    }
    Ok(cells)
}

fn codes() -> BTreeSet<String> {
    let list: Vec<serde_json::Value> = serde_json::from_str(&HUB.source().reasons.as_ref().unwrap().text).unwrap();
    list.iter().map(|entry| entry["code"].as_str().unwrap().to_owned()).collect()
}

/// `anonymous`, a user, or a token (then its owner asks through it), and after each `+` a token, `mfa` or `nomfa`.
fn caller(cast: &World, text: &str) -> Result<Caller, String> {
    let mut parts = text.split('+');
    let name = parts.next().unwrap_or_default();
    let mut caller = match name {
        "anonymous" => Caller::anonymous(),
        name if cast.knows(&uid("User", name)) => Caller::user(name),
        name if cast.knows(&uid("AccessToken", name)) => Caller::token(name),
        "no-such-token" => Caller::token(name),
        "nobody" => Caller::user(name),
        name => return Err(format!("the cast has no user or token `{name}`")),
    };
    for part in parts {
        caller = match part {
            "mfa" => caller.mfa(true),
            "nomfa" => caller.mfa(false),
            id if id == "no-such-token" || cast.knows(&uid("AccessToken", id)) => {
                caller.through(uid("AccessToken", id))
            }
            id => return Err(format!("the cast has no token `{id}`")),
        };
    }
    Ok(caller)
}

/// A repository by its id, anything else as `Type:id`. What ends in `missing` must never have been stored.
fn thing(cast: &World, text: &str) -> Result<Uid, String> {
    let (type_name, id) = text.split_once(':').unwrap_or(("Repo", text));
    let uid = uid(type_name, id);
    match cast.knows(&uid) != id.ends_with("missing") {
        true => Ok(uid),
        false => Err(format!("the cast has no {uid}")),
    }
}

fn applies(cell: &Cell) -> Result<(), String> {
    let base = cell.resource.type_name().trim_start_matches("Hub::");
    match CELLS.contains(&(cell.action.clone(), base.to_owned())) {
        true => Ok(()),
        false => Err(format!("`{}` does not apply to {}", cell.action, cell.resource)),
    }
}

impl Cell {
    fn ask(&self) -> Answer {
        CAST.ask(&self.caller, &self.action, &self.resource)
    }

    fn judge(&self) -> Result<(), String> {
        let answer = self.ask();
        let named = self.policy.as_ref().is_none_or(|policy| answer.determining.iter().any(|id| id == policy));
        if code(&answer) == self.want && named && answer.errors.is_empty() {
            return Ok(());
        }
        let wanted = self.policy.as_deref().unwrap_or("any policy");
        let by = answer.determining.join(", ");
        Err(format!("want {} by {wanted}, got {} by [{by}] {:?}", self.want, code(&answer), answer.errors))
    }
}

#[test]
fn every_file_of_cases_is_run() {
    let folder = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/domain");
    let names = std::fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().file_name().into_string().unwrap());
    let there: BTreeSet<String> = names.filter(|name| name.ends_with(".txt")).collect();
    assert_eq!(there, FILES.iter().map(|file| file.name.to_owned()).collect());
}

#[test]
fn every_policy_determines_a_case_that_names_it() {
    let named: BTreeSet<String> = FILES.iter().flat_map(|file| file.cells().0).filter_map(|cell| cell.policy).collect();
    let unnamed: Vec<_> =
        HUB.policies().filter(|info| !named.contains(info.id.as_str())).map(|info| &info.id).collect();
    assert!(unnamed.is_empty(), "no case names {unnamed:?}");
}

/// Takes minutes, since every cell is decided once for each policy: only with `HUBWARDEN_FULL=1`.
#[test]
fn the_loss_of_any_policy_makes_some_case_wrong() {
    if !full() {
        return;
    }
    let cells: Vec<Cell> = FILES.iter().flat_map(|file| file.cells().0).collect();
    for info in HUB.policies() {
        let others = HUB.policies().filter(|other| other.id != info.id);
        let policies = others.map(|other| SourceFile::new(format!("policies/{}", other.id), &other.text)).collect();
        let bundle = Bundle::build(BundleSource { policies, ..HUB.source().clone() }).unwrap();
        let wrong = |cell: &&Cell| {
            let question = cell.caller.question(&cell.action, &cell.resource);
            code(&bundle.decide(&question, &*CAST).unwrap()) != cell.want
        };
        assert!(cells.iter().any(|cell| wrong(&cell)), "no case needs `{}`", info.id);
    }
}

#[test]
fn every_action_is_allowed_in_one_case_and_refused_in_another() {
    let cells: Vec<Cell> = FILES.iter().flat_map(|file| file.cells().0).collect();
    let said: BTreeSet<(&str, bool)> = cells.iter().map(|cell| (cell.action.as_str(), cell.want == "allow")).collect();
    for (action, _) in &*CELLS {
        assert!(said.contains(&(action, true)) && said.contains(&(action, false)), "{action}");
    }
}

#[test]
fn every_reason_is_given_in_some_case() {
    let cells: Vec<Cell> = FILES.iter().flat_map(|file| file.cells().0).collect();
    let given: BTreeSet<String> = cells.into_iter().map(|cell| cell.want).filter(|want| want != "allow").collect();
    assert_eq!(given, codes());
}

#[test]
fn a_line_that_is_not_a_case_is_refused_with_its_line() {
    let refused = |text| {
        let wrong = File { name: "x.txt", text }.check();
        wrong.first().cloned().unwrap_or_default()
    };
    assert!(refused("").contains("no case"));
    assert!(refused("\nalice repo.read models/acme/pub").starts_with("tests/domain/x.txt:2: no `=>`"));
    assert!(refused("alice repo.read => allow").contains("WHO ACTIONS RESOURCES"));
    assert!(refused("alicia repo.read models/acme/pub => allow").contains("`alicia`"));
    assert!(refused("alice repo.reed models/acme/pub => allow").contains("`repo.reed`"));
    assert!(refused("alice repo.read models/acme/pup => allow").contains("pup"));
    assert!(refused("alice repo.read models/acme/pub => alow").contains("`alow`"));
    assert!(refused("alice repo.read models/acme/pub => allow organization/raeders").contains("raeders"));
    assert!(refused("eve repo.write models/acme/pub => allow").contains("got user_right"));
}
