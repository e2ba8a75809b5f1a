"""The elements of a long list, or the entries of a log, by their place: for who asks for the third, or how many.

Law of this room: nothing here is more than time saved. A line lies in the tree's memo and hears of each cell that
changes (`put_cell`). There is none where an element was moved, or some have expired: `document.Reader` knows those.
"""

from __future__ import annotations

from collections.abc import Iterator

from sortedcontainers import SortedList

from crdtkv.core.cells import Cell, is_live
from crdtkv.core.paths import ELEMENT, ENTRY, ORDER
from crdtkv.core.tree import Tree

__all__ = ["Line", "entries", "known_line", "line"]


class Line:
    """What is shown of the cells under one tag, in the order of their paths."""

    def __init__(self, tree: Tree, tag: bytes) -> None:
        # By the path behind the tag, as `put_cell` is told it.
        self.order: SortedList = SortedList(path[1:] for path, cell in tree.range(tag) if _shown(cell))
        self._tag = tag

    def put_cell(self, path: bytes, cell: Cell) -> None:
        """`cell` stands at `path`."""
        payload = cell[0][2] if len(cell) == 1 else None
        if (payload is not None and payload[:1] != b"\xc1") or _shown(cell):
            order = self.order
            if not order or path > order[-1] or path not in order:  # most are put behind all others
                order.add(path)
        else:
            self.order.discard(path)

    def __len__(self) -> int:
        return len(self.order)

    def path(self, index: int) -> bytes:
        """Of the element at an index that there is. O(log n)."""
        return self._tag + self.order[index]  # type: ignore[no-any-return]

    def paths(self, start: int, stop: int, reverse: bool = False) -> Iterator[bytes]:
        """Of the elements at start <= index < stop. O(log n) and O(1) each."""
        return (self._tag + each for each in self.order.islice(start, stop, reverse))

    def index(self, path: bytes) -> int:
        """Where the element at `path` stands, which there is. O(log n)."""
        return self.order.index(path[1:])  # type: ignore[no-any-return]


def _shown(cell: Cell) -> bool:
    return any(is_live(s.payload) for s in cell)


def line(tree: Tree) -> Line | None:
    """The line of a list; None where an element was moved, or some have expired: then it is not that plain."""
    if tree.expiry or next(tree.range(ORDER), None) is not None:
        return None
    return _made(tree, ELEMENT)


def entries(tree: Tree) -> Line:
    """The line of a log. O(n) once, then O(1)."""
    return Line(tree, ENTRY) if tree.expiry else _made(tree, ENTRY)


def known_line(tree: Tree, tag: bytes = ELEMENT) -> Line | None:
    """The line of a list (or log) if one is kept, wherever its elements were moved. O(1)."""
    return None if tree.expiry else tree.memo.get(tree.prefix + tag)


def _made(tree: Tree, tag: bytes) -> Line:
    made: Line | None = tree.memo.get(tree.prefix + tag)
    if made is None:
        made = tree.memo[tree.prefix + tag] = Line(tree, tag)
    return made
