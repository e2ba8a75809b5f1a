"""The store: one colo's copy of a namespace, open in this process.

Law of this room: every write is a transaction, kept whole before anyone is told of
it. One lock serialises them; reads take it too, so what is read is of one instant.
"""

from __future__ import annotations

import logging
import os
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from statistics import median
from typing import Any, TypeVar

from crdtkv.core.keys import check_key
from crdtkv.core.rules import Rule
from crdtkv.core.versions import parse_version
from crdtkv.core.views import colo_of
from crdtkv.core.wire import Record
from crdtkv.errors import BadRequest, ClockAhead, NotAMember, StoreClosed, ValueInvalid
from crdtkv.replica import life, members
from crdtkv.replica.core import CLOCK_BOUND_MS, Replica
from crdtkv.replica.draft import Draft
from crdtkv.replica.past import Keep
from crdtkv.store import maintenance, syncing, watching
from crdtkv.store.lock import ProcessLock
from crdtkv.store.membership import Membership
from crdtkv.store.operations import Operations
from crdtkv.store.reading import Reading
from crdtkv.store.results import Blame, Conflict, Fate, Receipt, Revision, SyncReport
from crdtkv.store.rulebook import Rulebook, rule_of
from crdtkv.store.transaction import Transaction
from crdtkv.store.watching import Feed

__all__ = ["Store"]

_T = TypeVar("_T")
_log = logging.getLogger("crdtkv")


