"""One connection to the port: what comes is given to `Wire`, what it makes of that is answered, one after the other.

Law of this room: whoever is slow, silent or too loud is told so, or not, and let go; nothing of him grows meanwhile. A
request is waited for as long as it moves on, an answer as long as it is taken, and both ends have `idle` seconds.
"""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING, cast

from crdtkv.doors.workers.wire import Asked, Broken, Reply, Wire

if TYPE_CHECKING:
    from crdtkv.doors.workers.port import Workers

__all__ = ["LINGER_S", "PROGRESS", "Connection"]

PROGRESS = 65_536
"""Bytes that a body must grow by to have moved on."""

LINGER_S = 2.0
"""Seconds for which what still comes is thrown away: a client that is cut off while it sends never reads why."""


class Connection(asyncio.Protocol):
    """Of one client. `port` keeps count of it, and answers."""

    def __init__(self, port: Workers) -> None:
        self._port = port
        self._wire = Wire(port.sizes)
        self._loop = asyncio.get_running_loop()
        self._transport: asyncio.Transport
        self._task: asyncio.Task[None] | None = None
        """Until an answer was made, and taken."""
        self._making = False
        self._writable = asyncio.Event()
        self._writable.set()
        self.since = self._loop.time()
        """When it last moved on."""
        self._moved: int | None = None
        """Bytes of a body that had come then; None: nothing of a request had."""
        self._held = 0
        """Bytes here of what it sent and was not answered, or was answered and did not take."""
        self._ending = False
        self._timer: asyncio.TimerHandle | None = None

    # asyncio.Protocol

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """It is open."""
        self._transport = cast("asyncio.Transport", transport)
        self._timer = self._loop.call_later(self._port.idle, self._look)
        if not self._port.enter(self):
            self._end(Reply(503, "too many connections are open here"))

    def connection_lost(self, exc: Exception | None) -> None:
        """It is closed. What it asked for last goes on: nobody knows whether it was done."""
        self._port.leave(self)
        if self._task is None:
            self._hold(0)
        self._ending = True
        self._writable.set()
        if self._timer is not None:
            self._timer.cancel()

    def data_received(self, data: bytes) -> None:
        """Some of what it asks."""
        if not self._ending:
            self._wire.receive(data)
            self._advance()

    def eof_received(self) -> bool:
        """It will ask no more, and may wait for an answer."""
        if not self._ending:
            self._wire.receive(b"")
            self._advance()
        return self._task is not None and self._transport.can_write_eof()  # with TLS it is closed in any case

    def pause_writing(self) -> None:
        """It takes what it is answered more slowly than it is sent."""
        self._writable.clear()

    def resume_writing(self) -> None:
        """It has taken it."""
        self.since = self._loop.time()
        self._writable.set()

    # what the port asks

    def stop(self) -> None:
        """It is closed, once what it has asked for is answered."""
        if self._task is None and self._wire.come is None:
            self._transport.close()

    def abort(self) -> None:
        """It is closed now."""
        self._hold(0)
        self._transport.abort()

    @property
    def is_slow(self) -> bool:
        """It does not take what it was answered as fast as that is sent."""
        return not self._writable.is_set()

    # its course

    def _advance(self) -> None:
        """What is here of a request."""
        if self._task is not None or self._ending:
            return
        try:
            asked = self._wire.next()
        except Broken as broken:
            self._end(broken.reply)
            return
        if self._wire.out:
            self._transport.write(self._wire.out)
            self._wire.out = b""
        self._hold(self._wire.held if asked is None else len(asked.body))
        if self._held and self._port.is_full:
            self._end(Reply(503, "too much is being sent here at once; try again shortly"))
        elif asked is not None:
            self._transport.pause_reading()
            self._making = True
            self._task = self._loop.create_task(self._answer(asked))
        elif self._wire.closing:
            self._transport.close()
        else:
            self._note()

    def _note(self) -> None:
        """Whether what came moves a request on: it begins one, or is a good part of its body."""
        come = self._wire.come
        if come is None or self._moved is None or come >= self._moved + PROGRESS:
            self.since, self._moved = self._loop.time(), come

    async def _answer(self, asked: Asked) -> None:
        try:
            reply = await self._port.answer(asked)
            if self._ending:
                return
            self._making, self.since, self._moved = False, self._loop.time(), None
            self._transport.write(self._wire.say(reply, last=self._port.stopping))
            self._hold(self._transport.get_write_buffer_size())
            self._port.relieve()
            await self._writable.wait()
        except BaseException:  # a bug: nobody waits for ever for what it was about to say
            self._transport.abort()
            raise
        finally:
            self._task = None
            self._hold(0)
        self.since = self._loop.time()
        if self._wire.closing:
            self._transport.close()
        elif not self._ending:
            self._transport.resume_reading()
            self._advance()

    def _end(self, reply: Reply) -> None:
        """That is the last it is told; what it still sends is thrown away for a moment."""
        self._ending = True
        self._hold(0)
        self._transport.write(self._wire.say(reply, last=True))
        if self._transport.can_write_eof():
            self._transport.write_eof()
        self.since = self._loop.time()
        self._rearm(LINGER_S)

    def _hold(self, size: int) -> None:
        self._port.held += size - self._held
        self._held = size

    def _look(self) -> None:
        """Whether it has not moved on for too long."""
        left = self.since + (LINGER_S if self._ending else self._port.idle) - self._loop.time()
        if self._making or left > 0:
            self._rearm(self._port.idle if self._making else left)
        elif self._ending or self._task is not None or self._wire.come is None:
            self._transport.abort()
        else:
            self._end(Reply(408, "the request did not come to its end"))

    def _rearm(self, seconds: float) -> None:
        if self._timer is not None:
            self._timer.cancel()
        self._timer = self._loop.call_later(seconds, self._look)
