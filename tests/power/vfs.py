"""SQLite on a disk of ours: a VFS over the system's, and a connection that looks like sqlite3's.

The library that Python's `sqlite3` links takes no VFS of ours; that of apsw does. Of
`sqlite3.Connection` there is what `crdtkv/storage` uses, with errors of the same classes
and codes.
"""

from __future__ import annotations

import itertools
import sqlite3
import sys
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any, TypeVar

import apsw
import pytest

from crdtkv.storage import sqlite
from crdtkv.storage.holding import Hold
from crdtkv.storage.journal import SUFFIXES
from crdtkv.storage.logfile import LogFile
from tests.power.disk import Disk, Inode, PowerCut

__all__ = ["Connection", "Mounted", "Unheld", "failure"]

_T = TypeVar("_T")
_numbers = itertools.count()
_JOURNALS = apsw.SQLITE_OPEN_MAIN_JOURNAL | apsw.SQLITE_OPEN_WAL


def failure(code: int) -> apsw.Error:
    """What the disk answers where it fails, as apsw.SQLITE_FULL or apsw.SQLITE_IOERR_WRITE."""
    return apsw.exception_for(code)


class Unheld(Hold):
    """In the place of crdtkv.storage.sqlite.Hold: files of such a disk come and go, and SQLite locks them itself."""

    def __init__(self, path: Path) -> None:
        self._files, self._pid, self.shares = [], path.with_name("none"), False

    def say(self) -> None:
        """To nobody."""

    def check(self) -> None:
        """Nobody moves them."""


class Mounted(apsw.VFS):
    """A disk, in SQLite's eyes. `connect` opens a file on it."""

    def __init__(self, disk: Disk) -> None:
        self.disk = disk
        self.name = f"disk-{next(_numbers)}"
        self.open: list[Connection] = []
        super().__init__(self.name, base="")

    def connect(self, path: Path) -> Any:
        """In the place of crdtkv.storage.sqlite.connect."""
        self.open.append(_told(lambda: Connection(str(path), self)))
        return self.open[-1]

    def files_of(self, path: str) -> tuple[LogFile, LogFile]:
        """In the place of crdtkv.storage.sqlite.files_of."""
        return Beside(self, Path(path + SUFFIXES[0])), Beside(self, Path(path + SUFFIXES[1]))

    def lie_under(self, patch: pytest.MonkeyPatch) -> None:
        """What is opened from now on lies on this disk."""
        patch.setattr(sqlite, "connect", self.connect)
        patch.setattr(sqlite, "files_of", self.files_of)
        patch.setattr(sqlite, "Hold", Unheld)

    def let_go(self) -> None:
        """Whoever had something open is no more; what it would still write does not get to the disk."""
        self.disk.dead = True
        for connection in self.open:
            with suppress(PowerCut):
                connection.close()
        self.open.clear()

    def xOpen(self, name: Any, flags: list[int]) -> apsw.VFSFile:
        at = Path(name.filename() if isinstance(name, apsw.URIFilename) else name or "")
        if name is None or not at.name.startswith(self.disk.path.name):
            return apsw.VFSFile("", name, flags)
        self.disk.step("open", at.name)
        return _File(self.disk, at.name, name, flags)

    def xDelete(self, name: str, sync_folder: bool) -> None:
        at = Path(name)
        self.disk.step("delete", at.name)
        if self.disk.dead:
            return
        super().xDelete(name, False)
        self.disk.delete(at.name)
        if sync_folder:
            self.disk.sync_folder()


