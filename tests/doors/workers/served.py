"""The port over a node in memory, in this process, and a client that speaks plain HTTP to it."""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress
from dataclasses import replace
from typing import Any, NamedTuple
from urllib.parse import quote

import h11

from crdtkv.doors.workers.port import Workers
from crdtkv.node.clock import SetClock
from crdtkv.node.node import Node
from crdtkv.node.settings import load
from crdtkv.server.limits import LIMITS
from crdtkv.server.ports import bound
from crdtkv.server.serving import Serving

__all__ = ["Answer", "Client", "port_of", "served"]


class Answer(NamedTuple):
    """A reply; `reason` is what a Worker is told of an error."""

    status: int
    reason: str
    headers: dict[str, str]
    body: bytes

    @property
    def json(self) -> Any:
        return json.loads(self.body)


class Client:
    """One connection. Each answer is waited for."""

    def __init__(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self.reader, self.writer = reader, writer
        self._h11 = h11.Connection(h11.CLIENT)

    async def ask(self, method: str, target: str, body: bytes = b"", **headers: str | bytes) -> Answer:
        """`x_kv_namespace="shop"` sends that header."""
        sent: list[tuple[str, str | bytes]] = [(name.replace("_", "-"), value) for name, value in headers.items()]
        head = h11.Request(
            method=method, target=target, headers=[("Host", "x"), ("Content-Length", str(len(body))), *sent]
        )
        for event in (head, h11.Data(data=body), h11.EndOfMessage()):
            self.writer.write(self._h11.send(event) or b"")
        await self.writer.drain()
        return await self.answer()

    async def answer(self) -> Answer:
        """The next."""
        head, body = None, b""
        while True:
            event = self._h11.next_event()
            if event is h11.NEED_DATA:
                self._h11.receive_data(await asyncio.wait_for(self.reader.read(1 << 20), 30))
            elif isinstance(event, h11.Response):
                head = event
            elif isinstance(event, h11.Data):
                body += event.data
            elif isinstance(event, h11.EndOfMessage):
                assert head is not None
                if self._h11.our_state is h11.DONE and self._h11.their_state is h11.DONE:
                    self._h11.start_next_cycle()
                plain = {name.decode(): value.decode() for name, value in head.headers}
                return Answer(head.status_code, head.reason.decode(), plain, body)
            else:
                raise ConnectionError(f"instead of an answer: {event}")

    async def get(self, key: str, query: str = "", **headers: str) -> Answer:
        return await self.ask("GET", target(key, query), **headers)

    async def put(self, key: str, body: bytes | str = b"", query: str = "", **headers: str | bytes) -> Answer:
        told = body.encode() if isinstance(body, str) else body
        return await self.ask("PUT", target(key, query), told, **headers)

    async def delete(self, key: str, **headers: str) -> Answer:
        return await self.ask("DELETE", target(key), **headers)

    async def list(self, query: str = "", **headers: str) -> Answer:
        return await self.ask("GET", f"/?{query}", **headers)

    async def bulk(self, *keys: str, **said: Any) -> Answer:
        return await self.ask("POST", "/bulk/get", json.dumps({"keys": keys, **said}).encode())

    async def raw(self, data: bytes) -> None:
        """As it is."""
        self.writer.write(data)
        await self.writer.drain()

    async def rest(self) -> bytes:
        """All that comes until it is closed."""
        try:
            return await asyncio.wait_for(self.reader.read(), 30)
        except ConnectionError:
            return b""

    async def close(self) -> None:
        self.writer.close()
        with suppress(ConnectionError):
            await self.writer.wait_closed()


def target(key: str, query: str = "") -> str:
    """As a KV binding writes it."""
    return f"/{quote(key, safe='')}?urlencoded=true{query}"


def port_of(node: Node, limits: dict[str, Any] | None = None, idle: float = 1000.0, **settings: Any) -> Workers:
    """A port of that node, bound and not yet started."""
    found = load(colo="lhr", data="lhr", workers="127.0.0.1:0", environment={}, **settings)
    return Workers(Serving(node, replace(LIMITS, **(limits or {}))), found, bound("workers", found.workers), idle)


class Served(NamedTuple):
    """A port that takes connections."""

    node: Node
    port: Workers
    clients: list[Client]

    @property
    def address(self) -> tuple[str, int]:
        host, port = self.port.address
        return host, port

    async def connect(self) -> Client:
        """Another client, which is closed in the end."""
        client = Client(*await asyncio.open_connection(*self.address))
        self.clients.append(client)
        return client


@asynccontextmanager
async def served(
    node: Node | None = None, limits: dict[str, Any] | None = None, idle: float = 1000.0, **settings: Any
) -> AsyncIterator[Served]:
    """A port over `node`, else one of its own, which closes with it."""
    clock = settings.get("workers_clock")
    options = {} if clock is None else {"clock": SetClock(clock)}
    own = Node(None, colo="lhr", **options) if node is None else node
    port = port_of(own, limits, idle, **settings)
    await port.start(None)
    here = Served(own, port, [])
    try:
        yield here
    finally:
        for client in here.clients:
            await client.close()
        port.stop()
        await port.ended()
        port.close()
        port._serving.close()
        if node is None:
            own.close()
