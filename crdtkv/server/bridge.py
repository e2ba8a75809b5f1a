"""From the threads that commit to the event loop: it is woken once for all that is done by then.

(`asyncio.wrap_future` wakes it once for each, which costs more than the write.)
"""

from __future__ import annotations

import asyncio
from collections import deque
from concurrent.futures import Future
from typing import Any, TypeVar

__all__ = ["Bridge"]

_T = TypeVar("_T")


class Bridge:
    """Of one event loop: `await bridge.of(future)` is the result of a future that a thread sets."""

    def __init__(self, loop: asyncio.AbstractEventLoop) -> None:
        self._loop = loop
        self._done: deque[tuple[asyncio.Future[Any], Future[Any]]] = deque()
        self._woken = False

    def here(self) -> bool:
        """Whether its event loop is the one that runs."""
        return self._loop is asyncio.get_running_loop()

    def of(self, future: Future[_T]) -> asyncio.Future[_T]:
        """One that this loop may wait for. Who stops waiting does not stop what is done."""
        waiter: asyncio.Future[_T] = self._loop.create_future()
        future.add_done_callback(lambda done: self._arrived(waiter, done))
        return waiter

    def _arrived(self, waiter: asyncio.Future[Any], done: Future[Any]) -> None:
        self._done.append((waiter, done))
        # Who finds it woken leaves it at that: `_deliver` says that it sleeps before it looks.
        if not self._woken:
            self._woken = True
            try:
                self._loop.call_soon_threadsafe(self._deliver)
            except RuntimeError:  # the loop is closed: nobody waits
                self._done.clear()

    def _deliver(self) -> None:
        self._woken = False
        while self._done:
            waiter, done = self._done.popleft()
            if waiter.done():
                continue
            if done.cancelled():
                waiter.cancel()
            elif (error := done.exception()) is not None:
                waiter.set_exception(error)
            else:
                waiter.set_result(done.result())
