"""What is where in a large value, kept beside its cells: for who asks for the least, or how many.

Law of this room: nothing here is more than time saved. An index lies in the tree's memo, hears of each cell that
changes (`put_cell`), and says what would be found in the cells; where part of a key has expired none is kept. Made
when it is first asked for, in O(n).
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

import xxhash
from sortedcontainers import SortedList

from crdtkv.core.blob import Blob
from crdtkv.core.cells import Cell
from crdtkv.core.paths import component_end
from crdtkv.core.tree import Tree
from crdtkv.strategies.base import ABSENT
from crdtkv.strategies.fields import Fields, name_at
from crdtkv.strategies.set import Set
from crdtkv.strategies.zset import score_of

__all__ = ["Members", "Names", "Ranking", "members", "names", "ranking"]


class Members:
    """The elements of a set that are in it, by the paths of their cells. O(1) each."""

    def __init__(self, found: Set, tree: Tree) -> None:
        self._shows = found.shows
        self.order: list[bytes] = [path for path, cell in tree.below() if self._shows(cell)]
        """In any order: for who draws one."""
        self.paths: dict[bytes, int] = {path: at for at, path in enumerate(self.order)}
        self._hashed: list[tuple[int, bytes]] | None = None

    def put_cell(self, path: bytes, cell: Cell) -> None:
        """`cell` stands at `path`."""
        there = path in self.paths
        if path and there != self._shows(cell):
            self._hashed = None
            if not there:
                self.paths[path] = len(self.order)
                self.order.append(path)
                return
            last, at = self.order.pop(), self.paths.pop(path)
            if last != path:
                self.order[at] = last
                self.paths[last] = at

    def holds(self, tree: Tree) -> bool:
        """Whether there is one."""
        return bool(self.order)

    def by_hash(self) -> list[tuple[int, bytes]]:
        """What a scan goes through. O(n log n), O(1) until an element comes or goes."""
        if self._hashed is None:
            self._hashed = _hashed(self.order)
        return self._hashed


def _hashed(paths: Iterable[bytes]) -> list[tuple[int, bytes]]:
    """The paths in the order of their hashes, which are 62 bits and not 0."""
    return sorted((xxhash.xxh3_64_intdigest(path) >> 2 | 1, path) for path in paths)


def members(found: Set, tree: Tree) -> Members:
    """The members of a set. O(n) once, then O(1)."""
    if tree.expiry:
        return Members(found, tree)
    made: Members | None = tree.memo.get(tree.prefix)
    if made is None:
        made = tree.memo[tree.prefix] = Members(found, tree)
    return made


class Names:
    """The names of a hash that have a value, by path, with it. What changed is looked at when it is asked for."""

    def __init__(self, found: Fields, tree: Tree) -> None:
        self._found = found
        self.values: dict[bytes, Any] = {}
        self._hashed: list[tuple[int, bytes]] | None = None
        shown = (path for path in found.shown(tree) if name_at(path) is not ABSENT)
        self._changed: dict[bytes, None] = dict.fromkeys(shown)
        self.follow(tree)

    def put_cell(self, path: bytes, cell: Cell) -> None:
        """`cell` stands at `path`."""
        if path:
            self._changed[path[: component_end(path, 0)]] = None

    def follow(self, tree: Tree) -> None:
        """All that has changed is known. O(changed log n)."""
        for path in self._changed:
            value = self._found.at(tree, path)
            if (path in self.values) is (value is ABSENT):
                self._hashed = None
            if value is ABSENT:
                self.values.pop(path, None)
            else:
                self.values[path] = value
            self._place(path, value)
        self._changed.clear()

    def holds(self, tree: Tree) -> bool:
        """Whether there is one."""
        self.follow(tree)
        return bool(self.values)

    def _place(self, path: bytes, value: Any) -> None:
        """The value of a name is another."""

    def by_hash(self) -> list[tuple[int, bytes]]:
        """What a scan goes through. O(n log n), O(1) until a name comes or goes."""
        if self._hashed is None:
            self._hashed = _hashed(self.values)
        return self._hashed


class Ranking(Names):
    """The members of a sorted set by score, those of one score by their bytes."""

    def __init__(self, found: Fields, tree: Tree) -> None:
        self.order: SortedList = SortedList()
        """(score, member's bytes, path)."""
        self.places: dict[bytes, tuple[float, bytes, bytes]] = {}
        """Where it stands, by path."""
        super().__init__(found, tree)

    def follow(self, tree: Tree) -> None:
        if not self.places and self._changed:
            self._fill(tree)
        super().follow(tree)

    def _fill(self, tree: Tree) -> None:
        found = ((path, self._found.at(tree, path)) for path in self._changed)
        self.values = {path: value for path, value in found if value is not ABSENT}
        self.places = {path: _place_of(path, value) for path, value in self.values.items()}
        self.order = SortedList(self.places.values())
        self._changed.clear()

    def _place(self, path: bytes, value: Any) -> None:
        old = self.places.pop(path, None)
        if old is not None:
            self.order.remove(old)
        if value is not ABSENT:
            new = self.places[path] = _place_of(path, value)
            self.order.add(new)


def _place_of(path: bytes, value: Any) -> tuple[float, bytes, bytes]:
    name = name_at(path)
    return score_of(value), name.data if isinstance(name, Blob) else name.encode(), path


def names(found: Fields, tree: Tree) -> Names:
    """The names of a hash. O(n) once, then O(changed since)."""
    return _followed(Names, found, tree)


def ranking(found: Fields, tree: Tree) -> Ranking:
    """The members of a sorted set in order. O(n log n) once, then O(changed since, log n each)."""
    return _followed(Ranking, found, tree)  # type: ignore[return-value]


def _followed(kind: type[Names], found: Fields, tree: Tree) -> Names:
    if tree.expiry:
        return kind(found, tree)
    made: Names | None = tree.memo.get(tree.prefix)
    if made is None:
        made = tree.memo[tree.prefix] = kind(found, tree)
    else:
        made.follow(tree)
    return made
