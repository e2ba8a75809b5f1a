"""Colos in one process, each with a server on a socket of its own, for tests that wait for what must come."""

from __future__ import annotations

import asyncio
import socket
import time
from collections.abc import AsyncIterator, Callable, Iterable, Sequence
from contextlib import asynccontextmanager
from pathlib import Path
from random import Random
from ssl import SSLContext
from typing import Any

import uvicorn

from crdtkv.gossip.settings import Settings
from crdtkv.node.node import Node
from crdtkv.server.connection import Connection
from crdtkv.server.front import Front
from crdtkv.server.serving import Serving
from crdtkv.store.store import Store
from crdtkv.transport.transport import Transport
from tests.cluster.proxy import Proxy, free_port

__all__ = ["PATIENCE_S", "SECRET", "Colo", "apart", "colos", "eventually", "met", "same"]

PATIENCE_S = 60.0
SECRET = (b"correct horse battery staple",)


class Colo:
    """A node that serves its door on a port of its own."""

    def __init__(
        self, name: str, folder: Path | None = None, secrets: Sequence[bytes] = SECRET,
        settings: Settings | None = None, seed: int = 0,
    ) -> None:  # fmt: skip
        self.name, self.folder, self.secrets, self.settings = name, folder, secrets, settings
        self.seed = seed
        self.port = 0
        self.source = self.front = ""
        self.running = False
        self.certificate: tuple[Path, Path] | None = None
        self.tls: SSLContext | None = None

    async def start(self, join: Iterable[str] = ()) -> Colo:
        """It listens where it did before, and joins."""
        self.node = Node(self.folder, colo=self.name)
        listening = socket.socket()
        listening.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        listening.bind(("127.0.0.1", self.port))
        self.port = listening.getsockname()[1]
        self.url = f"{'https' if self.certificate else 'http'}://127.0.0.1:{self.port}"
        self.transport = Transport(
            self.node, url=self.front or self.url, join=join, secrets=self.secrets,
            dice=Random(f"{self.name}{self.seed}"), settings=self.settings, source=self.source, forget_s=None,
            tls=self.tls,
        )  # fmt: skip
        cert, key = self.certificate or (None, None)
        self._front = Front(Serving(self.node), None)
        self._front.letters.door = self.transport.door
        config = uvicorn.Config(
            self._front, http=Connection, lifespan="off", log_level="error", ws="none", proxy_headers=False,
            ssl_certfile=cert, ssl_keyfile=key,
        )  # fmt: skip
        self._server = uvicorn.Server(config)
        self._server.capture_signals = _no_signals  # type: ignore[method-assign, assignment]
        self._serving = asyncio.create_task(self._server.serve(sockets=[listening]))
        await self.transport.start()
        self.running = True
        return self

    async def stop(self) -> None:
        self.running = False
        await self.transport.stop()
        self._server.should_exit = True
        self._server.force_exit = True
        await self._serving
        self._front.serving.close()
        self.node.close()

    def store(self, name: str = "default") -> Store:
        return self.node.store(name)


class _no_signals:
    def __init__(self, *_: Any) -> None: ...

    def __enter__(self) -> None: ...

    def __exit__(self, *_: object) -> None: ...


@asynccontextmanager
async def colos(*names: str, **options: Any) -> AsyncIterator[list[Colo]]:
    """Each joins through the first; all have `met` when this begins."""
    made = [Colo(name, **options) for name in names]
    try:
        for colo in made:
            await colo.start(join=[made[0].url] if colo is not made[0] else [])
        await eventually(lambda: met(made), "they did not meet")
        yield made
    finally:
        await asyncio.gather(*(colo.stop() for colo in made if colo.running))


@asynccontextmanager
async def apart(*names: str, **options: Any) -> AsyncIterator[tuple[list[Colo], Proxy]]:
    """As `colos`, but all that they say to each other goes through the proxy."""
    made = [Colo(name, **options) for name in names]
    for i, colo in enumerate(made):
        colo.source, colo.port = f"127.0.0.{i + 2}", free_port()
    of = {colo.source: colo.name for colo in made}
    proxy = Proxy({colo.name: colo.port for colo in made}, who=lambda host, port: of.get(host))
    await proxy.start()
    try:
        for colo in made:
            colo.front = f"http://127.0.0.1:{proxy.ports[colo.name]}"
            await colo.start(join=[made[0].front] if colo is not made[0] else [])
        await eventually(lambda: met(made), "they did not meet")
        yield made, proxy
    finally:
        await proxy.stop()
        await asyncio.gather(*(colo.stop() for colo in made if colo.running))


async def eventually(holds: Callable[[], Any], words: str = "it never came about") -> None:
    """Wait until it holds; not for luck: what must come has to, within PATIENCE_S."""
    until = time.monotonic() + PATIENCE_S
    while not holds():
        assert time.monotonic() < until, words
        await asyncio.sleep(0.005)


def met(made: Sequence[Colo]) -> bool:
    """Whether they hold the same, and each knows where each other is reached: one that goes away now is not missed."""
    known = all(len(colo.transport._links) == len(made) - 1 for colo in made)
    return known and same(made, "~system", len(made)) and same(made, "default", len(made))


def same(made: Sequence[Colo], name: str = "default", members: int | None = None) -> bool:
    """Whether they hold the same of that namespace, and, if that is asked, so many are members."""
    stores = [colo.node.system if name == "~system" else colo.node._by_name.get(name) for colo in made]
    if any(store is None for store in stores):
        return False
    if members is not None and any(len(store.members) != members for store in stores):  # type: ignore[union-attr]
        return False
    vectors = [store.vector for store in stores]  # type: ignore[union-attr]
    return all(vector == vectors[0] for vector in vectors) and len({s.digest() for s in stores}) == 1  # type: ignore[union-attr]
