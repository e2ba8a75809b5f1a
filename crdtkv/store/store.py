"""The store: one colo's copy of a namespace, open in this process.

It is made of parts, each a room of its own: operations on keys, commits, membership,
reading, feeds, care.
"""

from __future__ import annotations

import os
from contextlib import suppress
from pathlib import Path
from typing import Any

from crdtkv.core.keys import check_key
from crdtkv.core.rules import Rule
from crdtkv.core.show import show
from crdtkv.core.versions import parse_version
from crdtkv.core.views import colo_of
from crdtkv.errors import BadRequest, StorageFailed, ValueInvalid
from crdtkv.replica.core import Replica
from crdtkv.store import maintenance, syncing, watching
from crdtkv.store.committing import Committing
from crdtkv.store.reading import Reading
from crdtkv.store.receipt import Receipt
from crdtkv.store.results import Blame, Conflict, Revision, SyncReport
from crdtkv.store.rulebook import Rulebook
from crdtkv.store.ruling import Keeping, rule_of
from crdtkv.store.watching import Feed

__all__ = ["Store"]


class Store(Committing):
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
        self, replica: Replica, namespace: str = "default", history: bool = True, purge_step_ms: int = 10_000,
        quota_mb: float | None = None,
    ) -> None:  # fmt: skip
        super().__init__(replica, quota_mb)
        self._purge_step_ms = purge_step_ms
        self.namespace = namespace
        self.rules = Rulebook(self)
        self._read_idle = Reading(replica, self._lock, self._writer.check_idle)
        self._read_inside = Reading(replica, self._lock, self._writer.check_open)
        replica.keep_of = Keeping(replica, history).of
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
            self._writer.check_open()
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
            self._writer.check_idle()
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
            self._writer.check_open()
            return self._replica.state.floor

    def _reading(self) -> Reading:
        return self._read_idle

    def _inside(self) -> Reading:
        return self._read_inside

    def _rule_of(self, key: str) -> Rule:
        return rule_of(self._replica, key)

    @property
    def size(self) -> int:
        """Bytes of the file that are in use, with history and indexes; 0 in memory. O(1). Raises StoreClosed.

        >>> import crdtkv; kv = crdtkv.open(colo="lhr")
        >>> kv.size
        0
        """
        with self._lock:
            self._writer.check_open()
            return self._replica.storage.size()

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
            raise ValueInvalid(f"prefix is {show(prefix)}; text is wanted")
        return maintenance.conflicts(self, prefix)

    # other colos

    def sync(self, other: Store) -> SyncReport:
        """Exchange all that either lacks, both ways. O(what either lacks).

        Two that never met become one namespace: the one with fewer writes joins, and
        what it wrote is written again, as its own. Where one refuses the other the report says so.

        Raises BadRequest for what cannot be exchanged with, ChainBroken where one is a copy that
        must not be mixed, NotAMember where a restored copy meets one that is none.

        >>> import crdtkv; lhr, sin = (crdtkv.open(colo=colo) for colo in ("lhr", "sin"))
        >>> lhr["a"] = 1; sin["b"] = 2
        >>> lhr.sync(sin).equal, dict(lhr) == dict(sin)
        (True, True)
        """
        if not isinstance(other, Store):
            raise BadRequest(f"{show(other)} is no store; sync takes another open store")
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
            self._writer.check_idle()
            return maintenance.check(self._replica)

    def compact(self) -> int:
        """Drop what is known to be deleted everywhere, fold old increments, trim history; how many cells went.

        A file that has grown by a fifth since it was last packed is packed: reads and writes wait for it, some 10 s
        a GB. O(what goes + keys with a history, or the file). Raises StoreClosed, StorageFailed.

        >>> import crdtkv; kv = crdtkv.open(colo="lhr")
        >>> kv.compact()
        0
        """
        with self._lock:
            self._writer.check_idle()
            gone = maintenance.compact(self._replica, self._rule_of, self._replica.keep_of, self._purge_step_ms)
            self._writer.tell()
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
            self._writer.check_open()
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
            if not self._writer.closed:
                self._writer.check_idle()
                with suppress(StorageFailed):  # then it goes on from what was reserved
                    self._replica.rest()
                self._writer.closed = True
                self._replica.storage.close()
                self._writer.changed.notify_all()
                for told in self._writer.on_change:
                    told()
        self._writer.group.close()

    def __enter__(self) -> Store:
        return self

    def __exit__(self, *exc: object) -> None:
        self.close()

    def __repr__(self) -> str:
        return f"<Store {self.id} of {self.namespace!r}>"
