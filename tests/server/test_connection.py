"""A connection's bytes: what is asked and what is sent, held against uvicorn's own."""

from __future__ import annotations

import asyncio
import json
import re
from collections.abc import Callable, Iterator
from typing import Any

import pytest
import uvicorn
from uvicorn.protocols.http.httptools_impl import HttpToolsProtocol
from uvicorn.server import ServerState

from crdtkv.node.node import Node
from crdtkv.server.app import create_app
from crdtkv.server.connection import SMALL, Connection, _Asked
from crdtkv.server.front import Front


class Wire(asyncio.Transport):
    """Keeps what is written to it."""

    def __init__(self) -> None:
        super().__init__({"sockname": ("127.0.0.1", 1), "peername": ("127.0.0.1", 2)})
        self.said = b""
        self.closed = self.paused = False

    def write(self, data: Any) -> None:
        assert not self.closed, "written to a connection that is closed"
        self.said += data

    def close(self) -> None:
        self.closed = True

    def is_closing(self) -> bool:
        return self.closed

    def pause_reading(self) -> None:
        self.paused = True

    def resume_reading(self) -> None:
        self.paused = False


class Talk:
    """A connection of `kind` to `app`, in an event loop of its own."""

    def __init__(self, app: Any, kind: type[HttpToolsProtocol], **given: Any) -> None:
        self.loop = asyncio.new_event_loop()
        options: dict[str, Any] = {"ws": "none", "lifespan": "off", "access_log": False, "proxy_headers": False}
        config = uvicorn.Config(app, http=kind, **options, **given)
        self.state = ServerState()
        self.state.default_headers = [(b"date", b"now")]
        self.wire = Wire()
        self.loop.run_until_complete(self._begin(kind, config))

    async def _begin(self, kind: type[HttpToolsProtocol], config: uvicorn.Config) -> None:
        self.protocol = kind(config, self.state, {}, self.loop)
        self.protocol.connection_made(self.wire)

    def send(self, *parts: bytes) -> bytes:
        """What is answered once all of these were sent."""
        already = len(self.wire.said)

        async def feed() -> None:
            for part in parts:
                if not self.wire.closed:
                    self.protocol.data_received(part)
                    await asyncio.sleep(0)
            while self.state.tasks or self.protocol.pipeline or self._waits():
                await asyncio.sleep(0)

        self.loop.run_until_complete(feed())
        return self.wire.said[already:]

    def _waits(self) -> bool:
        """Whether a write that needs no task is not answered."""
        return isinstance(asked := self.protocol.cycle, _Asked) and not asked.response_complete

    def close(self) -> None:
        if not self.wire.closed:
            self.protocol.connection_lost(None)
        self.loop.close()


@pytest.fixture
def app() -> Iterator[Front]:
    with Node(None, colo="lhr") as node:
        node.store("default").put("doc", {"a": 1})
        yield create_app(node)


Begin = Callable[..., Talk]


@pytest.fixture
def begin(app: Front) -> Iterator[Begin]:
    """`begin(kind, **options)`: another connection to the application."""
    talks: list[Talk] = []

    def talk(kind: type[HttpToolsProtocol] = Connection, **given: Any) -> Talk:
        talks.append(Talk(app, kind, **given))
        return talks[-1]

    yield talk
    for each in talks:
        each.close()


def ask(method: str, path: str, body: bytes = b"", *headers: str) -> bytes:
    lines = [f"{method} {path} HTTP/1.1", "host: lhr", *headers]
    if body and not any("chunked" in line for line in headers):
        lines.append(f"content-length: {len(body)}")
    return "\r\n".join([*lines, "", ""]).encode() + body


K = "/v1/default/keys"
REQUESTS = [
    ask("GET", f"{K}/doc"), ask("GET", f"{K}/doc"), ask("HEAD", f"{K}/doc"), ask("GET", f"{K}/doc?entry=true"),
    ask("GET", f"{K}/none"), ask("GET", f"{K}/doc", b"", "accept: application/vnd.crdtkv+json"),
    ask("GET", f"{K}/doc", b"", "if-none-match: *"), ask("GET", f"{K}/doc#part"), ask("GET", f"{K}/%64oc"),
    ask("GET", f"{K}/doc", b"a body"), ask("GET", f"{K}/doc/history"), ask("GET", f"{K}/doc?at=x"),
    ask("PUT", f"{K}/a", b"[1]"), ask("PUT", f"{K}/a", b"{"), ask("PUT", f"{K}/a"), ask("DELETE", f"{K}/a"),
    ask("POST", f"{K}/n/operations", b'{"op": "increment"}', "prefer: return=representation"),
    ask("PUT", f"{K}/a", b"3\r\n[1,\r\n2\r\n2]\r\n0\r\n\r\n", "transfer-encoding: chunked"),
    ask("PUT", f"{K}/a", b'"' + b"x" * (SMALL + 9) + b'"'), ask("SPIN", f"{K}/a"), ask("OPTIONS", f"{K}/a"),
    ask("PUT", f"{K}/a", b"[2]", "expect: 100-continue"), ask("GET", "/v1/default/keys?prefix=d"),
    ask("GET", f"{K}/doc", b"", "upgrade: h2c", "connection: upgrade"), ask("GET", f"http://lhr{K}/doc"),
    ask("GET", "/healthz"), ask("GET", "/nowhere"),
    ask("GET", f"{K}/doc", b"", "connection: close"), ask("GET", f"{K}/doc").replace(b"HTTP/1.1", b"HTTP/1.0"),
    b"GET /v1/default/keys/\xc3\xa9 HTTP/1.1\r\nhost: lhr\r\n\r\n", b"nonsense\r\n\r\n",
]  # fmt: skip


