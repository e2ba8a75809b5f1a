"""How writes are committed: one by one in a `with` block, or what many threads ask for at once.

Law of this room: it checks what it is given, and hands a function of the draft to the writer (`writer.py`).
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from concurrent.futures import Future
from contextlib import contextmanager
from functools import partial
from typing import TYPE_CHECKING, Any, TypeVar

from crdtkv.core.show import show
from crdtkv.errors import BadRequest
from crdtkv.replica.core import Replica
from crdtkv.replica.draft import Draft
from crdtkv.store.membership import Membership
from crdtkv.store.operations import Operations
from crdtkv.store.plain import Put, Shared
from crdtkv.store.quota import Quota
from crdtkv.store.ruling import rule_of
from crdtkv.store.transaction import Transaction
from crdtkv.store.writer import Open, Writer

if TYPE_CHECKING:
    import asyncio

    from crdtkv.store.bridge import Bridge

__all__ = ["Committing"]

_T = TypeVar("_T")


class Committing(Operations, Membership):
    """The part of a store that writes."""

    def __init__(self, replica: Replica, quota_mb: float | None = None) -> None:
        self._replica = replica
        self._writer = writer = Writer(replica, Quota(replica.storage, quota_mb), partial(rule_of, replica))
        self._lock, self.on_commit = writer.lock, writer.on_commit
        self._bridge: Bridge | None = None  # of the event loop that asked last

    @contextmanager
    def transaction(self) -> Iterator[Transaction]:
        """All that is done with what this yields is one transaction: seen whole or not at all, here and everywhere.

        Nothing is written if the block raises, and its receipts are void. Other threads wait
        meanwhile, and then read what was committed; in this one only the transaction itself
        reads and writes. O(what is done in it), and one commit.

        Raises NotAMember, NotBackYet, ClockAhead, StoreClosed at its begin, QuotaExceeded, StorageFailed at its end.

        >>> import crdtkv
        >>> kv = crdtkv.open(colo="lhr")
        >>> with kv.transaction() as t:
        ...     _ = t.put("a", 1)
        ...     _ = t.counter("n").add(2)
        >>> kv["a"], kv["n"]
        (1, 2)
        """
        opened = Open(self._writer)
        try:
            with opened as draft:
                yield Transaction(self, draft)
        except BaseException:
            opened.abandon()
            raise

    def submit(self, act: Callable[[Transaction], _T]) -> Future[_T]:
        """`act(t)` is done soon, as a transaction of its own that shares its commit with what else waits; at once.

        The future has what `act` gave once that is durable, or what it raised. O(1) here. For who may not
        wait; in an event loop `asubmit` is quicker. One that is cancelled in time is not done. Raises
        Overloaded beyond 10,000 that wait, StoreClosed.

        >>> import crdtkv; kv = crdtkv.open(colo="lhr")
        >>> done = [kv.submit(lambda t: t.counter("n").add(1)) for _ in range(100)]
        >>> done[-1].result().value, kv["n"]
        (100, 100)
        """
        return self._writer.group.submit(self._act_of(act))

    def asubmit(self, act: Callable[[Transaction], _T]) -> asyncio.Future[_T]:
        """As `submit`, in an event loop: `await kv.asubmit(lambda t: t.put("a", 1))`.

        What is asked for in one turn of the loop shares a commit, and the loop waits for no disk meanwhile: other
        coroutines run. O(1) here. Who stops waiting does not stop what is done. Raises as `submit`; Overloaded when
        awaited.

        >>> import asyncio, crdtkv; kv = crdtkv.open(colo="lhr")
        >>> async def main():
        ...     return await asyncio.gather(*(kv.asubmit(lambda t: t.counter("n").add(1)) for _ in range(100)))
        >>> len(asyncio.run(main())), kv["n"]
        (100, 100)
        """
        return self._ask(self._act_of(act))

    def _ask(self, act: Callable[[Draft], _T]) -> asyncio.Future[_T]:
        """As `asubmit`, of a function of the draft itself. Raises StoreLocked, StoreClosed."""
        self._writer.check_usable()
        return self._bridge_here().ask(act)

    def _ask_then(
        self, act: Callable[[Transaction], Any], told: Callable[[Any, BaseException | None], None]
    ) -> None:  # fmt: skip
        """As `asubmit`, but that `told(what act gave, None)`, or `told(None, error)`, is called in the event loop.

        (No future, and no task that waits for it: for doors, at half the price.)
        """
        self._bridge_here().ask_then(self._act_of(act), told, act.shares if isinstance(act, Put | Shared) else "")

    def _bridge_here(self) -> Bridge:
        """To the event loop that runs."""
        bridge = self._bridge
        if bridge is None or not bridge.here():
            from crdtkv.store.bridge import Bridge

            bridge = self._bridge = Bridge(self._writer.group.post)
        return bridge

    def _act_of(self, act: Callable[[Transaction], _T]) -> Callable[[Draft], _T]:
        """What is asked for, as a group takes it. Raises StoreLocked, StoreClosed, BadRequest."""
        self._writer.check_usable()
        if isinstance(act, Put):  # it needs no transaction's methods
            return partial(act.within, self)
        if not callable(act):
            raise BadRequest(f"{show(act)} cannot be called; submit takes a function of a transaction")
        return lambda draft: act(Transaction(self, draft))

    def _run(self, act: Callable[[Draft], _T]) -> _T:
        return self._writer.run(act)
