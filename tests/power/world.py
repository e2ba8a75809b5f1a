"""One colo whose power goes again and again, and a peer that remembers what it was told.

What must hold after every cut. The file opens, `check` finds nothing, and what is shown is
what was shown after one of the commits, none later than the last that was asked for:
under `full` none earlier than the last that was acknowledged, under `normal` none
earlier than the last opening, or than what it has announced. Then it syncs with the
peer, nothing is quarantined, both are equal, and no number that the peer has seen was
minted twice.
"""

from __future__ import annotations

import os
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from random import Random
from typing import Any

import pytest

import crdtkv
from crdtkv.core.wire import Record
from crdtkv.replica import exchange, life
from crdtkv.replica.core import Replica
from crdtkv.storage import checkpoint, sqlite, witness
from crdtkv.store import following
from tests.power.disk import Disk, PowerCut, Step
from tests.power.moments import NOTHING, Moment, Watch
from tests.power.vfs import Mounted, Unheld
from tests.power.wishes import Twin, draw

__all__ = ["Figures", "World", "run"]


@contextmanager
def _small_checkpoints() -> Iterator[pytest.MonkeyPatch]:
    """The journal goes to the tables, and SQLite's log to the file, every few writes, and in no thread."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(following, "FRESH_S", None)
        patch.setattr(checkpoint, "JOURNAL_BYTES", 6_000)
        patch.setattr(checkpoint, "STEP_ROWS", 20)
        yield patch


class Figures(Counter[str]):
    """What was done, and where the cuts fell."""


class _Cut:
    """The power goes at the n-th step of one kind, or of any."""

    def __init__(self, dice: Random) -> None:
        self.kind = dice.choice([None, None, None, *_WHERE])
        self.left = int(2 ** dice.uniform(0, 4 if self.kind in _RARE else 10))
        self.fell: Step | None = None

    def __call__(self, step: Step) -> None:
        if step.kind == "read" or (self.kind is not None and step != self.kind):
            return
        self.left -= 1
        if not self.left:
            self.fell = step
            raise PowerCut


_OFTEN = (Step("write", "-commits0"), Step("sync", "-commits0"), Step("write", "-commits1"), Step("sync", "-commits1"))
_RARE = (Step("write", "-wal"), Step("sync", "-wal"), Step("write", ""), Step("sync", ""), Step("truncate", ""))
_WHERE = (*_OFTEN, *_RARE)


class World:
    """A store of colo `lhr` in a folder, on a disk that forgets, and the store of `sin` in memory."""

    def __init__(self, folder: Path, seed: int, durability: str, patch: pytest.MonkeyPatch) -> None:
        self.dice = Random(f"{durability}/{seed}")
        self.durability = durability
        self.path = folder / "lhr.db"
        self.now = 1_767_261_600.0
        self.figures = Figures()
        self.disk = Disk(self.path, self.dice)
        self.mounted = Mounted(self.disk)
        self.note = Note(folder, self.dice, patch)
        self.kv: crdtkv.Store | None = None
        self.peer = crdtkv.open(colo="sin", clock=self.clock, random=Random(seed))
        self.wishes = self.acknowledged = 0
        self.twins = [Twin()]
        """What must be shown after so many wishes."""
        self.ours = self.twins[0]
        self.moments = [NOTHING]
        """What was found when it was opened last, and each commit since."""
        self.kept = 0
        """Which moment was there when a call returned last: none before it may be lost under `full`."""
        self.returns: Twin | None = None
        """What the peer gives back of what was lost; None: nothing was, or it was written over."""
        self.giving_back = range(0)
        """Moments of a sync that gave something back, and before it, with the same number of wishes: what is shown then
        is between two twins."""
        self.unsettled = False
        """It may show less than it has, or more, until it has met the peer."""
        patch.setattr(life, "begin", self._beginning(life.begin))
        patch.setattr(Replica, "minted", self._minting(Replica.minted))

    def clock(self) -> float:
        self.now += 0.001
        return self.now

    # a life, until the power goes

    def live(self) -> None:
        """Open it, use it, and cut the power: at some step of the disk, or between two calls."""
        self.disk.may = cut = _Cut(self.dice)
        with suppress(PowerCut):
            if self.kv is None:
                self.open(self.mounted.lie_under)
            for _ in range(self.dice.randrange(1, 120)):
                self._do_something()
        self._cut(cut.fell)

    def _cut(self, fell: Step | None) -> None:
        self.mounted.let_go()
        self.disk.cut()
        self.note.age()
        self.kv = None
        self.figures["cuts"] += 1
        self.figures["cut " + (f"at {fell.kind} {fell.name or 'the file'}" if fell else "between calls")] += 1

    def survive(self) -> None:
        """Opened by Python's own sqlite3, and shown to the peer: all is well. And closed."""
        try:
            self.open(lambda patch: patch.setattr(sqlite, "Hold", Unheld))
            self._sync()
        finally:
            if self.kv is not None:
                self._close()
        self.disk.mount()

    def open(self, on: Callable[[pytest.MonkeyPatch], None]) -> None:
        with pytest.MonkeyPatch.context() as patch:
            on(patch)
            self.kv = crdtkv.open(
                self.path, colo="lhr", clock=self.clock, random=self.dice, purge_step_ms=1, durability=self.durability
            )
        assert self.kv.check() == []
        assert self.unsettled or self._shown() == self.ours
        self.kv.on_commit.append(self._push)
        self.kept = len(self.moments) - 1

    def _do_something(self) -> None:
        match self.dice.randrange(25):
            case 0 | 1:
                self._sync()
            case 2:
                self._close()
                self.open(self.mounted.lie_under)
            case _:
                self._wish()
        self.kept = len(self.moments) - 1
        self.note.look()

    def _wish(self) -> None:
        assert self.kv is not None
        wish = draw(self.dice, self.wishes + 1)
        self.twins.append(dict(self.ours))
        wish.expect(self.twins[-1])
        self.wishes += 1
        wish.act(self.kv)
        self.acknowledged, self.ours = self.wishes, self.twins[-1]
        self.figures["acknowledged"] += 1

    def _sync(self) -> None:
        assert self.kv is not None
        self.peer.put(f"theirs/{self.dice.randrange(4)}", self.wishes)
        self.peer.set("both").add(self.wishes)
        if "both" in self.kv:
            self.kv.set("both").remove(self.kv["both"][0])
        came = self.returns is not None
        first = next((i for i, m in enumerate(self.moments) if m.wishes == self.wishes), len(self.moments) - 1)
        report = self.kv.sync(self.peer)
        assert report.equal and not report.refused and not report.quarantined, report
        assert dict(self.kv.items()) == dict(self.peer.items())
        self._settle()
        if came:
            self.giving_back = range(first, len(self.moments) - 1)
        self.figures["syncs"] += 1

    def _settle(self) -> None:
        """What was lost, and the peer had seen, is back."""
        shown = self._shown()
        if self.returns is None:
            assert shown == self.ours
        elif self.wishes == self.acknowledged_at_loss:
            assert shown == self.returns
        self.ours = self.twins[-1] = shown
        self.returns, self.unsettled = None, False

    def _shown(self) -> Twin:
        """What only this colo writes, as it shows it."""
        assert self.kv is not None
        return {key: value for key, value in self.kv.items() if not key.startswith(("theirs/", "both"))}

    def _close(self) -> None:
        assert self.kv is not None
        self.kv.close()
        self.kv = None
        self.kept = len(self.moments) - 1

    def _push(self, record: Record, data: bytes) -> None:
        if self.dice.random() < 0.3:
            exchange.receive(self.peer._replica, record, data)

    # what is watched

    def _beginning(self, begin: Callable[..., Replica]) -> Callable[..., Replica]:
        """What is found in the file is judged, and every commit from then on is a moment."""

        def begin_watched(storage: Any, colo: str, *args: Any, **options: Any) -> Replica:
            if colo == "lhr":
                self._watch(storage)
            return begin(storage, colo, *args, **options)

        return begin_watched

    def _watch(self, storage: Any) -> None:
        watch = Watch(storage)
        self._judge(watch.now(self.wishes))
        commit, rollback = storage.commit, storage.rollback

        def watched() -> None:
            self.moments.append(watch.now(self.wishes))
            commit()

        def watched_back() -> None:
            rollback()
            watch.rolled_back()

        storage.commit, storage.rollback = watched, watched_back

    def _judge(self, found: Moment) -> None:
        """It is what was there after one of the commits; which of the wishes are kept?"""
        at = max((i for i, moment in enumerate(self.moments) if moment.is_of(found)), default=-1)
        assert at >= 0, "what is found was never there"
        assert at >= self.kept or self.durability == "normal", f"moment {at} of {self.kept} that were acknowledged"
        said = [word[0] for id, word in self.peer._replica.state.announced.items() if id.startswith("lhr~")]
        assert sum(found.vector.values()) >= max(said, default=0), "it knows less than it announced"
        moment, vector = self.moments[at], self.peer.vector
        seen = max((m.wishes for m in self.moments if m.is_known_to(vector)), default=0)
        self.unsettled = found.pending or self.returns is not None
        self.figures["lost"] += max(0, self.acknowledged - moment.wishes)
        if seen > moment.wishes:
            self.returns, self.acknowledged_at_loss = self.twins[seen], self.wishes
        if at in self.giving_back:
            self.unsettled, self.returns, self.acknowledged_at_loss = True, self.twins[moment.wishes], -1
        self.giving_back = range(0)
        self.ours = self.twins[moment.wishes]
        self.acknowledged = self.wishes
        self.moments = [found]
        self.twins[self.wishes] = self.ours
        self.kept = 0

    def _minting(self, minted: Callable[..., None]) -> Callable[..., None]:
        """No number that the peer knows is minted again."""

        def minted_watched(replica: Replica, made: Any) -> None:
            if made is not None and replica.state.id.startswith("lhr~"):
                id, n = made[0].dot
                assert self.peer.vector.get(id, 0) < n, f"{id}.{n} is minted again"
            minted(replica, made)

        return minted_watched


