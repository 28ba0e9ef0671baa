"""The Python client `huggingface_hub`, as it is, pointed here by its environment."""

import json
import os
import pathlib
import subprocess
import sys

import pytest

TINY, OPEN = "acme/tiny", "acme/open"
DEAD = "hf_" + "x" * 34


# ---- whoami


def test_whoami_tells_alice_her_name_her_organizations_and_what_the_token_is(hub, hf):
    found = hf.whoami(token=hub["notebook"])
    assert (found["type"], found["name"], found["fullname"]) == ("user", "alice", "Alice")
    assert [(org["name"], org["fullname"], org["roleInOrg"]) for org in found["orgs"]] == [
        ("acme", "Acme Research", "write")
    ]
    assert found["auth"]["type"] == "access_token"
    assert (found["auth"]["accessToken"]["displayName"], found["auth"]["accessToken"]["role"]) == ("notebook", "read")


def test_whoami_tells_what_a_fine_grained_token_was_granted(hub, hf):
    token = hf.whoami(token=hub["ci"])["auth"]["accessToken"]
    assert token["role"] == "fineGrained"
    scoped = {
        (of["entity"]["type"], of["entity"]["name"]): set(of["permissions"]) for of in token["fineGrained"]["scoped"]
    }
    assert scoped == {
        ("org", "acme"): {"repo.content.read"},
        ("model", "acme/tiny"): {"repo.content.read", "repo.write"},
    }
    assert token["fineGrained"]["canReadGatedRepos"] is False
    assert hf.whoami(token=hub["research"])["auth"]["accessToken"]["fineGrained"]["canReadGatedRepos"] is True


def test_whoami_refuses_a_dead_token(hub, hf, refused):
    error = refused(hf.errors.HfHubHTTPError, hf.whoami, token=DEAD)
    assert error.status == 401 and "Invalid user token" in str(error)
    assert hub.ask("/api/whoami-v2", DEAD).status == 401


def test_hf_auth_whoami_on_the_command_line(hub, hf, client_environment):
    def run(token):
        command = pathlib.Path(sys.executable).with_name("hf")
        environment = {**os.environ, **client_environment, "HF_TOKEN": token, "NO_COLOR": "1"}
        return subprocess.run(
            [command, "auth", "whoami", "--format", "json"],
            env=environment,
            capture_output=True,
            text=True,
            check=False,
        )

    found = json.loads(run(hub["notebook"]).stdout)
    assert (found["user"], found["orgs"], found["endpoint"]) == ("alice", "acme", hub.url)
    dead = run(DEAD)
    assert dead.returncode != 0 and "Invalid user token" in dead.stdout + dead.stderr


# ---- auth_check


def test_auth_check_lets_through_who_may_read(hub, hf):
    for token in ("notebook", "laptop", "ci"):
        hf.auth_check(TINY, token=hub[token])
    hf.auth_check(OPEN, token=False)
    hf.auth_check("acme/prompts", repo_type="dataset", token=hub["research"])


def test_auth_check_for_writing_lets_through_who_may_write(hub, hf):
    hf.auth_check(TINY, write=True, token=hub["laptop"])
    hf.auth_check(TINY, write=True, token=hub["ci"])


def test_auth_check_for_writing_refuses_a_read_token_and_one_granted_elsewhere(hub, hf, refused):
    for token, repo, reason in (("notebook", TINY, "token_role"), ("ci", OPEN, "token_permission")):
        error = refused(hf.errors.HfHubHTTPError, hf.auth_check, repo, write=True, token=hub[token])
        assert not isinstance(error, hf.errors.RepositoryNotFoundError)
        assert (error.status, error.reason) == (403, reason)


def test_auth_check_for_writing_refuses_a_member_who_only_reads(hub, hf, refused):
    token = hub.token("bob", "write")
    hf.auth_check(TINY, token=token)
    error = refused(hf.errors.HfHubHTTPError, hf.auth_check, TINY, write=True, token=token)
    assert (error.status, error.reason) == (403, "user_right")
    assert "read access but not the required permissions" in str(error)


@pytest.mark.parametrize("write", [False, True])
def test_auth_check_does_not_find_what_is_missing_or_hidden(hub, hf, refused, write):
    for repo in ("acme/nothing", TINY):
        error = refused(hf.errors.RepositoryNotFoundError, hf.auth_check, repo, write=write, token=hub["phone"])
        assert not isinstance(error, hf.errors.GatedRepoError)
        assert (error.status, error.reason) == (404, "not_found")
        error = refused(hf.errors.RepositoryNotFoundError, hf.auth_check, repo, write=write, token=False)
        assert (error.status, error.reason) == (401, "not_found")


def test_auth_check_tells_a_gate_from_a_missing_repository(hub, hf, refused):
    for token, status, reason in ((hub["phone"], 403, "gate_pending"), (False, 401, "gate_request")):
        error = refused(hf.errors.GatedRepoError, hf.auth_check, "acme/prompts", repo_type="dataset", token=token)
        assert (error.status, error.reason) == (status, reason)
    for name, state, reason in (("olga", "rejected", "gate_rejected"), ("erin", "no request", "gate_request")):
        token = hub.token(name, "read")
        error = refused(hf.errors.GatedRepoError, hf.auth_check, "acme/prompts", repo_type="dataset", token=token)
        assert (error.status, error.reason) == (403, reason), state


