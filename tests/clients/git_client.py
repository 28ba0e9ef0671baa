"""The `git` on this machine, as a person uses it: the token is the password, and nothing else is configured."""

import os
import subprocess
import uuid

# What a credential helper does for people: the password comes from a store, here the environment.
HELPER = '!f() { test "$1" = get && echo "username=somebody" && echo "password=$TOKEN"; }; f'


class Git:
    def __init__(self, hub, folder):
        self.hub, self.folder, self._count = hub, folder, 0
        (folder / "home").mkdir()

    def run(self, *arguments, token=None, cwd=None, **variables):
        """Tells whether it succeeded, and what git said to the person."""
        environment = {
            "PATH": os.environ["PATH"],
            "HOME": str(self.folder / "home"),
            "GIT_CONFIG_NOSYSTEM": "1",
            "GIT_TERMINAL_PROMPT": "0",
            **{f"GIT_{role}_{what}": "alice" for role in ("AUTHOR", "COMMITTER") for what in ("NAME", "EMAIL")},
            **variables,
        }
        command = ["git"]
        if token:
            environment["TOKEN"] = token
            command += ["-c", f"credential.helper={HELPER}"]
        run = subprocess.run(
            [*command, *arguments], cwd=cwd or self.folder, env=environment, capture_output=True, text=True, check=False
        )
        said = run.stdout + run.stderr
        if "TRACE" not in " ".join(variables):
            self.hub.heard.append(said.encode())
        return run.returncode == 0, said

    def clone(self, repo, token=None, **variables):
        """A clone's folder, or what git said instead."""
        self._count += 1
        target = self.folder / f"clone-{self._count}"
        done, said = self.run("clone", "--quiet", f"{self.hub.url}/{repo}", str(target), token=token, **variables)
        return target if done else said

    def commit(self, clone, name="note.txt", content=None):
        """A commit that is new to the hub; its id."""
        content = content or uuid.uuid4().hex.encode()
        (clone / name).write_bytes(content)
        self.must("add", name, cwd=clone)
        self.must("commit", "--quiet", "--message", f"Add {name}", cwd=clone)
        return self.must("rev-parse", "HEAD", cwd=clone).strip()

    def push(self, clone, token=None, *arguments, **variables):
        """`None` when it went through, or what git said instead."""
        done, said = self.run(*arguments, "push", "--quiet", "origin", "HEAD:main", token=token, cwd=clone, **variables)
        return None if done else said

    def must(self, *arguments, cwd=None):
        done, said = self.run(*arguments, cwd=cwd)
        assert done, said
        return said

    def head(self, repo):
        """The commit that the hub's own bare repository is at."""
        return self.must("--git-dir", str(self.hub.folder / "git" / f"{repo}.git"), "rev-parse", "main").strip()
