"""The plain SQLite storage: everything in memory, every commit written through.

Law: a transaction's rows are in the file, synced, before `commit` returns. The file
is the user's: documented tables (docs/formats.md). One process at a time: the file is
locked while it is open.
"""

from __future__ import annotations

import os
import platform
import sqlite3
import weakref
from contextlib import suppress
from pathlib import Path
from typing import Any

import msgpack

from crdtkv.core.cells import Cell, Sibling
from crdtkv.errors import ChecksumFailed, FormatTooNew, StorageFailed, StoreLocked
from crdtkv.storage.base import Floor, Horizon, Life, Superseded
from crdtkv.storage.memory import MemoryStorage
from crdtkv.storage.witness import Witness

__all__ = ["FORMAT", "SqliteStorage"]

FORMAT = 1

_CHECK = "check the path and who may read and write it"

_TABLES = {
    "cell": ("key TEXT, path BLOB, siblings BLOB NOT NULL", "key, path"),
    "context": ("key TEXT, entries BLOB NOT NULL", "key"),
    "past": ("key TEXT, path BLOB, rows BLOB NOT NULL", "key, path"),
    "horizon": ("key TEXT, horizon BLOB NOT NULL", "key"),
    "inbox": ("id TEXT, lost BLOB NOT NULL", "id"),
    "meta": ("name TEXT, value BLOB NOT NULL", "name"),
}


_open_here: weakref.WeakSet[SqliteStorage] = weakref.WeakSet()


def _never_close() -> None:
    """In a forked child: what the parent has open stays open for good.

    SQLite holds the child's copy for the owner of the file: closing it, at exit too, would
    take away the journal that the parent goes on writing to, with all that is in it.
    """
    import ctypes

    for storage in _open_here:
        ctypes.pythonapi.Py_IncRef(ctypes.py_object(storage._db))


if hasattr(os, "register_at_fork"):
    os.register_at_fork(after_in_child=_never_close)


class SqliteStorage(MemoryStorage):
    """A Storage in the file at `path`, made if it is not there.

    Raises StoreLocked if another process has it open, FormatTooNew if a later
    release made it, StorageFailed if it is not a crdtkv file or cannot be read.
    """

    def __init__(self, path: str | os.PathLike[str]) -> None:
        super().__init__()
        self.path = Path(path)
        self._witness: Witness | None = None
        try:
            self._db = sqlite3.connect(self.path, isolation_level=None, check_same_thread=False, timeout=0)
            self._open()
        except sqlite3.OperationalError as error:
            self._db.close() if hasattr(self, "_db") else None
            if "locked" in str(error):
                raise StoreLocked(f"{str(self.path)!r} is open already; close it where it is open") from error
            raise StorageFailed(f"cannot open {str(self.path)!r}: {error}", happened="no", next_step=_CHECK) from error
        except sqlite3.DatabaseError as error:
            self._db.close()
            raise StorageFailed(
                f"{str(self.path)!r} is not a store: {error}", happened="no", next_step=_CHECK
            ) from error

    def _open(self) -> None:
        db = self._db
        # Exclusive, and taken at once: a second process is refused when it opens, not when it writes.
        db.execute("PRAGMA locking_mode=EXCLUSIVE")
        db.execute("PRAGMA journal_mode=WAL")
        db.execute("PRAGMA synchronous=FULL")
        db.execute("BEGIN EXCLUSIVE")
        found = db.execute("PRAGMA user_version").fetchone()[0]
        if found > FORMAT:
            db.execute("ROLLBACK")
            db.close()
            raise FormatTooNew(
                f"{str(self.path)!r} has format {found}; this release reads up to {FORMAT}; open it with a newer crdtkv"
            )
        for table, (columns, primary) in _TABLES.items():
            db.execute(f"CREATE TABLE IF NOT EXISTS {table} ({columns}, PRIMARY KEY ({primary})) WITHOUT ROWID")
        db.execute(f"PRAGMA user_version={FORMAT}")
        db.execute("COMMIT")
        _open_here.add(self)
        self._load()
        self._witness = Witness(Path(f"{self.path}-witness"))

    def _load(self) -> None:
        try:
            self._load_rows()
        except (ValueError, TypeError, KeyError, msgpack.UnpackException) as error:
            raise ChecksumFailed(
                f"{str(self.path)!r} has an unreadable row ({type(error).__name__}: {error}); restore a backup"
            ) from error

    def _load_rows(self) -> None:
        db = self._db
        for key, path, blob in db.execute("SELECT key, path, siblings FROM cell ORDER BY key, path"):
            self._place(key, path, (), _cell_in(_unpack(blob)))
        for key, blob in db.execute("SELECT key, entries FROM context"):
            self._contexts[key] = _unpack(blob)
        for key, path, blob in db.execute("SELECT key, path, rows FROM past"):
            self._set_past(key, path, tuple(map(_superseded_in, _unpack(blob))))
        for key, blob in db.execute("SELECT key, horizon FROM horizon"):
            self._horizons[key] = _horizon_in(_unpack(blob))
        for id, blob in db.execute("SELECT id, lost FROM inbox ORDER BY id"):
            self._inbox[id] = _unpack(blob)
        for name, blob in db.execute("SELECT name, value FROM meta"):
            self._meta[name] = _unpack(blob)

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
            words = "nothing was written" if undone else "close it and open it again to see whether it was written"
            raise StorageFailed(
                f"{str(self.path)!r} could not be written: {error}; {words}", happened="no" if undone else "unknown"
            ) from error

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
            columns = _TABLES[table][1].split(", ")
            self._db.execute(f"DELETE FROM {table} WHERE {' AND '.join(f'{c}=?' for c in columns)}", where)
        else:
            marks = ", ".join("?" * (len(where) + 1))
            self._db.execute(f"INSERT OR REPLACE INTO {table} VALUES ({marks})", (*where, msgpack.packb(row)))

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


def _unpack(blob: bytes) -> Any:
    return msgpack.unpackb(blob, strict_map_key=False)


def _sibling_in(parts: Any) -> Sibling:
    (replica, n), stamp, payload, parents, lost = parts
    return Sibling((replica, n), stamp, payload, tuple((r, m) for r, m in parents), tuple((r, m) for r, m in lost))


def _cell_in(parts: Any) -> Cell:
    return tuple(map(_sibling_in, parts))


def _superseded_in(parts: Any) -> Superseded:
    sibling, by, until, wall_ms = parts
    return Superseded(_sibling_in(sibling), tuple((r, n) for r, n in by), until, wall_ms)


def _horizon_in(parts: Any) -> Horizon:
    base, gaps, lives, deleted, floors = parts
    return Horizon(
        base, tuple((a, b) for a, b in gaps), tuple(Life((d[0], d[1]), r) for d, r in lives),
        deleted, tuple(Floor((d[0], d[1]), before, floor) for d, before, floor in floors),
    )  # fmt: skip
