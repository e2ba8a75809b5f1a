"""Real colos with their doors open, and clients: what tests/doors/npm and tests/doors/python name (`make clients`).

Where these are not installed a test that wants them is skipped and says so; in CI it fails.
"""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import ExitStack
from pathlib import Path
from typing import Any

import httpx
import pytest

ROOT = Path(__file__).parent.parent.parent
SECRET = "a cluster secret for tests"
NPM = Path(__file__).parent / "npm"
PYTHON = ROOT / ".clients" / "bin" / "python"
ENVIRONMENT = ("PATH", "HOME", "TMPDIR", "LANG")

collect_ignore = ["python"]
"""Scripts for another environment, which has what they import."""

Js = Callable[..., str]


def missing() -> str | None:
    """Why no npm client can run here; None where all can."""
    if shutil.which("node") is None:
        return "no Node.js here: install version 20 or later, then make clients"
    ready, wanted = NPM / "node_modules" / "ready", NPM / "package.json"
    if not ready.exists() or ready.stat().st_mtime < wanted.stat().st_mtime:
        return "the npm clients are not installed: make clients"
    return None


@pytest.fixture
def py(tmp_path: Path) -> Js:
    """`py("cloudflare_keys.py", "word", TOKEN="t")`: as `js`, a script of tests/doors/python, with PyPI's clients."""
    if not python_is_ready():
        why = "the PyPI clients are not installed: make clients"
        if os.environ.get("CI"):
            pytest.fail(why, pytrace=False)
        pytest.skip(why)

    def run(name: str, *words: str, stdin: str = "", fails: bool = False, timeout: float = 120, **given: str) -> str:
        command = [str(PYTHON), str(Path(__file__).parent / "python" / name), *words]
        return _ran(command, tmp_path, stdin, fails, timeout, given)

    return run


def python_is_ready() -> bool:
    """Whether what is installed is what is wanted."""
    ready, wanted = ROOT / ".clients" / "ready", Path(__file__).parent / "python" / "requirements.txt"
    return ready.exists() and ready.stat().st_mtime >= wanted.stat().st_mtime


@pytest.fixture(scope="session")
def npm() -> Path:
    """The folder of the npm clients. A test that asks for it runs only where they are."""
    why = missing()
    if why is not None:
        if os.environ.get("CI"):
            pytest.fail(why, pytrace=False)
        pytest.skip(why)
    return NPM


@pytest.fixture
def js(npm: Path, tmp_path: Path) -> Js:
    """`js("cloudflare-keys.mjs", "word", TOKEN="t")`: what that script of tests/doors/npm printed.

    It fails where the script does, with all it said. `js("wrangler", "kv", ...)`, a name without a dot, is a command
    of a package. It runs in the test's folder, with nothing of this process's environment but PATH, HOME and
    what is given; `stdin` is text, `fails` says that it is to end with an error, which is what is returned then.
    """

    def run(name: str, *words: str, stdin: str = "", fails: bool = False, timeout: float = 120, **given: str) -> str:
        command = ["node", str(npm / name)] if "." in name else [str(npm / "node_modules" / ".bin" / name)]
        return _ran([*command, *words], tmp_path, stdin, fails, timeout, given)

    return run


def _ran(
    command: list[str], folder: Path, stdin: str, fails: bool, timeout: float, given: Mapping[str, str]
) -> str:  # fmt: skip
    known = {each: os.environ[each] for each in ENVIRONMENT if each in os.environ}
    done = subprocess.run(
        command, cwd=folder, env={**known, "NO_COLOR": "1", **given}, input=stdin, text=True, capture_output=True,
        timeout=timeout,
    )  # fmt: skip
    said = f"{' '.join(command[1:])} ended with {done.returncode}\n{done.stdout}\n{done.stderr}"
    assert (done.returncode != 0) == fails, said
    return done.stdout + done.stderr if fails else done.stdout


class Colo:
    """A colo in a process of its own: `url` is its HTTP, `http` a client of that."""

    def __init__(self, name: str, folder: Path, options: Sequence[str], stack: ExitStack, **variables: str) -> None:
        self.name = name
        known = {each: value for each, value in os.environ.items() if not each.startswith("CRDTKV_")}
        command = [sys.executable, "-m", "crdtkv.cli", "serve", "--colo", name, "--data", str(folder / name)]
        self.process = subprocess.Popen(
            [*command, "--listen", "127.0.0.1:0", *options], cwd=ROOT, stdout=subprocess.PIPE, text=True,
            env={**known, "CRDTKV_CLUSTER_SECRET": SECRET, **variables},
        )  # fmt: skip
        stack.callback(self._end)
        self._lines: list[str] = []
        self._told = 0
        self.url = self.said("serves").split()[-1]
        token = {"authorization": f"Bearer {variables.get('CRDTKV_ADMIN_TOKEN', 'none')}"}
        self.http = stack.enter_context(httpx.Client(base_url=self.url, timeout=60, headers=token))
        while self.http.get("/readyz").status_code == 503:  # it has met no other yet
            time.sleep(0.05)

    def said(self, word: str) -> str:
        """The first line it printed with that word, waited for."""
        assert self.process.stdout is not None
        for line in self._lines:
            if word in line:
                return line
        for line in self.process.stdout:
            self._lines.append(line.rstrip())
            if word in line:
                return self._lines[-1]
        raise AssertionError(f"{self.name} ended without {word!r}: {self._lines}")

    def door(self, name: str) -> str:
        """The address, host:port, of the door whose line begins so: `door("Workers KV")`."""
        return self.said(f"{name}: ").split("://", 1)[1].split()[0].strip(",")

    def told(self, other: Colo, namespace: str = "default") -> None:
        """All that was written here is at `other`, too."""
        path = f"/v1/{namespace}/keys/told"
        self._told += 1  # what changes nothing is not told
        session = self.http.put(path, json=f"{self.name} {self._told}").raise_for_status().headers["crdtkv-session"]
        for _ in range(30):  # each waits there for two seconds
            found = other.http.get(path, headers={"crdtkv-session": session})
            if found.status_code != 503:
                assert found.status_code == 200, found.text
                return
        raise AssertionError(f"{other.name} has not heard of {self.name}: {found.text}")

    def _end(self) -> None:
        self.process.kill()
        self.process.wait()
        assert self.process.stdout is not None
        self.process.stdout.close()


Colos = Callable[..., list[Any]]


@pytest.fixture(scope="module")
def colos(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Colos]:
    """`colos("lhr", "sin", options=["--workers", "127.0.0.1:0"], CRDTKV_LOG="error")`: real colos that exchange.

    They live as long as the tests of the module: those that need no other may share some.
    """
    with ExitStack() as stack:

        def start(*names: str, options: Sequence[str] = (), **variables: str) -> list[Colo]:
            found: list[Colo] = []
            folder = tmp_path_factory.mktemp("colos")
            for name in names:
                join = ["--join", found[0].url] if found else []
                found.append(Colo(name, folder, [*options, *join], stack, **variables))
            return found

        yield start
