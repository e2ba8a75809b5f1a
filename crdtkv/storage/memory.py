"""Everything in dicts, with an undo list. For tests, simulations and `:memory:`."""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterator, Mapping, Set
from pathlib import Path
from typing import Any, TypeVar

from mypy_extensions import mypyc_attr
from sortedcontainers import SortedSet

from crdtkv.core.cells import Cell, Context
from crdtkv.core.clocks import Dot, Stamp, Vector
from crdtkv.core.packed import Packed
from crdtkv.core.tree import Cells
from crdtkv.errors import BadRequest
from crdtkv.storage.base import NO_HORIZON, Horizon, Plain, Said, Whole
from crdtkv.storage.index import SMALL, Index, Place, added, placed
from crdtkv.storage.pasts import NO_PAST, Past
from crdtkv.storage.transactions import Transactions

__all__ = ["MemoryStorage"]

_T = TypeVar("_T")
_NO_CONTEXT: Context = {}
_NOTHING: dict[str, Any] = {"context": {}, "horizon": NO_HORIZON, "inbox": None, "meta": None}


@mypyc_attr(allow_interpreted_subclasses=True)
class MemoryStorage(Transactions):
    """A Storage in memory. `commit` keeps nothing beyond this process."""

    def __init__(self) -> None:
        super().__init__()
        self._cells: dict[str, Cells] = {}
        self._order: SortedSet = SortedSet()
        self._came: set[str] = set()
        """The keys that have cells, in order, and those of them that came since somebody asked for that."""
        self._index = Index(self._cell_at, self._alone_at, self._several_at, self._tail_of)
        self._contexts: dict[str, Context] = {}
        self._past: dict[str, dict[bytes, Past]] = {}
        self._horizons: dict[str, Horizon] = {}
        self._inbox: dict[str, Any] = {}
        self._meta: dict[str, Any] = {}
        self._kept: dict[str, dict[str, Any]] = {
            "context": self._contexts, "horizon": self._horizons, "inbox": self._inbox, "meta": self._meta,
        }  # fmt: skip
        """The tables whose rows are found by one name."""

    # cells

    def cells(self, key: str) -> Cells:
        return self._cells.get(key, {})

    def standing(self, key: str) -> tuple[Cells, Context]:
        return self._cells.get(key, {}), self._contexts.get(key, {})

    def put_cell(self, key: str, path: bytes, cell: Cell) -> None:
        place = key, path
        old = self._cell_at(place)
        if old != cell:
            self._undo.append(("cell", place, old, cell))
            self._place(place, old, cell)

    def put_cells(self, key: str, cells: Mapping[bytes, Cell]) -> None:
        self._undo.append(("cells", key, cells, cells))
        before = self._cells.get(key, {})
        self._index.came_to(key, cells, before if isinstance(before, Packed) else None)
        if key not in self._cells:
            self._came.add(key)
        self._cells[key] = added(before, cells)

    def _place(self, place: Place, old: Cell, new: Cell) -> None:
        key, path = place
        self._index.moved(place, old)
        before = self._cells.get(key)
        cells = placed({} if before is None else before, path, new)
        if cells:
            if before is None:
                self._came.add(key)
            if cells is not before:
                self._cells[key] = cells
        elif before is not None:
            del self._cells[key]
            (self._came if key in self._came else self._order).remove(key)

    def _cell_at(self, place: Place) -> Cell:
        cells = self._cells.get(place[0])
        return () if cells is None else cells.get(place[1], ())

    def _alone_at(self, place: Place) -> Dot | None:
        cells = self._cells.get(place[0])
        return cells.dot(place[1]) if isinstance(cells, Packed) else None

    def _several_at(self, key: str, paths: list[bytes]) -> list[Dot | None]:
        cells = self._cells.get(key)
        return cells.dots(paths) if isinstance(cells, Packed) else [None] * len(paths)

    def _tail_of(self, key: str, path: bytes) -> list[tuple[bytes, Dot | None]]:
        cells = self._cells.get(key, {})
        return cells.dots_from(path) if isinstance(cells, Packed) else [(p, None) for p in cells if p >= path]

    def unknown(self, keys: Collection[str]) -> set[str]:
        known = (self._cells, self._contexts, self._past, self._horizons)
        return {key for key in keys if not any(key in rows for rows in known)}

    def put_key(self, key: str, cells: dict[bytes, Cell], context: Context, horizon: Horizon) -> None:
        self._undo.append(("key", key, None, None))
        if len(cells) > 1:
            self._index.came_to(key, cells)
        else:
            for path in cells:
                self._index.moved((key, path), ())
        self._cells[key] = cells if len(cells) <= SMALL else Packed(cells)
        self._came.add(key)
        if context:
            self._contexts[key] = context
        if horizon is not NO_HORIZON:
            self._horizons[key] = horizon

    def keys(self, low: str, high: str | None, reverse: bool = False) -> Iterator[str]:
        yield from self._range(low, high, reverse)

    def _range(self, low: str, high: str | None, reverse: bool) -> Iterator[str]:
        self._order.update(self._came)
        self._came.clear()
        return self._order.irange(low, high, inclusive=(True, False), reverse=reverse)  # type: ignore[no-any-return]

    def said(self, key: str) -> Said | None:
        return None

    def passing(
        self, low: str, high: str | None, reverse: bool, plain: Plain[_T] | None, whole: Whole[_T],
        wanted: Callable[[str], bool] | None = None,
    ) -> Iterator[_T]:  # fmt: skip
        cells, contexts = self._cells, self._contexts
        for key in self._range(low, high, reverse):
            if wanted is None or wanted(key):
                found = whole(key, cells[key], contexts.get(key, _NO_CONTEXT))
                if found is not None:
                    yield found

    def compound(self, low: str) -> Iterator[str]:
        return self.keys(low, None)

    def beyond(self, vector: Vector) -> Set[Place]:
        return self._index.beyond(vector)

    def stands(self, key: str, dot: Dot) -> bool:
        cells = self._cells.get(key, {})
        if len(cells) <= self._index.behind:
            return any(s[0] == dot for cell in cells.values() for s in cell)
        return self._index.stands(key, dot)

    def due(self, floor: Stamp) -> list[Place]:
        return [(key, path) for _, key, path in self._index.due(floor)]

    # what goes with a key

    def context(self, key: str) -> Context:
        return self._contexts.get(key, _NO_CONTEXT)

    def put_context(self, key: str, context: Context) -> None:
        self._put("context", self._contexts, key, context, {})

    def has_past(self, key: str) -> bool:
        return key in self._past or key in self._horizons

    def past(self, key: str) -> dict[bytes, Past]:
        return self._past.get(key, {})

    def put_past(self, key: str, path: bytes, rows: Past) -> None:
        self._undo.append(("past", (key, path), self._past.get(key, {}).get(path, NO_PAST), rows))
        self._set_past(key, path, rows)

    def _set_past(self, key: str, path: bytes, rows: Past) -> None:
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
        self._undo.append((table, where, rows.get(where, nothing), value))
        if value == nothing:
            rows.pop(where, None)
        else:
            rows[where] = value

    # transactions

    def _put_back(self, table: str, where: Any, old: Any) -> None:
        if table == "cell":
            self._place(where, self._cell_at(where), old)
        elif table == "cells":
            for path, cell in old.items():
                self._place((where, path), cell, ())
        elif table == "past":
            self._set_past(where[0], where[1], old)
        elif table == "key":
            for path, cell in dict(self._cells[where]).items():
                self._place((where, path), cell, ())
            self._contexts.pop(where, None)
            self._horizons.pop(where, None)
        else:
            rows = self._kept[table]
            if old == _NOTHING[table]:
                rows.pop(where, None)
            else:
                rows[where] = old

    def sync(self) -> None:
        """Nothing here survives a power cut."""

    def settle(self) -> None:
        """There is but one place."""

    def size(self) -> int:
        return 0

    def journal_size(self) -> int:
        return 0

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

    def faults(self) -> Iterator[str]:
        yield from ()

    def close(self) -> None:
        """Nothing to let go of."""
