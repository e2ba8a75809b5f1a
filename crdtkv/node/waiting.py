"""Waiting, in an event loop, until a namespace has absorbed what a client has seen elsewhere.

Law of this room: a wait ends by what arrives, or by its time; nothing is polled, and no
thread waits.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable

from crdtkv.node.session import Session, missing, not_here
from crdtkv.store.store import Store

__all__ = ["MAX_WAITS", "Waiting"]

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

    async def caught_up(self, store: Store, session: Session, seconds: float) -> None:
        """All that the session has seen of the store's namespace is absorbed here. O(entries) mostly.

        Raises BaseNotHere where that is not so after `seconds`, or too many wait already.
        """
        lacking = _missing(session, store)
        if not lacking:
            return
        if self._count >= MAX_WAITS:
            raise not_here(lacking, store)
        self._count += 1
        try:
            async with asyncio.timeout(seconds):
                while lacking:
                    arrival = self._arrival(store.namespace)
                    lacking = _missing(session, store)  # again: it may have come before we began to listen
                    if lacking:
                        self.pull(store.namespace, lacking)
                        await arrival.wait()
                        lacking = _missing(session, store)
        except TimeoutError:
            if _missing(session, store):
                raise not_here(lacking, store) from None
        finally:
            self._count -= 1

    def _arrival(self, namespace: str) -> asyncio.Event:
        loop = asyncio.get_running_loop()
        found = self._arrivals.get(namespace)
        if found is None or found[0] is not loop:
            found = self._arrivals[namespace] = (loop, asyncio.Event())
        return found[1]


def _missing(session: Session, store: Store) -> dict[str, int]:
    return missing(session, store, int(asyncio.get_running_loop().time() * 1000))
