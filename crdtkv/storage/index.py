"""Where to find cells by their dots, and by the purge that may drop them.

Law of this room: what an index holds of a place is what it was told last. Of all
places in memory; of those that the tables do not have yet in a file.
"""

from __future__ import annotations

from typing import Any

from sortedcontainers import SortedDict, SortedSet

from crdtkv.core.cells import Cell, due
from crdtkv.core.clocks import Dot, Stamp, Vector
from crdtkv.core.tree import Cells
from crdtkv.storage.dots import Numbers

__all__ = ["SMALL", "Index", "Place", "placed"]

SMALL = 16
"""A key of few cells is a plain dict; a SortedDict of one entry would weigh a kilobyte."""

Place = tuple[str, bytes]


def placed(cells: Any, path: bytes, cell: Cell) -> Cells:
    """The cells of a key, changed: `cell` stands at `path`, `()` removes it. O(log cells)."""
    if not cell:
        cells.pop(path, None)
        return cells  # type: ignore[no-any-return]
    if len(cells) == SMALL and not isinstance(cells, SortedDict):
        cells = SortedDict(cells)
    cells[path] = cell
    return cells  # type: ignore[no-any-return]


class Index:
    """The dots and due stamps of the cells at some places."""

    def __init__(self) -> None:
        self._dots: dict[str, Numbers] = {}  # replica -> where its siblings stand
        self._due: SortedSet = SortedSet()

    def change(self, place: Place, old: Cell, new: Cell) -> None:
        """At `place` stood `old`, as far as is known here, and `new` stands there now. O(siblings)."""
        for sibling in old:
            replica, n = sibling[0]
            self._dots[replica].discard(n, place)
        for sibling in new:
            replica, n = sibling[0]
            numbers = self._dots.get(replica)
            if numbers is None:
                numbers = self._dots[replica] = Numbers()
            numbers.add(n, place)
        if (was := due(place[1], old)) is not None:
            self._due.discard((was, *place))
        if (now := due(place[1], new)) is not None:
            self._due.add((now, *place))

    def beyond(self, vector: Vector) -> set[Place]:
        """Where a sibling stands whose dot `vector` does not cover. O(answer)."""
        found: set[Place] = set()
        for replica, numbers in self._dots.items():
            found.update(numbers.beyond(vector.get(replica, 0)))
        return found

    def stands(self, key: str, dot: Dot) -> bool:
        """Whether a sibling with that dot stands in a cell of `key`."""
        numbers = self._dots.get(dot[0])
        return numbers is not None and any(place[0] == key for place in numbers.at(dot[1]))

    def due(self, floor: Stamp) -> list[tuple[Stamp, str, bytes]]:
        """From when on, key and path of what may be dropped at `floor`, in order."""
        return list(self._due.irange(None, (floor + 1, "", b"")))
