"""A storage over tables: what the tables lack lies in memory, over what was read from them last, over the tables.

Law of this room: what is asked for is what was written last, whether the tables have it or not; and the tables have it
before memory lets go of it. Indexes are the tables' own; where the tables lag behind, a small one in memory says what
has changed. Who passes through a range reads each row once, and nothing of it is kept.
"""

from __future__ import annotations

import sqlite3
from collections.abc import Callable, Collection, Iterator, Mapping, Set
from functools import partial
from itertools import chain
from typing import Any, Final, TypeVar

from mypy_extensions import mypyc_attr
from sortedcontainers import SortedSet

from crdtkv.core.cells import Cell, Context, due
from crdtkv.core.clocks import Dot, Stamp, Vector, covers
from crdtkv.core.packed import Packed
from crdtkv.core.tree import Cells
from crdtkv.storage.absent import Absent
from crdtkv.storage.base import NO_HORIZON, Horizon, Plain, Said, Whole
from crdtkv.storage.held import ABSENT, ALONE, Held, Old, horizon_of, lone, made_of, weight_of, weight_of_past
from crdtkv.storage.index import SMALL, Index, Place, added, placed
from crdtkv.storage.journal import GROWTH
from crdtkv.storage.keyrows import read_key, said_of
from crdtkv.storage.layer import Layer
from crdtkv.storage.pasts import NO_PAST, Past, grown, past_as
from crdtkv.storage.rows import cell_in, horizon_in
from crdtkv.storage.tables import Tables
from crdtkv.storage.transactions import Transactions
from crdtkv.storage.views import Showing

__all__ = ["Layers", "Unit"]

Unit = tuple[str, str]
"""What a checkpoint writes as one: a key, its past, a row of the inbox, a row of meta."""

_PAGE = 64, 1_024
"""How many keys are read at once, first and at most."""

_T = TypeVar("_T")

def _nothing() -> Held:
    return Held({}, {})


def _no_past() -> Old:
    return Old({}, NO_HORIZON)


_NONE: Final = _no_past()
_NO_PATHS: Final[frozenset[bytes]] = frozenset()