class _File(apsw.VFSFile):
    """Each step goes to the system's file, and to the disk that remembers what is durable."""

    def __init__(self, disk: Disk, name: str, given: Any, flags: list[int]) -> None:
        super().__init__("", given, flags)
        self._disk, self._name = disk, name
        new = name not in disk.names
        self._inode: Inode = disk.create(name)
        # SQLite syncs the folder together with a journal that it made.
        self._syncs_folder = new and bool(flags[0] & _JOURNALS)

    def xRead(self, amount: int, offset: int) -> bytes:
        self._disk.step("read", self._name)
        return super().xRead(amount, offset)

    def xWrite(self, data: bytes, offset: int) -> None:
        if self._disk.dead:
            return
        try:
            self._disk.step("write", self._name)
        except apsw.Error:
            self._put(data[: len(data) // 2], offset)  # as far as there was room
            raise
        self._put(data, offset)

    def _put(self, data: bytes, offset: int) -> None:
        super().xWrite(data, offset)
        self._inode.write(offset, data)

    def xTruncate(self, size: int) -> None:
        self._disk.step("truncate", self._name)
        if not self._disk.dead:
            super().xTruncate(size)
            self._inode.truncate(size)

    def xSync(self, flags: int) -> None:
        try:
            self._disk.step("sync", self._name)
        except apsw.Error:
            self._inode.fail_to_sync(self._disk.dice)
            raise
        if self._disk.dead:
            return
        self._inode.sync()
        if self._syncs_folder:
            self._disk.sync_folder()
            self._syncs_folder = False


class Beside(LogFile):
    """A file that the store itself writes beside its own: as `_File`, with the errors that it then raises."""

    def __init__(self, mounted: Mounted, path: Path) -> None:
        super().__init__(path)
        self._disk = mounted.disk
        self._inode: Any = None

    def read(self) -> bytes:
        return self._on("read", super().read) or b""

    def write(self, at: int, data: bytes) -> None:
        if self._inode is None:
            self._on("open", self._made)
        try:
            self._on("write", lambda: self._put(at, data))
        except sqlite3.Error:
            self._put(at, data[: len(data) // 2])  # as far as there was room
            raise

    def sync(self) -> None:
        try:
            self._on("sync", self._synced)
        except sqlite3.Error:
            if self._inode is not None:
                self._inode.fail_to_sync(self._disk.dice)
            raise

    def replace(self, data: bytes) -> None:
        self._on("write", lambda: None)  # beside it
        self._on("sync", lambda: self._replaced(data))
        self._on("sync", self._disk.sync_folder)

    def truncate(self, size: int) -> None:
        if self.path.exists():
            self._made()
            self._on("truncate", lambda: self._cut(size))

    def remove(self) -> None:
        with suppress(sqlite3.Error):
            self._on("delete", self._removed)

    def _on(self, kind: str, act: Callable[[], _T]) -> _T | None:
        found = None
        if not self._disk.dead:
            _told(lambda: self._disk.step(kind, self.path.name))
        if not self._disk.dead:
            found = act()
        if self._disk.dead:
            raise PowerCut
        return found

    def _made(self) -> None:
        self._inode = self._disk.create(self.path.name)

    def _put(self, at: int, data: bytes) -> None:
        super().write(at, data)
        self._inode.write(at, data)

    def _synced(self) -> None:
        if self._inode is not None:
            self._inode.sync()
            if self._new:
                self._disk.sync_folder()
            self._new = False

    def _replaced(self, data: bytes) -> None:
        super().replace(data)
        self._inode = self._disk.replace(self.path.name, data)

    def _cut(self, size: int) -> None:
        super().truncate(size)
        self._inode.truncate(size)

    def _removed(self) -> None:
        super().remove()
        self._disk.delete(self.path.name)
        self._inode = None


# Python's sqlite3, where it is used


_CLASSES: dict[int, type[sqlite3.Error]] = {
    apsw.SQLITE_INTERNAL: sqlite3.InternalError, apsw.SQLITE_NOTFOUND: sqlite3.InternalError,
    apsw.SQLITE_CORRUPT: sqlite3.DatabaseError, apsw.SQLITE_NOTADB: sqlite3.DatabaseError,
    apsw.SQLITE_CONSTRAINT: sqlite3.IntegrityError, apsw.SQLITE_MISMATCH: sqlite3.IntegrityError,
    apsw.SQLITE_MISUSE: sqlite3.InterfaceError, apsw.SQLITE_TOOBIG: sqlite3.DataError,
}  # fmt: skip

_WORDS = {
    apsw.SQLITE_FULL: "database or disk is full", apsw.SQLITE_CANTOPEN: "unable to open database file",
    apsw.SQLITE_READONLY: "attempt to write a readonly database",
}  # fmt: skip


def _told(act: Callable[[], _T]) -> _T:
    try:
        return act()
    except apsw.Error as error:
        code = getattr(error, "result", apsw.SQLITE_ERROR)
        words = str(error) or _WORDS.get(code, "disk I/O error")
        told = _CLASSES.get(code, sqlite3.OperationalError)(words)
        told.sqlite_errorcode = getattr(error, "extendedresult", code)
        raise told from error


@contextmanager
def _unheard() -> Iterator[None]:
    before, sys.unraisablehook = sys.unraisablehook, lambda unraisable: None
    try:
        yield
    finally:
        sys.unraisablehook = before


class _Rows:
    """All that a statement answers, read at once: what is left unread would be let go of at any time."""

    def __init__(self, rows: list[tuple[Any, ...]]) -> None:
        self._rows = iter(rows)

    def __iter__(self) -> Iterator[tuple[Any, ...]]:
        return self._rows

    def fetchone(self) -> tuple[Any, ...] | None:
        return next(self._rows, None)

    def fetchall(self) -> list[tuple[Any, ...]]:
        return list(self._rows)

    def close(self) -> None:
        """They are all here."""


class Connection:
    """As sqlite3.Connection with isolation_level=None."""

    def __init__(self, path: str, mounted: Mounted) -> None:
        self._disk = mounted.disk
        self._db = apsw.Connection(path, vfs=mounted.name)

    @property
    def in_transaction(self) -> bool:
        return self._db.in_transaction

    def execute(self, statement: str, values: Iterable[Any] = ()) -> _Rows:
        return _Rows(self._run(lambda: self._db.execute(statement, tuple(values)).fetchall()))

    def executemany(self, statement: str, rows: Iterable[Any]) -> _Rows:
        return _Rows(self._run(lambda: self._db.executemany(statement, rows).fetchall()))

    def close(self) -> None:
        """Whatever fails: SQLite tells nobody."""
        with _unheard():
            try:
                self._db.close()
            except apsw.Error:
                self._db.close(True)
        self._check_power()

    def _check_power(self) -> None:
        if self._disk.dead:
            raise PowerCut

    def _run(self, act: Callable[[], _T]) -> _T:
        try:
            # Of several failures in one call the first is raised; apsw shows the others to Python as unraisable.
            with _unheard():
                return _told(act)
        finally:
            self._check_power()
