"""git over HTTP, the token as the password."""

import base64
import os

TINY, OPEN, SKETCH = "acme/tiny", "acme/open", "alice/sketch"
FETCH, PUSH = "info/refs?service=git-upload-pack", "info/refs?service=git-receive-pack"


def test_alices_read_token_clones_a_private_model_of_her_organization(hub, git):
    clone = git.clone(TINY, hub["notebook"])
    assert (clone / "config.json").read_bytes().startswith(b"{")
    assert git.must("rev-parse", "HEAD", cwd=clone).strip() == git.head("models/acme/tiny")


def test_the_address_may_end_in_dot_git(hub, git):
    assert (git.clone(f"{TINY}.git", hub["notebook"]) / "config.json").is_file()


def test_alices_read_token_cannot_push_and_git_shows_her_why(hub, git):
    before = git.head("models/acme/tiny")
    clone = git.clone(TINY, hub["notebook"])
    git.commit(clone)
    said = git.push(clone, hub["notebook"])
    assert "403" in said and "has the role `read`" in said
    assert git.head("models/acme/tiny") == before
    assert hub.ask(f"/{TINY}/{PUSH}", hub["notebook"]).reason == "token_role"
    assert hub.ask(f"/{TINY}/{PUSH}", basic=hub["notebook"]).reason == "token_role"


def test_a_read_token_cannot_skip_the_question_and_send_the_pack_at_once(hub, git):
    before = git.head("models/acme/tiny")
    answer = hub.ask(f"/{TINY}/git-receive-pack", hub["notebook"], "POST", body=b"0000")
    assert (answer.status, answer.reason) == (403, "token_role")
    assert git.head("models/acme/tiny") == before


def test_alices_write_token_pushes_and_the_repository_has_it(hub, git):
    clone = git.clone(TINY, hub["laptop"])
    commit = git.commit(clone)
    assert git.push(clone, hub["laptop"]) is None
    assert git.head("models/acme/tiny") == commit
    assert (git.clone(TINY, hub["notebook"]) / "note.txt").is_file(), "who clones next gets it"


def test_a_push_that_is_large_and_chunked_arrives_whole(hub, git):
    clone = git.clone(TINY, hub["laptop"])
    content = os.urandom(3_000_000)
    commit = git.commit(clone, "large.bin", content)
    assert git.push(clone, hub["laptop"], "-c", "http.postBuffer=1000") is None
    assert git.head("models/acme/tiny") == commit
    assert (git.clone(TINY, hub["notebook"]) / "large.bin").read_bytes() == content


def test_a_fetch_whose_request_is_compressed_goes_through(hub, git):
    clone = git.clone(OPEN)
    # So many commits of its own that git compresses the list of what it has.
    for number in range(40):
        git.must("commit", "--quiet", "--allow-empty", "--message", f"{number}", cwd=clone)
    other = git.clone(OPEN, hub["laptop"])
    git.commit(other, "for-the-fetch.txt")
    assert git.push(other, hub["laptop"]) is None
    done, said = git.run("fetch", "--quiet", "origin", cwd=clone, GIT_CURL_VERBOSE="1", GIT_TRACE_CURL="1")
    assert done, said
    assert "content-encoding: gzip" in said.lower()


def test_git_speaks_its_protocol_version_two_through_the_gateway(hub, git):
    done, said = git.run("ls-remote", f"{hub.url}/{OPEN}", GIT_TRACE_PACKET="1")
    assert done and "version 2" in said


def test_ci_pushes_only_where_it_was_granted(hub, git):
    """The fine-grained token reads acme and writes to acme/tiny; alice herself may write to all of acme."""
    tiny, other = git.clone(TINY, hub["ci"]), git.clone(OPEN, hub["ci"])
    commit = git.commit(tiny, "ci.txt")
    assert git.push(tiny, hub["ci"]) is None
    assert git.head("models/acme/tiny") == commit
    before = git.head("models/acme/open")
    git.commit(other)
    said = git.push(other, hub["ci"])
    assert "403" in said and "`repo.write`" in said and "acme/open" in said
    assert git.head("models/acme/open") == before
    assert hub.ask(f"/{OPEN}/{PUSH}", hub["ci"]).reason == "token_permission"
    assert git.push(other, hub["laptop"]) is None, "it was the token, not alice"


def test_ci_does_not_see_what_is_private_and_not_granted(hub, git):
    assert "not found" in git.clone(SKETCH, hub["ci"])
    answer = hub.ask(f"/{SKETCH}/{FETCH}", hub["ci"])
    assert (answer.status, answer.reason) == (404, "not_found")
    assert (git.clone(SKETCH, hub["notebook"]) / "config.json").is_file(), "alice sees it"