def test_auth_check_says_that_a_model_is_disabled(hub, hf, refused):
    error = refused(hf.errors.DisabledRepoError, hf.auth_check, "acme/retired", token=hub["laptop"])
    assert (error.status, error.reason) == (403, "disabled")


def test_a_dead_token_is_no_missing_repository(hub, hf, refused):
    error = refused(hf.errors.HfHubHTTPError, hf.auth_check, OPEN, token=DEAD)
    assert not isinstance(error, hf.errors.RepositoryNotFoundError)
    assert (error.status, error.reason) == (401, "invalid_token")


# ---- downloads


def test_hf_hub_download_of_the_private_model_is_its_real_file(hub, hf, tmp_path):
    path = pathlib.Path(hf.hf_hub_download(TINY, "model.safetensors", token=hub["notebook"], cache_dir=tmp_path))
    import safetensors

    with safetensors.safe_open(path, framework="np") as model:
        assert sorted(model.keys()) == ["embeddings.LayerNorm.weight", "embeddings.word_embeddings.weight"]
        assert model.get_tensor("embeddings.word_embeddings.weight").shape == (12, 8)
    # The folder of the cache is named by the commit that the server told, the blob by the content's own name.
    seeded = json.loads(hub.ask(f"/api/models/{TINY}", hub["notebook"]).body)["sha"]
    assert path.parent.name == seeded
    assert len(path.resolve().name) == 40


def test_snapshot_download_brings_all_of_the_private_model(hub, hf, tmp_path):
    folder = pathlib.Path(hf.snapshot_download(TINY, token=hub["notebook"], cache_dir=tmp_path))
    assert sorted(path.name for path in folder.iterdir()) == ["README.md", "config.json", "model.safetensors"]


def test_downloads_of_the_private_model_are_refused_to_everybody_else(hub, hf, refused, tmp_path):
    for token, status, reason in (
        (hub["phone"], 404, "not_found"),
        (hub["research"], 404, "not_found"),
        (False, 401, "not_found"),
    ):
        for call in (
            lambda **a: hf.hf_hub_download(TINY, "config.json", **a),
            lambda **a: hf.snapshot_download(TINY, **a),
        ):
            error = refused(hf.errors.RepositoryNotFoundError, call, token=token, cache_dir=tmp_path)
            assert (error.status, error.reason) == (status, reason)
    assert not any(tmp_path.rglob("config.json"))


def test_the_gated_dataset_is_downloaded_by_who_was_accepted_only(hub, hf, refused, tmp_path):
    get = lambda **a: hf.hf_hub_download("acme/prompts", "prompts.jsonl", repo_type="dataset", cache_dir=tmp_path, **a)
    error = refused(hf.errors.GatedRepoError, get, token=hub["phone"])
    assert (error.status, error.reason) == (403, "gate_pending")
    assert "awaiting a review" in str(error)
    assert len(pathlib.Path(get(token=hub["research"])).read_text().splitlines()) == 2


def test_an_accepted_person_needs_a_token_that_reads_gated_repositories(hub, hf, refused, tmp_path):
    token = hub.token("greta", "fineGrained")
    get = lambda **a: hf.hf_hub_download("acme/prompts", "prompts.jsonl", repo_type="dataset", cache_dir=tmp_path, **a)
    error = refused(hf.errors.LocalEntryNotFoundError, get, token=token)
    assert (error.status, error.reason) == (403, "token_gated_repos")
    assert "enable access to public gated repositories" in str(error.__cause__)


def test_the_page_of_what_is_gated_or_disabled_stays_visible(hub, hf):
    dataset = hf.dataset_info("acme/prompts", token=hub["phone"])
    assert dataset.gated == "manual" and [file.rfilename for file in dataset.siblings] == ["README.md", "prompts.jsonl"]
    assert hf.model_info("acme/retired", token=False).disabled is True
    assert hf.model_info(TINY, token=hub["notebook"]).private is True


def test_a_disabled_models_files_are_nobodys(hub, hf, refused, tmp_path):
    error = refused(
        hf.errors.LocalEntryNotFoundError,
        hf.hf_hub_download,
        "acme/retired",
        "config.json",
        token=hub["laptop"],
        cache_dir=tmp_path,
    )
    assert isinstance(error.__cause__, hf.errors.DisabledRepoError)
    assert (error.status, error.reason) == (403, "disabled")


def test_a_file_or_a_revision_that_is_missing_is_said_to_who_may_read_only(hub, hf, refused, tmp_path):
    here = {"cache_dir": tmp_path}
    with pytest.raises(hf.errors.RemoteEntryNotFoundError):
        hf.hf_hub_download(TINY, "nothing.json", token=hub["notebook"], **here)
    with pytest.raises(hf.errors.RevisionNotFoundError):
        hf.hf_hub_download(TINY, "config.json", revision="nothing", token=hub["notebook"], **here)
    with pytest.raises(hf.errors.RevisionNotFoundError):
        hf.snapshot_download(TINY, revision="nothing", token=hub["notebook"], **here)
    for revision, name in (("main", "nothing.json"), ("nothing", "config.json")):
        error = refused(
            hf.errors.RepositoryNotFoundError,
            hf.hf_hub_download,
            TINY,
            name,
            revision=revision,
            token=hub["phone"],
            **here,
        )
        assert error.reason == "not_found"


def test_a_part_of_a_file_is_served_too(hub):
    answer = hub.ask(f"/{TINY}/resolve/main/model.safetensors", hub["notebook"], headers={"Range": "bytes=0-7"})
    assert answer.status == 206 and len(answer.body) == 8
