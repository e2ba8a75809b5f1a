"""From one format of the file to the next: `MIGRATIONS[n]` makes of format n the format n + 1.

Law of this room: all of it in one transaction, so that a file is of the one format or of the
next. What each row held is checked as it is read, and nothing is dropped that was there.
"""

from __future__ import annotations

import json
import sqlite3
from collections.abc import Callable, Iterator
from itertools import groupby
from typing import Any

from crdtkv.storage.held import Held
from crdtkv.storage.journal import BEGIN, begin
from crdtkv.storage.pasts import NO_PAST, Past, changes, past_in, past_in_bytes
from crdtkv.storage.rows import cell_in, unpack_row
from crdtkv.storage.tables import PLACED, SCHEMA, Tables
from crdtkv.storage.views import VIEWS

__all__ = ["MIGRATIONS", "OLD_TABLES", "migrate"]

OLD_TABLES = {1: {"cell", "context", "past", "horizon", "inbox", "meta"}}
"""The tables of a format of before, beside the journal, which is as it was."""


def migrate(db: sqlite3.Connection, to: int) -> None:
    """The file is of format `to`. O(1) if it was; else O(file). Raises RowInvalid."""
    found = db.execute("PRAGMA user_version").fetchone()[0]
    if found == to:
        return
    db.execute("BEGIN EXCLUSIVE")
    try:
        for number in range(found, to):
            MIGRATIONS[number](db)
        db.execute(f"PRAGMA user_version={to}")
        db.execute("COMMIT")
    except BaseException:
        if db.in_transaction:
            db.execute("ROLLBACK")
        raise


def _from_1(db: sqlite3.Connection) -> None:
    """A row for each cell and each context, keyed by text, becomes a row for each key."""
    for table in ("cell", "context"):
        db.execute(f"ALTER TABLE {table} RENAME TO {table}_1")
    kept = {"past", "horizon", "inbox", "meta"}
    for statement in SCHEMA:
        if not any(statement.startswith(f"CREATE TABLE {table} ") for table in kept & PLACED.keys()):
            db.execute(statement)
    tables = Tables(db)
    contexts = {key: row for (key,), row in _rows(db, "context", "key")}
    for key, cells in groupby(_rows(db, "cell", "key, path"), key=lambda found: found[0][0]):
        held = Held({path: cell_in(row) for (_, path), row in cells}, contexts.pop(key, {}))
        tables.write_key(key, held, ())
    tables.flush()
    tables.write("context", [((key,), context) for key, context in contexts.items()])
    for table in ("cell", "context"):
        db.execute(f"DROP TABLE {table}_1")


def _rows(
    db: sqlite3.Connection, table: str, primary: str, number: int = 1
) -> Iterator[tuple[tuple[Any, ...], Any]]:  # fmt: skip
    for *where, blob, checksum in db.execute(f"SELECT * FROM {table}_{number} ORDER BY {primary}"):
        yield tuple(where), unpack_row(table, tuple(where), blob, checksum)


def _from_2(db: sqlite3.Connection) -> None:
    """The journal goes on in files of its own."""
    last = db.execute("SELECT coalesce(max(n), 0) FROM journal").fetchone()[0]
    Tables(db).write("meta", [((BEGIN,), begin(last))])


def _from_3(db: sqlite3.Connection) -> None:
    """Rows of plain keys may say that nothing is known of what was before: none does yet."""


def _from_4(db: sqlite3.Connection) -> None:
    """Rows of meta may say where other replicas were moved to since `state` was written: none does yet. (That a past
    lay in other pieces then is for `_from_5`: it takes either.)"""


def _from_5(db: sqlite3.Connection) -> None:
    """A past lies in pieces of so many bytes, and so does what is told of it. (In 4 it lay in one.)"""
    for view in VIEWS:
        db.execute(f"DROP VIEW {view}")
    for table in ("past", "was"):
        db.execute(f"ALTER TABLE {table} RENAME TO {table}_5")
    for statement in SCHEMA:
        if statement.startswith(("CREATE TABLE past ", "CREATE TABLE was ", "CREATE VIEW ")):
            db.execute(statement)
    tables = Tables(db)
    numbered = any(column[1] == "n" for column in db.execute("PRAGMA table_info(past_5)"))
    rows = _rows(db, "past", "key, path, n" if numbered else "key, path", 5)
    for (key, path), pieces in groupby(rows, key=lambda found: found[0][:2]):
        shown = db.execute("SELECT shown FROM was_5 WHERE key = ? AND path = ?", (key, path))
        told = {said[0].partition("_")[2]: said for (text,) in shown for said in json.loads(text)}
        past = Past.of([row for _, piece in pieces for row in past_in(piece)])
        for n, blob in changes(NO_PAST, past):
            tables.write("past", [((key, path, n), blob)])
            dots = ["{}.{}".format(*row.sibling.dot) for row in past_in_bytes(blob or b"")]
            if said := [told[dot] for dot in dots if dot in told]:
                tables.tell("was", [((key, path, n), (json.dumps(said, ensure_ascii=False),))])
    for table in ("past", "was"):
        db.execute(f"DROP TABLE {table}_5")


MIGRATIONS: dict[int, Callable[[sqlite3.Connection], None]] = {
    1: _from_1, 2: _from_2, 3: _from_3, 4: _from_4, 5: _from_5,
}  # fmt: skip
