"""The cells of one key as an ordered tree, read-only.

Paths are bytes made by `core.paths`; a child's path begins with its parent's.
A Tree is a window on the cells below a prefix: every path it takes and gives is
relative to that prefix. It reads through to the cells it was made of, so it is
valid until the next write.

`expiry`: a cell whose siblings are all stamped before it has expired and is not
shown. Only a whole container may decide otherwise (`raw` shows everything).
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping
from typing import Any

from mypy_extensions import mypyc_attr
from sortedcontainers import SortedDict

from crdtkv.core.cells import Cell, newest_stamp, shown_payload
from crdtkv.core.clocks import Stamp
from crdtkv.core.packed import Packed
from crdtkv.core.paths import component_end, is_below

__all__ = ["Cells", "Earlier", "Tree"]

Cells = Mapping[bytes, Cell] | Packed
"""path -> cell of one key: a small dict in any order, or in path order a SortedDict or what is packed."""


@mypyc_attr(allow_interpreted_subclasses=True)
class Tree:
    """A window on the cells of one key below `prefix`."""

    __slots__ = ("_cells", "expiry", "memo", "prefix")

    def __init__(
        self, cells: Cells, prefix: bytes = b"", expiry: Stamp = 0, memo: dict[bytes, Any] | None = None
    ) -> None:
        self._cells = cells
        self.prefix = prefix
        self.expiry = expiry
        self.memo = {} if memo is None else memo
        """What was made of the cells at and below a prefix; whoever changes a cell throws it away."""

    def sub(self, path: bytes) -> Tree:
        """The window on what lies at and below `path`. O(1)."""
        return Tree(self._all(), self.prefix + path, self.expiry, self.memo)

    def raw(self) -> Tree:
        """The same window with expired cells shown."""
        return Tree(self._all(), self.prefix, memo=self.memo) if self.expiry else self

    def cell(self, path: bytes = b"") -> Cell:
        """The cell at `path`, `()` if there is none. O(1)."""
        cell = self._cells.get(self.prefix + path, ())
        if self.expiry and cell and newest_stamp(cell) < self.expiry:
            return ()
        return cell

    def payloads(self, tag: bytes) -> list[bytes]:
        """What `cells.shown_payload` says of the cells whose first component has that tag, in path order. O(n)."""
        start, cells = self.prefix + tag, self._all()
        if isinstance(cells, Packed) and not self.expiry:
            return cells.shown(start, start + b"\xff")
        if self.expiry or isinstance(cells, SortedDict) or not isinstance(cells, dict):
            shown = [shown_payload(cell) for _, cell in self.range(tag)]
        else:
            shown = [shown_payload(cells[path]) for path in _paths_between(cells, start, start + b"\xff")]
        return [payload for payload in shown if payload is not None]

    def below(self, path: bytes = b"", reverse: bool = False) -> Iterator[tuple[bytes, Cell]]:
        """The cells strictly below `path`, in path order. O(log n) and O(1) each."""
        start = self.prefix + path
        cut = len(self.prefix)
        for full, cell in _between(self._all(), start, start + b"\xff", reverse):
            if not (self.expiry and newest_stamp(cell) < self.expiry):
                yield full[cut:], cell

    def crowded(self) -> Iterator[tuple[bytes, Cell]]:
        """The cells strictly below where more than one sibling stands, in path order. O(n), most at a glance."""
        cells, prefix, expiry = self._all(), self.prefix, self.expiry
        crowded = cells.crowded() if isinstance(cells, Packed) else [p for p, cell in cells.items() if len(cell) > 1]
        for path in sorted(crowded):
            if is_below(path, prefix) and not (expiry and newest_stamp(cells[path]) < expiry):
                yield path[len(prefix) :], cells[path]

    def scattered(self) -> Iterable[tuple[bytes, Cell]]:
        """As `below()`, in any order: of a small key at a third of the price."""
        cells, prefix = self._all(), self.prefix
        if self.expiry or not isinstance(cells, dict) or isinstance(cells, SortedDict):
            return self.below()
        cut = len(prefix)
        return [(path[cut:], cell) for path, cell in cells.items() if is_below(path, prefix)]

    def range(self, tag: bytes) -> Iterator[tuple[bytes, Cell]]:
        """The cells whose first component has that tag, in path order. O(log n) and O(1) each."""
        cut = len(self.prefix)
        for full, cell in _between(self._all(), self.prefix + tag, self.prefix + tag + b"\xff", False):
            if not (self.expiry and newest_stamp(cell) < self.expiry):
                yield full[cut:], cell

    def tops(self) -> list[bytes]:
        """The first components of the paths that have a cell, in order, expired or not. O(log n) each."""
        cells, cut = self._all(), len(self.prefix)
        if not isinstance(cells, (SortedDict, Packed)):
            tops: list[bytes] = []
            top, last = b"", self.prefix
            for full in cells:
                if top and is_below(full, last):
                    continue  # most: of the same as the one before it
                if is_below(full, self.prefix):
                    last = full[: component_end(full, cut)]
                    top = last[cut:]
                    if top not in tops:
                        tops.append(top)
            return sorted(tops)
        found = []
        path = self.first_after(b"")
        while path is not None:
            found.append(path[: component_end(path, 0)])
            path = self.first_after(found[-1] + b"\xff")
        return found

    def first_after(self, path: bytes) -> bytes | None:
        """The least path of this window greater than `path` that has a cell, expired or not. O(log n)."""
        start = self.prefix + path
        found = next(_between(self._all(), start, self.prefix + b"\xff", False), None)
        return None if found is None else found[0][len(self.prefix) :]

    def last_before(self, path: bytes) -> bytes | None:
        """The greatest path of this window less than `path` that has a cell, expired or not. O(log n)."""
        end = self.prefix + path
        found = next(_between(self._all(), self.prefix, end, True), None)
        return None if found is None else found[0][len(self.prefix) :]

    def __bool__(self) -> bool:
        return bool(self.cell()) or next(self.below(), None) is not None

    def _all(self) -> Cells:
        return self._cells


class Earlier(Tree):
    """What another tree was, told by what differs: all of its cells are made only when they are walked through."""

    __slots__ = ("_made", "_whole", "differing", "now")

    def __init__(self, now: Tree, differing: Mapping[bytes, Cell], made: Callable[[], Cells]) -> None:
        self.now = now
        self.differing = differing
        """Whole path -> what stood there, `()` for nothing; everywhere else stood what stands."""
        self._made = made
        self._whole: Cells | None = None
        self.prefix, self.expiry, self.memo = now.prefix, now.expiry, {}

    def _all(self) -> Cells:
        if self._whole is None:
            self._whole = self._made()
        return self._whole

    def cell(self, path: bytes = b"") -> Cell:
        found = self.differing.get(self.prefix + path)
        return self.now.cell(path) if found is None else found


def _between(cells: Cells, low: bytes, high: bytes, reverse: bool) -> Iterator[tuple[bytes, Cell]]:
    """Of the paths strictly between `low` and `high` those, and their cells, in order."""
    if isinstance(cells, Packed):
        return cells.between(low, high, reverse)
    if isinstance(cells, SortedDict):
        paths = cells.irange(low, high, inclusive=(False, False), reverse=reverse)
    else:
        paths = iter(_paths_between(cells, low, high, reverse))
    return _with_cells(paths, cells)


def _paths_between(cells: Mapping[bytes, Cell], low: bytes, high: bytes, reverse: bool = False) -> list[bytes]:
    return sorted([path for path in cells if low < path < high], reverse=reverse)


def _with_cells(paths: Iterable[bytes], cells: Cells) -> Iterator[tuple[bytes, Cell]]:
    for path in paths:
        yield path, cells[path]