@mypyc_attr(allow_interpreted_subclasses=True)
class Layers(Transactions):
    """The rows of a Storage over the tables in `db`; memory for what is clean: `cache_bytes`.

    (`Layers.f(self, ...)`, where each write comes by: compiled, `self.f(...)` asks first what the subclass that is in
    Python makes of it, and takes several times as long.)
    """

    def __init__(self, db: sqlite3.Connection, cache_bytes: int) -> None:
        super().__init__()
        self._tables = Tables(db)
        self._absent = Absent(self._read_keys, cache_bytes >> 7)
        lacks = self._absent.lacks
        self._keys: Layer[Held] = Layer(self._read_key, weight_of, cache_bytes * 5 // 6, lacks, _nothing)
        self._pasts: Layer[Old] = Layer(self._read_past, weight_of_past, cache_bytes // 6, lacks, _no_past)
        self._keys.lend(self._pasts)  # (a past weighs more than its key: without it all wait for reads)
        self._piece = self._read_piece
        """(One for all pasts.)"""
        self._dirty_keys = self._keys.dirty
        self._index = Index(self._cell_lacking, self._dot_lacking)
        """Of the cells that have changed since the tables have their keys."""
        self._new: SortedSet = SortedSet()
        self._came: set[str] = set()
        self._gone: set[str] = set()
        """Keys that have cells and no row, in order, and those of them that came last; a row and no cells."""
        self._inbox: dict[str, Any] = {}
        self._inbox_dirty: set[str] = set()
        self._meta: dict[str, Any] = {}
        """Names whose row has changed since the tables have it; None: there is none."""
        self._lacking: dict[str, Collection[str]] = {
            "key": self._keys.dirty, "past": self._pasts.dirty, "inbox": self._inbox_dirty, "meta": self._meta,
        }  # fmt: skip
        """The units that the tables do not have as they are, by kind."""
        self._showing: Showing | None = None

    # cells

    def cells(self, key: str) -> Cells:
        held = self._dirty_keys.get(key)
        return (self._keys.of(key) if held is None else held).cells

    def standing(self, key: str) -> tuple[Cells, Context]:
        held = self._keys.of(key)
        return held.cells, held.context

    def said(self, key: str) -> Said | None:
        return self._keys.of(key).said

    def put_cell(self, key: str, path: bytes, cell: Cell) -> None:
        held = self._dirty_keys.get(key)
        old = (self._keys.of(key) if held is None else held).cells.get(path, ())
        if old != cell:
            place = key, path
            self._undo.append(("cell", place, old, cell))
            Layers._place(self, place, cell)

    def put_cells(self, key: str, cells: Mapping[bytes, Cell]) -> None:
        self._undo.append(("cells", key, cells, cells))
        held = self._changed_key(key)
        self._index.came_to(key, cells)
        held.changed_at_all(cells)
        was = bool(held.cells)
        held.cells = added(held.cells, cells)
        if not was:
            self._came_or_went(key, held)

    def _place(self, place: Place, cell: Cell) -> None:
        key, path = place
        held = Layers._changed_key(self, key)
        assert held.changed is not None
        before = held.cells
        # What has not changed is in the index of the tables.
        self._index.moved(place, before.get(path, ()) if path in held.changed else ())
        held.changed_at(path)
        was = bool(before)
        held.cells = placed(before, path, cell)
        if was != bool(held.cells):
            self._came_or_went(key, held)

    def _changed_key(self, key: str) -> Held:
        held = self._dirty_keys.get(key) or self._keys.change(key)
        held.begin_to_change()
        if held.changed is None:
            held.changed = _NO_PATHS
        return held

    def _cell_lacking(self, place: Place) -> Cell:
        """What stands at a place that the tables do not have as it is; `()` where they have."""
        held = self._dirty_keys.get(place[0])
        if held is None or held.changed is None or place[1] not in held.changed:
            return ()
        return held.cells.get(place[1], ())

    def _dot_lacking(self, place: Place) -> Dot | None:
        """The dot at the place of a plain key, if the tables do not have it: what stands there need not be made."""
        held = self._dirty_keys.get(place[0])
        if held is None or held.said is None or held.changed is None or place[1] not in held.changed:
            return None
        return held.dot_at(place[1])

    def _came_or_went(self, key: str, held: Held) -> None:
        if held.said is not None or held.cells:
            if held.kind <= ALONE:
                self._came.add(key)
            else:
                self._gone.discard(key)
        elif held.kind <= ALONE:
            self._discard_new(key)
        else:
            self._gone.add(key)

    def _discard_new(self, key: str) -> None:
        if key in self._came:
            self._came.discard(key)
        elif self._new:
            self._new.discard(key)

    def unknown(self, keys: Collection[str]) -> set[str]:
        lacks = self._absent.lacks
        asked = [key for key in keys if not (self._keys.at_hand(key) or lacks(key))]
        found = set(keys) - self._read(self._tables.among, asked)
        pasts = self._read(self._tables.pasts_among, [key for key in found if not lacks(key)])
        return {key for key in found if not (self._stands(key) or self._has_past(key, pasts))}

    def _stands(self, key: str) -> bool:
        held = self._keys.peek(key)
        return held is not None and bool(held.cells or held.context or held.base)

    def _has_past(self, key: str, pasts: set[str]) -> bool:
        old = self._pasts.peek(key)
        return key in pasts if old is None else bool(old.rows) or old.horizon != NO_HORIZON

    def put_key(self, key: str, cells: dict[bytes, Cell], context: Context, horizon: Horizon) -> None:
        self._undo.append(("key", key, None, (cells, context)))
        held = self._keys.begin(key)
        held.begin_to_change()
        held.base = base = None if horizon is NO_HORIZON else lone(horizon)
        held.changed_at_all(cells)
        if len(cells) > 1:
            self._index.came_to(key, cells)
        else:
            for path in cells:
                self._index.moved((key, path), ())
        said = said_of(key, cells, context, base) if len(cells) == 1 else None
        if said is not None:
            held.say(said)
        else:
            held.cells, held.context = cells if len(cells) <= SMALL else Packed(cells), context
        self._came_or_went(key, held)
        if horizon is not NO_HORIZON:
            self._undo.append(("horizon", key, NO_HORIZON, horizon))
            if base is None:
                old = self._pasts.begin(key)
                old.changed, old.horizon = old.changed or _NO_PATHS, horizon

    def _take_back(self, key: str) -> None:
        """The key is unknown again."""
        for path in list(self.cells(key)):
            self._place((key, path), ())
        self._changed_key(key).context = {}

    def keys(self, low: str, high: str | None, reverse: bool = False) -> Iterator[str]:
        size, most = _PAGE
        self._sort_new()
        while True:
            page = self._read(self._tables.keys, low, high, reverse, size)
            last = page[-1] if len(page) == size else None
            # Up to the last of the page the tables have no more.
            bounds = (low, high) if last is None else (last, high) if reverse else (low, last + "\0")
            fresh = self._new.irange(*bounds, inclusive=(True, False))
            yield from sorted({*fresh, *(key for key in page if key not in self._gone)}, reverse=reverse)
            if last is None:
                return
            low, high, size = (low, last, most) if reverse else (last + "\0", high, most)

    def _sort_new(self) -> None:
        self._new.update(self._came)
        self._came.clear()

    def passing(
        self, low: str, high: str | None, reverse: bool, plain: Plain[_T] | None, whole: Whole[_T],
        wanted: Callable[[str], bool] | None = None,
    ) -> Iterator[_T]:  # fmt: skip
        self._sort_new()
        parts, dirty = partial(self._read, self._tables.parts), self._dirty_keys
        lacking = self._new.irange(low, high, inclusive=(True, False), reverse=reverse)
        new = next(lacking, None)
        for said in chain(chain.from_iterable(self._said(low, high, reverse)), (None,)):  # (None: that was the last)
            while new is not None and (said is None or (new > said[0] if reverse else new < said[0])):
                found = made_of(new, dirty[new], plain, whole) if wanted is None or wanted(new) else None
                if found is not None:
                    yield found
                new = next(lacking, None)
            if said is not None and (wanted is None or wanted(said[0])):
                held = dirty.get(said[0])
                if held is not None:
                    found = made_of(said[0], held, plain, whole)
                else:
                    found = plain(said) if plain is not None and said[4] is not None else None
                    if found is None:
                        found = made_of(said[0], read_key(said, parts), None, whole)
                if found is not None:
                    yield found

    def compound(self, low: str) -> Iterator[str]:
        found = set(self._read(self._tables.compound, low))
        found.update(key for key in self._keys.dirty if key >= low)
        yield from filter(self.cells, sorted(found))

    def beyond(self, vector: Vector) -> Set[Place]:
        found = set(self._index.beyond(vector))
        for key in self._read(self._tables.beyond, vector):
            cells = self._keys.of(key).cells.items()
            found.update((key, path) for path, cell in cells if not all(covers(vector, s.dot) for s in cell))
        return found

    def stands(self, key: str, dot: Dot) -> bool:
        return any(sibling.dot == dot for cell in self.cells(key).values() for sibling in cell)

    def due(self, floor: Stamp) -> list[Place]:
        found = set(self._index.due(floor))
        for key in self._read(self._tables.due, floor):
            for path, cell in self._keys.of(key).cells.items():
                when = due(path, cell)
                if when is not None and when <= floor:
                    found.add((when, key, path))
        return [(key, path) for _, key, path in sorted(found)]

    # what goes with a key

    def context(self, key: str) -> Context:
        held = self._dirty_keys.get(key)
        return (self._keys.of(key) if held is None else held).context

    def put_context(self, key: str, context: Context) -> None:
        held = Layers._changed_key(self, key)
        self._undo.append(("context", key, held.context, context))
        held.context = context

    def has_past(self, key: str) -> bool:
        held = self._keys.of(key)
        if held.begun() is not None:
            return True
        # (Of a new key nothing is asked.)
        old = self._pasts.peek(key) if held is self._keys.none else self._old(key)
        if old is None:
            return False
        return bool(old.rows) or (old.horizon is not NO_HORIZON and old.horizon != NO_HORIZON)

    def past(self, key: str) -> dict[bytes, Past]:
        return Layers._old(self, key).rows

    def _old(self, key: str) -> Old:
        # Where no key has a past, none is kept in memory of each new key that is taken in.
        if not self._pasts.at_hand(key) and (self._keys.of(key).begun() or self._read(self._tables.pastless)):
            return _NONE
        return self._pasts.of(key)

    def put_past(self, key: str, path: bytes, rows: Past) -> None:
        old = Layers._old(self, key).rows.get(path, NO_PAST)
        if old != rows:
            if (held := self._keys.of(key)).begun() is not None:
                # Its row says so no longer; until the past that does is written, the journal has to.
                self._undo.append(("horizon", key, horizon_of(held), horizon_of(held)))
            self._undo.append(("past", (key, path), old, rows))
            Layers._set_past(self, key, path, rows)

    def _set_past(self, key: str, path: bytes, rows: Past) -> None:
        held = self._keys.of(key)
        if held.begun() is not None:
            self._changed_past(key).horizon = horizon_of(held)
            self._changed_key(key).base = None
        old = Layers._changed_past(self, key)
        old.changed_at(path)
        if rows:
            old.rows[path] = rows
        else:
            old.rows.pop(path, None)

    def _changed_past(self, key: str) -> Old:
        old = self._pasts.change(key)
        if old.changed is None:
            old.changed = _NO_PATHS
        return old

    def past_keys(self) -> list[str]:
        found = self._read(self._tables.past_keys)
        for key, old in self._pasts.dirty.items():
            (found.add if old.rows or old.horizon != NO_HORIZON else found.discard)(key)
        found.update(key for key, held in self._dirty_keys.items() if held.base is not None and not held.cells)
        return sorted(found)

    def horizon(self, key: str) -> Horizon:
        held = self._keys.of(key)
        return Layers._old(self, key).horizon if held.begun() is None else horizon_of(held)

    def put_horizon(self, key: str, horizon: Horizon) -> None:
        old = self.horizon(key)
        if old != horizon:
            self._undo.append(("horizon", key, old, horizon))
            self._set_horizon(key, horizon)

    def _set_horizon(self, key: str, horizon: Horizon) -> None:
        """Beside its cells where it is short and there is no past: none is looked for then. Else where pasts are."""
        held, old = self._keys.of(key), self._old(key)
        base = None if old.rows else lone(horizon)
        if base is not None or held.begun() is not None:
            self._changed_key(key).base = base
        aside = horizon if base is None else NO_HORIZON
        if old.horizon != aside:
            self._changed_past(key).horizon = aside
        elif base is not None:
            self._pasts.let_go(key)  # there is nothing

    # other rows

    def inbox(self) -> dict[str, Any]:
        return self._inbox

    def put_inbox(self, id: str, lost: Any) -> None:
        self._undo.append(("inbox", id, self._inbox.get(id), lost))
        self._put_back("inbox", id, lost)

    def meta(self, name: str) -> Any:
        return self._meta[name] if name in self._meta else self._read(self._tables.one, "meta", name)

    def put_meta(self, name: str, value: Any) -> None:
        self._undo.append(("meta", name, self.meta(name), value))
        self._meta[name] = value

    def drop_meta(self, prefix: str, old: Callable[[Any], bool]) -> None:
        # (No name goes on with the last character that there is.)
        kept = self._read(lambda: list(self._tables.rows("meta", prefix, prefix + "\U0010ffff")))
        rows = {where[0]: row for where, row in kept} | {n: r for n, r in self._meta.items() if n.startswith(prefix)}
        for name in [n for n, row in rows.items() if row is not None and old(row)]:
            self.put_meta(name, None)

    # changes, as the journal has them

    def _take(self, table: str, where: tuple[Any, ...], row: Any) -> None:
        """A row of the journal is so: the tables may not have it."""
        if table == "cell":
            self._place(where, cell_in(row or ()))
        elif table == "past":
            self._set_past(where[0], where[1], past_as(self._stood(where), row))
        elif table == GROWTH:
            self._set_past(where[0], where[1], grown(self._stood(where), row))
        elif table == "context":
            self._changed_key(where[0]).context = row or {}
        elif table == "horizon":
            self._set_horizon(where[0], NO_HORIZON if row is None else horizon_in(row))
        else:
            self._put_back(table, where[0], row)

    def _stood(self, place: Place) -> Past:
        return self.past(place[0]).get(place[1], NO_PAST)

    def _put_back(self, table: str, where: Any, old: Any) -> None:
        if table == "key":
            self._take_back(where)
        elif table == "cells":
            for path in old:
                self._place((where, path), ())
        elif table == "cell":
            self._place(where, old)
        elif table == "past":
            self._set_past(where[0], where[1], old)
        elif table == "context":
            self._changed_key(where).context = old
        elif table == "horizon":
            self._set_horizon(where, old)
        elif table == "meta":
            self._meta[where] = old
        else:
            self._inbox_dirty.add(where)
            if old is None:
                self._inbox.pop(where, None)
            else:
                self._inbox[where] = old

    # between memory and the tables

    def _read(self, ask: Callable[..., _T], *of: Any) -> _T:
        """What the tables say. A storage in a file says in which one they could not be read."""
        return ask(*of)

    def _read_key(self, key: str) -> Held:
        found = self._read(self._tables.key, key)
        if found.kind == ABSENT:
            self._absent.missed()
        return found

    def _read_keys(self, after: str, limit: int) -> list[str]:
        return self._tables.named(after, limit)

    def _said(self, low: str, high: str | None, reverse: bool) -> Iterator[list[Said]]:
        """What the tables say of a range, some rows at a time. As `_read`."""
        return self._tables.passing(low, high, reverse)

    def _read_piece(self, key: str, path: bytes, n: int) -> bytes:
        return self._read(self._tables.piece, key, path, n)

    def _read_past(self, key: str) -> Old:
        kept, horizon = self._read(self._tables.past, key, self._piece)
        return Old(kept, horizon)
