"""The tables of a store's file: what each row is, read by key, in ranges and by index; written in bulk.

Law of this room: a row is given only as it was written, or RowInvalid is raised. Whoever
calls holds the transaction, and knows what is newer than the tables. docs/formats.md has
every column.
"""

from __future__ import annotations

import sqlite3
from collections.abc import Callable, Collection, Iterable, Iterator, Sequence
from functools import partial
from typing import Any

from crdtkv.core.cells import Cell
from crdtkv.core.clocks import Dot, Stamp, Vector
from crdtkv.core.packed import Packed
from crdtkv.core.show import show
from crdtkv.storage.base import NO_HORIZON, Horizon, Said
from crdtkv.storage.held import ALONE, PARTS, Held
from crdtkv.storage.keyrows import (
    READ,
    Names,
    Row,
    dots_of,
    key_row,
    kind_of,
    pack_parts,
    read_key,
    read_row,
    stamp_column,
)
from crdtkv.storage.pasts import Past
from crdtkv.storage.rows import RowInvalid, cell_in, checked, horizon_in, pack_row, unpack_row
from crdtkv.storage.views import TOLD, VIEWS

__all__ = ["JOURNAL", "PLACED", "SCHEMA", "TABLES", "Tables", "Told"]

PLACED = {
    "part": ("key TEXT, path BLOB, siblings BLOB NOT NULL, due INTEGER", "key, path"),
    "context": ("key TEXT, entries BLOB NOT NULL", "key"),
    "past": ("key TEXT, path BLOB, n INTEGER, rows BLOB NOT NULL", "key, path, n"),
    "horizon": ("key TEXT, horizon BLOB NOT NULL", "key"),
    "inbox": ("id TEXT, lost BLOB NOT NULL", "id"),
    "meta": ("name TEXT, value BLOB NOT NULL", "name"),
}
"""Table -> its columns, without the last one, `checksum`; and its primary key."""

SCHEMA = [
    "CREATE TABLE cell (key TEXT PRIMARY KEY, mark INTEGER NOT NULL, origin INTEGER NOT NULL, n INTEGER NOT NULL, "
    "stamp INTEGER, root INTEGER, value, rest, due INTEGER) WITHOUT ROWID",
    "CREATE INDEX cell_dot ON cell (origin, n)",
    "CREATE INDEX cell_due ON cell (due) WHERE due IS NOT NULL",
    "CREATE INDEX cell_compound ON cell (key) WHERE root IS NULL",
    "CREATE TABLE dot (origin INTEGER, n INTEGER, key TEXT, PRIMARY KEY (origin, n, key)) WITHOUT ROWID",
    "CREATE TABLE name (id INTEGER PRIMARY KEY, name TEXT NOT NULL UNIQUE)",
    *(
        f"CREATE TABLE {table} ({columns}, checksum INTEGER NOT NULL, PRIMARY KEY ({primary})) WITHOUT ROWID"
        for table, (columns, primary) in PLACED.items()
    ),
    "CREATE INDEX part_due ON part (due) WHERE due IS NOT NULL",
    *(
        f"CREATE TABLE {table} ({columns}, PRIMARY KEY ({primary})) WITHOUT ROWID"
        for table, (columns, primary) in TOLD.items()
    ),
    *(f"CREATE VIEW {view} AS {statement}" for view, statement in VIEWS.items()),
]
"""All but the journal."""

JOURNAL = "CREATE TABLE journal (n INTEGER PRIMARY KEY, record BLOB NOT NULL, checksum INTEGER NOT NULL)"
"""Of a copy: what lay beside the file that it was made of. Of format 2: all of it."""

TABLES = {"cell", "dot", "name", *PLACED, *TOLD}

_ROWS = 1_000

_MANY = 256
"""How many keys are asked for at once."""

_SOME = 4, 64
"""Of so many rows, first and at most, who passes is told at once: he may want few."""

