"""The checkpoint: what was changed since the last one goes into the tables, sorted and in bulk, a step at a time.

Law of this room: a step is a transaction of its own, and small; it writes rows as they
are committed now. What is changed while a checkpoint runs belongs to the next one.
"""

from __future__ import annotations

import sqlite3
from collections.abc import Callable
from typing import Any

from crdtkv.storage.journal import Journal
from crdtkv.storage.rows import TABLES, pack_row

__all__ = ["JOURNAL_BYTES", "STEP_ROWS", "Checkpoint"]

JOURNAL_BYTES = 4 << 20
"""A journal that is longer begins a checkpoint."""

STEP_ROWS = 1_000
"""How many rows a step writes: some 5 ms."""

_Place = tuple[str, tuple[Any, ...]]


class Checkpoint:
    """What the tables do not have yet, and how far the running checkpoint is."""

    def __init__(self, db: sqlite3.Connection, journal: Journal, row: Callable[[str, tuple[Any, ...]], Any]) -> None:
        self._db, self._journal, self._row = db, journal, row
        self._dirty: set[_Place] = set()
        self._left: list[_Place] = []
        """Of the checkpoint that runs, the places still to be written, the next one last."""
        self._upto = 0

    def changed(self, places: set[_Place]) -> None:
        """These rows are in the journal now, and not in the tables."""
        self._dirty |= places

    @property
    def due(self) -> bool:
        """Whether a step should be made before the journal grows on."""
        return bool(self._left) or self._journal.size > JOURNAL_BYTES

    def step(self) -> None:
        """Write a few rows. O(STEP_ROWS). What fails leaves all as it was, and is tried again."""
        if not self._left:
            self._begin()
        places = self._left[-STEP_ROWS:]
        self._write(places, len(self._left) <= STEP_ROWS)
        del self._left[-STEP_ROWS:]

    def finish(self) -> None:
        """All of it, now: the journal is empty after."""
        while self._dirty or self._left or self._journal.size:
            empty, size = not (self._dirty or self._left), self._journal.size
            self.step()
            assert not empty or self._journal.size < size, "a journal that nothing empties"

    def _begin(self) -> None:
        self._left = sorted(self._dirty, reverse=True)
        self._dirty = set()
        self._upto = self._journal.last

    def _write(self, places: list[_Place], last: bool) -> None:
        self._db.execute("BEGIN IMMEDIATE")
        try:
            for table in TABLES:
                self._write_table(table, [where for name, where in reversed(places) if name == table])
            if last:
                self._journal.trim(self._upto)
            self._db.execute("COMMIT")
        except BaseException:
            if self._db.in_transaction:
                self._db.execute("ROLLBACK")
            raise

    def _write_table(self, table: str, places: list[tuple[Any, ...]]) -> None:
        rows = [(where, self._row(table, where)) for where in places]
        gone = [where for where, row in rows if row is None]
        kept = [(*where, *pack_row(table, where, row)) for where, row in rows if row is not None]
        columns = TABLES[table][1].split(", ")
        if gone:
            self._db.executemany(f"DELETE FROM {table} WHERE {' AND '.join(f'{c}=?' for c in columns)}", gone)
        if kept:
            marks = ", ".join("?" * len(kept[0]))
            self._db.executemany(f"INSERT OR REPLACE INTO {table} VALUES ({marks})", kept)
