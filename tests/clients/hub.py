"""A running mini-hub, as the tests use it: its people, their tokens, and everything that was secret or was said.

Nothing here decides anything: what is asserted is what hubwarden answered through nginx.
"""

import base64
import http.client
import json
import os
import pathlib
import signal
import subprocess
import time
import urllib.parse

REPOSITORY = pathlib.Path(__file__).resolve().parents[2]
START = REPOSITORY / "examples/mini-hub/start"


class Answer:
    """What came back over plain HTTP."""

    def __init__(self, status, headers, body):
        self.status, self.headers, self.body = status, headers, body

    @property
    def reason(self):
        """The code of a refusal."""
        return self.headers.get("Hubwarden-Reason")

    @property
    def error(self):
        return json.loads(self.body)["error"]

    def __repr__(self):
        return f"{self.status} {self.headers.items()} {self.body[:500]!r}"


class Hub:
    def __init__(self, scratch):
        self.scratch = scratch
        ready = scratch / "ready.json"
        self._log = (scratch / "start.log").open("wb")
        self._process = subprocess.Popen([START, "--ready-file", ready], stdout=self._log, stderr=self._log)
        deadline = time.monotonic() + 120
        while not ready.exists():
            if self._process.poll() is not None or time.monotonic() > deadline:
                self._process.kill()
                raise RuntimeError((scratch / "start.log").read_text())
            time.sleep(0.02)
        assert ready.stat().st_mode & 0o777 == 0o600, "the file with the secrets is its owner's alone"
        found = json.loads(ready.read_text())
        self.url, self.warden, self.program = found["url"], found["hubwarden"], found["program"]
        self.folder, self.pids, self.keys = pathlib.Path(found["folder"]), found["pids"], found["keys"]
        self._tokens = {name: token["value"] for name, token in found["tokens"].items()}
        self.ids = {name: token["id"] for name, token in found["tokens"].items()}
        # All values that were ever good, and everything that was said about requests that were refused.
        self.secrets = {**self._tokens, **self.keys}
        self.heard = []

    def __getitem__(self, name):
        """The value of a token that the mini-hub starts with."""
        return self._tokens[name]

    # ---- clients

    def ask(self, path, token=None, method="GET", headers=(), basic=None, body=None):
        """A request of a client, the path as it is written here."""
        credential = f"Bearer {token}" if token else None
        if basic:
            pair = base64.b64encode(f"x:{basic}".encode()).decode()
            self.secrets.setdefault(f"Basic, {basic}", pair)
            credential = f"Basic {pair}"
        sent = [*dict(headers).items(), *([("Authorization", credential)] if credential else [])]
        return self._request(self.url, method, path, sent, body)

    def _request(self, to, method, path, headers, body=None):
        connection = http.client.HTTPConnection(urllib.parse.urlsplit(to).netloc, timeout=30)
        try:
            connection.request(method, path, body, dict(headers))
            answer = connection.getresponse()
            got = Answer(answer.status, answer.headers, answer.read())
        finally:
            connection.close()
        if got.status >= 400:
            self.heard.append(f"{got!r}".encode() + got.body)
        return got

    # ---- the operator

    def operate(self, method, path, body=None, actor=None, expected=(200, 201, 204)):
        """A request of the hub's own services to hubwarden; the body as JSON."""
        headers = {"Authorization": f"Bearer {self.keys['operator']}", "Content-Type": "application/json"}
        if actor:
            headers["Hubwarden-Actor"] = actor
        text = None if body is None else json.dumps(body)
        got = self._request(self.warden, method, path, headers.items(), text)
        assert got.status in expected, f"{method} {path}: {got!r}"
        return json.loads(got.body) if got.body else None

    def check(self, authorization, action, repo):
        """What hubwarden answers a service that was sent this `Authorization`."""
        credential = {"authorization": authorization} if authorization else {}
        return self.operate(
            "POST", "/v1/check", {**credential, "action": action, "resource": {"type": "repo", "id": repo}}
        )

    def person(self, name, *memberships):
        """Somebody new: `acme/write` is a level, `accepted`, `pending` or `rejected` a state at the gated dataset."""
        parents = [_membership(membership) for membership in memberships]
        self.operate("PUT", f"/v1/entities/user/{name}", {"attrs": {"fullname": name.title()}, "parents": parents})
        return name

    def move(self, name, out_of, into=None):
        """Changes a membership."""
        change = {"remove": [_membership(out_of)], **({"add": [_membership(into)]} if into else {})}
        self.operate("PATCH", f"/v1/entities/user/{name}", {"parents": change})

    def token(self, user, role, *arguments, name=None):
        """A new token's value; its id is in `ids` under its name."""
        name = name or f"{user}-{role}-{len(self.secrets)}"
        made = json.loads(
            self.run("token", "create", "--format", "json", "--user", user, "--name", name, "--role", role, *arguments)
        )
        self.ids[name] = made["token"]["id"]
        self.secrets[name] = made["value"]
        return made["value"]

    def refresh(self, user, name):
        """The new value of a token."""
        value = self.run("token", "refresh", "--user", user, self.ids[name]).strip()
        self.secrets[f"{name}, refreshed"] = value
        return value

    def run(self, *arguments):
        """hubwarden's command line, as the operator."""
        environment = {**os.environ, "HUBWARDEN_KEY": self.keys["operator"], "HUBWARDEN_SERVER": self.warden}
        run = subprocess.run([self.program, *arguments], env=environment, capture_output=True, text=True, check=False)
        assert run.returncode == 0, f"{arguments}: {run.stderr}"
        return run.stdout

    def metrics(self):
        got = self._request(self.warden, "GET", "/metrics", [("Authorization", f"Bearer {self.keys['operator']}")])
        assert got.status == 200, got
        return got.body.decode()

    # ---- secrets at rest

    def token_key(self):
        """The key that token values are hashed with, as it may be found: raw and in hexadecimal digits."""
        raw = self._token_key_file().read_bytes().strip()
        found = {"the token key, as its file has it": raw}
        try:
            raw = bytes.fromhex(raw.decode())
            found["the token key, raw"] = raw
        except ValueError:
            found["the token key, in digits"] = raw.hex().encode()
        return found

    def _token_key_file(self):
        return self.folder / "hubwarden/store/token.key"

    def files_with_secrets(self):
        """The two files that hold a secret because that is what they are for, and which one."""
        return {
            self.folder / "keys/gateway.conf": {"gateway", "gateway, without its id"},
            self._token_key_file(): set(self.token_key()),
        }

    # ---- processes

    def printed(self):
        """What the script told the person who started it."""
        end = "token refresh"
        deadline = time.monotonic() + 30
        while end not in (text := (self.scratch / "start.log").read_text()) and time.monotonic() < deadline:
            time.sleep(0.02)
        return text

    def wait(self):
        """What the script ends with by itself."""
        return self._process.wait(timeout=60)

    def signal(self, name, number):
        """To one of the servers, or to `start`, the script that watches them."""
        os.kill(self._process.pid if name == "start" else self.pids[name], number)

    @staticmethod
    def is_running(pid):
        try:
            # After the name, which may hold anything: the state, Z for one that ended and was not yet asked about.
            return pathlib.Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] != "Z"
        except FileNotFoundError:
            return False

    def kill(self, name):
        """Ends a server as a crash would, and returns when it did."""
        self.signal(name, signal.SIGKILL)
        deadline = time.monotonic() + 30
        while self.is_running(self.pids[name]) and time.monotonic() < deadline:
            time.sleep(0.02)

    def stop(self):
        """Stops it as Ctrl-C does, and tells what the script ended with."""
        if self._process.poll() is None:
            self._process.send_signal(signal.SIGTERM)
        code = self._process.wait(timeout=60)
        self._log.close()
        return code


def _membership(text):
    states = ("accepted", "pending", "rejected")
    if text in states:
        return {"type": "Hub::AccessList", "id": f"datasets/acme/prompts/{text}"}
    return {"type": "Hub::OrgRole", "id": text}