Told = tuple[tuple[Any, ...], tuple[Any, ...] | None]
"""A place in a table for other programs, and the rest of the row there; None: there is none."""

_KEY = f"SELECT {READ} FROM cell WHERE key = ?"
_BEYOND = "SELECT key FROM cell WHERE origin = ? AND n > ? UNION SELECT key FROM dot WHERE origin = ? AND n > ?"
_PAST = (
    "SELECT path, n, rows, checksum FROM past WHERE key = ? UNION ALL SELECT NULL, 0, horizon, checksum FROM horizon "
    "WHERE key = ?"
)
_MORE = (
    "INSERT INTO was VALUES (?, ?, ?, ?) ON CONFLICT (key, path, n) DO UPDATE "
    "SET shown = substr(shown, 1, length(shown) - 1) || ',' || substr(excluded.shown, 2)"
)
_LAST = b""
"""Behind each text, as SQLite sorts."""
_ALL_NAMED = " UNION ".join(
    f"SELECT key FROM {table} WHERE key > ? AND key <= ?" for table in ("cell", "context", "past", "horizon")
)
_NAMED = {order: f"{_ALL_NAMED} ORDER BY key {order} LIMIT ?" for order in ("ASC", "DESC")}
_DUE = "SELECT key FROM cell WHERE due <= ? UNION SELECT key FROM part WHERE due <= ?"


