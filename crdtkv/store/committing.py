"""How writes are committed: one by one in a `with` block, or what many threads ask for at once.

Law of this room: a write is kept whole before anyone is told of it. One lock serialises
writes; reads take it too, so what is read is of one instant.
"""

from __future__ import annotations

import logging
import threading
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import Future
from contextlib import contextmanager
from copy import copy
from statistics import median
from typing import TYPE_CHECKING, Any, TypeVar

from crdtkv.core.uncollected import uncollected
from crdtkv.core.views import colo_of
from crdtkv.core.wire import Record
from crdtkv.errors import BadRequest, ClockAhead, NotAMember, NotBackYet, StorageFailed, StoreClosed
from crdtkv.replica import life, members
from crdtkv.replica.core import CLOCK_BOUND_MS, Replica
from crdtkv.replica.draft import Draft
from crdtkv.store.group import Asked, Group
from crdtkv.store.lock import ProcessLock
from crdtkv.store.membership import Membership
from crdtkv.store.operations import Operations
from crdtkv.store.quota import Minted, Quota
from crdtkv.store.results import Fate
from crdtkv.store.transaction import Transaction

if TYPE_CHECKING:
    import asyncio

    from crdtkv.store.bridge import Bridge

__all__ = ["Committing"]

_T = TypeVar("_T")
_log = logging.getLogger("crdtkv")

_WRITE_BYTES = 500
"""Some, of a write and what its commit makes of it."""


class _NothingDone(Exception):
    """Nobody of a group has written anything."""


class Committing(Operations, Membership):
    """The part of a store that writes."""

    def __init__(self, replica: Replica, quota_mb: float | None = None) -> None:
        self._replica = replica
        self._quota = Quota(replica.storage, quota_mb)
        self._lock = ProcessLock(f"the store of {colo_of(replica.state.id)!r}")
        self._changed = threading.Condition(self._lock.inner)
        self._draft: Draft | None = None
        self._fate = Fate()
        self._group = Group(self._commit, self._run_alone)
        self._bridge: Bridge | None = None  # of the event loop that asked last
        self._closed = False
        self.on_commit: list[Callable[[Record, bytes], None]] = []
        self._on_change: list[Callable[[], None]] = []
        """Called, with the lock, after whatever was committed or absorbed; for who waits in an event loop."""

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
        opened = _Open(self)
        try:
            with opened as draft:
                yield Transaction(self, draft, self._fate)
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
        return self._group.submit(self._act_of(act))

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
        self._check_usable()
        return self._bridge_here().ask(act)

    def _ask_then(
        self, act: Callable[[Transaction], Any], told: Callable[[Any, BaseException | None], None]
    ) -> None:  # fmt: skip
        """As `asubmit`, but that `told(what act gave, None)`, or `told(None, error)`, is called in the event loop.

        (No future, and no task that waits for it: for doors, at half the price.)
        """
        self._bridge_here().ask_then(self._act_of(act), told)

    def _bridge_here(self) -> Bridge:
        """To the event loop that runs."""
        bridge = self._bridge
        if bridge is None or not bridge.here():
            from crdtkv.store.bridge import Bridge

            bridge = self._bridge = Bridge(self._group.post)
        return bridge

    def _act_of(self, act: Callable[[Transaction], _T]) -> Callable[[Draft], _T]:
        """What is asked for, as a group takes it. Raises StoreLocked, StoreClosed, BadRequest."""
        self._check_usable()
        if not callable(act):
            raise BadRequest(f"{act!r:.80} cannot be called; submit takes a function of a transaction")
        return lambda draft: act(Transaction(self, draft, self._fate))

    def _check_usable(self) -> None:
        self._lock.is_mine()  # (in a forked child it says what is wrong)
        if self._closed:
            self._check_open()

    def _check_open(self) -> None:
        if self._closed:
            raise StoreClosed(f"the store of {colo_of(self._replica.state.id)!r} is closed; open it again")

    def _check_idle(self) -> None:
        if self._closed:
            self._check_open()
        if self._draft is not None:
            raise BadRequest("a transaction is open in this thread; use its own methods, or end it first")

    def _begin(self, by_copy: bool = False) -> None:
        """Raises if a write cannot be minted now: closed, retired, copied, or with a wrong clock."""
        if self._closed or self._draft is not None:
            self._check_idle()
        life.mend(self._replica)
        state = self._replica.state
        if state.copied and not by_copy:
            raise NotBackYet(
                f"{state.id} was restored from a copy; sync with a member before it writes, for a new id, "
                "or evict all others if they are lost"
            )
        if state.left:
            raise NotAMember(
                f"{state.id} has left its namespace and writes no more; open a new file and sync it with a member",
                next_step="open a new file, and sync it with a member",
            )
        if state.id not in members.members(self._replica):
            raise NotAMember(f"{state.id} is not a member of its namespace any more; sync with a member to return")
        offsets = self._replica.offsets
        ahead = -int(median([offset for offset, _ in offsets.values()])) if offsets else 0
        if ahead > CLOCK_BOUND_MS:
            raise ClockAhead(f"the clock here is {ahead} ms ahead of its peers; at most {CLOCK_BOUND_MS}; set it right")

    def _tell(self) -> None:
        """Feeds wake, and listeners are told all that was minted here since they last were."""
        # After the commit: a watcher or a peer must never know of an edit that a crash could take back.
        if self._changed._waiters:  # type: ignore[attr-defined]  # whether anybody waits, at a third of the price
            self._changed.notify_all()
        for told in self._on_change:
            told()
        untold = self._replica.untold
        while untold:
            made = untold.popleft()
            for listener in list(self.on_commit):
                try:
                    listener(*made)
                except Exception:
                    # What is committed is: its writer must not be told that it failed.
                    _log.exception("a listener of on_commit failed at %s", made[0].dot)

    def _run(self, act: Callable[[Draft], _T]) -> _T:
        # Who holds the lock waits for nobody: a listener, or a thread whose transaction is open.
        return self._run_alone(act) if self._lock.is_mine() else self._group.run(act)

    def _run_alone(self, act: Callable[[Draft], _T]) -> _T:
        opened = _Open(self)
        try:
            with opened as draft:
                return act(draft)
        except BaseException:
            opened.abandon()
            raise

    def _commit(self, take: Callable[[], list[Asked[Any]]]) -> None:
        """What a group of threads asks for, each as a transaction of its own, in one commit."""
        with self._lock:
            turns = take()
            if len(turns) == 1:
                try:
                    turns[0].value = self._run_alone(turns[0].act)
                except BaseException as error:
                    turns[0].error = error  # (who leads may be another: one that was cancelled)
                    raise
                return
            begun = False
            try:
                self._begin()
                with self._replica.transaction():
                    begun = True
                    made: list[Minted | None] = []
                    for turn in turns:
                        made.append(self._take_turn(turn, made))
                    if all(turn.error for turn in turns):
                        raise _NothingDone
            except _NothingDone:
                return
            except BaseException as error:
                if not (begun and self._replica.storage.committed):
                    for turn in turns:
                        turn.error = turn.error or _of_the_group(error)
                raise
            for each in made:
                self._replica.minted(each)
            self._tell()

    def _take_turn(self, turn: Asked[Any], before: Iterable[Minted | None]) -> Minted | None:
        """Inside a transaction: what was asked for is done, or undone by itself. `before`: what others of it did."""
        self._fate = Fate()
        try:
            with self._replica.step():
                self._draft = draft = Draft(self._replica, self._rule_of)
                turn.value = turn.act(draft)
                made = draft.record()
                self._quota.check(made, before)
                return made
        except Exception as error:
            turn.error = error
            return None
        finally:
            self._draft = None


