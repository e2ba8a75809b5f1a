"""The elements of a long list, or the entries of a log, by their place: for who asks for the third, or how many.

And the two ends of a list, for who goes on with it there.

Law of this room: nothing here is more than time saved. What is here lies in the tree's memo and hears of each cell
that changes (`put_cell`). There is no line where an element was moved, or some have expired: `document.Reader` knows
those.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping

from sortedcontainers import SortedList

from crdtkv.core import positions
from crdtkv.core.cells import Cell, is_live
from crdtkv.core.ordered import put_behind
from crdtkv.core.paths import ELEMENT, ENTRY, ORDER, first
from crdtkv.core.tree import Tree

__all__ = ["Line", "beyond", "entries", "known_line", "line", "moved"]


class Line:
    """What is shown of the cells under one tag, in the order of their paths."""

    def __init__(self, tree: Tree, tag: bytes) -> None:
        # By the path behind the tag, as `put_cell` is told it.
        self.order: SortedList = SortedList(path[1:] for path, cell in tree.range(tag) if _shown(cell))
        self._tag = tag

    def put_cell(self, path: bytes, cell: Cell) -> None:
        """`cell` stands at `path`."""
        if _plain(cell) or _shown(cell):
            order = self.order
            if not order or path > order[-1] or path not in order:  # most are put behind all others
                order.add(path)
        else:
            self.order.discard(path)

    def put_cells(self, cells: Mapping[bytes, Cell]) -> None:
        """As `put_cell` of each of these."""
        if not (all(map(_plain, cells.values())) and put_behind(self.order, sorted(cells))):
            for path, cell in cells.items():
                self.put_cell(path, cell)

    def __len__(self) -> int:
        return len(self.order)

    def path(self, index: int) -> bytes:
        """Of the element at an index that there is. O(log n)."""
        return self._tag + self.order[index]  # type: ignore[no-any-return]

    def paths(self, start: int, stop: int, reverse: bool = False) -> Iterator[bytes]:
        """Of the elements at start <= index < stop. O(log n) and O(1) each."""
        for each in self.order.islice(start, stop, reverse):
            yield self._tag + each

    def index(self, path: bytes) -> int:
        """Where the element at `path` stands, which there is. O(log n)."""
        return self.order.index(path[1:])  # type: ignore[no-any-return]


def _plain(cell: Cell) -> bool:
    """Whether it is one value: `_shown`, at a glance."""
    payload = cell[0][2] if len(cell) == 1 else None
    return payload is not None and payload[:1] != b"\xc1"


def _shown(cell: Cell) -> bool:
    return any(is_live(s.payload) for s in cell)


class _Places:
    """The cells under one tag: the outermost, of what was deleted too, and the line once it was asked for."""

    __slots__ = ("first", "last", "line", "run_at", "runs")

    def __init__(self) -> None:
        self.first: bytes | None = None
        self.last: bytes | None = None
        """By the path behind the tag; None: not known."""
        self.line: Line | None = None
        self.run_at: list[tuple[str, bytes] | None] = [None, None]
        """Whose run the first is of, or the last; of which path that was said."""
        self.runs: list[positions.Run | None] = [None, None]

    def put_cell(self, path: bytes, cell: Cell) -> None:
        """`cell` stands at `path`."""
        last, first = self.last, self.first
        if not cell:
            self.last, self.first = None if path == last else last, None if path == first else first
        elif last is not None and path > last:
            self.last = path
        elif first is not None and path < first:
            self.first = path
        if self.line is not None:
            self.line.put_cell(path, cell)

    def put_cells(self, cells: Mapping[bytes, Cell]) -> None:
        """As `put_cell` of each of these, where nothing stood."""
        least, most = min(cells), max(cells)
        if self.last is not None and most > self.last:
            self.last = most
        if self.first is not None and least < self.first:
            self.first = least
        if self.line is not None:
            self.line.put_cells(cells)

    def end(self, tree: Tree, front: bool) -> bytes | None:
        """The first or the last, None if there is none. O(1), or O(log n) when it is not known."""
        found = self.first if front else self.last
        if found is None:
            path = tree.first_after(ELEMENT) if front else tree.last_before(ELEMENT + b"\xff")
            found = path[1:] if path is not None and path[:1] == ELEMENT else None
            if front:
                self.first = found
            else:
                self.last = found
        return found

    def go_on(self, tree: Tree, replica: str, count: int, front: bool) -> list[bytes]:
        """The positions next beyond that end, if they are of its run; else none."""
        end = (self.first if front else self.last) or self.end(tree, front)
        if end is None:
            return []
        if self.run_at[front] != (replica, end):
            self.runs[front] = positions.ending(first(ELEMENT + end)[1], replica)
            self.run_at[front] = replica, end
        run = self.runs[front]
        if run is None:
            return []
        made = run.before(count) if front else run.behind(count)
        if made:
            # (Whether they come to stand there says `end`. There is no 0x00 in a position.)
            self.run_at[front] = replica, made[0 if front else -1] + b"\0"
            self.runs[front] = run.going_on(-count if front else count)
        return made


class _Orders:
    """Where it is said that an element was moved."""

    __slots__ = ("paths",)

    def __init__(self, tree: Tree) -> None:
        self.paths = {path[1:] for path, _ in tree.range(ORDER)}

    def put_cell(self, path: bytes, cell: Cell) -> None:
        """`cell` stands at `path`."""
        if cell:
            self.paths.add(path)
        else:
            self.paths.discard(path)


def line(tree: Tree) -> Line | None:
    """The line of a list. There is none where an element was moved, or some have expired: it is not that plain then."""
    return None if moved(tree) else _line(tree, ELEMENT)


def entries(tree: Tree) -> Line:
    """The line of a log. O(n) once, then O(1)."""
    return Line(tree, ENTRY) if tree.expiry else _line(tree, ENTRY)


def known_line(tree: Tree, tag: bytes = ELEMENT) -> Line | None:
    """The line of a list (or log) if one is kept, wherever its elements were moved. O(1)."""
    places: _Places | None = None if tree.expiry else tree.memo.get(tree.prefix + tag)
    return None if places is None else places.line


def beyond(tree: Tree, replica: str, count: int, front: bool = False) -> list[bytes]:
    """`count` positions next behind all of a list, or before it, that go on with a run of `replica`. O(count).

    What `positions.between` gives there; none: it has to be asked, for who is there is another, or one was moved.
    """
    return [] if moved(tree) else _places(tree, ELEMENT).go_on(tree, replica, count, front)


def moved(tree: Tree) -> bool:
    """Whether an element was moved, or some have expired. O(moved) once, then O(1)."""
    if tree.expiry:
        return True
    made: _Orders | None = tree.memo.get(tree.prefix + ORDER)
    if made is None:
        made = tree.memo[tree.prefix + ORDER] = _Orders(tree)
    return bool(made.paths)


def _line(tree: Tree, tag: bytes) -> Line:
    places = _places(tree, tag)
    if places.line is None:
        places.line = Line(tree, tag)
    return places.line


def _places(tree: Tree, tag: bytes) -> _Places:
    made: _Places | None = tree.memo.get(tree.prefix + tag)
    if made is None:
        made = tree.memo[tree.prefix + tag] = _Places()
    return made
