//! `hubwarden token`, on a folder and through a server: what works in one place works alike in the other.

use std::fs;
use std::path::Path;

use tempfile::TempDir;

use crate::program::{Run, Serving, hubwarden, run, run_with};
use crate::support::cast::CAST;

/// Where tokens are: a store with the cast of the hub's rules, in a folder or held by a server.
pub struct Place {
    folder: TempDir,
    server: Option<Serving>,
}

impl Place {
    pub fn folder() -> Self {
        let folder = TempDir::new().unwrap();
        let lines: String = CAST.entities.values().map(|entity| format!("{}\n", entity.to_json())).collect();
        fs::write(folder.path().join("cast.ndjson"), lines).unwrap();
        let imported = run(folder.path(), &["import", "--data", "store", "cast.ndjson"]);
        assert_eq!(imported.code, 0, "{}", imported.stderr);
        Self { folder, server: None }
    }

    /// A store that is in a folder already.
    pub fn at(folder: TempDir) -> Self {
        Self { folder, server: None }
    }

    /// With a key that has the scope `tokens` alone.
    pub fn server() -> Self {
        let place = Self::folder();
        let args = ["key", "create", "--data", "store", "--name", "service", "--scope", "tokens"];
        fs::write(place.path().join("service.key"), run(place.path(), &args).stdout).unwrap();
        let server = Serving::start(place.path(), &["--data", "store"]);
        Self { server: Some(server), ..place }
    }

    fn both() -> [Self; 2] {
        [Self::folder(), Self::server()]
    }

    pub fn path(&self) -> &Path {
        self.folder.path()
    }

    /// `hubwarden token …`.
    pub fn token(&self, args: &[&str]) -> Run {
        self.token_with(args, "")
    }

    pub fn token_with(&self, args: &[&str], stdin: &str) -> Run {
        let here: &[&str] = match &self.server {
            Some(server) => &["--server", &server.url, "--key-file", "service.key"],
            None => &["--data", "store"],
        };
        run_with(self.path(), &[&["token"], args, here].concat(), stdin)
    }

    /// What must work; its stdout without the last line break.
    pub fn done(&self, args: &[&str]) -> String {
        let run = self.token(args);
        assert_eq!(run.code, 0, "{args:?}: {}", run.stderr);
        run.stdout.trim_end().to_owned()
    }

    /// Makes a token: its id and value.
    pub fn create(&self, user: &str, args: &[&str]) -> (String, String) {
        let made = self.token(&[&["create", "--user", user, "--name", "a name", "--format", "json"], args].concat());
        assert_eq!(made.code, 0, "{}", made.stderr);
        let made = made.json();
        let text = |json: &serde_json::Value| json.as_str().unwrap().to_owned();
        (text(&made["token"]["id"]), text(&made["value"]))
    }

    /// What `introspect` says of a value.
    pub fn introspect(&self, value: &str) -> String {
        let run = self.token_with(&["introspect"], &format!("{value}\n"));
        assert_eq!(run.code, 0, "{}", run.stderr);
        run.stdout.trim_end().to_owned()
    }
}

fn is_value(text: &str) -> bool {
    text.strip_prefix("hf_")
        .is_some_and(|letters| letters.len() == 34 && letters.bytes().all(|b| b.is_ascii_alphabetic()))
}

#[test]
fn a_value_stands_alone_on_stdout_and_the_rest_is_said_on_stderr() {
    for place in Place::both() {
        let made = place.token(&["create", "--user", "wanda", "--name", "laptop", "--role", "write"]);
        let value = made.stdout.strip_suffix('\n').unwrap();
        assert!(made.code == 0 && is_value(value), "{}", made.stdout);
        let id = made.stderr.strip_prefix("token ").unwrap().split(';').next().unwrap();
        assert_eq!(made.stderr, format!("token {id}; keep its value, it is not shown again\n"));
        let listed = place.done(&["list", "--user", "wanda"]);
        assert!(listed.starts_with(&format!("{id}  write  …{}  created 20", &value[33..])), "{listed}");
        assert!(listed.ends_with("Z  never used  never expires  laptop") && !listed.contains('\n'), "{listed}");
    }
}

#[test]
fn a_refreshed_value_lives_and_the_old_one_is_dead() {
    for place in Place::both() {
        let (id, old) = place.create("wanda", &["--role", "write"]);
        let new = place.done(&["refresh", "--user", "wanda", &id]);
        assert!(is_value(&new) && new != old);
        assert_eq!(place.introspect(&new), "alive: a name of wanda, role write");
        assert_eq!(place.introspect(&old), "dead");
        assert_eq!(place.introspect("hf_short"), "dead");
        assert_eq!(place.introspect(""), "dead");
    }
}

