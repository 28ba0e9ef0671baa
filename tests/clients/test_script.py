"""`examples/mini-hub/start` as a person meets it: what it prints works, and nothing is left when it stops."""

import os
import pathlib
import subprocess
import sys


def test_what_it_suggests_works_as_printed(own_hub, client_environment, tmp_path):
    _, _, text = own_hub.printed().partition("Try, in another terminal:\n")
    clients, _, operator = text.partition("The operator's key changes everything")
    home = tmp_path / "home"
    home.mkdir()
    environment = {
        **{
            name: value
            for name, value in client_environment.items()
            if name not in ("HF_ENDPOINT", "HF_HUB_DISABLE_XET")
        },
        "HOME": str(home),
        "HF_HOME": str(home / "hf"),
        "PATH": f"{pathlib.Path(sys.executable).parent}:{os.environ['PATH']}",
        "GIT_TERMINAL_PROMPT": "0",
    }
    exports = ""

    def run(command):
        return subprocess.run(
            ["bash", "-c", exports + command], cwd=home, env=environment, capture_output=True, text=True, check=False
        )

    ran = []
    for line in filter(None, map(str.strip, clients.splitlines())):
        if line.startswith("export "):
            exports += line + "\n"
            continue
        ran.append((line.split("#")[0], run(line)))
    whoami, hidden, tiny, dataset, clone, curl = (run for _, run in ran)
    assert whoami.returncode == 0 and "alice" in whoami.stdout, whoami
    assert tiny.returncode == 0 and any((home / "hf").rglob("model.safetensors")), tiny
    assert hidden.returncode != 0 and "not found" in hidden.stderr, hidden
    assert dataset.returncode == 0 and any((home / "hf").rglob("prompts.jsonl")), dataset
    assert clone.returncode == 0 and (home / "tiny/config.json").is_file(), clone
    assert " 403 " in curl.stdout.splitlines()[0] and "Hubwarden-Reason: gate_pending" in curl.stdout, curl

    laptop = own_hub["laptop"]
    assert own_hub.ask("/acme/tiny/resolve/main/config.json", laptop).status == 200
    script = operator.partition("\n")[2]
    refresh = next(line for line in script.splitlines() if " token refresh " in line)
    changed = run(script.replace(refresh, ""))
    assert changed.returncode == 0 and "revision" in changed.stdout, changed
    assert own_hub.ask("/acme/tiny/resolve/main/config.json", laptop).status == 404
    refreshed = run(f"export HUBWARDEN_KEY={own_hub.keys['operator']}\n{refresh}")
    assert refreshed.returncode == 0 and refreshed.stdout.startswith("hf_"), refreshed
    assert own_hub.ask("/acme/open/resolve/main/config.json", laptop).status == 401


def test_it_stops_when_told_to_and_leaves_nothing_behind(own_hub):
    assert own_hub.folder.exists()
    assert own_hub.stop() == 143
    assert not own_hub.folder.exists()
    assert not any(own_hub.is_running(pid) for pid in own_hub.pids.values())


def test_it_says_what_is_missing(tmp_path):
    start = pathlib.Path(__file__).parents[2] / "examples/mini-hub/start"
    run = subprocess.run(
        [start], env={**os.environ, "HUBWARDEN": str(tmp_path / "nothing")}, capture_output=True, text=True, check=False
    )
    assert run.returncode == 1 and "no hubwarden" in run.stderr
    run = subprocess.run([start, "--nonsense"], capture_output=True, text=True, check=False)
    assert run.returncode == 2 and "--ready-file FILE" in run.stderr
