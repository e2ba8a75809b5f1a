"""Colos for a test that moves clocks and messages by hand: what happens is what the test says, and nothing else."""

from __future__ import annotations

import itertools
import random
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import crdtkv
from crdtkv.core.wire import CatchUp, Record, decode, encode
from crdtkv.errors import StorageFailed
from crdtkv.gossip import Gossip
from crdtkv.replica import cutting, exchange, life
from crdtkv.storage.sqlite import SqliteStorage
from crdtkv.store.store import Store
from tests.compiled import of_source
from tests.laws.disks import MemoryDisk

__all__ = [
    "Clock",
    "Colos",
    "Disks",
    "arrive",
    "calls",
    "cells",
    "come_in",
    "crash",
    "cut",
    "full_disk",
    "limited",
    "meet_until",
    "outbox",
    "record",
    "refuses",
    "shows",
]


class Clock:
    """Seconds since 1970; each reading is a millisecond later, so that no two writes are at one instant."""

    def __init__(self) -> None:
        self.now = 1_767_261_600.0
        self.step = 0.001
        self.ahead: dict[str, float] = {}

    def of(self, colo: str) -> Callable[[], float]:
        def read() -> float:
            self.now += self.step
            return self.now + self.ahead.get(colo, 0.0)

        return read

    def wait(self, seconds: float) -> None:
        self.now += seconds


class Colos(dict[str, crdtkv.Store]):
    """Open stores by name, members of one namespace."""

    def __init__(
        self, *names: str, folder: Path | None = None, seed: int = 0, memory: str = "", purge_step_ms: int = 1
    ) -> None:  # fmt: skip
        super().__init__()
        self.memory = memory
        self.clock = Clock()
        self.folder = folder
        self.purge_step_ms = purge_step_ms
        self.dice = {name: random.Random(f"{name}/{seed}") for name in "abcdefpqxyz"}
        for name in names:
            self.open(name)
        self.meet()

    def open(self, name: str) -> crdtkv.Store:
        path: Any = self.folder / f"{name}.db" if self.folder and name not in self.memory else ":memory:"
        self[name] = crdtkv.open(
            path, colo=name, clock=self.clock.of(name), random=self.dice[name], purge_step_ms=self.purge_step_ms
        )
        return self[name]

    def __enter__(self) -> Colos:
        return self

    def __exit__(self, *exc: object) -> None:
        for kv in self.values():
            kv.close()

    def meet(self, times: int = 3) -> None:
        """Everyone exchanges with everyone."""
        for _ in range(times):
            for a, b in itertools.combinations(self.values(), 2):
                assert not a.sync(b).repairs, "they differed where they must not, and an exchange mended it"

    def purge(self, wait: float = 20) -> None:
        """Until nobody has anything to forget."""
        for _ in range(4):
            self.clock.wait(wait)
            self.meet(2)
            for kv in self.values():
                kv.compact()

    def purge_only(self, name: str) -> None:
        """One colo forgets what all know to be deleted; the others have not yet."""
        for _ in range(2):
            self.clock.wait(20)
            self.meet()
        self[name].compact()
        assert all(kv.floor < self[name].floor for other, kv in self.items() if other != name)

    def check(self) -> None:
        """Sound, and equal where vectors and floors are."""
        said: dict[Any, str] = {}
        for kv in self.values():
            assert kv.check() == []
            at = (tuple(sorted(kv.vector.items())), kv.floor)
            assert said.setdefault(at, kv.digest()) == kv.digest(), f"{kv.colo} differs at an equal vector and floor"

    def read(self, key: str) -> Any:
        """What every colo reads, the same; ABSENT is None."""
        found = [kv.get(key) for kv in self.values()]
        seen = {repr(e and (e.value, e.siblings, e.conflicts, e.version)) for e in found}
        assert len(seen) == 1, seen
        return found[0].value if found[0] else None


class Disks(Colos):
    """Colos whose disks can be copied, put back and lost. In memory, as a file would."""

    def __init__(self, *names: str, purge_step_ms: int = 1) -> None:
        self.disks: dict[str, MemoryDisk] = {}
        super().__init__(*names, purge_step_ms=purge_step_ms)

    def open(self, name: str) -> crdtkv.Store:
        if name not in self.disks:
            self.disks[name] = MemoryDisk(_new_place())
        disk, seconds = self.disks[name], self.clock.of(name)
        disk.rollback()  # what was not committed when a process died

        def token() -> str:
            return "".join(self.dice[name].choices("abcdefghijklmnopqrstuvwxyz234567", k=4))

        steady_ms = lambda: int(self.clock.now * 1000)  # noqa: E731
        replica = life.begin(disk, name, lambda: int(seconds() * 1000), token, steady_ms=steady_ms)
        self[name] = Store(replica, purge_step_ms=self.purge_step_ms)
        return self[name]

    def copy(self, name: str) -> MemoryDisk:
        """What is on a disk now."""
        return self.disks[name].copy()

    def put_back(self, name: str, copy: MemoryDisk, elsewhere: bool = False) -> crdtkv.Store:
        """The disk has on it what `copy` has; `elsewhere`: as a restored file, which is another one."""
        self.disks[name] = copy.copy(_new_place()) if elsewhere else copy
        return self.open(name)

    def wipe(self, name: str) -> crdtkv.Store:
        """The disk is lost, and the colo begins with an empty one."""
        del self.disks[name]
        return self.open(name)