class _Open:
    """A transaction of its own: committed where its block ends, undone if that raises; the lock is held meanwhile."""

    # By hand: a generator takes several times as long, and each write enters one.
    __slots__ = ("_before", "_draft", "_fate", "_held", "_store")

    def __init__(self, store: Committing) -> None:
        self._store = store
        self._held = False

    def __enter__(self) -> Draft:
        store = self._store
        store._lock.__enter__()
        try:
            store._begin()
            self._fate = store._fate = Fate()
            self._before = store._replica.begin()
            try:
                self._draft = store._draft = Draft(store._replica, store._rule_of)
            except BaseException:
                self._give_up()
                raise
        except BaseException:
            store._lock.__exit__()
            raise
        self._held = True
        return self._draft

    def __exit__(self, kind: object, error: object, trace: object) -> None:
        store, replica = self._store, self._store._replica
        try:
            if kind is not None:
                self._give_up()
                return
            try:
                with uncollected(len(self._draft.touched) * _WRITE_BYTES):
                    made = self._draft.record()
                    store._quota.check(made)
                    kept = replica.commit()
            except BaseException:
                self._give_up()
                raise
            store._draft = None
            replica.committed(kept)
            replica.minted(made)
            if made is not None:
                store._tell()
        finally:
            self._held = False
            store._lock.__exit__()

    def abandon(self) -> None:
        """Undone, and the lock let go of, if an interrupt came as its block ended and kept it from that. Idempotent."""
        if self._held:
            self.__exit__(KeyboardInterrupt, None, None)

    def _give_up(self) -> None:
        self._store._draft = None
        self._fate.undone = True
        self._store._replica.undo(self._before)


def _of_the_group(error: BaseException) -> Exception:
    """For each its own: one that several threads raise would grow a traceback of them all."""
    if isinstance(error, Exception):
        return copy(error)
    return StorageFailed(
        f"the thread that wrote for this one was interrupted ({type(error).__name__})",
        next_step="read the key again: it may or may not have been written",
    )