class Note:
    """The witness beside the file, of which only the first words are synced; and which start of the machine it is."""

    def __init__(self, folder: Path, dice: Random, patch: pytest.MonkeyPatch) -> None:
        self.boot, self.path, self.dice = folder / "boot", folder / "lhr.db-witness", dice
        self.starts = 0
        self.kept: bytes | None = None
        """What of it is on the disk for certain; None: not even its name."""
        self.boot.write_text("0")
        patch.setattr(witness, "_BOOT", self.boot)
        patch.setattr(os, "fsync", self._syncing(os.fsync))

    def _syncing(self, fsync: Callable[[int], None]) -> Callable[[int], None]:
        def sync(file: int) -> None:
            fsync(file)
            if self.path.exists() and _same(file, self.path):
                self.kept = self.path.read_bytes()

        return sync

    def look(self) -> None:
        """As it is now it may have got to the disk by itself."""
        if self.kept is not None and self.dice.random() < 0.1:
            self.kept = self.path.read_bytes()

    def age(self) -> None:
        """After a cut it may be as it was when it got to the disk last. The machine starts anew."""
        self.starts += 1
        self.boot.write_text(str(self.starts))
        if self.dice.random() < 0.5:
            return
        if self.kept is not None:
            self.path.write_bytes(self.kept)
        elif self.path.exists() and self.dice.random() < 0.5:
            self.path.write_bytes(b"")
        else:
            self.path.unlink(missing_ok=True)


def _same(file: int, path: Path) -> bool:
    one, other = os.fstat(file), os.stat(path)
    return (one.st_dev, one.st_ino) == (other.st_dev, other.st_ino)


def run(seed: int, cuts: int, durability: str, folder: Path) -> Figures:
    """Cut after cut; half of the time the file is opened in peace before it goes on."""
    with _small_checkpoints() as patch:
        world = World(folder, seed, durability, patch)
        try:
            while world.figures["cuts"] < cuts:
                world.live()
                if world.dice.random() < 0.5:
                    world.survive()
            world.survive()
        finally:
            world.mounted.let_go()
    return world.figures