def test_a_refreshed_tokens_old_value_fails_and_the_new_one_works(hub, git):
    old = hub.token("alice", "write", name="to-refresh")
    assert (git.clone(TINY, old) / "config.json").is_file()
    new = hub.refresh("alice", "to-refresh")
    assert new != old
    assert "Authentication failed" in git.clone(TINY, old)
    answer = hub.ask(f"/{TINY}/{FETCH}", basic=old)
    assert (answer.status, answer.reason) == (401, "invalid_token")
    clone = git.clone(TINY, new)
    git.commit(clone, "refreshed.txt")
    assert git.push(clone, new) is None


def test_a_dead_token_fails_even_on_a_public_repository(hub, git):
    assert "Authentication failed" in git.clone(TINY, "hf_" + "x" * 34)
    assert hub.ask(f"/{OPEN}/{FETCH}", basic="hf_" + "x" * 34).reason == "invalid_token"


def test_anybody_clones_a_public_model_and_nobody_pushes_to_it_without_a_name(hub, git):
    clone = git.clone(OPEN)
    assert (clone / "config.json").is_file()
    git.commit(clone)
    assert "could not read Username" in git.push(clone)
    answer = hub.ask(f"/{OPEN}/{PUSH}")
    assert answer.status == 401
    assert any(challenge.startswith("Basic ") for challenge in answer.headers.get_all("WWW-Authenticate"))


def test_without_a_token_git_is_asked_for_one_whether_the_repository_exists_or_not(hub, git):
    hidden, missing = git.clone(TINY), git.clone("acme/nothing")
    assert "could not read Username" in hidden and "could not read Username" in missing
    hidden, missing = hub.ask(f"/{TINY}/{FETCH}"), hub.ask(f"/acme/nothing/{FETCH}")
    assert (
        (hidden.status, hidden.reason, hidden.body)
        == (missing.status, missing.reason, missing.body)
        == (401, "not_found", hidden.body)
    )


def test_a_stranger_cannot_tell_a_private_repository_from_none(hub, git):
    assert "not found" in git.clone(TINY, hub["phone"])
    hidden, missing = hub.ask(f"/{TINY}/{FETCH}", hub["phone"]), hub.ask(f"/acme/nothing/{FETCH}", hub["phone"])
    assert (
        (hidden.status, hidden.reason, hidden.body)
        == (missing.status, missing.reason, missing.body)
        == (404, "not_found", hidden.body)
    )


def test_a_gated_dataset_is_cloned_by_who_was_accepted_and_by_members(hub, git):
    assert (git.clone("datasets/acme/prompts", hub["research"]) / "prompts.jsonl").is_file()
    assert (git.clone("datasets/acme/prompts", hub["notebook"]) / "prompts.jsonl").is_file()
    said = git.clone("datasets/acme/prompts", hub["phone"])
    assert "403" in said and "awaiting a review" in said
    assert hub.ask(f"/datasets/acme/prompts/{FETCH}", hub["phone"]).reason == "gate_pending"


def test_a_disabled_model_is_nobodys(hub, git):
    assert "Access to this resource is disabled." in git.clone("acme/retired", hub["laptop"])
    assert hub.ask(f"/acme/retired/{FETCH}", hub["laptop"]).reason == "disabled"


def test_a_member_who_only_reads_cannot_push_whatever_the_token(hub, git):
    token = hub.token("bob", "write")
    clone = git.clone(TINY, token)
    git.commit(clone)
    assert "403" in git.push(clone, token)
    assert hub.ask(f"/{TINY}/{PUSH}", token).reason == "user_right"


def test_a_contributor_pushes_to_what_they_created_only(hub, git):
    token = hub.token("carol", "write")
    own, other = git.clone(OPEN, token), git.clone(TINY, token)
    git.commit(own, "carol.txt")
    git.commit(other, "carol.txt")
    assert git.push(own, token) is None
    assert "403" in git.push(other, token)
    assert hub.ask(f"/{TINY}/{PUSH}", token).reason == "user_right"


def test_who_has_no_access_in_the_organization_sees_what_is_public(hub, git):
    token = hub.token("erin", "write")
    assert "not found" in git.clone(TINY, token)
    assert hub.ask(f"/{TINY}/{FETCH}", token).reason == "not_found"
    assert (git.clone(OPEN, token) / "config.json").is_file()


def test_the_user_name_of_basic_does_not_matter(hub):
    for name in ("alice", "nils", "", "hf_user"):
        pair = base64.b64encode(f"{name}:{hub['notebook']}".encode()).decode()
        hub.secrets[f"Basic {name}"] = pair
        answer = hub.ask(f"/{TINY}/{FETCH}", headers={"Authorization": f"Basic {pair}"})
        assert answer.status == 200, name
