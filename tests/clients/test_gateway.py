"""nginx between the clients and the hub: it asks once, believes no client, and lets nobody through unasked."""

import signal
import socket

import pytest

FILE = "/acme/tiny/resolve/main/config.json"
PUBLIC = "/acme/open/resolve/main/config.json"
PUSH = "/acme/open/info/refs?service=git-receive-pack"

# What a client may try to be taken for somebody by.
FORGED = [
    {"Hubwarden-User": "dana", "Hubwarden-Token": "laptop", "Hubwarden-Allowed": "repo.content.read repo.write"},
    {"Hubwarden-Status": "200"},
    {"Hubwarden-Actor": "dana"},
    {"Hubwarden_User": "dana"},
    {"Remote-User": "dana", "Remote_User": "dana"},
    {"X-Original-Method": "GET", "X-Original-URI": PUBLIC},
    {"X-Forwarded-Method": "GET", "X-Forwarded-Uri": PUBLIC},
    {"X-HTTP-Method-Override": "GET", "X-Original-URL": PUBLIC, "X-Rewrite-URL": PUBLIC},
]


@pytest.mark.parametrize("forged", FORGED, ids=lambda headers: next(iter(headers)))
def test_no_header_of_a_client_makes_it_somebody(hub, forged):
    for token, status, reason in ((None, 401, "not_found"), (hub["phone"], 404, "not_found")):
        answer = hub.ask(FILE, token, headers=forged)
        assert (answer.status, answer.reason) == (status, reason)
    assert hub.ask(PUSH, headers=forged).status == 401
    assert (
        hub.ask(PUSH, hub["notebook"], headers=forged).status,
        hub.ask(PUSH, hub["notebook"], headers=forged).reason,
    ) == (403, "token_role")
    assert hub.ask("/api/models/acme/tiny/auth-check", headers=forged).status == 401
    assert hub.ask(FILE, hub["notebook"], headers=forged).status == 200, "nor does it harm who may"


def test_a_clients_key_for_hubwarden_is_not_passed_on(hub):
    for headers in ({"Hubwarden-Key": hub.keys["operator"]}, {"Hubwarden-Key": "hwk_wrong"}):
        assert hub.ask(FILE, headers=headers).status == 401
        assert hub.ask(FILE, hub["notebook"], headers=headers).status == 200


def test_two_credentials_are_not_one_of_each_one_s_choice(hub):
    """Whichever counts, it counts for the question and the answer alike; no second one is ever believed by a backend."""
    request = f"GET {FILE} HTTP/1.1\r\nHost: hub\r\nConnection: close\r\nAuthorization: Bearer {hub['phone']}\r\nAuthorization: Bearer {hub['notebook']}\r\n\r\n"
    assert _raw(hub, request) in (400, 401, 404)


@pytest.mark.parametrize(
    "path",
    [
        "/acme/open/../tiny/resolve/main/config.json",
        "/acme/open/%2e%2e/tiny/resolve/main/config.json",
        "/acme/open/..%2ftiny/resolve/main/config.json",
        "/acme/open/resolve/main/../../../tiny/resolve/main/config.json",
        "/acme/open/resolve/main/%2e%2e/%2e%2e/%2e%2e/tiny/resolve/main/config.json",
        "//acme/tiny/resolve/main/config.json",
        "/acme//tiny/resolve/main/config.json",
        "/acme/./tiny/resolve/main/config.json",
        "/acme%2ftiny/resolve/main/config.json",
        "/acme/tiny%00/resolve/main/config.json",
        "/acme/tiny\\/resolve/main/config.json",
        "/models/acme/tiny/resolve/main/config.json",
        "/_hubwarden",
        "/api/models/acme/../acme/tiny",
        "/tree/models/acme/tiny/config.json",
        "/keys/gateway.conf",
    ],
)
def test_a_path_that_can_be_read_in_two_ways_is_refused_to_who_may_not_read_both(hub, path):
    for token in (None, hub["phone"]):
        assert 400 <= hub.ask(path, token).status <= 404


def test_a_path_with_detours_is_refused_even_to_who_may(hub):
    for path in ("/acme/open/../tiny/resolve/main/config.json", "/acme//tiny/resolve/main/config.json"):
        assert hub.ask(path, hub["notebook"]).status == 400


def test_an_address_of_another_server_in_the_request_line_changes_nothing(hub):
    for token, status in ((hub["notebook"], 200), (hub["phone"], 404)):
        request = f"GET http://elsewhere.example{FILE} HTTP/1.1\r\nHost: hub\r\nConnection: close\r\nAuthorization: Bearer {token}\r\n\r\n"
        assert _raw(hub, request) == status


def test_a_head_request_is_answered_like_a_get_without_its_body(hub):
    for token, status in ((hub["notebook"], 200), (hub["phone"], 404), (None, 401)):
        get, head = hub.ask(FILE, token), hub.ask(FILE, token, "HEAD")
        assert (get.status, head.status, head.body) == (status, status, b"")
        for name in ("Content-Length", "ETag", "X-Repo-Commit", "X-Error-Code", "Hubwarden-Reason"):
            assert get.headers[name] == head.headers[name], name


def test_one_request_is_one_evaluation(hub):
    for token in (hub["notebook"], hub["phone"]):
        before = _decisions(hub)
        hub.ask(FILE, token)
        assert _decisions(hub) == before + 1


def test_every_answer_says_which_decision_it_was(hub):
    for token in (hub["notebook"], hub["phone"], None):
        assert hub.ask(FILE, token).headers["Hubwarden-Decision-Id"]


def test_without_hubwarden_nobody_passes_and_nobody_is_told_that_it_was_them(own_hub):
    before = own_hub.ask(PUBLIC)
    assert before.status == 200
    # The script would stop the whole hub when a server ends: it is held meanwhile.
    own_hub.signal("start", signal.SIGSTOP)
    own_hub.kill("hubwarden")
    for path in (
        FILE,
        PUBLIC,
        PUSH,
        "/acme/open/info/refs?service=git-upload-pack",
        "/api/models/acme/open",
        "/api/whoami-v2",
        "/api/models/acme/open/auth-check",
    ):
        for token in (None, own_hub["laptop"]):
            answer = own_hub.ask(path, token)
            assert answer.status == 503, path
            assert b"cannot decide" in answer.body
    own_hub.signal("start", signal.SIGCONT)
    assert own_hub.wait() == 1, "it tells that a server ended"
    assert not own_hub.folder.exists()


def test_a_gateway_whose_key_was_deleted_refuses_everybody_as_its_own_fault(own_hub):
    assert own_hub.ask(PUBLIC).status == 200
    own_hub.operate("DELETE", f"/v1/keys/{own_hub.keys['gateway'].split('_')[1]}")
    for token in (None, own_hub["laptop"]):
        answer = own_hub.ask(PUBLIC, token)
        assert answer.status == 503 and "cannot decide" in answer.body.decode()


def _raw(hub, request):
    """The status of a request that no client library would send."""
    host, port = hub.url.removeprefix("http://").split(":")
    with socket.create_connection((host, int(port)), timeout=30) as connection:
        connection.sendall(request.encode())
        return int(connection.makefile("rb").readline().split()[1])


def _decisions(hub):
    """How many questions hubwarden has answered."""
    lines = hub.metrics().splitlines()
    return sum(float(line.rsplit(" ", 1)[1]) for line in lines if line.startswith("hubwarden_decisions_total"))
