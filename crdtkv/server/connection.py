"""A connection: uvicorn's, but that a small request that a door answers is answered without what only others need.

uvicorn makes of each request a task, an event, a timer and two writes, which is most of what it takes. Here a GET
that was answered before is written out at once; a write that waits for its commit alone needs no task; any other
small request of a door is one, begun when all of it is here, and one write. Law of this room: what is sent is, byte
for byte, what uvicorn would send, in the order in which it was asked for; whatever is not plain is uvicorn's.
"""

from __future__ import annotations

from functools import partial
from typing import TYPE_CHECKING, Any, cast
from urllib.parse import unquote

from uvicorn.protocols.http.httptools_impl import STATUS_LINE, HttpToolsProtocol

from crdtkv.errors import Overloaded
from crdtkv.server.asking import CONNECTION, HEADERS, Header, Receive, Reply, Scope, Send, problem
from crdtkv.server.front import sized

if TYPE_CHECKING:
    from crdtkv.server.front import Door, Front

__all__ = ["SMALL", "Connection"]

SMALL = 65_536
"""Bytes of a body that is waited for whole; a larger one is read at the pace of who takes it."""

_OF_VALUES = bytes((0x09, *range(0x20, 0x7F), *range(0x80, 0x100)))
"""What a header's value may be made of."""


