"""The door for other colos: it takes letters, as ASGI brings them, and answers them.

Law of this room: of a letter that is not taken nothing but its head was read, or
nothing of its payload was looked at.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, MutableMapping
from functools import partial
from typing import Any

from crdtkv.transport.letters import HEAD_SIZE, NOBODY, Head, Letter, Message, Unwelcome, Why
from crdtkv.transport.office import Deliver, Office
from crdtkv.transport.wire import LARGE, aside

__all__ = ["MAX_OPEN", "Answer", "Door"]

MAX_OPEN = 256
"""Letters that are read or answered at a time; more are told to come back."""

Answer = tuple[int, list[tuple[bytes, bytes]], bytes]
"""Status, headers but for its length, body."""

_Receive = Callable[[], Awaitable[MutableMapping[str, Any]]]

_STATUS = {
    Why.malformed: 400, Why.version: 400, Why.truncated: 400, Why.oversized: 413, Why.cluster: 401, Why.tampered: 401,
    Why.stale: 409, Why.replayed: 409, Why.doubled: 409,
}  # fmt: skip


class Door:
    """Answers a POST of a letter, whatever the path; the reply is a letter."""

    def __init__(self, office: Office, deliver: Deliver) -> None:
        self._office = office
        self._deliver = deliver
        self._open = 0
        self.closed = False

    async def answer(self, scope: MutableMapping[str, Any], receive: _Receive) -> Answer:
        """To an HTTP request, of which it reads what it wants."""
        if scope["method"] != "POST":
            return _answer(405, b"letters between colos are sent by POST")
        if self.closed or self._open >= MAX_OPEN:
            return _answer(503, b"not now")
        self._open += 1
        try:
            return await self._take(scope, _Body(receive))
        finally:
            self._open -= 1

    def begin(self, scope: MutableMapping[str, Any], data: bytes, done: Callable[[Answer], None]) -> bool:
        """Whether a letter that is here whole needs no task: then `done` is called once, in the event loop. Else it is
        large, or not taken, nothing was done, and `answer` says why.
        """
        office = self._office
        if scope["method"] != "POST" or self.closed or self._open >= MAX_OPEN:
            return False
        try:
            head = office.open(data[:HEAD_SIZE])
            if head.plain > LARGE or len(data) != HEAD_SIZE + head.packed:
                return False
            office.take(head)
        except Unwelcome:
            return False
        try:
            letter = office.read(head, data[HEAD_SIZE:])
        except Unwelcome as error:
            done(self._refused(head, error))
            return True
        self._open += 1

        def deliver(answer: list[Message]) -> None:
            self._open -= 1
            reply = self._reply(scope, head, letter, answer)
            if _size(answer) <= LARGE:
                done(_answer(200, reply()))
            else:
                asyncio.get_running_loop().run_in_executor(None, reply).add_done_callback(
                    lambda sealed: done(_answer(200, sealed.result()))
                )

        try:
            self._deliver(letter, deliver)
        except BaseException:
            self._open -= 1
            raise
        return True

    async def _take(self, scope: MutableMapping[str, Any], body: _Body) -> Answer:
        office, head = self._office, None
        try:
            head = office.open(await body.first(HEAD_SIZE))
            office.take(head)
            payload = await body.rest(HEAD_SIZE, head.packed)
            letter = await aside(head.plain, partial(office.read, head, payload))
        except Unwelcome as error:
            return self._refused(head, error)
        except asyncio.IncompleteReadError:
            return _answer(400, b"")  # its sender is gone
        waiter: asyncio.Future[list[Message]] = asyncio.get_running_loop().create_future()
        self._deliver(letter, lambda answer: None if waiter.done() else waiter.set_result(answer))
        answer = await waiter
        return _answer(200, await aside(_size(answer), self._reply(scope, head, letter, answer)))

    def _refused(self, head: Head | None, error: Unwelcome) -> Answer:
        office = self._office
        if head is None or head.to != NOBODY:  # who asks for our life was not refused
            office.refuse(error)
        if error.why is Why.stale and head is not None:
            return _answer(409, office.reply(head))  # our life, so that the next one is for it
        return _answer(_STATUS[error.why], str(error).encode())

    def _reply(
        self, scope: MutableMapping[str, Any], head: Head, letter: Letter, answer: list[Message]
    ) -> Callable[[], bytes]:  # fmt: skip
        return partial(self._office.reply, head, answer, small=not _is_near(scope), tell=bool(letter.url))


def _size(messages: list[Message]) -> int:
    return sum(len(data) for _, data in messages)


def _is_near(scope: MutableMapping[str, Any]) -> bool:
    """Whether what is sent stays on this machine: packing it would be a waste."""
    client = scope.get("client")
    return client is not None and (client[0].startswith("127.") or client[0] == "::1")


class _Body:
    """What comes of a request, read as far as it is wanted."""

    def __init__(self, receive: _Receive) -> None:
        self._receive = receive
        self._data = bytearray()
        self._ended = False

    async def first(self, size: int) -> bytes:
        """The first bytes, fewer if it ends before."""
        await self._until(size)
        return bytes(self._data[:size])

    async def rest(self, start: int, size: int) -> bytes:
        """`size` bytes from `start` on, with which it ends. Raises Unwelcome where more come."""
        await self._until(start + size)
        await self._until(start + size + 1)
        if len(self._data) > start + size:
            raise Unwelcome(Why.oversized, "more came than its head says")
        return bytes(self._data[start:])

    async def _until(self, size: int) -> None:
        while len(self._data) < size and not self._ended:
            event = await self._receive()
            if event["type"] == "http.disconnect":
                raise asyncio.IncompleteReadError(b"", size)
            self._data += event.get("body", b"")
            self._ended = not event.get("more_body", False)


def _answer(status: int, body: bytes) -> Answer:
    kind = b"application/octet-stream" if status in (200, 409) else b"text/plain; charset=utf-8"
    headers = [(b"content-type", kind)]
    if status == 503:
        headers.append((b"retry-after", b"1"))
    return status, headers, body
