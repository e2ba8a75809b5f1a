"""The port itself: bound by the settings, started and stopped with the server whose event loop and stores it shares."""

from __future__ import annotations

import asyncio
import json
import socket
import ssl
from typing import TYPE_CHECKING

from crdtkv.core import values
from crdtkv.doors.items.limits import MAX_VALUE
from crdtkv.doors.workers.answering import Answering, refusal
from crdtkv.doors.workers.connection import Connection
from crdtkv.doors.workers.wire import Asked, Reply, Sizes
from crdtkv.errors import BadRequest, CrdtkvError
from crdtkv.node.clock import SetClock
from crdtkv.node.settings import is_loopback
from crdtkv.server.ports import bound, shown

if TYPE_CHECKING:
    from crdtkv.node.settings import Settings
    from crdtkv.server.serving import Serving

__all__ = ["IDLE_S", "MAX_HELD", "Workers", "make"]

IDLE_S = 75.0
MAX_HELD = 1 << 28
"""Bytes of all that was sent and not yet answered, or answered and not yet taken."""

_COUNTED = 2 * MAX_VALUE
"""Bytes of a body that are read to tell how long it is."""

_BACKLOG = 2048
_CLOCK = b"/clock"


def make(serving: Serving, settings: Settings) -> Workers | None:
    """The port that setting `workers` asks for, bound; None for none. Raises BadRequest."""
    if not settings.workers:
        return None
    return Workers(serving, settings, bound("workers", settings.workers))


class Workers:
    """A `crdtkv.server.ports.Port`."""

    def __init__(self, serving: Serving, settings: Settings, at: socket.socket, idle: float = IDLE_S) -> None:
        limits = serving.limits
        self.idle = idle
        self.sizes = Sizes(limits.headers, MAX_VALUE, _COUNTED)
        self.held = 0
        """Of those bytes how many there are."""
        self.stopping = False
        self._serving = serving
        self._at = at
        self.address: tuple[str, int] = at.getsockname()[:2]
        """Host and port."""
        self._answering = Answering(serving, settings.workers_namespaces, settings.workers_value_limit or MAX_VALUE)
        self._clock = serving.node.clock
        self._tls = not is_loopback(self.address[0])
        self._connections: set[Connection] = set()
        self._server: asyncio.Server | None = None
        self._empty = asyncio.Event()

    # a port

    async def start(self, tls: ssl.SSLContext | None = None) -> list[str]:
        """It takes connections. `tls`: the server's; on loopback it is not used."""
        loop = asyncio.get_running_loop()
        secure = tls if self._tls else None
        self._server = await loop.create_server(lambda: Connection(self), sock=self._at, ssl=secure, backlog=_BACKLOG)
        return [f"  Workers KV: {'https' if secure else 'http'}://{shown(self._at)}, for workerd and miniflare"]

    def stop(self) -> None:
        """Nothing new is begun."""
        self.stopping = True
        if self._server is not None:
            self._server.close()
        for connection in list(self._connections):
            connection.stop()
        self._look()

    async def ended(self) -> None:
        """What is at work has ended, or has had the seconds that a stopping server gives."""
        try:
            await asyncio.wait_for(self._empty.wait(), self._serving.limits.grace)
        except TimeoutError:
            for connection in list(self._connections):
                connection.abort()

    def close(self) -> None:
        """The address is let go of."""
        self._at.close()

    # its connections

    def enter(self, connection: Connection) -> bool:
        """One more is open; whether that is not too many."""
        self._connections.add(connection)
        return len(self._connections) <= self._serving.limits.connections and not self.stopping

    def leave(self, connection: Connection) -> None:
        """One less."""
        self._connections.discard(connection)
        self._look()

    def _look(self) -> None:
        if self.stopping and not self._connections:
            self._empty.set()

    @property
    def is_full(self) -> bool:
        """Whether more is held than may be."""
        return self.held > MAX_HELD

    def relieve(self) -> None:
        """Where too much is held, those are let go that have taken nothing of an answer for the longest time."""
        if self.is_full:
            for slow in sorted((each for each in self._connections if each.is_slow), key=lambda each: each.since):
                if not self.is_full:
                    break
                slow.abort()

    async def answer(self, asked: Asked) -> Reply:
        """The reply to a request, errors too."""
        if self._clock is not None and asked.method == "POST" and asked.target == _CLOCK:
            try:
                return _set(self._clock, asked)
            except CrdtkvError as error:
                return refusal(error)
        return await self._answering.answer(asked)


def _set(clock: SetClock, asked: Asked) -> Reply:
    """The time of a test suite: `{"now": seconds}`, `{"advance": seconds}`, or `{}` to be told. Raises BadRequest."""
    found = values.parse_json(asked.body or b"{}")
    if not isinstance(found, dict) or not found.keys() <= {"now", "advance"} or len(found) > 1:
        raise BadRequest(f'the time is set by {{"now": seconds}} or {{"advance": seconds}}, not {found!r:.80}')
    if "now" in found:
        clock.set(found["now"])
    elif "advance" in found:
        by = found["advance"]
        if isinstance(by, bool) or not isinstance(by, int | float):
            raise BadRequest(f"advance is {by!r:.80}; seconds are wanted")
        clock.set(clock() + by)
    return Reply(200, headers=((b"Content-Type", b"application/json"),), body=json.dumps({"now": clock()}).encode())
