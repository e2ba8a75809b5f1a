"""What every handler leans on: the node, who may what, writes without waiting, slow calls in threads."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from typing import Any, TypeVar

from crdtkv.errors import Overloaded
from crdtkv.http.refusals import Stopping
from crdtkv.node.node import Node
from crdtkv.node.waiting import Covered
from crdtkv.replica import members
from crdtkv.server.hub import Hub
from crdtkv.server.limits import LIMITS, Limits
from crdtkv.server.reading import Glance, Reads
from crdtkv.server.warm import Warm
from crdtkv.store import door
from crdtkv.store.store import Store
from crdtkv.store.transaction import Transaction
from crdtkv.transport.transport import Transport

__all__ = ["Serving"]

_T = TypeVar("_T")
_METHODS = frozenset(("GET", "HEAD", "PUT", "PATCH", "DELETE", "POST"))


class Serving:
    """One node that is served, by one event loop at a time."""

    def __init__(self, node: Node, limits: Limits = LIMITS) -> None:
        self.node = node
        self.limits = limits
        self.stopping = threading.Event()
        self._pool = ThreadPoolExecutor(limits.threads, thread_name_prefix="crdtkv-slow")
        self._slow = 0
        self.warm = Warm(self)
        self._hubs: dict[str, Hub] = {}
        self._reads: dict[str, Reads] = {}
        self.subscriptions = 0
        self.counts: dict[tuple[str, int], int] = {}
        """(method, status) -> requests answered."""
        self.peers: Callable[[], dict[str, Any]] | None = None
        """How it stands with other colos; None: there is nothing between them and this one."""
        self.carrier: Transport | None = None
        """What goes between other colos and this one; None: nothing does."""
        self.left: Callable[[], bool] = lambda: False
        """Whether this colo has left its cluster."""
        self.joining = False
        """It was told to join others, and nobody has seen yet that it has."""

    def stop(self) -> None:
        """Nothing new is begun; feeds end. Idempotent. In the event loop."""
        self.stopping.set()
        for hub in self._hubs.values():
            hub.end()

    def hub(self, store: Store) -> Hub:
        """The hub of a store's changes."""
        found = self._hubs.get(store.namespace)
        if found is None or found.store is not store or not found.here():
            found = self._hubs[store.namespace] = Hub(self, store)
        return found

    async def write(self, store: Store, act: Callable[[Transaction], _T], covered: Covered | None = None) -> _T:
        """What `act` gave in a transaction of its own, which is durable; it shares its commit with others' writes.

        `covered`: has to be here in that. Raises as Store.asubmit and `act`, and BaseNotHere.
        """
        return await store.asubmit(act if covered is None else covered.before(act))

    def check_joined(self) -> None:
        """Raises Stopping while this colo is to join others and a namespace of it has met nobody. O(namespaces) then.

        What is written before would be minted anew later, and nobody would know the versions it had.
        """
        if not self.joining:
            return
        withheld = self.node.withheld  # these wait each for itself
        if any(_is_fresh(store) for id, store in self.node.stores().items() if id not in withheld):
            raise Stopping(
                "this colo is to join others and has met none yet",
                next_step="wait until another is up, or begin a cluster of its own without --join",
            )
        self.joining = False

    def count(self, method: str, status: int) -> None:
        """A request was answered. Of methods nobody knows there is one."""
        what = (method if method in _METHODS else "other", status)
        self.counts[what] = self.counts.get(what, 0) + 1

    def done(self) -> int:
        """Requests that were answered, and transactions that are here: it grows while there is work. Waits for no lock.
        O(replicas of all namespaces).
        """
        return sum(self.counts.values()) + sum(map(door.absorbed, self.node.stores().values()))

    @property
    def at_work(self) -> int:
        """Slow requests that are at work, or wait for a thread."""
        return self._slow

    async def slow(self, call: Callable[..., _T], *given: Any) -> _T:
        """`call(*given)` in a thread. Raises Overloaded if too many wait for one, and as `call`."""
        if self._slow >= self.limits.threads + self.limits.waiting:
            raise Overloaded(f"{self._slow} slow requests are at work or wait already; at most {self._slow}")
        self._slow += 1
        try:
            return await asyncio.get_running_loop().run_in_executor(self._pool, lambda: call(*given))
        finally:
            self._slow -= 1

    def glance(self, store: Store, key: str) -> Glance:
        """`store.get(key)`, and what it keeps of that to tell it again, None if nothing.

        Raises BlockingIOError if somebody writes at this moment: then `read` waits for him.
        """
        return door.at_once(store, lambda: door.told(store, key))

    async def read(self, store: Store, key: str) -> Glance:
        """As `glance`, once nobody writes. Raises Overloaded if too many wait for that."""
        found: Glance = await self._reads_of(store).ask(lambda: door.told(store, key))
        return found

    async def at_rest(self, store: Store, read: Callable[[], _T]) -> _T:
        """`read()`, with the store's lock: at once if nobody writes at this moment, else in a thread once nobody does.

        For what is short. Raises Overloaded if too many wait for that, and as `read`.
        """
        try:
            return door.at_once(store, read)
        except BlockingIOError:
            found: _T = await self._reads_of(store).ask(read)
            return found

    def _reads_of(self, store: Store) -> Reads:
        found = self._reads.get(store.namespace)
        if found is None or found.store is not store or not found.here():
            found = self._reads[store.namespace] = Reads(self, store)
        return found

    def close(self) -> None:
        """The threads end; what they do is waited for."""
        self.stopping.set()
        self._pool.shutdown()


def _is_fresh(store: Store) -> bool:
    """Whether it may have met nobody yet: nothing but its own first write is in it, or nobody can tell just now."""
    # Who joins holds the lock for as long as it takes in a whole namespace: the event loop does not wait for
    # that, and what is seen meanwhile is not committed.
    try:
        return door.at_once(
            store, lambda: door.absorbed(store) <= 1 and len(members.members(door.replica(store))) == 1
        )
    except BlockingIOError:
        return True
