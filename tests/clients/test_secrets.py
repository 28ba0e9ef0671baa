"""No secret that the run used lies about: not in a log, an error, a metric or a stored file."""

import pathlib

import pytest

pytestmark = pytest.mark.last


def _files(folder):
    return [path for path in sorted(folder.rglob("*")) if path.is_file() and not path.is_symlink()]


def _needles(hub):
    """Every secret as it may be found: whole, and the part of an API key that is not its id."""
    needles = {}
    for name, value in hub.secrets.items():
        needles[name] = value.encode()
        if value.startswith("hwk_"):
            needles[f"{name}, without its id"] = value.split("_", 2)[2].encode()
    return needles


def test_the_run_used_secrets_of_all_kinds(hub, git):
    """What is searched for below was used: so that the search is one also when only this file runs."""
    hub.token("alice", "read", name="for-the-search")
    old = hub.token("alice", "write", name="refreshed-for-the-search")
    new = hub.refresh("alice", "refreshed-for-the-search")
    hub.ask("/acme/tiny/resolve/main/config.json", old)
    hub.ask("/acme/tiny/resolve/main/config.json", new)
    assert isinstance(git.clone("acme/tiny", new), pathlib.Path)
    assert isinstance(git.clone("acme/tiny", old), str)
    hub.ask("/acme/tiny/info/refs?service=git-upload-pack", basic=new)
    # People put tokens where they do not belong.
    hub.ask(f"/acme/tiny/resolve/main/config.json?token={new}")
    hub.ask("/api/whoami-v2", headers={"Authorization": new})
    hub.ask("/acme/tiny/info/refs", headers={"Authorization": f"Basic {new}"})
    # A service's questions about a token, one of them malformed.
    assert hub.check(f"Bearer {new}", "repo.write", "models/acme/tiny")["decision"] == "allow"
    assert hub.check(f"Bearer {old}", "repo.write", "models/acme/tiny")["decision"] == "deny"
    hub.operate("POST", "/v1/check", {"authorization": [new], "nonsense": old}, expected=[400])
    for kind in ("hf_", "hwk_"):
        assert any(value.startswith(kind) for value in hub.secrets.values()), kind
    assert any(name.startswith("Basic") for name in hub.secrets)


def test_no_file_of_the_hub_holds_a_secret(hub):
    needles = {**_needles(hub), **hub.token_key()}
    allowed = hub.files_with_secrets()
    files = _files(hub.folder)
    kinds = {path.relative_to(hub.folder).parts[0] for path in files}
    assert {"hubwarden", "keys", "nginx", "git", "tree", "api"} <= kinds, "logs, store and repositories are among them"
    for path in files:
        content = path.read_bytes()
        found = {name for name, needle in needles.items() if needle in content}
        assert found <= allowed.get(path, set()), (
            f"{path.relative_to(hub.folder)} holds {found - allowed.get(path, set())}"
        )


def test_the_search_finds_what_is_there(hub):
    """The same search, for what must be there: people in the store, requests in the log, the key where nginx reads it."""
    files = {path: path.read_bytes() for path in _files(hub.folder)}
    assert b"DEBUG" in files[hub.folder / "hubwarden/log"], "also what is logged in detail"
    assert any(b"alice" in content for path, content in files.items() if "store" in path.parts)
    assert b"/acme/tiny/resolve/main/config.json" in files[hub.folder / "nginx/access.log"]
    assert hub.keys["gateway"].encode() in files[hub.folder / "keys/gateway.conf"]


def test_files_with_secrets_are_their_owners_alone(hub):
    assert hub.folder.stat().st_mode & 0o077 == 0
    for path in hub.files_with_secrets():
        assert path.stat().st_mode & 0o077 == 0, path


def test_no_refusal_and_no_metric_tells_a_secret(hub):
    heard = [*hub.heard, hub.metrics().encode(), hub.run("export").encode()]
    assert len(heard) > 5
    for name, needle in {**_needles(hub), **hub.token_key()}.items():
        assert not any(needle in text for text in heard), name


def test_no_command_line_shows_a_secret(hub):
    for server, pid in hub.pids.items():
        line = pathlib.Path(f"/proc/{pid}/cmdline").read_bytes()
        assert not [name for name, needle in _needles(hub).items() if needle in line], server