def plain(said: bytes) -> bytes:
    """Without what another write of the same thing has otherwise."""
    said = re.sub(rb"(lhr~[a-z0-9]+)\.\d+", rb"\1.N", said)
    said = re.sub(rb"crdtkv-session: [^\r]+", b"crdtkv-session: S", said)
    return re.sub(rb'"(stamp|wall_ms|value)":\d+', rb'"\1":0', said)


@pytest.mark.parametrize("request_", REQUESTS, ids=lambda r: r[:40].decode("latin-1"))
def test_it_is_answered_as_uvicorn_does(app: Front, begin: Begin, request_: bytes) -> None:
    """Also in pieces, and twice; what closes the one closes the other."""
    if request_.startswith(b"POST"):
        app.serving.node.store("default").counter("n").add(1)  # 200 and 200, not 201
    if request_.startswith(b"PUT"):
        app.serving.node.store("default").put("a", 0)
    answers = []
    for kind in (HttpToolsProtocol, Connection):
        talk = begin(kind)
        whole, again = talk.send(request_), b""
        if not talk.wire.closed:
            again = talk.send(*[request_[i : i + 7] for i in range(0, len(request_), 7)])
        answers.append((plain(whole), plain(again), talk.wire.closed, talk.state.total_requests))
    assert answers[0] == answers[1]
    assert answers[0][0]


def test_what_comes_at_once_is_answered_in_its_order(begin: Begin) -> None:
    """Reads that are at hand, writes that wait for a commit, and what the router answers."""
    asked = [
        ask("GET", f"{K}/doc"), ask("PUT", f"{K}/x", b"1"), ask("GET", f"{K}/x"), ask("GET", "/healthz"),
        ask("GET", f"{K}/doc"), ask("PUT", f"{K}/x", b"2"), ask("PUT", f"{K}/y", b"3"), ask("GET", f"{K}/x"),
    ]  # fmt: skip
    talk = begin()
    talk.send(ask("GET", f"{K}/doc"))
    said = talk.send(b"".join(asked))
    bodies = [part.partition(b"\r\n\r\n")[2] for part in said.split(b"HTTP/1.1 ")[1:]]
    assert [json.loads(body) for body in bodies[2:5]] == [1, {"status": "ok"}, {"a": 1}]
    assert [json.loads(body).get("key") for body in (bodies[1], bodies[5], bodies[6])] == ["x", "x", "y"]
    assert json.loads(bodies[0]) == {"a": 1} and json.loads(bodies[7]) == 2
    assert not talk.wire.paused


def test_what_was_read_before_is_written_out_at_once(begin: Begin) -> None:
    """In the very call that brings the request; and another value once the key has one."""
    talk = begin()
    talk.send(ask("GET", f"{K}/doc"))
    for _ in range(2):
        before = len(talk.wire.said)
        talk.protocol.data_received(ask("GET", f"{K}/doc"))
        assert talk.wire.said[before:].endswith(b'{"a":1}') and not talk.state.tasks
    talk.send(ask("PUT", f"{K}/doc", b"2"))
    assert talk.send(ask("GET", f"{K}/doc")).endswith(b"\r\n\r\n2")


def test_too_many_are_told_so_in_json(begin: Begin) -> None:
    talk = begin(limit_concurrency=1)
    said = talk.send(ask("GET", f"{K}/doc"))
    head, _, body = said.partition(b"\r\n\r\n")
    assert head.startswith(b"HTTP/1.1 503") and b"retry-after: 1" in head and talk.wire.closed
    assert json.loads(body)["code"] == "overloaded" and json.loads(body)["happened"] == "no"


def test_one_that_is_idle_for_long_is_closed(begin: Begin) -> None:
    talk = begin()
    connection: Any = talk.protocol
    talk.send(ask("GET", f"{K}/doc")[:-2])
    connection._look()
    assert not talk.wire.closed, "it is asking for something"
    talk.send(b"\r\n")
    connection._look()
    assert not talk.wire.closed, "it has been idle for a moment"
    connection._idle_since -= connection.timeout_keep_alive
    connection._look()
    assert talk.wire.closed


def test_a_server_that_stops_answers_what_it_has_begun(begin: Begin) -> None:
    talk = begin()

    async def stop() -> None:
        talk.protocol.data_received(ask("PUT", f"{K}/x", b"1"))
        talk.protocol.shutdown()
        assert not talk.wire.closed

    talk.loop.run_until_complete(stop())
    said = talk.send()
    assert said.startswith(b"HTTP/1.1 201") and b"\r\nconnection: close\r\n" in said and talk.wire.closed


def test_who_has_gone_is_told_nothing(app: Front, begin: Begin) -> None:
    """What he asked for is done for all that."""
    talk = begin()

    async def leave() -> None:
        talk.protocol.data_received(ask("PUT", f"{K}/x", b"1"))
        talk.wire.close()
        talk.protocol.connection_lost(None)

    talk.loop.run_until_complete(leave())
    assert talk.send() == b"" and app.serving.node.store("default")["x"] == 1


def test_a_header_that_would_break_the_reply_is_not_sent(begin: Begin) -> None:
    talk = begin()
    bad = (b"content-type", b"a\r\nset-cookie: b")
    with pytest.raises(RuntimeError, match="would break the reply"):
        talk.protocol._said(200, [bad], b"")  # type: ignore[attr-defined]
