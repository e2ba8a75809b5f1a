"""Waiting, in an event loop, until a namespace has absorbed what a client has seen elsewhere.

Law of this room: a wait ends by what arrives, or by its time; nothing is polled, and no
thread waits.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable
from typing import TypeVar

from crdtkv.node.session import Session, missing, not_here
from crdtkv.store.store import Store

__all__ = ["MAX_WAITS", "Covered", "Waiting"]

_T = TypeVar("_T")
_U = TypeVar("_U")

MAX_WAITS = 1_000
"""Requests that wait at once, of one node; more are told to come back."""


class Waiting:
    """Who waits for what arrives. `pull` is asked to fetch what a namespace (by id) lacks; whoever carries
    messages sets it.
    """

    def __init__(self) -> None:
        self.pull: Callable[[str, dict[str, int]], None] = lambda namespace, lacking: None
        self._arrivals: dict[str, tuple[asyncio.AbstractEventLoop, asyncio.Event]] = {}
        self._count = 0

    def arrived(self, namespace: str) -> None:
        """Something was absorbed in that namespace: who waits looks again. From any thread. O(1)."""
        found = self._arrivals.pop(namespace, None)
        if found is not None:
            loop, event = found
            if not loop.is_closed():
                loop.call_soon_threadsafe(event.set)

    async def caught_up(self, store: Store, session: Session, seconds: float) -> Covered:
        """All that the session has seen of the store's namespace is absorbed here. O(entries) mostly.

        Raises BaseNotHere where that is not so after `seconds`, or too many wait already.
        """
        while True:
            covered = Covered(store, session)
            lacking = covered.missing()
            if not lacking:
                return covered
            await self._wait(covered, lacking, seconds)

    async def _wait(self, covered: Covered, lacking: dict[str, int], seconds: float) -> None:
        store = covered.store
        if self._count >= MAX_WAITS:
            raise not_here(lacking, store)
        self._count += 1
        try:
            async with asyncio.timeout(seconds):
                while lacking:
                    arrival = self._arrival(store.namespace)
                    lacking = covered.missing()  # again: it may have come before we began to listen
                    if lacking:
                        self.pull(store.namespace, lacking)
                        await arrival.wait()
                        lacking = covered.missing()
        except TimeoutError:
            if covered.missing():
                raise not_here(lacking, store) from None
        finally:
            self._count -= 1

    def _arrival(self, namespace: str) -> asyncio.Event:
        loop = asyncio.get_running_loop()
        found = self._arrivals.get(namespace)
        if found is None or found[0] is not loop:
            found = self._arrivals[namespace] = (loop, asyncio.Event())
        return found[1]



class Covered:
    """What the session of a request has seen, all of which was in its store when that had the id that it has here.

    A store that comes back from an eviction lacks, until it has minted that anew, what only it knew: what was found to
    be here may be gone where it is read, or written upon. It has another id from then on.
    """

    __slots__ = ("_id", "_met", "session", "store")

    def __init__(self, store: Store, session: Session) -> None:
        self.store, self.session = store, session
        self._id = store.id  # first: what is missing is looked for after that
        self._met = False

    def missing(self) -> dict[str, int]:
        """What is not here now."""
        return missing(self.session, self.store, int(time.monotonic() * 1000))

    def check(self) -> None:
        """After a read of what is here, or in a transaction before a write. Raises BaseNotHere where not all of it was
        here. (Once a write was checked, what is told of it is of that time.)"""
        if not self._met and self.store.id != self._id and (lacking := self.missing()):
            raise not_here(lacking, self.store)

    def before(self, act: Callable[[_T], _U]) -> Callable[[_T], _U]:
        """`act`, in a transaction in which all of it is here."""

        def checked(t: _T) -> _U:
            self.check()
            self._met = True
            return act(t)

        return checked
