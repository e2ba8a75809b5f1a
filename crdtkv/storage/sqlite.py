"""The plain SQLite storage: everything in memory, every commit written through.

Law: a transaction's rows are in the file, synced, before `commit` returns. The file
is the user's: documented tables (docs/formats.md). One process at a time: the file is
locked while it is open. Only a file that bears our number is a store; only one that
holds nothing becomes one.
"""

from __future__ import annotations

import os
import platform
import sqlite3
import weakref
from collections.abc import Iterator
from contextlib import closing, suppress
from pathlib import Path
from typing import Any

from crdtkv.core.show import show
from crdtkv.errors import BadRequest, ChecksumFailed, CrdtkvError, FormatTooNew, NotAStore, StorageFailed, StoreLocked
from crdtkv.storage.memory import MemoryStorage
from crdtkv.storage.rows import TABLES, RowInvalid, cell_in, horizon_in, pack_row, past_in, unpack_row
from crdtkv.storage.witness import Witness

__all__ = ["APPLICATION_ID", "FORMAT", "SqliteStorage"]

APPLICATION_ID = int.from_bytes(b"crdt", "big")
"""In the header of the file: this is a store."""

FORMAT = 1

_CHECK = "check the path and who may read and write it"
_BROKEN = (sqlite3.SQLITE_CORRUPT, sqlite3.SQLITE_NOTADB)
_HEADER = 100
"""How many bytes SQLite's own header has; the application id is at 68."""


