"""Four colos, their disks and clocks, and what the world remembers of what they said."""

from __future__ import annotations

from collections import Counter
from pathlib import Path
from random import Random
from typing import Any, NamedTuple

from crdtkv.core.clocks import Dot
from crdtkv.core.keys import SYSTEM
from crdtkv.core.wire import Record, decode
from crdtkv.replica import life
from crdtkv.store.store import Store
from tests.laws.actions import COLOS, START_MS, Failure
from tests.laws.disks import Colo, FileDisk, MemoryDisk, Spy, lay
from tests.laws.operations import JSON_PATHS, SPECS
from tests.specs.history import Event

__all__ = ["Ground", "Read", "synced"]


def synced(one: Store, other: Store) -> None:
    """They exchange. Failure if they differed where they must not, though the exchange mends it."""
    if one.sync(other).repairs:
        raise Failure("digest", f"{one.id} and {other.id} differed at an equal vector and floor, and were mended")


class Read(NamedTuple):
    """What a client read, as it was when the version was made; `vector` is what the colo had absorbed."""

    key: str
    version: str
    value: Any
    siblings: Any
    vector: dict[str, int]


class Ground:
    """What all that happens stands on."""

    def __init__(self, seed: int, profile: str, folder: Path | None = None) -> None:
        self.seed, self.profile, self.folder = seed, profile, folder
        dice = Random(f"world/{seed}/{profile}")
        self.now_ms = START_MS
        self.box: list[tuple[int, bytes]] = []
        self.counts: Counter[str] = Counter()
        self.refusals: Counter[str] = Counter()
        self.records: dict[tuple[str, int], tuple[int, Record, bytes]] = {}
        self.by_vector: dict[Any, tuple[int, dict[str, Any], str]] = {}
        self.by_floor: dict[Any, tuple[int, str]] = {}
        self.reads: dict[str, list[Read]] = {}
        self.events: dict[str, list[Event]] = {}
        self.untold: set[str] = set()  # keys whose history is not one of single operations
        self.expected: tuple[str, ...] = ()  # the keys that the running operation may touch
        self.files = 0
        self.witness: dict[str, str] = {}
        self.before: Any = None
        self.story: list[str] | None = None
        specs = dice.sample(SPECS, dice.choice((2, 3, 4, len(SPECS)) if profile in ("calm", "everything") else (2, 3)))
        if profile in ("rules", "expiry", "purging") and not any(s.startswith("json") for s in specs):
            specs[0] = dice.choice([s for s in SPECS if s.startswith("json")])
        self.names: tuple[str, ...] = ()
        if profile == "focus":
            specs = [dice.choice((*SPECS, "json", "json?wins=delete", "json", "list", "set?wins=remove", "counter"))]
            self.names = tuple(
                dice.sample(("deep", "a", "hits", "tags", "out", "items", "arr", "notes", "text"), dice.choice((1, 2)))
            )
        self.keys = [f"{spec}#{n}" for spec in specs for n in range(1 if profile == "focus" else dice.choice((1, 2)))]
        self.step_ms = dice.choice((1, 1, 10, 50))
        skews = (0, 0, -300, 500, 2_000) if profile == "focus" else (0, 0, -7, 13, 40)
        self.pace = dice.choice((1, 5, 40))
        self.colos = [Colo(name, None, dice.choice(skews)) for name in COLOS]
        self.ruled = False
        for at, colo in enumerate(self.colos):
            colo.token = Random(f"token/{seed}/{at}")
            self._open(colo, self._disk(colo.name))
        first = self.colos[0].store
        for colo in self.colos[1:]:
            synced(first, colo.store)
        if dice.random() < 0.7:
            self.ruled = True
            first.rules.set("json*", "json", paths=JSON_PATHS)
            first.rules.set("json[?]*", "json", paths=JSON_PATHS, wins="delete")
            if dice.random() < 0.3:
                first.rules.set("l*", "list", keep_cells=dice.choice((1, 3)), ttl="min")
        for colo in self.colos[1:]:
            synced(first, colo.store)
        self._look_at_all()

    # disks

    def _disk(self, name: str) -> Any:
        self.files += 1
        if self.folder is None:
            return MemoryDisk(f"{name}/{self.files}", self.witness)
        return FileDisk(self.folder / f"{self.seed}-{name}-{self.files}.db")

    def _backup(self, colo: Colo) -> Any:
        """What is committed on `colo`'s disk now."""
        return colo.disk.copy() if self.folder is None else colo.disk.files()

    def _restored(self, colo: Colo, backup: Any, elsewhere: bool) -> Any:
        """A disk with a backup on it: laid over the disk of `colo`, or elsewhere."""
        if self.folder is None:
            self.files += 1
            return backup.copy(f"{colo.name}/{self.files}" if elsewhere else colo.disk.place)
        path = colo.disk.path
        if elsewhere:
            self.files += 1
            path = self.folder / f"{self.seed}-{colo.name}-{self.files}.db"
        lay(path, backup)
        return FileDisk(path)

    def _open(self, colo: Colo, disk: Any) -> None:
        colo.disk = disk
        wall = lambda: self.now_ms + colo.skew  # noqa: E731
        token = lambda: "".join(colo.token.choices("abcdefghijklmnopqrstuvwxyz234567", k=4))  # noqa: E731
        steady = lambda: self.now_ms  # noqa: E731
        replica = life.begin(disk, colo.name, wall, token, steady_ms=steady)
        colo.store = Store(replica, "default", True, self.step_ms)
        replica.recent = Spy(replica.recent, self._heard)
        disk.dirty.update(disk.keys("", None))
        colo.visible, colo.print, colo.seen = {}, 0, None

    def close(self) -> None:
        for colo in self.colos:
            colo.store.close()
        if self.folder is not None:
            for path in self.folder.glob(f"{self.seed}-*"):
                path.unlink()

    def _heard(self, dot: Dot, data: bytes) -> None:
        record = decode(data)
        assert isinstance(record, Record)
        known = self.records.get(dot)
        if known is None:
            self.records[record.dot] = (len(self.records), record, data)
            touched = {w.key for w in record.writes} - set(self.expected)
            self.untold |= {k for k in touched if k[:1] != SYSTEM}
        elif known[2] != data:
            raise Failure("twice", f"{record.dot} was minted twice: {known[1]} and {record}")

    def say(self, words: str) -> None:
        """For whoever wants to read what happens."""
        if self.story is not None:
            self.story.append(words)

    def _state_of(self, colo: Colo) -> Any:
        state = colo.replica.state
        if colo.store._writer.draft is not None:
            raise Failure("refusal", f"{colo.name}: a transaction was left open")
        return state.id, state.digest, dict(state.vector), len(colo.disk.inbox())

    def _peer(self, colo: Colo, dice: Random) -> Colo:
        return dice.choice([c for c in self.colos if c is not colo])
