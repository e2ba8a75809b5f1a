"""Everything in dicts, with an undo list. For tests, simulations and `:memory:`.

Also the working set of the SQLite storage, which adds `_save` to it. Changes since
`begin` are listed as (table, where, what stood before): to undo them, and to save
them.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

from sortedcontainers import SortedDict, SortedSet

from crdtkv.core.cells import Cell, Context, due
from crdtkv.core.clocks import Dot, Stamp, Vector
from crdtkv.core.tree import Cells
from crdtkv.errors import BadRequest, StorageFailed
from crdtkv.storage.base import NO_HORIZON, Horizon, Superseded
from crdtkv.storage.dots import Numbers

__all__ = [
    "SMALL",
    "MemoryStorage",
    "Place",
]

# A key of few cells is a plain dict; a SortedDict of one entry would weigh a kilobyte.
SMALL = 16

Place = tuple[str, bytes]

_NOTHING: dict[str, Any] = {"context": {}, "horizon": NO_HORIZON, "inbox": None, "meta": None}


class MemoryStorage:
    """A Storage in memory. `commit` keeps nothing beyond this process."""

    def __init__(self) -> None:
        self._cells: dict[str, Cells] = {}
        self._keys: SortedSet = SortedSet()
        self._dots: dict[str, Numbers] = {}  # replica -> where its siblings stand
        self._due: SortedSet = SortedSet()
        self._contexts: dict[str, Context] = {}
        self._past: dict[str, dict[bytes, tuple[Superseded, ...]]] = {}
        self._horizons: dict[str, Horizon] = {}
        self._inbox: dict[str, Any] = {}
        self._meta: dict[str, Any] = {}
        self._kept: dict[str, dict[str, Any]] = {
            "context": self._contexts, "horizon": self._horizons, "inbox": self._inbox, "meta": self._meta,
        }  # fmt: skip
        """The tables whose rows are found by one name."""
        self._undo: list[tuple[str, Any, Any]] = []
        self.committed = False
        self.doubtful = False
        """What is shown may not be what is kept: nothing is written before it was opened again."""

    # cells

    def cells(self, key: str) -> Cells:
        return self._cells.get(key, {})

    def put_cell(self, key: str, path: bytes, cell: Cell) -> None:
        old = self._cells.get(key, {}).get(path, ())
        if old != cell:
            self._undo.append(("cell", (key, path), old))
            self._place(key, path, old, cell)

    def _place(self, key: str, path: bytes, old: Cell, new: Cell) -> None:
        place = (key, path)
        self._index(place, old, new)
        cells: Any = self._cells.get(key)
        if new:
            if cells is None:
                cells = self._cells[key] = {}
                self._keys.add(key)
            elif len(cells) == SMALL and not isinstance(cells, SortedDict):
                cells = self._cells[key] = SortedDict(cells)
            cells[path] = new
        elif cells is not None and path in cells:
            del cells[path]
            if not cells:
                del self._cells[key]
                self._keys.remove(key)

    def _index(self, place: Place, old: Cell, new: Cell) -> None:
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

    def keys(self, low: str, high: str | None, reverse: bool = False) -> Iterator[str]:
        yield from self._keys.irange(low, high, inclusive=(True, False), reverse=reverse)

    def beyond(self, vector: Vector) -> set[Place]:
        found: set[Place] = set()
        for replica, numbers in self._dots.items():
            found.update(numbers.beyond(vector.get(replica, 0)))
        return found

    def stands(self, key: str, dot: Dot) -> bool:
        numbers = self._dots.get(dot[0])
        return numbers is not None and any(place[0] == key for place in numbers.at(dot[1]))

    def due(self, floor: Stamp) -> list[Place]:
        return [(key, path) for _, key, path in self._due.irange(None, (floor + 1, "", b""))]

    # what goes with a key

    def context(self, key: str) -> Context:
        return self._contexts.get(key, {})

    def put_context(self, key: str, context: Context) -> None:
        self._put("context", self._contexts, key, context, {})

    def past(self, key: str) -> dict[bytes, tuple[Superseded, ...]]:
        return self._past.get(key, {})

    def put_past(self, key: str, path: bytes, rows: tuple[Superseded, ...]) -> None:
        self._undo.append(("past", (key, path), self._past.get(key, {}).get(path, ())))
        self._set_past(key, path, rows)

    def _set_past(self, key: str, path: bytes, rows: tuple[Superseded, ...]) -> None:
        if rows:
            self._past.setdefault(key, {})[path] = rows
        elif key in self._past:
            self._past[key].pop(path, None)
            if not self._past[key]:
                del self._past[key]

    def past_keys(self) -> list[str]:
        return sorted(self._past.keys() | self._horizons.keys())

    def horizon(self, key: str) -> Horizon:
        return self._horizons.get(key, NO_HORIZON)

    def put_horizon(self, key: str, horizon: Horizon) -> None:
        self._put("horizon", self._horizons, key, horizon, NO_HORIZON)

    def inbox(self) -> dict[str, Any]:
        return self._inbox

    def put_inbox(self, id: str, lost: Any) -> None:
        self._put("inbox", self._inbox, id, lost, None)

    def meta(self, name: str) -> Any:
        return self._meta.get(name)

    def put_meta(self, name: str, value: Any) -> None:
        self._put("meta", self._meta, name, value, None)

    def drop_meta(self, prefix: str, old: Callable[[Any], bool]) -> None:
        for name in [n for n, row in self._meta.items() if n.startswith(prefix) and old(row)]:
            self.put_meta(name, None)

    def _put(self, table: str, rows: dict[str, Any], where: str, value: Any, nothing: Any) -> None:
        self._undo.append((table, where, rows.get(where, nothing)))
        if value == nothing:
            rows.pop(where, None)
        else:
            rows[where] = value

    # transactions

    def begin(self) -> None:
        if self.doubtful:
            raise StorageFailed(
                "it is not known whether the last commit was one, or what was given up is undone; nothing was written",
                happened="no", next_step="close the store and open it again: then it is known",
            )  # fmt: skip
        assert self.committed or not self._undo, "a transaction is open already"
        self._undo.clear()
        self.committed = False

    def commit(self) -> None:
        try:
            self._save({(table, where): old for table, where, old in reversed(self._undo)})
            self.committed = True
        except BaseException:
            if not self.committed:
                self.rollback()
            raise
        self._undo.clear()

    def _save(self, before: dict[tuple[str, Any], Any]) -> None:
        """What a durable storage does before a commit is one. `before`: of all that was changed, what it was."""

    def mark(self) -> int:
        return len(self._undo)

    def rollback(self, mark: int = 0) -> None:
        try:
            self._roll_back(mark)
        except BaseException as error:
            self.doubtful = True
            self._undo.clear()
            if not isinstance(error, Exception):
                raise  # (else what it is rolled back for is what has to be told)

    def _roll_back(self, mark: int) -> None:
        for table, where, old in reversed(self._undo[mark:]):
            if table == "cell":
                key, path = where
                self._place(key, path, self._cells.get(key, {}).get(path, ()), old)
            elif table == "past":
                self._set_past(where[0], where[1], old)
            else:
                rows = self._kept[table]
                if old == _NOTHING[table]:
                    rows.pop(where, None)
                else:
                    rows[where] = old
        del self._undo[mark:]

    def settle(self) -> None:
        """There is but one place."""

    def backup(self, path: Path) -> None:
        raise BadRequest(f"a store in memory has no file to make {str(path)!r} of; open it with a path")

    def home(self) -> str:
        return ""

    def uncertain(self) -> bool:
        return False

    def note(self, words: str) -> None:
        """Nothing outlives this process."""

    def noted(self) -> str | None:
        return None

    def close(self) -> None:
        """Nothing to let go of."""