class Store(Operations, Membership):
    """One colo's keys. Thread-safe. A context manager that closes.

    As a mapping it holds plain values: `kv["a"]`, `kv["a"] = 1`, `del kv["a"]`, `"a" in kv`, `len(kv)`.

    >>> import crdtkv
    >>> with crdtkv.open(colo="lhr") as kv:
    ...     kv["a"] = [1]
    ...     kv["a"], "a" in kv, len(kv)
    ([1], True, 1)
    >>> kv = crdtkv.open(colo="lhr")
    >>> kv.colo, kv.id.startswith("lhr~"), kv.members == [kv.id], kv.vector == {kv.id: 1}
    ('lhr', True, True, True)
    >>> len(kv.digest()), kv.floor, kv.forks, kv.check()
    (32, 0, [], [])
    >>> kv.close()
    """

    def __init__(
        self, replica: Replica, namespace: str = "default", history: bool = True, purge_step_ms: int = 10_000
    ) -> None:
        self._replica = replica
        self._lock = ProcessLock(f"the store of {colo_of(replica.state.id)!r}")
        self._changed = threading.Condition(self._lock.inner)
        self._draft: Draft | None = None
        self._fate = Fate()
        self._closed = False
        self._history = history
        self._purge_step_ms = purge_step_ms
        self.namespace = namespace
        self.rules = Rulebook(self)
        self.on_commit: list[Callable[[Record, bytes], None]] = []
        self._read_idle = Reading(replica, self._lock, self._check_idle)
        self._read_inside = Reading(replica, self._lock, self._check_open)
        replica.keep_of = self._keep_of
        replica.untold.clear()

    # who and where

    @property
    def id(self) -> str:
        """This replica's id: the colo's name and its incarnation. O(1).

        Another after a disk was lost or put back, after an eviction, and after a clock went back.

        >>> import crdtkv; kv = crdtkv.open(colo="lhr")
        >>> kv.id.startswith("lhr~")
        True
        """
        return self._replica.state.id

    @property
    def colo(self) -> str:
        """The colo's name. O(1).

        >>> import crdtkv; kv = crdtkv.open(colo="lhr")
        >>> kv.colo
        'lhr'
        """
        return colo_of(self.id)

    @property
    def vector(self) -> dict[str, int]:
        """replica -> how many of its transactions are absorbed here. O(replicas). Raises StoreClosed.

        >>> import crdtkv; kv = crdtkv.open(colo="lhr")
        >>> before = kv.vector[kv.id]
        >>> kv["a"] = 1
        >>> kv.vector[kv.id] - before
        1
        """
        with self._lock:
            self._check_open()
            return dict(self._replica.state.vector)

    def digest(self) -> str:
        """32 hex digits over all cells; equal at two colos whose vectors and purge floors are. O(1).

        Raises StoreClosed, BadRequest inside a transaction.

        >>> import crdtkv; lhr, sin = (crdtkv.open(colo=colo) for colo in ("lhr", "sin"))
        >>> lhr["a"] = 1; _ = lhr.sync(sin)
        >>> lhr.digest() == sin.digest()
        True
        """
        with self._lock:
            self._check_idle()
            return f"{self._replica.state.digest:032x}"

    @property
    def floor(self) -> int:
        """The stamp up to which deleted cells have been dropped here; 0 before the first purge. O(1).

        Raises StoreClosed.

        >>> import crdtkv; kv = crdtkv.open(colo="lhr")
        >>> kv.floor
        0
        """
        with self._lock:
            self._check_open()
            return self._replica.state.floor

    # transactions

    @contextmanager
    def transaction(self) -> Iterator[Transaction]:
        """All that is done with what this yields is one transaction: seen whole or not at all, here and everywhere.

        Nothing is written if the block raises, and its receipts are void. Other threads wait
        meanwhile, and then read what was committed; in this one only the transaction itself
        reads and writes. O(what is done in it), and one commit.

        Raises NotAMember, ClockAhead, StoreClosed at its begin, StorageFailed at its end.

        >>> import crdtkv
        >>> kv = crdtkv.open(colo="lhr")
        >>> with kv.transaction() as t:
        ...     _ = t.put("a", 1)
        ...     _ = t.counter("n").add(2)
        >>> kv["a"], kv["n"]
        (1, 2)
        """
        with self._lock:
            self._begin()
            made = None
            self._fate = fate = Fate()
            try:
                with self._replica.transaction():
                    self._draft = draft = Draft(self._replica, self._rule_of)
                    yield Transaction(self, draft, fate)
                    made = draft.record()
            except BaseException:
                fate.undone = True
                raise
            finally:
                self._draft = None
            self._replica.minted(made)
            if made is not None:
                self._tell()

    def _check_open(self) -> None:
        if self._closed:
            raise StoreClosed(f"the store of {self.colo!r} is closed; open it again")

    def _check_idle(self) -> None:
        if self._closed:
            self._check_open()
        if self._draft is not None:
            raise BadRequest("a transaction is open in this thread; use its own methods, or end it first")

    def _begin(self, by_copy: bool = False) -> None:
        """Raises if a write cannot be minted now: closed, retired, copied, or with a wrong clock."""
        self._check_idle()
        life.mend(self._replica)
        if self._replica.state.copied and not by_copy:
            raise NotAMember(
                f"{self.id} was restored from a copy; sync with a member before it writes, for a new id, "
                "or evict all others if they are lost"
            )
        if self._replica.state.left:
            raise NotAMember(
                f"{self.id} has left its namespace and writes no more; open a new file and sync it with a member",
                next_step="open a new file, and sync it with a member",
            )
        if not members.is_member(self._replica, self.id):
            raise NotAMember(f"{self.id} is not a member of its namespace any more; sync with a member to return")
        ahead = -int(median([offset for offset, _ in self._replica.offsets.values()] or [0]))
        if ahead > CLOCK_BOUND_MS:
            raise ClockAhead(f"the clock here is {ahead} ms ahead of its peers; at most {CLOCK_BOUND_MS}; set it right")

    def _tell(self) -> None:
        """Feeds wake, and listeners are told all that was minted here since they last were."""
        # After the commit: a watcher or a peer must never know of an edit that a crash could take back.
        self._changed.notify_all()
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
        with self._lock, self.transaction():
            assert self._draft is not None
            return act(self._draft)

    def _reading(self) -> Reading:
        return self._read_idle

    def _inside(self) -> Reading:
        return self._read_inside

    def _rule_of(self, key: str) -> Rule:
        return rule_of(self._replica, key)

    def _keep_of(self, key: str) -> Keep:
        if not self._history or key.startswith(members.SYSTEM):
            return Keep(0, 0)
        rule = self._rule_of(key)
        return Keep(rule.keep_cells, int(rule.keep_hours * 3600 * 1000))

    # versions

    def history(self, key: str) -> list[Revision]:
        """The transactions that touched `key`, oldest first, as far back as is known here. O(n * history).

        Raises KeyInvalid.

        >>> import crdtkv; kv = crdtkv.open(colo="lhr")
        >>> kv["a"] = 1; kv["a"] = 2; del kv["a"]
        >>> [revision.value for revision in kv.history("a")]
        [1, 2, None]
        """
        return self._reading().history(check_key(key))

    def diff(self, key: str, a: str | None, b: str | None = None) -> list[dict[str, Any]]:
        """The JSON patch that makes the value at version `b` (None: now) of that at `a` (None: absent). O(n).

        A blob is replaced whole. Raises VersionInvalid, BaseTooOld, BaseNotHere.

        >>> import crdtkv
        >>> kv = crdtkv.open(colo="lhr")
        >>> version = kv.put("doc", {"a": 1}).version
        >>> _ = kv.put("doc", {"a": 2})
        >>> kv.diff("doc", version)
        [{'op': 'replace', 'path': '/a', 'value': 2}]
        """
        from crdtkv.store.patches import difference

        key = check_key(key)
        reading = self._reading()
        with self._lock:
            old = None if a is None else reading.entry_at(key, parse_version(key, a))
            new = reading.entry(key) if b is None else reading.entry_at(key, parse_version(key, b))
        return difference(old.value if old else None, new.value if new else None)

    def blame(self, key: str) -> list[Blame]:
        """Who wrote each part of what `key` shows, last; empty if it is absent. O(n). Raises KeyInvalid.

        >>> import crdtkv; lhr, sin = (crdtkv.open(colo=colo) for colo in ("lhr", "sin"))
        >>> lhr["a"] = {"x": 1, "y": 1}; _ = lhr.sync(sin)
        >>> _ = sin.json("a").at("/y").put(2)
        >>> [(part.path, part.value, part.replica == sin.id) for part in sin.blame("a")]
        [('/x', 1, False), ('/y', 2, True)]
        """
        return self._reading().blame(check_key(key))

    def revert(self, key: str, version: str) -> Receipt:
        """A new write that makes `key` show what it showed at `version`; its expiry date stays what it is. O(n).

        Of several siblings (mv) it is the one that was the value.

        Raises WrongOperation where the key's strategy goes no way back (max, min, latch, log), and
        as `get(at=)`: nothing written.

        >>> import crdtkv
        >>> kv = crdtkv.open(colo="lhr")
        >>> version = kv.put("a", 1).version
        >>> _ = kv.put("a", 2)
        >>> kv.revert("a", version).value
        1
        """
        with self.transaction() as t:
            return t.revert(key, version)

    def conflicts(self, prefix: str = "") -> list[Conflict]:
        """The inbox of lost writes that this colo made, oldest first. O(inbox). Raises ValueInvalid.

        >>> import crdtkv; lhr, sin = (crdtkv.open(colo=colo) for colo in ("lhr", "sin"))
        >>> _ = lhr.sync(sin)
        >>> _ = lhr.put("a", 1, strategy="lww"); _ = sin.put("a", 2, strategy="lww")
        >>> _ = lhr.sync(sin)
        >>> [(lost.key, lost.value, lost.winner) for lost in lhr.conflicts()]
        [('a', 1, 2)]
        """
        if not isinstance(prefix, str):
            raise ValueInvalid(f"prefix is {prefix!r}; text is wanted")
        return maintenance.conflicts(self, prefix)

    # other colos

    def sync(self, other: Store) -> SyncReport:
        """Exchange all that either lacks, both ways. O(what either lacks).

        Two that never met become one namespace: the one with fewer writes joins, and
        what it wrote is minted anew. Where one refuses the other the report says so.

        Raises BadRequest for what cannot be exchanged with, ChainBroken where one is a copy that
        must not be mixed, NotAMember where a restored copy meets one that is none.

        >>> import crdtkv; lhr, sin = (crdtkv.open(colo=colo) for colo in ("lhr", "sin"))
        >>> lhr["a"] = 1; sin["b"] = 2
        >>> lhr.sync(sin).equal, dict(lhr) == dict(sin)
        (True, True)
        """
        if not isinstance(other, Store):
            raise BadRequest(f"{other!r:.80} is no store; sync takes another open store")
        return syncing.sync(self, other)

    def watch(self, prefix: str = "", since: str | None = None, timeout: float | None = None) -> Feed:
        """The changes of keys with `prefix`, from now on, or from an earlier cursor on; waits for more.

        Ends after `timeout` seconds without one (None: never), and when the store is closed.
        Intermediate values are squashed; that a key expires is not told. A cursor older than
        what was purged gives one `reset`, then every key. Raises CursorInvalid, ValueInvalid,
        BaseNotHere for a cursor that is ahead of this colo. O(what changed).

        >>> import crdtkv
        >>> kv = crdtkv.open(colo="lhr")
        >>> feed = kv.watch(timeout=0)
        >>> kv["a"] = 1; del kv["a"]; kv["b"] = 2
        >>> [(change.key, change.entry and change.entry.value) for change in feed]
        [('a', None), ('b', 2)]
        """
        return watching.watch(self, prefix, since, timeout)

    # care

    def check(self) -> list[str]:
        """What is wrong with the store, in words; empty if every invariant holds. O(cells). Raises StoreClosed.

        >>> import crdtkv; kv = crdtkv.open(colo="lhr")
        >>> kv.check()
        []
        """
        with self._lock:
            self._check_idle()
            return maintenance.check(self._replica)

    def compact(self) -> int:
        """Drop what is known to be deleted everywhere, fold old increments, trim history; how many cells went.

        O(what goes + keys with a history). Raises StoreClosed, StorageFailed.

        >>> import crdtkv; kv = crdtkv.open(colo="lhr")
        >>> kv.compact()
        0
        """
        with self._lock:
            self._check_idle()
            gone = maintenance.compact(self._replica, self._rule_of, self._keep_of, self._purge_step_ms)
            self._tell()
            return gone

    def backup(self, path: str | os.PathLike[str]) -> None:
        """All that is committed now is in a new file at `path`; writes wait meanwhile. O(file).

        Opened, or put back in the place of the store's own, it is known for a copy: it writes once it
        has met a member (docs/guide.md, 12). Raises BadRequest where there is a file, or the store has
        none; StorageFailed.

        >>> import crdtkv, os
        >>> with crdtkv.open("lhr.db", colo="lhr") as kv:
        ...     kv.put("a", 1) and kv.backup("lhr-monday.db")
        >>> os.path.exists("lhr-monday.db")
        True
        """
        with self._lock:
            self._check_open()
            self._replica.storage.backup(Path(path))

    def close(self) -> None:
        """Let go of the file. Idempotent; later calls raise StoreClosed. In a forked child nothing is let go of. O(1).

        Raises BadRequest inside a transaction.

        >>> import crdtkv; kv = crdtkv.open(colo="lhr")
        >>> kv.close()
        >>> kv["a"]
        Traceback (most recent call last):
        crdtkv.errors.StoreClosed: the store of 'lhr' is closed; open it again
        """
        if not self._lock.ours:
            return
        with self._lock:
            if not self._closed:
                self._check_idle()
                self._closed = True
                self._replica.storage.close()
                self._changed.notify_all()

    def __enter__(self) -> Store:
        return self

    def __exit__(self, *exc: object) -> None:
        self.close()

    def __repr__(self) -> str:
        return f"<Store {self.id} of {self.namespace!r}>"
