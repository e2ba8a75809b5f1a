"""One POST after another to other colos over HTTP/1.1, on connections that stay open.

Law of this room: an answer is read only as far as its first bytes, which `size_of` looks at,
say that it goes. A connection serves one call at a time, and serves no other when a call on
it failed or was given up. (Parser: httptools, which uvicorn brings.)
"""

from __future__ import annotations

import asyncio
from collections import defaultdict
from collections.abc import Callable
from ssl import SSLContext, create_default_context
from typing import Any, NamedTuple
from urllib.parse import SplitResult, urlsplit

__all__ = ["CONNECT_S", "MAX_WORDS", "SILENT_S", "Answer", "Broken", "Calls"]

CONNECT_S = 3.0
SILENT_S = 5.0
"""A connection on which nothing came for so long is given up."""

MAX_WORDS = 200
"""Bytes that are read of an answer in words."""

_MAX_HEADERS = 1 << 14

_SizeOf = Callable[[bytes], int]
"""How large an answer is in all, by its first bytes. What it raises, the call raises."""


class Broken(OSError):
    """The connection broke, or what came on it is not HTTP. `begun`: part of an answer had come."""

    def __init__(self, words: str, begun: bool = False) -> None:
        super().__init__(words)
        self.begun = begun


class Answer(NamedTuple):
    """`words`: it is text, cut to `MAX_WORDS`."""

    status: int
    words: bool
    body: bytes


class Calls:
    """Connections to other colos. `tls`: whose certificates they must show, None: those that the system trusts.

    `source`: the address of this machine that is spoken from; "": any. For one event loop.
    """

    def __init__(self, tls: SSLContext | None = None, source: str = "") -> None:
        self._tls, self._source = tls, source
        self._idle: dict[str, list[_Line]] = defaultdict(list)
        self._lines: set[_Line] = set()
        self.closed = False

    async def post(self, url: str, data: bytes, first: int, size_of: _SizeOf) -> Answer:
        """The answer to `data`. `size_of` is asked as soon as `first` bytes have come.

        Raises OSError, TimeoutError, ValueError for a URL that is none, and what `size_of` raises.
        """
        line = await self._line(url)
        try:
            answer = await line.post(data, first, size_of)
        except BaseException:
            line.abort()
            raise
        if line.reusable and not self.closed:
            self._idle[url].append(line)
        else:
            line.abort()
        return answer

    async def _line(self, url: str) -> _Line:
        idle = self._idle[url]
        while idle:
            line = idle.pop()
            if line.open:
                return line
        to = urlsplit(url)
        if to.scheme not in ("http", "https") or not to.hostname:
            raise ValueError(f"{url!r} is no URL of a colo")
        loop = asyncio.get_running_loop()
        options: dict[str, Any] = {"ssl": self._context()} if to.scheme == "https" else {}
        if self._source:
            options["local_addr"] = (self._source, 0)
        async with asyncio.timeout(CONNECT_S):
            port = to.port or (443 if to.scheme == "https" else 80)
            _, made = await loop.create_connection(lambda: _Line(to, self._lines.discard), to.hostname, port, **options)
        self._lines.add(made)
        return made

    def _context(self) -> SSLContext:
        if self._tls is None:
            self._tls = create_default_context()
        return self._tls

    def retire(self) -> None:
        """What is under way ends as usual; nothing is kept for later."""
        self.closed = True
        for line in [line for idle in self._idle.values() for line in idle]:
            line.abort()
        self._idle.clear()

    def close(self) -> None:
        """All connections are closed. Idempotent."""
        self.retire()
        for line in list(self._lines):
            line.abort()


class _Line(asyncio.Protocol):
    """One connection."""

    def __init__(self, to: SplitResult, gone: Callable[[_Line], None]) -> None:
        path = to.path or "/"
        host = to.netloc.rpartition("@")[2]
        self._head = f"POST {path} HTTP/1.1\r\nhost: {host}\r\ncontent-length: ".encode("ascii")
        self._gone = gone
        self._transport: asyncio.Transport | None = None
        self._parser: Any = None
        self._waiting: asyncio.Future[Answer] | None = None
        self._timer: asyncio.TimerHandle | None = None
        self._loop = asyncio.get_running_loop()
        self.reusable = False

    @property
    def open(self) -> bool:
        """Whether it may be written to, as far as is known."""
        return self._transport is not None and not self._transport.is_closing()

    def abort(self) -> None:
        """It is closed, at once. Idempotent."""
        if self._transport is not None:
            self._transport.abort()

    async def post(self, data: bytes, first: int, size_of: _SizeOf) -> Answer:
        """The answer to `data`."""
        from httptools import HttpResponseParser

        assert self._transport is not None and self._waiting is None
        self._parser = HttpResponseParser(self)
        self._body, self._first, self._size_of, self._most = bytearray(), first, size_of, 0
        self._words = self.reusable = False
        self._headers = 0
        waiting: asyncio.Future[Answer] = self._loop.create_future()
        self._waiting = waiting
        self._transport.write(b"%b%d\r\n\r\n%b" % (self._head, len(data), data))
        self._heard = self._loop.time()
        self._timer = self._loop.call_later(SILENT_S, self._look)
        try:
            return await waiting
        finally:
            self._waiting = None
            self._timer.cancel()

    def _look(self) -> None:
        left = self._heard + SILENT_S - self._loop.time()
        if left <= 0:
            self._fail(TimeoutError(f"nothing came for {SILENT_S:g} s"))
        else:
            self._timer = self._loop.call_later(left, self._look)

    def _fail(self, error: BaseException) -> None:
        if self._waiting is not None and not self._waiting.done():
            self._waiting.set_exception(error)
        self.abort()

    # of the connection

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport = transport  # type: ignore[assignment]

    def connection_lost(self, error: Exception | None) -> None:
        self._gone(self)
        self._fail(Broken(str(error or "it was closed"), begun=self._waiting is not None and bool(self._body)))

    def data_received(self, data: bytes) -> None:
        self._heard = self._loop.time()
        if self._waiting is None or self._waiting.done():
            self.abort()  # nobody asked
            return
        try:
            self._parser.feed_data(data)
        except Exception as error:
            self._fail(Broken(f"what came is not HTTP: {error}"))

    # of the parser

    def on_header(self, name: bytes, value: bytes) -> None:
        self._headers += len(name) + len(value)
        if self._headers > _MAX_HEADERS:
            raise ValueError(f"more than {_MAX_HEADERS} bytes of headers came")
        if name.lower() == b"content-type":
            self._words = value.startswith(b"text/")

    def on_headers_complete(self) -> None:
        self._words = self._words or self._parser.get_status_code() not in (200, 409)

    def on_body(self, data: bytes) -> None:
        body = self._body
        body += data
        if self._words:
            if len(body) >= MAX_WORDS:
                self._done()
            return
        if not self._most and len(body) >= self._first:
            try:
                self._most = self._size_of(bytes(body[: self._first]))
            except Exception as error:
                self._fail(error)
                return
        if len(body) > (self._most or self._first):
            self._fail(Broken("more came than its head says", begun=True))

    def on_message_complete(self) -> None:
        self.reusable = self._parser.should_keep_alive()
        self._done()

    def _done(self) -> None:
        if self._waiting is not None and not self._waiting.done():
            body = bytes(self._body[:MAX_WORDS]) if self._words else bytes(self._body)
            self._waiting.set_result(Answer(self._parser.get_status_code(), self._words, body))
