"""What every handler leans on: the node, who may what, writes without waiting, slow calls in threads."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from typing import Any, TypeVar

from crdtkv.errors import Overloaded
from crdtkv.node.node import Node
from crdtkv.server.bridge import Bridge
from crdtkv.server.limits import LIMITS, Limits
from crdtkv.store.results import Entry
from crdtkv.store.store import Store
from crdtkv.store.transaction import Transaction

__all__ = ["Serving"]

_T = TypeVar("_T")


class Serving:
    """One node that is served, by one event loop at a time."""

    def __init__(self, node: Node, limits: Limits = LIMITS) -> None:
        self.node = node
        self.limits = limits
        self.stopping = threading.Event()
        self._pool = ThreadPoolExecutor(limits.threads, thread_name_prefix="crdtkv-slow")
        self._slow = 0
        self._bridge: Bridge | None = None

    def start(self) -> None:
        """In the event loop that serves, before the first request."""
        self._bridge = Bridge(asyncio.get_running_loop())

    def stop(self) -> None:
        """Nothing new is begun; feeds end. Idempotent."""
        self.stopping.set()

    async def write(self, store: Store, act: Callable[[Transaction], _T]) -> _T:
        """What `act` gave in a transaction of its own, which is durable; it shares its commit with others' writes.

        Raises as Store.submit and `act`.
        """
        if self._bridge is None:
            self.start()
        return await self._bridge.of(store.submit(act))  # type: ignore[union-attr]

    async def slow(self, call: Callable[..., _T], *given: Any) -> _T:
        """`call(*given)` in a thread. Raises Overloaded if too many wait for one, and as `call`."""
        if self._slow >= self.limits.threads + self.limits.waiting:
            raise Overloaded(f"{self._slow} slow requests are at work or wait already; at most {self._slow}")
        self._slow += 1
        try:
            return await asyncio.get_running_loop().run_in_executor(self._pool, lambda: call(*given))
        finally:
            self._slow -= 1

    def glance(self, store: Store, key: str) -> Entry | None:
        """`store.get(key)`. Raises BlockingIOError if somebody writes at this moment: read it by `slow`."""
        lock = store._lock.inner
        if not lock.acquire(blocking=False):
            raise BlockingIOError
        try:
            return store.get(key)
        finally:
            lock.release()

    def close(self) -> None:
        """The threads end; what they do is waited for."""
        self.stop()
        self._pool.shutdown()