class Connection(HttpToolsProtocol):
    """Of one client."""

    def __init__(self, *given: Any, **named: Any) -> None:
        super().__init__(*given, **named)
        self._front = cast("Front", self.app)
        self._limit, self.limit_concurrency = self.limit_concurrency, None
        self._remembered: dict[Any, Any] = {}
        """By a door, of whoever it is."""
        self._idle_since: float | None = None
        """When the last of what was asked for had been answered; None: something is asked for."""
        self._usual: tuple[Any, bytes] = ((), b"")
        """The headers of every reply, and how they are sent."""

    # one timer, for as long as it lasts, in the place of one for each request

    def connection_made(self, transport: Any) -> None:
        super().connection_made(transport)
        self._rest()
        self.timeout_keep_alive_task = self.loop.call_later(self.timeout_keep_alive, self._look)

    def connection_lost(self, exc: Exception | None) -> None:
        super().connection_lost(exc)
        if self.timeout_keep_alive_task is not None:
            self.timeout_keep_alive_task.cancel()

    def _rest(self) -> None:
        self._idle_since = self.loop.time()

    def _unset_keepalive_if_required(self) -> None:
        self._idle_since = None

    def _look(self) -> None:
        """Whether it has been idle for too long."""
        since = self._idle_since
        left = self.timeout_keep_alive if since is None else since + self.timeout_keep_alive - self.loop.time()
        if left > 0:
            self.timeout_keep_alive_task = self.loop.call_later(left, self._look)
        elif not self.transport.is_closing():
            self.transport.close()

    def on_response_complete(self) -> None:
        self.server_state.total_requests += 1
        if self.transport.is_closing():
            return
        self.flow.resume_reading()
        if self.pipeline:
            self._start_asgi_task(*self.pipeline.pop())
        else:
            self._rest()

    # what is asked

    def on_message_begin(self) -> None:
        self.url = b""
        self.expect_100_continue = False
        self.headers = []

    # (the next two are as uvicorn's, but compiled)

    def on_url(self, url: bytes) -> None:
        self.url = self.url + url

    def on_header(self, name: bytes, value: bytes) -> None:
        name = name.lower()
        if name == b"expect" and value.lower() == b"100-continue":
            self.expect_100_continue = True
        self.headers.append((name, value))

    def on_headers_complete(self) -> None:
        if len(self.connections) >= (self._limit or len(self.connections) + 1):
            self._uvicorn_s(_overloaded)
            return
        path, mark, query = self.url.partition(b"?")
        door = self._front.door(path)
        headers = dict(self.headers)
        if door is None or not self._is_plain(path, headers):
            self._uvicorn_s(self._front)
            return
        method = self.parser.get_method()
        if method == b"GET" and not mark:
            told = self._front.serving.warm.again(path, self.headers)
            if told is not None:
                if told.noted is not None:
                    told.noted(self.headers, self._remembered)
                self.cycle = _ANSWERED
                self._front.serving.count("GET", 200)
                self.transport.write(self._said(200, told.headers, told.body))
                self.on_response_complete()
                return
        text = path.decode("ascii")
        scope: Scope = {
            "type": "http", "http_version": "1.1", "method": method.decode("ascii"), "raw_path": path,
            "path": unquote(text) if "%" in text else text, "query_string": query, "headers": self.headers,
            "scheme": self.scheme, "client": self.client, "server": self.server, CONNECTION: self._remembered,
            HEADERS: headers,
        }  # fmt: skip
        self.scope = scope  # type: ignore[assignment]
        self.cycle = _Asked(scope, door)  # type: ignore[assignment]

    def _is_plain(self, path: bytes, headers: dict[bytes, bytes]) -> bool:
        """Whether a small request begins, and all that was asked for before is answered."""
        if self.url.find(b"#") >= 0 or not path.isascii():
            return False
        if (self.cycle is not None and not self.cycle.response_complete) or self.flow.write_paused:
            return False
        parser = self.parser
        if self.expect_100_continue or parser.should_upgrade() or not parser.should_keep_alive():
            return False
        if parser.get_http_version() != "1.1" or b"transfer-encoding" in headers:
            return False
        return int(headers.get(b"content-length", 0)) <= SMALL

    def _uvicorn_s(self, app: Any) -> None:
        """It is answered as uvicorn does, by `app`."""
        url, headers, expects = self.url, self.headers, self.expect_100_continue
        super().on_message_begin()
        self.url, self.headers, self.expect_100_continue = url, headers, expects
        self.scope["headers"], self.app = headers, app
        self.scope[CONNECTION] = self._remembered  # type: ignore[literal-required]
        super().on_headers_complete()

    def on_body(self, body: bytes) -> None:
        if isinstance(self.cycle, _Asked):
            self.cycle.body += body
        else:
            super().on_body(body)

    def on_message_complete(self) -> None:
        asked = self.cycle
        if not isinstance(asked, _Asked):
            super().on_message_complete()
        elif not (asked.response_complete or asked.door.begin(asked.scope, asked.body, partial(self._finish, asked))):
            task = self.loop.create_task(self._answer(asked))
            self.tasks.add(task)
            task.add_done_callback(self.tasks.discard)

    # what is answered

    async def _answer(self, asked: _Asked) -> None:
        try:
            reply = await asked.door.answer(asked.scope, asked.receive)
            if self.flow.write_paused:
                await self.flow.drain()
        except BaseException:
            self.transport.close()
            raise
        self._finish(asked, reply)

    def _finish(self, asked: _Asked, reply: Reply) -> None:
        try:
            reply = sized(reply)
            if not asked.keep_alive:  # the server stops
                reply.headers.append((b"connection", b"close"))
            told = self._said(reply.status, reply.headers, b"" if asked.scope["method"] == "HEAD" else reply.body)
        except BaseException:
            self.transport.close()
            raise
        asked.response_complete = True
        if not self.transport.is_closing():
            self.transport.write(told)
        if not asked.keep_alive:
            self.transport.close()
        self.on_response_complete()

    def _said(self, status: int, headers: list[Header], body: bytes) -> bytes:
        usual = self.server_state.default_headers
        if self._usual[0] is not usual:  # another list each second
            self._usual = usual, b"".join([b"%b: %b\r\n" % header for header in usual])
        if b"".join([value for _, value in headers]).translate(None, _OF_VALUES):
            raise RuntimeError(f"a header would break the reply: {headers!r:.200}")
        parts = [STATUS_LINE[status], self._usual[1]]
        for name, value in headers:
            parts.append(name)
            parts.append(b": ")
            parts.append(value)
            parts.append(b"\r\n")
        parts.append(b"\r\n")
        parts.append(body)
        return b"".join(parts)


class _Asked:
    """A request that is plain; to uvicorn, its cycle."""

    __slots__ = ("body", "disconnected", "door", "keep_alive", "message_event", "response_complete", "scope")

    def __init__(self, scope: Any, door: Any) -> None:
        self.scope: Scope = scope
        self.door: Door = door
        self.body = b""
        self.disconnected = self.response_complete = False
        self.keep_alive = True
        self.message_event = _NOBODY

    async def receive(self) -> dict[str, Any]:
        """ASGI: all of the body."""
        return {"type": "http.request", "body": self.body, "more_body": False}


class _Nobody:
    """Waits for an event."""

    def set(self) -> None:
        pass


_NOBODY = _Nobody()
_ANSWERED: Any = _Asked({}, None)
_ANSWERED.response_complete = True


async def _overloaded(scope: Scope, receive: Receive, send: Send) -> None:
    error = Overloaded("too many connections are open here", next_step="close some, or wait, then try again")
    reply: Reply = problem(error)
    headers = [*reply.headers, (b"content-length", b"%d" % len(reply.body)), (b"connection", b"close")]
    await send({"type": "http.response.start", "status": reply.status, "headers": headers})
    await send({"type": "http.response.body", "body": b"" if scope["method"] == "HEAD" else reply.body})
