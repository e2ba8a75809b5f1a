"""The writer of a store: its transactions, opened one by one, or of what many threads ask for at once.

Law of this room: a write is kept whole before anyone is told of it. One lock serialises
writes; reads take it too, so what is read is of one instant. What users hand in comes here
as a function of a draft, and no nearer: this is compiled, and a caller's mistake is told in words of ours.
"""

from __future__ import annotations

import logging
import threading
from collections.abc import Callable
from copy import copy
from typing import Any, Final, TypeVar

from crdtkv.core.rules import Rule
from crdtkv.core.uncollected import A_WRITE, uncollected
from crdtkv.core.views import colo_of
from crdtkv.core.wire import Record
from crdtkv.errors import BadRequest, ClockAhead, NotAMember, NotBackYet, StorageFailed, StoreClosed
from crdtkv.replica import life, members
from crdtkv.replica.core import CLOCK_BOUND_MS, Before, Replica
from crdtkv.replica.draft import Draft
from crdtkv.store.group import Asked, Group
from crdtkv.store.lock import ProcessLock
from crdtkv.store.quota import Minted, Quota

__all__ = ["Open", "Writer"]

_T = TypeVar("_T")
_log: Final = logging.getLogger("crdtkv")


class _NothingDone(Exception):
    """Nobody of a group has written anything."""


class Writer:
    """Of one replica; `rule_of` says which rule holds for a key."""

    def __init__(self, replica: Replica, quota: Quota, rule_of: Callable[[str], Rule]) -> None:
        self.replica = replica
        self.quota = quota
        self.rule_of = rule_of
        self.lock = ProcessLock(f"the store of {colo_of(replica.state.id)!r}")
        self.changed: Any = threading.Condition(self.lock.inner)
        self.draft: Draft | None = None
        """Of the transaction that is open."""
        self.group = Group(self._commit, self.run_alone, self._keep_up)
        self.closed = False
        self.on_commit: list[Callable[[Record, bytes], None]] = []
        self.on_change: list[Callable[[], None]] = []
        """Called, with the lock, after whatever was committed or absorbed; for who waits in an event loop."""

    # whether

    def check_usable(self) -> None:
        """Raise StoreLocked in a forked child, StoreClosed. Waits for nobody."""
        self.lock.is_mine()
        if self.closed:
            self.check_open()

    def check_open(self) -> None:
        """Raise StoreClosed if it is."""
        if self.closed:
            raise StoreClosed(f"the store of {colo_of(self.replica.state.id)!r} is closed; open it again")

    def check_idle(self) -> None:
        """As `check_open`; BadRequest while a transaction is open."""
        if self.closed:
            self.check_open()
        if self.draft is not None:
            raise BadRequest("a transaction is open in this thread; use its own methods, or end it first")

    def begin(self, by_copy: bool = False) -> None:
        """Raises if a write cannot be minted now: closed, retired, copied, or with a wrong clock. With the lock."""
        if self.closed or self.draft is not None:
            self.check_idle()
        replica = self.replica
        if replica.went_back():
            life.mend(replica)
        state = replica.state
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
        if state.id not in members.members(replica):
            raise NotAMember(f"{state.id} is not a member of its namespace any more; sync with a member to return")
        ahead = replica.offsets.ahead_ms()
        if ahead > CLOCK_BOUND_MS:
            raise ClockAhead(f"the clock here is {ahead} ms ahead of its peers; at most {CLOCK_BOUND_MS}; set it right")

    def tell(self) -> None:
        """Feeds wake, and listeners are told all that was minted here since they last were. With the lock."""
        # After the commit: a watcher or a peer must never know of an edit that a crash could take back.
        if self.changed._waiters:  # whether anybody waits, at a third of the price
            self.changed.notify_all()
        for told in self.on_change:
            told()
        untold = self.replica.untold
        while untold:
            made = untold.popleft()
            for listener in list(self.on_commit):
                try:
                    listener(*made)
                except Exception:
                    # What is committed is: its writer must not be told that it failed.
                    _log.exception("a listener of on_commit failed at %s", made[0].dot)

    # writing

    def run(self, act: Callable[[Draft], _T]) -> _T:
        """What `act` gives, committed; who asks meanwhile shares a commit. Raises what it raises, or the commit."""
        # Who holds the lock waits for nobody: a listener, or a thread whose transaction is open.
        return self.run_alone(act) if self.lock.is_mine() else self.group.run(act)

    def run_alone(self, act: Callable[[Draft], _T]) -> _T:
        """As `run`, in a commit of its own."""
        opened = Open(self)
        try:
            with opened as draft:
                return act(draft)
        except BaseException:
            opened.abandon()
            raise

    def _commit(self, take: Callable[[], list[Asked[Any]]]) -> None:
        """What a group of threads asks for, each as a transaction of its own, in one commit."""
        with self.lock:
            turns = take()
            if len(turns) == 1:
                try:
                    turns[0].value = self.run_alone(turns[0].act)
                except BaseException as error:
                    turns[0].error = error  # (who leads may be another: one that was cancelled)
                    raise
                return
            begun, done = False, 0
            made: list[Minted | None] = []
            try:
                self.begin()
                with self.replica.transaction():
                    begun = True
                    while done < len(turns):
                        together = turns[done : _end(turns, done)]
                        self._take(together, made)
                        done += len(together)
                    if all(turn.error for turn in turns):
                        raise _NothingDone
            except _NothingDone:
                return
            except BaseException as error:
                if not (begun and self.replica.storage.committed):
                    for turn in turns:
                        turn.error = turn.error or _of_the_group(error)
                raise
            for each in made:
                self.replica.minted(each)
            self.tell()

    def _keep_up(self) -> None:
        """What a commit left to be done. After who wrote was told: a step of a checkpoint takes as long as a commit."""
        storage = self.replica.storage
        if storage.owing:
            with self.lock:
                if not self.closed:
                    storage.keep_up()

    def _take(self, turns: list[Asked[Any]], made: list[Minted | None]) -> None:
        """Inside a transaction: what was asked for is done, all of it as one of ours, or each undone by itself.
        `made`: what others of it did, and this then."""
        try:
            with self.replica.step():
                self.draft = draft = Draft(self.replica, self.rule_of)
                for turn in turns:
                    turn.value = turn.act(draft)
                minted = draft.record()
                self.quota.check(minted, made)
                made.append(minted)
            return
        except Exception as error:
            if len(turns) == 1:
                turns[0].error, turns[0].value = error, None
                return
        finally:
            self.draft = None
        for turn in turns:  # which of them it was
            self._take([turn], made)


