"""All of a file looked at: what is not as it was written, and what the tables say differently of one thing.

Law of this room: it changes nothing, and goes on behind what it finds.
"""

from __future__ import annotations

import sqlite3
from collections.abc import Iterator
from itertools import groupby
from operator import itemgetter
from typing import Any

from crdtkv.storage.held import PARTS, PLAIN
from crdtkv.storage.keyrows import READ, dots_of, due_of, read_key
from crdtkv.storage.pasts import Past, past_in
from crdtkv.storage.rows import RowInvalid, cell_in, horizon_in, unpack_row
from crdtkv.storage.tables import PLACED, Tables

__all__ = ["faults"]

_MOST = 100
"""How many of SQLite's own words are told."""

_READ = {"part": cell_in, "past": past_in, "horizon": horizon_in}

_ALONE = {
    "parts of {!r:.200}, which is not in parts": "SELECT DISTINCT key FROM part WHERE key NOT IN "
    "(SELECT key FROM cell WHERE root IS NULL)",
    "a date by which {!r:.200} is dropped, which has none": "SELECT key FROM cell WHERE root IS NOT NULL "
    "AND due IS NOT NULL",
    "a dot of {!r:.200}, which is not there": "SELECT DISTINCT key FROM dot WHERE key NOT IN (SELECT key FROM cell)",
    "told of {!r:.200}, which is not there": "SELECT key FROM shown WHERE key NOT IN (SELECT key FROM cell)",
    "a context of {!r:.200} by itself, beside its row": "SELECT key FROM context WHERE key IN (SELECT key FROM cell)",
}


def faults(db: sqlite3.Connection, tables: Tables) -> Iterator[str]:
    """Words for each fault. O(file)."""
    try:
        for (word,) in db.execute(f"PRAGMA integrity_check({_MOST})").fetchall():
            if word != "ok":
                yield f"sqlite: {word}"
        for words, query in _ALONE.items():
            for (key,) in db.execute(query).fetchall():
                yield "there is " + words.format(key)
        yield from _of_keys(db, tables)
        for table in PLACED:
            yield from _of_rows(db, table)
        yield from _of_pasts(db)
    except sqlite3.Error as error:
        yield f"sqlite: {error}"


def _of_keys(db: sqlite3.Connection, tables: Tables) -> Iterator[str]:
    listed: dict[str, set[tuple[str, int]]] = {}
    for key, name, n in db.execute("SELECT key, name, n FROM dot LEFT JOIN name ON id = origin"):
        listed.setdefault(key, set()).add((name, n))
    for row in db.execute(f"SELECT {READ} FROM cell"):
        try:
            said = tables.said(row)
            held = read_key(said, tables.parts)
        except (RowInvalid, ValueError, TypeError, KeyError) as error:
            yield str(error)
            continue
        key, when = said[0], said[-1]
        found = dots_of(held.cells.values())
        above = dict(found if held.kind == PLAIN else held.dots)
        if any(n > above.get(replica, 0) for replica, n in found):
            yield f"{key!r:.200} has a sibling beyond the dots that it is listed under"
        if listed.get(key, set()) != set(held.dots[1:]):
            yield f"the dots of {key!r:.200} are not those in its row"
        if when != (None if held.kind == PARTS else due_of(held.cells.items())):
            yield f"{key!r:.200} says that it is due at {when}"


def _of_rows(db: sqlite3.Connection, table: str) -> Iterator[str]:
    primary = PLACED[table][1].count(",") + 1
    for row in db.execute(f"SELECT * FROM {table}"):
        where: tuple[Any, ...] = row[:primary]
        blob, checksum = row[primary], row[-1]
        try:
            found = unpack_row(table, (*where, row[-2]) if table == "part" else where, blob, checksum)
            _READ.get(table, lambda found: found)(found)
        except (RowInvalid, ValueError, TypeError, KeyError) as error:
            yield str(error)


def _of_pasts(db: sqlite3.Connection) -> Iterator[str]:
    pieces = db.execute("SELECT key, path, n, rows FROM past ORDER BY key, path, n")
    for (key, _), some in groupby(pieces, key=itemgetter(0, 1)):
        if Past.found([(n, blob) for _, _, n, blob in some], None) is None:
            yield f"there is a past of {key!r:.200} of which a piece is missing"
