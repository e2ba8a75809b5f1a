"""From the threads that commit to the event loop: it is woken once for all that is done by then.

(`asyncio.wrap_future` wakes it once for each, which costs more than the write.)
"""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import Callable
from concurrent.futures import Future
from functools import partial
from typing import TYPE_CHECKING, Any, TypeVar

from crdtkv.errors import CrdtkvError

if TYPE_CHECKING:
    from crdtkv.store.store import Store
    from crdtkv.store.transaction import Transaction

__all__ = ["Bridge"]

_T = TypeVar("_T")


class Bridge:
    """Of one event loop: `await bridge.write(store, act)` is what `act` gave in a transaction of `store`."""

    def __init__(self, loop: asyncio.AbstractEventLoop) -> None:
        self._loop = loop
        self._asked: list[tuple[Store, Callable[[Transaction], Any], asyncio.Future[Any]]] = []
        self._done: deque[tuple[asyncio.Future[Any], Future[Any]]] = deque()
        self._woken = False

    def here(self) -> bool:
        """Whether its event loop is the one that runs."""
        return self._loop is asyncio.get_running_loop()

    def write(self, store: Store, act: Callable[[Transaction], _T]) -> asyncio.Future[_T]:
        """What `act` will have given. Who stops waiting does not stop what is done."""
        waiter: asyncio.Future[_T] = self._loop.create_future()
        if not self._asked:
            self._loop.call_soon(self._submit)
        self._asked.append((store, act, waiter))
        return waiter

    def _submit(self) -> None:
        """All that was asked for in this turn of the loop, at once: a commit that began with the first would sync for
        it alone."""
        asked, self._asked = self._asked, []
        for store, act, waiter in asked:
            try:
                store.submit(act).add_done_callback(partial(self._arrived, waiter))
            except CrdtkvError as error:
                waiter.set_exception(error)

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