_places = itertools.count()


def _new_place() -> str:
    return f"disk {next(_places)}"


def outbox(kv: crdtkv.Store) -> list[bytes]:
    """The records that `kv` mints from now on."""
    out: list[bytes] = []
    kv.on_commit.append(lambda record, data: out.append(data))
    return out


def record(kv: crdtkv.Store, act: Callable[[crdtkv.Store], object]) -> bytes:
    """The record of what `act` does."""
    out = outbox(kv)
    act(kv)
    kv.on_commit.pop()
    [data] = out
    return data


def cut(source: crdtkv.Store, target: crdtkv.Store, full: bool = False) -> bytes:
    """A catch-up for what `target` lacks now."""
    return encode(cutting.catch_up(source._replica, target.vector, full=full))


def arrive(kv: crdtkv.Store, data: bytes) -> str:
    """A message reaches `kv`; what became of it."""
    message = decode(data)
    if isinstance(message, CatchUp):
        return exchange.absorb(kv._replica, message).value
    assert isinstance(message, Record)
    return exchange.receive(kv._replica, message, data).value


def come_in(joiner: crdtkv.Store, sponsor: crdtkv.Store) -> None:
    """`joiner` takes a full join from a sponsor under a new id, and tells nobody anything."""
    replica, other = joiner._replica, sponsor._replica
    new = f"{joiner.colo}~{replica.token()}"
    same = replica.state.namespace == other.state.namespace
    ancestry = life.admit(other, new, replica.state.lineage if same else ())
    snapshot = decode(encode(cutting.catch_up(other, {}, full=True)))
    assert isinstance(snapshot, CatchUp)
    life.return_to(replica, ancestry, other.state.namespace, snapshot)
    replica.recent.extend(other.recent)


def meet_until(one: crdtkv.Store, other: crdtkv.Store, done: Callable[[], bool]) -> None:
    """The two exchange messages; once `done`, nothing more arrives."""
    sides = [(kv, Gossip(kv._replica, kv._rule_of)) for kv in (one, other)]
    dice = random.Random(0)
    queue = [(1, data) for _, data in sides[0][1].greet("1", 0, dice)]
    while queue and not done():
        at, data = queue.pop(0)
        queue += [(1 - at, sent) for _, sent in sides[at][1].on_message(str(1 - at), data, 0, dice)]


def shows(kv: crdtkv.Store, key: str) -> Any:
    """The value of `key` at one colo; None if it is absent."""
    entry = kv.get(key)
    return None if entry is None else entry.value


def cells(kv: crdtkv.Store, key: str) -> int:
    """How many cells a key holds, tombstones too."""
    return len(kv._replica.storage.cells(key))


@contextmanager
def full_disk(kv: crdtkv.Store) -> Iterator[None]:
    """The next commit fails, and must say so."""
    of_source()

    def save(changed: object) -> None:
        raise StorageFailed("the disk is full; nothing was written", happened="no")

    kv._replica.storage._save = save  # type: ignore[attr-defined]
    try:
        yield
    except StorageFailed:
        return
    finally:
        del kv._replica.storage._save  # type: ignore[attr-defined]
    raise AssertionError("a commit that failed went by unsaid")


@contextmanager
def limited(module: Any, name: str, most: int) -> Iterator[None]:
    """A limit of the engine is so low that a test can reach it."""
    before = getattr(module, name)
    setattr(module, name, most)
    try:
        yield
    finally:
        setattr(module, name, before)


def refuses(error: type[Exception], act: Callable[[], object]) -> bool:
    """Whether `act` says just this."""
    try:
        act()
    except error:
        return True
    return False


def calls(act: Callable[[], object]) -> int:
    """How many functions `act` calls: a measure of work that no machine changes."""
    count = 0

    def count_calls(frame: Any, event: str, arg: Any) -> None:
        nonlocal count
        count += event in ("call", "c_call")

    sys.setprofile(count_calls)
    try:
        act()
    finally:
        sys.setprofile(None)
    return count


def crash(kv: crdtkv.Store) -> None:
    """Its process ends where it stands: what is in its file is what was committed."""
    storage = kv._replica.storage
    assert isinstance(storage, SqliteStorage) and storage._witness is not None
    with kv._lock:  # (where another thread is at work in it, SQLite does not survive that)
        storage._db.close()
        storage._witness.close()
        storage._hold.close()
