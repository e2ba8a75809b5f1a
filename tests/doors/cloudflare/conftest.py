"""Cloudflare's API over a node in memory, in this process."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from crdtkv.doors.cloudflare.door import Cloudflare
from crdtkv.node.node import Node
from crdtkv.server.app import create_app
from tests.server.asgi import Client

BASE = "/client/v4/accounts/me/storage/kv/namespaces"


@pytest.fixture
def node() -> Iterator[Node]:
    with Node(None, colo="lhr") as node:
        yield node


@pytest.fixture
def client(node: Node) -> Iterator[Client]:
    with Client(create_app(node, doors=[Cloudflare])) as client:
        yield client
