"""One mini-hub for all tests; who changes people or tokens makes their own first, and pushes into what is theirs."""

import importlib
import os
import re

import pytest

from git_client import Git
from hub import Hub

# Nothing of the person who runs the tests takes part in them.
for variable in [name for name in os.environ if name.startswith(("HF_", "HUGGING", "TRANSFORMERS_", "GIT_"))]:
    del os.environ[variable]


@pytest.fixture(scope="session")
def hub(tmp_path_factory):
    hub = Hub(tmp_path_factory.mktemp("hub"))
    yield hub
    hub.stop()


@pytest.fixture
def own_hub(tmp_path):
    """A hub of the test's own, for who stops servers."""
    hub = Hub(tmp_path)
    yield hub
    hub.stop()


@pytest.fixture
def git(hub, tmp_path):
    return Git(hub, tmp_path)


@pytest.fixture(scope="session")
def client_environment(hub, tmp_path_factory):
    """What a person sets to use this hub with the Python client: where it is. The rest keeps the tests on this machine."""
    return {
        "HF_ENDPOINT": hub.url,
        "HF_HOME": str(tmp_path_factory.mktemp("hf-home")),
        "HF_HUB_DISABLE_XET": "1",
        "HF_HUB_DISABLE_TELEMETRY": "1",
        "HF_HUB_DISABLE_UPDATE_CHECK": "1",
        "HF_HUB_DISABLE_PROGRESS_BARS": "1",
    }


@pytest.fixture(scope="session")
def hf(client_environment):
    """The module `huggingface_hub`: it reads its environment when it is imported."""
    os.environ.update(client_environment)
    return importlib.import_module("huggingface_hub")


@pytest.fixture
def refused(hub, hf):
    """Calls what must be refused, and gives the exception."""
    from huggingface_hub.errors import HfHubHTTPError

    def call(kind, function, *arguments, **named):
        with pytest.raises(kind) as caught:
            function(*arguments, **named)
        error = caught.value
        hub.heard.append(f"{error!r} {error}".encode())
        # Whatever is local about an error, the server's answer is behind it.
        answer = error if isinstance(error, HfHubHTTPError) else error.__cause__
        error.status = answer.response.status_code
        error.reason = answer.response.headers.get("Hubwarden-Reason") or _reason(hub, answer.response.request)
        return error

    return call


def _reason(hub, request):
    """An `auth-check` tells its client no code: the same question, with the same credential, as a service asks it."""
    asked = re.fullmatch(r"/api/(.+)/auth-check(/write)?", request.url.path)
    if not asked:
        return None
    action = "repo.write" if asked[2] else "repo.content.read"
    return hub.check(request.headers.get("Authorization"), action, asked[1])["reason"]["code"]


def pytest_collection_modifyitems(items):
    """The search for secrets comes after everything that used one."""
    items.sort(key=lambda item: item.get_closest_marker("last") is not None)


def pytest_configure(config):
    config.addinivalue_line("markers", "last: runs after all others")
