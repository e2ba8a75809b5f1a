"""One colo whose disk fails now and then, and is sound again: each call says truly whether it happened.

A call that raises says `happened`: "no" is nowhere to be found, whatever comes after (a
close, a kill, a power cut), "unknown" is there or not. Reads go on where they find what they
ask for. When the disk is sound again
the store writes on, or says that it wants to be opened again, and then it does. A peer
never knows more of the store than the store itself.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable
from pathlib import Path
from random import Random
from typing import Any

import apsw
import pytest

import crdtkv
from crdtkv.core.wire import Record
from crdtkv.errors import CrdtkvError, StorageFailed
from crdtkv.replica import exchange
from tests.power.disk import Disk, Step, may_all
from tests.power.vfs import Mounted, failure
from tests.power.wishes import Twin, Wish, draw

__all__ = ["Faulty", "Failing", "run"]

_CODES = {
    "write": (apsw.SQLITE_FULL, apsw.SQLITE_IOERR_WRITE),
    "sync": (apsw.SQLITE_IOERR_FSYNC,),
    "truncate": (apsw.SQLITE_IOERR_TRUNCATE,),
    "read": (apsw.SQLITE_IOERR_READ,),
    "delete": (apsw.SQLITE_IOERR_DELETE,),
    "open": (apsw.SQLITE_CANTOPEN,),
}


class Failing:
    """The n-th step of a kind fails, once or for ever."""

    def __init__(self, kind: str, n: int, code: int, for_ever: bool, name: str | None = None) -> None:
        self.kind, self.left, self.code, self.for_ever, self.name = kind, n, code, for_ever, name
        self.fell = False

    @classmethod
    def drawn(cls, dice: Random) -> Failing:
        kind = dice.choices(list(_CODES), [4, 4, 1, 2, 1, 1])[0]
        most = 6 if kind in ("write", "sync") else 3
        return cls(kind, int(2 ** dice.uniform(0, most)), dice.choice(_CODES[kind]), dice.random() < 0.5)

    def __call__(self, step: Step) -> None:
        if step.kind != self.kind or self.name not in (None, step.name):
            return
        self.left -= 1
        if self.left == 0 or (self.for_ever and self.left < 0):
            self.fell = True
            raise failure(self.code)

    def __repr__(self) -> str:
        return f"{self.kind} fails with {apsw.mapping_result_codes.get(self.code & 0xFF)}"


class Faulty:
    """A store of colo `lhr` on a disk that fails, and the store of `sin`, to which it tells all that it commits."""

    def __init__(self, folder: Path, seed: int, durability: str = "full") -> None:
        self.dice, self.durability = Random(f"{durability}/{seed}"), durability
        self.path = folder / "lhr.db"
        self.disk = Disk(self.path, self.dice)
        self.mounted = Mounted(self.disk)
        self.peer = crdtkv.open(colo="sin", random=Random(seed))
        self.figures: Counter[str] = Counter()
        self.n = 0
        self.ours = Twin()
        self.perhaps: list[Twin] = []
        """What else may be shown once it was opened again."""
        self.kv = self.open()
        self.kv.sync(self.peer)

    def open(self) -> crdtkv.Store:
        with pytest.MonkeyPatch.context() as patch:
            self.mounted.lie_under(patch)
            kv = crdtkv.open(self.path, colo="lhr", random=self.dice, durability=self.durability)
        kv.on_commit.append(self._push)
        return kv

    def _push(self, record: Record, data: bytes) -> None:
        exchange.receive(self.peer._replica, record, data)

    def shown(self) -> Twin:
        """Asked of a disk that can be read: what is not in memory is read from it."""
        may, self.disk.may = self.disk.may, may_all
        try:
            return {key: value for key, value in self.kv.items() if key != "theirs"}
        finally:
            self.disk.may = may

    def sync(self) -> None:
        """What fails in it leaves what is ours as it is."""
        self.peer.put("theirs", self.n)
        try:
            self.kv.sync(self.peer)
        except StorageFailed:
            self.figures["syncs that failed"] += 1
        assert self.shown() == self.ours and self.peer.check() == []

    def wish(self) -> CrdtkvError | None:
        """One call; what it raised, if it did: then nothing has changed in what is shown."""
        if self.dice.random() < 0.1:
            self.sync()
        self.n += 1
        wish = draw(self.dice, self.n)
        twin = dict(self.ours)
        wish.expect(twin)
        try:
            wish.act(self.kv)
        except StorageFailed as error:
            self._judge(wish, twin, error)
            return error
        self.ours = twin
        self.figures["done"] += 1
        assert self.shown() == self.ours
        return None

    def _judge(self, wish: Wish, twin: Twin, error: StorageFailed) -> None:
        self.figures[f"happened: {error.happened}"] += 1
        assert str(self.path) in str(error) or "it is not known" in str(error), error
        assert error.next_step
        if error.happened == "unknown":
            self.perhaps.append(twin)
        else:
            # A compaction is many commits, and what of it was one has happened.
            assert error.happened == "no" or wish.words == "compact", (wish.words, error)
        assert self.shown() == self.ours, wish.words

    def end(self) -> None:
        """Closed, killed, or cut from its power, and opened again on a sound disk."""
        self.disk.may = may_all
        match self.dice.randrange(3 if self.durability == "full" else 2):
            case 0:
                self.kv.close()
            case 1:
                self.mounted.let_go()
                self.disk.dead = False
            case _:
                self.mounted.let_go()
                self.disk.cut()
        self.kv = self.open()
        shown = self.shown()
        assert shown in (self.ours, *self.perhaps), _difference(shown, self.ours)
        assert self.kv.check() == []
        self.ours, self.perhaps = shown, []
        vector = self.kv.vector
        told = {id: n for id, n in self.peer.vector.items() if id.startswith("lhr~")}
        assert all(vector.get(id, 0) >= n for id, n in told.items()), "told, and lost"
        report = self.kv.sync(self.peer)
        assert report.equal and not report.refused and not report.quarantined
        assert dict(self.peer.items()) == dict(self.kv.items()) and self.shown() == self.ours

    def fail(self, failing: Callable[[Step], None], calls: int) -> None:
        """Calls while the disk fails, and one when it is sound again; or none after the first that failed."""
        self.disk.may = failing
        at_once = self.dice.random() < 0.5
        for _ in range(calls):
            if self.wish() is not None and at_once:
                return
        self.disk.may = may_all
        error = self.wish()
        assert error is None or (error.happened == "no" and "open it again" in error.next_step)


def _difference(shown: Twin, expected: Twin) -> dict[str, tuple[str, str]]:
    return {
        key: (f"{shown.get(key)!r:.60}", f"{expected.get(key)!r:.60}")
        for key in shown.keys() | expected.keys()
        if shown.get(key) != expected.get(key)
    }


def run(seed: int, faults: int, folder: Path, durability: str = "full") -> Counter[str]:
    """Fault after fault on one store; how many calls were done, and what those that were not said."""
    faulty: Any = Faulty(folder, seed, durability)
    try:
        for _ in range(faults):
            failing = Failing.drawn(faulty.dice)
            faulty.fail(failing, faulty.dice.randrange(1, 30))
            faulty.figures["fell"] += failing.fell
            faulty.end()
    finally:
        faulty.mounted.let_go()
    return faulty.figures