class Tables:
    """Reads and writes the tables through `db`."""

    def __init__(self, db: sqlite3.Connection) -> None:
        self._db = db
        self._rows: list[Row] = []
        """Of keys, to be written at once."""
        self._names = Names({})
        self._bare: dict[str, bool] = {}

    # keys

    def key(self, key: str) -> Held:
        """What stands in `key`. O(cells), some 10 us. Raises RowInvalid."""
        row = self._db.execute(_KEY, (key,)).fetchone()
        if row is not None:
            return read_key(read_row(row, self._names), self.parts)
        context = self.one("context", key)
        return Held({}, {}) if context is None else Held({}, context, ALONE)

    def said(self, row: Row) -> Said:
        """What the row of a key says, of which `READ` was asked. Raises RowInvalid."""
        return read_row(row, self._names)

    def parts(self, key: str) -> dict[bytes, Cell]:
        """The cells of a key in parts. O(cells). Raises RowInvalid."""
        found = {}
        rows = self._db.execute("SELECT path, siblings, due, checksum FROM part WHERE key = ? ORDER BY path", (key,))
        for path, blob, when, checksum in rows:
            found[path] = cell_in(unpack_row("part", (key, path, when), blob, checksum))
        if not found:
            raise RowInvalid(f"there is no part of {key!r:.200}")
        return found

    def among(self, keys: Sequence[str]) -> set[str]:
        """Those of `keys` that have a row, or a context by itself. O(keys), some 1 us each."""
        alone = () if self._is_bare("context") else self._some("SELECT key FROM context WHERE key IN", keys)
        return {*self._some("SELECT key FROM cell WHERE key IN", keys), *alone}

    def pasts_among(self, keys: Collection[str]) -> set[str]:
        """Those of `keys` that have a past or a horizon. O(keys), or O(1) where no key has."""
        if self.pastless():
            return set()
        asked = list(keys)
        past, horizon = (self._some(f"SELECT key FROM {table} WHERE key IN", asked) for table in ("past", "horizon"))
        return {*past, *horizon}

    def named(self, after: str, limit: int) -> list[str]:
        """The next keys behind `after` that have a row in any table, in order. O(limit).

        Raises RowInvalid where they are not the same from either side: a page lies in the place of another, and what
        is behind that might be passed over.
        """
        found = _texts(self._db.execute(_NAMED["ASC"], (*(after, _LAST) * 4, limit)))
        high = found[-1] if len(found) == limit else _LAST
        if _texts(self._db.execute(_NAMED["DESC"], (*(after, high) * 4, limit)))[::-1] != found:
            raise RowInvalid(f"keys behind {after!r:.200} are not in order")
        return found

    def _some(self, words: str, keys: Sequence[str]) -> Iterator[str]:
        """The one column of the rows whose key is among these, many of them by one statement."""
        for at in range(0, len(keys), _MANY):
            some = keys[at : at + _MANY]
            asked = [*some, *[some[-1]] * (_MANY - len(some))]  # one statement for all
            yield from (key for (key,) in self._db.execute(f"{words} ({', '.join('?' * _MANY)})", asked))

    def keys(self, low: str, high: str | None, reverse: bool, limit: int) -> list[str]:
        """The first keys that have a row, low <= key < high, in order. O(log n + answer)."""
        return _texts(self._range("key", low, high, reverse, limit))

    def passing(self, low: str, high: str | None, reverse: bool) -> Iterator[list[Said]]:
        """What the rows say of the keys that have one, low <= key < high, in order, some at a time.

        O(log n), and some 1 us each. Nothing is written meanwhile. Raises RowInvalid where one is not as it was
        written, once those before it are given.
        """
        name, size, failed = self._names, _SOME[0], None
        some: list[Said] = []
        try:
            for row in self._range(READ, low, high, reverse, -1):
                some.append(read_row(row, name))
                if len(some) == size:
                    yield some
                    some, size = [], min(2 * size, _SOME[1])
        except Exception as error:
            failed = error
        yield some
        if failed is not None:
            raise failed

    def _range(self, columns: str, low: str, high: str | None, reverse: bool, limit: int) -> sqlite3.Cursor:
        above, order = "" if high is None else "AND key < ?", "DESC" if reverse else "ASC"
        bounds = (low,) if high is None else (low, high)
        words = f"SELECT {columns} FROM cell WHERE key >= ? {above} ORDER BY key {order} LIMIT ?"
        return self._db.execute(words, (*bounds, limit))

    def compound(self, low: str) -> list[str]:
        """The keys from `low` on that are not plain, in order. O(answer)."""
        return _texts(self._db.execute("SELECT key FROM cell WHERE root IS NULL AND key >= ? ORDER BY key", (low,)))

    def beyond(self, vector: Vector) -> set[str]:
        """The keys that have a sibling whose dot `vector` does not cover, and a few that had one. O(answer)."""
        found: set[str] = set()
        for replica, number in self._names.number_of.items():
            n = vector.get(replica, 0)
            found.update(_texts(self._db.execute(_BEYOND, (number, n, number, n))))
        return found

    def due(self, floor: Stamp) -> list[str]:
        """The keys that have a cell that may be dropped at `floor`, and a few of year 6429. O(answer)."""
        floor = stamp_column(floor) or 0
        return _texts(self._db.execute(_DUE, (floor, floor)))

    def write_key(self, key: str, held: Held, paths: Iterable[bytes]) -> tuple[int, tuple[Dot, ...]]:
        """The rows of `key` are as `held` has it; `paths` are those that changed, of a key in parts maybe only some of
        them: the tables have the rest as before. Its kind now, and its dots.

        O(paths of a key in parts, cells of another). `held` still says what the tables had.
        """
        kind, dots = kind_of(key, held), held.dots
        if kind == PARTS:
            dots = self._write_parts(key, held, paths)
        else:
            if held.kind == PARTS:
                self._db.execute("DELETE FROM part WHERE key = ?", (key,))
            dots = ((held.said[1], held.said[2]),) if held.said is not None else dots_of(held.cells.values())
        self._list(key, held.dots[1:], dots[1:])
        if kind <= ALONE:
            self._db.execute("DELETE FROM cell WHERE key = ?", (key,))
        else:
            self._rows.append(key_row(key, held, kind, dots, self._number))
            if len(self._rows) >= _ROWS:
                self.flush()
        if ALONE in (kind, held.kind):
            self.write("context", [((key,), held.context if kind == ALONE else None)])
        return kind, dots

    def flush(self) -> None:
        """The rows of keys that were written are in the table. Before anything else is asked of it."""
        self._db.executemany("INSERT OR REPLACE INTO cell VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?)", self._rows)
        self._rows.clear()

    def _write_parts(self, key: str, held: Held, paths: Iterable[bytes]) -> tuple[Dot, ...]:
        known: tuple[Dot, ...] = ()
        if held.kind == PARTS:
            known = held.dots
        else:
            paths = {*paths, *set(held.cells).difference(held.changed or ())}  # what its row has
        cells = held.cells if isinstance(held.cells, Packed) else Packed(held.cells)
        dots = dict(known)
        if gone := [(key, path) for path in paths if path not in cells]:
            self._db.executemany("DELETE FROM part WHERE key = ? AND path = ?", gone)
        rows = pack_parts(key, cells, sorted(path for path in paths if path in cells), dots)
        self._db.executemany("INSERT OR REPLACE INTO part VALUES (?, ?, ?, ?, ?)", rows)
        return tuple(sorted(dots.items()))

    def _list(self, key: str, old: tuple[Dot, ...], new: tuple[Dot, ...]) -> None:
        """Beside the dot in its own row, the key is listed under these."""
        if old != new:
            gone = [(self._number(r), n, key) for r, n in old if (r, n) not in new]
            self._db.executemany("DELETE FROM dot WHERE origin = ? AND n = ? AND key = ?", gone)
            rows = [(self._number(r), n, key) for r, n in new]
            self._db.executemany("INSERT OR REPLACE INTO dot VALUES (?, ?, ?)", rows)

    # other rows

    def one(self, table: str, *where: Any) -> Any:
        """The row at `where` as plain data; None if there is none. Raises RowInvalid."""
        if self._is_bare(table):
            return None
        found = self._db.execute(_ONE[table], where).fetchone()
        return None if found is None else unpack_row(table, where, *found)

    def rows(self, table: str, low: str = "", high: str | None = None) -> Iterator[tuple[tuple[Any, ...], Any]]:
        """(where, row) of a table whose rows have one blob, in order, low <= the first of where < high."""
        if self._is_bare(table):
            return
        primary = PLACED[table][1]
        first = primary.split(", ")[0]
        above = "" if high is None else f"AND {first} < ?"
        bounds = (low,) if high is None else (low, high)
        before: tuple[Any, ...] = ()
        found = self._db.execute(f"SELECT * FROM {table} WHERE {first} >= ? {above} ORDER BY {primary}", bounds)
        for *parts, blob, checksum in found.fetchall():
            where = tuple(parts)
            row = unpack_row(table, where, blob, checksum)
            # A page in the place of another has rows that were there before.
            if where <= before:
                raise RowInvalid(f"{table} has {show(where)} after {show(before)}")
            yield where, row
            before = where

    def past(self, key: str, read: Callable[[str, bytes, int], bytes]) -> tuple[dict[bytes, Past], Horizon]:
        """The past of a key, by path, and its horizon. `read` gives a piece as `piece` does. Raises RowInvalid."""
        pieces: dict[bytes, list[tuple[int, Any, Any]]] = {}
        horizon = NO_HORIZON
        if not self.pastless():
            for path, n, blob, checksum in self._db.execute(_PAST, (key, key)).fetchall():
                if path is None:
                    horizon = horizon_in(unpack_row("horizon", (key,), blob, checksum))
                else:
                    pieces.setdefault(path, []).append((n, blob, checksum))
        kept: dict[bytes, Past] = {}
        for path, some in pieces.items():
            some.sort()
            n, blob, checksum = some[-1]
            checked("past", (key, path, n), blob, checksum)
            found = Past.found([piece[:2] for piece in some], partial(read, key, path) if len(some) > 1 else None)
            if found is None:
                raise RowInvalid(f"of the past of {key!r:.200} a piece is missing")
            kept[path] = found
        return kept, horizon

    def piece(self, key: str, path: bytes, n: int) -> bytes:
        """A piece of the past of a key. Raises RowInvalid."""
        found = self._db.execute(_ONE["past"], (key, path, n)).fetchone()
        if found is None:
            raise RowInvalid(f"of the past of {key!r:.200} a piece is missing")
        return checked("past", (key, path, n), *found)

    def pastless(self) -> bool:
        """Whether no key has a past, nor a horizon. O(1)."""
        return self._is_bare("past") and self._is_bare("horizon")

    def past_keys(self) -> set[str]:
        """The keys that have a past or a horizon. O(past)."""
        return set(_texts(self._db.execute("SELECT key FROM past UNION SELECT key FROM horizon")))

    def write(self, table: str, rows: Iterable[tuple[tuple[Any, ...], Any]]) -> None:
        """The rows at these places are so; None: there is none."""
        given, primary = list(rows), PLACED[table][1]
        gone = [where for where, row in given if row is None]
        kept = [(*where, *pack_row(table, where, row)) for where, row in given if row is not None]
        if gone:
            self._db.executemany(f"DELETE FROM {table} WHERE {_at(primary)}", gone)
        if kept:
            self._bare[table] = False
            self._db.executemany(f"INSERT OR REPLACE INTO {table} VALUES ({', '.join('?' * len(kept[0]))})", kept)

    def _is_bare(self, table: str) -> bool:
        """Whether a table is known to have no rows: who takes in many new keys asks for the past of each. O(1)."""
        if table not in self._bare:
            self._bare[table] = self._db.execute(f"SELECT 1 FROM {table} LIMIT 1").fetchone() is None
        return self._bare[table]

    def tell(self, table: str, rows: list[Told]) -> None:
        """What a table for other programs says at these places; None: nothing."""
        gone = [where for where, row in rows if row is None]
        told = [(*where, *row) for where, row in rows if row is not None]
        if gone:
            self._db.executemany(f"DELETE FROM {table} WHERE {_at(TOLD[table][1])}", gone)
        if told:
            self._db.executemany(f"INSERT OR REPLACE INTO {table} VALUES ({', '.join('?' * len(told[0]))})", told)

    def tell_more(self, rows: list[Told]) -> None:
        """What `was` says at these places is said behind what it says there already."""
        if rows:
            self._db.executemany(_MORE, [(*where, *(row or ())) for where, row in rows])

    def untold(self, after: str, limit: int) -> list[str]:
        """The next keys behind `after` that are not plain. O(limit) where most are not."""
        words = "SELECT key FROM cell WHERE key > ? AND root IS NULL ORDER BY key LIMIT ?"
        return _texts(self._db.execute(words, (after, limit)))

    # what is at hand of them

    def begin(self) -> None:
        """Before anything is read, and after a transaction that was undone. O(names)."""
        self._rows.clear()
        self._names = Names({name: number for number, name in self._db.execute("SELECT id, name FROM name")})

    def _number(self, name: str) -> int:
        known = self._names.number_of
        if name not in known:
            number = max(known.values(), default=-1) + 1  # (0 and 1 take no room in a row)
            self._db.execute("INSERT INTO name VALUES (?, ?)", (number, name))
            self._names.add(name, number)
        return known[name]


def _texts(rows: Iterable[tuple[Any, ...]]) -> list[str]:
    """The one column of these rows. Raises RowInvalid where a page lies in the place of another."""
    found = [key for (key,) in rows]
    for key in found:
        if type(key) is not str:
            raise RowInvalid(f"a row has {key!r:.200} in the place of its key")
    return found


def _at(primary: str) -> str:
    return " AND ".join(f"{column} = ?" for column in primary.split(", "))


def _one(table: str) -> str:
    columns, primary = PLACED[table]
    blob = columns.split(", ")[len(primary.split(", "))].split()[0]
    return f"SELECT {blob}, checksum FROM {table} WHERE {_at(primary)}"


_ONE = {table: _one(table) for table in PLACED}
