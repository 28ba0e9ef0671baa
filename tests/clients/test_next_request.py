"""What changes about a person or a token counts for the next request of a token that exists already."""

import datetime
import json
import time

FILE = "/acme/tiny/resolve/main/config.json"
FETCH, PUSH = "/acme/tiny/info/refs?service=git-upload-pack", "/acme/tiny/info/refs?service=git-receive-pack"
BASE, PUBLIC = "/globex/base/resolve/main/config.json", "/acme/open/resolve/main/config.json"


def test_who_leaves_the_organization_loses_it_with_every_token(hub, hf, git, refused, tmp_path):
    hub.person("lea", "acme/write")
    tokens = [
        hub.token("lea", "read"),
        hub.token("lea", "write"),
        hub.token("lea", "fineGrained", "--grant", "model:acme/tiny=repo.content.read,repo.write"),
    ]
    for number, token in enumerate(tokens):
        assert (git.clone("acme/tiny", token) / "config.json").is_file()
        hf.hf_hub_download("acme/tiny", "config.json", token=token, cache_dir=tmp_path / f"before-{number}")
    hub.move("lea", out_of="acme/write")
    for number, token in enumerate(tokens):
        assert "not found" in git.clone("acme/tiny", token)
        error = refused(
            hf.errors.RepositoryNotFoundError,
            hf.hf_hub_download,
            "acme/tiny",
            "config.json",
            token=token,
            cache_dir=tmp_path / f"after-{number}",
        )
        assert (error.status, error.reason) == (404, "not_found")
        for path in (FILE, FETCH, PUSH):
            assert (hub.ask(path, token).status, hub.ask(path, token).reason) == (404, "not_found")
        assert hub.ask(PUBLIC, token).status == 200, "the token itself is alive"
    assert hf.whoami(token=tokens[0])["orgs"] == []


def test_who_comes_back_has_it_again(hub):
    hub.person("lars", "acme/read")
    token = hub.token("lars", "read")
    hub.move("lars", out_of="acme/read")
    assert hub.ask(FILE, token).reason == "not_found"
    hub.move("lars", out_of="acme/read", into="acme/read")
    assert hub.ask(FILE, token).status == 200


def test_who_loses_the_level_that_writes_cannot_push_any_more_and_still_reads(hub, hf, git, refused):
    hub.person("lena", "acme/write")
    token = hub.token("lena", "write")
    clone = git.clone("acme/tiny", token)
    git.commit(clone, "lena.txt")
    assert git.push(clone, token) is None
    hf.auth_check("acme/tiny", write=True, token=token)
    hub.move("lena", out_of="acme/write", into="acme/read")
    git.commit(clone, "lena-again.txt")
    said = git.push(clone, token)
    assert "403" in said and "not the required permissions" in said
    assert (hub.ask(PUSH, token).status, hub.ask(PUSH, token).reason) == (403, "user_right")
    error = refused(hf.errors.HfHubHTTPError, hf.auth_check, "acme/tiny", write=True, token=token)
    assert (error.status, error.reason) == (403, "user_right")
    hf.auth_check("acme/tiny", token=token)
    assert (git.clone("acme/tiny", token) / "lena.txt").is_file()


def test_a_push_that_was_begun_is_stopped_when_the_level_is_lost_in_between(hub):
    hub.person("lisa", "acme/write")
    token = hub.token("lisa", "write")
    assert hub.ask(PUSH, token).status == 200
    hub.move("lisa", out_of="acme/write", into="acme/read")
    pack = hub.ask("/acme/tiny/git-receive-pack", token, "POST", body=b"0000")
    assert (pack.status, pack.reason) == (403, "user_right")


def test_whose_access_to_a_gated_dataset_is_taken_back_is_refused(hub, hf, refused, tmp_path):
    hub.person("gustav", "accepted")
    token = hub.token("gustav", "read")
    get = lambda where: hf.hf_hub_download(
        "acme/prompts", "prompts.jsonl", repo_type="dataset", token=token, cache_dir=tmp_path / where
    )
    get("before")
    hub.move("gustav", out_of="accepted", into="rejected")
    error = refused(hf.errors.GatedRepoError, get, "after")
    assert (error.status, error.reason) == (403, "gate_rejected")


