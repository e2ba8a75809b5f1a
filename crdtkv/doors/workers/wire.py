"""HTTP/1.1 as this port speaks it: bytes in, whole requests out; replies in, bytes out. Over h11, without a socket.

Uvicorn cannot set a reason phrase, and that phrase is all that a Worker is told of an error ("KV PUT failed: 400
<reason phrase>"). Law: a request takes no more memory than the limits say, however it is sent, and what is no request
is answered once and is the end of the connection.
"""

from __future__ import annotations

import re
from collections.abc import Iterable
from dataclasses import dataclass
from http import HTTPStatus
from typing import NamedTuple

import h11

__all__ = ["MAX_REASON", "Asked", "Broken", "Header", "Reply", "Sizes", "Wire", "phrase"]

Header = tuple[bytes, bytes]

MAX_REASON = 512
"""Bytes of a reason phrase: what is longer is cut."""

_UNPRINTABLE = re.compile(r"[\x00-\x1f\x7f-\x9f\u2028\u2029]+")


@dataclass(frozen=True, slots=True)
class Sizes:
    """In bytes."""

    headers: int
    """Of a request's first line and headers. Beyond: 431."""
    kept: int
    """Of a body. Of a longer one the rest is counted and forgotten, so that its length can be told."""
    counted: int
    """Of a body, kept or not. Beyond: 413, and the end of the connection."""


class Asked(NamedTuple):
    """A request, all of it here. `length`: of its body as it was sent, of which `body` is what was kept."""

    method: str
    target: bytes
    headers: dict[bytes, bytes]
    body: bytes = b""
    length: int = 0


class Reply(NamedTuple):
    """What is answered. Without a `reason` it is that of the status."""

    status: int
    reason: str = ""
    headers: tuple[Header, ...] = ()
    body: bytes = b""


class Broken(Exception):
    """What came is no request, or more than one may be: `reply` is the last thing to say."""

    def __init__(self, status: int, reason: str = "") -> None:
        super().__init__(reason)
        self.reply = Reply(status, reason)


class Wire:
    """One connection.

    >>> wire = Wire(Sizes(headers=1000, kept=100, counted=1000))
    >>> wire.receive(b"GET /a?urlencoded=true HTTP/1.1\\r\\nHost: x\\r\\n\\r\\n")
    >>> wire.next().target
    b'/a?urlencoded=true'
    >>> wire.say(Reply(400, "Key names must not be empty")).split(b"\\r\\n")[0]
    b'HTTP/1.1 400 Key names must not be empty'
    >>> wire.next(), wire.closing
    (None, False)
    """

    def __init__(self, sizes: Sizes) -> None:
        self.sizes = sizes
        self.out = b""
        """What is to be sent before anything else: the leave to send a body."""
        self.closing = False
        """Nothing more is read or said here."""
        self._h11 = h11.Connection(h11.SERVER, sizes.headers)
        self._asked: Asked | None = None
        self._body = bytearray()
        self._length = 0
        self._told_of = False
        """It was asked with HEAD: of what would be told."""

    @property
    def come(self) -> int | None:
        """Bytes that have come of the body of a request, a part of which is here; None: nothing of one is."""
        if self._asked is not None:
            return self._length
        return 0 if self._h11.trailing_data[0] else None

    @property
    def held(self) -> int:
        """Bytes of a body that are kept."""
        return len(self._body)

    def receive(self, data: bytes) -> None:
        """The client sent that; b"": it will send no more."""
        self._h11.receive_data(data)

    def next(self) -> Asked | None:
        """The next request, if all of it is here. Not before the one before is answered. Raises Broken, once."""
        try:
            return self._next()
        except h11.RemoteProtocolError as error:
            raise Broken(error.error_status_hint, str(error)) from None

    def _next(self) -> Asked | None:
        while True:
            event = self._h11.next_event()
            if isinstance(event, h11.Request):
                self._begin(event)
            elif isinstance(event, h11.Data):
                self._keep(event.data)
            elif isinstance(event, h11.EndOfMessage) and self._asked is not None:
                asked = self._asked._replace(body=bytes(self._body), length=self._length)
                self._asked, self._body = None, bytearray()
                return asked
            else:
                if isinstance(event, h11.ConnectionClosed):
                    self.closing = True
                return None

    def _begin(self, event: h11.Request) -> None:
        headers = dict(reversed(list(event.headers)))  # of one that comes twice the first
        self._asked, self._length = Asked(event.method.decode("ascii"), event.target, headers), 0
        self._told_of = event.method == b"HEAD"
        announced = int(headers.get(b"content-length", b"0"))
        if announced > self.sizes.counted:
            raise Broken(413, f"A body of {announced} bytes; at most {self.sizes.counted} are read.")
        if self._h11.they_are_waiting_for_100_continue:
            self.out += self._h11.send(h11.InformationalResponse(status_code=100, headers=[], reason=b"Continue"))

    def _keep(self, data: bytes) -> None:
        self._length += len(data)
        if self._length > self.sizes.counted:
            raise Broken(413, f"A body of more than {self.sizes.counted} bytes.")
        self._body += data[: max(0, self.sizes.kept - len(self._body))]

    def say(self, reply: Reply, last: bool = False) -> bytes:
        """The bytes of a reply to what was asked. `last`: the client is told that nothing is read after it."""
        headers: list[Header] = [*reply.headers, (b"Content-Length", b"%d" % len(reply.body))]
        if last:
            headers.append((b"Connection", b"close"))
        head = h11.Response(status_code=reply.status, headers=headers, reason=phrase(reply.reason) or _usual(reply))
        body = () if self._told_of else (h11.Data(data=reply.body),)
        events: Iterable[h11.Event] = (head, *body, h11.EndOfMessage())
        told, self.out = self.out, b""
        try:
            told += b"".join([self._h11.send(event) or b"" for event in events])
        except h11.LocalProtocolError:  # the client is in no state to be told anything
            self.closing = True
            return told
        if last or self._h11.our_state is not h11.DONE or self._h11.their_state is not h11.DONE:
            self.closing = True
        else:
            self._h11.start_next_cycle()
        return told


def _usual(reply: Reply) -> bytes:
    return HTTPStatus(reply.status).phrase.encode("ascii")


def phrase(text: str) -> bytes:
    """`text` as a reason phrase: UTF-8, as clients read it, in one line, of MAX_REASON bytes at most.

    >>> phrase("no 'a\\\\nb'\\r\\nSet-Cookie: x").decode()
    "no 'a\\\\nb' Set-Cookie: x"
    """
    line = _UNPRINTABLE.sub(" ", text).strip().encode("utf-8", "replace")
    return line if len(line) <= MAX_REASON else line[:MAX_REASON].decode("utf-8", "ignore").encode()
