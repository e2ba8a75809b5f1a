"""Disks in memory: a sync takes its time, what was not synced may be lost, and there is only so much room.

Law of this room: what is undone at a crash is undone by the storage's own undo lists, whole
commits from the last one backwards, so that what a crash leaves is what stood after some commit,
none earlier than the last that was synced.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable
from random import Random
from typing import Any, Final

from crdtkv.core.cells import Context
from crdtkv.core.packed import Packed
from crdtkv.core.tree import Cells
from crdtkv.errors import StorageFailed
from crdtkv.storage.base import Storage
from crdtkv.storage.memory import MemoryStorage
from crdtkv.storage.transactions import Changed

__all__ = ["Disk", "Weights", "weight_of"]


class Disk(MemoryStorage):
    """A disk at a place. `durability`: under "full" each commit is synced, under "normal" only what is asked for.

    `notes`: what is noted beside the store at each place, which may outlive its disk.
    """

    def __init__(self, place: str, notes: dict[str, str], durability: str = "full") -> None:
        super().__init__()
        self.place, self.notes, self.durability = place, notes, durability
        self.full = False
        self.syncs = 0
        """Syncs that nobody has accounted for yet."""
        self.unsynced: list[tuple[Changed, ...]] = []
        """What each commit since the last sync changed."""
        self._lost = False
        self._note: str | None = None
        self._weights: dict[str, Weights] = {}
        self._written: set[str] | None = None
        """Keys that may have other weights by now; None: all of them."""

    def _save(self, changes: Iterable[Changed]) -> None:
        if self.full:
            raise StorageFailed("the disk is full; nothing was written", happened="no")
        self.unsynced.append(tuple(self._undo))
        if self._written is not None:
            self._note_written(self._written)
        if self.durability == "full":
            self.syncs += 1

    def _note_written(self, written: set[str]) -> None:
        for change in self._undo:
            table, where = change[0], change[1]
            if table == "cell":
                written.add(where[0])
            elif table in _BY_KEY:
                written.add(where)

    def sync(self) -> None:
        if self.unsynced and self.durability != "full":
            self.syncs += 1

    def synced(self) -> None:
        """All that was committed is durable from now on."""
        self.unsynced.clear()
        if self._note is not None:
            self.notes[self.place], self._note = self._note, None

    def lose(self, dice: Random) -> int:
        """The machine went down: some of the commits that were not synced are lost, the last ones; how many."""
        self.rollback()
        count = dice.randint(0, len(self.unsynced))
        self._written = None
        for changes in reversed(self.unsynced[len(self.unsynced) - count :]):
            for table, where, old, _ in reversed(changes):
                self._put_back(table, where, old)
        self.unsynced.clear()
        self.committed, self._note = False, None
        self._lost = self._lost or self.durability != "full"
        return count

    def uncertain(self) -> bool:
        """Under "normal", after a crash: what others know of may be lost here."""
        return self._lost

    def begun(self) -> None:
        """It was opened, and took a new name if it had to."""
        self._lost = False

    def home(self) -> str:
        return self.place

    def note(self, words: str) -> None:
        self._note = words  # of what is not durable yet, nothing is

    def noted(self) -> str | None:
        return None if self._lost else self.notes.get(self.place, "")

    def copy(self, place: str = "") -> Disk:
        """Another disk with the same on it, at `place` or where this one is. O(rows)."""
        other = Disk(place or self.place, self.notes, self.durability)
        for key, cells in self._cells.items():
            for path, cell in cells.items():
                other._place((key, path), (), cell)
        other._contexts.update((key, dict(context)) for key, context in self._contexts.items())
        other._past.update((key, dict(rows)) for key, rows in self._past.items())
        other._horizons.update(self._horizons)
        other._inbox.update(self._inbox)
        other._meta.update((name, _deep(row)) for name, row in self._meta.items())
        return other

    def reopened(self) -> Disk:
        """What another process finds."""
        self.rollback()
        return self

    def weight(self) -> Weights:
        """Keys, cells, siblings, bytes that are kept, and those of the payloads alone, history left out. O(keys, and
        cells of those that were written since it was asked for last)."""
        written, self._written = self._written, set()
        if written is None:
            self._weights.clear()
        for key in self._cells if written is None else written:
            cells = self._cells.get(key)
            if cells:
                self._weights[key] = _weigh(key, cells, self.context(key))
            else:
                self._weights.pop(key, None)
        return _sum(self._weights.values())


Weights = tuple[int, int, int, int, int]
"""Keys, cells, siblings, bytes, and bytes of payloads."""

_BY_KEY: Final = ("context", "cells", "key")
"""Tables of what is weighed whose rows are found by a key. (Those of cells are by a key and a path.)"""


def weight_of(storage: Storage) -> Weights:
    """The weights of all that is there. O(cells)."""
    return _sum(list(storage.passing("", None, False, None, _weigh)))


def _sum(rows: Collection[Weights]) -> Weights:
    keys, cells, siblings, size, values = map(sum, zip(*rows, strict=True)) if rows else (0, 0, 0, 0, 0)
    return keys, cells, siblings, size, values


def _weigh(key: str, cells: Cells, context: Context) -> Weights:
    if isinstance(cells, Packed):
        siblings, parents, paths, values = cells.weights()
    else:
        siblings = parents = paths = values = 0
        for path, cell in cells.items():
            paths += len(path)
            siblings += len(cell)
            for sibling in cell:
                values += len(sibling.payload or b"")
                parents += len(sibling.parents)
    size = len(key) + 16 * len(context) + paths + 24 * siblings + 16 * parents + values
    return 1, len(cells), siblings, size, values


def _deep(value: Any) -> Any:
    if isinstance(value, dict):
        return {k: _deep(v) for k, v in value.items()}
    return [_deep(v) for v in value] if isinstance(value, list) else value
