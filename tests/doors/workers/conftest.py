"""Workers in the real runtimes, their KV binding served by a real colo, or by miniflare itself to compare with."""

from __future__ import annotations

import json
import os
import re
import subprocess
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from pathlib import Path
from typing import Any

import httpx
import pytest

from tests.doors.conftest import ROOT

PAGE = ROOT / "docs" / "workers.md"


class Worker:
    """One that runs. `http` is a client of it."""

    def __init__(self, url: str, stack: ExitStack) -> None:
        self.http = stack.enter_context(httpx.Client(base_url=url, timeout=120))

    def calls(self, *calls: list[Any]) -> list[Any]:
        """What came of each call of its binding (npm/workers-calls.js)."""
        found: list[Any] = self.http.post("/", json=calls).raise_for_status().json()
        return found

    def call(self, method: str, *given: Any) -> Any:
        """What came of it."""
        return self.calls([method, *given])[0]


Run = Callable[..., Worker]


def block(kind: str, holding: str) -> str:
    """The block of that kind on our page with these words in it."""
    found = [text for text in re.findall(rf"```{kind}\n(.*?)```", PAGE.read_text(), re.S) if holding in text]
    assert len(found) == 1
    return str(found[0])


@pytest.fixture(scope="module")
def workerd(npm: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Run]:
    """`workerd(port, script)`: it runs in workerd, by the config of our page; its KV is served at `port`, host:port."""
    (binary,) = (npm / "node_modules" / "@cloudflare").glob("workerd-*/bin/workerd")
    with ExitStack() as stack:

        def run(port: str, script: str, namespace: str = "default", token: str = "none") -> Worker:
            folder = tmp_path_factory.mktemp("workerd")
            (folder / "worker.js").write_text(script)
            config = block("capnp", "kvNamespace")
            for ours, given in (
                ("127.0.0.1:8787", port), ("127.0.0.1:8080", "127.0.0.1:0"), ('"default"', f'"{namespace}"'),
                ("the token, if there is one", token),
            ):  # fmt: skip
                assert ours in config
                config = config.replace(ours, given)
            (folder / "config.capnp").write_text(config)
            reads, writes = os.pipe()
            process = subprocess.Popen(
                [str(binary), "serve", "config.capnp", f"--control-fd={writes}"], cwd=folder, pass_fds=[writes]
            )
            os.close(writes)
            stack.callback(process.wait)
            stack.callback(process.kill)
            with os.fdopen(reads) as told:
                return Worker(f"http://127.0.0.1:{json.loads(told.readline())['port']}", stack)

        yield run


@pytest.fixture(scope="module")
def miniflare(npm: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Run]:
    """`miniflare(port, script)`: it runs in miniflare; without a port its KV is miniflare's own."""
    with ExitStack() as stack:

        def run(port: str | None, script: str, namespace: str = "default", token: str = "none") -> Worker:
            folder = tmp_path_factory.mktemp("miniflare")
            (folder / "worker.js").write_text(script)
            url = [] if port is None else [f"http://{port}/?namespace={namespace}&token={token}"]
            process = subprocess.Popen(
                ["node", str(npm / "workers-miniflare.mjs"), "worker.js", *url], cwd=folder, text=True,
                stdin=subprocess.PIPE, stdout=subprocess.PIPE,
            )  # fmt: skip
            assert process.stdout is not None and process.stdin is not None
            stack.callback(process.wait)
            stack.callback(process.stdout.close)
            stack.callback(process.stdin.close)
            return Worker(process.stdout.readline().strip(), stack)

        yield run


@pytest.fixture(scope="module", params=["workerd", "miniflare"])
def worker(request: pytest.FixtureRequest) -> Run:
    """In either."""
    found: Run = request.getfixturevalue(request.param)
    return found


@pytest.fixture(scope="session")
def calls(npm: Path) -> str:
    """A Worker that makes the calls that it is sent."""
    return (npm / "workers-calls.js").read_text()
