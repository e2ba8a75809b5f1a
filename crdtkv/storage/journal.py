"""The journal: what each commit changed, one row a commit, until the tables have it.

Law of this room: the journal replayed over the tables, as any step of a checkpoint left
them, gives what was committed last. So a record holds whole rows, or what came to a row
and what went by its name (GROWTH), and may be replayed over what it has done already; and
rows leave the journal only when a table holds each of them, or one that is newer.
"""

from __future__ import annotations

import sqlite3
from collections.abc import Callable, Iterator
from typing import Any

import msgpack
import xxhash

from crdtkv.storage.rows import RowInvalid

__all__ = ["GROWTH", "NUMBERS", "Journal", "Row"]

Row = tuple[int, tuple[Any, ...], Any]
"""Number of the table, where, and the row as plain data; None: there is none any more."""

GROWTH = "growth"
"""In the place of a table: of a row of `past`, see `rows.growth_of`."""

_LARGE = 1 << 20

_NAMES = ["cell", "context", "past", "horizon", "inbox", "meta", GROWTH]
NUMBERS = {table: number for number, table in enumerate(_NAMES)}


class Journal:
    """The table `journal` of a store's file. Whoever calls holds the transaction."""

    def __init__(self, db: sqlite3.Connection) -> None:
        self._db = db
        self._pack: Callable[[Any], bytes] = msgpack.Packer().pack
        self.last = 0
        """The number of the last record."""
        self.size = 0
        """Bytes of the records that are in it."""

    @staticmethod
    def create(db: sqlite3.Connection) -> None:
        """Make the table."""
        db.execute("CREATE TABLE journal (n INTEGER PRIMARY KEY, record BLOB NOT NULL, checksum INTEGER NOT NULL)")

    def append(self, rows: list[Row]) -> None:
        """One more record. O(rows), some 10 us and the disk."""
        record = self._pack(rows)
        if len(record) > _LARGE:
            self._pack = msgpack.Packer().pack  # (it keeps as much room as it once needed)
        n = self.last + 1
        self._db.execute("INSERT INTO journal VALUES (?, ?, ?)", (n, record, _checksum(n, record)))
        self.last = n
        self.size += len(record)

    def replay(self) -> Iterator[tuple[str, tuple[Any, ...], Any]]:
        """Table, where and row of all changes, in the order they were committed. Raises RowInvalid."""
        for n, record, checksum in self._db.execute("SELECT n, record, checksum FROM journal ORDER BY n"):
            if type(record) is not bytes or _checksum(n, record) != checksum:
                raise RowInvalid(f"the checksum of journal {n} does not fit")
            self.last = n
            self.size += len(record)
            for number, where, row in msgpack.unpackb(record, strict_map_key=False):
                yield _NAMES[number], tuple(where), row

    def trim(self, to: int) -> None:
        """The tables have all that the records up to `to` changed."""
        self._db.execute("DELETE FROM journal WHERE n <= ?", (to,))
        found = self._db.execute("SELECT coalesce(sum(length(record)), 0) FROM journal").fetchone()
        self.size = found[0]


def _checksum(n: int, record: bytes) -> int:
    return xxhash.xxh3_64_intdigest(record, seed=n) >> 1