#[test]
fn a_deleted_token_is_gone() {
    for place in Place::both() {
        let (id, value) = place.create("wanda", &["--role", "read"]);
        assert_eq!(place.done(&["delete", "--user", "wanda", &id]), format!("deleted {id}"));
        assert_eq!(place.introspect(&value), "dead");
        let listed = place.token(&["list", "--user", "wanda"]);
        assert_eq!((listed.code, &*listed.stdout, &*listed.stderr), (0, "", "there are no tokens\n"));
        let again = place.token(&["delete", "--user", "wanda", &id]);
        assert_eq!((again.code, again.stderr), (1, format!("error: wanda has no token `{id}`\n")));
    }
}

#[test]
fn what_a_token_lets_through_is_told_and_edited() {
    for place in Place::both() {
        let grants = ["--grant", "org:acme=repo.content.read", "--grant", "model:acme/priv=", "--gated-repos"];
        let args = [&["--role", "fineGrained", "--expires", "2199-01-01T00:00:00Z"], &grants[..]].concat();
        let (id, _) = place.create("wanda", &args);
        let told = place.done(&["inspect", "--user", "wanda", &id]);
        let lines: Vec<&str> = told.lines().collect();
        assert!(lines[0].ends_with("never used  expires 2199-01-01T00:00:00Z  a name"), "{told}");
        assert!(lines[2].starts_with("On the organization acme and everything in it"), "{told}");
        assert_eq!(lines[3], "On the model acme/priv, nothing: what is granted above it is not for it.");
        let edited = place.done(&["edit", "--user", "wanda", &id, "--name", "ci", "--global", "post.write"]);
        assert!(edited.lines().next().unwrap().ends_with("  ci"), "{edited}");
        assert!(edited.contains("Outside all of these, it may post") && !edited.contains("acme"), "{edited}");
        let bare = place.done(&["edit", "--user", "wanda", &id, "--no-grants"]);
        assert!(!bare.contains("Outside"), "{bare}");
        let nothing = place.token(&["edit", "--user", "wanda", &id]);
        assert!(nothing.code == 1 && nothing.stderr.starts_with("error: nothing to change: "), "{}", nothing.stderr);
    }
}

#[test]
fn an_organization_reviews_the_tokens_that_concern_it() {
    for place in Place::both() {
        let (id, _) = place.create("wanda", &["--role", "write"]);
        let review = |verb: &str| place.token(&[verb, "--org", "approved", "--actor", "alice", &id]);
        let state = || place.done(&["review", "--org", "approved", "--actor", "alice"]);
        assert!(state().starts_with(&format!("{id}  pending  wanda  write  …")), "{}", state());
        for (verb, done) in [("approve", "approved"), ("deny", "denied"), ("revoke", "revoked")] {
            assert_eq!(review(verb).stdout, format!("{id} {done} in approved\n"));
            assert!(state().starts_with(&format!("{id}  {done}  ")), "{}", state());
        }
        let late = review("approve");
        assert_eq!((late.code, &*late.stderr), (1, "error: approved revoked this token, and that is for good\n"));
    }
}