class Open:
    """A transaction of its own: committed where its block ends, undone if that raises; the lock is held meanwhile."""

    # By hand: a generator takes several times as long, and each write enters one.
    __slots__ = ("_before", "_draft", "_held", "_writer")

    def __init__(self, writer: Writer) -> None:
        self._writer = writer
        self._held = False

    def __enter__(self) -> Draft:
        writer = self._writer
        writer.lock.__enter__()
        try:
            writer.begin()
            self._before: Before = writer.replica.begin()
            try:
                self._draft = writer.draft = Draft(writer.replica, writer.rule_of)
            except BaseException:
                writer.replica.undo(self._before)
                raise
        except BaseException:
            writer.lock.__exit__()
            raise
        self._held = True
        return self._draft

    def __exit__(self, kind: object, error: object, trace: object) -> None:
        writer, replica = self._writer, self._writer.replica
        try:
            if kind is not None:
                self._give_up()
                return
            try:
                with uncollected(len(self._draft.touched) * A_WRITE):
                    made = self._draft.record()
                    writer.quota.check(made)
                    kept = replica.commit()
            except BaseException:
                self._give_up()
                raise
            writer.draft = None
            replica.committed(kept)
            if made is not None:
                replica.minted(made)
                writer.tell()
        finally:
            self._held = False
            writer.lock.__exit__()

    def abandon(self) -> None:
        """Undone, and the lock let go of, if an interrupt came as its block ended and kept it from that. Idempotent."""
        if self._held:
            self.__exit__(KeyboardInterrupt, None, None)

    def _give_up(self) -> None:
        self._writer.draft = None
        self._draft.fate.undone = True
        self._writer.replica.undo(self._before)


def _end(turns: list[Asked[Any]], first: int) -> int:
    """Behind those that can be one transaction: each of one key that it says, of another than those before it.

    (Two writes of a key in one would have one version: who made the first would take the second for his.)
    """
    keys: set[str] = set()
    for at in range(first, len(turns)):
        key = turns[at].key
        if not key or key in keys:
            return max(at, first + 1)
        keys.add(key)
    return len(turns)


def _of_the_group(error: BaseException) -> Exception:
    """For each its own: one that several threads raise would grow a traceback of them all."""
    if isinstance(error, Exception):
        return copy(error)
    return StorageFailed(
        f"the thread that wrote for this one was interrupted ({type(error).__name__})",
        next_step="read the key again: it may or may not have been written",
    )
