"""The way to one other colo: a queue with a bound, and when what is in it goes.

Law of this room: what cannot be sent is dropped and counted, never kept for later: by
then others know better, and the protocol asks for what is missing. After a failure the
link waits, a random part of a time that doubles, before it tries again.
"""

from __future__ import annotations

import asyncio
import logging
from collections import deque
from collections.abc import Awaitable, Callable, Iterable
from random import Random

from crdtkv.transport.letters import Letter, Message
from crdtkv.transport.office import Office
from crdtkv.transport.wire import Unreached, Wire

__all__ = [
    "BACKOFF_MOST_S", "BACKOFF_S", "FLY_AFTER_S", "MAX_BATCH", "MAX_FLYING", "MAX_QUEUE", "MAX_QUEUED", "Link",
    "backoff",
]  # fmt: skip

MAX_QUEUE = 8_192
"""Messages that wait for one colo; then the oldest are dropped."""

MAX_QUEUED = 16 << 20
"""And their bytes, but for one message, which may be larger alone."""

MAX_BATCH = 4 << 20
"""A letter takes messages until it has so many bytes."""

MAX_FLYING = 4
"""Letters under way at a time: beyond the first where one takes long, as between continents."""

FLY_AFTER_S = 0.005
"""Or a `MAX_FLYING`th of the time that one takes, if that is more: where the other is busy, letters hold more."""

BACKOFF_S = 0.05
BACKOFF_MOST_S = 2.0

_log = logging.getLogger("crdtkv")

_Answered = Callable[[Letter], Awaitable[None]]


class Link:
    """To the colo at the end of `wire`. `answered` is given what it answers. For one event loop."""

    def __init__(self, office: Office, wire: Wire, answered: _Answered, dice: Random) -> None:
        self._office = office
        self._answered = answered
        self._dice = dice
        self.wire = wire
        self._loop = asyncio.get_running_loop()
        self._queue: deque[Message] = deque()
        self._queued = 0
        self._next: asyncio.Handle | None = None
        """When it is seen to next whether something goes."""
        self._idle = asyncio.Event()
        self._idle.set()
        self._flying: set[asyncio.Task[None]] = set()
        self._flew = 0.0
        """When the last one went."""
        self.failures = 0
        """In a row; 0: it is up, as far as is known."""
        self.words = ""
        """Of the last failure."""
        self._took = 0.0
        """Seconds that a letter and its answer take, smoothed."""

    # the queue

    def put(self, messages: Iterable[Message]) -> None:
        """They go out soon, or are dropped. O(1) each. In the event loop."""
        for message in messages:
            self._queue.append(message)
            self._queued += len(message[1])
            while len(self._queue) > MAX_QUEUE or (self._queued > MAX_QUEUED and len(self._queue) > 1):
                self._queued -= len(self._queue.popleft()[1])
                self._office.dropped["queue full"] += 1
        if self._queue:
            self._idle.clear()
            self._see()

    def take(self, most: int = MAX_BATCH) -> list[Message]:
        """What is to go next: also by whoever has an answer for that colo under way."""
        taken: list[Message] = []
        size = 0
        while self._queue and (not taken or size + len(self._queue[0][1]) <= most):
            message = self._queue.popleft()
            size += len(message[1])
            taken.append(message)
        self._queued -= size
        return taken

    def learn(self, url: str) -> None:
        """The colo is reached there, too."""
        self.wire.learn(url)
        if self._queue:
            self._see()

    @property
    def queued(self) -> int:
        """Messages that wait."""
        return len(self._queue)

    async def flushed(self) -> None:
        """All that was put before has gone, or was dropped."""
        await self._idle.wait()

    async def close(self) -> None:
        """Nothing goes any more. Idempotent."""
        self._queue.clear()
        self._queued = 0
        if self._next is not None:
            self._next.cancel()
        flights = list(self._flying)
        for flight in flights:
            flight.cancel()
        await asyncio.gather(*flights, return_exceptions=True)

    # what goes, and when

    def _see(self) -> None:
        """Soon: what comes in this turn of the loop goes together."""
        if self._next is None:
            self._next = self._loop.call_soon(self._depart)

    def _depart(self) -> None:
        """A letter goes, unless it is too early, or too many are under way: a landing looks again."""
        self._next = None
        if self._flying:
            early = self._flew + max(FLY_AFTER_S, self._took / MAX_FLYING) - self._loop.time()
            if self.failures or len(self._flying) >= MAX_FLYING:
                return
            if early > 0:
                self._next = self._loop.call_later(early, self._depart)
                return
        elif self.failures and self._queue and self.wire.urls:
            self._next = self._loop.call_later(backoff(self.failures, self._dice), self._fly)
            return
        self._fly()

    def _fly(self) -> None:
        self._next = None
        messages = self.take() if self.wire.urls else []  # without one it comes to us, and takes them with our answer
        if messages:
            self._flew = self._loop.time()
            flight = self._loop.create_task(self._carry(messages))
            self._flying.add(flight)
            flight.add_done_callback(self._landed)
        if self._queue and self._flying:
            self._see()
        elif not self._flying and not self._queue:
            self._idle.set()

    async def _carry(self, messages: list[Message]) -> None:
        began = self._flew
        try:
            letter = await self.wire.exchange(messages)
        except Unreached as error:
            self._failed(messages, error)
            return
        self._took += (self._loop.time() - began - self._took) / 8
        self.failures = 0
        await self._answered(letter)

    def _landed(self, flight: asyncio.Task[None]) -> None:
        self._flying.discard(flight)
        if not flight.cancelled() and flight.exception() is not None:
            _log.error("an answer was not taken", exc_info=flight.exception())
        if self._queue:
            if self._next is not None:
                self._next.cancel()
            self._depart()
        elif not self._flying:
            self._idle.set()

    def _failed(self, messages: list[Message], error: Exception) -> None:
        self.failures += 1
        self.words = str(error)
        self._office.dropped["unreached"] += len(messages) + len(self._queue)
        self._queue.clear()
        self._queued = 0


def backoff(failures: int, dice: Random) -> float:
    """Seconds to wait after so many failures in a row: half of a time that doubles, and some of its other half."""
    most: float = min(BACKOFF_MOST_S, BACKOFF_S * 2 ** min(failures, 16))
    return most * (0.5 + dice.random() / 2)
