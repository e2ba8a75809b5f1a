"""Reads that found a writer at work: one thread waits for him on behalf of all of them.

Law of this room: what is read is committed, and of the time after it was asked for. Whoever asks while the thread
waits is read with the others, at one instant.
"""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import Callable
from typing import TYPE_CHECKING, Any

from crdtkv.errors import CrdtkvError, Overloaded
from crdtkv.store import door
from crdtkv.store.results import Entry

if TYPE_CHECKING:
    from crdtkv.server.serving import Serving
    from crdtkv.store.store import Store

__all__ = ["MAX_READS", "Glance", "Reads"]

MAX_READS = 10_000
"""That wait at once; more are refused."""

_AT_ONCE = 256

Glance = tuple[Entry | None, Any]
"""How a key reads, and what the store keeps of that to tell it again; None: nothing."""

_Done = list[tuple["asyncio.Future[Any]", Any, Exception | None]]


class Reads:
    """Of one store, in one event loop."""

    def __init__(self, serving: Serving, store: Store) -> None:
        self.store = store
        self._serving = serving
        self._loop = asyncio.get_running_loop()
        self._asked: deque[tuple[Callable[[], Any], asyncio.Future[Any]]] = deque()
        self._task: asyncio.Task[None] | None = None

    def here(self) -> bool:
        """Whether it is of the event loop that runs."""
        return self._loop is asyncio.get_running_loop()

    def ask(self, read: Callable[[], Any]) -> asyncio.Future[Any]:
        """What `read()` gives once nobody writes. Raises Overloaded; awaited, as `read` and `Serving.slow`."""
        if len(self._asked) >= MAX_READS:
            raise Overloaded(f"{len(self._asked):,} reads wait for who writes already; at most {MAX_READS:,}")
        waiter: asyncio.Future[Any] = self._loop.create_future()
        self._asked.append((read, waiter))
        if self._task is None or self._task.done():
            self._task = self._loop.create_task(self._run())
        return waiter

    async def _run(self) -> None:
        while self._asked:
            try:
                done = await self._serving.slow(self._read)
            except CrdtkvError as error:
                done = [(waiter, None, error) for _, waiter in self._asked]
                self._asked.clear()
            for waiter, found, failed in done:
                if waiter.done():
                    continue
                if failed is not None:
                    waiter.set_exception(failed)
                else:
                    waiter.set_result(found)

    def _read(self) -> _Done:
        """In a thread."""
        done = _Done()
        with door.holding(self.store):
            while self._asked and len(done) < _AT_ONCE:
                read, waiter = self._asked.popleft()
                try:
                    done.append((waiter, read(), None))
                except Exception as error:
                    done.append((waiter, None, error))
        return done