#[test]
fn a_refusal_names_what_is_wrong_in_the_same_words_everywhere() {
    let places = Place::both();
    let fine = ["create", "--user", "wanda", "--name", "n", "--role", "fineGrained"];
    let of = |args: &[&'static str]| [&fine[..], args].concat();
    for (args, why) in [
        (of(&["--grant", "org:acme=repo.fly"]), "there is no permission `repo.fly`; there are collection.read, "),
        (
            of(&["--grant", "org:acme=user.billing.read"]),
            "`user.billing.read` cannot be granted for a target of kind `org`",
        ),
        (of(&["--grant", "model:bob/priv=repo.write"]), "there is no model `bob/priv` that wanda can see"),
        (of(&["--grant", "org:nowhere=repo.write"]), "there is no organization `nowhere` that wanda belongs to"),
        (of(&["--grant", "org:acme="]), "the org `acme` is granted no permission"),
        (of(&["--expires", "2020-01-01T00:00:00Z"]), "a token must expire in the future"),
        (vec!["create", "--user", "wanda", "--name", "", "--role", "read"], "a token needs a name of 1 to 100"),
        (
            vec!["create", "--user", "wanda", "--name", "n", "--role", "read", "--gated-repos"],
            "a token of the role `read` has no grants",
        ),
        (vec!["list", "--user", "wanda", "--actor", "eve"], "Only wanda may manage the access tokens"),
        (vec!["inspect", "--user", "wanda", "0123"], "wanda has no token `0123`"),
        (vec!["review", "--org", "acme"], "say which admin of the organization acts: `--actor USER`"),
        (vec!["approve", "--org", "acme", "0123"], "say which admin of the organization acts: `--actor USER`"),
        (vec!["review", "--org", "acme", "--actor", "wanda"], "needs the `admin` level there"),
        (vec!["revoke", "--org", "acme", "--actor", "alice", "0123"], "there is no token `0123`"),
    ] {
        let runs = places.each_ref().map(|place| place.token(&args));
        for run in &runs {
            assert_eq!((run.code, &*run.stdout), (1, ""), "{args:?}: {}", run.stderr);
            assert!(run.stderr.starts_with("error: ") && run.stderr.contains(why), "{args:?}: {}", run.stderr);
        }
        assert_eq!(runs[0].stderr, runs[1].stderr);
    }
    for place in &places {
        assert_eq!(place.done(&["list", "--user", "wanda"]), "", "nothing was made");
    }
}

#[test]
fn wrong_usage_says_the_form() {
    let folder = TempDir::new().unwrap();
    let create = |args: &[&str]| {
        let base = ["token", "create", "--user", "wanda", "--name", "n"];
        run(folder.path(), &[&base, args].concat())
    };
    for (args, why) in [
        (vec!["--role", "admin"], "`admin` is no role; a role is `read`, `write` or `fineGrained`"),
        (vec!["--role", "read", "--expires", "tomorrow"], "a time is written as 2027-01-01T00:00:00Z"),
        (vec!["--role", "fineGrained", "--grant", "acme"], "a grant is KIND:NAME=PERMISSIONS"),
    ] {
        let run = create(&args);
        assert!(run.code == 2 && run.stderr.contains(why), "{args:?}: {}", run.stderr);
    }
    assert_eq!(fs::read_dir(folder.path()).unwrap().count(), 0);
}

#[test]
fn the_options_of_a_command_stand_before_those_of_all() {
    let folder = TempDir::new().unwrap();
    let help = run(folder.path(), &["token", "create", "--help"]).stdout;
    let at = |text: &str| help.find(text).unwrap_or_else(|| panic!("{text}: {help}"));
    for own in ["--user <USER>\n", "--role <ROLE>\n", "--grant <KIND", "--global <PERM"] {
        assert!(at(own) < at("Where the tokens are:"), "{own}");
    }
    assert!(at("Where the tokens are:") < at("--token-key-file <FILE>"));
}

#[test]
fn data_is_json_and_shows_a_value_once() {
    for place in Place::both() {
        let json = |args: &[&str]| {
            let run = place.token(&[args, &["--format", "json"]].concat());
            assert_eq!((run.code, &*run.stderr), (0, ""), "{args:?}");
            run
        };
        let made = json(&["create", "--user", "wanda", "--name", "n", "--role", "write"]).json();
        let (id, value) = (made["token"]["id"].as_str().unwrap(), made["value"].as_str().unwrap());
        assert!(is_value(value));
        let letters = &value[3..];
        for args in [
            vec!["list", "--user", "wanda"],
            vec!["inspect", "--user", "wanda", id],
            vec!["edit", "--user", "wanda", id, "--name", "m"],
            vec!["review", "--org", "acme", "--actor", "alice"],
            vec!["approve", "--org", "acme", "--actor", "alice", id],
        ] {
            let run = json(&args);
            assert!(run.json().to_string().contains(id), "{args:?}");
            assert!(!run.stdout.contains(letters) && !run.stdout.contains("hash"), "{args:?}: {}", run.stdout);
        }
        let refused = place.token(&["inspect", "--user", "wanda", "0123", "--format", "json"]);
        assert_eq!(refused.stderr, "{\"error\":\"wanda has no token `0123`\"}\n");
        let told = place.token_with(&["introspect", "--format", "json"], value).json();
        assert_eq!((&told["active"], &told["jti"]), (&true.into(), &id.into()));
        assert_eq!(json(&["delete", "--user", "wanda", id]).json(), serde_json::json!({"id": id}));
    }
}

#[test]
fn no_file_of_the_store_and_no_message_holds_a_value() {
    let place = Place::folder();
    let made = place.token(&["create", "--user", "wanda", "--name", "n", "--role", "write"]);
    let value = made.stdout.trim_end();
    let id = made.stderr.split([' ', ';']).nth(1).unwrap();
    let refreshed = place.token(&["refresh", "--user", "wanda", id]);
    let told = place.token_with(&["introspect"], value);
    let letters = [&value[3..], &refreshed.stdout.trim_end()[3..]];
    for said in [&made.stderr, &refreshed.stderr, &told.stderr, &told.stdout] {
        assert!(!letters.iter().any(|letters| said.contains(letters)), "{said}");
    }
    let mut folders = vec![place.path().join("store")];
    let mut files = 0;
    while let Some(folder) = folders.pop() {
        for entry in fs::read_dir(folder).unwrap() {
            let path = entry.unwrap().path();
            if path.is_dir() {
                folders.push(path);
                continue;
            }
            files += 1;
            let bytes = fs::read(&path).unwrap();
            for letters in letters {
                let found = bytes.windows(letters.len()).any(|window| window == letters.as_bytes());
                assert!(!found, "{} holds a value", path.display());
            }
        }
    }
    assert!(files > 3, "{files}");
}

#[cfg(unix)]
#[test]
fn the_key_is_made_once_for_its_owner_alone_and_never_made_anew() {
    use std::os::unix::fs::PermissionsExt;

    let place = Place::folder();
    let key = place.path().join("store/token.key");
    assert!(!key.exists(), "nothing asked for tokens yet");
    let (_, value) = place.create("wanda", &["--role", "write"]);
    assert_eq!(fs::metadata(&key).unwrap().permissions().mode() & 0o777, 0o600);
    let made = fs::read(&key).unwrap();
    place.create("wanda", &["--role", "read"]);
    assert_eq!(fs::read(&key).unwrap(), made);
    fs::set_permissions(&key, fs::Permissions::from_mode(0o644)).unwrap();
    let open = place.token(&["list", "--user", "wanda"]);
    assert!(open.code == 1 && open.stderr.contains("chmod 600 store/token.key"), "{}", open.stderr);
    let (away, other) = (place.path().join("away.key"), place.path().join("other.key"));
    fs::set_permissions(&key, fs::Permissions::from_mode(0o600)).unwrap();
    fs::rename(&key, &away).unwrap();
    let serve = run(place.path(), &["serve", "--data", "store", "--listen", "127.0.0.1:0"]);
    for missing in [place.token(&["list", "--user", "wanda"]), serve] {
        assert_eq!(missing.code, 1);
        let sentence = "the key of this store's tokens is not in store/token.key: restore it, or name its file with \
                        `--token-key-file`\n";
        assert!(missing.stderr.ends_with(sentence), "{}", missing.stderr);
    }
    assert!(!key.exists(), "none was made in its place");
    fs::write(&other, "ab".repeat(32)).unwrap();
    fs::set_permissions(&other, fs::Permissions::from_mode(0o600)).unwrap();
    let wrong = place.token(&["list", "--user", "wanda", "--token-key-file", "other.key"]);
    assert!(wrong.stderr.starts_with("error: other.key: the tokens of this store were hashed with another key"));
    assert!(wrong.code == 1 && wrong.stderr.contains("name the file of the key"), "{}", wrong.stderr);
    let found = place.token_with(&["introspect", "--token-key-file", "away.key"], &value);
    assert!(found.stdout.starts_with("alive: "), "{}", found.stderr);
}

#[test]
fn the_key_and_the_prefix_are_named_by_flag_environment_or_configuration() {
    let place = Place::folder();
    fs::create_dir(place.path().join("etc")).unwrap();
    let text = "data: ../store\ntoken-key-file: ../file.key\ntoken-prefix: acme_\n";
    fs::write(place.path().join("etc/hub.yaml"), text).unwrap();
    let create = ["token", "create", "--user", "wanda", "--name", "n", "--role", "write", "--config", "etc/hub.yaml"];
    let made = run(place.path(), &create);
    assert!(made.stdout.starts_with("acme_") && place.path().join("file.key").exists(), "{}", made.stderr);
    let with = |variables: &[(&str, &str)], args: &[&str]| -> Run {
        let mut command = hubwarden(place.path());
        command.args(create).args(args).envs(variables.iter().copied());
        command.output().unwrap().into()
    };
    let named = [("HUBWARDEN_TOKEN_KEY_FILE", "env.key"), ("HUBWARDEN_TOKEN_PREFIX", "env_")];
    let missing = with(&named, &[]);
    assert!(missing.code == 1 && missing.stderr.contains("is not in env.key"), "{}", missing.stderr);
    let by_flag = with(&named, &["--token-key-file", "file.key", "--token-prefix", "flag_"]);
    assert!(by_flag.stdout.starts_with("flag_"), "{}", by_flag.stderr);
    assert!(with(&named[1..], &[]).stdout.starts_with("env_"));
    let bad = with(&[], &["--token-prefix", "no prefix"]);
    assert!(bad.code == 1 && bad.stderr.contains("such as `hf_`"), "{}", bad.stderr);
}
