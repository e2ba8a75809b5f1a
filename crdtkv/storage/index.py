"""Where to find cells by their dots, and by the purge that may drop them.

Law of this room: what an index gives is what stands at its places when it is asked. Of all
places in memory; of those that the tables do not have yet in a file. Most writes are
never asked for: what has moved is only noted, and looked up when it is.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Mapping, Set
from typing import Any, Final

from sortedcontainers import SortedSet

from crdtkv.core.cells import Cell, due
from crdtkv.core.clocks import Dot, Stamp, Vector
from crdtkv.core.packed import Packed
from crdtkv.core.tree import Cells
from crdtkv.storage.dots import Numbers

__all__ = ["SMALL", "Index", "Place", "added", "placed"]

SMALL: Final = 16
"""A key of few cells is a plain dict; a SortedDict of one entry would weigh a kilobyte."""

Place = tuple[str, bytes]


def placed(cells: Any, path: bytes, cell: Cell) -> Cells:
    """The cells of a key, changed: `cell` stands at `path`, `()` removes it. O(log cells)."""
    if not cell:
        cells.pop(path, None)
        return cells  # type: ignore[no-any-return]
    if len(cells) == SMALL and not isinstance(cells, Packed):
        cells = Packed(cells)
    cells[path] = cell
    return cells  # type: ignore[no-any-return]


def added(cells: Any, more: Mapping[bytes, Cell]) -> Cells:
    """The cells of a key, and more where nothing stood. O(log cells) each, of many at once less."""
    if len(more) == 1:
        [(path, cell)] = more.items()
        return placed(cells, path, cell)
    if len(cells) + len(more) > SMALL and not isinstance(cells, Packed):
        cells = Packed(cells)
    cells.update(more)
    return cells  # type: ignore[no-any-return]


class Index:
    """The dots and due stamps of the cells at some places; `now` gives what stands at one.

    `alone` gives the dot of a place where one live sibling stands, without making that, or None: it may not know;
    `several` that of each of these places in a key, and `tail` all places of a key from one on, each with that.
    """

    def __init__(
        self, now: Callable[[Place], Cell], alone: Callable[[Place], Dot | None] = lambda place: None,
        several: Callable[[str, list[bytes]], list[Dot | None]] = lambda key, paths: [None] * len(paths),
        tail: Callable[[str, bytes], list[tuple[bytes, Dot | None]]] = lambda key, path: [],
    ) -> None:  # fmt: skip
        self._now, self._alone, self._several, self._tail = now, alone, several, tail
        self._moved: dict[Place, Cell] = {}
        """Places that were changed since, and the cell that the rest of this says of them."""
        self._came: dict[str, list[bytes]] = {}
        """By key, where something came and nothing had stood."""
        self._tails: dict[str, bytes] = {}
        """By key, from which path on all that stands came since."""
        self._count = 0
        """As many as these at least."""
        self._dots: dict[str, Numbers] = {}  # replica -> where its siblings stand
        self._due: SortedSet = SortedSet()

    @property
    def behind(self) -> int:
        """How much who asks next has to look up."""
        return len(self._moved) + self._count

    def moved(self, place: Place, old: Cell) -> None:
        """At `place`, where `old` stood, stands another cell. O(1); whoever asks next pays for the rest."""
        if self._tails and self._in_tail(place):
            old = ()
        self._moved.setdefault(place, old)

    def _in_tail(self, place: Place) -> bool:
        tail = self._tails.get(place[0])
        return tail is not None and place[1] >= tail

    def came_to(self, key: str, paths: Collection[bytes], before: Packed | None = None) -> None:
        """As `moved` of each of these paths, where nothing stood: a place is noted in 8 bytes.

        `before`: the cells of a large key of which `tail` tells what stands. Where all of them came since, or these
        come behind all of them, one place is noted for all.
        """
        self._count += len(paths)
        if before is not None:
            low, tail = min(paths), self._tails.get(key)
            if tail is None and len(before) <= 2 * SMALL and self._all_came(key, before):
                tail = self._tails[key] = b""
            if tail is not None and low >= tail:
                return
            if low > before.last():
                self._tails[key] = low
                return
        moved = self._moved
        new = [path for path in paths if (key, path) not in moved] if moved else paths
        self._came.setdefault(key, []).extend(new)

    def _all_came(self, key: str, cells: Packed) -> bool:
        came, moved = set(self._came.get(key, ())), self._moved
        return all(path in came or moved.get((key, path)) == () for path in cells)

    def left(self, key: str, paths: Collection[bytes], cells: Callable[[], Cells]) -> None:
        """What stands at these paths, all that have changed of `cells()`, is indexed elsewhere: `now` gives `()`.

        O(paths), and little for those that came since: nobody has asked for them in all that time.
        """
        came = self._came.pop(key, None)
        if came is not None:
            self._count -= len(came)
            for path in came if self._moved else ():
                self._moved.pop((key, path), None)
            paths = set(paths).difference(came)
        for path in paths:
            self._left((key, path), cells)

    def left_some(self, key: str, paths: Collection[bytes], cells: Callable[[], Cells]) -> None:
        """As `left`, of some that have changed, in path order. O(paths) where they came in that order and first."""
        moved, came = self._moved, self._came.get(key, [])
        first = [path for path in paths if (key, path) not in moved]
        if came[: len(first)] == first:
            del came[: len(first)]
            self._count -= len(first)
            paths = [path for path in paths if (key, path) in moved]
        elif came:
            for path in came:
                moved.setdefault((key, path), ())
            self._count -= len(came)
            came.clear()
        for path in paths:
            self._left((key, path), cells)

    def _left(self, place: Place, cells: Callable[[], Cells]) -> None:
        old = self._moved.get(place)
        if old is None:
            alone = self._alone(place)
            if alone is None:
                self._moved[place] = cells().get(place[1], ())
            else:
                self._dots[alone[0]].discard(alone[1], place)
        elif not old:
            del self._moved[place]  # nobody has asked for it in all that time

    def _look(self) -> None:
        """What has moved is looked up. O(that)."""
        moved = self._moved
        for key, paths in self._came.items():
            for path, dot in zip(paths, self._several(key, paths), strict=True):
                place = key, path
                # (Whatever became of what came, the rest of this says nothing of it yet.)
                if dot is None or place in moved:
                    moved[place] = ()
                else:
                    self._add(dot, place)
        for key, tail in self._tails.items():
            for path, dot in self._tail(key, tail):
                place = key, path
                if place not in moved:
                    if dot is None:
                        moved[place] = ()
                    else:
                        self._add(dot, place)
        self._came.clear()
        self._tails.clear()
        self._count = 0
        for place, old in self._moved.items():
            alone = None if old else self._alone(place)
            if alone is None:
                self._change(place, old, self._now(place))
            else:
                self._add(alone, place)
        self._moved.clear()

    def _add(self, dot: Dot, place: Place) -> None:
        replica, n = dot
        numbers = self._dots.get(replica)
        if numbers is None:
            numbers = self._dots[replica] = Numbers()
        numbers.add(n, place)

    def _change(self, place: Place, old: Cell, new: Cell) -> None:
        for sibling in old:
            replica, n = sibling[0]
            self._dots[replica].discard(n, place)
        for sibling in new:
            self._add(sibling[0], place)
        if (was := due(place[1], old)) is not None:
            self._due.discard((was, *place))
        if (now := due(place[1], new)) is not None:
            self._due.add((now, *place))

    def beyond(self, vector: Vector) -> Set[Place]:
        """Where a sibling stands whose dot `vector` does not cover, those of a replica in their order. O(answer)."""
        self._look()
        found: dict[Place, None] = {}
        for replica, numbers in self._dots.items():
            found.update(dict.fromkeys(numbers.beyond(vector.get(replica, 0))))
        return found.keys()

    def stands(self, key: str, dot: Dot) -> bool:
        """Whether a sibling with that dot stands in a cell of `key`."""
        self._look()
        numbers = self._dots.get(dot[0])
        return numbers is not None and any(place[0] == key for place in numbers.at(dot[1]))

    def due(self, floor: Stamp) -> list[tuple[Stamp, str, bytes]]:
        """From when on, key and path of what may be dropped at `floor`, in order."""
        self._look()
        return list(self._due.irange(None, (floor + 1, "", b"")))