class SqliteStorage(MemoryStorage):
    """A Storage in the file at `path`, made if it is not there.

    Raises StoreLocked if another process has it open, FormatTooNew if a later
    release made it, NotAStore if crdtkv did not make it, ChecksumFailed if it is not
    as it was written, StorageFailed if it cannot be opened or read. Cost: O(file).
    """

    def __init__(self, path: str | os.PathLike[str]) -> None:
        super().__init__()
        try:
            self.path = Path(path)
        except TypeError:
            raise BadRequest(f"path is {show(path)}; a file's path, or ':memory:', is wanted") from None
        self._witness: Witness | None = None
        self._was_there = self.path.exists()
        self._noted_path = Path(f"{self.path}-witness")
        try:
            self._db = sqlite3.connect(self.path, isolation_level=None, check_same_thread=False, timeout=0)
        except sqlite3.Error as error:
            raise self._unopened(error) from error
        _open_here.add(self)
        try:
            self._open()
        except BaseException as error:
            # Whatever it is: who is told that it cannot be opened must not find it locked by us.
            self.close()
            if not isinstance(error, (sqlite3.Error, OSError, UnicodeError, RowInvalid)):
                raise
            raise self._unopened(error) from error

    def _unopened(self, error: Exception) -> CrdtkvError:
        name, code = repr(str(self.path)), getattr(error, "sqlite_errorcode", None)
        if code in (sqlite3.SQLITE_BUSY, sqlite3.SQLITE_LOCKED):
            return StoreLocked(f"{name} is open already; close it where it is open")
        # What the driver says of text that is none has no code.
        broken = code in _BROKEN or isinstance(error, UnicodeError) or "decode to UTF-8" in str(error)
        if isinstance(error, RowInvalid) or (broken and self._is_marked()):
            return ChecksumFailed(f"{name} is not as it was written: {error}")
        if broken:
            return NotAStore(f"{name} is no store: {error}; name another file, or one that is not there yet")
        return StorageFailed(f"cannot open {name}: {error}", happened="no", next_step=_CHECK)

    def _is_marked(self) -> bool:
        """Whether the header says that this was a store. (Only after SQLite let go of the file: who opens and
        closes a file beside SQLite gives up its locks.)"""
        with suppress(OSError), self.path.open("rb") as file:
            head = file.read(_HEADER)
            return head[68:72] == APPLICATION_ID.to_bytes(4, "big")
        return False

    def _open(self) -> None:
        db = self._db
        # Exclusive, and taken at once: a second process is refused when it opens, not when it writes.
        db.execute("PRAGMA locking_mode=EXCLUSIVE")
        db.execute("BEGIN EXCLUSIVE")
        new = self._is_new()
        db.execute("ROLLBACK")
        db.execute("PRAGMA journal_mode=WAL")
        db.execute("PRAGMA synchronous=FULL")
        if new:
            self._create()
        self._load()
        self._witness = Witness(self._noted_path)

    def _create(self) -> None:
        self._db.execute("BEGIN EXCLUSIVE")
        for table, (columns, primary) in TABLES.items():
            rest = f"checksum INTEGER NOT NULL, PRIMARY KEY ({primary})"
            self._db.execute(f"CREATE TABLE {table} ({columns}, {rest}) WITHOUT ROWID")
        self._db.execute(f"PRAGMA application_id={APPLICATION_ID}")
        self._db.execute(f"PRAGMA user_version={FORMAT}")
        self._db.execute("COMMIT")

    def _is_new(self) -> bool:
        """Whether it holds nothing. Raises for a file that is somebody else's, of a later release, or not whole."""
        name = repr(str(self.path))
        mark, found = (self._db.execute(f"PRAGMA {p}").fetchone()[0] for p in ("application_id", "user_version"))
        tables = {row[0] for row in self._db.execute("SELECT name FROM sqlite_master WHERE type='table'")}
        if mark != APPLICATION_ID and (mark or found or tables):
            raise NotAStore(
                f"{name} is a database of something else (application id {mark}, tables "
                f"{', '.join(sorted(tables)) or 'none'}); name another file, or one that is not there yet"
            )
        if mark != APPLICATION_ID:
            if self._was_there and self._was_noted():
                raise RowInvalid(f"it is empty, and {self._noted_path.name} beside it says that it was not")
            return True
        if found > FORMAT:
            raise FormatTooNew(
                f"{name} has format {found}; this release reads up to {FORMAT}; open it with a newer crdtkv"
            )
        if not TABLES.keys() <= tables:
            raise RowInvalid(f"there is no table {', '.join(sorted(TABLES.keys() - tables))}")
        return False

    def _was_noted(self) -> bool:
        if not self._noted_path.exists():
            return False
        with closing(Witness(self._noted_path)) as witness:
            return witness.noted() != ""

    def _load(self) -> None:
        try:
            self._load_rows()
        except (ValueError, TypeError, KeyError, RecursionError) as error:
            raise RowInvalid(f"a row cannot be read ({type(error).__name__}: {error})") from error

    def _load_rows(self) -> None:
        for (key, path), parts in self._rows("cell"):
            self._place(key, path, (), cell_in(parts))
        for (key, path), parts in self._rows("past"):
            self._set_past(key, path, past_in(parts))
        for (key,), parts in self._rows("horizon"):
            self._horizons[key] = horizon_in(parts)
        for table, kept in (("context", self._contexts), ("inbox", self._inbox), ("meta", self._meta)):
            kept.update((where[0], row) for where, row in self._rows(table))

    def _rows(self, table: str) -> Iterator[tuple[tuple[Any, ...], Any]]:
        """(where, row) of a whole table, in order."""
        for *where, blob, checksum in self._db.execute(f"SELECT * FROM {table} ORDER BY {TABLES[table][1]}"):
            yield tuple(where), unpack_row(table, tuple(where), blob, checksum)

    def _save(self, changed: set[tuple[str, Any]]) -> None:
        try:
            self._db.execute("BEGIN IMMEDIATE")
            for table, where in changed:
                self._save_row(table, where if isinstance(where, tuple) else (where,))
            self._db.execute("COMMIT")
        except BaseException as error:
            undone = self._undo_commit()
            if not isinstance(error, sqlite3.Error):
                raise
            words = f"{str(self.path)!r} could not be written: {error}"
            if not undone:
                raise StorageFailed(f"{words}; it may or may not have been written") from error
            full = getattr(error, "sqlite_errorcode", None) == sqlite3.SQLITE_FULL
            raise StorageFailed(
                f"{words}; nothing was written", happened="no",
                next_step=f"{'make room on' if full else 'see to'} the disk, then write again",
            ) from error  # fmt: skip

    def _undo_commit(self) -> bool:
        """Whether what was begun is undone for certain."""
        try:
            if self._db.in_transaction:
                self._db.execute("ROLLBACK")
        except sqlite3.Error:
            return False
        return True

    def _save_row(self, table: str, where: tuple[Any, ...]) -> None:
        row = self._row(table, where)
        if row is None:
            columns = TABLES[table][1].split(", ")
            self._db.execute(f"DELETE FROM {table} WHERE {' AND '.join(f'{c}=?' for c in columns)}", where)
        else:
            marks = ", ".join("?" * (len(where) + 2))
            self._db.execute(f"INSERT OR REPLACE INTO {table} VALUES ({marks})", (*where, *pack_row(table, where, row)))

    def _row(self, table: str, where: tuple[Any, ...]) -> Any:
        """What a row holds now, as plain data; None if it is gone."""
        if table == "cell":
            return self.cells(where[0]).get(where[1])
        if table == "past":
            return self.past(where[0]).get(where[1])
        rows: dict[str, dict[str, Any]] = {
            "context": self._contexts, "horizon": self._horizons, "inbox": self._inbox, "meta": self._meta,
        }  # fmt: skip
        return rows[table].get(where[0])

    def home(self) -> str:
        """Device, inode and machine."""
        found = os.stat(self.path)
        machine = Path("/etc/machine-id")
        name = machine.read_text().strip() if machine.is_file() else platform.node()
        return f"{found.st_dev}:{found.st_ino}:{name}"

    def note(self, words: str) -> None:
        with suppress(OSError):  # what it says only ever lags behind
            if self._witness is not None:
                self._witness.note(words)

    def noted(self) -> str | None:
        return self._witness.noted() if self._witness is not None else None

    def close(self) -> None:
        self._db.close()
        if self._witness is not None:
            self._witness.close()


_open_here: weakref.WeakSet[SqliteStorage] = weakref.WeakSet()


def _never_close() -> None:
    """In a forked child: what the parent has open stays open for good.

    SQLite takes the child's copy for the owner of the file: closing it, at exit too, would
    take away the journal that the parent goes on writing to, with all that is in it.
    """
    import ctypes

    for storage in _open_here:
        ctypes.pythonapi.Py_IncRef(ctypes.py_object(storage._db))


if hasattr(os, "register_at_fork"):
    os.register_at_fork(after_in_child=_never_close)
