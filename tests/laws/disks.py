"""Disks that say what changed, fail when told to, and can be copied, laid over and lost; and the colos on them."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from pathlib import Path
from random import Random
from typing import Any

from crdtkv.core.clocks import Dot
from crdtkv.errors import StorageFailed
from crdtkv.replica.core import Replica
from crdtkv.replica.recent import Recent
from crdtkv.storage.journal import SUFFIXES
from crdtkv.storage.memory import MemoryStorage
from crdtkv.storage.sqlite import SqliteStorage
from crdtkv.store.store import Store
from tests.laws.shadow import Shadow

__all__ = ["Colo", "FileDisk", "MemoryDisk", "Spy", "lay"]


class _Watched:
    """Over a storage: says which keys may read otherwise since last asked; fails a commit when told to."""

    dirty: set[str]
    failing = False

    def put_cell(self, key: str, path: bytes, cell: Any) -> None:
        self.dirty.add(key)
        super().put_cell(key, path, cell)  # type: ignore[misc]

    def put_cells(self, key: str, cells: Any) -> None:
        self.dirty.add(key)
        super().put_cells(key, cells)  # type: ignore[misc]

    def put_context(self, key: str, context: Any) -> None:
        self.dirty.add(key)
        super().put_context(key, context)  # type: ignore[misc]

    def put_key(self, key: str, *all: Any) -> None:
        self.dirty.add(key)
        super().put_key(key, *all)  # type: ignore[misc]

    def _save(self, changed: set[tuple[str, Any]]) -> None:
        if self.failing:
            self.failing = False
            raise StorageFailed("the disk is full; nothing was written")
        super()._save(changed)  # type: ignore[misc]


class MemoryDisk(_Watched, MemoryStorage):
    """A disk at a place; `witness`: what is noted beside each place, if anything is."""

    def __init__(self, place: str, witness: dict[str, str] | None = None) -> None:
        self.dirty = set()
        self.place, self.witness = place, witness
        super().__init__()

    def home(self) -> str:
        return self.place

    def note(self, words: str) -> None:
        if self.witness is not None:
            self.witness[self.place] = words

    def noted(self) -> str | None:
        return None if self.witness is None else self.witness.get(self.place, "")

    def bare_contexts(self) -> list[str]:
        """The keys that have a context and no cells."""
        return [key for key in self._contexts if key not in self._cells]

    def copy(self, place: str = "") -> MemoryDisk:
        """Another disk with the same on it, at `place` or where this one is. Rows are copied: they are mutated."""
        other = MemoryDisk(place or self.place, self.witness)
        for key, cells in self._cells.items():
            for path, cell in cells.items():
                other._place((key, path), (), cell)
        other._contexts.update((k, dict(c)) for k, c in self._contexts.items())
        other._past.update((k, dict(p)) for k, p in self._past.items())
        other._horizons.update(self._horizons)
        other._inbox.update(self._inbox)
        other._meta.update((k, _deep(v)) for k, v in self._meta.items())
        return other


class FileDisk(_Watched, SqliteStorage):
    def __init__(self, path: Path) -> None:
        self.dirty = set()
        SqliteStorage.__init__(self, path)

    def bare_contexts(self) -> list[str]:
        """The keys that have a context and no cells."""
        self.settle()
        return [key for (key,) in self._db.execute("SELECT key FROM context")]

    def files(self) -> dict[str, bytes]:
        """What is on the disk now, by suffix, without the words noted beside it."""
        found = {suffix: Path(f"{self.path}{suffix}") for suffix in ("", "-wal", *SUFFIXES)}
        return {suffix: path.read_bytes() for suffix, path in found.items() if path.exists()}


def lay(path: Path, files: dict[str, bytes]) -> None:
    """Write `files` over those at `path`, which stay the files they are."""
    for suffix in ("", "-wal", "-shm", *SUFFIXES):
        at = Path(f"{path}{suffix}")
        if suffix in files:
            at.write_bytes(files[suffix])
        else:
            at.unlink(missing_ok=True)


def _deep(value: Any) -> Any:
    if isinstance(value, dict):
        return {k: _deep(v) for k, v in value.items()}
    return [_deep(v) for v in value] if isinstance(value, list) else value


class Spy(Recent):
    """A replica's recent records, all of which the world hears of."""

    def __init__(self, given: Iterable[Any], tell: Callable[[Dot, bytes], None]) -> None:
        super().__init__()
        self.tell = tell
        self.extend(given)

    def append(self, made: Any) -> None:
        super().append(made)
        self.tell(*made)


class Colo:
    """One colo: its store, its disk, its clock."""

    def __init__(self, name: str, disk: Any, skew: int) -> None:
        self.name = name
        self.disk = disk
        self.skew = skew
        self.store: Store = None  # type: ignore[assignment]
        self.visible: dict[str, Any] = {}
        self.print = 0
        self.shadow = Shadow()
        self.seen: Any = None
        self.backup: Any = None
        self.token = Random(name)

    @property
    def replica(self) -> Replica:
        return self.store._replica