def test_a_token_that_expires_is_refused_from_then_on_also_where_anybody_may_read(hub, hf, git, refused):
    end = datetime.datetime.now(datetime.UTC) + datetime.timedelta(seconds=3)
    token = hub.token("alice", "write", "--expires", end.strftime("%Y-%m-%dT%H:%M:%SZ"), name="short-lived")
    assert hub.ask(FILE, token).status == 200
    # Asked until the clock has come there: no longer than the time that it has to live.
    while hub.ask(FILE, token).status == 200:
        assert datetime.datetime.now(datetime.UTC) < end + datetime.timedelta(seconds=1)
        time.sleep(0.1)
    for path in (FILE, FETCH, PUSH, PUBLIC):
        answer = hub.ask(path, token)
        assert (answer.status, answer.reason) == (401, "invalid_token")
        assert answer.headers["X-Error-Message"] == 'User Access Token "short-lived" is expired'
    assert "is expired" in git.clone("acme/tiny", token)
    error = refused(hf.errors.HfHubHTTPError, hf.auth_check, "acme/open", token=token)
    assert (error.status, error.reason) == (401, "invalid_token")
    assert refused(hf.errors.HfHubHTTPError, hf.whoami, token=token).status == 401


def test_a_token_that_its_organization_revoked_is_refused_there_and_nowhere_else(hub, hf, git, refused):
    hub.person("rita", "acme/write", "globex/read")
    token = hub.token("rita", "write", name="rita-revoked")
    other = hub.token("rita", "write")
    assert (git.clone("acme/tiny", token) / "config.json").is_file()
    hub.operate("POST", f"/v1/organizations/acme/tokens/{hub.ids['rita-revoked']}/revoke", actor="dana")
    for path in (FILE, FETCH, PUSH):
        assert (hub.ask(path, token).status, hub.ask(path, token).reason) == (403, "token_revoked")
    assert "403" in git.clone("acme/tiny", token)
    error = refused(hf.errors.HfHubHTTPError, hf.auth_check, "acme/tiny", token=token)
    assert (error.status, error.reason) == (403, "token_revoked")
    assert hub.ask(BASE, token).status == 200, "another organization"
    assert hub.ask(PUBLIC, token).status == 200, "what anybody may read"
    assert hub.ask(FILE, other).status == 200, "her other token"
    acme = next(org for org in hf.whoami(token=token)["orgs"] if org["name"] == "acme")
    assert "token-revoked" in acme["securityRestrictions"]


def test_a_refreshed_token_stays_revoked(hub):
    hub.person("ruth", "acme/write")
    hub.token("ruth", "write", name="ruth-revoked")
    hub.operate("POST", f"/v1/organizations/acme/tokens/{hub.ids['ruth-revoked']}/revoke", actor="dana")
    assert hub.ask(FILE, hub.refresh("ruth", "ruth-revoked")).reason == "token_revoked"


def test_only_an_admin_of_the_organization_revokes_its_tokens(hub):
    hub.person("rosa", "acme/write")
    token = hub.token("rosa", "write", name="rosa-kept")
    for actor in ("alice", "greta"):
        hub.operate(
            "POST", f"/v1/organizations/acme/tokens/{hub.ids['rosa-kept']}/revoke", actor=actor, expected=(403, 404)
        )
    assert hub.ask(FILE, token).status == 200


def test_a_token_that_was_reported_as_leaked_is_dead(hub):
    hub.person("lola", "acme/read")
    token = hub.token("lola", "read")
    assert hub.ask(FILE, token).status == 200
    body = json.dumps({"credentials": [token, "hf_" + "x" * 34]})
    answer = hub.ask("/api/credentials/revoke", method="POST", body=body, headers={"Content-Type": "application/json"})
    assert answer.status == 202
    assert (hub.ask(FILE, token).status, hub.ask(FILE, token).reason) == (401, "invalid_token")
