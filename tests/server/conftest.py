"""A node in memory behind its application, and a real server in a process of its own."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from pathlib import Path
from typing import NamedTuple

import httpx
import pytest

from crdtkv.node.node import Node
from crdtkv.server.app import create_app
from tests.server.asgi import Client

ROOT = Path(__file__).parent.parent.parent


@pytest.fixture
def node() -> Iterator[Node]:
    with Node(None, colo="lhr") as node:
        yield node


@pytest.fixture
def client(node: Node) -> Iterator[Client]:
    with Client(create_app(node)) as client:
        yield client


class Server(NamedTuple):
    """A server, its URL, and a client of it."""

    process: subprocess.Popen[str]
    url: str
    http: httpx.Client


Start = Callable[..., Server]


@pytest.fixture
def start(tmp_path: Path) -> Iterator[Start]:
    """`start(*options)` serves colo lhr on a free port of this machine; ended with the test."""
    with ExitStack() as stack:

        def begin(*options: str, colo: str = "lhr", **variables: str) -> Server:
            command = [sys.executable, "-m", "crdtkv.cli", "serve", "--colo", colo, "--data", str(tmp_path / colo)]
            known = {name: value for name, value in os.environ.items() if not name.startswith("CRDTKV_")}
            process = subprocess.Popen(
                [*command, "--listen", "127.0.0.1:0", *options], cwd=ROOT, stdout=subprocess.PIPE, text=True,
                env={**known, **variables},
            )  # fmt: skip
            stack.callback(_end, process)
            assert process.stdout is not None
            url = process.stdout.readline().split()[-1]
            return Server(process, url, stack.enter_context(httpx.Client(base_url=url, timeout=30)))

        yield begin


def _end(process: subprocess.Popen[str]) -> None:
    process.kill()
    process.wait()
    assert process.stdout is not None
    process.stdout.close()
